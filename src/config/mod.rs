//! Floor 5: reads the configuration. Text goes in; finished [`Settings`] or all [`Faults`] come out.
//!
//! In order: [`keys`] knows every key, and `slip` what was meant by another; `tree` takes out what is unknown, comes
//! later or is of the wrong kind, and remembers where everything was written; `file` mirrors the rest with its defaults;
//! [`check`] judges what it means. Nothing here opens a file that the configuration names, except those it includes
//! and the pages' own: whether certificates and keys are there is asked by [`check_files`].

pub mod units;

pub mod keys;

mod slip;

pub mod keyring;

pub mod secret_file;

pub mod token_file;

pub mod users_file;

pub mod looks_dir;

mod new_file;
mod replace;

mod source;
mod tree;

mod overlay;

mod file;

pub mod settings;

pub mod check;

mod fault;

pub use check::check_files;
pub use fault::{Fault, Faults, Origins};
pub use settings::Settings;
pub use source::Place;

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use source::Sources;
use toml::Spanned;

/// A configuration that holds together.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// What is worth knowing all the same.
    pub warnings: Vec<Fault>,
}

/// The variables of the environment that override keys, as in `CLOAKROOM_SESSION__IDLE_TIMEOUT=10m`.
pub fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| overlay::is_override(name))
        .collect()
}

/// Reads the configuration in `file`, with `variables` over it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(file: &Path, variables: &[(String, String)]) -> Result<Loaded, Faults> {
    let refuse = |why: String, way_out: &str| {
        let fault = Fault {
            place: Place::whole_file(file.display().to_string()),
            key: String::new(),
            value: None,
            why,
            way_out: way_out.to_owned(),
        };
        Faults::sorted(vec![fault])
    };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let way_out = "name another with --config, or start from config.example.toml";
            return Err(refuse("no such file".to_owned(), way_out));
        }
        Err(error) => {
            let way_out = "make it a file that this user may read";
            return Err(refuse(format!("cannot be read: {error}"), way_out));
        }
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let why = format!("is no UTF-8 text (byte {at})");
            return Err(refuse(why, "save it as UTF-8"));
        }
    };
    let mut loaded = read(file, text, variables)?;
    if can_be_read_by_others(file) {
        loaded.warnings.extend(check::exposed(&loaded.settings));
        loaded.warnings.sort();
    }
    Ok(loaded)
}

fn can_be_read_by_others(file: &Path) -> bool {
    let mode = std::fs::metadata(file).map(|about| about.permissions().mode());
    mode.is_ok_and(|mode| mode & 0o004 != 0)
}

/// Reads a configuration from `text`, as if it stood in `file`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(file: &Path, text: String, variables: &[(String, String)]) -> Result<Loaded, Faults> {
    let base = file.parent().unwrap_or(Path::new(""));
    let mut sources = Sources::default();
    sources.add_file(file.display().to_string(), text.clone());
    let mut faults = overlay::gather(&text, base, &mut sources);
    let mut variables: Vec<_> = variables
        .iter()
        .filter(|(name, _)| overlay::is_override(name))
        .collect();
    variables.sort();
    for (name, value) in variables {
        sources.add_variable(name.clone(), value.clone());
    }

    let mut trees = Vec::new();
    for source in sources.files() {
        match tree::parse(source, &sources) {
            Ok(tree) => trees.push(tree),
            Err(more) => faults.extend(more),
        }
    }
    let mut trees = trees.into_iter();
    let Some(mut root) = trees.next().filter(|_| faults.is_empty()) else {
        // Without the whole text, whatever else could be said would be a guess.
        return Err(Faults::sorted(faults));
    };
    for included in trees {
        overlay::merge(&mut root, included, &sources, &mut faults);
    }
    for source in sources.variables() {
        overlay::apply(&mut root, source, &sources, &mut faults);
    }

    let mut walk = tree::Walk {
        sources: &sources,
        origins: Origins::new(Place::whole_file(file.display().to_string())),
        faults,
    };
    walk.table(&mut root, "", "");
    let tree::Walk {
        origins,
        mut faults,
        ..
    } = walk;

    let mirror = match file::mirror(Spanned::new(0..text.len(), root)) {
        Ok(mirror) => mirror,
        Err(error) => {
            let place = error.span().map(|span| sources.place(span.start));
            faults.push(Fault {
                place: place.unwrap_or_else(|| Place::whole_file(file.display().to_string())),
                key: String::new(),
                value: None,
                why: error.message().to_owned(),
                way_out: String::new(),
            });
            return Err(Faults::sorted(faults));
        }
    };
    let (settings, warnings, more) = check::check(mirror, base, origins);
    faults.extend(more);
    if faults.is_empty() {
        Ok(Loaded { settings, warnings })
    } else {
        Err(Faults::sorted(faults))
    }
}
