//! Paths, read once: the normalised form decides sites, rules and our own pages; the app gets the
//! path as it came.
//!
//! Servers disagree on what `%2f`, `\`, `;x` and encoded dots mean, and each disagreement is a way
//! around a rule (SECURITY 2.6). So a path that could be read in two ways says so, and what it says
//! beside that is the reading that the fewest rules let through.

/// A path with everything decoded that may be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath {
    /// The path: begins with `/`, no empty, `.` or `..` segments, unreserved characters decoded,
    /// all other escapes in upper case.
    path: String,
    /// The same without `;parameters`, if it has any: servlet containers read that one.
    bare: Option<String>,
    ambiguous: bool,
    /// How servers read it that decode less, or more, if it is ambiguous.
    others: Vec<String>,
}

impl NormalPath {
    /// Reads the path of a request target, without its query.
    pub fn read(raw: &str) -> Self {
        if is_normal(raw) {
            return Self {
                path: raw.to_owned(),
                bare: None,
                ambiguous: false,
                others: Vec::new(),
            };
        }
        Self::resolved(raw)
    }

    fn resolved(raw: &str) -> Self {
        let (decoded, mut ambiguous) = decode(raw, Slashes::All);
        let path = resolve(&decoded, |segment| segment);
        let bare = decoded
            .contains(';')
            .then(|| resolve(&decoded, without_parameters));
        // `/a/;v/../b`: what the step up takes away depends on whether `;v` is a segment.
        ambiguous |= bare
            .as_ref()
            .is_some_and(|bare| *bare != resolve(&path, without_parameters));
        // `..;` is nothing to us and a step up to a servlet container.
        ambiguous |= decoded.split('/').any(|segment| {
            segment.contains(';') && matches!(without_parameters(segment), "." | "..")
        });
        Self {
            others: match ambiguous {
                true => other_readings(raw, &decoded),
                false => Vec::new(),
            },
            path,
            bare,
            ambiguous,
        }
    }

    /// The normalised path.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The path as a server reads it that takes `;parameters` out of segments.
    pub fn bare(&self) -> &str {
        self.bare.as_deref().unwrap_or(&self.path)
    }

    /// Every reading of it that some server may have. More than one only where they differ.
    pub fn readings(&self) -> impl Iterator<Item = &str> {
        let first = [self.as_str()].into_iter();
        let more = self.bare.iter().chain(&self.others);
        first.chain(more.map(String::as_str))
    }

    /// Whether a segment has `;parameters`.
    pub const fn has_parameters(&self) -> bool {
        self.bare.is_some()
    }

    /// Whether servers disagree on what the path means, whatever the rules are.
    pub const fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }
}

/// Whether a path is its own normalised form, as far as one look at it tells: nothing in it is decoded, has parameters or
/// steps anywhere. Most paths are like that.
fn is_normal(raw: &str) -> bool {
    let mut after_slash = false;
    raw.starts_with('/')
        && raw.bytes().all(|byte| {
            let is_plain = match byte {
                b'/' | b'.' => !after_slash,
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => true,
                _ => false,
            };
            after_slash = byte == b'/';
            is_plain
        })
}

/// The readings of an ambiguous path beside the one with all slashes: of servers that leave escapes in a segment as they
/// are, that take `%3b` for the start of parameters, and that end a path at a NUL.
fn other_readings(raw: &str, decoded: &str) -> Vec<String> {
    let (literal, _) = decode(raw, Slashes::Plain);
    let eager = decoded.replace("%3B", ";");
    let whole = |path: &str| path.split("%00").next().unwrap_or_default().to_owned();
    let (cut, literal_cut) = (whole(&eager), whole(&literal));
    let all = [&literal, &eager, &cut, &literal_cut];
    let plain = all.iter().map(|path| resolve(path, |segment| segment));
    let bare = all.iter().map(|path| resolve(path, without_parameters));
    plain.chain(bare).collect()
}

/// Which bytes separate segments, and whether encoded dots can be steps.
#[derive(Clone, Copy, PartialEq)]
enum Slashes {
    /// An encoded slash and a backslash too.
    All,
    /// A slash alone; what is encoded in a segment stays in it.
    Plain,
}

/// Decodes what may be decoded and tells whether anything was found that servers disagree on.
fn decode(raw: &str, slashes: Slashes) -> (String, bool) {
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(raw.len() + 1);
    let mut ambiguous = !raw.starts_with('/');
    let mut encoded_dots = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (byte, escaped) = match (byte, hex_pair(bytes.get(at + 1..at + 3))) {
            (b'%', Some(decoded)) => {
                at += 3;
                (decoded, true)
            }
            (byte, _) => {
                at += 1;
                ambiguous |= byte == b'%';
                (byte, false)
            }
        };
        match byte {
            b'/' if !escaped => out.push('/'),
            b'/' | b'\\' => {
                ambiguous = true;
                match slashes {
                    Slashes::All => out.push('/'),
                    Slashes::Plain => out.push_str(&format!("%{byte:02X}")),
                }
            }
            b'.' if escaped && slashes == Slashes::Plain => out.push_str("%2E"),
            b'.' => {
                encoded_dots |= escaped;
                out.push('.');
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(byte.into()),
            _ => {
                ambiguous |= byte < 0x20 || byte == 0x7f;
                // `%3b` is a character of a name to some and the start of parameters to others.
                ambiguous |= byte == b';' && escaped;
                if escaped || !byte.is_ascii_graphic() {
                    out.push_str(&format!("%{byte:02X}"));
                } else {
                    out.push(byte.into());
                }
            }
        }
    }
    ambiguous |= encoded_dots && out.split('/').any(|segment| matches!(segment, "." | ".."));
    (out, ambiguous)
}

