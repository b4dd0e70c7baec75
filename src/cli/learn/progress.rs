//! What a watch has seen so far, in one short line on standard error.

use std::io::{IsTerminal, Write, stderr};

use super::super::complain;
use crate::cookie::proposal::counted;
use crate::cookie::tally::Tally;

/// As many characters of names are shown.
const NAMES_WIDTH: usize = 60;

/// At a terminal the line stays and changes; else there is another when a name is new.
pub(super) struct Progress {
    is_terminal: bool,
    names: usize,
    is_open: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            is_terminal: stderr().is_terminal(),
            names: 0,
            is_open: false,
        }
    }

    pub(super) fn show(&mut self, tally: &Tally) {
        if self.is_terminal {
            // Names are escaped by the gateway: nothing of a visitor moves the cursor.
            let _ = write!(stderr(), "\r\x1b[K{}", line(tally));
            self.is_open = true;
        } else if tally.cookies.len() != self.names {
            complain(line(tally));
        }
        self.names = tally.cookies.len();
    }

    /// What comes next begins a line.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            complain("");
        }
    }
}

fn line(tally: &Tally) -> String {
    let mut text = format!(
        "{}, {}",
        counted(tally.requests, "request"),
        counted(tally.cookies.len() as u64, "cookie")
    );
    let mut room = NAMES_WIDTH;
    for (nth, name) in tally.cookies.keys().enumerate() {
        // The gateway escapes names, and whoever answers in its place may not.
        let name = name.escape_debug().to_string();
        let Some(left) = room.checked_sub(name.len() + 2) else {
            text.push_str(", ...");
            break;
        };
        room = left;
        text.push_str(if nth == 0 { ": " } else { ", " });
        text.push_str(&name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_moves_the_terminal() {
        let mut tally = Tally::default();
        tally
            .cookies
            .insert("\x1b[2J\n".to_owned(), Default::default());
        assert!(!line(&tally).contains(char::is_control));
    }

    #[test]
    fn the_line_stays_short_whatever_was_seen() {
        let mut tally = Tally::default();
        assert_eq!(line(&tally), "0 requests, 0 cookies");
        for name in ["a", "b"] {
            tally.cookies.insert(name.to_owned(), Default::default());
        }
        assert_eq!(line(&tally), "0 requests, 2 cookies: a, b");
        for nth in 0..100 {
            tally
                .cookies
                .insert(format!("name-{nth}"), Default::default());
        }
        assert!(line(&tally).len() < 100 && line(&tally).ends_with(", ..."));
    }
}
