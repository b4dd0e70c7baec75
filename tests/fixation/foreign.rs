//! A page of another site makes the visitor's browser ask ours for something.

use http::Method;

use crate::house::{House, Way, alice};
use crate::support::{Answer, Browser, together};

/// What a foreign page can have a browser send: the fields that go with it, and whether `SameSite=Lax` lets a cookie along.
struct Sent {
    what: &'static str,
    method: Method,
    fields: &'static [(&'static str, &'static str)],
    is_lax: bool,
}

fn all() -> [Sent; 7] {
    let sent = |what, method, fields, is_lax| Sent {
        what,
        method,
        fields,
        is_lax,
    };
    [
        sent(
            "a form",
            Method::POST,
            &[
                ("origin", "https://evil.test"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            false,
        ),
        sent(
            "a form of an old browser",
            Method::POST,
            &[("origin", "https://evil.test")],
            false,
        ),
        sent(
            "a form of no origin",
            Method::POST,
            &[("origin", "null")],
            false,
        ),
        sent(
            "a script",
            Method::POST,
            &[
                ("origin", "https://evil.test"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "empty"),
            ],
            false,
        ),
        sent(
            "an image",
            Method::GET,
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
            false,
        ),
        sent(
            "a frame",
            Method::GET,
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "iframe"),
            ],
            false,
        ),
        sent(
            "a link",
            Method::GET,
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("sec-fetch-user", "?1"),
            ],
            true,
        ),
    ]
}

/// Where a foreign page would aim: the app, its logout, its login, and our own pages.
const TARGETS: [&str; 6] = [
    "/",
    "/logout",
    "/login",
    "/.cloakroom/logout",
    "/.cloakroom/login",
    "/.cloakroom/session",
];

async fn send(
    house: &House,
    victim: &Browser,
    sent: &Sent,
    (target, carries): (&str, bool),
) -> Answer {
    let call = match sent.method == Method::POST {
        true => {
            let call = victim.post(target, "user=mallory");
            call.header("content-type", "application/x-www-form-urlencoded")
        }
        false => victim.call(sent.method.clone(), target),
    };
    let fields = sent.fields.iter();
    let call = fields.fold(call, |call, (name, value)| call.header(name, value));
    let call = house.of_victim(call);
    match carries {
        true => call.send().await,
        false => call.holding("").send().await,
    }
}

async fn a_foreign_page(way: Way, same_site: &str) {
    let house = House::of(
        way,
        &format!("[session.cookie]\nsame_site = \"{same_site}\""),
    )
    .await;
    let victim = house.victim();
    house.log_in(&victim).await;
    assert_eq!(house.app_knows(&victim).await, alice());
    let ticket = victim.ticket();

    for sent in all() {
        let carries = match same_site {
            "None" => true,
            "Lax" => sent.is_lax,
            _ => false,
        };
        for target in TARGETS {
            let told = format!("{way:?}, {same_site}: {} to {target}", sent.what);
            let answer = send(&house, &victim, &sent, (target, carries)).await;
            // What the browser would do with the answer is what counts, not the status.
            let set = answer.set_cookies();
            let is_ticket = |line: &String| line.starts_with("__Host-session=");
            assert!(!set.iter().any(is_ticket), "{told}: {set:?}");
            assert_eq!(answer.header("clear-site-data"), None, "{told}");
            assert_eq!(victim.ticket(), ticket, "{told}");
            assert_eq!(house.app_knows(&victim).await, alice(), "{told}");
        }
    }
    assert_eq!(victim.ticket(), ticket, "{way:?}, {same_site}");
}

#[tokio::test]
async fn a_foreign_page_never_logs_a_visitor_out_nor_in() {
    for same_site in ["Lax", "Strict", "None"] {
        together(Way::ALL.map(|way| a_foreign_page(way, same_site))).await;
    }
}

/// The same requests of the site's own pages do log out, so that what is refused above is not refused to everybody.
#[tokio::test]
async fn a_page_of_the_site_logs_out() {
    for (way, path) in [
        (Way::Watch, "/logout"),
        (Way::Directives, "/logout"),
        (Way::Form, "/.cloakroom/logout"),
    ] {
        let house = House::of(way, "").await;
        let victim = house.victim();
        house.log_in(&victim).await;
        assert_eq!(house.app_knows(&victim).await, alice());
        let ticket = victim.ticket_line();
        let call = victim.post(path, "");
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        call.header("origin", house.gate.origin())
            .navigating()
            .send()
            .await;
        assert_eq!(house.app_knows(&victim).await, [None, None], "{way:?}");
        let call = house.gate.browser();
        call.get("/").holding(&ticket).send().await;
        assert_eq!(house.app.last().cookie("mine"), None, "{way:?}");
    }
}
