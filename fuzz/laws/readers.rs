//! How others read a Cookie field: each takes more out of it than a browser ever puts in.

/// What a reader finds.
pub type Found = (Vec<u8>, Vec<u8>);

/// RFC 6265bis 5.8.3, backwards: pairs end at semicolons, space and tab at the borders go, the first `=` parts a pair.
pub fn browser(field: &[u8]) -> Vec<Found> {
    segments(field)
        .iter()
        .map(|segment| part(segment))
        .collect()
}

/// The segments that [`browser`] reads, whole.
pub fn segments(field: &[u8]) -> Vec<Vec<u8>> {
    let trimmed = field.split(|byte| *byte == b';').map(trim);
    trimmed.filter(|segment| !segment.is_empty()).collect()
}

/// Space and tab go from both ends.
pub fn trim(bytes: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let Some(start) = bytes.iter().position(|byte| !blank(byte)) else {
        return Vec::new();
    };
    let end = bytes.iter().rposition(|byte| !blank(byte)).unwrap_or(start);
    bytes[start..=end].to_vec()
}

/// What stands before and after the first `=`; without one there is no name.
pub fn part(segment: &[u8]) -> Found {
    match segment.iter().position(|byte| *byte == b'=') {
        Some(at) => (segment[..at].to_vec(), segment[at + 1..].to_vec()),
        None => (Vec::new(), segment.to_vec()),
    }
}

/// The names that one reader or another finds in `field`, as they are written there.
pub fn all_names(field: &[u8]) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = browser(field).into_iter().map(|(name, _)| name).collect();
    for text in [latin_1(field), String::from_utf8_lossy(field).into_owned()] {
        for quotes in [true, false] {
            names.extend(python(&text, quotes));
            names.extend(java(&text, quotes));
        }
    }
    names
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Python's `http.cookies`: a pair ends at a semicolon or at any white space, space around `=` does not count, and a
/// quoted value goes on to its closing quote.
fn python(text: &str, quotes: bool) -> Vec<Vec<u8>> {
    let blank = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c| blank(c) || c == ';');
        if rest.is_empty() {
            return names;
        }
        let end = rest.find(|c| blank(c) || c == ';' || c == '=');
        let end = end.unwrap_or(rest.len());
        let name = &rest[..end];
        let after = rest[end..].trim_start_matches(blank);
        let Some(value) = after.strip_prefix('=') else {
            rest = &rest[end..];
            continue;
        };
        names.push(name.as_bytes().to_vec());
        let value = value.trim_start_matches(blank);
        let end = match closing_quote(value) {
            Some(end) if quotes => end,
            _ => value.find(|c| blank(c) || c == ';').unwrap_or(value.len()),
        };
        rest = &value[end..];
    }
}

/// Servlet containers of the time of RFC 2109: a comma parts as well as a semicolon, quoted ones do not, and white space
/// around everything goes.
fn java(text: &str, quotes: bool) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find([';', ',', '=']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        rest = &rest[end..];
        if let Some(value) = rest.strip_prefix('=') {
            names.push(name.as_bytes().to_vec());
            let value = value.trim_start();
            let quoted = closing_quote(value).filter(|_| quotes).unwrap_or(0);
            let end = value[quoted..].find([';', ',']);
            rest = &value[end.map_or(value.len(), |end| quoted + end)..];
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    names
}

/// Behind the quote that closes the one which `value` begins with.
fn closing_quote(value: &str) -> Option<usize> {
    let inner = value.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    Some(end + 2)
}

/// PHP makes names into names of variables: those that it may make of `name`, which it decoded first before 7.4.11.
pub fn php(name: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for name in [name.to_vec(), decoded(name)] {
        let to_nul = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let blank = |byte: &&u8| byte.is_ascii_whitespace() || **byte == 0x0b;
        let bare = &to_nul[to_nul.iter().take_while(blank).count()..];
        let array = bare.split(|byte| *byte == b'[').next().unwrap_or_default();
        for variable in [bare, array] {
            let letter = |byte: &u8| match byte {
                b' ' | b'.' | b'[' => b'_',
                other => *other,
            };
            found.push(variable.iter().map(letter).collect());
        }
    }
    found
}

/// Rack before 2.2.3 decoded names.
pub fn rack(name: &[u8]) -> Vec<u8> {
    decoded(name)
}

fn decoded(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = name;
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        (rest, _) = match escaped {
            Some((high, low)) => (&after[2..], out.push(high << 4 | low)),
            None if *first == b'+' => (after, out.push(b' ')),
            None => (after, out.push(*first)),
        };
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

/// Promise: the readers find what the real ones find.
#[cfg(test)]
mod tests {
    use super::*;

    fn finds(field: &str, name: &str) -> bool {
        all_names(field.as_bytes()).contains(&name.as_bytes().to_vec())
    }

    #[test]
    fn each_reader_finds_what_a_browser_did_not_write() {
        for field in [
            "a=1; b=2",
            "a=1 b=2",
            "a=1\u{a0}b=2",
            "a=1\u{2000}b=2",
            "a=1,b=2",
            "a=\"x\",b=2",
            "a=\"x\" b = 2",
            "a=\"x,b=2\"",
            "a=1; \u{a0}b=2",
        ] {
            assert!(finds(field, "b"), "{field}");
        }
        for field in ["a=b", "a=1 b", "ab=1"] {
            assert!(!finds(field, "b"), "{field}");
        }
    }

    #[test]
    fn php_finds_names_that_nobody_wrote() {
        for (name, variable) in [
            ("b", "b"),
            ("b[x]", "b"),
            ("b.c", "b_c"),
            ("b+c", "b_c"),
            ("b%5Bc", "b_c"),
            ("b%00c", "b"),
            ("%20b", "b"),
            ("%62", "b"),
        ] {
            assert!(
                php(name.as_bytes()).contains(&variable.as_bytes().to_vec()),
                "{name}"
            );
        }
        assert!(!php(b"%2562").contains(&b"b".to_vec()));
        assert_eq!(rack(b"%62+%zz%"), b"b %zz%");
    }
}
