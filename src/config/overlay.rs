//! What stands over the file: variables of the environment, and the files it includes.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::fault::Fault;
use super::keys::{self, Kind};
use super::source::{Place, Source, Sources};
use super::tree;

/// What the names of our variables start with.
const PREFIX: &str = "CLOAKROOM_";

/// Whether a variable of this name overrides a key. One level alone does not: `CLOAKROOM_CONFIG` names the file, and
/// container platforms set variables such as `CLOAKROOM_PORT` for a service that happens to be called cloakroom.
pub(super) fn is_override(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.contains("__"))
}

/// Puts the value of a variable in place of what the file says.
pub(super) fn apply<'s>(
    root: &mut DeTable<'s>,
    source: &'s Source,
    sources: &Sources,
    faults: &mut Vec<Fault>,
) {
    let span = source.base..source.base + source.text.len();
    let path = source
        .name
        .strip_prefix(PREFIX)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let levels: Vec<&str> = path.split("__").collect();
    let dotted = levels.join(".");
    let mut fault = |why: &str, way_out: String| {
        faults.push(Fault {
            place: sources.place(source.base),
            key: dotted.clone(),
            value: None,
            why: why.to_owned(),
            way_out,
        });
    };
    let key = keys::find(&dotted);
    let in_list = |key: &keys::Key| {
        dotted.starts_with(&format!("{}.", key.path)) && key.kind == Some(Kind::Tables)
    };
    if key.is_some_and(|key| key.kind == Some(Kind::Tables)) || keys::KEYS.iter().any(in_list) {
        let way_out = "write it in the file".to_owned();
        return fault("keys of lists cannot be set by a variable", way_out);
    }
    let kind = match key.map(|key| key.kind) {
        Some(Some(Kind::Table | Kind::Names)) => {
            let way_out = format!("name one of its keys, as in {}__KEY", source.name);
            return fault("a table cannot be set by a variable", way_out);
        }
        Some(kind) => kind,
        None => None,
    };
    let [tables @ .., name] = levels.as_slice() else {
        return;
    };
    let mut table = root;
    for level in tables {
        if !table.contains_key(*level) {
            let empty = DeValue::Table(DeTable::new());
            tree::put(table, level, Spanned::new(span.clone(), empty));
        }
        let Some(DeValue::Table(next)) = table.get_mut(*level).map(Spanned::get_mut) else {
            let way_out = format!("take it out: {level} holds no keys");
            return fault("unknown key", way_out);
        };
        table = next;
    }
    tree::put(table, name, read_value(kind, source));
}

/// The text of a variable as the key wants it; as a text where it is nothing else.
fn read_value<'s>(kind: Option<Kind>, source: &'s Source) -> Spanned<DeValue<'s>> {
    let text = source.text.as_str();
    let span = source.base..source.base + text.len();
    let wanted = |value: &DeValue<'_>| match kind {
        Some(Kind::Flag) => value.is_bool(),
        Some(Kind::Count | Kind::UpTo(_)) => value.is_integer(),
        Some(Kind::Texts | Kind::Counts) => value.is_array(),
        _ => value.is_str(),
    };
    match DeValue::parse(text) {
        Ok(value) if wanted(value.get_ref()) => {
            let inner = tree::shift(value, source.base).into_inner();
            Spanned::new(span, inner)
        }
        _ if kind == Some(Kind::Texts) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            let items: DeArray<'s> = items
                .map(|item| Spanned::new(span.clone(), DeValue::String(item.into())))
                .collect();
            Spanned::new(span, DeValue::Array(items))
        }
        _ => Spanned::new(span, DeValue::String(text.into())),
    }
}

