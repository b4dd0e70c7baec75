//! Promise: `cloakroom explain` says what the gateway does with a request, its cookies and the app's, and where the
//! configuration says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{App, Gate, Reply, Setup, cloakroom, configuration, together};

/// A rule of every kind.
const COOKIES: &str = r#"
rules = [
  { name = "csrftoken", mode = "pass", http_only = false },
  { name = "greeting", mode = "pass", non_ascii = true },
  { name = "wp-secret", mode = "keep" },
  { name = "wp-*", mode = "pass" },
  { name = "_ga*", mode = "strip" },
  { name = "moving", mode = "keep", adopt_until = 2999-12-31 },
  { name = "moved", mode = "keep", adopt_until = 2020-12-31 },
  { name = "theme", mode = "mirror" },
  { name = "cart", mode = "seal", max_age = "30d" },
  { name = "lang", mode = "sign", bind = "site" },
  { name = "old-lang", mode = "sign", accept_unsealed_until = 2999-12-31 },
  { name = "waits", mode = "keep", placeholder = true },
]
"#;

/// Runs `cloakroom explain --config cloakroom.toml ARGS` in `folder`; tells its exit code and what it printed.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let args = [&["explain", "--config", "cloakroom.toml"], args].concat();
    let output = cloakroom(folder, &args).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

/// The same for machines, of a request that would reach an app.
fn explain(folder: &Path, args: &[&str]) -> Value {
    let (code, printed) = run(folder, &[args, &["--json"]].concat());
    assert_eq!(code, Some(0), "{printed}");
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"))
}

/// The same of one that would not: exit code and `refused`.
fn refused(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let (code, printed) = run(folder, &[args, &["--json"]].concat());
    let told: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"));
    (code, told["refused"].clone())
}

/// A folder with a configuration and nothing else.
fn folder(site: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup {
        site,
        ..Setup::default()
    };
    let text = configuration(([127, 0, 0, 1], 3000).into(), setup);
    fs::write(folder.path().join("cloakroom.toml"), text).unwrap();
    folder
}

fn ruled(more: &str) -> String {
    format!("{more}\n[site.cookies]\n{COOKIES}")
}

/// Where `text` begins in the configuration of `folder`, for the first time.
fn place_of(folder: &Path, text: &str) -> String {
    let config = fs::read_to_string(folder.join("cloakroom.toml")).unwrap();
    let at = config.find(text).unwrap_or_else(|| panic!("no {text}"));
    let before = &config[..at];
    let line = before.matches('\n').count() + 1;
    let column = at - before.rfind('\n').map_or(0, |end| end + 1) + 1;
    format!("cloakroom.toml:{line}:{column}")
}

