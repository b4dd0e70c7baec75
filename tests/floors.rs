//! Holds the layout: who may know whom, and which thing is done in one place only (docs/ARCHITECTURE.md).
//!
//! It reads the sources as text. Parts under `#[cfg(test)]`, comments and test files are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up. A module knows lower floors, and on its own floor only its own folder.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["session", "cookie", "headers"],
    &["store", "upstream", "login"],
    &["gateway"],
    &["server", "admin"],
    // Text is read here and everything is wired: these know everyone, each other too.
    &["cli", "config", "run", "main", "lib"],
];

/// What may stand in some places only: what it is called, what gives it away, where it may stand.
const IN_ONE_PLACE: &[(&str, &[&str], &[&str])] = &[
    (
        "time is read in one file",
        &["Instant::now", "SystemTime::now"],
        &["base/clock.rs"],
    ),
    (
        "Set-Cookie bytes are made in one folder",
        &["use cookie::", "; HttpOnly", "; Secure", "; Max-Age"],
        // The demo's app is an app: it sets cookies as badly as it likes.
        &["cookie/", "cli/demo_app.rs"],
    ),
    (
        "only config/ knows TOML",
        &["toml::", "use toml"],
        &["config/"],
    ),
    (
        "statuses of refusals are chosen in one table",
        &[
            "StatusCode::BAD_REQUEST",
            "StatusCode::FORBIDDEN",
            "StatusCode::REQUEST_TIMEOUT",
            "StatusCode::PAYLOAD_TOO_LARGE",
            "StatusCode::EXPECTATION_FAILED",
            "StatusCode::MISDIRECTED_REQUEST",
            "StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE",
            "StatusCode::BAD_GATEWAY",
            "StatusCode::SERVICE_UNAVAILABLE",
            "StatusCode::GATEWAY_TIMEOUT",
        ],
        // The plain listener refuses before there is a request that the gateway could judge; what the administration
        // answers is no refusal of the gateway.
        &[
            "gateway/refusal.rs",
            "server/redirect.rs",
            "admin/answer.rs",
            "cli/demo_app.rs",
        ],
    ),
    (
        "cfg(feature) only where a driver is registered",
        &["cfg(feature"],
        &["store/mod.rs"],
    ),
];

