use proptest::prelude::*;

use super::*;

fn jsessionid() -> PathParams {
    PathParams::parse(["jsessionid"]).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_spelling_of_the_name_goes() {
    for (path, left) in [
        ("/a;jsessionid=1", "/a"),
        ("/a;jsessionid=", "/a"),
        ("/a;jsessionid", "/a"),
        ("/a;JSESSIONID=1", "/a"),
        ("/a;jSessionId=1/b", "/a/b"),
        ("/;jsessionid=1", "/"),
        ("/a/;jsessionid=1/b", "/a//b"),
        ("/a;jsessionid=1/b;jsessionid=2/c;jsessionid=3", "/a/b/c"),
        ("/a;jsessionid=1;jsessionid=2", "/a"),
        ("/a;v=1;jsessionid=2;w", "/a;v=1;w"),
        ("/a;%6asessionid=1", "/a"),
        ("/a;%4A%53essionid=1", "/a"),
        ("/a;jsessionid%3d1", "/a"),
        ("/a;jsessionid%3D1=2", "/a"),
        ("/a;jsessionid=1=2", "/a"),
        ("/a;jsessionid,1", "/a"),
        ("/a;v=1&jsessionid=2", "/a"),
        ("/a;jsessionid=1\\b/c", "/a/c"),
        ("/a;;jsessionid=1;", "/a;;"),
        // Nothing joins to a new one.
        ("/a;jsession;jsessionid=1;id=2", "/a;jsession;id=2"),
        ("/a;;jsessionid=1jsessionid=2", "/a;"),
    ] {
        let stripped = jsessionid().strip(path.as_bytes());
        assert_eq!(
            stripped.as_deref().map(text).as_deref(),
            Some(left),
            "{path}"
        );
    }
}

#[test]
fn what_is_not_named_stays() {
    for path in [
        "/",
        "",
        "/a/b",
        "/a;v=1",
        "/a;jsessionid2=1",
        "/a;xjsessionid=1",
        "/a;v=jsessionid",
        "/a;v=jsessionid=1",
        "/jsessionid=1",
        "/a%3Bjsessionid=1",
        "/a%3bjsessionid=1",
        // Nobody decodes twice, or takes half an escape for a letter.
        "/a;%256asessionid=1",
        "/a;%6sessionid=1",
        "/a;jsessionid%",
        "/a;%zzjsessionid",
    ] {
        assert_eq!(jsessionid().strip(path.as_bytes()), None, "{path}");
    }
    assert_eq!(PathParams::default().strip(b"/a;jsessionid=1"), None);
}

#[test]
fn names_are_plain() {
    for name in ["jsessionid", "JSESSIONID", "a.b-c_d", "x$"] {
        assert!(PathParams::parse([name]).is_ok(), "{name}");
    }
    assert_eq!(PathParams::parse([""]), Err(ParamNameFault::Empty));
    for name in [
        "a;b",
        "a=b",
        "a/b",
        "a b",
        "a%20",
        "a&b",
        "a,b",
        "é",
        ";jsessionid=",
    ] {
        assert_eq!(
            PathParams::parse(["sid", name]),
            Err(ParamNameFault::NotAToken),
            "{name}"
        );
    }
}

fn redirected(name: &'static str, value: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    let ours = |authority: &str| authority.eq_ignore_ascii_case("shop.example.com:8443");
    jsessionid().strip_redirects(&mut headers, ours);
    text(headers[name].as_bytes())
}

#[test]
fn redirects_lose_the_ids_of_our_own_urls() {
    for (url, left) in [
        ("/a;jsessionid=1", "/a"),
        (
            "/a;jsessionid=1?b;jsessionid=2#c;jsessionid=3",
            "/a?b;jsessionid=2#c;jsessionid=3",
        ),
        ("/a;jsessionid=1#c", "/a#c"),
        ("a/b;jsessionid=1?c", "a/b?c"),
        ("../a;jsessionid=1:2", "../a"),
        (
            "https://shop.example.com:8443/a;jsessionid=1",
            "https://shop.example.com:8443/a",
        ),
        (
            "HTTP://Shop.example.com:8443/;jsessionid=1?x",
            "HTTP://Shop.example.com:8443/?x",
        ),
        (
            "//shop.example.com:8443/a;jsessionid=1",
            "//shop.example.com:8443/a",
        ),
        (
            "https://shop.example.com:8443/;jsessionid=1/b",
            "https://shop.example.com:8443//b",
        ),
    ] {
        for name in ["location", "content-location"] {
            assert_eq!(redirected(name, url), left, "{url}");
        }
        assert_eq!(
            redirected("refresh", &format!("5; url={url}")),
            format!("5; url={left}")
        );
        assert_eq!(
            redirected("refresh", &format!("0;URL='{url}' x")),
            format!("0;URL='{left}' x")
        );
        for before in ["0;", "0, ", " 0.5 ; url = ", "0;url="] {
            assert_eq!(
                redirected("refresh", &format!("{before}{url}")),
                format!("{before}{left}")
            );
        }
    }
}

#[test]
fn no_redirect_comes_to_lead_elsewhere() {
    for (url, left) in [
        ("/;jsessionid=1/evil.test/", "/.//evil.test/"),
        ("/;jsessionid=1/\\evil.test/", "/.//\\evil.test/"),
        ("/;jsessionid=1\\evil.test/x", "/.//x"),
        ("\\;jsessionid=1/evil.test", "/.\\/evil.test"),
        ("\t;jsessionid=1//evil.test", "/.\t//evil.test"),
        ("/\t;jsessionid=1/evil.test", "/./\t/evil.test"),
        (";jsessionid=1\\x/\\evil.test", "./\\evil.test"),
        (";jsessionid=1/a", "./a"),
        (";jsessionid=1//evil.test", ".//evil.test"),
        (";jsessionid=1", "."),
        (";jsessionid=1?a", ".?a"),
        (";jsessionid=1;b", ";b"),
    ] {
        assert_eq!(redirected("location", url), left, "{url}");
    }
}

#[test]
fn every_other_redirect_stays_byte_for_byte() {
    for url in [
        "",
        "/a;v=1",
        "/a?x;jsessionid=1",
        "https://elsewhere.test/a;jsessionid=1",
        "//elsewhere.test/a;jsessionid=1",
        "/\\elsewhere.test/a;jsessionid=1",
        "https:\\\\elsewhere.test/a;jsessionid=1",
        "https://shop.example.com/a;jsessionid=1",
        "https://shop.example.com:8443@elsewhere.test/a;jsessionid=1",
        "https:a;jsessionid=1",
        "mailto:a;jsessionid=1",
    ] {
        assert_eq!(redirected("location", url), url);
    }
    for value in ["5", "5; /a", "url=", "5; url"] {
        assert_eq!(redirected("refresh", value), value);
    }
    assert_eq!(
        redirected("x-location", "/a;jsessionid=1"),
        "/a;jsessionid=1"
    );
}

/// How Tomcat 10 reads a path (`CoyoteAdapter.parsePathParameters`): the names of its parameters, and the path.
fn as_tomcat(path: &str) -> (Vec<String>, String) {
    let (mut path, mut names) = (path.to_owned(), Vec::new());
    while let Some(semicolon) = path.find(';') {
        let rest = &path[semicolon + 1..];
        let end = rest
            .find([';', '/'])
            .map_or(path.len(), |end| semicolon + 1 + end);
        if let Some((name, _)) = path[semicolon + 1..end].split_once('=') {
            names.push(name.to_owned());
        }
        path.replace_range(semicolon..end, "");
    }
    (names, path)
}

proptest! {
    #[test]
    fn tomcat_reads_the_same_path_and_no_session_id(
        pieces in prop::collection::vec("/|;|=|jsessionid|JSessionId|j|sessionid|%6a|%3b|%3B|&|,|\\.|[a-z]{1,3}", 0..24)
    ) {
        let path = format!("/{}", pieces.concat());
        let left = jsessionid().strip(path.as_bytes()).map_or(path.clone(), |left| text(&left));
        let (names, read) = as_tomcat(&left);
        prop_assert!(!names.contains(&"jsessionid".to_owned()), "{left}");
        prop_assert_eq!(read, as_tomcat(&path).1);
        prop_assert_eq!(jsessionid().strip(left.as_bytes()), None);
    }

    #[test]
    fn parameters_of_other_names_stay_byte_for_byte(
        segments in prop::collection::vec("[a-z%.]{0,4}(;[a-ik-z][a-z=%]{0,6}){0,3}", 1..6),
        at in any::<prop::sample::Index>(),
        value in "[A-Z0-9=.]{0,8}",
    ) {
        let path = segments.join("/");
        prop_assert_eq!(jsessionid().strip(path.as_bytes()), None);
        let mut with = segments.clone();
        with[at.index(segments.len())].push_str(&format!(";jsessionid={value}"));
        let left = jsessionid().strip(with.join("/").as_bytes());
        prop_assert_eq!(left.as_deref(), Some(path.as_bytes()));
    }

    #[test]
    fn nothing_panics_and_a_second_time_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let params = PathParams::parse(["a", "b"]).unwrap();
        if let Some(once) = params.strip(&bytes) {
            prop_assert_eq!(params.strip(&once), None);
        }
        let _ = params.strip_url(&bytes, |_| true);
        let _ = refresh_url(&bytes);
    }
}
