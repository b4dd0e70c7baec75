//! The folder of an operator's looks (`site.login.templates_dir`): templates, a style and texts over ours.
//!
//! It is read at the start and at each reload, and judged as a whole: a page that nobody could log in with is told before
//! anybody sees it.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::settings;
use crate::gateway::looks::judge::{self, PageFault};
use crate::gateway::looks::texts::{SHIPPED, TextFault, Texts};
use crate::gateway::looks::{Looks, Over, STYLE};

/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The most files that are read.
const FILES_MAX: usize = 64;
/// Templates are read by recursion, as deep as what is in one expression. This much, of which hardly any is ever touched, is
/// enough for the longest expression of the largest file.
const STACK_BYTES: usize = 256 << 20;

/// What is wrong with a folder of looks.
#[derive(Debug, thiserror::Error)]
pub enum LooksFault {
    /// Folder or file cannot be read.
    #[error("{} cannot be read; let the user that cloakroom runs as read it", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is too large.
    #[error("{} is larger than {} KiB; take out what pictures it holds, or give them to the app", .0.display(), FILE_BYTES_MAX >> 10)]
    TooLarge(PathBuf),
    /// There are too many files.
    #[error("{} holds more than {FILES_MAX} files for pages; take out those that are not used", .0.display())]
    TooMany(PathBuf),
    /// The file is called like one of ours and is none.
    #[error("{} has no meaning here; files are called login.html (or as another template), style.css or messages.de.toml", .0.display())]
    Name(PathBuf),
    /// The style would end its own element.
    #[error("{} holds </style, with which it would end: take it out", .0.display())]
    StyleEnds(PathBuf),
    /// A file of texts is none.
    #[error("{}, line {line}: {why}; write each text as name = \"words\"", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// A text is none.
    #[error("{}, line {line}: {name}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: TextFault,
    },
    /// A language is asked for that there is not.
    #[error(
        "there are no texts in {0:?}; write messages.{0}.toml into templates_dir, or take it out of languages"
    )]
    NoLanguage(String),
    /// A template cannot be read as one, or its page cannot be used.
    #[error(transparent)]
    Page(PageFault),
}

/// The looks of a site.
///
/// # Errors
/// All that is wrong with its folder.
pub fn looks(settings: &settings::Looks) -> Result<Arc<Looks>, Vec<LooksFault>> {
    if *settings == settings::Looks::default() {
        return Ok(Looks::ours());
    }
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(STACK_BYTES);
        match worker.spawn_scoped(scope, || read_and_judge(settings)) {
            Ok(worker) => worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => read_and_judge(settings),
        }
    })
}

fn read_and_judge(settings: &settings::Looks) -> Result<Arc<Looks>, Vec<LooksFault>> {
    let over = over(settings)?;
    let page = |fault: PageFault| LooksFault::Page(fault);
    let looks = Looks::new(&over).map_err(|faults| {
        let faults = faults.into_iter().map(PageFault::from);
        faults.map(page).collect::<Vec<_>>()
    })?;
    let looks = Arc::new(looks);
    let faults = judge::faults(&looks);
    if faults.is_empty() {
        Ok(looks)
    } else {
        Err(faults.into_iter().map(page).collect())
    }
}

