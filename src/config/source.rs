//! The texts that a configuration is read from: the file, the files it includes, the environment.
//!
//! All of them stand in one line of offsets, so that a place is one number wherever it came from.

use std::fmt;
use std::ops::Range;

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its offset over all texts; orders the places.
    offset: usize,
    spot: Spot,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    File {
        name: String,
    },
    Line {
        name: String,
        line: usize,
        column: usize,
    },
    Variable {
        name: String,
    },
}

impl Place {
    /// The file, or the variable of the environment.
    pub fn name(&self) -> &str {
        match &self.spot {
            Spot::File { name } | Spot::Line { name, .. } | Spot::Variable { name } => name,
        }
    }

    /// The line in the file, if it is known.
    pub const fn line(&self) -> Option<usize> {
        match self.spot {
            Spot::Line { line, .. } => Some(line),
            Spot::File { .. } | Spot::Variable { .. } => None,
        }
    }

    /// The file as a whole.
    pub fn whole_file(name: impl Into<String>) -> Self {
        let spot = Spot::File { name: name.into() };
        Self { offset: 0, spot }
    }

    /// Line and column, counted from 1, if this is a place in a file.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        match &self.spot {
            Spot::Line { line, column, .. } => Some((*line, *column)),
            Spot::File { .. } | Spot::Variable { .. } => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spot {
            Spot::Line { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Spot::File { name } | Spot::Variable { name } => f.write_str(name),
        }
    }
}

/// What stands in place of a text that is not repeated.
pub(super) const NOT_SHOWN: &str = "(not shown)";

/// The texts, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) is_variable: bool,
    pub(super) text: String,
    /// The offset of its first byte.
    pub(super) base: usize,
}

impl Sources {
    pub(super) fn add_file(&mut self, name: String, text: String) {
        self.add(name, text, false);
    }

    pub(super) fn add_variable(&mut self, name: String, text: String) {
        self.add(name, text, true);
    }

    fn add(&mut self, name: String, text: String, is_variable: bool) {
        // One more than the text is long, so that the place after its end is still its own.
        let base = self
            .0
            .last()
            .map_or(0, |last| last.base + last.text.len() + 1);
        self.0.push(Source {
            name,
            is_variable,
            text,
            base,
        });
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().filter(|source| !source.is_variable)
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().filter(|source| source.is_variable)
    }

    /// The place of `offset`.
    pub(super) fn place(&self, offset: usize) -> Place {
        let Some(source) = self.holding(offset) else {
            return Place::whole_file("configuration");
        };
        let name = source.name.clone();
        if source.is_variable {
            let spot = Spot::Variable { name };
            return Place { offset, spot };
        }
        let before = source.text.get(..offset - source.base).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let spot = Spot::Line { name, line, column };
        Place { offset, spot }
    }

    /// What is written at `span`, cut to one short line. Nothing where it could hold a password.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> Option<String> {
        const LONGEST: usize = 60;
        let source = self.holding(span.start)?;
        let local = span.start - source.base..span.end.checked_sub(source.base)?;
        let text = source.text.get(local)?.trim();
        if text.contains('@') {
            return Some(NOT_SHOWN.to_owned());
        }
        let line = text.lines().next().unwrap_or_default();
        if line.len() == text.len() && line.chars().count() <= LONGEST {
            return Some(line.to_owned());
        }
        Some(line.chars().take(LONGEST).chain("…".chars()).collect())
    }

    fn holding(&self, offset: usize) -> Option<&Source> {
        let after = self.0.partition_point(|source| source.base <= offset);
        self.0.get(after.checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_finds_its_text_and_line() {
        let mut sources = Sources::default();
        sources.add_file("a.toml".to_owned(), "x = 1\nü = 2\n".to_owned());
        sources.add_file("b.toml".to_owned(), "y = 3".to_owned());
        sources.add_variable("CLOAKROOM_A__B".to_owned(), "10m".to_owned());
        for (offset, place) in [
            (0, "a.toml:1:1"),
            (6, "a.toml:2:1"),
            (9, "a.toml:2:3"),
            (13, "a.toml:3:1"),
            (14, "b.toml:1:1"),
            (19, "b.toml:1:6"),
            (20, "CLOAKROOM_A__B"),
            (9999, "CLOAKROOM_A__B"),
        ] {
            assert_eq!(sources.place(offset).to_string(), place, "{offset}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        let mut sources = Sources::default();
        let text = "\"http://alice:hunter2@app\"";
        sources.add_file("a.toml".to_owned(), text.to_owned());
        let shown = sources.excerpt(&(0..text.len()));
        assert_eq!(shown.as_deref(), Some(NOT_SHOWN));
    }
}
