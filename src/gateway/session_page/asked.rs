//! What the page's form asks for.

use crate::login::typed::{self, Unread};

/// What a visitor wants done with their sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// To end the other session of this name.
    End(String),
    /// To end all others.
    EndOthers,
    /// To end this one.
    LogOut,
    /// To go on, now that this one need not wait any more.
    GoOn,
}

/// What the form says.
pub(super) struct Filled {
    pub deed: Deed,
    pub token: String,
    pub return_to: Option<String>,
}

impl Filled {
    /// # Errors
    /// When it cannot be read in one way.
    pub(super) fn read(body: &[u8]) -> Result<Self, Unread> {
        let text = |field| {
            let value = typed::value(body, field)?;
            Ok(value.map(|value| value.expose().clone()))
        };
        let deed = text("deed")?.ok_or(Unread::Missing)?;
        Ok(Self {
            deed: Deed::parse(&deed).ok_or(Unread::Value)?,
            token: text("token")?.unwrap_or_default(),
            return_to: text("return_to")?,
        })
    }
}

impl Deed {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "end-others" => Self::EndOthers,
            "log-out" => Self::LogOut,
            "go-on" => Self::GoOn,
            _ => Self::End(text.strip_prefix("end ")?.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_one_thing_or_nothing() {
        let read = |body: &str| Filled::read(body.as_bytes()).map(|filled| filled.deed);
        assert_eq!(read("deed=log-out&token=t"), Ok(Deed::LogOut));
        assert_eq!(read("deed=end+x"), Ok(Deed::End("x".into())));
        assert_eq!(read("token=t"), Err(Unread::Missing));
        assert_eq!(read("deed=explode"), Err(Unread::Value));
        assert_eq!(read("deed=end"), Err(Unread::Value));
        assert_eq!(read("deed=log-out&deed=go-on"), Err(Unread::Twice));
    }
}
