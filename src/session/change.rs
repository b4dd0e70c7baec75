//! What one request did to its session.

use serde_json::Value;

use super::entrance::Entrance;
use super::expiry::{Expiry, Terms};
use super::grant::GrantEdit;
use super::home::Home;
use super::record::{Record, User};
use crate::base::clock::Time;
use crate::base::kept::{BrowserCopy, CookieIdentity, KeptCookie};

/// What one request did to its session. A store applies it whole or not at all, and merges it with what parallel
/// requests did: edits name single keys and cookies, never the whole state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Edits of the session's data, in order.
    pub data: Vec<DataEdit>,
    /// Edits of a jar, in order.
    pub cookies: Vec<JarEdit>,
    /// Copies that the browser gets and that not every request will bring.
    pub copies: Vec<BrowserCopy>,
    /// Such as it got before, and has no more.
    pub copies_gone: Vec<BrowserCopy>,
    /// A new expiry of the session's own; `Some(None)` goes back to the usual one.
    pub expiry: Option<Option<Expiry>>,
    /// Whether the response brings values that are bound to the session.
    pub binds: bool,
    /// Where the session that a login begins is at home, if that is not for its root to tell.
    pub home: Option<Home>,
    /// How the user of a login came in.
    pub entrance: Option<Box<Entrance>>,
    /// What an OpenID provider gave for the user.
    pub grant: Option<Box<GrantEdit>>,
    /// Whether the user has picked for whom the session waits.
    pub picked: bool,
    /// Whether the idle clock is to be written.
    pub touch: bool,
    /// What becomes of the session as a whole.
    pub turn: Turn,
}

/// What becomes of the session as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Turn {
    /// It goes on under its ticket.
    #[default]
    Stay,
    /// It goes on under a new ticket (Django's `cycle_key`).
    Rotate,
    /// The same because the ticket has become old, unless a parallel request was first. The old one goes on until the
    /// new one has come back, and for the grace after that.
    RotateOnSchedule,
    /// Somebody logged in: a new session under a new ticket.
    LogIn {
        /// Who; `None` when somebody did whom nobody can name.
        user: Option<Box<User>>,
        /// Whether the data and jar of an anonymous session, or of the same user's, go along.
        carry: bool,
    },
    /// It ends (Django's `flush`).
    End,
}

/// One edit of the data.
#[derive(Clone, Debug, PartialEq)]
pub enum DataEdit {
    /// Sets a key.
    Set(String, Value),
    /// Removes a key.
    Unset(String),
}

/// One edit of a jar.
#[derive(Clone, Debug, PartialEq)]
pub enum JarEdit {
    /// Puts a cookie in, or in the place of the one with its identity.
    Put {
        /// The site whose jar it is.
        site: String,
        /// The cookie.
        cookie: KeptCookie,
    },
    /// Puts a cookie in that the browser brought, unless the jar has had it, or has one in its place.
    Adopt {
        /// The site whose jar it is.
        site: String,
        /// The cookie.
        cookie: KeptCookie,
        /// The path of the request that brought it.
        brought_to: Box<str>,
    },
    /// Takes a cookie out.
    Remove {
        /// The site whose jar it is.
        site: String,
        /// Which cookie.
        identity: CookieIdentity,
    },
    /// Takes all cookies out, and makes worthless what the site has had sealed and signed.
    Empty {
        /// The site whose jar it is.
        site: String,
    },
}

impl Turn {
    /// Whether the session may go on under a new ticket.
    pub const fn needs_a_ticket(&self) -> bool {
        match self {
            Self::Rotate | Self::RotateOnSchedule | Self::LogIn { .. } => true,
            Self::Stay | Self::End => false,
        }
    }
}

impl Change {
    /// Whether there is nothing for a store to do.
    pub fn is_nothing(&self) -> bool {
        !self.touch && !self.promises() && self.turn == Turn::Stay && self.copies_gone.is_empty()
    }

    /// Whether a response that goes out with it promises the visitor anything. A renewed idle clock does not, and a
    /// scheduled rotation can wait for the next request.
    pub fn promises(&self) -> bool {
        !self.data.is_empty()
            || !self.cookies.is_empty()
            || self.expiry.is_some()
            || self.binds
            || self.picked
            || self.grant.is_some()
            || !matches!(self.turn, Turn::Stay | Turn::RotateOnSchedule)
    }

    /// Whether how long the ticket's cookie lives may be another than before.
    pub const fn sets_expiry(&self) -> bool {
        self.expiry.is_some() || self.picked
    }

