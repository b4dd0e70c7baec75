//! `site.login.templates_dir` and `languages`: how our pages look; `preserve_post`: what one of them keeps.

use super::super::looks_dir::{self, is_tag};
use super::super::{file, settings};
use super::Check;
use crate::base::causes::Causes;
use crate::gateway::resume;

/// The most languages that are spoken.
const LANGUAGES_MAX: usize = 100;

/// How the pages of the site at `at` look. A folder that is there is judged with all that is in it.
pub(super) fn looks(check: &mut Check<'_>, at: usize, mirror: &file::Login) -> settings::Looks {
    let key = |name: &str| format!("site[{at}].login.{name}");
    let dir = (!mirror.templates_dir.is_empty())
        .then(|| check.file(&key("templates_dir"), &mirror.templates_dir));
    let mut languages: Vec<String> = Vec::new();
    let mut are_sound = true;
    for (nth, lang) in mirror.languages.iter().enumerate() {
        let twice = languages
            .iter()
            .any(|known| known.eq_ignore_ascii_case(lang));
        if !is_tag(lang) || twice {
            let why = if twice {
                "stands there twice"
            } else {
                "is no language"
            };
            let way_out = "write tags such as \"en\" or \"pt-BR\", each once";
            check.fault(&key(&format!("languages[{nth}]")), why, way_out);
            are_sound = false;
        }
        languages.push(lang.clone());
    }
    if languages.len() > LANGUAGES_MAX {
        let way_out = format!("write at most {LANGUAGES_MAX}");
        check.fault(&key("languages"), "too many", way_out);
        are_sound = false;
    }
    let looks = settings::Looks { dir, languages };
    // One that is not there is told with the other files that are not.
    let is_there = looks.dir.as_ref().is_none_or(|dir| dir.is_dir());
    if are_sound
        && is_there
        && let Err(faults) = looks_dir::looks(&looks)
    {
        let name = match looks.dir {
            Some(_) => "templates_dir",
            None => "languages",
        };
        for fault in faults {
            check.fault(&key(name), Causes(&fault).to_string(), "");
        }
    }
    looks
}

/// The largest form that is kept over a login.
pub(super) fn preserve_post(check: &mut Check<'_>, at: usize, written: u64) -> usize {
    let most = resume::BYTES_MAX;
    let bytes = usize::try_from(written).unwrap_or(usize::MAX);
    if bytes > most {
        let key = format!("site[{at}].login.preserve_post");
        let way_out = format!("write at most \"{}KiB\", or \"0\" to keep none", most >> 10);
        check.fault(
            &key,
            "too much to keep for a visitor who is not logged in",
            way_out,
        );
    }
    bytes.min(most)
}
