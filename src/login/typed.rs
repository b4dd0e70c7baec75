//! The user that a login names, and what a form of ours says.
//!
//! The app reads the body too, by rules of its own that we do not know. Where two readers could find different users,
//! whoever holds one account could be taken for another. So the user is read only where there is one reading, and
//! otherwise nobody is.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::json;

use crate::base::secret::Secret;

/// The largest body that a user is read from, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// The longest user, in bytes.
const USER_BYTES_MAX: usize = 256;
/// The most fields of a form that a user is read from. PHP drops all after a thousand (`max_input_vars`) without a word, and
/// may be told to drop more; no login has so many.
const FIELDS_MAX: usize = 100;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// The one content type that a user is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// `application/x-www-form-urlencoded`.
    #[default]
    Form,
    /// `application/json`.
    Json,
}

/// Why nobody is read from a login. None of it tells what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// The body is not of the one type that is read, or in another encoding than UTF-8.
    #[error("the body is not of the content type that the rule names, in UTF-8")]
    ContentType,
    /// The body is compressed.
    #[error("the body has a Content-Encoding")]
    ContentEncoding,
    /// The body is too large, or had not ended when the app answered.
    #[error(
        "the body is larger than {BODY_BYTES_MAX} bytes, or had not ended when the app answered"
    )]
    Body,
    /// A name in body or query cannot be decoded, or is a key of JSON with an escape in it.
    #[error("the name of a field cannot be decoded")]
    Name,
    /// The body is no JSON object, or not for every reader.
    #[error("the body is not one JSON object that every reader reads alike")]
    Json,
    /// The query names the field too.
    #[error("the query names the user's field as well")]
    InQuery,
    /// The field is not there.
    #[error("the body lacks the user's field")]
    Missing,
    /// More than one field could be the user's.
    #[error("the body has the user's field, or what may be read as it, more than once")]
    Twice,
    /// So many fields that a reader may drop the last of them.
    #[error("the body has more than {FIELDS_MAX} fields")]
    TooMany,
    /// The app's own cookie names somebody else.
    #[error("the app let somebody else in than the user's field names")]
    Another,
    /// The value cannot be decoded, or is no name that anybody has.
    #[error("what the user's field holds is no name")]
    Value,
}

/// Whether the head of a login lets a user be read from its body.
///
/// # Errors
/// Why it does not.
pub fn head_allows(
    headers: &HeaderMap,
    query: Option<&str>,
    field: &str,
    kind: Kind,
) -> Result<(), Unread> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(Unread::ContentEncoding);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else {
        return Err(Unread::ContentType);
    };
    if !one.to_str().is_ok_and(|one| is_utf8(one, kind)) {
        return Err(Unread::ContentType);
    }
    let query = query.unwrap_or_default();
    for piece in query.split(['&', ';']) {
        if resembles(&name_of(piece.as_bytes())?, field) {
            return Err(Unread::InQuery);
        }
    }
    Ok(())
}

/// Whether a Content-Type says that the body is such a form. A charset other than UTF-8 spells names in other bytes, and
/// some frameworks follow it.
pub fn is_utf8_form(text: &str) -> bool {
    is_utf8(text, Kind::Form)
}

