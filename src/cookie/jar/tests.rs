use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NOW: Time = Time::from_secs(1_800_000_000);

fn request<'a>(host: &'a str, path: &'a str) -> AppRequest<'a> {
    AppRequest {
        host,
        visitor_host: host,
        path,
        same_site: true,
        top_level: true,
        top_level_safe: true,
        now: NOW,
    }
}

fn receive_text(field: &str, request: &AppRequest<'_>) -> Result<JarAct, Refused> {
    receive(&SetCookie::read(field.as_bytes())?, request)
}

fn put(field: &str, request: &AppRequest<'_>) -> KeptCookie {
    match receive_text(field, request) {
        Ok(JarAct::Put(cookie)) => cookie,
        other => panic!("{field}: {other:?}"),
    }
}

fn sent(jar: &[KeptCookie], request: &AppRequest<'_>) -> Vec<String> {
    cookies_for(jar, request)
        .iter()
        .map(|cookie| {
            let name = String::from_utf8_lossy(&cookie.identity.name);
            format!("{name}={}", String::from_utf8_lossy(&cookie.value))
        })
        .collect()
}

#[test]
fn a_cookie_is_for_its_host_or_domain() {
    /// The domain and whether it is for the host only.
    type Taken = Result<(&'static str, bool), Refused>;
    let table: [(&str, &str, Taken); 15] = [
        ("app.example.com", "", Ok(("app.example.com", true))),
        ("app.example.com", "example.com", Ok(("example.com", false))),
        (
            "app.example.com",
            ".EXAMPLE.com",
            Ok(("example.com", false)),
        ),
        (
            "app.example.com",
            "app.example.com",
            Ok(("app.example.com", false)),
        ),
        ("app.example.com", "b.example.com", Err(Refused::Domain)),
        ("example.com", "app.example.com", Err(Refused::Domain)),
        ("badexample.com", "example.com", Err(Refused::Domain)),
        ("app.example.com", "com", Err(Refused::PublicSuffix)),
        ("app.co.uk", "co.uk", Err(Refused::PublicSuffix)),
        ("me.github.io", "github.io", Err(Refused::PublicSuffix)),
        ("github.io", "github.io", Ok(("github.io", true))),
        ("localhost", "localhost", Ok(("localhost", true))),
        ("app.localhost", "localhost", Err(Refused::PublicSuffix)),
        ("127.0.0.1", "127.0.0.1", Ok(("127.0.0.1", true))),
        ("127.0.0.1", "0.0.1", Err(Refused::Domain)),
    ];
    for (host, asked, expected) in table {
        let field = format!("a=b; Domain={asked}");
        let outcome = receive_text(&field, &request(host, "/")).map(|act| match act {
            JarAct::Put(cookie) => (cookie.identity.domain.into(), cookie.host_only),
            JarAct::Remove { identity, .. } => panic!("{identity:?}"),
        });
        let expected = expected.map(|(domain, host_only)| (domain.to_owned(), host_only));
        assert_eq!(outcome, expected, "{host} {asked}");
    }
    let not_ascii = "a=b; Domain=ex\u{e4}mple.com";
    assert_eq!(
        receive_text(not_ascii, &request("example.com", "/")),
        Err(Refused::Domain)
    );
}

#[test]
fn a_path_is_the_attribute_or_the_folder_of_the_request() {
    let table = [
        ("/", "", "/"),
        ("/login", "", "/"),
        ("/admin/login", "", "/admin"),
        ("/admin/", "", "/admin"),
        ("/a/b/c?x=/y/z", "", "/a/b"),
        ("", "", "/"),
        ("*", "", "/"),
        ("/a/b", "/c", "/c"),
        ("/a/b", "c", "/a"),
    ];
    for (path, attribute, expected) in table {
        let cookie = put(
            &format!("a=b; Path={attribute}"),
            &request("h.example", path),
        );
        assert_eq!(&*cookie.identity.path, expected, "{path} {attribute}");
    }
}

#[test]
fn paths_match_on_segment_borders() {
    let table = [
        ("/", "/anything", true),
        ("/admin", "/admin", true),
        ("/admin", "/admin/x", true),
        ("/admin", "/admin?x", true),
        ("/admin", "/administrator", false),
        ("/admin/", "/admin", false),
        ("/admin/", "/admin/x", true),
        ("/admin", "/", false),
    ];
    for (cookie_path, path, expected) in table {
        let jar = [put(
            &format!("a=b; Path={cookie_path}"),
            &request("h.example", "/"),
        )];
        let found = !sent(&jar, &request("h.example", path)).is_empty();
        assert_eq!(found, expected, "{cookie_path} {path}");
    }
}

#[test]
fn a_host_only_cookie_goes_to_no_other_host() {
    let jar = [
        put("host=1", &request("example.com", "/")),
        put("domain=1; Domain=example.com", &request("example.com", "/")),
    ];
    assert_eq!(
        sent(&jar, &request("example.com", "/")),
        ["host=1", "domain=1"]
    );
    assert_eq!(sent(&jar, &request("a.example.com", "/")), ["domain=1"]);
    assert!(sent(&jar, &request("badexample.com", "/")).is_empty());
}

#[test]
fn same_site_is_applied_as_the_browser_would() {
    let jar = [
        put("none=1; SameSite=None", &request("h.example", "/")),
        put("lax=1; SameSite=Lax", &request("h.example", "/")),
        put("unset=1", &request("h.example", "/")),
        put("strict=1; SameSite=Strict", &request("h.example", "/")),
    ];
    let table: [(bool, bool, &[&str]); 3] = [
        (true, false, &["none=1", "lax=1", "unset=1", "strict=1"]),
        (false, true, &["none=1", "lax=1", "unset=1"]),
        (false, false, &["none=1"]),
    ];
    for (same_site, top_level_safe, expected) in table {
        let request = AppRequest {
            same_site,
            top_level_safe,
            ..request("h.example", "/")
        };
        assert_eq!(sent(&jar, &request), expected, "{request:?}");
    }
}

#[test]
fn a_foreign_subresource_sets_same_site_none_alone() {
    let foreign = AppRequest {
        same_site: false,
        top_level: false,
        top_level_safe: false,
        ..request("h.example", "/")
    };
    for field in [
        "a=b",
        "a=b; SameSite=Lax",
        "a=b; SameSite=Strict",
        "a=; Max-Age=0",
    ] {
        assert_eq!(
            receive_text(field, &foreign),
            Err(Refused::CrossSite),
            "{field}"
        );
    }
    assert!(receive_text("a=b; SameSite=None", &foreign).is_ok());
    let posted = AppRequest {
        top_level: true,
        ..foreign
    };
    assert!(receive_text("a=b", &posted).is_ok());
}

#[test]
fn one_name_at_two_paths_is_two_cookies_and_the_longer_path_comes_first() {
    let old = request("h.example", "/");
    let new = AppRequest {
        now: NOW.plus(Duration::from_secs(5)),
        ..old
    };
    let jar = [
        put("b=new-root; Path=/", &new),
        put("a=old-root; Path=/", &old),
        put("a=deep; Path=/wp-admin", &new),
    ];
    assert_eq!(
        sent(
            &jar,
            &AppRequest {
                path: "/wp-admin/x",
                ..new
            }
        ),
        ["a=deep", "a=old-root", "b=new-root"]
    );
    assert_eq!(sent(&jar, &new), ["a=old-root", "b=new-root"]);
}

#[test]
fn an_ended_cookie_is_left_out_and_a_past_end_removes() {
    let here = request("h.example", "/x");
    let jar = [put("a=b; Max-Age=60", &here)];
    let after = |secs| AppRequest {
        now: NOW.plus(Duration::from_secs(secs)),
        ..here
    };
    assert_eq!(sent(&jar, &after(59)), ["a=b"]);
    assert!(sent(&jar, &after(60)).is_empty());

    let gone = JarAct::Remove {
        identity: jar[0].identity.clone(),
        host_only: true,
    };
    for field in [
        "a=; Max-Age=0",
        "a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "a=\"\"; expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=0; Path=/",
    ] {
        assert_eq!(receive_text(field, &here), Ok(gone.clone()), "{field}");
    }
}

#[test]
fn a_name_prefix_keeps_its_promise_or_is_refused() {
    let table = [
        ("__Host-a=b; Secure; Path=/", true),
        ("__Host-a=b; Path=/", false),
        ("__Host-a=b; Secure", false),
        ("__Host-a=b; Secure; Path=/x", false),
        ("__Host-a=b; Secure; Path=/; Domain=h.example", false),
        ("__HOST-a=b; Path=/", false),
        ("__Secure-a=b; Secure", true),
        ("__secure-a=b", false),
        ("__Http-a=b; Secure; HttpOnly", true),
        ("__Http-a=b; Secure", false),
        ("__Host-Http-a=b; Secure; HttpOnly; Path=/", true),
        ("__Host-Http-a=b; Secure; Path=/", false),
        ("Host-a=b", true),
    ];
    for (field, taken) in table {
        let outcome = receive_text(field, &request("h.example", "/"));
        if taken {
            assert!(outcome.is_ok(), "{field}: {outcome:?}");
        } else {
            assert_eq!(outcome, Err(Refused::Prefix), "{field}");
        }
    }
}

#[test]
fn a_secure_cookie_of_a_plain_http_app_is_kept_and_a_nameless_one_too() {
    let here = request("127.0.0.1", "/");
    assert_eq!(put("a=b; Secure", &here).same_site, None);
    assert_eq!(*put("=v", &here).identity.name, *b"");
    assert_eq!(*put("v", &here).value, *b"v");
}

#[test]
fn bytes_past_ascii_survive_in_a_value_but_not_in_a_path() {
    let here = request("h.example", "/");
    let set = SetCookie::read(b"a=J\xf6rg").unwrap();
    assert!(
        matches!(receive(&set, &here), Ok(JarAct::Put(cookie)) if *cookie.value == *b"J\xf6rg")
    );
    let set = SetCookie::read(b"a=b; Path=/\xf6").unwrap();
    assert_eq!(receive(&set, &here), Err(Refused::Path));
}

proptest! {
    #[test]
    fn what_is_kept_goes_back_to_the_folder_that_set_it(
        field in "[ a-z]{0,3}=?[ -~]{0,6}(; ?(Domain=[.a-z]{0,12}|Path=[/a-z?]{0,6}|Max-Age=[-0-9]{0,3}|SameSite=[A-Za-z]{0,5}|Secure)){0,4}",
        path in "/[a-z/]{0,8}",
    ) {
        let here = request("a.example.com", &path);
        let Ok(set) = SetCookie::read(field.as_bytes()) else { return Ok(()) };
        if let Ok(JarAct::Put(cookie)) = receive(&set, &here) {
            let jar = [cookie];
            let elsewhere = AppRequest { host: "example.net", ..here };
            prop_assert!(cookies_for(&jar, &elsewhere).is_empty());
            if set.path.is_none() {
                prop_assert_eq!(cookies_for(&jar, &here).len(), 1);
            }
        }
    }

    #[test]
    fn nothing_panics(field in prop::collection::vec(any::<u8>(), 0..120), host in "[a-z.:\\[\\]0-9]{0,12}", path in ".{0,12}") {
        if let Ok(set) = SetCookie::read(&field) {
            let _ = receive(&set, &request(&host, &path));
        }
    }
}