    /// Whether a session that has no record yet needs one for this. A mere touch, and taking away
    /// what is not there, need none: a visitor with nothing to remember costs the store nothing.
    pub fn needs_a_record(&self) -> bool {
        self.expiry.flatten().is_some()
            || self.binds
            || !matches!(self.turn, Turn::Stay | Turn::RotateOnSchedule)
            || self
                .data
                .iter()
                .any(|edit| matches!(edit, DataEdit::Set(..)))
            || self
                .cookies
                .iter()
                .any(|edit| matches!(edit, JarEdit::Put { .. } | JarEdit::Adopt { .. }))
    }

    /// Names of the cookies that it puts into a jar, for those who tell what became of it.
    pub fn kept_names(&self) -> Vec<Box<[u8]>> {
        let edits = self.cookies.iter();
        let names = edits.filter_map(|edit| match edit {
            JarEdit::Put { cookie, .. } | JarEdit::Adopt { cookie, .. } => {
                Some(cookie.identity.name.clone())
            }
            JarEdit::Remove { .. } | JarEdit::Empty { .. } => None,
        });
        names.collect()
    }

    /// Applies the edits, the expiry and the touch to `record`; the turn is the session's business. Returns the names of
    /// the cookies that went because a jar was full.
    pub(super) fn apply_edits(
        &self,
        record: &mut Record,
        terms: &Terms,
        now: Time,
    ) -> Vec<Box<[u8]>> {
        let mut evicted = Vec::new();
        for edit in &self.data {
            match edit {
                DataEdit::Set(key, value) => {
                    record.data.insert(key, value.clone());
                }
                DataEdit::Unset(key) => {
                    record.data.remove(key);
                }
            }
        }
        for edit in &self.cookies {
            match edit {
                JarEdit::Put { site, cookie } => {
                    put(record, site, cookie, now);
                    evict(record, site, terms.jar_cookies_max, &mut evicted);
                }
                JarEdit::Adopt {
                    site,
                    cookie,
                    brought_to,
                } => {
                    if let Some(cookie) = record.place_of(site, cookie, brought_to) {
                        put(record, site, &cookie, now);
                        evict(record, site, terms.jar_cookies_max, &mut evicted);
                    }
                }
                JarEdit::Remove { site, identity } => remove(record, site, identity),
                JarEdit::Empty { site } => record.clear(site),
            }
        }
        for copy in &self.copies_gone {
            record.forget_copy(copy);
        }
        for copy in &self.copies {
            record.remember_copy(copy);
        }
        if let Some(expiry) = self.expiry {
            record.expiry = expiry;
        }
        if self.picked {
            record.wait_no_more();
        }
        if let Some(edit) = &self.grant {
            edit.apply(record);
        }
        if self.binds && record.bond.is_none() {
            record.bond = Some(Box::new(record.root));
        }
        self.apply_touch(record, now);
        evicted
    }

    /// `record` as it is when nothing but the touch is applied.
    pub(super) fn touched(&self, record: &Record, now: Time) -> Record {
        let mut record = record.clone();
        self.apply_touch(&mut record, now);
        record
    }

    fn apply_touch(&self, record: &mut Record, now: Time) {
        if self.touch {
            record.touched = record.touched.max(now);
        }
    }
}

fn put(record: &mut Record, site: &str, cookie: &KeptCookie, now: Time) {
    let jar = record.jars.get_or_insert_with(site, Vec::new);
    jar.retain(|kept| kept.expires.is_none_or(|expires| expires > now));
    match jar.iter_mut().find(|kept| kept.identity == cookie.identity) {
        // RFC 6265bis 5.7: a cookie that is set again keeps its creation time, and with it its place in the order.
        Some(kept) => {
            *kept = KeptCookie {
                created: kept.created,
                ..cookie.clone()
            }
        }
        None => {
            // Sessions are many: no room is kept for a cookie that may never come.
            jar.reserve_exact(1);
            jar.push(cookie.clone());
        }
    }
}

/// Makes a jar no larger than it may be: the oldest go, as in a browser.
fn evict(record: &mut Record, site: &str, cookies_max: usize, evicted: &mut Vec<Box<[u8]>>) {
    let Some(jar) = record.jars.get_mut(site) else {
        return;
    };
    while jar.len() > cookies_max {
        let oldest = jar
            .iter()
            .enumerate()
            // Anybody can have a browser bring cookies, and only the app can set its own.
            .min_by_key(|(_, kept)| (!kept.adopted, kept.created))
            .map(|(at, _)| at);
        let Some(oldest) = oldest else { break };
        evicted.push(jar.remove(oldest).identity.name);
    }
}

fn remove(record: &mut Record, site: &str, identity: &CookieIdentity) {
    if let Some(jar) = record.jars.get_mut(site) {
        jar.retain(|kept| kept.identity != *identity);
        if jar.is_empty() {
            record.jars.remove(site);
        }
    }
}
