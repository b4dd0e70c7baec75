//! `site.login.login` and `site.login.logout`: each key by itself.

use super::super::super::file::{self, ContentType};
use super::super::super::settings::Method;
use super::super::{Check, value};
use crate::cookie::name::NamePattern;
use crate::login::normalise::Normalise;
use crate::login::typed::Kind;
use crate::login::watch::{LoginRule, LogoutRule, PathRule, Signs, TextPattern, Who};

/// The table that is being checked.
pub(super) struct Place<'c, 'o> {
    pub check: &'c mut Check<'o>,
    /// Its key.
    pub key: String,
    pub site_path: &'c str,
}

impl Place<'_, '_> {
    pub fn login(&mut self, rule: file::LoginRule) -> LoginRule {
        let shared_path = rule.shared_path.unwrap_or(false);
        let method = rule.method.unwrap_or(Method::Post);
        let path = self.path(rule.path.clone());
        let who = self.who(&rule);
        if shared_path && matches!(who, Who::Fixed(_)) {
            let why = "wants a user_field, by which a login is told from other requests";
            self.fault("shared_path", why, "write user_field, or take it out");
        }
        let success = self.signs("success", rule.success.unwrap_or_default());
        let failure = match rule.failure {
            Some(signs) => self.signs("failure", signs),
            None => Signs::default(),
        };
        LoginRule {
            method: method.into(),
            path,
            shared_path,
            who,
            told: None,
            success,
            failure,
        }
    }

    pub fn logout(&mut self, rule: file::LogoutRule) -> LogoutRule {
        LogoutRule {
            method: rule.method.map(Into::into),
            path: self.path(rule.path),
            query: self.query(rule.query),
            success: self.signs("success", rule.success.unwrap_or_default()),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.key)
    }

    fn fault(&mut self, name: &str, why: impl Into<String>, way_out: impl Into<String>) {
        self.check.fault(&self.key(name), why, way_out);
    }

    fn path(&mut self, text: Option<String>) -> PathRule {
        let Some(text) = text else {
            self.fault("path", "missing", "write for example path = \"/login\"");
            return PathRule::new("");
        };
        // A star stands for whole segments.
        let (start, plain) = match text.split_once("/*") {
            Some((start, "")) => (start, format!("{start}/")),
            Some((start, end)) if end.starts_with('/') => (start, format!("{start}{end}")),
            _ => (&*text, text.clone()),
        };
        let key = self.key("path");
        if plain.contains('*') {
            let why =
                "a * stands for whole folders: /*/ for any or none, /* at the end for all below";
            self.fault("path", why, "write for example \"/app/*/login\"");
            return PathRule::new(text);
        }
        let sound = self.check.accept(&key, value::one_path(&plain)).is_some();
        let site_path = self.site_path;
        if sound && !value::path_covers(site_path, start) && !(start.is_empty() && site_path == "/")
        {
            let why = format!("lies outside of the site, which is at {site_path:?}");
            self.fault("path", why, "write the whole path, as browsers ask for it");
        }
        PathRule::new(text)
    }

    fn who(&mut self, rule: &file::LoginRule) -> Who {
        if let Some(user) = &rule.user {
            for (name, is_written) in [
                ("user_field", rule.user_field.is_some()),
                ("content_type", rule.content_type.is_some()),
                ("normalise", rule.normalise.is_some()),
            ] {
                if is_written {
                    let why = "says nothing beside user, who is always the same";
                    self.fault(name, why, "take one of them out");
                }
            }
            if user.trim().is_empty() || user.chars().any(char::is_control) {
                let way_out = "write who it is, for example user = \"admin\"";
                self.fault("user", "names nobody", way_out);
            }
            return Who::Fixed(user.clone());
        }
        let field = rule.user_field.clone().unwrap_or_default();
        if field.trim().is_empty() {
            let way_out =
                "write the name of the form's field, for example user_field = \"username\"";
            self.fault("user_field", "names no field", way_out);
        }
        Who::Named {
            field,
            kind: match rule.content_type {
                Some(ContentType::Json) => Kind::Json,
                Some(ContentType::Form) | None => Kind::Form,
            },
            normalise: match rule.normalise {
                None | Some(file::Normalise::None) => Normalise::None,
                Some(file::Normalise::Trim) => Normalise::Trim,
                Some(file::Normalise::Lowercase) => Normalise::Lowercase,
                Some(file::Normalise::TrimLowercase) => Normalise::TrimLowercase,
                Some(file::Normalise::MediaWiki) => Normalise::MediaWiki,
                Some(file::Normalise::DokuWiki) => Normalise::DokuWiki,
            },
        }
    }

    fn query(&mut self, text: Option<String>) -> Option<String> {
        let text = text?;
        let is_pair = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'&' | b'?' | b'#');
        if text.is_empty() || !text.bytes().all(is_pair) {
            let way_out = "write it as it stands in the address, for example \"action=logout\"";
            self.fault("query", "not one pair of a query", way_out);
        }
        Some(text)
    }

    fn signs(&mut self, name: &str, mirror: file::Signs) -> Signs {
        let inner = |sign: &str| format!("{name}.{sign}");
        let file::Signs {
            status,
            location,
            sets_cookie,
            deletes_cookie,
        } = mirror;
        let says_nothing = status.is_none()
            && [&location, &sets_cookie, &deletes_cookie]
                .iter()
                .all(|sign| sign.is_none());
        let mut names = ["status", "location", "sets_cookie", "deletes_cookie"].iter();
        let is_at_fault = names.any(|sign| self.check.origins.is_spoiled(&self.key(&inner(sign))));
        if says_nothing && !is_at_fault {
            let (why, way_out) = match name {
                "failure" => (
                    "says nothing",
                    "write for example failure = { status = [401] }",
                ),
                _ => (
                    "says nothing: a failure would look the same",
                    "write for example success = { status = [302] }",
                ),
            };
            self.fault(name, why, way_out);
        }
        let bad = |text: &String| text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic());
        if location
            .as_ref()
            .is_some_and(|text| bad(text) || text.matches('*').count() > 1)
        {
            let why = "no Location is like that";
            let way_out = "write for example \"/home\", or \"/home*\" for what begins so";
            self.fault(&inner("location"), why, way_out);
        }
        Signs {
            status: self.statuses(&inner("status"), status),
            location: location.map(TextPattern::new),
            sets_cookie: self.cookie(&inner("sets_cookie"), sets_cookie),
            deletes_cookie: self.cookie(&inner("deletes_cookie"), deletes_cookie),
        }
    }

    fn statuses(&mut self, name: &str, written: Option<Vec<u32>>) -> Vec<u16> {
        if written.as_ref().is_some_and(Vec::is_empty) {
            let way_out = "write for example status = [302], or take it out";
            self.fault(name, "no answer has one of no statuses", way_out);
        }
        let mut statuses = Vec::new();
        for (nth, status) in written.into_iter().flatten().enumerate() {
            match u16::try_from(status) {
                Ok(status) if (100..=599).contains(&status) => statuses.push(status),
                _ => {
                    let way_out = "write one from 100 to 599";
                    self.fault(&format!("{name}[{nth}]"), "no HTTP status", way_out);
                }
            }
        }
        statuses
    }

    fn cookie(&mut self, name: &str, written: Option<String>) -> Option<NamePattern> {
        let written = written?;
        let key = self.key(name);
        self.check.accept(&key, value::cookie_pattern(&written))?;
        NamePattern::parse(&written).ok()
    }
}