#[test]
fn each_cookie_of_the_browser_has_a_verdict_with_the_place_of_its_rule() {
    let folder = folder(&ruled(""));
    let folder = folder.path();
    let rows = [
        (
            "csrftoken=1",
            "passed",
            "yes",
            None,
            "{ name = \"csrftoken\"",
        ),
        (
            "greeting=héllo",
            "passed",
            "yes",
            None,
            "{ name = \"greeting\"",
        ),
        ("wp-x=1", "passed", "yes", None, "{ name = \"wp-*\""),
        ("wp-x=a, wp-y=b", "passed", "yes", None, "{ name = \"wp-*\""),
        (
            "wp-secret=1",
            "dropped",
            "no",
            Some("not-passed"),
            "{ name = \"wp-secret\"",
        ),
        (
            "wp-secre%74=1",
            "dropped",
            "no",
            Some("reads-otherwise"),
            "{ name = \"wp-*\"",
        ),
        (
            "_ga_1=1",
            "dropped",
            "no",
            Some("not-passed"),
            "{ name = \"_ga*\"",
        ),
        (
            "moving=1",
            "adopted",
            "depends",
            None,
            "{ name = \"moving\"",
        ),
        (
            "moving=a\"b",
            "dropped",
            "no",
            Some("stray-quote"),
            "{ name = \"moving\"",
        ),
        ("moved=1", "expired", "no", None, "{ name = \"moved\""),
        ("theme=1", "ignored", "no", None, "{ name = \"theme\""),
        (
            "cart=1",
            "dropped",
            "no",
            Some("not-ours"),
            "{ name = \"cart\"",
        ),
        (
            "lang=1",
            "dropped",
            "no",
            Some("not-ours"),
            "{ name = \"lang\"",
        ),
        (
            "old-lang=1",
            "unsealed",
            "yes",
            None,
            "{ name = \"old-lang\"",
        ),
        (
            "old-lang=a\\b",
            "dropped",
            "no",
            Some("backslash"),
            "{ name = \"old-lang\"",
        ),
        (
            "waits=1",
            "dropped",
            "no",
            Some("not-passed"),
            "{ name = \"waits\"",
        ),
        (
            "csrftoken=a\"b",
            "dropped",
            "no",
            Some("stray-quote"),
            "{ name = \"csrftoken\"",
        ),
        (
            "csrftoken=\"a",
            "dropped",
            "no",
            Some("stray-quote"),
            "{ name = \"csrftoken\"",
        ),
        (
            "csrftoken=a\tb",
            "dropped",
            "no",
            Some("control-byte"),
            "{ name = \"csrftoken\"",
        ),
        (
            "csrftoken=é",
            "dropped",
            "no",
            Some("non-ascii"),
            "{ name = \"csrftoken\"",
        ),
        (
            "csrftoken=1 sid=2",
            "dropped",
            "no",
            Some("holds-another"),
            "{ name = \"csrftoken\"",
        ),
        (
            "wp-a b=1",
            "dropped",
            "no",
            Some("odd-name"),
            "{ name = \"wp-*\"",
        ),
    ];
    for (cookie, verdict, reaches_app, reason, rule) in rows {
        let told = explain(folder, &["--cookie", cookie, "https://localhost/"]);
        let told = &told["cookies"][0];
        assert_eq!(
            (&told["verdict"], &told["reaches_app"], &told["reason"]),
            (&json!(verdict), &json!(reaches_app), &json!(reason)),
            "{cookie}: {told}"
        );
        assert_eq!(told["rule"]["place"], place_of(folder, rule), "{cookie}");
        assert!(!told["why"].as_str().unwrap().is_empty(), "{cookie}");
    }
    // What is decided before rules are asked, or by the default, which is not written here.
    for (cookie, verdict, reason) in [
        ("__Host-session=1", "ticket", None),
        ("__HOST-session=1", "dropped", Some("lookalike")),
        ("=__Host-session=1", "dropped", Some("lookalike")),
        ("other=1", "dropped", Some("not-passed")),
        ("$Version=1", "dropped", Some("dollar-name")),
        ("=1", "dropped", Some("nameless")),
    ] {
        let told = explain(folder, &["--cookie", cookie, "https://localhost/"]);
        let told = &told["cookies"][0];
        assert_eq!(
            (&told["verdict"], &told["reason"]),
            (&json!(verdict), &json!(reason)),
            "{told}"
        );
        assert_eq!(told["rule"]["place"], Value::Null, "{told}");
    }
    // The first of a name counts, over all fields.
    let told = explain(
        folder,
        &[
            "--header",
            "Cookie: csrftoken=1; csrftoken=2",
            "--cookie",
            "wp-x=1; csrftoken=3",
            "https://localhost/",
        ],
    );
    let cookies = told["cookies"].as_array().unwrap().iter();
    let reasons: Vec<_> = cookies.map(|cookie| cookie["reason"].as_str()).collect();
    assert_eq!(reasons, [None, Some("again"), None, Some("again")]);
}