fn hex_pair(digits: Option<&[u8]>) -> Option<u8> {
    let [high, low] = digits? else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Removes dot segments (RFC 3986 5.2.4) and empty ones, which most servers take for one slash.
fn resolve<'a>(path: &'a str, read: impl Fn(&'a str) -> &'a str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_with_slash = true;
    for segment in path.split('/').map(read) {
        ends_with_slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len() + 1);
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if ends_with_slash || out.is_empty() {
        out.push('/');
    }
    out
}

fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or(segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_reading_each() {
        let rows = [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//admin", "/admin"),
            ("/./admin", "/admin"),
            ("/x/../admin", "/admin"),
            ("/../../admin", "/admin"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/%61dmin", "/admin"),
            ("/ADMIN", "/ADMIN"),
            ("/x%252e%252e/", "/x%252e%252e/"),
            ("/J%c3%b6rg", "/J%C3%B6rg"),
            ("/a%20b", "/a%20b"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/;jsessionid=1", "/;jsessionid=1"),
            ("/a/b;v/../c", "/a/c"),
            ("/a,b=c@d", "/a,b=c@d"),
        ];
        for (raw, expected) in rows {
            let read = NormalPath::read(raw);
            assert_eq!(
                (read.as_str(), read.is_ambiguous()),
                (expected, false),
                "{raw}"
            );
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_says_so_and_shows_the_reading_that_rules_see() {
        let rows = [
            ("/%2e%2e/admin", "/admin"),
            ("/x/%2e/admin", "/x/admin"),
            ("/x/..;/admin", "/admin"),
            ("/a/;v/../", "/"),
            ("/admin%2f", "/admin/"),
            ("/admin%2Fx", "/admin/x"),
            ("/admin%5cx", "/admin/x"),
            ("/admin\\x", "/admin/x"),
            ("/admin%00", "/admin%00"),
            ("/admin%0a.js", "/admin%0A.js"),
            ("/admin%3bx", "/admin%3Bx"),
            ("/admin%", "/admin%"),
            ("/admin%zz", "/admin%zz"),
            ("admin", "/admin"),
        ];
        for (raw, expected) in rows {
            let read = NormalPath::read(raw);
            assert_eq!(
                (read.bare(), read.is_ambiguous()),
                (expected, true),
                "{raw}"
            );
        }
    }

    /// Promise: where an ambiguous path is passed on, its rules hold for whoever reads it.
    #[test]
    fn an_ambiguous_path_has_every_reading() {
        for (raw, reading) in [
            ("/admin/x%2f..%2f..%2fpublic", "/admin/x%2F..%2F..%2Fpublic"),
            ("/admin/x%2f..%2f..%2fpublic", "/public"),
            ("/admin/%2e%2e/public", "/admin/%2E%2E/public"),
            ("/admin/%2e%2e/public", "/public"),
            (
                "/admin;a/x%2f..%2f..%2fpublic",
                "/admin/x%2F..%2F..%2Fpublic",
            ),
            ("/admin/..;/public", "/admin/..;/public"),
            ("/admin/..;/public", "/public"),
            ("/admin\\..\\public", "/admin%5C..%5Cpublic"),
            ("/admin%3bx", "/admin"),
            ("/admin%00.css", "/admin"),
            ("/admin%00/../public", "/admin"),
        ] {
            let path = NormalPath::read(raw);
            let readings: Vec<&str> = path.readings().collect();
            assert!(readings.contains(&reading), "{raw}: {readings:?}");
        }
        let plain = NormalPath::read("/a/../b;v/c");
        assert_eq!(plain.readings().collect::<Vec<_>>(), ["/b;v/c", "/b/c"]);
        assert_eq!(NormalPath::read("/a").readings().count(), 1);
    }

    #[test]
    fn parameters_are_taken_out_of_the_bare_reading_alone() {
        let read = NormalPath::read("/admin;jsessionid=1/x;y/");
        assert_eq!(
            (read.as_str(), read.bare()),
            ("/admin;jsessionid=1/x;y/", "/admin/x/")
        );
    }

    proptest! {
        #[test]
        fn a_path_that_is_normal_already_reads_as_any_other(
            raw in "(/|\\.|[a-zA-Z0-9_~-]|%2[0ef]|;|\\\\){0,12}"
        ) {
            let raw = format!("/{raw}");
            prop_assert_eq!(NormalPath::read(&raw), NormalPath::resolved(&raw));
        }

        #[test]
        fn reading_again_changes_nothing(raw in "(/|[a-z.]|%2[05e]|%c3%a9|;v|~){0,20}") {
            let once = NormalPath::read(&format!("/{raw}"));
            if once.is_ambiguous() {
                return Ok(());
            }
            let twice = NormalPath::read(once.as_str());
            prop_assert_eq!(once.as_str(), twice.as_str());
            prop_assert_eq!(once.bare(), twice.bare());
        }

        #[test]
        fn nothing_panics_and_no_dot_segment_is_left(raw in any::<String>()) {
            let read = NormalPath::read(&raw);
            for path in read.readings() {
                prop_assert!(path.starts_with('/') && !path.contains("//"));
                prop_assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")));
            }
        }
    }
}
