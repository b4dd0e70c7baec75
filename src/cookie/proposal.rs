//! What rules a watch over a site's cookies speaks for.

use std::fmt;

use super::tally::Tally;

/// Rules for the cookies of a site, and what is worth knowing of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The rules.
    pub rules: Vec<Proposed>,
    /// What could not be told, and what to look at.
    pub notes: Vec<String>,
}

/// A rule for one cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Its name.
    pub name: String,
}

/// Reads rules from what was seen.
pub fn propose(tally: &Tally) -> Proposal {
    let rules = tally.cookies.keys().cloned();
    Proposal {
        rules: rules.map(|name| Proposed { name }).collect(),
        notes: Vec::new(),
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[site.cookies]\n")?;
        self.rules
            .iter()
            .try_for_each(|rule| writeln!(f, "# {}", rule.name))
    }
}
