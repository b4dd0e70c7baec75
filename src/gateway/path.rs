//! Paths, read once: the normalised form decides sites, rules and our own pages; the app gets the
//! path as it came.
//!
//! Servers disagree on what `%2f`, `\`, `;x` and encoded dots mean, and each disagreement is a way
//! around a rule (SECURITY 2.6). So a path that could be read in two ways says so, and what it says
//! beside that is the reading that the fewest rules let through.

use std::borrow::Cow;

/// A path with everything decoded that may be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath {
    /// The path: begins with `/`, no empty, `.` or `..` segments, unreserved characters decoded,
    /// all other escapes in upper case.
    path: String,
    /// The same without `;parameters`, if it has any: servlet containers read that one.
    bare: Option<String>,
    ambiguous: bool,
    /// How it came, and what servers disagree on in it, if there is more to read in it.
    raw: Option<(Box<str>, Doubts)>,
}

/// What servers read as more than letters, or as no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doubts(u8);

impl Doubts {
    const NONE: Self = Self(0);
    /// `%2f` separates segments.
    const SLASH: u8 = 1;
    /// `\` does.
    const BACKSLASH: u8 = 1 << 1;
    /// `%5c` does.
    const ENCODED_BACKSLASH: u8 = 1 << 2;
    /// `%2e` is a dot that steps.
    const DOT: u8 = 1 << 3;
    /// `%3b` begins parameters.
    const SEMICOLON: u8 = 1 << 4;
    /// `%00` ends the path.
    const NUL: u8 = 1 << 5;
    /// The reading that most rules are for: whatever may separate or step does.
    const EAGER: Self = Self(Self::SLASH | Self::BACKSLASH | Self::ENCODED_BACKSLASH | Self::DOT);
    /// With more at once than these there are more readings than anybody needs.
    const MOST: u32 = 3;

    const fn has(self, doubt: u8) -> bool {
        self.0 & doubt != 0
    }

    const fn add(&mut self, doubt: u8) {
        self.0 |= doubt;
    }

    /// Every choice among these.
    fn choices(self) -> impl Iterator<Item = Self> + Clone {
        (0..=self.0)
            .filter(move |some| some & !self.0 == 0)
            .map(Self)
    }
}

impl NormalPath {
    /// Reads the path of a request target, without its query.
    pub fn read(raw: &str) -> Self {
        if is_normal(raw) {
            return Self {
                path: raw.to_owned(),
                bare: None,
                ambiguous: false,
                raw: None,
            };
        }
        Self::resolved(raw)
    }