fn is_utf8(text: &str, kind: Kind) -> bool {
    let wanted = match kind {
        Kind::Form => FORM,
        Kind::Json => JSON,
    };
    let mut parts = text.split(';').map(str::trim);
    let is_it = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
    let mut parameters = parts.filter(|part| !part.is_empty());
    is_it
        && parameters.all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("charset")
                    && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// The user that a body names in `field`, exactly as it was typed.
///
/// # Errors
/// Why nobody is named.
pub fn user(body: &[u8], field: &str, kind: Kind) -> Result<String, Unread> {
    match kind {
        Kind::Form => user_of_form(body, field),
        Kind::Json => json::user(body, field),
    }
}

/// Whether some reader may find `field` in a query, or in a body of whatever type: there may be a login in it.
pub fn may_mention(headers: &HeaderMap, query: Option<&str>, body: &[u8], field: &str) -> bool {
    let mentions = |text: &[u8]| {
        let mut pieces = text.split(|byte| matches!(byte, b'&' | b';'));
        pieces.any(|piece| name_of(piece).is_ok_and(|name| resembles(&name, field)))
    };
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let start = kind.and_then(|kind| kind.get(..FORM.len()));
    let is_form = start.is_some_and(|start| start.eq_ignore_ascii_case(FORM.as_bytes()));
    mentions(query.unwrap_or_default().as_bytes())
        || mentions(body)
        || (!is_form && spells(body, field))
}

/// Whether a body spells a field out, in quotes or behind an equals sign, as multipart and JSON do.
fn spells(body: &[u8], field: &str) -> bool {
    let (body, field) = (body.to_ascii_lowercase(), field.to_ascii_lowercase());
    let ends = |after: Option<&u8>| {
        after.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-'))
    };
    body.windows(field.len().max(1))
        .enumerate()
        .any(|(at, word)| {
            let before = body.get(..at).unwrap_or_default().iter();
            let before = before.rev().find(|byte| !matches!(byte, b' ' | b'\t'));
            word == field.as_bytes()
                && matches!(before, Some(b'"' | b'\'' | b'='))
                && ends(body.get(at + word.len()))
        })
}

fn user_of_form(body: &[u8], field: &str) -> Result<String, Unread> {
    // Some servers take a bare `;` for a separator. Browsers never write one.
    let mut found = 0_usize;
    for (at, piece) in body.split(|byte| matches!(byte, b'&' | b';')).enumerate() {
        if at >= FIELDS_MAX {
            return Err(Unread::TooMany);
        }
        found += usize::from(resembles(&name_of(piece)?, field));
    }
    match found {
        0 => return Err(Unread::Missing),
        1 => {}
        _ => return Err(Unread::Twice),
    }
    for pair in body.split(|byte| *byte == b'&') {
        if name_of(pair)? == field {
            return value_of(pair);
        }
    }
    // What may be read as the field is not spelled as it.
    Err(Unread::Missing)
}

fn name_of(pair: &[u8]) -> Result<String, Unread> {
    let end = pair.iter().position(|byte| *byte == b'=');
    let name = pair.get(..end.unwrap_or(pair.len())).unwrap_or_default();
    decoded(name).ok_or(Unread::Name)
}

fn value_of(pair: &[u8]) -> Result<String, Unread> {
    let equals = pair.iter().position(|byte| *byte == b'=');
    let raw = equals.and_then(|at| pair.get(at + 1..));
    let raw = raw
        .filter(|raw| !raw.contains(&b';'))
        .ok_or(Unread::Value)?;
    let value = decoded(raw).ok_or(Unread::Value)?;
    if is_name(&value) {
        Ok(value)
    } else {
        Err(Unread::Value)
    }
}

/// What a form of ours says in `field`, exactly as it was typed; `None` where the field is not there. Nobody else reads that
/// form, but a browser writes each field once, and whatever does not is not what it seems.
///
/// # Errors
/// When it cannot be decoded, or could be read in two ways.
pub fn value(body: &[u8], field: &str) -> Result<Option<Secret<String>>, Unread> {
    let mut found = None;
    for pair in body.split(|byte| *byte == b'&') {
        let name = name_of(pair)?;
        if !resembles(&name, field) {
            continue;
        }
        if found.is_some() || name != field {
            return Err(Unread::Twice);
        }
        let equals = pair.iter().position(|byte| *byte == b'=');
        let raw = equals.and_then(|at| pair.get(at + 1..));
        found = Some(raw.and_then(decoded).ok_or(Unread::Value)?);
    }
    Ok(found.map(Secret::new))
}

/// Whether somebody may have such a name.
pub(super) fn is_name(value: &str) -> bool {
    !value.trim().is_empty()
        && value.len() <= USER_BYTES_MAX
        && !value.chars().any(char::is_control)
}

/// Percent and plus decoded; `None` for a broken escape, and for what is not UTF-8.
fn decoded(raw: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(out).ok()
}

/// Whether some reader could take `name` for `field`, or for a part of it: PHP drops blanks at the front, ends a name at
/// a NUL, makes `_` of `.` and blanks, and an array of `name[]`; others fold case.
pub(super) fn resembles(name: &str, field: &str) -> bool {
    let (name, field) = (folded(name), folded(field));
    let Some(rest) = name.strip_prefix(field.as_str()) else {
        // `user` would replace `user[name]`.
        return field.split_once('[').is_some_and(|(stem, _)| stem == name);
    };
    rest.is_empty() || rest.starts_with('[') || field.ends_with(']')
}

fn folded(name: &str) -> String {
    let name = name.split('\0').next().unwrap_or_default();
    let name = name.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let plain = |c| if matches!(c, '.' | ' ') { '_' } else { c };
    // Some letters meet only in one of the cases.
    let lower = name.chars().map(plain).collect::<String>().to_lowercase();
    lower.to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_in_one_reading_names_the_user() {
        for (body, typed) in [
            ("log=alice&pwd=x", "alice"),
            ("pwd=x&log=alice", "alice"),
            ("log=alice%40example.com", "alice@example.com"),
            ("log=Al+Ice&x=%26log%3Dbob", "Al Ice"),
            ("%6cog=alice", "alice"),
            ("log=J%C3%B6rg", "Jörg"),
            ("log=a=b", "a=b"),
            ("login=bob&log=alice&catalog=x", "alice"),
            ("&&log=alice&", "alice"),
            ("log=%3Cb%3E%3B", "<b>;"),
        ] {
            assert_eq!(
                user(body.as_bytes(), "log", Kind::Form).as_deref(),
                Ok(typed),
                "{body}"
            );
        }
        let long = format!("log={}", "a".repeat(256));
        assert_eq!(user(long.as_bytes(), "log", Kind::Form).unwrap().len(), 256);
    }

    #[test]
    fn what_can_be_read_in_two_ways_names_nobody() {
        for (body, why) in [
            ("log=me&log=admin", Unread::Twice),
            ("log=me&%6Cog=admin", Unread::Twice),
            ("log=me&log", Unread::Twice),
            ("log=me&log[]=admin", Unread::Twice),
            ("log=me&log%5B%5D=admin", Unread::Twice),
            ("log=me&log[x]=admin", Unread::Twice),
            ("log=me&+log=admin", Unread::Twice),
            ("log=me&log+=admin", Unread::Twice),
            ("log=me&%0Alog=admin", Unread::Twice),
            ("log=me&log%00x=admin", Unread::Twice),
            ("log=me&LOG=admin", Unread::Twice),
            ("log=me;log=admin", Unread::Twice),
            ("x=1;log=admin&log=me", Unread::Twice),
            ("log=me;admin", Unread::Value),
            ("x=1;log=admin", Unread::Missing),
            ("log[]=admin", Unread::Missing),
            ("LOG=admin", Unread::Missing),
            ("+log=admin", Unread::Missing),
            ("user=admin", Unread::Missing),
            ("", Unread::Missing),
            ("{\"log\":\"admin\"}", Unread::Missing),
            ("log=me&%u006Cog=admin", Unread::Name),
            ("log=me&%ff=1", Unread::Name),
            ("log", Unread::Value),
            ("log=", Unread::Value),
            ("log=+", Unread::Value),
            ("log=%", Unread::Value),
            ("log=%4", Unread::Value),
            ("log=%zz", Unread::Value),
            ("log=%ff", Unread::Value),
            ("log=a%00b", Unread::Value),
            ("log=a%0D%0Ab", Unread::Value),
            ("log=a%C2%85b", Unread::Value),
        ] {
            assert_eq!(user(body.as_bytes(), "log", Kind::Form), Err(why), "{body}");
        }
        let long = format!("log={}", "a".repeat(257));
        assert_eq!(user(long.as_bytes(), "log", Kind::Form), Err(Unread::Value));
        // PHP drops the last one.
        for filler in ["a&", "a;"] {
            let many = filler.repeat(1001) + "log=admin";
            assert_eq!(
                user(many.as_bytes(), "log", Kind::Form),
                Err(Unread::TooMany)
            );
        }
        let few = "a&".repeat(99) + "log=alice";
        assert_eq!(
            user(few.as_bytes(), "log", Kind::Form).as_deref(),
            Ok("alice")
        );
    }

    #[test]
    fn what_a_form_of_ours_says_is_read_as_it_was_typed_or_not_at_all() {
        let read = |body: &str| {
            let read = value(body.as_bytes(), "password");
            read.map(|found| found.map(|found| found.expose().clone()))
        };
        for (body, expected) in [
            ("password=+x+", Ok(Some(" x "))),
            ("user=a&password=%00%0a;%26%3D=", Ok(Some("\0\n;&=="))),
            ("password=", Ok(Some(""))),
            ("user=a", Ok(None)),
            ("", Ok(None)),
            ("password", Err(Unread::Value)),
            ("password=%ff", Err(Unread::Value)),
            ("password=%4", Err(Unread::Value)),
            ("password=a&password=b", Err(Unread::Twice)),
            ("password=a&password[]=b", Err(Unread::Twice)),
            ("password=a&PASSWORD=b", Err(Unread::Twice)),
            ("Password=a", Err(Unread::Twice)),
            ("password=a&%zz=b", Err(Unread::Name)),
        ] {
            assert_eq!(
                read(body),
                expected.map(|text| text.map(str::to_owned)),
                "{body}"
            );
        }
    }

    #[test]
    fn a_field_may_have_brackets_of_its_own() {
        let field = "user[name]";
        let typed = user(
            b"user[name]=alice&user[password]=x&users=y",
            field,
            Kind::Form,
        );
        assert_eq!(typed.as_deref(), Ok("alice"));
        let encoded = user(b"user%5Bname%5D=alice", field, Kind::Form);
        assert_eq!(encoded.as_deref(), Ok("alice"));
        for other in ["user=x", "user[name][]=x", "user[name]x=x", "USER[name]=x"] {
            let body = format!("user[name]=alice&{other}");
            assert_eq!(
                user(body.as_bytes(), field, Kind::Form),
                Err(Unread::Twice),
                "{other}"
            );
        }
    }

    #[test]
    fn only_a_plain_form_is_read() {
        let form = "application/x-www-form-urlencoded";
        let rows: [(&[&str], bool); 11] = [
            (&[form], true),
            (&["Application/X-WWW-Form-URLencoded"], true),
            (&["application/x-www-form-urlencoded; charset=UTF-8"], true),
            (
                &["application/x-www-form-urlencoded;charset=\"utf-8\""],
                true,
            ),
            (&["application/x-www-form-urlencoded; charset=utf-7"], false),
            (&["application/x-www-form-urlencoded; charset"], false),
            (&["multipart/form-data; boundary=x"], false),
            (&["application/json"], false),
            (&["text/plain"], false),
            (&[], false),
            (&[form, form], false),
        ];
        for (types, allowed) in rows {
            let mut headers = HeaderMap::new();
            for value in types {
                headers.append(CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
            }
            let found = head_allows(&headers, None, "log", Kind::Form);
            let expected = if allowed {
                Ok(())
            } else {
                Err(Unread::ContentType)
            };
            assert_eq!(found, expected, "{types:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        for (query, expected) in [
            ("next=/&catalog=1", Ok(())),
            ("log=admin", Err(Unread::InQuery)),
            ("a=1;%6Cog%5B%5D", Err(Unread::InQuery)),
            ("%zz=1", Err(Unread::Name)),
        ] {
            assert_eq!(
                head_allows(&headers, Some(query), "log", Kind::Form),
                expected,
                "{query}"
            );
        }
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let compressed = head_allows(&headers, None, "log", Kind::Form);
        assert_eq!(compressed, Err(Unread::ContentEncoding));
    }

    #[test]
    fn a_json_login_is_read_from_json_alone() {
        for (value, allowed) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/json; charset=utf-16", false),
            ("application/vnd.api+json", false),
            ("text/json", false),
            (FORM, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            let found = head_allows(&headers, None, "log", Kind::Json);
            assert_eq!(found.is_ok(), allowed, "{value}");
        }
        let json = br#"{"log":"alice"}"#;
        assert_eq!(user(json, "log", Kind::Json).as_deref(), Ok("alice"));
        assert_eq!(user(json, "log", Kind::Form), Err(Unread::Missing));
    }

    #[test]
    fn a_login_among_other_requests_is_known_by_its_field() {
        let part = "multipart/form-data; boundary=x";
        for (kind, query, body, mentions) in [
            (FORM, None, "do=save&text=log", false),
            (FORM, None, "do=\"log\"", false),
            (FORM, Some("id=start"), "", false),
            (FORM, None, "do=login&log=me", true),
            (FORM, None, "do=login&%6Cog[]=me", true),
            (FORM, Some("LOG=me"), "", true),
            (part, None, "form-data; name=\"login\"\r\n\r\nlog", false),
            (part, None, "form-data; name=\"LOG\"\r\n\r\nme", true),
            (part, None, "form-data; name=\" log[]\"\r\n\r\nme", true),
            (part, None, "form-data; name=log\r\n\r\nme", true),
            ("text/plain", None, "{\"log\":\"me\"}", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let found = may_mention(&headers, query, body.as_bytes(), "log");
            assert_eq!(found, mentions, "{kind} {body}");
        }
    }
}
