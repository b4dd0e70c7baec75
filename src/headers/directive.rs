//! What an app asks of the session through response headers (RFC 9651 structured fields).
//!
//! They are always taken out of the response. Whether they are obeyed is decided by the caller, who knows whether
//! this app is trusted with them.

use http::{HeaderMap, HeaderName};
use serde_json::{Number, Value};
use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parameters, Parser};

use super::fold::{self, Claim};

/// The longest user id, in bytes.
const USER_ID_BYTES_MAX: usize = 256;

/// What one response asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directives {
    /// Whether there was any directive, well-formed or not.
    pub present: bool,
    /// `X-Session-Set`: keys and their new values, in order.
    pub set: Vec<(String, Value)>,
    /// `X-Session-Unset`: keys to remove.
    pub unset: Vec<String>,
    /// `X-Session-Login`: who is logged in from now on.
    pub login: Option<LoginDirective>,
    /// `X-Session-Logout: ?1`: the session is to end.
    pub logout: bool,
    /// `X-Session-Rotate: ?1`: the session is to get a new ticket.
    pub rotate: bool,
    /// `X-Session-Expiry`: seconds; 0 means when the browser is closed.
    pub expiry: Option<u32>,
    /// The directives that could not be read, by header name. They are as if they had not been sent.
    pub malformed: Vec<&'static str>,
}

/// Who is logged in from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginDirective {
    /// The user's id: 1 to 256 bytes, no control characters.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// Groups, without empty ones.
    pub groups: Vec<String>,
}

/// Takes all directives, and every other `X-Session-*` and `X-Cloakroom-*` header in whatever spelling, out of a
/// response. Only the plain spelling is read. Several fields of one name are read as one list; a malformed directive
/// has no effect at all and is named in [`Directives::malformed`].
pub fn take(headers: &mut HeaderMap) -> Directives {
    let mut directives = Directives::default();
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| fold::claim(name.as_str()) == Some(Claim::Identity))
        .cloned()
        .collect();
    for name in ours {
        let known = DIRECTIVES.iter().find(|(known, _)| *known == name.as_str());
        if let Some((known, read)) = known {
            directives.present = true;
            if read(&mut directives, &joined(headers, &name)).is_none() {
                directives.malformed.push(known);
            }
        }
        headers.remove(name);
    }
    directives
}

type Read = fn(&mut Directives, &[u8]) -> Option<()>;

const DIRECTIVES: [(&str, Read); 6] = [
    ("x-session-set", |to, text| {
        to.set = read_set(text)?;
        Some(())
    }),
    ("x-session-unset", |to, text| {
        to.unset = read_unset(text)?;
        Some(())
    }),
    ("x-session-login", |to, text| {
        to.login = Some(read_login(text)?);
        Some(())
    }),
    ("x-session-logout", |to, text| {
        to.logout = read_flag(text)?;
        Some(())
    }),
    ("x-session-rotate", |to, text| {
        to.rotate = read_flag(text)?;
        Some(())
    }),
    ("x-session-expiry", |to, text| {
        to.expiry = Some(read_expiry(text)?);
        Some(())
    }),
];

/// RFC 9651 4.2: all fields of a name are one value, joined with commas.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    values.join(&b", "[..])
}

fn read_set(text: &[u8]) -> Option<Vec<(String, Value)>> {
    let members = Parser::new(text).parse::<Dictionary>().ok()?;
    members
        .into_iter()
        .map(|(key, member)| Some((String::from(key), member_value(member)?)))
        .collect()
}

fn read_unset(text: &[u8]) -> Option<Vec<String>> {
    let members = Parser::new(text).parse::<List>().ok()?;
    members
        .into_iter()
        .map(|member| match member {
            ListEntry::Item(Item {
                bare_item: BareItem::Token(key),
                ..
            }) => Some(key.into()),
            ListEntry::Item(Item {
                bare_item: BareItem::String(key),
                ..
            }) => Some(key.into()),
            _ => None,
        })
        .collect()
}

