//! The user that a JSON login names.
//!
//! Readers of JSON differ: in which of two equal keys counts, in whether `USER` is `user`, in what an escape in a key or a
//! byte after the end means. The whole document is walked, and what any of them could read in another way names nobody.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::typed::{Unread, is_name, resembles};

/// Deeper than a login ever is.
const DEPTH_MAX: u8 = 16;

/// The user in `field`, one of the outermost object's, exactly as it was typed.
pub(super) fn user(body: &[u8], field: &str) -> Result<String, Unread> {
    let mut found = Found::default();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let root = Walk {
        field,
        depth: 0,
        found: &mut found,
    };
    let walked = root.deserialize(&mut reader).and_then(|()| reader.end());
    match (walked, found) {
        (
            _,
            Found {
                fault: Some(fault), ..
            },
        ) => Err(fault),
        (Err(_), _) => Err(Unread::Json),
        (Ok(()), Found { times: 2.., .. }) => Err(Unread::Twice),
        (Ok(()), Found { user, .. }) => user.ok_or(Unread::Missing),
    }
}

#[derive(Default)]
struct Found {
    /// How many keys may be read as the field, at any depth.
    times: usize,
    user: Option<String>,
    fault: Option<Unread>,
}

/// One value, with all that is in it.
struct Walk<'f> {
    field: &'f str,
    /// How many values it stands in.
    depth: u8,
    found: &'f mut Found,
}

impl Walk<'_> {
    fn inner(&mut self) -> Walk<'_> {
        Walk {
            field: self.field,
            depth: self.depth.saturating_add(1),
            found: self.found,
        }
    }

    fn stop<E: Error>(&mut self, fault: Unread) -> E {
        self.found.fault.get_or_insert(fault);
        E::custom("read no further")
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, reader: D) -> Result<(), D::Error> {
        match self.depth {
            0 => reader.deserialize_map(self),
            1..=DEPTH_MAX => reader.deserialize_any(self),
            _ => Err(self.stop(Unread::Json)),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let Some(key) = key else {
                return Err(self.stop(Unread::Name));
            };
            self.found.times += usize::from(resembles(key, self.field));
            if self.depth > 0 || key != self.field {
                map.next_value_seed(self.inner())?;
                continue;
            }
            let value = map.next_value_seed(Text);
            match value {
                Ok(user) if is_name(&user) => self.found.user = Some(user),
                Ok(_) | Err(_) => return Err(self.stop(Unread::Value)),
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(mut self, mut list: S) -> Result<(), S::Error> {
        while list.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

/// A key as it stands in the body; `None`: it has an escape, which no client writes into the name of a field.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'de str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Some(key))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// What has to be a text.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_in_one_reading_names_the_user() {
        for (body, typed) in [
            (r#"{"log":"alice","pwd":"x"}"#, "alice"),
            (" { \"pwd\" : 1 , \"log\" : \"Al Ice\" }\r\n", "Al Ice"),
            (r#"{"log":"J\u00f6rg"}"#, "Jörg"),
            (r#"{"log":"Jörg \ud83d\ude00"}"#, "Jörg 😀"),
            (r#"{"log":"a\"b\/c"}"#, "a\"b/c"),
            (
                r#"{"x":{"y":[1,null,true,-1.5]},"log":"alice","login":"bob"}"#,
                "alice",
            ),
        ] {
            assert_eq!(user(body.as_bytes(), "log").as_deref(), Ok(typed), "{body}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_names_nobody() {
        let deep = format!(
            "{{\"log\":\"me\",\"x\":{}{}}}",
            "[".repeat(17),
            "]".repeat(17)
        );
        let long = format!("{{\"log\":\"{}\"}}", "a".repeat(257));
        for (body, why) in [
            (r#"{"log":"me","log":"admin"}"#, Unread::Twice),
            (r#"{"log":"me","LOG":"admin"}"#, Unread::Twice),
            (r#"{"log":"me"," log":"admin"}"#, Unread::Twice),
            (r#"{"log":"me","log[]":"admin"}"#, Unread::Twice),
            (r#"{"log":"me","x":{"log":"admin"}}"#, Unread::Twice),
            (r#"{"x":[{"log":"admin"}],"log":"me"}"#, Unread::Twice),
            (r#"{"log":"me","l\u006fg":"admin"}"#, Unread::Name),
            (r#"{"log":"me","log\u0000":"admin"}"#, Unread::Name),
            (r#"{"user":{"log":"admin"}}"#, Unread::Missing),
            (r#"{"LOG":"admin"}"#, Unread::Missing),
            (r#"{}"#, Unread::Missing),
            (r#"{"log":["admin"]}"#, Unread::Value),
            (r#"{"log":{"log":"admin"}}"#, Unread::Value),
            (r#"{"log":1}"#, Unread::Value),
            (r#"{"log":null}"#, Unread::Value),
            (r#"{"log":""}"#, Unread::Value),
            (r#"{"log":"a\u0000b"}"#, Unread::Value),
            (r#"{"log":"a\nb"}"#, Unread::Value),
            (r#"{"log":"\ud800"}"#, Unread::Value),
            (r#"[{"log":"admin"}]"#, Unread::Json),
            (r#""log""#, Unread::Json),
            (r#"{"log":"me"}{"log":"admin"}"#, Unread::Json),
            (r#"{"log":"me"} x"#, Unread::Json),
            ("{\"log\":\"me\"}\0", Unread::Json),
            ("\u{feff}{\"log\":\"me\"}", Unread::Json),
            (r#"{"log":"me",}"#, Unread::Json),
            (r#"{"log":"me" /* "log":"admin" */}"#, Unread::Json),
            (r#"{'log':'me'}"#, Unread::Json),
            (r#"{"log":"me","n":NaN}"#, Unread::Json),
            ("log=me", Unread::Json),
            ("", Unread::Json),
            (&deep, Unread::Json),
            (&long, Unread::Value),
        ] {
            assert_eq!(user(body.as_bytes(), "log"), Err(why), "{body}");
        }
        let latin = b"{\"log\":\"J\xf6rg\"}";
        assert_eq!(user(latin, "log"), Err(Unread::Value));
    }
}
