//! The screen and the jar.

use crate::support::{App, Gate, Reply, Setup};

const RULES: &str = r#"
[site.cookies]
rules = [
  { name = "csrftoken", mode = "pass", http_only = false },
  { name = "prefs", mode = "pass" },
  { name = "_ga*", mode = "strip" },
]
"#;

#[tokio::test]
async fn the_cookie_of_the_app_never_reaches_the_browser_and_comes_back_to_the_app() {
    let app = App::answering(|seen| match seen.path() {
        "/login" => Reply::ok("ok").header("set-cookie", "SID=secret-of-the-app; Path=/; HttpOnly"),
        _ => Reply::ok("ok"),
    })
    .await;
    let gate = Gate::in_front_of(&app).await;

    for browser in [gate.browser(), gate.browser().http2()] {
        browser.get("/login").send().await;
        browser.get("/").send().await;

        let seen = app.last();
        assert_eq!(
            seen.all("cookie"),
            ["SID=secret-of-the-app"],
            "the jar, and no ticket"
        );
        assert_eq!(browser.names(), ["__Host-session"]);
        let crossed = browser.lines().join("\n");
        assert!(
            !crossed.contains("SID") && !crossed.contains("secret-of-the-app"),
            "{crossed}"
        );
    }
}

#[tokio::test]
async fn kept_cookies_obey_path_order_and_deletion() {
    let app = App::answering(|seen| match seen.path() {
        "/set" => Reply::ok("ok")
            .header("set-cookie", "a=wide; Path=/")
            .header("set-cookie", "a=deep; Path=/deep")
            .header("set-cookie", "b=two; Path=/"),
        "/unset" => Reply::ok("ok")
            .header("set-cookie", "a=; Path=/; Max-Age=0")
            .header(
                "set-cookie",
                "b=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            ),
        _ => Reply::ok("ok"),
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();

    browser.get("/set").send().await;
    browser.get("/deep/er").send().await;
    assert_eq!(app.last().all("cookie"), ["a=deep; a=wide; b=two"]);
    browser.get("/deeper").send().await;
    assert_eq!(app.last().all("cookie"), ["a=wide; b=two"]);

    browser.get("/unset").send().await;
    browser.get("/deep").send().await;
    assert_eq!(app.last().all("cookie"), ["a=deep"]);
}

#[tokio::test]
async fn passed_cookies_are_hardened_and_trackers_go_nowhere() {
    let app = App::answering(|seen| match seen.path() {
        "/set" => Reply::ok("ok")
            .header("set-cookie", "csrftoken=readable; Path=/; Priority=High")
            .header("set-cookie", "prefs=compact; Path=/")
            .header("set-cookie", "_ga_1=tracker; Path=/"),
        _ => Reply::ok("ok"),
    })
    .await;
    let setup = Setup {
        site: RULES,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();

    let answer = browser.get("/set").send().await;

    assert_eq!(browser.names(), ["__Host-session", "csrftoken", "prefs"]);
    let line = |name: &str| {
        let lines = answer.set_cookies();
        let line = lines.into_iter().find(|line| line.starts_with(name));
        line.unwrap().to_ascii_lowercase()
    };
    let (csrf, prefs) = (line("csrftoken=readable"), line("prefs=compact"));
    for line in [&csrf, &prefs] {
        assert!(
            line.contains("; secure") && line.contains("; samesite=lax"),
            "{line}"
        );
    }
    assert!(
        !csrf.contains("httponly") && prefs.contains("; httponly"),
        "{csrf} {prefs}"
    );
    assert!(
        csrf.contains("priority=high"),
        "unknown attributes survive: {csrf}"
    );

    let more = "_ga=1; _ga_1=2; made_by_script=3; SID=forged; csrftoken=changed";
    let held = format!("{}; {more}", browser.ticket_line());
    browser.get("/").holding(&held).send().await;
    assert_eq!(app.last().all("cookie"), ["csrftoken=changed"]);
}

#[tokio::test]
async fn the_app_cannot_set_or_clear_our_ticket() {
    let app = App::answering(|seen| match seen.path() {
        "/" => Reply::ok("ok"),
        _ => Reply::ok("ok")
            .header("set-cookie", "__Host-session=EVIL; Secure; Path=/")
            .header("set-cookie", "__HOST-SESSION=EVIL; Secure; Path=/")
            .header("set-cookie", "=__Host-session=EVIL")
            .header("set-cookie", "__Host-session=; Max-Age=0; Secure; Path=/")
            .header("set-cookie2", "__Host-session=EVIL"),
    })
    .await;
    let setup = Setup {
        site: "[site.cookies]\ndefault = \"pass\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.get("/").send().await;
    let ticket = browser.ticket();

    let answer = browser.get("/overwrite").send().await;

    let told = format!("{:?}", answer.headers);
    assert!(
        !told.contains("EVIL") && !told.contains("set-cookie2"),
        "{told}"
    );
    assert_eq!(browser.ticket(), ticket);
}

#[tokio::test]
async fn clear_site_data_empties_the_jar_and_leaves_the_ticket() {
    let app = App::answering(|seen| match seen.path() {
        "/set" => Reply::ok("ok")
            .header("set-cookie", "a=1; Path=/")
            .header("set-cookie", "b=2; Path=/deep"),
        "/leave" => Reply::ok("ok")
            .header("clear-site-data", "\"cookies\", \"storage\"")
            .header("set-cookie", "flash=bye; Path=/"),
        _ => Reply::ok("ok"),
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/set").send().await;
    let ticket = browser.ticket();

    let answer = browser.get("/leave").send().await;
    browser.get("/deep").send().await;

    assert_eq!(answer.headers["clear-site-data"], "\"storage\"");
    assert_eq!(app.last().all("cookie"), ["flash=bye"]);
    assert_eq!(browser.ticket(), ticket);
}

#[tokio::test]
async fn a_cookie_for_somebody_elses_domain_is_refused() {
    let app = App::answering(|seen| match seen.path() {
        "/set" => Reply::ok("ok")
            .header("set-cookie", "a=1; Domain=evil.test; Path=/")
            .header("set-cookie", "b=1; Domain=com; Path=/")
            .header("set-cookie", "c=1; Domain=localhost; Path=/")
            .header("set-cookie", "__Host-d=1; Path=/"),
        _ => Reply::ok("ok"),
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();

    browser.get("/set").send().await;
    browser.get("/").send().await;

    assert_eq!(app.last().all("cookie"), ["c=1"]);
}

/// Promise: keeping a cookie never undoes the SameSite that the app asked for.
#[tokio::test]
async fn a_strict_cookie_stays_home_when_a_foreign_page_links_to_us() {
    let app = App::answering(|seen| match seen.path() {
        "/set" => Reply::ok("ok")
            .header("set-cookie", "strict=1; Path=/; SameSite=Strict")
            .header("set-cookie", "plain=1; Path=/"),
        _ => Reply::ok("ok"),
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/set").send().await;

    let call = browser.get("/").header("sec-fetch-site", "cross-site");
    let call = call
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    call.send().await;

    assert_eq!(app.last().all("cookie"), ["plain=1"]);
}

#[tokio::test]
async fn several_cookie_fields_are_one_list_and_too_many_are_refused() {
    let app = App::plain().await;
    let setup = Setup {
        site: RULES,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser().http2();

    let call = browser.get("/").holding("");
    let call = call
        .header("cookie", "prefs=1")
        .header("cookie", "csrftoken=2");
    assert_eq!(call.send().await.status(), 200);
    assert_eq!(app.last().all("cookie"), ["prefs=1; csrftoken=2"]);

    let many: Vec<_> = (0..301).map(|number| format!("c{number}=1")).collect();
    let answer = browser.get("/").holding(&many.join("; ")).send().await;
    assert_eq!(answer.status(), 431, "{answer:?}");
}
