//! What a browser may be called when its user is shown their sessions: family and system, in words of ours. What it
//! wrote itself is never shown, and nothing is decided by it: everybody can write what they like.

use http::HeaderValue;

/// How much of it is looked at. Browsers write some hundred bytes.
const BYTES_MAX: usize = 512;

/// What gives a browser away, and its name. Most say that they are several; the first that fits is it.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
];

/// The same for systems.
const SYSTEMS: &[(&str, &str)] = &[
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Android", "Android"),
    ("Linux", "Linux"),
    ("BSD", "BSD"),
];

/// What the device may be called that says this `User-Agent`; `None`: nobody knows.
pub fn device(said: &HeaderValue) -> Option<String> {
    let said = said.as_bytes();
    let said = said.get(..BYTES_MAX).unwrap_or(said);
    let said = String::from_utf8_lossy(said);
    let find = |known: &[(&'static str, &'static str)]| {
        let found = known.iter().find(|(mark, _)| said.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (find(BROWSERS), find(SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_by_their_names() {
        let rows = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                Some("Firefox on Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                Some("Edge on Windows"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                Some("Chrome on Windows"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                Some("Safari on iPhone"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                Some("Safari on macOS"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
                Some("Chrome on Android"),
            ),
            ("curl/8.8.0", Some("curl")),
            ("Mozilla/5.0 (X11; FreeBSD amd64)", Some("BSD")),
            ("<script>alert(1)</script>", None),
            ("", None),
        ];
        for (said, expected) in rows {
            let agent = HeaderValue::from_static(said);
            assert_eq!(device(&agent).as_deref(), expected, "{said}");
        }
    }

    #[test]
    fn every_name_fits_a_session() {
        let longest = |known: &[(&str, &str)]| known.iter().map(|(_, name)| name.len()).max();
        let both = longest(BROWSERS).unwrap() + longest(SYSTEMS).unwrap() + " on ".len();
        assert!(both <= 80, "{both}");
    }
}