fn over(settings: &settings::Looks) -> Result<Over, Vec<LooksFault>> {
    let mut over = Over::default();
    let mut faults = Vec::new();
    let mut messages = BTreeMap::new();
    let dir = settings.dir.as_deref();
    let files = dir
        .map_or(Ok(Vec::new()), files)
        .map_err(|fault| vec![fault])?;
    for (name, path) in files {
        let text = match read(&path) {
            Ok(text) => text,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        let lang = name.strip_prefix("messages.");
        match lang.and_then(|rest| rest.strip_suffix(".toml")) {
            Some(lang) if is_tag(lang) => {
                messages.insert(lang.to_ascii_lowercase(), (lang.to_owned(), path, text));
            }
            _ if name == STYLE.0 && text.to_ascii_lowercase().contains("</style") => {
                faults.push(LooksFault::StyleEnds(path));
            }
            _ if name == STYLE.0 => over.style = Some(text),
            _ if name.ends_with(".html") => {
                over.templates.insert(name, text);
            }
            _ => faults.push(LooksFault::Name(path)),
        }
    }
    let wanted = if settings.languages.is_empty() {
        let ours = SHIPPED.iter().map(|lang| (*lang).to_owned());
        let theirs = messages.values().map(|(lang, ..)| lang.clone());
        let theirs =
            theirs.filter(|lang| !SHIPPED.iter().any(|ours| ours.eq_ignore_ascii_case(lang)));
        ours.chain(theirs).collect()
    } else {
        settings.languages.clone()
    };
    for lang in wanted {
        let said = messages.get(&lang.to_ascii_lowercase());
        let Some(mut texts) = base(&lang, said.is_some()) else {
            faults.push(LooksFault::NoLanguage(lang));
            continue;
        };
        if let Some((_, path, text)) = said {
            faults.extend(say(&mut texts, path, text));
        }
        over.languages.push(texts);
    }
    if faults.is_empty() {
        Ok(over)
    } else {
        Err(faults)
    }
}

/// Whether it is a tag of a language such as `nl` or `pt-BR`.
pub fn is_tag(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    let is_subtag = |tag: &str| {
        (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && subtags.all(is_subtag)
        && text.len() <= 35
}

/// What is said in a language where the operator says nothing: ours, that of the language it is a kind of, or English.
fn base(lang: &str, is_theirs: bool) -> Option<Texts> {
    let shipped = Texts::shipped();
    let find = |tag: &str| {
        let mut shipped = shipped.iter();
        shipped.find(|texts| texts.lang.eq_ignore_ascii_case(tag))
    };
    let parent = lang.split('-').next().unwrap_or_default();
    let found = find(lang).or_else(|| find(parent));
    let found = found.or_else(|| shipped.first().filter(|_| is_theirs))?;
    Some(found.renamed(lang.to_owned()))
}

/// Puts the texts of a file into their places, and tells which do not fit.
fn say(texts: &mut Texts, path: &Path, file: &str) -> Vec<LooksFault> {
    let line = |span: Option<Range<usize>>| {
        let start = span.map_or(0, |span| span.start);
        let before = file.as_bytes().get(..start).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    };
    let said: BTreeMap<String, toml::Spanned<String>> = match toml::from_str(file) {
        Ok(said) => said,
        Err(error) => {
            return vec![LooksFault::Shape {
                path: path.to_owned(),
                line: line(error.span()),
                why: error
                    .message()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            }];
        }
    };
    let faults = said.into_iter().filter_map(|(name, words)| {
        let line = line(Some(words.span()));
        let fault = texts.say(&name, words.into_inner()).err()?;
        Some(LooksFault::Text {
            path: path.to_owned(),
            line,
            name,
            source: fault,
        })
    });
    faults.collect()
}

/// The files of a folder that may be of pages, by their names.
fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>, LooksFault> {
    let unreadable = |source| LooksFault::Unreadable {
        path: dir.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let kinds = [".html", ".css", ".toml"];
        if !kinds.iter().any(|kind| name.ends_with(kind)) {
            continue;
        }
        found.push((name.to_owned(), path));
        if found.len() > FILES_MAX {
            return Err(LooksFault::TooMany(dir.to_owned()));
        }
    }
    // In one order on every machine.
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, LooksFault> {
    let unreadable = |source| LooksFault::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let limited = file.take(FILE_BYTES_MAX + 1);
    let mut limited = io::BufReader::new(limited);
    limited.read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(LooksFault::TooLarge(path.to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::gateway::looks::texts::Text;

    fn told(files: &[(&str, &str)], languages: &[&str]) -> Result<Arc<Looks>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let settings = settings::Looks {
            dir: Some(folder.path().to_owned()),
            languages: languages.iter().map(|lang| (*lang).to_owned()).collect(),
        };
        looks(&settings).map_err(|faults| {
            let faults = faults
                .iter()
                .map(|fault| crate::base::causes::Causes(fault).to_string());
            faults.collect::<Vec<_>>().join("\n")
        })
    }

    fn words(looks: &Arc<Looks>, asked: &'static str, text: Text) -> String {
        let asked = http::HeaderValue::from_static(asked);
        let headers = HeaderMap::from_iter([(http::header::ACCEPT_LANGUAGE, asked)]);
        looks.manner(&headers).text(text).to_owned()
    }

    #[test]
    fn texts_go_over_ours_and_languages_are_added() {
        let files = [
            ("messages.de.toml", "log_in = \"Rein da\""),
            ("messages.nl.toml", "# ja\nlog_in = \"Inloggen\"\n"),
            ("messages.de-AT.toml", "log_out = \"Pfiat di\""),
            ("README.md", "not read"),
            (".login.html.swp", "not read"),
        ];
        let looks = told(&files, &[]).unwrap();
        assert_eq!(words(&looks, "de", Text::LogIn), "Rein da");
        assert_eq!(words(&looks, "de", Text::LogOut), "Abmelden");
        assert_eq!(words(&looks, "de-at", Text::LogOut), "Pfiat di");
        assert_eq!(words(&looks, "nl", Text::LogIn), "Inloggen");
        assert_eq!(words(&looks, "nl", Text::LogOut), "Log out");
        assert_eq!(words(&looks, "it", Text::LogIn), "Log in");
        let looks = told(&files, &["nl", "fr"]).unwrap();
        assert_eq!(words(&looks, "de", Text::LogIn), "Inloggen");
        assert_eq!(words(&looks, "fr", Text::LogIn), "Se connecter");
    }

    /// A reload runs on a thread that serves, whose stack is small; what overflows it takes the whole process along.
    #[test]
    fn no_template_overflows_a_stack() {
        let chains = [
            format!("{{{{ {}1 }}}}", "1+".repeat(20_000)),
            format!("{{{{ 1{} }}}}", "|abs".repeat(10_000)),
            format!("{{{{ {}1 }}}}", "not ".repeat(12_000)),
            format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000)),
            "{% block a %}{{ self.a() }}{% endblock %}".to_owned(),
            "{% include 'logout.html' %}".to_owned(),
        ];
        for chain in chains {
            let files = [("logout.html", &*chain)];
            assert!(told(&files, &[]).is_err(), "{}", &chain[..20]);
        }
    }

    #[test]
    fn every_fault_is_told_with_its_file_and_line() {
        let large = "x".repeat(65 << 10);
        let rows: [(&str, &str, &[&str], &str); 11] = [
            ("login.html", "a\n{% if %}", &[], "login.html, line 2"),
            ("login.html", "a\n\n{{ usr }}", &[], "login.html, line 3"),
            ("login.html", "x", &[], "login.html: the page lacks <form"),
            (
                "layout.html",
                &large,
                &[],
                "layout.html is larger than 64 KiB",
            ),
            ("style.css", "a {} </STYLE>", &[], "style.css holds </style"),
            ("page.css", "", &[], "page.css has no meaning here"),
            ("messages.toml", "", &[], "messages.toml has no meaning"),
            (
                "messages.de.toml",
                "\n\nlogin = \"x\"",
                &[],
                "messages.de.toml, line 3: login: there is no text of this name",
            ),
            (
                "messages.de.toml",
                "logged_in_as = \"x\"",
                &[],
                "line 1: logged_in_as: must hold {user}",
            ),
            (
                "messages.de.toml",
                "log_in = 1",
                &[],
                "messages.de.toml, line 1: invalid type",
            ),
            (
                "messages.nl.toml",
                "",
                &["nl", "it"],
                "there are no texts in \"it\"",
            ),
        ];
        for (file, text, languages, words) in rows {
            let fault = told(&[(file, text)], languages).err().unwrap_or_default();
            assert!(fault.contains(words), "{words}: {fault}");
        }
        let absent = settings::Looks {
            dir: Some("/nowhere/at/all".into()),
            languages: Vec::new(),
        };
        assert!(matches!(
            looks(&absent).err().as_deref(),
            Some([LooksFault::Unreadable { .. }])
        ));
    }

    #[test]
    fn a_tag_is_one_of_a_language() {
        for tag in ["de", "pt-BR", "zh-Hant-TW", "gsw", "de-1996"] {
            assert!(is_tag(tag), "{tag}");
        }
        for text in [
            "",
            "d",
            "de_AT",
            "de-",
            "-de",
            "../x",
            "de.x",
            "12",
            "abcdefghi",
        ] {
            assert!(!is_tag(text), "{text}");
        }
    }
}