#[test]
fn each_cookie_of_the_app_has_a_verdict_with_what_comes_of_it() {
    let folder = folder(&ruled("host = \"app.internal\""));
    let folder = folder.path();
    let told = |line: &str| {
        let told = explain(folder, &["--set-cookie", line, "https://localhost/a/b"]);
        told["set_cookies"][0].clone()
    };
    let kept = told("sid=1; HttpOnly; SameSite=Strict");
    assert_eq!(kept["verdict"], "kept");
    let expected = json!({
        "domain": "app.internal", "host_only": true, "path": "/a", "expires": null, "same_site": "Strict",
    });
    assert_eq!(kept["jar"], expected, "by the Host that the app is sent");
    assert_eq!(kept["browser"], Value::Null);

    for (line, verdict, browser) in [
        (
            "theme=dark; Path=/",
            "mirrored",
            Some("theme=dark; Path=/; Secure; SameSite=Lax"),
        ),
        (
            "Set-Cookie: cart=1,2; Priority=High",
            "sealed",
            Some("cart=<sealed>; Priority=High; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax"),
        ),
        (
            "lang=de; Path=/",
            "signed",
            Some("lang=<signed>; Path=/; Secure; SameSite=Lax"),
        ),
        (
            "csrftoken=1; Domain=localhost",
            "passed",
            Some("csrftoken=1; Secure; SameSite=Lax"),
        ),
        (
            "csrftoken=; Max-Age=0",
            "passed",
            Some("csrftoken=; Max-Age=0; Secure; SameSite=Lax"),
        ),
        ("sid=; Max-Age=0", "deleted", None),
        ("_ga=1", "stripped", None),
        ("x=1; Domain=com", "refused", None),
        ("__Host-session=1", "refused", None),
        ("__Host-x=1", "refused", None),
    ] {
        let told = told(line);
        assert_eq!(told["verdict"], verdict, "{line}: {told}");
        assert_eq!(told["browser"], json!(browser), "{line}");
    }
    assert_eq!(told("x=1; Domain=com")["why"], "Domain is a public suffix");
    assert_eq!(
        told("_ga=1")["rule"]["place"],
        place_of(folder, "{ name = \"_ga*\"")
    );
    // A sealed value that no browser would take is told as such: it has the size of the real one.
    let large = format!("cart={}", "x".repeat(3500));
    assert_eq!(told(&large)["verdict"], "refused");

    // Without a session nothing can be kept in it, or bound to it.
    let other = [
        "--header",
        "Sec-Fetch-Site: cross-site",
        "https://localhost/",
    ];
    let told = |line: &str| {
        let told = explain(folder, &[&["--set-cookie", line], &other[..]].concat());
        told["set_cookies"][0]["verdict"].clone()
    };
    assert_eq!(told("sid=1; SameSite=None"), "lost");
    assert_eq!(told("sid=1"), "refused");
    assert_eq!(told("cart=1"), "refused");
    assert_eq!(told("lang=1"), "signed", "bound to the site alone");
}

