//! Texts as queries and forms carry them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself. A space becomes `%20`, which readers of forms and of URLs read alike.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One text, encoded.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// `name=value&name=value`.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter();
    let fields: Vec<_> = fields
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    fields.join("&")
}

/// `address`, which may have a query, with these behind it.
pub(super) fn appended(address: &str, fields: &[(&str, &str)]) -> String {
    let between = match address.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{address}{between}{}", form(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_follow_those_that_an_address_has() {
        let fields = [("a", "1 + ü&="), ("b", "")];
        let query = "a=1%20%2B%20%C3%BC%26%3D&b=";
        for (address, whole) in [
            ("https://id.test/auth", "https://id.test/auth?"),
            ("https://id.test/auth?", "https://id.test/auth?"),
            ("https://id.test/auth?p=x", "https://id.test/auth?p=x&"),
            ("https://id.test/auth?p=x&", "https://id.test/auth?p=x&"),
        ] {
            assert_eq!(appended(address, &fields), format!("{whole}{query}"));
        }
    }
}