    fn resolved(raw: &str) -> Self {
        let Decoded {
            text: decoded,
            doubts,
            mut ambiguous,
        } = decode(raw, Doubts::EAGER);
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
        let has_more = ambiguous || raw.starts_with("//");
        Self {
            raw: has_more.then(|| (raw.into(), doubts)),
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
    pub fn readings(&self) -> impl Iterator<Item = Cow<'_, str>> + Clone {
        let first = [self.as_str()].into_iter();
        let more = self.bare.as_deref();
        let others = self.others().into_iter().map(Cow::Owned);
        first.chain(more).map(Cow::Borrowed).chain(others)
    }

    /// How servers read it that decode less, or more, if it is ambiguous. They may leave one thing in a segment as it is and
    /// take another for more, so each choice is a reading.
    fn others(&self) -> Vec<String> {
        let Some((raw, doubts)) = self.raw.as_ref().filter(|_| self.ambiguous) else {
            return Vec::new();
        };
        let mut others = Vec::new();
        for chosen in doubts.choices() {
            let decoded = decode(raw, chosen).text;
            for path in [decoded.as_str()].into_iter().chain(beyond_host(&decoded)) {
                others.push(resolve(path, |segment| segment));
                others.push(resolve(path, without_parameters));
            }
        }
        others.sort_unstable();
        others.dedup();
        others
    }

    /// `//host/path`, as whoever takes a target for the reference of a URL reads it (RFC 3986 4.2).
    pub fn behind_host(&self) -> Option<String> {
        let (raw, _) = self.raw.as_ref()?;
        beyond_host(raw).map(|path| Self::resolved(path).bare().to_owned())
    }

    /// Whether a segment has `;parameters`.
    pub const fn has_parameters(&self) -> bool {
        self.bare.is_some()
    }

    /// Whether servers disagree on what the path means, whatever the rules are.
    pub const fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Whether there is so much to disagree on that nobody means well who writes it.
    pub fn is_hopeless(&self) -> bool {
        let doubts = self.raw.as_ref().map(|(_, doubts)| doubts.0);
        self.ambiguous && doubts.is_some_and(|doubts| doubts.count_ones() > Doubts::MOST)
    }
}

/// What follows the host in `//host/path`.
fn beyond_host(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("//")?.trim_start_matches('/');
    Some(rest.find('/').map_or("/", |at| &rest[at..]))
}

/// A path without its `.` and `..` segments, which browsers take out before they ask, in every spelling that they know:
/// what a cookie's Path is held against.
pub fn as_browsers_ask(raw: &str) -> Cow<'_, str> {
    let dots = |segment: &str| match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
        "." => 1,
        ".." => 2,
        _ => 0,
    };
    if !raw.contains("/.") && !raw.contains("/%2") {
        return Cow::Borrowed(raw);
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_with_slash = false;
    for segment in raw.split('/').skip(1) {
        ends_with_slash = dots(segment) > 0;
        match dots(segment) {
            0 => segments.push(segment),
            1 => {}
            _ => drop(segments.pop()),
        }
    }
    if ends_with_slash {
        segments.push("");
    }
    Cow::Owned(format!("/{}", segments.join("/")))
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

/// A path as it is read by one choice.
struct Decoded {
    text: String,
    /// What there is to choose.
    doubts: Doubts,
    /// Whether anything was found that servers disagree on.
    ambiguous: bool,
}

/// Decodes what may be decoded. What is `taken` is more than letters.
fn decode(raw: &str, taken: Doubts) -> Decoded {
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(raw.len() + 1);
    let mut ambiguous = !raw.starts_with('/');
    let mut doubts = Doubts::NONE;
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
        let doubt = match (byte, escaped) {
            (b'/', true) => Doubts::SLASH,
            (b'\\', true) => Doubts::ENCODED_BACKSLASH,
            (b'\\', false) => Doubts::BACKSLASH,
            (b'.', true) => Doubts::DOT,
            (b';', true) => Doubts::SEMICOLON,
            (0, true) => Doubts::NUL,
            _ => 0,
        };
        doubts.add(doubt);
        ambiguous |= doubt != 0 && doubt != Doubts::DOT;
        match byte {
            0 if taken.has(doubt) => break,
            b'/' | b'\\' if taken.has(doubt) => out.push('/'),
            b'.' | b';' if taken.has(doubt) => out.push(byte.into()),
            _ if doubt != 0 => out.push_str(&format!("%{byte:02X}")),
            b'/' | b'.' => out.push(byte.into()),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(byte.into()),
            _ => {
                ambiguous |= byte < 0x20 || byte == 0x7f;
                if escaped || !byte.is_ascii_graphic() {
                    out.push_str(&format!("%{byte:02X}"));
                } else {
                    out.push(byte.into());
                }
            }
        }
    }
    ambiguous |=
        doubts.has(Doubts::DOT) && out.split('/').any(|segment| matches!(segment, "." | ".."));
    Decoded {
        text: out,
        doubts,
        ambiguous,
    }
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
            // One server leaves a backslash alone, decodes dots, and so on.
            ("/x%2fy/%2e%2e/admin/x", "/admin/x"),
            ("/x\\y/%2e%2e/admin/x", "/admin/x"),
            ("/x\\y/..%2fadmin/x", "/admin/x"),
            ("/x%5cy/..%2fadmin/x", "/admin/x"),
            ("/x%5cy/%2e./admin/x", "/admin/x"),
            ("/x%5cy\\z/../admin/x", "/admin/x"),
            ("/x%3by/a;b/..%2f..%2fadmin%00.css", "/admin"),
            ("//host/x/%2e%2e/admin", "/admin"),
        ] {
            let path = NormalPath::read(raw);
            let readings: Vec<_> = path.readings().collect();
            assert!(
                readings.iter().any(|found| found == reading),
                "{raw}: {readings:?}"
            );
        }
        let plain = NormalPath::read("/a/../b;v/c");
        assert_eq!(plain.readings().collect::<Vec<_>>(), ["/b;v/c", "/b/c"]);
        assert_eq!(NormalPath::read("/a").readings().count(), 1);
    }

    #[test]
    fn what_nobody_means_well_with_is_hopeless() {
        for (raw, is_hopeless) in [
            ("/a%2fb\\c%5cd", false),
            ("/a%2fb\\c%5cd%3be", true),
            ("/a%2fb\\c%2e%5cd", true),
            ("/a", false),
        ] {
            assert_eq!(NormalPath::read(raw).is_hopeless(), is_hopeless, "{raw}");
        }
    }

    #[test]
    fn what_follows_a_host_is_a_reading() {
        for (raw, path) in [
            ("//host/admin/x", Some("/admin/x")),
            ("///host/admin/x", Some("/admin/x")),
            ("//host//admin/./x;v", Some("/admin/x")),
            ("//admin", Some("/")),
            ("/host//admin", None),
            ("/admin", None),
        ] {
            let read = NormalPath::read(raw);
            assert_eq!(read.behind_host().as_deref(), path, "{raw}");
            assert!(!read.is_ambiguous(), "{raw}");
        }
    }

    #[test]
    fn browsers_take_steps_out() {
        for (raw, asked) in [
            ("/", "/"),
            ("/a/b.c/", "/a/b.c/"),
            ("/wp-admin/../wp-login.php", "/wp-login.php"),
            ("/wp-admin/%2E./x", "/x"),
            ("/a/./b/..", "/a/"),
            ("/../..", "/"),
            ("/a//../b", "/a/b"),
            ("/a%20b/.hidden", "/a%20b/.hidden"),
        ] {
            assert_eq!(as_browsers_ask(raw), asked, "{raw}");
        }
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
