//! The `Date` of answers that have none (RFC 9110, 6.6.1), written once a second on each core.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;

use crate::base::clock::{Clock, Stopwatch};

thread_local! {
    static LATEST: RefCell<Latest> = RefCell::new(Latest::new());
}

struct Latest {
    clock: Clock,
    value: HeaderValue,
    written: Stopwatch,
    /// How long after `written` the value is right.
    holds: Duration,
}

/// The date of now.
pub(super) fn date() -> HeaderValue {
    LATEST.with_borrow_mut(|latest| {
        if latest.written.elapsed() >= latest.holds {
            latest.write();
        }
        latest.value.clone()
    })
}

impl Latest {
    fn new() -> Self {
        let mut latest = Self {
            clock: Clock::system(),
            value: HeaderValue::from_static(""),
            written: Stopwatch::start(),
            holds: Duration::ZERO,
        };
        latest.write();
        latest
    }

    fn write(&mut self) {
        self.written = Stopwatch::start();
        let now = self.clock.now().as_millis();
        self.holds = Duration::from_millis(1000 - now % 1000);
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now));
        // Letters, digits, commas and colons.
        if let Ok(value) = HeaderValue::try_from(text) {
            self.value = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_one_that_can_be_read() {
        let text = date().to_str().unwrap().to_owned();
        let read = httpdate::parse_http_date(&text).unwrap();
        let read = read.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = Clock::system().now().as_secs();
        assert!(now - read <= 1, "{text}");
        assert_eq!(date(), date());
    }
}
