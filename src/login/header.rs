//! The headers in which a trusted proxy names the user. Whether a request comes from one, and could have carried our own
//! ticket, is for the caller to know.
//!
//! A header counts under its own name alone: what a CGI-like app would read as the same name may come from the visitor,
//! through a proxy that removes only the spelling that it writes. For the same reason no header may come twice, and
//! whatever cannot be read makes the whole request one of nobody.

use http::{HeaderMap, HeaderName};

use super::named::{Named, Unnamed, check_name};

/// The longest list of groups, in bytes.
const GROUPS_BYTES_MAX: usize = 4096;

/// Which headers name the user and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginHeaders {
    /// The user's id.
    pub user: HeaderName,
    /// Groups, with commas between them.
    pub groups: Option<HeaderName>,
    /// A name for people.
    pub name: Option<HeaderName>,
    /// An e-mail address.
    pub email: Option<HeaderName>,
}

impl LoginHeaders {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let others = [&self.groups, &self.name, &self.email];
        std::iter::once(&self.user).chain(others.into_iter().flatten())
    }

    /// Who is named in `headers`; `None` when nobody is.
    ///
    /// # Errors
    /// When something is said that names nobody.
    pub fn read(&self, headers: &HeaderMap) -> Result<Option<Named>, Unnamed> {
        let Some(id) = one(headers, &self.user)? else {
            return Ok(None);
        };
        let optional = |name: &Option<HeaderName>| match name {
            Some(name) => one(headers, name),
            None => Ok(None),
        };
        let detail = |name| match optional(name)? {
            None | Some("") => Ok(None),
            Some(text) => check_name(text).map(|text| Some(text.to_owned())),
        };
        Ok(Some(Named {
            id: check_name(id)?.to_owned(),
            name: detail(&self.name)?,
            email: detail(&self.email)?,
            groups: groups(optional(&self.groups)?.unwrap_or_default())?,
        }))
    }
}

/// The one value of `name`.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Unnamed> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Unnamed::Twice);
    }
    let text = std::str::from_utf8(value.as_bytes());
    text.map(Some).map_err(|_| Unnamed::Malformed)
}

/// In order and each once, so that a proxy that shuffles them names nobody anew.
fn groups(list: &str) -> Result<Vec<String>, Unnamed> {
    if list.len() > GROUPS_BYTES_MAX {
        return Err(Unnamed::TooLong);
    }
    let each = list.split(',').map(str::trim);
    let each = each.filter(|group| !group.is_empty()).map(check_name);
    let mut groups: Vec<_> = each.collect::<Result<_, _>>()?;
    groups.sort_unstable();
    groups.dedup();
    Ok(groups.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers() -> LoginHeaders {
        LoginHeaders {
            user: HeaderName::from_static("x-user"),
            groups: Some(HeaderName::from_static("x-groups")),
            name: Some(HeaderName::from_static("x-name")),
            email: None,
        }
    }

    fn read(fields: &[(&'static str, &[u8])]) -> Result<Option<Named>, Unnamed> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers().read(&map)
    }

    #[test]
    fn one_readable_header_names_one_user() {
        for fields in [
            &[][..],
            &[("x_user", &b"alice"[..])],
            &[("x-groups", b"staff"), ("x-name", b"Alice")],
        ] {
            assert_eq!(read(fields), Ok(None), "{fields:?}");
        }
        let named = read(&[
            ("x-user", "b\u{f6}rn, ou=x".as_bytes()),
            ("x-groups", b"staff, dev,,staff"),
            ("x-name", b""),
        ]);
        assert_eq!(
            named,
            Ok(Some(Named {
                id: "b\u{f6}rn, ou=x".to_owned(),
                groups: vec!["dev".to_owned(), "staff".to_owned()],
                ..Named::default()
            }))
        );
    }

    #[test]
    fn what_can_be_read_in_two_ways_or_none_names_nobody() {
        let long = [b'a'; 257];
        let longest = [b'a'; 256];
        assert!(read(&[("x-user", &longest)]).unwrap().is_some());
        let many = "g,".repeat(2049);
        for (fields, fault) in [
            (
                &[("x-user", &b"alice"[..]), ("x-user", b"alice")][..],
                Unnamed::Twice,
            ),
            (
                &[("x-user", b"alice"), ("x-groups", b"a"), ("x-groups", b"b")],
                Unnamed::Twice,
            ),
            (
                &[("x-user", b"alice"), ("x-name", b"a"), ("x-name", b"b")],
                Unnamed::Twice,
            ),
            (&[("x-user", b"")], Unnamed::Empty),
            (&[("x-user", b"(null)")], Unnamed::Empty),
            (&[("x-user", &long)], Unnamed::TooLong),
            (
                &[("x-user", b"alice"), ("x-groups", many.as_bytes())],
                Unnamed::TooLong,
            ),
            (&[("x-user", b"ali\tce")], Unnamed::Malformed),
            (&[("x-user", b"alice ")], Unnamed::Malformed),
            (&[("x-user", b"ali\xffce")], Unnamed::Malformed),
            (&[("x-user", "ali\u{85}ce".as_bytes())], Unnamed::Malformed),
            (
                &[("x-user", b"alice"), ("x-name", b"a\tb")],
                Unnamed::Malformed,
            ),
        ] {
            assert_eq!(read(fields), Err(fault), "{fields:?}");
        }
    }
}