#[test]
fn a_module_knows_only_lower_floors_and_its_own_folder() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(own) = floor(source.module()) else {
            faults.push(format!("{}: on no floor of tests/floors.rs", source.name));
            continue;
        };
        for known in source.knows() {
            let allowed = match floor(&known) {
                // A macro or a name that lib.rs itself exports.
                None => true,
                Some(other) => other < own || known == source.module() || own == FLOORS.len() - 1,
            };
            if !allowed {
                faults.push(format!("{} (floor {own}) knows {known}", source.name));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn there_are_no_circles_between_modules() {
    let mut knows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let own = source.module().to_owned();
        let mut others = source.knows();
        others.remove(&own);
        knows.entry(own).or_default().extend(others);
    }
    let modules: BTreeSet<String> = knows.keys().cloned().collect();
    for others in knows.values_mut() {
        others.retain(|other| modules.contains(other));
    }
    // Take away, again and again, whoever knows nobody who is left; those who stay are in a circle.
    while let Some(done) = knows.iter().find(|(_, others)| others.is_empty()) {
        let done = done.0.clone();
        knows.remove(&done);
        for others in knows.values_mut() {
            others.remove(&done);
        }
    }
    let left: BTreeMap<_, _> = knows
        .into_iter()
        .filter(|(module, _)| floor(module) != Some(FLOORS.len() - 1))
        .collect();
    assert!(
        left.is_empty(),
        "these know each other in a circle: {left:#?}"
    );
}

#[test]
fn the_two_lowest_floors_wait_for_nobody() {
    let mut faults = Vec::new();
    for source in sources() {
        if floor(source.module()).is_some_and(|floor| floor <= 1) {
            for word in ["async", "await", "tokio", "Future"] {
                if has_word(&source.text, word) {
                    faults.push(format!("{}: {word}", source.name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_belongs_in_one_place_stands_nowhere_else() {
    let mut faults = Vec::new();
    for source in sources() {
        for (law, signs, places) in IN_ONE_PLACE {
            if places.iter().any(|place| source.name.starts_with(place)) {
                continue;
            }
            for sign in signs.iter().filter(|sign| source.text.contains(**sign)) {
                faults.push(format!("{law}, but {} has `{sign}`", source.name));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The table from refusal to status names every refusal: with a `_` a new one would get a status nobody chose.
#[test]
fn the_table_of_refusals_has_no_rest() {
    let sources = sources();
    let table = sources
        .iter()
        .find(|source| source.name == "gateway/refusal.rs");
    let table = table.expect("the table of refusals is gateway/refusal.rs");
    assert!(!table.text.contains("_ =>"), "a `_` arm in {}", table.name);
}

/// No file outgrows its one job.
#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.name, source.text.lines().count()))
        .filter(|(_, lines)| *lines > 400)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_reader_of_sources_sees_through_tests_comments_and_braces() {
    let text = "use crate::{base::clock, cookie::{jar, parse}};\n\
        // use crate::server;\n\
        fn f() { crate::headers::hop::strip(); } // crate::gateway\n\
        pub(crate) fn g() {}\n\
        use super::tunnel;\n\
        #[cfg(test)]\nmod tests {\n    use crate::run;\n}\n";
    let source = Source {
        name: "upstream/pool.rs".to_owned(),
        text: without_tests_and_comments(text),
    };
    let known: Vec<_> = source.knows().into_iter().collect();
    assert_eq!(known, ["base", "cookie", "headers"]);
    assert_eq!(source.module(), "upstream");
    assert!(has_word("pub async fn", "async") && !has_word("asynchronous", "async"));
}

// === reading sources ===

struct Source {
    /// Path under `src/`.
    name: String,
    /// The text without tests and comments.
    text: String,
}

impl Source {
    /// The folder or file on the first level.
    fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The first-level modules that `crate::` paths name, alone or in braces.
    fn knows(&self) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        for (at, marker) in self.text.match_indices("crate::") {
            let rest = &self.text[at + marker.len()..];
            match rest.strip_prefix('{') {
                Some(list) => known.extend(first_names(list)),
                None => known.extend(leading_name(rest)),
            }
        }
        known
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    let sources: Vec<_> = paths.iter().map(|path| read(&root, path)).collect();
    assert!(sources.len() > 10, "only {} sources found", sources.len());
    sources
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            // A module's tests that fill more than a file.
            if !path.ends_with("tests") {
                collect(&path, paths);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            paths.push(path);
        }
    }
}

fn read(root: &Path, path: &Path) -> Source {
    let name = path.strip_prefix(root).expect("under src");
    let text = fs::read_to_string(path).expect("a source");
    Source {
        name: name.to_string_lossy().into_owned(),
        text: without_tests_and_comments(&text),
    }
}

/// Tests stand at the foot of a file, so everything from the first `#[cfg(test)]` before a module on is left out.
fn without_tests_and_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let before_module = lines
            .peek()
            .is_some_and(|next| next.trim_start().starts_with("mod "));
        if line == "#[cfg(test)]" && before_module {
            break;
        }
        let comment = line
            .find("// ")
            .filter(|at| line[..*at].trim_end().ends_with([';', '{', '}', ',']));
        let code = match comment {
            Some(at) => &line[..at],
            None if line.trim_start().starts_with("//") => "",
            None => line,
        };
        kept.push_str(code);
        kept.push('\n');
    }
    kept
}

/// The names on the first level of what stands in braces.
fn first_names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.extend(leading_name(std::mem::take(&mut item).trim())),
            other if depth == 0 => item.push(other),
            _ => {}
        }
    }
    names.extend(leading_name(item.trim()));
    names
}

fn leading_name(text: &str) -> Option<String> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let end = text
        .find(|character| !is_part(character))
        .unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        let after = text.as_bytes().get(at + word.len());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}
