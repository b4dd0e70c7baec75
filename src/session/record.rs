//! The record: what a store holds of a session.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::entrance::Entrance;
use super::expiry::Expiry;
use super::grant::Grant;
use super::home::Home;
use super::root_text;
use super::ticket::Root;
use crate::base::clock::Time;
use crate::base::framed;
use crate::base::kept::{BrowserCopy, CookieIdentity, KeptCookie, TakenCopy};
use crate::base::small_map::SmallMap;

/// What a session knows. Immutable once in a store; a change makes a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From which the session's IDs are derived.
    #[serde(with = "root_text")]
    pub root: Root,
    /// When the session began. The absolute timeout counts from here and nothing moves it.
    pub created: Time,
    /// When its idle clock was last written.
    pub touched: Time,
    /// What sealed and signed cookies of this session are bound to: the root of the session in which the first was
    /// set. A login that carries jar and data along carries this too. Boxed, because few sessions have one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "root_text::option"
    )]
    pub bond: Option<Box<Root>>,
    /// How often each site has cleared all that it has in the browser, since something was bound. Boxed, because hardly
    /// any session has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<Box<SmallMap<u32>>>,
    /// Where the visitor was at home before the login that began this session; none: the root tells. Boxed, because
    /// few sessions have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Box<Home>>,
    /// Who logged in, if anybody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Box<User>>,
    /// The session's own expiry, if the app set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Expiry>,
    /// The session's data.
    #[serde(default, skip_serializing_if = "SmallMap::is_empty")]
    pub data: SmallMap<Value>,
    /// The app cookies, by the name of the site.
    #[serde(default, skip_serializing_if = "SmallMap::is_empty")]
    pub jars: SmallMap<Vec<KeptCookie>>,
    /// Copies in the browser that only this session's requests could use and that not every request brings, the newest
    /// last: they are to go with the session. Boxed, because few sessions have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Box<Copies>>,
    /// What browsers have brought to each site and a jar took over, the newest last: none of it is taken over again.
    /// Boxed, because few sessions have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Box<SmallMap<Vec<TakenCopy>>>>,
}

/// What [`Record::copies`] holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Copies(Vec<BrowserCopy>);

/// How many of them are remembered; what is older stays in the browser.
const COPIES_MAX: usize = 16;
/// How much they may weigh together. A browser takes a path of 1024 bytes, and some of those fit.
const COPIES_BYTES_MAX: usize = 4096;

/// How much of what was taken over is remembered for each site: as much as fits a jar.
const TAKEN_MAX: usize = 180;

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The user's id at the site that bound it.
    pub id: String,
    /// The issuer that vouched for the id, where there is one; the key of a user is the pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address; never a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Groups, as the login told them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Further claims.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// The site that bound the user.
    pub site: String,
    /// When the user proved who they are.
    pub auth_time: Time,
    /// How they came in, where that is noted. Boxed, to be looked at seldom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrance: Option<Box<Entrance>>,
    /// What the issuer gave for them, if it goes on giving. Boxed, because few have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Box<Grant>>,
}

/// Under what a store finds the sessions of a user: a hash of the issuer and the id, so that neither is an index key
/// that needs escaping. Two sites may know different people by one id; [`User::is_same_as`] tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub [u8; 32]);

impl UserKey {
    /// The key of the user with this id, as `issuer` or, without one, a site vouches for it.
    pub fn of(issuer: Option<&str>, id: &str) -> Self {
        Self(framed::hash(&[
            b"cloakroom user key v1",
            issuer.unwrap_or_default().as_bytes(),
            id.as_bytes(),
        ]))
    }
}

impl User {
    /// Who is known by this id to `site`, which bound them then, and by nothing else.
    pub fn new(id: String, site: &str, auth_time: Time) -> Self {
        Self {
            id,
            issuer: None,
            name: None,
            email: None,
            groups: Vec::new(),
            claims: Map::new(),
            site: site.to_owned(),
            auth_time,
            entrance: None,
            grant: None,
        }
    }

    /// Under what a store finds the user's sessions.
    pub fn key(&self) -> UserKey {
        UserKey::of(self.issuer.as_deref(), &self.id)
    }

