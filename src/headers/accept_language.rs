//! Which language a visitor reads, of those that there are (RFC 9110 12.5.4, by the lookup of RFC 4647 3.4).
//!
//! Browsers send a handful of ranges. Whatever is past the limits or no range is left out: the field chooses words and
//! nothing else, so that nothing in it is worth a refusal.

use std::cmp::Reverse;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// So much of the fields is read, in bytes.
const BYTES_MAX: usize = 1024;
/// So many ranges are read.
const RANGES_MAX: usize = 32;
/// The longest range, in bytes.
const RANGE_BYTES_MAX: usize = 64;
/// The largest weight, in thousandths.
const WEIGHT_MAX: u16 = 1000;

/// A range of languages, and how much it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range<'a> {
    range: &'a str,
    /// In thousandths; zero: not at all.
    weight: u16,
}

/// The place of the language that the visitor likes most among those `offered`, tags such as `de` and `pt-BR`. `None`
/// where they like none of them, or do not say.
pub fn choose<T: AsRef<str>>(headers: &HeaderMap, offered: &[T]) -> Option<usize> {
    let mut ranges = ranges(headers);
    // Stable: of two that are wanted alike, the first.
    ranges.sort_by_key(|range| Reverse(range.weight));
    // The range that says most about a tag decides: `de, *;q=0` wants German.
    let is_refused = |tag: &str| {
        let about = ranges.iter().filter(|range| covers(range.range, tag));
        let most = about.max_by_key(|range| range.range.trim_matches('*').len());
        most.is_some_and(|range| range.weight == 0)
    };
    let find = |is_it: &dyn Fn(&str) -> bool| {
        let mut tags = offered.iter().map(AsRef::as_ref);
        tags.position(|tag| is_it(tag) && !is_refused(tag))
    };
    let wanted = ranges.iter().take_while(|range| range.weight > 0);
    wanted
        .map(|Range { range, .. }| *range)
        .find_map(|range| match range {
            "*" => find(&|_| true),
            // Who reads `de-CH` reads `de`; who asks for `pt` reads `pt-BR` where that is all there is.
            _ => shortened(range)
                .find_map(|short| find(&|tag| tag.eq_ignore_ascii_case(short)))
                .or_else(|| find(&|tag| covers(range, tag))),
        })
}

/// The range, and what is left of it as subtags go from its end.
fn shortened(range: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(range), |range| shorter(range))
}

fn shorter(range: &str) -> Option<&str> {
    let (mut rest, _) = range.rsplit_once('-')?;
    // A singleton says nothing without what follows it.
    while let Some((before, last)) = rest.rsplit_once('-')
        && last.len() == 1
    {
        rest = before;
    }
    Some(rest)
}

/// Whether `tag` is of the range (RFC 4647 3.3.1).
fn covers(range: &str, tag: &str) -> bool {
    range == "*"
        || tag
            .split_at_checked(range.len())
            .is_some_and(|(front, rest)| {
                front.eq_ignore_ascii_case(range) && (rest.is_empty() || rest.starts_with('-'))
            })
}

fn ranges(headers: &HeaderMap) -> Vec<Range<'_>> {
    let mut left = BYTES_MAX;
    let fields = headers.get_all(ACCEPT_LANGUAGE).iter();
    let fields = fields.filter_map(|field| field.to_str().ok());
    let fields = fields.map_while(|field| {
        let whole = left >= field.len();
        let part = field.get(..field.len().min(left)).unwrap_or_default();
        left -= part.len();
        // What was cut off in its middle is left out.
        let end = part.rfind(',').unwrap_or_default();
        let part = if whole { part } else { part.get(..end)? };
        (!part.is_empty()).then_some(part)
    });
    fields
        .flat_map(|field| field.split(','))
        .take(RANGES_MAX)
        .filter_map(read)
        .collect()
}

