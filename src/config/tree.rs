//! From text to a tree that holds known keys of the right kind and nothing else; the rest has become faults.
//!
//! What is at fault is taken out, so that everything else can still be judged: all faults at once.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Origins, without_indices};
use super::keys::{self, Kind};
use super::source::{NOT_SHOWN, Source, Sources};
use super::units;

/// Most TOML faults that are told of one file; more are mostly echoes of the first.
const SYNTAX_FAULTS_MAX: usize = 10;

/// Reads one text as TOML. The spans of what comes back count over all texts.
pub(super) fn parse<'s>(source: &'s Source, sources: &Sources) -> Result<DeTable<'s>, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        return Ok(shift_table(table.into_inner(), source.base));
    }
    let faults = errors.iter().take(SYNTAX_FAULTS_MAX).map(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let why = error.message().lines().collect::<Vec<_>>().join(", ");
        let way_out = if why.starts_with("string values must be quoted") {
            "write texts, durations and sizes in quotes, lists in [ ]"
        } else if why.starts_with("duplicate key") {
            "each key and each [table] stands once; lists of tables are [[table]]"
        } else {
            "this is not TOML; https://toml.io shows how it is written"
        };
        Fault {
            place: sources.place(source.base + at),
            key: String::new(),
            value: None,
            why,
            way_out: way_out.to_owned(),
        }
    });
    Err(faults.collect())
}

fn shift_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    table
        .into_iter()
        .map(|(key, value)| {
            let span = moved(&key.span(), by);
            (Spanned::new(span, key.into_inner()), shift(value, by))
        })
        .collect()
}

/// The same value, its spans moved.
pub(super) fn shift(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = moved(&value.span(), by);
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shift_table(table, by)),
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| shift(item, by)).collect())
        }
        plain => plain,
    };
    Spanned::new(span, value)
}

fn moved(span: &Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

/// Puts `value` at `name`, in place of what was there, so that the place of the key is the new one.
pub(super) fn put<'s>(table: &mut DeTable<'s>, name: &str, value: Spanned<DeValue<'s>>) {
    table.remove(name);
    let key = Spanned::new(value.span(), Cow::Owned(name.to_owned()));
    table.insert(key, value);
}

/// Judges key by key.
pub(super) struct Walk<'s> {
    pub(super) sources: &'s Sources,
    pub(super) origins: Origins,
    pub(super) faults: Vec<Fault>,
}

