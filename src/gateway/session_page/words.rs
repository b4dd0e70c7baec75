//! Times as people read them. The visitor's clock and place are not known, so that a moment is told twice: how far away
//! it is, and in UTC.

use std::time::Duration;

use time::OffsetDateTime;

use crate::base::clock::Time;

/// A moment, seen from another.
pub(super) struct Moment {
    /// For programs: `2026-07-01T12:00:00Z`.
    pub machine: String,
    /// For people: `2026-07-01 12:00 UTC`.
    pub utc: String,
    /// `5 minutes ago`, or `in 5 minutes`.
    pub distance: String,
}

impl Moment {
    pub(super) fn seen(at: Time, now: Time) -> Self {
        let secs = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        let time = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second) = time.to_hms();
        let date = format!("{year:04}-{:02}-{day:02}", u8::from(month));
        Self {
            machine: format!("{date}T{hour:02}:{minute:02}:{second:02}Z"),
            utc: format!("{date} {hour:02}:{minute:02} UTC"),
            distance: if at > now {
                format!("in {}", span(at.since(now)))
            } else {
                ago(now.since(at))
            },
        }
    }
}

fn ago(past: Duration) -> String {
    if past.as_secs() < 60 {
        "just now".to_owned()
    } else {
        format!("{} ago", span(past))
    }
}

/// A span in its largest unit, rounded down.
pub(super) fn span(span: Duration) -> String {
    let secs = span.as_secs();
    let (count, unit) = match secs {
        0..60 => return "less than a minute".to_owned(),
        60..3_600 => (secs / 60, "minute"),
        3_600..172_800 => (secs / 3_600, "hour"),
        _ => (secs / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_words_and_in_utc() {
        let now = Time::from_secs(1_709_210_096);
        for (secs, expected) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7_199, "1 hour ago"),
            (7_200, "2 hours ago"),
            (172_800, "2 days ago"),
        ] {
            let at = Time::from_secs(now.as_secs() - secs);
            assert_eq!(Moment::seen(at, now).distance, expected);
        }
        let ahead = Moment::seen(now.plus(Duration::from_secs(300)), now);
        assert_eq!(ahead.distance, "in 5 minutes");
        let ahead = Moment::seen(now.plus(Duration::from_secs(3)), now);
        assert_eq!(ahead.distance, "in less than a minute");
        let moment = Moment::seen(now, now);
        assert_eq!(moment.machine, "2024-02-29T12:34:56Z");
        assert_eq!(moment.utc, "2024-02-29 12:34 UTC");
    }
}
