//! `Clear-Site-Data` of the app (W3C Clear Site Data). What it says of cookies is ours to do: the app's cookies are in the
//! jar, and the one in the browser is the ticket, which no app takes away.

use http::header::{HeaderMap, HeaderName, HeaderValue};

const NAME: HeaderName = HeaderName::from_static("clear-site-data");

/// Whether a response asks for the cookies of its site to be forgotten.
pub fn names_cookies(headers: &HeaderMap) -> bool {
    // Hardly any response has the field, and one lookup tells.
    headers.contains_key(NAME) && items(headers).any(|item| is_all(&item) || is_cookies(&item))
}

/// Takes out what the field says of cookies; `"*"` is spelled out without them.
pub fn narrow(headers: &mut HeaderMap) {
    if !headers.contains_key(NAME) {
        return;
    }
    let mut kept: Vec<String> = Vec::new();
    for item in items(headers).filter(|item| !is_cookies(item)) {
        if is_all(&item) {
            kept.extend(["\"cache\"".to_owned(), "\"storage\"".to_owned()]);
        } else {
            kept.push(item);
        }
    }
    headers.remove(NAME);
    if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_str(&kept.join(", "))) {
        headers.insert(NAME, value);
    }
}

/// Has the browser forget the cookies of its site and what scripts have stored, as after a logout.
pub fn clear(headers: &mut HeaderMap) {
    let all = HeaderValue::from_static("\"cookies\", \"storage\"");
    headers.append(NAME, all);
}

fn items(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers
        .get_all(NAME)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|item| String::from_utf8_lossy(item).trim().to_owned())
        .filter(|item| !item.is_empty())
}

fn is_all(item: &str) -> bool {
    item == "\"*\""
}

/// In any case of letters: what one browser takes for the type is not left to the next.
fn is_cookies(item: &str) -> bool {
    item.eq_ignore_ascii_case("\"cookies\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_cannot_clear_our_ticket() {
        let rows: [(&[&str], bool, Option<&str>); 6] = [
            (&["\"cookies\""], true, None),
            (&["\"*\""], true, Some("\"cache\", \"storage\"")),
            (&["\"cache\", \"Cookies\""], true, Some("\"cache\"")),
            (
                &["\"cache\"", "\"cookies\", \"storage\""],
                true,
                Some("\"cache\", \"storage\""),
            ),
            (&["\"cache\""], false, Some("\"cache\"")),
            (&[], false, None),
        ];
        for (values, clears, expected) in rows {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(NAME, HeaderValue::from_static(value));
            }
            assert_eq!(names_cookies(&headers), clears, "{values:?}");
            narrow(&mut headers);
            let left = headers.get(NAME).map(|value| value.to_str().unwrap());
            assert_eq!(left, expected, "{values:?}");
        }
    }
}