/// Adds the files that `main` includes to `sources`, in the order of their names.
pub(super) fn gather(main: &str, base: &Path, sources: &mut Sources) -> Vec<Fault> {
    let (root, _) = DeTable::parse_recoverable(main);
    let Some(DeValue::Array(patterns)) = root.get_ref().get("include").map(Spanned::get_ref) else {
        return Vec::new();
    };
    let patterns = patterns.iter().filter_map(|item| {
        item.get_ref()
            .as_str()
            .map(|text| (text, item.span().start))
    });
    let mut faults = Vec::new();
    for (pattern, offset) in patterns {
        let place = sources.place(offset);
        let mut fault =
            |why: String, way_out: &str| faults.push(include_fault(&place, pattern, why, way_out));
        match matching(base, pattern) {
            Ok(files) => {
                for file in files {
                    match fs::read_to_string(&file) {
                        Ok(text) => sources.add_file(file.display().to_string(), text),
                        Err(error) => fault(
                            format!("{} cannot be read: {error}", file.display()),
                            "correct the name or the file's mode",
                        ),
                    }
                }
            }
            Err(why) => fault(why, "write for example \"conf.d/*.toml\""),
        }
    }
    faults
}

fn include_fault(place: &Place, pattern: &str, why: String, way_out: &str) -> Fault {
    Fault {
        place: place.clone(),
        key: "include".to_owned(),
        value: Some(format!("{pattern:?}")),
        why,
        way_out: way_out.to_owned(),
    }
}

/// The files that `pattern` names: itself, or with a `*` in its last part whatever fits (none is fine).
fn matching(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole = base.join(pattern);
    let (Some(folder), Some(last)) = (whole.parent(), Path::new(pattern).file_name()) else {
        return Err("names no file".to_owned());
    };
    let last = last.to_string_lossy();
    let Some((start, end)) = last.split_once('*') else {
        if pattern.contains('*') {
            return Err("a * may stand in the last part only".to_owned());
        }
        return Ok(vec![whole]);
    };
    if end.contains('*') || folder.to_string_lossy().contains('*') {
        return Err("one * may stand in the last part only".to_owned());
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} cannot be listed: {error}", folder.display())),
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let name = name.to_str()?;
            let fits = name.len() >= start.len() + end.len()
                && name.starts_with(start)
                && name.ends_with(end)
                // Editors leave hidden copies behind.
                && !name.starts_with('.');
            fits.then(|| folder.join(name))
        })
        .collect();
    files.sort();
    Ok(files)
}

/// Adds the sites and certificates of an included file to the tree of the main one.
pub(super) fn merge<'s>(
    root: &mut DeTable<'s>,
    included: DeTable<'s>,
    sources: &Sources,
    faults: &mut Vec<Fault>,
) {
    let mut refuse = |span: std::ops::Range<usize>, key: String| {
        faults.push(Fault {
            place: sources.place(span.start),
            key,
            value: None,
            why: "an included file holds [[site]] and [[tls.certificate]] only".to_owned(),
            way_out: "write it in the main file".to_owned(),
        });
    };
    for (key, value) in included {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("site", DeValue::Array(_)) => append(root, "site", value),
            ("tls", DeValue::Table(_)) => {
                let span = value.span();
                let DeValue::Table(inner) = value.into_inner() else {
                    continue;
                };
                for (key, value) in inner {
                    if key.get_ref() != "certificate" || !value.get_ref().is_array() {
                        refuse(key.span(), format!("tls.{}", key.get_ref()));
                        continue;
                    }
                    if !root.contains_key("tls") {
                        let empty = DeValue::Table(DeTable::new());
                        tree::put(root, "tls", Spanned::new(span.clone(), empty));
                    }
                    if let Some(DeValue::Table(tls)) = root.get_mut("tls").map(Spanned::get_mut) {
                        append(tls, "certificate", value);
                    }
                }
            }
            (name, _) => refuse(key.span(), name.to_owned()),
        }
    }
}

fn append<'s>(table: &mut DeTable<'s>, name: &str, more: Spanned<DeValue<'s>>) {
    match table.get_mut(name).map(Spanned::get_mut) {
        None => tree::put(table, name, more),
        Some(DeValue::Array(items)) => {
            if let DeValue::Array(more) = more.into_inner() {
                more.into_iter().for_each(|item| items.push(item));
            }
        }
        // The main file has something else there, which is a fault of its own.
        Some(_) => {}
    }
}
