//! A session as durable engines write it down: JSON that says of itself which version it is, so that the next version
//! reads today's and an operator can read it too.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use super::holders::Holder;
use super::life::{Session, State};
use super::record::Record;
use super::ticket::TicketKey;
use crate::base::clock::Time;

/// The version that [`write`] writes. Version 1 did not say when a ticket was issued, and knew no scheduled rotation.
const VERSION: u32 = 2;

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

#[derive(Serialize)]
struct Writing<'a> {
    v: u32,
    state: State,
    holders: Vec<StoredHolder>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forebears: Vec<String>,
    record: &'a Record,
}

#[derive(Deserialize)]
struct Reading {
    state: State,
    holders: Vec<StoredHolder>,
    #[serde(default)]
    forebears: Vec<String>,
    record: Record,
}

#[derive(Serialize, Deserialize)]
struct StoredHolder {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retires: Option<Time>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    untried: bool,
}

/// `session` as text.
///
/// # Errors
/// None in practice: everything in a session has a JSON form.
pub fn write(session: &Session) -> Result<String, serde_json::Error> {
    let holders = session.holders.iter().map(|holder| StoredHolder {
        key: key_text(&holder.key),
        issued: Some(holder.issued),
        retires: holder.retires,
        untried: holder.untried,
    });
    serde_json::to_string(&Writing {
        v: VERSION,
        state: session.state,
        holders: holders.collect(),
        forebears: session.forebears.iter().map(key_text).collect(),
        record: &session.record,
    })
}

/// The session that `text` says.
///
/// # Errors
/// When it is not a session, or one of a newer version.
pub fn read(text: &[u8]) -> Result<Session, serde_json::Error> {
    let Versioned { v } = serde_json::from_slice(text)?;
    if !(1..=VERSION).contains(&v) {
        return Err(serde_json::Error::custom(format_args!(
            "it is written as version {v}, and version {VERSION} is the newest that is known here"
        )));
    }
    let stored: Reading = serde_json::from_slice(text)?;
    let mut record = stored.record;
    // Sessions are many: no room is kept for cookies that may never come.
    record.jars.values_mut().for_each(Vec::shrink_to_fit);
    let holders = stored.holders.iter().map(|holder| {
        Ok(Holder {
            key: parse_key(&holder.key)?,
            issued: holder.issued.unwrap_or(record.created),
            retires: holder.retires,
            untried: holder.untried,
        })
    });
    let forebears = stored.forebears.iter().map(|text| parse_key(text));
    Ok(Session {
        holders: holders.collect::<Result<_, serde_json::Error>>()?,
        forebears: forebears.collect::<Result<_, _>>()?,
        record: Arc::new(record),
        state: stored.state,
    })
}

fn key_text(key: &TicketKey) -> String {
    BASE64URL_NOPAD.encode(&key.0)
}

