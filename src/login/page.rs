//! Where visitors log in, and how they come back from there.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::back::{is_local, leads_on};

/// What stands for itself in a value of a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

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
        let may_return = match self {
            Self::App { .. } => is_local(target),
            Self::Ours { prefix } => leads_on(target, prefix),
        };
        match param {
            Some(param) if may_return => with_way_back(&address, param, target),
            _ => address,
        }
    }
}

impl LoginPage {
    /// The same with the way to a form that was kept: `resume` is the address of its page. `None` where the page has no
    /// place for it.
    pub fn address_and_resume(&self, resume: &str) -> Option<String> {
        let param = match self {
            Self::App { return_param, .. } => return_param.as_deref()?,
            Self::Ours { .. } => "return_to",
        };
        Some(with_way_back(&self.address(), param, resume))
    }
}

/// `address` with `target` in its query under the name `param`.
pub fn with_way_back(address: &str, param: &str, target: &str) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    let back = utf8_percent_encode(target, PLAIN);
    format!("{address}{joint}{param}={back}")
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
}
