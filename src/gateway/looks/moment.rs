//! Times as people read them. The visitor's clock and place are not known, so that a moment is told twice: how far away
//! it is, and in UTC.

use std::time::Duration;

use minijinja::Value;
use time::OffsetDateTime;

use super::texts::{Text, Texts};
use crate::base::clock::Time;

/// A moment, seen from another.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// When it is.
    pub at: Time,
    /// From when it is seen.
    pub now: Time,
}

impl Moment {
    /// `5 min ago`, or `in 5 min`.
    pub fn distance(self, texts: &Texts) -> String {
        let Self { at, now } = self;
        if at > now {
            texts.with(Text::In, &span(at.since(now), texts))
        } else if now.since(at) < Duration::from_secs(60) {
            texts.of(Text::JustNow).to_owned()
        } else {
            texts.with(Text::Ago, &span(now.since(at), texts))
        }
    }

    /// What a template is told.
    pub(super) fn value(self, texts: &Texts) -> Value {
        let secs = i64::try_from(self.at.as_secs()).unwrap_or(i64::MAX);
        let time = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second) = time.to_hms();
        let date = format!("{year:04}-{:02}-{day:02}", u8::from(month));
        Value::from_pairs([
            (
                "machine",
                format!("{date}T{hour:02}:{minute:02}:{second:02}Z"),
            ),
            ("utc", format!("{date} {hour:02}:{minute:02} UTC")),
            ("distance", self.distance(texts)),
        ])
    }
}

/// In its largest unit, rounded down, and never nothing.
fn span(span: Duration, texts: &Texts) -> String {
    let secs = span.as_secs();
    let (count, unit) = match secs {
        0..3_600 => (secs.div_euclid(60).max(1), Text::Minutes),
        3_600..172_800 => (secs / 3_600, Text::Hours),
        _ => (secs / 86_400, Text::Days),
    };
    texts.with(unit, &count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_words_and_in_utc() {
        let english = Texts::english();
        let now = Time::from_secs(1_709_210_096);
        for (secs, expected) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (7_199, "1 h ago"),
            (7_200, "2 h ago"),
            (172_800, "2 d ago"),
        ] {
            let at = Time::from_secs(now.as_secs() - secs);
            assert_eq!(Moment { at, now }.distance(&english), expected);
        }
        for (secs, expected) in [(3, "in 1 min"), (300, "in 5 min"), (86_399, "in 23 h")] {
            let at = now.plus(Duration::from_secs(secs));
            assert_eq!(Moment { at, now }.distance(&english), expected);
        }
        let value = Moment { at: now, now }.value(&english).to_string();
        assert!(value.contains("2024-02-29T12:34:56Z"), "{value}");
        assert!(value.contains("2024-02-29 12:34 UTC"), "{value}");
    }
}
