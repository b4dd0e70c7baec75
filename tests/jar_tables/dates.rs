//! `Expires`: every form that servers have written since 1994, and what is no date by the forgiving algorithm of RFC
//! 6265bis 5.1.1.

use std::time::Duration;

use crate::Jar;
use Read::{At, Never, Past};

/// What a date is read as.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// Seconds since 1970.
    At(u64),
    /// Before everything: it deletes.
    Past,
    /// It is no date, and as good as absent.
    Never,
}

/// 6 November 2027, 08:49:37.
const NOV: u64 = 1_825_490_977;

pub const CASES: &[(&str, Read)] = &[
    // The forms that have a name.
    ("Sat, 06 Nov 2027 08:49:37 GMT", At(NOV)),
    ("Saturday, 06-Nov-27 08:49:37 GMT", At(NOV)),
    ("Sat Nov  6 08:49:37 2027", At(NOV)),
    ("Sat, 06-Nov-2027 08:49:37 GMT", At(NOV)),
    ("Sat, 06-Nov-27 08:49:37 GMT", At(NOV)),
    ("Sat, 6 Nov 2027 08:49:37 +0000", At(NOV)),
    ("Sat Nov 06 2027 08:49:37 GMT+0000 (UTC)", At(NOV)),
    ("2027 Nov 06 08:49:37", At(NOV)),
    ("06 Nov 2027 08:49:37 UTC", At(NOV)),
    // Parts may stand in any order, and words that are none of them do not count.
    ("08:49:37 06 Nov 2027", At(NOV)),
    ("Nov 2027 06 08:49:37", At(NOV)),
    ("2027 08:49:37 Nov 06", At(NOV)),
    ("06 2027 08:49:37 Nov", At(NOV)),
    ("Nonsense, 06 Nov 2027 08:49:37", At(NOV)),
    ("06 Nov 2027 08:49:37 and more words", At(NOV)),
    // The weekday is a word like others.
    ("Mon, 06 Nov 2027 08:49:37 GMT", At(NOV)),
    ("06 Nov 2027 08:49:37", At(NOV)),
    // A zone is not believed.
    ("Sat, 06 Nov 2027 08:49:37 PST", At(NOV)),
    ("Sat, 06 Nov 2027 08:49:37 +0200", At(NOV)),
    ("Sat, 06 Nov 2027 08:49:37", At(NOV)),
    // What stands between the parts.
    ("Sat,06-Nov-2027,08:49:37", At(NOV)),
    ("06/Nov/2027/08:49:37", At(NOV)),
    ("06.Nov.2027.08:49:37", At(NOV)),
    ("06_Nov_2027_08:49:37", At(NOV)),
    ("06\tNov\t2027\t08:49:37", At(NOV)),
    ("(06)[Nov]{2027}<08:49:37>", At(NOV)),
    ("\"06 Nov 2027 08:49:37\"", At(NOV)),
    ("  06   Nov   2027   08:49:37  ", At(NOV)),
    ("06=Nov=2027=08:49:37", At(NOV)),
    ("06~Nov~2027~08:49:37", At(NOV)),
    ("06@Nov@2027@08:49:37", At(NOV)),
    ("06`Nov`2027`08:49:37", At(NOV)),
    ("06!Nov!2027!08:49:37", At(NOV)),
    ("06:Nov:2027 08:49:37", Never),
    ("06\u{a0}Nov\u{a0}2027\u{a0}08:49:37", Never),
    // Months have no case and may go on; three letters count.
    ("06 NOV 2027 08:49:37", At(NOV)),
    ("06 november 2027 08:49:37", At(NOV)),
    ("06 NovEmBer 2027 08:49:37", At(NOV)),
    ("06 Novx 2027 08:49:37", At(NOV)),
    ("06 No 2027 08:49:37", Never),
    ("06 11 2027 08:49:37", Never),
    ("06 Xnov 2027 08:49:37", Never),
    // Digits of a time: one or two each, and what follows does not count.
    ("06 Nov 2027 8:49:37", At(NOV)),
    ("06 Nov 2027 08:49:37.123", At(NOV)),
    ("06 Nov 2027 08:49:37Z", At(NOV)),
    ("06 Nov 2027 08:49:37:99", At(NOV)),
    ("06 Nov 2027 0:0:0", At(NOV - 31_777)),
    ("06 Nov 2027 008:49:37", Never),
    ("06 Nov 2027 08:049:37", Never),
    ("06 Nov 2027 08:49:037", Never),
    ("06 Nov 2027 08:49", Never),
    ("06 Nov 2027 08.49.37", Never),
    ("06 Nov 2027 08:49:", Never),
    ("06 Nov 2027", Never),
    ("06 Nov 2027 23:59:59", At(NOV - 31_777 + 86_399)),
    ("06 Nov 2027 24:00:00", Never),
    ("06 Nov 2027 08:60:00", Never),
    ("06 Nov 2027 08:49:60", Never),
    // Of two times the first counts, and of two months.
    ("08:49:37 06 Nov 2027 09:00:00", At(NOV)),
    ("06 Nov Dec 2027 08:49:37", At(NOV)),
    // Days: one or two digits, what follows does not count, and the day must be one.
    ("6 Nov 2027 08:49:37", At(NOV)),
    ("6th Nov 2027 08:49:37", At(NOV)),
    ("006 Nov 2027 08:49:37", Never),
    ("0 Nov 2027 08:49:37", Never),
    ("00 Nov 2027 08:49:37", Never),
    ("31 Nov 2027 08:49:37", Never),
    ("32 Dec 2027 08:49:37", Never),
    ("29 Feb 2027 08:49:37", Never),
    ("30 Feb 2028 08:49:37", Never),
    ("29 Feb 2028 00:00:00", At(1_835_395_200)),
    ("29 Feb 2100 00:00:00", Never),
    ("29 Feb 2000 00:00:00", Past),
    // Years: four digits as they are, two by the century they are near.
    ("06 Nov 27 08:49:37", At(NOV)),
    ("31 Dec 69 00:00:00", At(3_155_673_600)),
    ("01 Jan 70 00:00:00", Past),
    ("31 Dec 99 23:59:59", Past),
    ("06 Nov 027 08:49:37", At(NOV)),
    ("06 Nov 02027 08:49:37", Never),
    ("06 Nov 7 08:49:37", Never),
    ("06 Nov 2027x 08:49:37", At(NOV)),
    ("06 Nov 1601 08:49:37", Past),
    ("06 Nov 1600 08:49:37", Never),
    ("06 Nov 0100 08:49:37", Never),
    ("06 Nov 9999 08:49:37", At(253_397_494_177)),
    ("06 Nov 10000 08:49:37", Never),
    ("01 Jan 1970 00:00:00", Past),
    ("31 Dec 1969 23:59:59", Past),
    ("06 Nov 1994 08:49:37", Past),
    // 19 January 2038 and after is a time like others.
    ("19 Jan 2038 03:14:08", At(2_147_483_648)),
    // What is no cookie date at all.
    ("", Never),
    ("0", Never),
    ("-1", Never),
    ("1825490977", Never),
    ("2027-11-06T08:49:37Z", Never),
    ("2027-11-06 08:49:37", Never),
    ("20271106084937", Never),
    ("11/06/2027 08:49:37", Never),
    ("Session", Never),
    ("never", Never),
    ("Sat Nov", Never),
    ("08:49:37", Never),
];

/// Promise: a cookie lives until its date and no second longer; what is no date makes it a session cookie.
#[test]
fn every_form_of_date_is_read_as_browsers_read_it() {
    let mut faults = Vec::new();
    for (text, read) in CASES {
        let line = format!("a=1; Expires={text}");
        let lives = match read {
            // The jar is asked shortly before, because nothing is kept for more than 400 days.
            At(secs) => {
                let end = secs - crate::NOW.as_secs();
                let mut jar = Jar::new();
                jar.set(&format!("+{} /", end - 10), line.as_bytes());
                let sent = |secs: u64| !jar.cookie(&format!("+{secs} /")).is_empty();
                sent(end - 1) && !sent(end)
            }
            Past => {
                let mut jar = Jar::new();
                jar.set("/", b"a=0");
                jar.set("/", line.as_bytes());
                jar.count() == 0
            }
            Never => {
                let mut jar = Jar::new();
                jar.set("/", line.as_bytes());
                let later = Duration::from_secs(500 * 86_400).as_secs();
                jar.cookie(&format!("+{later} /")) == b"a=1"
            }
        };
        if !lives {
            faults.push(format!("{text:?} is not {read:?}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
