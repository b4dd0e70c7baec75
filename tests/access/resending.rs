//! Promise: a form that another site posts here, a payment's return or a SAML answer, arrives with the visitor's session
//! where a rule says `cross_site = "resend"`, and without one nothing is set or taken.

use super::gate;
use super::support::body::full;
use super::support::forms::encode;
use super::support::{Answer, App, Browser, Call, Gate};

const ACS: &str = "[[site.rule]]\npath = \"/saml/acs\"\ncross_site = \"resend\"\n";
const FORM: &str = "application/x-www-form-urlencoded";

/// As a browser posts a form of another site: with a Lax cookie kept back.
fn posted_from_elsewhere<'a>(browser: &'a Browser, target: &str, form: &str) -> Call<'a> {
    browser
        .post(target, form.to_owned())
        .holding("")
        .header("content-type", FORM)
        .header("origin", "https://idp.test")
        .header("accept", "text/html,*/*;q=0.8")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
}

/// What a browser makes of the page: where the form goes, and its fields.
fn form_of(page: &str) -> (String, Vec<(String, String)>) {
    let attribute = |text: &str, name: &str| {
        let (_, rest) = text
            .split_once(&format!("{name}=\""))
            .expect("an attribute");
        unescape(rest.split_once('"').expect("its end").0)
    };
    let (_, form) = page.split_once("<form ").expect("a form");
    let fields = form.split("<input ").skip(1);
    let fields = fields.map(|input| (attribute(input, "name"), attribute(input, "value")));
    (attribute(form, "action"), fields.collect())
}

fn unescape(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#13;", "\r"),
        ("&#10;", "\n"),
        ("&amp;", "&"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Posts the form of the page, as its script or its button does.
async fn post_again(gate: &Gate, browser: &Browser, page: &Answer) -> Answer {
    let (action, fields) = form_of(&page.text());
    let target = action
        .strip_prefix(&gate.origin())
        .expect("our own address");
    let fields: Vec<_> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    browser
        .post(target, encode(&fields))
        .header("content-type", FORM)
        .header("origin", gate.origin())
        .navigating()
        .send()
        .await
}

/// That it is the page, which nobody keeps, and that the app was not asked.
fn assert_page(app: &App, asked: usize, answer: &Answer) {
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(app.seen().len(), asked, "the app was not asked");
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert!(answer.lists("cache-control", "no-store"), "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = answer.text();
    assert!(page.contains("<button>"), "works without scripts: {page}");
    assert!(!page.contains(" on"), "no handler in a tag: {page}");
}

#[tokio::test]
async fn a_form_posted_from_another_origin_arrives_with_its_session() {
    let (app, gate) = gate(ACS).await;
    for http2 in [false, true] {
        let browser = gate.browser();
        let browser = if http2 { browser.http2() } else { browser };
        browser.post("/login?alice", "").send().await;
        let ticket = browser.ticket_line();
        let form = "SAMLResponse=PHNhbWw%2B%0D%0AeA%3D%3D&RelayState=%2Fx%3Fa%3D1%26b%3D%22%3C%2Fform%3E%3Cscript%3E&submit=+&n%C3%B6=J%C3%B6rg%27s&SAMLResponse=2";
        let asked = app.seen().len();

        let answer = posted_from_elsewhere(&browser, "/saml/acs?tenant=1&x=%22", form);
        let answer = answer.send().await;

        assert_page(&app, asked, &answer);
        assert!(!answer.text().contains("<script>alert"), "{answer:?}");
        let answer = post_again(&gate, &browser, &answer).await;
        assert_eq!(answer.status(), 200);
        let seen = app.last();
        assert_eq!(seen.target, "/saml/acs?tenant=1&x=%22", "without a mark");
        assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
        let expected = encode(&[
            ("SAMLResponse", "PHNhbWw+\r\neA=="),
            ("RelayState", "/x?a=1&b=\"</form><script>"),
            ("submit", " "),
            ("nö", "Jörg's"),
            ("SAMLResponse", "2"),
        ]);
        assert_eq!(seen.body, expected);
        assert_eq!(browser.ticket_line(), ticket, "still the same session");
    }
    let lines = gate.access_log(6).await;
    assert_eq!(lines[1]["refusal"], "resent", "{lines:?}");
}

#[tokio::test]
async fn what_is_no_form_of_a_page_is_not_sent_again() {
    let (app, gate) = gate(ACS).await;
    let browser = gate.browser();
    browser.post("/login?alice", "").send().await;
    let asked = app.seen().len();

    // Already sent again, and still from elsewhere: never a second time.
    let again = posted_from_elsewhere(&browser, "/saml/acs?cloakroom-resent=1", "a=1");
    assert_eq!(again.send().await.status(), 403);
    // A script, which would not show the page, with a ticket that came along all the same.
    let script = browser
        .post("/saml/acs", "a=1")
        .header("content-type", FORM)
        .header("origin", "https://evil.test")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty");
    assert_eq!(script.send().await.status(), 403);
    let frame = browser
        .post("/saml/acs", "a=1")
        .header("content-type", FORM)
        .header("origin", "https://evil.test")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "iframe");
    assert_eq!(frame.send().await.status(), 403);
    // Fields that a page could not post again as they came.
    for form in ["a=%FF", "a=%00", "=1"] {
        let call = posted_from_elsewhere(&browser, "/saml/acs", form);
        assert_eq!(call.send().await.status(), 403, "{form}");
    }
    for other in [
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/x-www-form-urlencoded; charset=iso-8859-1",
    ] {
        let call = browser
            .post("/saml/acs", "a=1")
            .holding("")
            .header("content-type", other)
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        assert_eq!(call.send().await.status(), 403, "{other}");
    }
    let large = format!("a={}", "x".repeat(300 << 10));
    let many = "a=1&".repeat(1001);
    for form in [large, many] {
        let call = posted_from_elsewhere(&browser, "/saml/acs", &form);
        assert_eq!(call.send().await.status(), 413);
    }
    assert_eq!(app.seen().len(), asked, "the app saw none of it");

    // What comes from here, or from no browser, needs no page.
    let own = browser
        .post("/saml/acs", "a=1")
        .header("content-type", FORM);
    let own = own.header("origin", gate.origin()).navigating();
    assert_eq!(own.send().await.text(), "ok");
    let machine = browser.post("/saml/acs", "a=1").holding("");
    assert_eq!(machine.send().await.text(), "ok");
    let link = browser
        .get("/saml/acs")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    assert_eq!(link.send().await.text(), "ok");
}

/// The page posts to the host that was asked for, however the path begins, and browsers of before Fetch Metadata are
/// served too.
#[tokio::test]
async fn the_page_leads_nowhere_else() {
    let (app, gate) = gate(&ACS.replace("/saml/acs", "/*")).await;
    let browser = gate.browser();
    for target in ["//evil.test/x", "/.//evil.test"] {
        let asked = app.seen().len();
        let call = browser
            .call(http::Method::POST, target)
            .body(full("a=1"))
            .holding("")
            .header("content-type", FORM)
            .header("accept", "text/html")
            .header("origin", "https://idp.test");
        let answer = call.send().await;
        assert_page(&app, asked, &answer);
        let (action, _) = form_of(&answer.text());
        let expected = format!("{}{target}?cloakroom-resent=1", gate.origin());
        assert_eq!(action, expected);
        let answer = post_again(&gate, &browser, &answer).await;
        assert_eq!(answer.text(), "ok");
        assert_eq!(app.last().target, target);
    }
}
