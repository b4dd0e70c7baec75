//! An error with everything that caused it, as one line of text. Loggers print only the error itself, and that says
//! what failed, not why.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources: `the app cannot be reached: connection refused`.
pub struct Causes<'a>(pub &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut told = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Transparent errors repeat what they wrap.
            if text != told {
                write!(f, ": {text}")?;
            }
            told = text;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the app cannot be reached")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn every_cause_is_told_once() {
        let error = Outer(std::io::Error::other("refused"));
        assert_eq!(
            Causes(&error).to_string(),
            "the app cannot be reached: refused"
        );
    }
}