fn read_login(text: &[u8]) -> Option<LoginDirective> {
    let Item { bare_item, params } = Parser::new(text).parse::<Item>().ok()?;
    let id = text_of(&bare_item)?.to_owned();
    let is_fit = (1..=USER_ID_BYTES_MAX).contains(&id.len()) && !id.chars().any(char::is_control);
    let groups = text_param(&params, "groups")?.unwrap_or_default();
    is_fit.then_some(LoginDirective {
        id,
        name: text_param(&params, "name")?,
        email: text_param(&params, "email")?,
        groups: groups
            .split(',')
            .map(str::trim)
            .filter(|group| !group.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

fn read_flag(text: &[u8]) -> Option<bool> {
    Parser::new(text)
        .parse::<Item>()
        .ok()?
        .bare_item
        .as_boolean()
}

fn read_expiry(text: &[u8]) -> Option<u32> {
    let secs = Parser::new(text)
        .parse::<Item>()
        .ok()?
        .bare_item
        .as_integer()?;
    u32::try_from(i64::from(secs)).ok()
}

/// `Some(None)` when the parameter is not there, `None` when it is there and no text.
fn text_param(params: &Parameters, name: &str) -> Option<Option<String>> {
    match params.get(name) {
        None => Some(None),
        Some(value) => Some(Some(text_of(value)?.to_owned())),
    }
}

/// The text of a String, or of a Display String, which is how RFC 9651 writes text that is not ASCII.
fn text_of(item: &BareItem) -> Option<&str> {
    match item {
        BareItem::String(text) => Some(text.as_str()),
        BareItem::DisplayString(text) => Some(text),
        _ => None,
    }
}

fn member_value(member: ListEntry) -> Option<Value> {
    match member {
        ListEntry::Item(item) => item_value(item.bare_item),
        ListEntry::InnerList(list) => list
            .items
            .into_iter()
            .map(|item| item_value(item.bare_item))
            .collect::<Option<_>>()
            .map(Value::Array),
    }
}

fn item_value(item: BareItem) -> Option<Value> {
    Some(match item {
        BareItem::Integer(number) => Value::from(i64::from(number)),
        BareItem::Decimal(number) => Value::Number(Number::from_f64(f64::from(number))?),
        BareItem::String(text) => Value::String(text.into()),
        BareItem::Token(text) => Value::String(text.into()),
        BareItem::DisplayString(text) => Value::String(text),
        BareItem::Boolean(flag) => Value::Bool(flag),
        BareItem::Date(date) => Value::from(i64::from(date.unix_seconds())),
        // JSON has no bytes, and every text form of them would be a guess.
        BareItem::ByteSequence(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn taken(fields: &[(&'static str, &str)]) -> Directives {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let directives = take(&mut headers);
        assert_eq!(headers.len(), 1, "{headers:?}");
        directives
    }

    #[test]
    fn nothing_of_ours_leaves_in_any_spelling_and_only_the_plain_one_is_read() {
        let directives = taken(&[
            ("x_session_logout", "?1"),
            ("x.session.login", "\"root\""),
            ("x-session--rotate", "?1"),
            ("x-session-id", "abc"),
            ("x-session-user", "alice"),
            ("x-cloakroom-anything", "1"),
            ("x_cloakroom", "1"),
        ]);
        assert_eq!(directives, Directives::default());
    }

    #[test]
    fn every_value_of_a_dictionary_becomes_json() {
        let directives = taken(&[
            (
                "x-session-set",
                "theme=\"dark\", cart=3, rate=1.5, on, off=?0, tok=a/b;x=1",
            ),
            (
                "x-session-set",
                "list=(1 \"b\" ?1), at=@1700000000, name=%\"f%c3%bc\", cart=4",
            ),
        ]);
        let set = [
            ("theme", json!("dark")),
            ("cart", json!(4)),
            ("rate", json!(1.5)),
            ("on", json!(true)),
            ("off", json!(false)),
            ("tok", json!("a/b")),
            ("list", json!([1, "b", true])),
            ("at", json!(1_700_000_000)),
            ("name", json!("f\u{fc}")),
        ]
        .map(|(key, value)| (key.to_owned(), value));
        assert_eq!(
            directives,
            Directives {
                present: true,
                set: set.to_vec(),
                ..Directives::default()
            }
        );
    }

    #[test]
    fn each_directive_is_read() {
        let directives = taken(&[
            ("x-session-unset", "theme, \"Other Key\""),
            ("x-session-unset", "cart"),
            (
                "x-session-login",
                "\"alice\"; name=\"Alice\"; groups=\"staff, dev,,\"; email=\"a@example.com\"; later=1",
            ),
            ("x-session-logout", "?0"),
            ("x-session-rotate", "?1"),
            ("x-session-expiry", "0"),
        ]);
        assert_eq!(
            directives,
            Directives {
                present: true,
                unset: ["theme", "Other Key", "cart"].map(String::from).to_vec(),
                login: Some(LoginDirective {
                    id: "alice".into(),
                    name: Some("Alice".into()),
                    email: Some("a@example.com".into()),
                    groups: vec!["staff".into(), "dev".into()],
                }),
                rotate: true,
                expiry: Some(0),
                ..Directives::default()
            }
        );
        let wide = taken(&[("x-session-login", "%\"j%c3%bcrgen\";name=%\"J%c3%bcrgen\"")]);
        assert_eq!(wide.login.unwrap().id, "j\u{fc}rgen");
    }

    #[test]
    fn what_cannot_be_read_has_no_effect_and_is_named() {
        let long = format!("\"{}\"", "a".repeat(257));
        for (name, value) in [
            ("x-session-set", "theme=dark mode"),
            ("x-session-set", "good=1, Bad=2"),
            ("x-session-set", "good=1, bytes=:aGk=:"),
            ("x-session-set", "good=1, list=(1 :aGk=:)"),
            ("x-session-set", "a=\"\u{fc}\""),
            ("x-session-unset", "a, 1"),
            ("x-session-unset", "(a b)"),
            ("x-session-unset", "a,"),
            ("x-session-login", ""),
            ("x-session-login", "\"\""),
            ("x-session-login", "alice"),
            ("x-session-login", &long),
            ("x-session-login", "%\"a%0ab\""),
            ("x-session-login", "\"alice\";name=1"),
            ("x-session-login", "\"alice\";groups=(a b)"),
            ("x-session-login", "\"alice\", \"bob\""),
            ("x-session-logout", "1"),
            ("x-session-logout", "true"),
            ("x-session-logout", "?1, ?1"),
            ("x-session-rotate", "yes"),
            ("x-session-expiry", "-1"),
            ("x-session-expiry", "4294967296"),
            ("x-session-expiry", "1.5"),
            ("x-session-expiry", "\"300\""),
        ] {
            assert_eq!(
                taken(&[(name, value)]),
                Directives {
                    present: true,
                    malformed: vec![name],
                    ..Directives::default()
                },
                "{name}: {value}"
            );
        }
        let twice = taken(&[("x-session-logout", "?1"), ("x-session-logout", "?1")]);
        assert_eq!(twice.malformed, ["x-session-logout"]);
        assert!(!twice.logout);
        let longest = format!("\"{}\"", "a".repeat(256));
        assert!(taken(&[("x-session-login", &longest)]).login.is_some());
        assert_eq!(
            taken(&[("x-session-expiry", "4294967295")]).expiry,
            Some(u32::MAX)
        );
    }
}
