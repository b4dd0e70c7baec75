//! Rules that go by methods and networks.

use http::Method;

use super::support::Setup;
use super::{gate, gate_with};

#[tokio::test]
async fn a_rule_for_methods_leaves_the_others_to_the_next() {
    let rules = r#"
[[site.rule]]
path = "/wiki/*"
methods = ["GET"]
[[site.rule]]
path = "/wiki/*"
require = { user = true }
"#;
    let (_app, gate) = gate(rules).await;
    let browser = gate.browser();
    for (method, status) in [
        (Method::GET, 200),
        (Method::HEAD, 200),
        (Method::POST, 401),
        (Method::DELETE, 401),
        (Method::OPTIONS, 401),
        (Method::from_bytes(b"get").expect("a method"), 401),
    ] {
        let answer = browser.call(method.clone(), "/wiki/x").send().await;
        assert_eq!(answer.status(), status, "{method}");
    }
    browser.post("/login?alice", "").send().await;
    assert_eq!(browser.post("/wiki/x", "").send().await.status(), 200);
}

#[tokio::test]
async fn a_method_that_is_not_among_those_required_is_refused_for_everybody() {
    let rules = "[[site.rule]]\npath = \"/archive/*\"\nrequire = { methods = [\"GET\"] }\n";
    let (app, gate) = gate(rules).await;
    let browser = gate.browser();
    browser.post("/login?alice", "").send().await;
    let asked = app.seen().len();

    let answer = browser.post("/archive/x", "a=1").fetching().send().await;

    assert_eq!(answer.status(), 403);
    assert!(answer.text().contains("wrong-method"), "{answer:?}");
    assert_eq!(app.seen().len(), asked);
    assert_eq!(browser.get("/archive/x").send().await.status(), 200);
}

#[tokio::test]
async fn only_from_the_networks_required_and_a_header_is_no_network() {
    let inside = "[[site.rule]]\npath = \"/inside\"\nrequire = { networks = [\"10.0.0.0/8\"] }\n";
    let (app, gate) = gate(inside).await;
    let browser = gate.browser();
    let asked = app.seen().len();
    for (name, value) in [
        ("x-forwarded-for", "10.1.1.1"),
        ("x-real-ip", "10.1.1.1"),
        ("forwarded", "for=10.1.1.1"),
    ] {
        let answer = browser.get("/inside").header(name, value).send().await;
        assert_eq!(answer.status(), 403, "{name}");
        assert_eq!(answer.header("location"), None);
    }
    assert_eq!(app.seen().len(), asked);

    // Behind a proxy that is believed it is the visitor's address.
    let setup = Setup {
        server: "trusted_proxies = [\"127.0.0.1\"]",
        ..Setup::default()
    };
    let (_app, gate) = gate_with(inside, setup).await;
    let browser = gate.browser();
    for (line, status) in [
        ("10.1.1.1", 200),
        ("::ffff:10.1.1.1", 200),
        ("192.0.2.1", 403),
        ("10.1.1.1, 192.0.2.1", 403),
    ] {
        let call = browser.get("/inside").header("x-forwarded-for", line);
        assert_eq!(call.send().await.status(), status, "{line}");
    }
}

#[tokio::test]
async fn a_rule_for_a_network_lets_it_in_without_a_login() {
    let rules = r#"
[[site.rule]]
path = "/admin/*"
networks = ["127.0.0.0/8", "::1"]
[[site.rule]]
path = "/admin/*"
require = { user = true }
"#;
    let (_app, inside) = gate(rules).await;
    assert_eq!(
        inside
            .browser()
            .get("/admin/")
            .navigating()
            .send()
            .await
            .status(),
        200
    );
    let elsewhere = rules.replace("127.0.0.0/8", "10.0.0.0/8");
    let (_app, outside) = gate(&elsewhere).await;
    assert_eq!(
        outside
            .browser()
            .get("/admin/")
            .navigating()
            .send()
            .await
            .status(),
        302
    );
}