fn parse_key(text: &str) -> Result<TicketKey, serde_json::Error> {
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(serde_json::Error::custom)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| serde_json::Error::custom("a ticket key has 32 bytes"))?;
    Ok(TicketKey(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::kept::{CookieIdentity, KeptCookie, SameSite};
    use crate::session::Holders;
    use crate::session::expiry::Expiry;
    use crate::session::record::User;
    use crate::session::ticket::Root;

    /// The oldest form in the field. It is never edited: a change of the form gets a new version and a new text.
    const GOLDEN_V1: &str = r#"{"v":1,"state":{"Frozen":{"until":1700000300000}},"holders":[{"key":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","retires":1700000200000},{"key":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"}],"forebears":["AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM"],"record":{"root":"BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ","created":1700000000000,"touched":1700000100000,"user":{"id":"alice","groups":["staff"],"site":"shop","auth_time":1700000050000},"expiry":{"IdleSecs":300},"data":{"theme":"dark"},"jars":{"shop":[{"identity":{"name":"sid","domain":"shop.example","path":"/"},"value":"a\u0000ÿ","host_only":true,"expires":1800000000000,"created":1700000000000,"same_site":"Lax"}]}}}"#;

    /// The form of today.
    const GOLDEN_V2: &str = r#"{"v":2,"state":{"Frozen":{"until":1700000300000}},"holders":[{"key":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","issued":1700000000000,"retires":1700000200000},{"key":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI","issued":1700000150000,"untried":true}],"forebears":["AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM"],"record":{"root":"BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ","created":1700000000000,"touched":1700000100000,"user":{"id":"alice","groups":["staff"],"site":"shop","auth_time":1700000050000},"expiry":{"IdleSecs":300},"data":{"theme":"dark"},"jars":{"shop":[{"identity":{"name":"sid","domain":"shop.example","path":"/"},"value":"a\u0000ÿ","host_only":true,"expires":1800000000000,"created":1700000000000,"same_site":"Lax"}]}}}"#;

    fn golden_v2() -> Session {
        let mut session = golden();
        session.holders[1] = Holder {
            untried: true,
            ..Holder::current(TicketKey([2; 32]), Time::from_secs(1_700_000_150))
        };
        session
    }

    fn golden() -> Session {
        let secs = Time::from_secs;
        let mut record = Record::empty(Root([4; 32]), secs(1_700_000_000), secs(1_700_000_100));
        record.user = Some(Box::new(User {
            id: "alice".into(),
            issuer: None,
            name: None,
            email: None,
            groups: vec!["staff".into()],
            claims: serde_json::Map::new(),
            site: "shop".into(),
            auth_time: secs(1_700_000_050),
            entrance: None,
            grant: None,
        }));
        record.expiry = Some(Expiry::IdleSecs(300));
        record.data.insert("theme", json!("dark"));
        let cookie = KeptCookie {
            identity: CookieIdentity {
                name: b"sid"[..].into(),
                domain: "shop.example".into(),
                path: "/".into(),
            },
            value: [b'a', 0, 0xff].into(),
            host_only: true,
            expires: Some(secs(1_800_000_000)),
            created: secs(1_700_000_000),
            same_site: Some(SameSite::Lax),
            adopted: false,
        };
        record.jars.insert("shop", vec![cookie]);
        Session {
            record: Arc::new(record),
            holders: Holders::from_iter([
                Holder {
                    key: TicketKey([1; 32]),
                    issued: secs(1_700_000_000),
                    retires: Some(secs(1_700_000_200)),
                    untried: false,
                },
                Holder::current(TicketKey([2; 32]), secs(1_700_000_000)),
            ]),
            state: State::Frozen {
                until: secs(1_700_000_300),
            },
            forebears: vec![TicketKey([3; 32])],
        }
    }

    #[test]
    fn what_version_1_wrote_is_still_read() {
        assert_eq!(read(GOLDEN_V1.as_bytes()).unwrap(), golden());
    }

    #[test]
    fn what_version_2_wrote_is_still_read() {
        assert_eq!(read(GOLDEN_V2.as_bytes()).unwrap(), golden_v2());
    }

    /// Copies were remembered before it was written down whose they are.
    #[test]
    fn copies_of_nobody_in_particular_are_still_read_and_new_ones_say_whose() {
        let old = r#"{"name":"cart","domain":"","path":"/shop"}"#;
        let text = |copies: &str| {
            let copies = format!("\"copies\":[{copies}],\"jars\"");
            GOLDEN_V2.replace("\"jars\"", &copies)
        };
        let read_back = read(text(old).as_bytes()).unwrap();
        let [copy] = read_back.record.copies() else {
            panic!("{:?}", read_back.record.copies());
        };
        assert_eq!(
            (&*copy.place.path, &*copy.site, &*copy.host),
            ("/shop", "", "")
        );
        assert!(write(&read_back).unwrap().contains(&format!("[{old}]")));
        let new =
            r#"{"name":"cart","domain":"","path":"/shop","site":"shop","host":"shop.example"}"#;
        let read_back = read(text(new).as_bytes()).unwrap();
        assert!(write(&read_back).unwrap().contains(&format!("[{new}]")));
    }

    #[test]
    fn the_form_has_not_changed_without_a_new_version() {
        assert_eq!(write(&golden_v2()).unwrap(), GOLDEN_V2);
    }

    #[test]
    fn a_newer_version_and_a_torn_record_are_faults_and_not_sessions() {
        let newer = GOLDEN_V2.replacen("\"v\":2", "\"v\":3", 1);
        let message = read(newer.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("version 3"), "{message}");
        for end in 0..GOLDEN_V2.len() {
            assert!(read(&GOLDEN_V2.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        let bent = GOLDEN_V2.replace("AQEBAQ", "AQE");
        assert!(read(bent.as_bytes()).is_err());
    }
}