fn read(text: &str) -> Option<Range<'_>> {
    let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
    let range = parts.next().filter(|range| is_range(range))?;
    let weight = match parts.next() {
        None => WEIGHT_MAX,
        Some(weight) => {
            let (name, value) = weight.split_once('=')?;
            let is_weight = name.eq_ignore_ascii_case("q");
            is_weight.then(|| thousandths(value)).flatten()?
        }
    };
    parts.next().is_none().then_some(Range { range, weight })
}

/// Whether it is `*`, or subtags of up to eight letters and digits with hyphens between them.
fn is_range(text: &str) -> bool {
    let is_subtag = |tag: &str| {
        (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text == "*" || text.len() <= RANGE_BYTES_MAX && text.split('-').all(is_subtag)
}

/// A weight (RFC 9110 12.4.2): `0`, `1`, or with up to three digits behind the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{digits:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(WEIGHT_MAX),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(fields: &[&str], offered: &[&'static str]) -> Option<&'static str> {
        let fields = fields
            .iter()
            .map(|field| (ACCEPT_LANGUAGE, HeaderValue::from_str(field).unwrap()));
        let headers: HeaderMap = fields.collect();
        choose(&headers, offered).and_then(|at| offered.get(at).copied())
    }

    #[test]
    fn what_is_liked_most_of_what_there_is_is_chosen() {
        let offered = &["en", "de", "fr", "pt-BR"];
        let rows = [
            ("de", Some("de")),
            ("DE", Some("de")),
            ("de-CH", Some("de")),
            ("de-Latn-CH-1996", Some("de")),
            ("de-x-private", Some("de")),
            ("da, en-gb;q=0.8, en;q=0.7", Some("en")),
            ("fr;q=0.3,de;q=0.9", Some("de")),
            ("fr;q=0.9\t,\tde; q=0.9", Some("fr")),
            ("it;q=1.0, fr;q=0.001", Some("fr")),
            ("pt", Some("pt-BR")),
            ("pt-PT", None),
            ("pt-PT, pt;q=0.5", Some("pt-BR")),
            ("*", Some("en")),
            ("it, *;q=0.1", Some("en")),
            ("en;q=0, *", Some("de")),
            ("de, *;q=0", Some("de")),
            ("de;q=0", None),
            ("de-CH, de;q=0", None),
            ("ita", None),
            ("d", None),
            ("", None),
            ("de;q=", None),
            ("de;q=2, fr", Some("fr")),
            ("de;q=0.9999, fr;q=0.1", Some("fr")),
            ("de;q=-1", None),
            ("de;q=0.5;x=1", None),
            ("de;level=1", None),
            ("d_e, fr", Some("fr")),
            (",,, ,fr,", Some("fr")),
            ("<script>, fr", Some("fr")),
        ];
        for (field, expected) in rows {
            assert_eq!(chosen(&[field], offered), expected, "{field}");
        }
        assert_eq!(chosen(&[], offered), None);
        assert_eq!(chosen(&["it", "fr;q=0.5"], offered), Some("fr"));
        assert_eq!(chosen(&["de"], &[]), None);
    }

    #[test]
    fn what_is_past_the_limits_is_left_out() {
        let offered = &["en", "de"];
        let many = format!("{}de", "xx,".repeat(RANGES_MAX));
        assert_eq!(chosen(&[&many], offered), None);
        let few = format!("{}de", "xx,".repeat(RANGES_MAX - 1));
        assert_eq!(chosen(&[&few], offered), Some("de"));
        let long = format!("de,{}", "x".repeat(1 << 16));
        assert_eq!(chosen(&[&long], offered), Some("de"));
        let late = format!("{}de", " ".repeat(BYTES_MAX));
        assert_eq!(chosen(&[&late], offered), None);
        assert_eq!(chosen(&[&"x".repeat(1 << 16), "de"], offered), None);
        let deep = format!("de{}", "-x".repeat(40));
        assert_eq!(chosen(&[&deep], offered), None);
    }
}
