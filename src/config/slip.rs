//! What somebody meant who wrote a key or a word that there is not.

use super::keys::{KEYS, Key, Kind, find};

/// What the operator may have meant by `name` in the table at `table`, as advice.
pub(super) fn advice(table: &str, name: &str) -> String {
    let here = KEYS.iter().filter(|key| key.table() == table);
    if let Some(near) = nearest(name, here.map(Key::name)) {
        return format!("did you mean {near}?");
    }
    let elsewhere: Vec<String> = KEYS
        .iter()
        .filter(|key| key.name() == name)
        .map(|key| bracketed(key.table()))
        .collect();
    match elsewhere.as_slice() {
        [] => {}
        [one] => return format!("this key belongs in {one}"),
        [start @ .., last] => {
            return format!("this key belongs in {} or {last}", start.join(", "));
        }
    }
    let near = nearest(name, KEYS.iter().map(Key::name));
    if let Some(key) = near.and_then(|near| KEYS.iter().find(|key| key.name() == near)) {
        return format!("did you mean {}?", key.path);
    }
    "take it out, or see config.example.toml for the keys there are".to_owned()
}

/// The table at `path` as it is written.
fn bracketed(path: &str) -> String {
    match find(path).and_then(|key| key.kind) {
        _ if path.is_empty() => "the top of the file".to_owned(),
        Some(Kind::Tables) => format!("[[{path}]]"),
        _ => format!("[{path}]"),
    }
}

/// The word that `name` is a slip of, if there is one.
pub(super) fn nearest<'w>(name: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // A slip in a short word leaves little to recognise it by.
    let slips_max = match name.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    words
        .map(|word| (distance(name, word), word))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, word)| word)
}

/// How many letters must be put in, taken out or replaced to get from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    if from.len().abs_diff(to.len()) > 8 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for (b, pair) in to.chars().zip(row.windows(2)) {
            let [above_left, above] = *pair else { break };
            left = (above_left + usize::from(a != b))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_misplaced_key_sent_home() {
        for (table, name, said) in [
            ("session", "idle_timout", "did you mean idle_timeout?"),
            ("", "sites", "did you mean site?"),
            ("session", "engine", "this key belongs in [session.store]"),
            (
                "site",
                "http_only",
                "this key belongs in [session.cookie] or [[site.cookies.rules]]",
            ),
            ("", "cookie", "this key belongs in [session]"),
            ("server", "servr", "did you mean server?"),
            (
                "tls",
                "acme",
                "take it out, or see config.example.toml for the keys there are",
            ),
            (
                "",
                "x",
                "take it out, or see config.example.toml for the keys there are",
            ),
        ] {
            assert_eq!(advice(table, name), said, "{table} {name}");
        }
    }

    #[test]
    fn the_distance_is_levenshteins() {
        for (from, to, slips) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(from, to), slips, "{from} {to}");
        }
    }
}
