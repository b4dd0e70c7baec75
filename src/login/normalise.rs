//! One spelling for the names that an app takes for one and the same account.
//!
//! Only ASCII is changed. What an app makes of other letters depends on its tables, its version and its database; a name
//! that is left as it was typed can at worst be one that nobody else has, never that of somebody else.

/// What becomes of a name that was typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalise {
    /// Nothing.
    #[default]
    None,
    /// Blanks go from both ends.
    Trim,
    /// Lower case.
    Lowercase,
    /// Both.
    TrimLowercase,
    /// As MediaWiki titles are: `_` is a blank, several blanks are one, and the first letter is a capital.
    MediaWiki,
    /// As DokuWiki cleans it: lower case. A name with anything but letters, digits and single `_`, `.`, `-` between them
    /// is rewritten there in ways that depend on its settings, so it is nobody's here.
    DokuWiki,
}

impl Normalise {
    /// The name as it is bound; `None`: it is nobody's.
    pub fn apply(self, typed: String) -> Option<String> {
        let name = match self {
            Self::None => typed,
            Self::Trim => trimmed(&typed).to_owned(),
            Self::Lowercase => typed.to_ascii_lowercase(),
            Self::TrimLowercase => trimmed(&typed).to_ascii_lowercase(),
            Self::MediaWiki => title(&typed),
            Self::DokuWiki => plain(trimmed(&typed))?,
        };
        (!name.is_empty()).then_some(name)
    }
}

fn trimmed(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_ascii_whitespace())
}

fn title(name: &str) -> String {
    let words = name.split(|c: char| c == '_' || c.is_ascii_whitespace());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut title = words.join(" ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

fn plain(name: &str) -> Option<String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric();
    let mut pieces = name.split(['_', '.', '-']);
    let is_plain = pieces.all(|piece| !piece.is_empty() && piece.bytes().all(is_letter));
    is_plain.then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_the_spelling_of_its_app() {
        use Normalise::{DokuWiki, Lowercase, MediaWiki, Trim, TrimLowercase};
        for (rule, typed, bound) in [
            (Normalise::None, " Al Ice ", Some(" Al Ice ")),
            (Trim, " Al Ice\t", Some("Al Ice")),
            (Trim, " ", None),
            (Lowercase, " ALICE", Some(" alice")),
            (
                TrimLowercase,
                " Alice@Example.COM ",
                Some("alice@example.com"),
            ),
            // A Kelvin sign is no k, and a dotted capital I no i: that is for the app to say.
            (
                TrimLowercase,
                "Mi\u{212A}e\u{130}",
                Some("mi\u{212A}e\u{130}"),
            ),
            (MediaWiki, "_al__ice  b_", Some("Al ice b")),
            (MediaWiki, "éva", Some("éva")),
            (MediaWiki, "__", None),
            (DokuWiki, " Al.Ice-1 ", Some("al.ice-1")),
            (DokuWiki, "al:ice", None),
            (DokuWiki, "al__ice", None),
            (DokuWiki, "-alice", None),
            (DokuWiki, "jörg", None),
        ] {
            let found = rule.apply(typed.to_owned());
            assert_eq!(found.as_deref(), bound, "{rule:?} {typed:?}");
        }
    }
}
