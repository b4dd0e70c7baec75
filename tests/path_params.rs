//! Promise: a session ID in a URL is nobody's. What `strip_path_params` names is gone from the path before sites, rules,
//! jar and app see it, from the app's redirects, and from the log; everything else stays byte for byte.

mod support;

use support::{App, Gate, Reply, Setup, exchange};

const STRIPPING: &str = "strip_path_params = [\"jsessionid\"]\n";

async fn gate(app: &App, site: &str) -> Gate {
    let setup = Setup {
        server: "admin = \"127.0.0.1:0\"",
        site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// What the metrics say of `name`.
async fn counted(gate: &Gate, name: &str) -> String {
    let metrics = gate.admin("/metrics").await;
    let line = metrics
        .lines()
        .find(|line| line.contains(name) && !line.starts_with('#'));
    let line = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    line.rsplit(' ').next().expect("a number").to_owned()
}

#[tokio::test]
async fn the_app_gets_the_path_without_the_session_id() {
    let app = App::plain().await;
    let gate = gate(&app, STRIPPING).await;
    let rows = [
        ("/a;jsessionid=1", "/a"),
        ("/a;JSESSIONID=1?q;jsessionid=2", "/a?q;jsessionid=2"),
        ("/a;v=%c3%a9;%6asessionid=1;w/b%20c", "/a;v=%c3%a9;w/b%20c"),
        ("/a;jsessionid/;jsessionid=1/b", "/a//b"),
        ("/a;v=1/b,c=d", "/a;v=1/b,c=d"),
        ("/a?;jsessionid=1", "/a?;jsessionid=1"),
    ];
    for browser in [gate.browser(), gate.browser().http2()] {
        for (target, seen) in rows {
            let answer = browser.get(target).send().await;
            assert_eq!(answer.status(), 200, "{target}");
            assert_eq!(app.last().target, seen, "{target}");
        }
    }
    // Asked for by its whole URL, as proxies do.
    let asked = "GET https://localhost/a;jsessionid=1?b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(&gate, asked).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(app.last().target, "/a?b");
    assert_eq!(counted(&gate, "path_params_stripped").await, "9");
}

#[tokio::test]
async fn without_the_key_it_goes_through() {
    let app = App::answering(|_| {
        Reply::ok("")
            .status(302)
            .header("location", "/b;jsessionid=2")
    })
    .await;
    let gate = gate(&app, "").await;
    let answer = gate.browser().get("/a;jsessionid=1").send().await;
    assert_eq!(app.last().target, "/a;jsessionid=1");
    assert_eq!(answer.header("location"), Some("/b;jsessionid=2"));
}

#[tokio::test]
async fn rules_and_jar_go_by_the_path_that_the_app_gets() {
    let app = App::answering(|seen| match seen.path() {
        "/shop/login" => Reply::ok("").header("set-cookie", "APP=1"),
        _ => Reply::ok(""),
    })
    .await;
    let rule = "[[site.rule]]\npath = \"/off/*\"\nsession = \"off\"\n";
    let gate = gate(&app, &format!("{STRIPPING}{rule}")).await;
    let browser = gate.browser();

    // The default path of the cookie is that of the folder, whatever stood in it.
    browser
        .get("/shop;jsessionid=1/login;jsessionid=1")
        .send()
        .await;
    browser.get("/shop;jsessionid=2/cart").send().await;
    assert_eq!(app.last().cookie("APP").as_deref(), Some("1"));
    browser.get("/shopping;jsessionid=2/cart").send().await;
    assert_eq!(app.last().cookie("APP"), None);

    // `;` in a path that a rule covers is refused, as readers differ; what is taken out is no such thing.
    let answer = gate.browser().get("/off;jsessionid=1/x").send().await;
    assert_eq!((answer.status(), answer.set_cookies().len()), (200, 0));
    assert_eq!(app.last().header("x-session-id"), None);
    for target in ["/off;v=1/x", "/off;v=1;jsessionid=1/x"] {
        assert_eq!(
            gate.browser().get(target).send().await.status(),
            400,
            "{target}"
        );
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_all_the_same() {
    let app = App::plain().await;
    let gate = gate(&app, STRIPPING).await;
    for target in [
        "/x/..;jsessionid=1/admin",
        "/a/;jsessionid=1/../b",
        "/a;jsessionid=1%2f..%2fadmin",
        "/a;jsessionid=1%5cadmin",
        "/a%3bjsessionid=1",
        "/a;jsessionid=%00",
        "/.cloakroom;jsessionid=1/login",
    ] {
        let status = gate.browser().get(target).send().await.status();
        assert!([400, 404].contains(&status), "{target}: {status}");
    }
    assert!(app.seen().is_empty(), "{:?}", app.seen());
}

#[tokio::test]
async fn where_ambiguous_paths_pass_rules_see_what_the_app_gets() {
    let app = App::plain().await;
    let site = format!(
        "{STRIPPING}ambiguous_paths = \"pass\"\n[[site.rule]]\npath = \"/off/*\"\nsession = \"off\"\n"
    );
    let gate = gate(&app, &site).await;
    for (target, seen, has_session) in [
        ("/a;jsessionid=1%2f..%2foff", "/a", true),
        ("/a;jsessionid=1\\off", "/a", true),
        ("/x/..;jsessionid=1/off", "/x/../off", false),
        ("/off;jsessionid=%2fx/y", "/off/y", false),
        ("/a%3bjsessionid=1", "/a%3bjsessionid=1", true),
    ] {
        let asked =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(&gate, asked).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{target}: {answer}");
        let last = app.last();
        assert_eq!(last.target, seen, "{target}");
        assert_eq!(
            last.header("x-session-id").is_some(),
            has_session,
            "{target}"
        );
    }
}

#[tokio::test]
async fn redirects_of_ours_lose_the_session_id_and_others_keep_it() {
    let app = App::answering(|seen| {
        let to = seen.header("x-to").expect("where to");
        let reply = Reply::ok("").status(302).header("location", &to);
        reply
            .header("content-location", &to)
            .header("refresh", format!("0; url={to}"))
    })
    .await;
    let app_says = format!("http://{}/a;jsessionid=1?b", app.addr());
    let gate = gate(&app, STRIPPING).await;
    let ours = gate.origin();
    for (to, left) in [
        ("/a;jsessionid=1?b".to_owned(), "/a?b".to_owned()),
        ("a;v=1;jsessionid=1".to_owned(), "a;v=1".to_owned()),
        (app_says.clone(), format!("{ours}/a?b")),
        (format!("{ours}/a;jsessionid=1#c"), format!("{ours}/a#c")),
        (
            "https://other.test/a;jsessionid=1".to_owned(),
            "https://other.test/a".to_owned(),
        ),
        (
            "https://elsewhere.test/a;jsessionid=1".to_owned(),
            "https://elsewhere.test/a;jsessionid=1".to_owned(),
        ),
        (
            "/;jsessionid=1/evil.test".to_owned(),
            "/.//evil.test".to_owned(),
        ),
    ] {
        let answer = gate.browser().get("/").header("x-to", &to).send().await;
        assert_eq!(answer.header("location"), Some(&*left), "{to}");
        assert_eq!(answer.header("content-location"), Some(&*left), "{to}");
        let refresh = answer.header("refresh").expect("Refresh");
        assert!(
            !refresh.contains("jsessionid") || to.contains("elsewhere"),
            "{refresh}"
        );
    }
}

#[tokio::test]
async fn no_log_line_tells_the_session_id() {
    let app = App::plain().await;
    let gate = gate(&app, STRIPPING).await;
    // Served, refused for its path, and for a host that is nobody's.
    gate.browser().get("/a;jsessionid=SECRET;v=1").send().await;
    gate.browser().get("/a/..;jsessionid=SECRET/").send().await;
    let asked =
        "GET /a;jsessionid=SECRET HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n";
    exchange(&gate, asked).await;
    let paths: Vec<_> = gate
        .access_log(3)
        .await
        .iter()
        .map(|line| line["path"].clone())
        .collect();
    assert_eq!(paths, ["/a;v=1", "/a/../", "/a"]);
    assert!(!gate.printed().contains("SECRET"), "{}", gate.printed());
}
