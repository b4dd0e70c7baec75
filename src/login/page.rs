//! Where visitors log in, and how they come back from there.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands for itself in a value of a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The longest address that a visitor is brought back to, in bytes.
const BACK_BYTES_MAX: usize = 2048;

/// The page of a site where visitors log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginPage {
    /// One of the app's.
    App {
        /// Its path, with its query if it has one.
        address: String,
        /// The name in its query of where the visitor goes on, if the app has one.
        return_param: Option<String>,
    },
    /// Ours, among the gateway's own paths.
    Ours {
        /// The site's prefix, without a slash at the end.
        prefix: String,
    },
}

impl LoginPage {
    /// Its address on the host that was asked for.
    pub fn address(&self) -> String {
        match self {
            Self::App { address, .. } => address.clone(),
            Self::Ours { prefix } => format!("{prefix}/.cloakroom/login"),
        }
    }

    /// The same with the way back to `target`, path and query of a request, as far as the page has a place for it and
    /// nobody could be led away by it.
    pub fn address_and_back(&self, target: &str) -> String {
        let address = self.address();
        let param = match self {
            Self::App { return_param, .. } => return_param.as_deref(),
            Self::Ours { .. } => Some("return_to"),
        };
        let (Some(param), Some(back)) = (param, way_back(target)) else {
            return address;
        };
        let joint = if address.contains('?') { '&' } else { '?' };
        let back = utf8_percent_encode(back, PLAIN);
        format!("{address}{joint}{param}={back}")
    }
}

/// `target` if it leads nowhere but to a path of the same origin, whoever reads it, decoded once more or not.
pub fn way_back(target: &str) -> Option<&str> {
    let decoded = percent_decode_str(target).decode_utf8().ok()?;
    let is_plain = |text: &str| {
        let after = text.strip_prefix('/');
        after.is_some_and(|rest| !rest.starts_with(['/', '\\']))
            && !text.chars().any(char::is_control)
    };
    let path = decoded.split(['?', '#']).next().unwrap_or_default();
    let is_safe = target.len() <= BACK_BYTES_MAX
        && is_plain(target)
        && is_plain(&decoded)
        // Whoever makes a shorter path of it may come to one that begins with them.
        && !path.contains('\\')
        && !path.contains("//")
        && !target.contains('#');
    is_safe.then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(address: &str, return_param: Option<&str>) -> LoginPage {
        LoginPage::App {
            address: address.to_owned(),
            return_param: return_param.map(str::to_owned),
        }
    }

    #[test]
    fn the_way_back_is_one_value_of_the_query() {
        let rows = [
            (app("/login", None), "/x?y=1", "/login"),
            (app("/login", Some("next")), "/x", "/login?next=%2Fx"),
            (
                app("/index.php?title=Special:UserLogin", Some("returnto")),
                "/a b".trim_end_matches(" b"),
                "/index.php?title=Special:UserLogin&returnto=%2Fa",
            ),
            (
                app("/login", Some("next")),
                "/x?a=1&next=%2Fy+z",
                "/login?next=%2Fx%3Fa%3D1%26next%3D%252Fy%2Bz",
            ),
            (app("/login", Some("next")), "//evil.test/", "/login"),
            (
                LoginPage::Ours {
                    prefix: "/deep".to_owned(),
                },
                "/deep/x",
                "/deep/.cloakroom/login?return_to=%2Fdeep%2Fx",
            ),
        ];
        for (page, target, address) in rows {
            assert_eq!(page.address_and_back(target), address, "{target}");
        }
    }

    #[test]
    fn nobody_is_led_away() {
        for target in ["/", "/x", "/x?y=//z", "/x/?y=https://z", "/%C3%B6"] {
            assert_eq!(way_back(target), Some(target));
        }
        let long = format!("/{}", "x".repeat(BACK_BYTES_MAX));
        for target in [
            "",
            "x",
            "*",
            "//evil.test",
            "/\\evil.test",
            "/%2fevil.test",
            "/%2F/evil.test",
            "/%5cevil.test",
            "/x%5c..%5c",
            "/%09/evil.test",
            "/%0d%0aSet-Cookie: x",
            "/\t/evil.test",
            "https:evil.test",
            "https://evil.test",
            "javascript:alert(1)",
            "\\evil.test",
            "/%ff",
            "/x//y",
            "/x/..//evil.test",
            "/.//evil.test",
            "/x#y",
            &long,
        ] {
            assert_eq!(way_back(target), None, "{target}");
        }
    }
}
