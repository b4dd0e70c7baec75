//! The words of our pages in one language: those that we ship, or an operator's over them.

use std::borrow::Cow;

use super::texts::{COUNT, SHIPPED, TABLE, Text};

/// All texts in one language.
#[derive(Clone, Debug, PartialEq)]
pub struct Texts {
    /// The tag of the language, as in `lang="de"`.
    pub lang: Cow<'static, str>,
    words: [Cow<'static, str>; COUNT],
}

/// Why a text of an operator is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// There is none of this name.
    #[error("there is no text of this name")]
    Unknown,
    /// It leaves something out that the pages put in, or names what they do not.
    #[error("must hold {}, and nothing else in braces", if .0.is_empty() { "no {…}".to_owned() } else { .0.join(" and ") })]
    Placeholders(Vec<String>),
    /// It says nothing, or too much.
    #[error("must have 1 to {TEXT_BYTES_MAX} bytes, without control characters")]
    Length,
}

/// The longest text of an operator, in bytes.
pub const TEXT_BYTES_MAX: usize = 1000;

impl Texts {
    /// Those that we ship in the language at `column` of [`SHIPPED`].
    fn shipped_at(column: usize) -> Self {
        Self {
            lang: SHIPPED.get(column).copied().unwrap_or("en").into(),
            words: std::array::from_fn(|at| {
                let words = TABLE.get(at).and_then(|(_, words)| words.get(column));
                Cow::Borrowed(words.copied().unwrap_or_default())
            }),
        }
    }

    /// Those that we ship in English.
    pub fn english() -> Self {
        Self::shipped_at(0)
    }

    /// Those that we ship, in the order of [`SHIPPED`].
    pub fn shipped() -> Vec<Self> {
        (0..SHIPPED.len()).map(Self::shipped_at).collect()
    }

    /// A language of the operator's that speaks like this one as long as nothing else is said.
    #[must_use]
    pub fn renamed(&self, lang: String) -> Self {
        Self {
            lang: lang.into(),
            ..self.clone()
        }
    }

    /// Puts an operator's words in the place of ours.
    ///
    /// # Errors
    /// Why they cannot stand there.
    pub fn say(&mut self, name: &str, words: String) -> Result<(), TextFault> {
        let at = TABLE.iter().position(|(known, _)| *known == name);
        let (Some(place), Some((_, [english, ..]))) = (
            at.and_then(|at| self.words.get_mut(at)),
            at.and_then(|at| TABLE.get(at)),
        ) else {
            return Err(TextFault::Unknown);
        };
        if words.is_empty() || words.len() > TEXT_BYTES_MAX || words.chars().any(char::is_control) {
            return Err(TextFault::Length);
        }
        let wanted = placeholders(english);
        if placeholders(&words) != wanted {
            let named = wanted.into_iter().map(str::to_owned).collect();
            return Err(TextFault::Placeholders(named));
        }
        *place = words.into();
        Ok(())
    }

    /// The words of a text.
    pub fn of(&self, text: Text) -> &str {
        self.words.get(text as usize).map_or("", |words| words)
    }

    /// The same with `value` in its one placeholder.
    pub fn with(&self, text: Text, value: &str) -> String {
        let words = self.of(text);
        match words.split_once('{').zip(words.split_once('}')) {
            Some(((before, _), (_, after))) => [before, value, after].concat(),
            None => words.to_owned(),
        }
    }

    /// Names and words of all.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names = TABLE.iter().map(|(name, _)| *name);
        names.zip(self.words.iter().map(|words| &**words))
    }
}

/// What stands in braces, with them, in order.
fn placeholders(words: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = words;
    while let Some(start) = rest.find(['{', '}']) {
        let (_, from) = rest.split_at(start);
        let end = from.find('}').map_or(from.len(), |end| end + 1);
        let (placeholder, after) = from.split_at(end);
        found.push(placeholder);
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_text_with_the_same_placeholders() {
        for (name, words) in TABLE {
            let [english, ..] = words;
            let wanted = placeholders(english);
            assert!(wanted.len() <= 1, "{name}: one place for one value");
            for (lang, text) in SHIPPED.iter().zip(words) {
                assert!(!text.trim().is_empty(), "{name} in {lang}");
                assert_eq!(text.trim(), *text, "{name} in {lang}");
                assert_eq!(placeholders(text), wanted, "{name} in {lang}");
                assert!(text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control));
                let ends = text.ends_with(['.', '?']);
                assert_eq!(ends, english.ends_with(['.', '?']), "{name} in {lang}");
            }
            let twice = TABLE.iter().filter(|(other, _)| other == name).count();
            assert_eq!(twice, 1, "{name}");
        }
    }

    #[test]
    fn the_table_is_read_by_the_texts_own_names() {
        let [english, german, ..] = &*Texts::shipped() else {
            panic!("languages");
        };
        assert_eq!(english.of(Text::LogIn), "Log in");
        assert_eq!(german.of(Text::LogIn), "Anmelden");
        let with = german.with(Text::LoggedInAs, "{user} & <b>");
        assert_eq!(with, "Sie sind als {user} & <b> angemeldet.");
        assert_eq!(english.with(Text::RequestId, "x"), "Request id: x");
        assert_eq!(english.with(Text::LogIn, "x"), "Log in");
        assert_eq!(english.all().count(), COUNT);
        assert!(german.all().any(|pair| pair == ("password", "Passwort")));
    }

    #[test]
    fn an_operators_words_say_what_ours_do() {
        let mut texts = Texts::shipped_at(0).renamed("nl".to_owned());
        assert_eq!(texts.say("log_in", "Inloggen".to_owned()), Ok(()));
        assert_eq!(texts.of(Text::LogIn), "Inloggen");
        let as_user = "U bent {user}.".to_owned();
        assert_eq!(texts.say("logged_in_as", as_user), Ok(()));
        for (name, words, fault) in [
            ("login", "x", TextFault::Unknown),
            ("log_in", "", TextFault::Length),
            ("log_in", "a\nb", TextFault::Length),
            ("log_in", "{user}", TextFault::Placeholders(vec![])),
            ("log_in", "}", TextFault::Placeholders(vec![])),
            (
                "logged_in_as",
                "U bent.",
                TextFault::Placeholders(vec!["{user}".to_owned()]),
            ),
            (
                "logged_in_as",
                "U bent {user} of {user",
                TextFault::Placeholders(vec!["{user}".to_owned()]),
            ),
        ] {
            assert_eq!(
                texts.say(name, words.to_owned()),
                Err(fault),
                "{name} {words}"
            );
        }
        assert_eq!(texts.of(Text::LogIn), "Inloggen");
    }
}
