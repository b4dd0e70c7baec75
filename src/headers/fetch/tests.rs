use http::{HeaderName, HeaderValue};

use super::*;

const OWN: &str = "https://shop.example.com:8443";
const SIBLING: &str = "https://evil.example.com";
const FOREIGN: &str = "https://evil.test";

fn of(method: &Method, fields: &[(&'static str, &'static str)]) -> Provenance {
    let headers = fields
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect();
    Provenance::of(method, &headers, |origin| origin == OWN)
}

/// Promise: no ticket is touched on a request that could not have carried it.
#[test]
fn a_ticket_is_touched_only_where_it_could_have_come_along() {
    let navigation = ("sec-fetch-mode", "navigate");
    let document = ("sec-fetch-dest", "document");
    let cross = ("sec-fetch-site", "cross-site");
    for (method, fields, strict, lax, none) in [
        (Method::GET, &[][..], true, true, true),
        (Method::POST, &[], true, true, true),
        (
            Method::GET,
            &[("sec-fetch-site", "none"), navigation, document],
            true,
            true,
            true,
        ),
        (
            Method::POST,
            &[("sec-fetch-site", "same-origin"), ("origin", OWN)],
            true,
            true,
            true,
        ),
        (
            Method::POST,
            &[("sec-fetch-site", "same-site"), ("origin", SIBLING)],
            true,
            true,
            true,
        ),
        (
            Method::GET,
            &[cross, navigation, document],
            false,
            true,
            true,
        ),
        (
            Method::HEAD,
            &[cross, navigation, document],
            false,
            true,
            true,
        ),
        (
            Method::POST,
            &[cross, navigation, document, ("origin", FOREIGN)],
            false,
            false,
            true,
        ),
        (
            Method::GET,
            &[cross, navigation, ("sec-fetch-dest", "iframe")],
            false,
            false,
            true,
        ),
        (
            Method::GET,
            &[
                cross,
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
            false,
            false,
            true,
        ),
        (Method::GET, &[cross, navigation], false, false, true),
        (
            Method::GET,
            &[("sec-fetch-site", "new-word")],
            false,
            false,
            true,
        ),
        (
            Method::GET,
            &[("sec-fetch-site", "none"), cross],
            false,
            false,
            true,
        ),
        (Method::POST, &[("origin", OWN)], true, true, true),
        (Method::POST, &[("origin", FOREIGN)], false, false, true),
        (Method::GET, &[("origin", FOREIGN)], false, false, true),
        (Method::POST, &[("origin", "null")], false, false, true),
        (
            Method::POST,
            &[("origin", OWN), ("origin", OWN)],
            false,
            false,
            true,
        ),
        (
            Method::POST,
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            true,
            true,
            true,
        ),
        (
            Method::GET,
            &[("referer", "https://evil.test/x")],
            true,
            true,
            true,
        ),
        (
            Method::OPTIONS,
            &[
                ("origin", FOREIGN),
                ("access-control-request-method", "PUT"),
            ],
            false,
            false,
            false,
        ),
        (
            Method::OPTIONS,
            &[("origin", OWN), ("access-control-request-method", "PUT")],
            false,
            false,
            false,
        ),
        (
            Method::OPTIONS,
            &[("access-control-request-method", "PUT")],
            true,
            true,
            true,
        ),
        (Method::OPTIONS, &[("origin", OWN)], true, true, true),
    ] {
        let from = of(&method, fields);
        assert_eq!(
            from.could_carry(SameSite::Strict),
            strict,
            "strict {method} {fields:?}"
        );
        assert_eq!(
            from.could_carry(SameSite::Lax),
            lax,
            "lax {method} {fields:?}"
        );
        assert_eq!(
            from.could_carry(SameSite::None),
            none,
            "none {method} {fields:?}"
        );
    }
}

/// Promise: no other site changes anything here or opens a WebSocket.
#[test]
fn a_foreign_page_changes_nothing() {
    for (fields, post, websocket) in [
        (&[][..], false, true),
        (&[("referer", "https://evil.test/")], false, true),
        (&[("origin", OWN)], false, false),
        (&[("origin", FOREIGN)], true, true),
        (&[("origin", "null")], true, true),
        (&[("origin", "https://shop.example.com")], true, true),
        (&[("sec-fetch-site", "same-origin")], false, false),
        (&[("sec-fetch-site", "none")], false, false),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", OWN)],
            false,
            false,
        ),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            false,
            false,
        ),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", FOREIGN)],
            true,
            true,
        ),
        (
            &[("sec-fetch-site", "none"), ("origin", FOREIGN)],
            true,
            true,
        ),
        (&[("sec-fetch-site", "same-site")], true, true),
        (
            &[("sec-fetch-site", "same-site"), ("origin", SIBLING)],
            true,
            true,
        ),
        (
            &[("sec-fetch-site", "same-site"), ("origin", "null")],
            true,
            true,
        ),
        (
            &[("sec-fetch-site", "same-site"), ("origin", OWN)],
            false,
            false,
        ),
        (&[("sec-fetch-site", "cross-site")], true, true),
        (
            &[("sec-fetch-site", "cross-site"), ("origin", OWN)],
            true,
            true,
        ),
    ] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let from = of(&method, fields);
            assert_eq!(
                from.crosses_site_changing_state(false),
                post,
                "{method} {fields:?}"
            );
        }
        let get = of(&Method::GET, fields);
        assert_eq!(
            get.crosses_site_changing_state(true),
            websocket,
            "websocket {fields:?}"
        );
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            let from = of(&method, fields);
            assert!(
                !from.crosses_site_changing_state(false),
                "{method} {fields:?}"
            );
        }
    }
}

/// Promise: a kept cookie goes along as the browser would have sent it.
#[test]
fn the_jar_hears_what_the_browser_says() {
    for (fields, same_site) in [
        (&[][..], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "same-site")], true),
        (&[("sec-fetch-site", "cross-site")], false),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("referer", "https://shop.example.com:8443/"),
            ],
            false,
        ),
        (&[("origin", OWN)], true),
        (&[("origin", FOREIGN)], false),
        (&[("origin", "null")], false),
        (
            &[
                ("origin", FOREIGN),
                ("referer", "https://shop.example.com:8443/"),
            ],
            false,
        ),
        (&[("referer", "https://shop.example.com:8443/a?b#c")], true),
        (&[("referer", "https://shop.example.com:8443")], true),
        (
            &[(
                "referer",
                "https://evil.test/https://shop.example.com:8443/",
            )],
            false,
        ),
        (
            &[("referer", "https://shop.example.com:8443@evil.test/")],
            false,
        ),
        (&[("referer", "nonsense")], false),
    ] {
        assert_eq!(
            of(&Method::GET, fields).same_site_for_jar(),
            same_site,
            "{fields:?}"
        );
    }
}