impl Walk<'_> {
    /// Takes every key out of `table` that is unknown, comes later, or holds what it must not. `schema` is the path
    /// of the table without indices, `path` with them; both end in a dot unless they are empty.
    pub(super) fn table(&mut self, table: &mut DeTable<'_>, schema: &str, path: &str) {
        let names: Vec<(String, Range<usize>)> = table
            .keys()
            .map(|key| (key.get_ref().to_string(), key.span()))
            .collect();
        for (name, span) in names {
            let Some(value) = table.get_mut(name.as_str()) else {
                continue;
            };
            let schema_path = format!("{schema}{name}");
            let path = format!("{path}{name}");
            let sound = match keys::find(&schema_path) {
                None => {
                    let advice = keys::advice(schema.trim_end_matches('.'), &name);
                    // An address in the place of a key: a slip that must not show a password either.
                    let path = if name.contains('@') { NOT_SHOWN } else { &path };
                    self.fault_at(&span, path, None, "unknown key", advice);
                    false
                }
                Some(key) => match key.kind {
                    Some(kind) => self.value(kind, value, &schema_path, path),
                    None => {
                        self.later_key(&span, &path);
                        false
                    }
                },
            };
            if !sound {
                table.remove(name.as_str());
            }
        }
    }

    fn later_key(&mut self, span: &Range<usize>, path: &str) {
        let way_out = "take it out until a version has it";
        self.fault_at(span, path, None, "not available in this version", way_out);
    }

    /// Whether `value` is what `kind` wants. Parts of tables that are not are taken out.
    fn value(
        &mut self,
        kind: Kind,
        value: &mut Spanned<DeValue<'_>>,
        schema: &str,
        path: String,
    ) -> bool {
        let span = value.span();
        self.written(&path, &span, may_be_shown(kind, value.get_ref()));
        match (kind, value.get_mut()) {
            (Kind::Table, DeValue::Table(table)) => {
                self.table(table, &format!("{schema}."), &format!("{path}."));
                true
            }
            (Kind::Tables, DeValue::Array(items)) => {
                self.tables(items, schema, &path);
                true
            }
            (Kind::Names, DeValue::Table(table)) => {
                self.names(table, &path);
                true
            }
            (Kind::Texts, DeValue::Array(items)) => self.items(Kind::Text, items, &path),
            (Kind::TextsOrTables, DeValue::Array(items)) => {
                let mut sound = true;
                for (at, item) in items.iter_mut().enumerate() {
                    let kind = if item.get_ref().is_table() {
                        Kind::Table
                    } else {
                        Kind::Text
                    };
                    sound &= self.value(kind, item, schema, format!("{path}[{at}]"));
                }
                if !sound {
                    self.origins.spoil(path);
                }
                sound
            }
            (Kind::Counts, DeValue::Array(items)) => self.items(Kind::Count, items, &path),
            _ => self.plain(kind, value, &path),
        }
    }

    /// Whether every one of `items` is what `kind` wants.
    fn items(&mut self, kind: Kind, items: &[Spanned<DeValue<'_>>], path: &str) -> bool {
        let mut sound = true;
        for (at, item) in items.iter().enumerate() {
            let item_path = format!("{path}[{at}]");
            self.written(&item_path, &item.span(), true);
            sound &= self.plain(kind, item, &item_path);
        }
        if !sound {
            self.origins.spoil(path.to_owned());
        }
        sound
    }

    fn plain(&mut self, kind: Kind, value: &Spanned<DeValue<'_>>, path: &str) -> bool {
        match judge_plain(kind, value.get_ref()) {
            Ok(()) => true,
            Err(Some((why, way_out))) => {
                let span = value.span();
                self.fault_at(&span, path, self.shown(&span), why, way_out);
                false
            }
            Err(None) => {
                self.wrong_kind(kind, value, path);
                false
            }
        }
    }

    fn tables(&mut self, items: &mut [Spanned<DeValue<'_>>], schema: &str, path: &str) {
        for (at, item) in items.iter_mut().enumerate() {
            let item_path = format!("{path}[{at}]");
            self.written(&item_path, &item.span(), false);
            if let DeValue::Table(table) = item.get_mut() {
                self.table(table, &format!("{schema}."), &format!("{item_path}."));
                continue;
            }
            self.wrong_kind(Kind::Table, item, &item_path);
            // An empty table keeps the place, so that what follows is still counted right.
            *item = Spanned::new(item.span(), DeValue::Table(DeTable::new()));
        }
    }

    fn names(&mut self, table: &mut DeTable<'_>, path: &str) {
        let names: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
        for name in names {
            let Some(value) = table.get(name.as_str()) else {
                continue;
            };
            let path = format!("{path}.{name}");
            self.written(&path, &value.span(), true);
            if !value.get_ref().is_str() {
                self.wrong_kind(Kind::Text, value, &path);
                table.remove(name.as_str());
            }
        }
    }

    fn wrong_kind(&mut self, kind: Kind, value: &Spanned<DeValue<'_>>, path: &str) {
        let span = value.span();
        let written = self.shown(&span).unwrap_or_default();
        let has = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let key = without_indices(path);
        let example = if written == NOT_SHOWN {
            "…"
        } else {
            &written
        };
        let (wants, way_out) = wish(kind, &key, example, value.get_ref());
        let shown = may_be_shown(kind, value.get_ref()).then_some(written);
        self.fault_at(
            &span,
            path,
            shown,
            format!("wants {wants}, not {has}"),
            way_out,
        );
    }

    fn written(&mut self, path: &str, span: &Range<usize>, with_value: bool) {
        let value = with_value.then(|| self.shown(span)).flatten();
        let place = self.sources.place(span.start);
        self.origins.insert(path.to_owned(), place, value);
    }

    fn shown(&self, span: &Range<usize>) -> Option<String> {
        self.sources.excerpt(span)
    }

    fn fault_at(
        &mut self,
        span: &Range<usize>,
        path: &str,
        value: Option<String>,
        why: impl Into<String>,
        way_out: impl Into<String>,
    ) {
        self.origins.spoil(path.to_owned());
        self.faults.push(Fault {
            place: self.sources.place(span.start),
            key: without_indices(path),
            value,
            why: why.into(),
            way_out: way_out.into(),
        });
    }
}

/// Whether a fault may repeat what is written.
fn may_be_shown(kind: Kind, value: &DeValue<'_>) -> bool {
    kind != Kind::Secret && is_plain(value)
}

fn is_plain(value: &DeValue<'_>) -> bool {
    !value.is_table() && !value.is_array()
}

/// Judges a value that holds no others. `Err(None)`: it is of another kind.
fn judge_plain(kind: Kind, value: &DeValue<'_>) -> Result<(), Option<(String, String)>> {
    let unit = |fault: units::UnitFault| Some((fault.why, fault.way_out));
    match (kind, value) {
        (Kind::Text | Kind::Secret, DeValue::String(_)) | (Kind::Flag, DeValue::Boolean(_)) => {
            Ok(())
        }
        (Kind::Duration, DeValue::String(text)) => units::duration(text).map(drop).map_err(unit),
        (Kind::Size, DeValue::String(text)) => units::size(text).map(drop).map_err(unit),
        (Kind::Date, DeValue::Datetime(date)) => units::day(date).map(drop).map_err(unit),
        (Kind::Count | Kind::UpTo(_), DeValue::Integer(number)) => {
            match u32::from_str_radix(number.as_str(), number.radix()) {
                Ok(_) => Ok(()),
                Err(_) => Err(Some(("out of range".to_owned(), kind.range()))),
            }
        }
        (Kind::Choice { now, later }, DeValue::String(text)) => {
            if now.contains(&text.as_ref()) {
                return Ok(());
            }
            let near = keys::nearest(text, now.iter().copied());
            let known = now.iter().find(|word| word.eq_ignore_ascii_case(text));
            let way_out = match known.copied().or(near) {
                Some(word) => format!("did you mean {word:?}?"),
                None => format!("write {}", alternatives(now)),
            };
            let why = if later.contains(&text.as_ref()) {
                "not available in this version"
            } else {
                "no such choice"
            };
            Err(Some((why.to_owned(), way_out)))
        }
        _ => Err(None),
    }
}

/// What `kind` wants, in words, and what to write.
fn wish(kind: Kind, key: &str, written: &str, value: &DeValue<'_>) -> (&'static str, String) {
    let name = key.rsplit('.').next().unwrap_or(key);
    let number = matches!(value, DeValue::Integer(_)).then_some(written);
    match kind {
        Kind::Table => ("a table", format!("write [{key}] and its keys below it")),
        Kind::Tables => (
            "a list of tables",
            format!("write [[{key}]], in double brackets, above its keys"),
        ),
        Kind::Names => (
            "a table of names",
            format!("write [{key}] and below it lines such as \"X-Name\" = \"text\""),
        ),
        Kind::Text if is_plain(value) => ("a text", format!("write {name} = \"{written}\"")),
        Kind::Text | Kind::Secret => ("a text", format!("write {name} = \"…\"")),
        Kind::Texts | Kind::TextsOrTables if value.is_str() => {
            ("a list", format!("write {name} = [{written}]"))
        }
        Kind::Texts | Kind::TextsOrTables => ("a list of texts", format!("write {name} = [\"…\"]")),
        Kind::Flag => (
            "true or false",
            "write true or false, without quotes".to_owned(),
        ),
        Kind::Count | Kind::UpTo(_) => (
            "a whole number",
            "write a number, without quotes".to_owned(),
        ),
        Kind::Counts if number.is_some() => ("a list", format!("write {name} = [{written}]")),
        Kind::Counts => (
            "a list of whole numbers",
            format!("write for example {name} = [302]"),
        ),
        Kind::Duration => {
            let n = number.unwrap_or("30");
            (
                "a duration with a unit",
                format!("write \"{n}s\" or \"{n}m\""),
            )
        }
        Kind::Size => {
            let n = number.unwrap_or("16");
            (
                "a size with a unit",
                format!("write \"{n}B\" or \"{n}KiB\""),
            )
        }
        Kind::Date => (
            "a date",
            format!("write for example {name} = 2027-01-31, without quotes"),
        ),
        Kind::Choice { now, .. } => ("one of a few texts", format!("write {}", alternatives(now))),
    }
}

fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.as_slice() {
        [start @ .., last] if !start.is_empty() => format!("{} or {last}", start.join(", ")),
        all => all.concat(),
    }
}