    /// Whether `other` is the same person: same issuer, id and binding site.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (&self.issuer, &self.id, &self.site) == (&other.issuer, &other.id, &other.site)
    }
}

impl Record {
    /// A session that begins at `created` and holds nothing.
    pub fn empty(root: Root, created: Time, now: Time) -> Self {
        Self {
            root,
            created,
            touched: now,
            bond: None,
            cleared: None,
            home: None,
            user: None,
            expiry: None,
            data: SmallMap::new(),
            jars: SmallMap::new(),
            copies: None,
            taken: None,
        }
    }

    /// Whether there is anything that a cross-site request could abuse.
    pub fn is_worth_guarding(&self) -> bool {
        self.user.is_some()
            || !self.data.is_empty()
            || self.jars.values().any(|jar| !jar.is_empty())
    }

    /// What sealed and signed cookies of `site` are bound to in this session. Another thing after the site has cleared its
    /// cookies, so that a value of before opens no more, wherever it was kept meanwhile.
    pub fn bond_of(&self, site: &str) -> Option<Root> {
        let bond = self.bond.as_deref()?;
        let cleared = self.cleared.as_ref().and_then(|cleared| cleared.get(site));
        Some(cleared.map_or(*bond, |times| Self::bond_after(bond, site, *times)))
    }

    /// The same, when `site` has cleared its cookies so many `times`.
    pub fn bond_after(bond: &Root, site: &str, times: u32) -> Root {
        Root(framed::hash(&[
            b"cloakroom bond after clearing v1",
            &bond.0,
            site.as_bytes(),
            &times.to_be_bytes(),
        ]))
    }

    /// Empties the jar of `site`, and makes worthless what it has had sealed and signed.
    pub(super) fn clear(&mut self, site: &str) {
        self.jars.remove(site);
        if self.bond.is_some() {
            let cleared = self.cleared.get_or_insert_default();
            let times = cleared.get_or_insert_with(site, || 0);
            *times = times.wrapping_add(1);
        }
    }

    /// What browsers have brought to `site` and its jar took over.
    pub fn taken(&self, site: &str) -> &[TakenCopy] {
        let taken = self.taken.as_ref().and_then(|taken| taken.get(site));
        taken.map_or(&[], Vec::as_slice)
    }

    /// `cookie`, which a browser brought, as the jar of `site` takes it over; `None` where it already has, or has something in
    /// its place. A parallel request may have brought another one first: then this is for another folder.
    pub(super) fn place_of(
        &mut self,
        site: &str,
        cookie: &KeptCookie,
        brought_to: &str,
    ) -> Option<KeptCookie> {
        let CookieIdentity { name, domain, .. } = &cookie.identity;
        let jar = self.jar(site);
        let is_answered = jar.iter().any(|kept| {
            let is_for = kept.is_for_host(domain) && kept.identity.covers(brought_to);
            !kept.adopted && kept.identity.name == *name && is_for
        });
        let mut placed = cookie.clone();
        let mut is_free = true;
        if jar.iter().any(|kept| kept.identity == cookie.identity) {
            let place = (&**name, &**domain);
            let folder = TakenCopy::folder_beside(self.taken(site), jar, place, brought_to);
            is_free = folder.is_some();
            placed.identity.path = folder.unwrap_or("/").into();
        }
        let is_new = self.take_over(site, cookie, brought_to);
        (is_new && is_free && !is_answered).then_some(placed)
    }

    /// Remembers that the jar of `site` takes it over; false where it already has.
    fn take_over(&mut self, site: &str, cookie: &KeptCookie, brought_to: &str) -> bool {
        let CookieIdentity { name, domain, .. } = &cookie.identity;
        if TakenCopy::find(self.taken(site), name, &cookie.value, domain).is_some() {
            return false;
        }
        let taken = self.taken.get_or_insert_default();
        let taken = taken.get_or_insert_with(site, Vec::new);
        if taken.len() >= TAKEN_MAX {
            taken.remove(0);
        }
        taken.push(TakenCopy::of(cookie, brought_to));
        true
    }

