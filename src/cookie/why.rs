//! Why the screen keeps a cookie out: told by the code that decides it, so that whoever explains says the truth.

/// Why a pair that a browser sent does not go up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its rule does not pass cookies of the browser.
    NotPassed,
    /// It has a name that some reader would take for ours.
    Lookalike,
    /// An earlier pair has the name.
    Again,
    /// It has no name.
    Nameless,
    /// Its name begins with `$`.
    DollarName,
    /// Readers differ over a byte in its name.
    OddName,
    /// Some framework makes another name of it, one that is ours or that comes under another rule.
    ReadsOtherwise,
    /// Its value holds a control byte.
    Control,
    /// Its value holds a quote that is not one of a full pair around it.
    StrayQuote,
    /// Its value holds a backslash.
    Backslash,
    /// Its value holds bytes past ASCII, and its rule does not allow them.
    NonAscii,
    /// Some reader finds another cookie in its value, one that is not to be passed.
    HoldsAnother,
    /// Another site of the host names it more narrowly.
    AnotherSites,
    /// It is for the service that tells who visitors are.
    OfAService,
}

impl Why {
    /// For machines; it does not change.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotPassed => "not-passed",
            Self::Lookalike => "lookalike",
            Self::Again => "again",
            Self::Nameless => "nameless",
            Self::DollarName => "dollar-name",
            Self::OddName => "odd-name",
            Self::ReadsOtherwise => "reads-otherwise",
            Self::Control => "control-byte",
            Self::StrayQuote => "stray-quote",
            Self::Backslash => "backslash",
            Self::NonAscii => "non-ascii",
            Self::HoldsAnother => "holds-another",
            Self::AnotherSites => "another-sites",
            Self::OfAService => "of-a-service",
        }
    }

    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotPassed => "no rule says pass",
            Self::Lookalike => "some app would take its name for the ticket's",
            Self::Again => "an earlier cookie has the name, and the first one counts",
            Self::Nameless => "it has no name",
            Self::DollarName => "its name begins with $, which RFC 2965 gave a meaning",
            Self::OddName => "apps differ over a byte in its name",
            Self::ReadsOtherwise => {
                "some framework decodes its name into one that is ours or comes under another rule"
            }
            Self::Control => "its value holds a control byte",
            Self::StrayQuote => "its value holds quotes that do not enclose all of it",
            Self::Backslash => "its value holds a backslash",
            Self::NonAscii => {
                "its value holds bytes past ASCII, and its rule has no non_ascii = true"
            }
            Self::AnotherSites => {
                "another site of this host names it more narrowly, and has it alone"
            }
            Self::OfAService => {
                "it is for the login service, and for nobody else (site.login.cookies)"
            }
            Self::HoldsAnother => {
                "some app would find another cookie in its value, and no rule passes that one"
            }
        }
    }

    /// What is oddest about a name, or `otherwise`.
    pub(super) const fn of_name(name: &[u8], otherwise: Self) -> Self {
        match name {
            [] => Self::Nameless,
            [b'$', ..] => Self::DollarName,
            _ => otherwise,
        }
    }

    /// What speaks against a value that is not plain.
    pub(super) fn of_value(value: &[u8]) -> Self {
        if value.iter().any(u8::is_ascii_control) {
            Self::Control
        } else if value.contains(&b'\\') {
            Self::Backslash
        } else {
            Self::StrayQuote
        }
    }
}