#[test]
fn it_is_told_which_apps_a_site_has_and_what_each_is_for() {
    let folder = folder("");
    let file = folder.path().join("cloakroom.toml");
    let text = fs::read_to_string(&file).unwrap();
    let one = "\"http://127.0.0.1:3000\"";
    let more = "{ url = \"http://127.0.0.1:3001\", weight = 2, drain = true }, \
                { url = \"http://127.0.0.1:3002\", backup = true }";
    fs::write(&file, text.replace(one, &format!("{one}, {more}"))).unwrap();
    let told = explain(folder.path(), &["https://localhost/"]);
    let app = |port: u16, weight: u32, drain: bool, backup: bool| {
        let url = format!("http://127.0.0.1:{port}");
        json!({ "url": url, "weight": weight, "drain": drain, "backup": backup })
    };
    let apps = [
        app(3000, 1, false, false),
        app(3001, 2, true, false),
        app(3002, 1, false, true),
    ];
    assert_eq!(told["site"]["upstreams"], json!(apps));
    let (_, printed) = run(folder.path(), &["https://localhost/"]);
    for line in [
        "http://127.0.0.1:3000: weight 1\n",
        "http://127.0.0.1:3001: weight 2, drained\n",
        "http://127.0.0.1:3002: weight 1, backup\n",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn it_is_told_which_site_and_rule_a_request_is_for_or_why_none() {
    let more = r#"
strip_path_params = ["jsessionid"]
[[site.rule]]
path = "/poll/*"
session = "observe"
[[site]]
name = "deep"
hosts = ["localhost", "*.below.test"]
path = "/deep"
session = "off"
upstream = ["http://127.0.0.1:3001"]
[[site.rule]]
path = "/deep/acs"
cross_site = "allow"
"#;
    let folder = folder(more);
    let folder = folder.path();
    let told = explain(folder, &["https://localhost/poll/x"]);
    let site = &told["site"];
    assert_eq!(
        (&site["name"], &site["upstream"], &site["session"]),
        (
            &json!("app"),
            &json!("http://127.0.0.1:3000"),
            &json!("observe")
        )
    );
    assert_eq!(site["place"], place_of(folder, "[[site]]\nname = \"app\""));
    assert_eq!(site["rule"]["place"], place_of(folder, "[[site.rule]]"));

    let told = explain(folder, &["https://a.below.test:8443/deep/../deep/acs"]);
    let site = &told["site"];
    assert_eq!(
        (&site["name"], &site["path"]),
        (&json!("deep"), &json!("/deep"))
    );
    assert_eq!(site["rule"]["cross_site"], "allow");
    assert_eq!(
        site["rule"]["place"],
        place_of(folder, "[[site.rule]]\npath = \"/deep/acs\"")
    );
    let told = explain(folder, &["https://localhost/deepest;jsessionid=1"]);
    assert_eq!(told["site"]["name"], "app");
    assert_eq!(told["site"]["target"], "/deepest");

    for (url, status, reason, near) in [
        (
            "https://strange.test/",
            421,
            "unknown-host",
            vec!["app", "deep"],
        ),
        ("https://a.below.test/", 404, "no-site", vec!["deep"]),
        (
            "https://localhost/.cloakroom/x",
            404,
            "own-path",
            vec!["app", "deep"],
        ),
        (
            "https://localhost/a%2fb",
            400,
            "ambiguous-path",
            vec!["app", "deep"],
        ),
        ("https://local host/", 400, "bad-request", vec![]),
    ] {
        let (code, refused) = refused(folder, &[url]);
        assert_eq!(code, Some(1), "{url}");
        assert_eq!(
            (&refused["status"], &refused["reason"]),
            (&json!(status), &json!(reason)),
            "{url}"
        );
        let sites = refused["sites"].as_array().unwrap().iter();
        let names: Vec<_> = sites.map(|site| site["name"].as_str().unwrap()).collect();
        assert_eq!(names, near, "{url}");
    }
    let many = vec!["a=1"; 301].join("; ");
    let (code, told) = refused(folder, &["--cookie", &many, "https://localhost/"]);
    assert_eq!((code, &told["status"]), (Some(1), &json!(431)));
    assert!(
        told["why"].as_str().unwrap().contains("300 pairs"),
        "{told}"
    );

    for args in [
        &["--header", "nothing", "https://localhost/"][..],
        &["--method", "A B", "https://localhost/"],
        &["http://localhost/"],
        &["--cookie", "a=\u{1}", "https://localhost/"],
        &[],
    ] {
        assert_eq!(run(folder, args).0, Some(2), "{args:?}");
    }
    fs::write(folder.join("cloakroom.toml"), "[sever]").unwrap();
    assert_eq!(run(folder, &["https://localhost/"]).0, Some(78));
}

#[test]
fn nothing_is_made_or_changed_and_no_value_of_the_browser_is_shown() {
    let folder = folder(&ruled(""));
    let folder = folder.path();
    let secret = "three-red-apples";
    let cookies = format!("__Host-session={secret}; cart={secret}; csrftoken={secret}; ={secret}");
    for json in [&[][..], &["--json"]] {
        let args = [&["--cookie", &cookies, "https://localhost/"], json].concat();
        let (code, printed) = run(folder, &args);
        assert_eq!(code, Some(0), "{printed}");
        assert!(!printed.contains(secret), "{printed}");
    }
    let left: Vec<_> = fs::read_dir(folder).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn people_get_aligned_lines() {
    let folder = folder(&ruled(""));
    let args = ["--cookie", "csrftoken=1; _ga=2", "https://localhost/x"];
    let (_, printed) = run(folder.path(), &args);
    for line in [
        "GET https://localhost/x\n",
        "\n  csrftoken  passed   as it came\n",
        "\n  _ga        dropped  no rule says pass\n",
        &format!(
            "\n                      _ga* = strip ({})\n",
            place_of(folder.path(), "{ name = \"_ga*\"")
        ),
    ] {
        assert!(printed.contains(line), "{line:?} in {printed}");
    }
    let folder = self::folder(&ruled("").replace("rules =", "enforce = false\nrules ="));
    let (_, printed) = run(folder.path(), &args);
    assert!(
        printed.contains("report only (enforce = false)"),
        "{printed}"
    );
    assert!(
        printed.contains("\n  _ga        reported  as it came"),
        "{printed}"
    );
}

#[test]
fn every_line_of_the_example_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let args = [
        "explain",
        "--config",
        "config.example.toml",
        "--json",
        "--cookie",
        "csrftoken=1; _ga_x=1; PHPSESSID=1; JSESSIONID=1; cart=1; lang=1; greeting=1; other=1",
        "https://localhost/poll",
    ];
    let output = cloakroom(root, &args).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cookies = told["cookies"].as_array().unwrap();
    let places: Vec<_> = cookies
        .iter()
        .map(|cookie| &cookie["rule"]["place"])
        .collect();
    let config = fs::read_to_string(root.join("config.example.toml")).unwrap();
    for (name, place) in [
        "csrftoken",
        "_ga*",
        "PHPSESSID",
        "JSESSIONID",
        "cart",
        "lang",
        "greeting",
    ]
    .iter()
    .zip(places)
    {
        let rule = format!("  {{ name = \"{name}\"");
        let line = config
            .lines()
            .position(|line| line.starts_with(&rule))
            .unwrap();
        assert_eq!(
            place,
            &format!("config.example.toml:{}:3", line + 1),
            "{name}"
        );
    }
    assert_eq!(told["site"]["session"], "observe");
}

// === against a running gateway ===

/// What a browser may hold, one by one.
const BROUGHT: &[&str] = &[
    "csrftoken=1",
    "csrftoken=a b",
    "csrftoken=\"a b\"",
    "csrftoken=a\"b",
    "csrftoken=\"a",
    "csrftoken=a\\b",
    "csrftoken=a,sid=2",
    "csrftoken=a,wp-x=2",
    "csrftoken=a __Host-session=2",
    "csrftoken=\u{e9}",
    "csrftoken=a\tb",
    "csrftoken=",
    "csrftoken",
    "greeting=h\u{e9}llo",
    "greeting=h\u{e9} sid=1",
    "wp-1=a",
    "wp-secret=a",
    "wp-secre%74=a",
    "wp-__Host-session=a",
    "wp-a b=1",
    "wp.x=1",
    "_ga=1",
    "_ga.x=1",
    "moving=1",
    "moving=a\"b",
    "moved=1",
    "theme=1",
    "theme=a\\b",
    "cart=1",
    "cart=a\"b",
    "lang=1",
    "old-lang=1",
    "old-lang=a b",
    "old-lang=a sid=1",
    "old-lang=\"",
    "waits=1",
    "other=1",
    "other=a\\b",
    "$Version=1",
    "$csrftoken=1",
    "=csrftoken=1",
    "=1",
    "__Host-session=1",
    "__HOST-session=1",
    "__host_session=1",
    "__Host-session%20=1",
    "csrftoken=1; csrftoken=2",
    "other=1; other=2",
    "csrftoken=1; wp-a=2; sid=3; _ga=4; moving=5; old-lang=6; other=7; csrftoken=8; =9",
];

/// The names in a Cookie field of the app, in order; without the placeholder, which has a random value.
fn names(line: &str) -> Vec<String> {
    let is_placeholder = |pair: &str| pair.starts_with("waits=") && pair.len() > "waits=1".len();
    let pairs = line
        .split("; ")
        .filter(|pair| !pair.is_empty() && !is_placeholder(pair));
    pairs
        .map(|pair| pair.split_once('=').map_or("", |(name, _)| name).to_owned())
        .collect()
}

async fn brought_agrees(gate: &Gate, app: &App) {
    for cookies in BROUGHT {
        let browser = gate.browser();
        let line = http::HeaderValue::from_bytes(cookies.as_bytes()).unwrap();
        let answer = browser.get("/x").raw_header("cookie", line).send().await;
        assert_eq!(answer.status(), 200, "{cookies}");
        let seen = app.last();
        let fields = seen.headers.get_all("cookie").iter();
        let fields: Vec<_> = fields
            .map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned())
            .collect();
        let seen = names(&fields.join("; "));

        let told = explain(gate.folder(), &["--cookie", cookies, "https://localhost/x"]);
        let told = told["cookies"].as_array().unwrap().iter();
        // A visitor who is new has nothing in the jar: what moves there goes up.
        let goes_up = told.filter(|cookie| match cookie["reaches_app"].as_str().unwrap() {
            "yes" => true,
            "no" => false,
            _ => matches!(cookie["verdict"].as_str(), Some("adopted" | "ignored")),
        });
        let told: Vec<_> = goes_up
            .map(|cookie| cookie["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(told, seen, "{cookies}: the app got {fields:?}");
    }
}

#[tokio::test]
async fn what_is_told_of_the_browsers_cookies_is_what_a_gateway_does() {
    let app = App::plain().await;
    let site = ruled("");
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    brought_agrees(&Gate::with(&app, setup).await, &app).await;
}

#[tokio::test]
async fn what_is_told_of_a_site_that_only_reports_is_what_a_gateway_does() {
    let app = App::plain().await;
    let site = ruled("").replace("rules =", "enforce = false\nrules =");
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    brought_agrees(&Gate::with(&app, setup).await, &app).await;
}

/// What an app may set, one by one.
const SET: &[&str] = &[
    "sid=1; Path=/",
    "sid=1; Path=/; Domain=com",
    "sid=; Max-Age=0",
    "theme=dark; Path=/; HttpOnly",
    "theme=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    "cart=apples; Path=/; Priority=High",
    "cart=; Max-Age=0",
    "lang=de; SameSite=None; Domain=localhost",
    "csrftoken=1; Path=/; Max-Age=60; SameSite=Strict",
    "csrftoken=1; Domain=localhost; Partitioned",
    "_ga=1",
    "__Host-session=1; Path=/; Secure",
    "__Host-x=1",
    "=nameless",
    "wp-a=\u{e9}",
];

#[tokio::test]
async fn what_is_told_of_the_apps_cookies_is_what_a_gateway_does() {
    let app = App::answering(|seen| {
        let nth: Option<usize> = seen.path().trim_start_matches('/').parse().ok();
        Reply::ok("ok").header("set-cookie", nth.map_or("", |nth| SET[nth]))
    })
    .await;
    let site = ruled("");
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let all = SET.iter().enumerate().map(|(nth, line)| {
        let gate = &gate;
        async move {
            let path = format!("/{nth}");
            let browser = gate.browser();
            // A session that is stored: there is nothing to delete in another.
            browser.get("/0").send().await;
            let answer = browser.get(&path).send().await;
            let fields = answer.headers.get_all("set-cookie").iter();
            let fields = fields.map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned());
            let got: Vec<String> = fields
                .filter(|field| !field.starts_with("__Host-session="))
                .map(|field| masked(&field))
                .collect();
            let url = format!("https://localhost{path}");
            let told = explain(gate.folder(), &["--set-cookie", line, &url]);
            let told = told["set_cookies"][0]["browser"]
                .as_str()
                .map(str::to_owned);
            assert_eq!(got, told.into_iter().collect::<Vec<_>>(), "{line}");
        }
    });
    together(all).await;
}

/// What a browser got, with a word for what only a gateway can know.
fn masked(field: &str) -> String {
    for (name, word) in [("cart", "<sealed>"), ("lang", "<signed>")] {
        let value = field
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='));
        if let Some((value, rest)) = value.and_then(|value| value.split_once(';'))
            && !value.is_empty()
        {
            return format!("{name}={word};{rest}");
        }
    }
    field.to_owned()
}

#[tokio::test]
async fn what_is_told_of_headers_is_what_the_app_sees() {
    let app = App::plain().await;
    let site = ruled("")
        + "[site.headers]\n\"X-Session-Id\" = \"{session.id}\"\n\"X-Visit\" = \"at {client.ip}\"\n";
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let sent = [
        ("x-session-user", "root"),
        ("x_visit", "forged"),
        ("x-forwarded-for", "1.1.1.1"),
        ("cookie2", "$Version=1"),
        ("connection", "x-private"),
        ("x-private", "1"),
        ("accept", "*/*"),
        ("via", "1.1 other"),
    ];
    let browser = gate.browser();
    let mut call = browser.get("/").holding("csrftoken=1");
    let mut args = vec!["--cookie".to_owned(), "csrftoken=1".to_owned()];
    for (name, value) in sent {
        call = call.header(name, value);
        args.extend(["--header".to_owned(), format!("{name}: {value}")]);
    }
    call.send().await;
    let seen = app.last();
    args.push("https://localhost/".to_owned());
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let told = explain(gate.folder(), &args);
    let headers = &told["headers"];
    let removed = headers["removed"].as_array().unwrap();
    let mut removed: Vec<_> = removed.iter().map(|name| name.as_str().unwrap()).collect();
    removed.sort_unstable();
    assert_eq!(
        removed,
        [
            "connection",
            "cookie2",
            "x-forwarded-for",
            "x-private",
            "x-session-user",
            "x_visit"
        ]
    );
    for (name, value) in sent {
        let is_seen = seen.all(name).contains(&value.to_owned());
        assert_eq!(is_seen, !removed.contains(&name), "{name}");
    }
    let set = headers["set"].as_array().unwrap();
    let mut set: Vec<_> = set
        .iter()
        .map(|line| line["name"].as_str().unwrap())
        .collect();
    set.sort_unstable();
    let ours = seen.headers.keys().map(http::HeaderName::as_str);
    let mut ours: Vec<_> = ours
        .filter(|name| !["host", "accept", "cookie"].contains(name))
        .collect();
    ours.sort_unstable();
    assert_eq!(set, ours);
    let fields: Vec<_> = headers["cookie"].as_array().unwrap().iter().collect();
    let froms: Vec<_> = fields
        .iter()
        .map(|field| field["from"].as_str().unwrap())
        .collect();
    assert_eq!(froms, ["jar", "placeholder", "browser"]);
}

#[tokio::test]
async fn what_is_told_of_other_sites_is_what_a_gateway_does() {
    let app =
        App::answering(|_| Reply::ok("ok").header("set-cookie", "sid=1; Path=/; SameSite=None"))
            .await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/").send().await;
    let origin = gate.origin();
    let rows: [(&str, &[(&'static str, &str)]); 8] = [
        ("GET", &[]),
        ("POST", &[]),
        ("GET", &[("sec-fetch-site", "cross-site")]),
        ("POST", &[("sec-fetch-site", "cross-site")]),
        (
            "GET",
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
        ),
        ("POST", &[("origin", "https://evil.test")]),
        ("POST", &[("origin", &origin)]),
        ("POST", &[("sec-fetch-site", "same-site")]),
    ];
    for (method, headers) in rows {
        let mut args = vec!["--method".to_owned(), method.to_owned()];
        for (name, value) in headers {
            args.extend(["--header".to_owned(), format!("{name}: {value}")]);
        }
        args.push(format!("{origin}/"));
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let told = explain(gate.folder(), &args)["provenance"].clone();
        let ask = |own: bool| {
            let call = browser.call(method.parse().unwrap(), "/");
            let call = if own {
                call.holding(&browser.ticket_line())
            } else {
                call.holding("")
            };
            headers
                .iter()
                .fold(call, |call, (name, value)| call.header(name, value))
        };
        let refused = ask(true).send().await.status() == 403;
        assert_eq!(
            told["refused_with_session"], refused,
            "{method} {headers:?}"
        );
        // A newcomer gets a ticket exactly where it could have come along.
        let newcomer = ask(false).send().await;
        let gets_one = newcomer.headers.contains_key("set-cookie");
        assert_eq!(told["could_carry_ticket"], gets_one, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn what_a_gateway_sealed_or_signed_is_told_apart_and_not_shown() {
    let app = App::answering(|_| {
        Reply::ok("ok")
            .header("set-cookie", "cart=three-red-apples; Path=/")
            .header("set-cookie", "lang=three-red-apples; Path=/")
    })
    .await;
    let site = ruled("");
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.get("/").send().await;
    let everything = browser.everything();
    let told = explain(
        gate.folder(),
        &["--cookie", &everything, "https://localhost/"],
    );
    for cookie in told["cookies"].as_array().unwrap() {
        let (verdict, reaches_app) = match cookie["name"].as_str().unwrap() {
            "__Host-session" => ("ticket", "no"),
            _ => ("opened", "depends"),
        };
        assert_eq!(
            (&cookie["verdict"], &cookie["reaches_app"]),
            (&json!(verdict), &json!(reaches_app)),
            "{cookie}"
        );
    }
    let (_, printed) = run(
        gate.folder(),
        &["--cookie", &everything, "https://localhost/"],
    );
    for name in ["__Host-session", "cart", "lang"] {
        let value = browser.cookie(name).unwrap();
        assert!(!printed.contains(&value[..16]), "{name}: {printed}");
    }
}
