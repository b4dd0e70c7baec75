//! Finished settings of how our pages look.

use std::path::PathBuf;

/// How the pages of a site look, and which languages they speak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// The folder of the operator's templates, style and texts, if there is one.
    pub dir: Option<PathBuf>,
    /// The languages; the first is spoken to whoever asks for none of them. Empty: all that there are.
    pub languages: Vec<String>,
}