    /// Remembers a copy in the browser, and of too many the newest.
    pub(super) fn remember_copy(&mut self, copy: &BrowserCopy) {
        if self.copies().contains(copy) || copy.weight_bytes() > COPIES_BYTES_MAX {
            return;
        }
        self.copies.get_or_insert_default().0.push(copy.clone());
        while self.copies().len() > COPIES_MAX || self.copies_bytes() > COPIES_BYTES_MAX {
            self.forget_oldest_copy();
        }
    }

    /// Forgets a copy that is no more, or no longer one.
    pub(super) fn forget_copy(&mut self, copy: &BrowserCopy) {
        if let Some(Copies(copies)) = self.copies.as_deref_mut() {
            copies.retain(|known| known != copy);
        }
        self.drop_empty_copies();
    }

    /// Forgets the oldest copy; false where there is none.
    pub(crate) fn forget_oldest_copy(&mut self) -> bool {
        let Some(Copies(copies)) = self.copies.as_deref_mut() else {
            return false;
        };
        let is_any = !copies.is_empty();
        copies.drain(..usize::from(is_any));
        self.drop_empty_copies();
        is_any
    }

    /// Forgets copies, the oldest first, while the session weighs more than that: they are the least that it has to
    /// remember, and whoever gets a browser to ask for long paths must not keep it from a login.
    pub(super) fn shed_copies(&mut self, bytes_max: usize) {
        while self.weight_bytes() > bytes_max && self.forget_oldest_copy() {}
    }

    fn drop_empty_copies(&mut self) {
        if self.copies().is_empty() {
            self.copies = None;
        }
    }

    /// Copies in the browser that are to go with the session.
    pub fn copies(&self) -> &[BrowserCopy] {
        self.copies.as_ref().map_or(&[], |copies| &copies.0)
    }

    fn copies_bytes(&self) -> usize {
        self.copies().iter().map(BrowserCopy::weight_bytes).sum()
    }

    /// How the user came in.
    pub fn entrance(&self) -> Option<&Entrance> {
        self.user.as_ref()?.entrance.as_deref()
    }

    /// What the issuer gave for the user.
    pub fn grant(&self) -> Option<&Grant> {
        self.user.as_ref()?.grant.as_deref()
    }

    /// The jar of `site`.
    pub fn jar(&self, site: &str) -> &[KeptCookie] {
        self.jars.get(site).map_or(&[], Vec::as_slice)
    }

    /// What the session weighs against `max_bytes`: close to its stored size, and cheap to work out.
    pub fn weight_bytes(&self) -> usize {
        let jars: usize = self
            .jars
            .values()
            .flatten()
            .map(KeptCookie::weight_bytes)
            .sum();
        let user = self.user.as_ref().map_or(0, |user| {
            let optional = [&user.issuer, &user.name, &user.email]
                .into_iter()
                .flatten()
                .map(String::len);
            let groups = user.groups.iter().map(|group| group.len() + 4);
            user.id.len()
                + user.site.len()
                + optional.sum::<usize>()
                + groups.sum::<usize>()
                + map_bytes(&user.claims)
        });
        let data = self.data.iter();
        let data: usize = data.map(|(key, value)| entry_bytes(key, value)).sum();
        let cleared = self.cleared.iter().flat_map(|cleared| cleared.keys());
        let cleared: usize = cleared.map(|site| site.len() + 16).sum();
        let taken = self.taken.iter().flat_map(|taken| taken.values());
        let taken: usize = taken.flatten().map(TakenCopy::weight_bytes).sum();
        let entrance = self.entrance().map_or(0, Entrance::weight_bytes);
        let grant = self.grant().map_or(0, Grant::weight_bytes);
        256 + grant + jars + user + entrance + data + cleared + taken + self.copies_bytes()
    }
}

fn map_bytes(map: &Map<String, Value>) -> usize {
    map.iter().map(|(key, value)| entry_bytes(key, value)).sum()
}

fn entry_bytes(key: &str, value: &Value) -> usize {
    key.len() + value_bytes(value) + 4
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 12,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| value_bytes(item) + 1).sum(),
        Value::Object(map) => map_bytes(map),
    }
}
