//! One session as an operator sees it: names, times and sizes, no values.

use std::fmt;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::names::Names;
use crate::base::clock::Time;
use crate::base::kept::KeptCookie;
use crate::cli::words::{Roughly, When};
use crate::session::{Record, Session, Terms, User};

/// One session, seen at a moment.
pub(super) struct Row<'a> {
    session: &'a Session,
    record: &'a Record,
    names: &'a Names,
    expires: Time,
    now: Time,
}

/// The headings over lines.
pub(super) fn head() -> String {
    format!(
        "{:26}  {:20}  {:20}  {:>6}  {:>7}  {:>7}",
        "ID", "USER", "CREATED", "SEEN", "EXPIRES", "SIZE"
    )
}

impl<'a> Row<'a> {
    pub(super) fn of(session: &'a Session, names: &'a Names, terms: &Terms, now: Time) -> Self {
        let record = &*session.record;
        let idle_end = record.touched.plus(terms.idle_of(record));
        Self {
            session,
            record,
            names,
            expires: idle_end.min(record.created.plus(terms.absolute)),
            now,
        }
    }

    /// One line under the headings, with the ID at `site` or at the site where it is at home.
    pub(super) fn as_line(&self, site: Option<&str>) -> String {
        let site = site.unwrap_or_else(|| self.names.home(self.record));
        let user = self.record.user.as_ref();
        let user = user.map_or_else(|| "-".to_owned(), |user| Plain(&user.id).to_string());
        format!(
            "{:26}  {user:20}  {:20}  {:>6}  {:>7}  {:>7}",
            self.names.id(self.record, site),
            When(self.record.created),
            self.ago(self.record.touched),
            self.until_end(),
            self.record.weight_bytes(),
        )
    }

    fn ago(&self, time: Time) -> String {
        format!("-{}", Roughly(self.now.since(time)))
    }

    fn until_end(&self) -> String {
        format!("+{}", Roughly(self.expires.since(self.now)))
    }

    /// What a list tells.
    pub(super) fn as_json(&self) -> Value {
        let record = self.record;
        let ids = self.names.all(record).into_iter();
        let ids: serde_json::Map<_, _> =
            ids.map(|(site, id)| (site.to_owned(), id.into())).collect();
        let user = record.user.as_ref().map(|user| {
            json!({ "id": user.id, "issuer": user.issuer, "site": user.site, "auth_time": time(user.auth_time) })
        });
        json!({
            "ids": ids,
            "user": user,
            "created": time(record.created),
            "seen": time(record.touched),
            "expires": time(self.expires),
            "size_bytes": record.weight_bytes(),
        })
    }

    /// What there is to tell of a session.
    pub(super) fn as_whole_json(&self) -> Value {
        let mut value = self.as_json();
        if let Some(user) = &self.record.user {
            value["user"]["name"] = user.name.clone().into();
            value["user"]["email"] = user.email.clone().into();
            value["user"]["groups"] = user.groups.clone().into();
            value["user"]["claims"] = user.claims.keys().cloned().collect();
        }
        if let Some(entrance) = self.record.entrance() {
            value["login"] = json!({
                "device": entrance.device,
                "address": entrance.address,
                "waits": self.record.waits(),
            });
        }
        value["data"] = self.record.data.keys().collect();
        let jars = self.record.jars.iter().map(|(site, jar)| {
            let cookies = jar.iter().map(|cookie| {
                json!({
                    "name": name(cookie),
                    "domain": cookie.identity.domain,
                    "path": cookie.identity.path,
                    "expires": cookie.expires.map(time),
                })
            });
            (site.to_owned(), cookies.collect())
        });
        value["jars"] = Value::Object(jars.collect());
        value["tickets"] = self.session.holders.len().into();
        value
    }

    /// The same for people.
    pub(super) fn as_text(&self) -> String {
        let record = self.record;
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn fmt::Display| {
            // A string takes whatever is written into it.
            let _ = writeln!(text, "{name:<9} {value}");
        };
        for (site, id) in self.names.all(record) {
            line("id", &format_args!("{id} at {site}"));
        }
        match &record.user {
            Some(user) => tell_user(user, &mut line),
            None => line("user", &"nobody"),
        }
        if let Some(entrance) = record.entrance() {
            let device = entrance.device.as_deref().unwrap_or("unknown device");
            let address = entrance
                .address
                .map_or_else(String::new, |ip| format!(" at {ip}"));
            line("login", &format_args!("{device}{address}"));
        }
        if record.waits() {
            line("waits", &"until its user picks which other session ends");
        }
        let ago = |then: Time| format!("{} ({} ago)", When(then), Roughly(self.now.since(then)));
        line("created", &ago(record.created));
        line("seen", &ago(record.touched));
        let left = Roughly(self.expires.since(self.now));
        line(
            "expires",
            &format_args!("{} (in {left})", When(self.expires)),
        );
        line("size", &format_args!("{} bytes", record.weight_bytes()));
        line("tickets", &self.session.holders.len());
        for key in record.data.keys() {
            line("data", &Plain(key));
        }
        for (site, jar) in record.jars.iter() {
            for cookie in jar {
                let name = name(cookie);
                let (domain, path) = (&cookie.identity.domain, &cookie.identity.path);
                let place = format_args!("{} at {site} ({domain}{})", Plain(&name), Plain(path));
                line("cookie", &place);
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn tell_user(user: &User, line: &mut impl FnMut(&str, &dyn fmt::Display)) {
    line("user", &Plain(&user.id));
    if let Some(issuer) = &user.issuer {
        line("issuer", &Plain(issuer));
    }
    line(
        "login",
        &format_args!("{} at {}", When(user.auth_time), user.site),
    );
    let told = [("name", &user.name), ("email", &user.email)];
    for (name, value) in told {
        if let Some(value) = value {
            line(name, &Plain(value));
        }
    }
    if !user.groups.is_empty() {
        line("groups", &Plain(&user.groups.join(", ")));
    }
    for claim in user.claims.keys() {
        line("claim", &Plain(claim));
    }
}

fn time(time: Time) -> String {
    When(time).to_string()
}

fn name(cookie: &KeptCookie) -> String {
    String::from_utf8_lossy(&cookie.identity.name).into_owned()
}

/// Text of an app's or a visitor's, with nothing in it that a terminal would obey or that turns the line around.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            let turns = matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if character.is_control() || turns {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_what_apps_and_visitors_wrote() {
        let spoof = Plain("al\u{1b}[2Jice\n\u{202e}x").to_string();
        assert_eq!(spoof, "al\\u{1b}[2Jice\\u{a}\\u{202e}x");
        assert_eq!(Plain("Zoë \"Z\"").to_string(), "Zoë \"Z\"");
    }
}
