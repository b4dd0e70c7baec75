//! Promise: `cloakroom cookie decode` says what a value is and why it would be refused, and shows nothing of what is
//! in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cloakroom::base::clock::{Clock, Time};
use cloakroom::config::keyring::{self, Keys};
use cloakroom::cookie::seal::{Context, Form};
use cloakroom::session::{Place, Ticket};
use serde_json::Value;
use support::{App, Browser, Gate, Reply, Setup, cloakroom};

const RULES: &str = r#"
[site.cookies]
rules = [
    { name = "sealed", mode = "seal" },
    { name = "sealed-too", mode = "seal" },
    { name = "signed", mode = "sign" },
    { name = "sealed-*", mode = "seal", bind = "site", max_age = "4h" },
    { name = "signed-*", mode = "sign", bind = "site", max_age = "4h" },
]
"#;

/// An app that sets cookies from `/start` on.
async fn gate(store: &str) -> (App, Gate) {
    let app = App::answering(|seen| match seen.path() {
        "/start" => Reply::ok("started")
            .header("set-cookie", "SID=kept; Path=/")
            .header("set-cookie", "sealed=three-red-apples; Path=/")
            .header("set-cookie", "signed=three-red-apples; Path=/")
            .header("set-cookie", "sealed-for-all=three-red-apples; Path=/")
            .header("set-cookie", "signed-for-all=three-red-apples; Path=/"),
        _ => Reply::ok("ok"),
    })
    .await;
    let setup = Setup {
        store,
        site: RULES,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    (app, gate)
}

/// The ticket that a visit to `path` gives.
async fn ticket(browser: &Browser, path: &str) -> String {
    assert_eq!(browser.get(path).send().await.status(), 200);
    browser.ticket()
}

/// Runs `cloakroom cookie decode - ARGS` with `lines` as input; tells its exit code and what it printed.
fn decode(folder: &Path, lines: &[&str], args: &[&str]) -> (Option<i32>, String) {
    let args = [
        &["cookie", "decode", "-", "--config", "cloakroom.toml"],
        args,
    ];
    let mut command = cloakroom(folder, &args.concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let input = lines.join("\n") + "\n";
    // One that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    for secret in lines.iter().filter(|line| line.len() > 12) {
        // The key id is in the first of it, and public; no other part is.
        for at in 8..=secret.len() - 8 {
            let part = secret.get(at..at + 8).unwrap();
            assert!(!printed.contains(part), "{part} is shown: {printed}");
        }
    }
    (output.status.code(), printed)
}

/// The same for machines.
fn told(folder: &Path, lines: &[&str], args: &[&str]) -> (Option<i32>, Value) {
    let (code, printed) = decode(folder, lines, &[args, &["--json"]].concat());
    let told = serde_json::from_str(&printed);
    (code, told.unwrap_or_else(|_| panic!("{printed}")))
}

/// What is said of a value that a gateway refuses.
fn refused(told: &(Option<i32>, Value)) -> &str {
    assert_eq!(told.0, Some(1), "{}", told.1);
    told.1["refused"].as_str().unwrap()
}

fn assert_fine(told: &(Option<i32>, Value), tag: &str) {
    assert_eq!(told.0, Some(0), "{}", told.1);
    assert_eq!(
        (&told.1["tag"], &told.1["refused"]),
        (&tag.into(), &Value::Null)
    );
}

fn keys(folder: &Path) -> Keys {
    keyring::read(&folder.join("data/session.keys"), Duration::ZERO).unwrap()
}

fn ago(hours: u64) -> Time {
    let now = Clock::system().now().as_secs();
    Time::from_secs(now - hours * 3600)
}

#[tokio::test]
async fn a_ticket_is_told_by_its_age_its_key_and_whether_it_is_stored() {
    let (_app, gate) = gate("").await;
    let folder = gate.folder();
    let (fresh, stored) = (gate.browser(), gate.browser());
    let (fresh, stored) = (ticket(&fresh, "/").await, ticket(&stored, "/start").await);

    for (value, is_stored) in [(&fresh, false), (&stored, true)] {
        let told = told(folder, &[value], &[]);
        assert_fine(&told, "right");
        let told = told.1;
        assert_eq!(
            (&told["kind"], &told["key_state"]),
            (&"ticket".into(), &"signs".into())
        );
        assert_eq!(told["stored"], is_stored);
        assert!(told["age_secs"].as_u64().unwrap() < 600, "{told}");
    }
    let (code, text) = decode(folder, &[&stored], &[]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "a ticket, marked stored",
        "it signs",
        "tag      right",
        "refused  no",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }

    let touched = format!(
        "{}{}",
        &stored[..40],
        if &stored[40..41] == "A" { "B" } else { "A" }
    ) + &stored[41..];
    assert_eq!(refused(&told(folder, &[&touched], &[])), "forged");
    for cut in [&stored[..60], &stored[..8]] {
        let told = told(folder, &[cut], &[]);
        assert_eq!(
            (refused(&told), &told.1["kind"]),
            ("altered", &"damaged".into())
        );
    }
    for garbage in ["", "dark", "%41%41; ;;=", "ünïcode", &"A".repeat(60_000)] {
        let told = told(folder, &[garbage], &[]);
        assert_eq!(
            (refused(&told), &told.1["kind"]),
            ("not-ours", &"none-of-ours".into())
        );
    }
}

#[tokio::test]
async fn a_ticket_past_its_time_or_its_key_would_be_refused() {
    let (_app, gate) = gate("").await;
    let folder = gate.folder();
    let ring = keys(folder).ring;
    let place = Place::at("__Host-session", "localhost");
    let minted = |hours| Ticket::mint(ago(hours));
    let rows = [
        (minted(2), "idle-expired"),
        (minted(2).marked_stored(), ""),
        (minted(25).marked_stored(), "absolute-expired"),
    ];
    for (ticket, expected) in rows {
        let text = ring.encode(&ticket, &place, ago(0));
        let told = told(folder, &[&text], &[]);
        assert_eq!(told.1["refused"].as_str().unwrap_or_default(), expected);
        assert_eq!(told.0, Some(i32::from(!expected.is_empty())));
        assert_eq!(told.1["tag"], "right");
    }

    let value = ticket(&gate.browser(), "/start").await;
    let id = told(folder, &[&value], &[]).1["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = |args: &[&str]| {
        let args = [&["keys"], args, &["--config", "cloakroom.toml"]].concat();
        let mut command = cloakroom(folder, &args);
        command.env("CLOAKROOM_SESSION__KEYS__ACTIVATE_AFTER", "0s");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["rotate"]);
    // The new key waits for the configured time before it signs.
    assert_eq!(told(folder, &[&value], &[]).1["key_state"], "signs");
    run(&["drop", &id, "--yes"]);
    let told = told(folder, &[&value], &[]);
    assert_eq!(refused(&told), "unknown-key");
    assert_eq!(
        (&told.1["key"], &told.1["key_state"]),
        (&id.into(), &"absent".into())
    );
}

#[tokio::test]
async fn a_ticket_that_carries_its_session_opens_at_its_host_alone() {
    let (_app, gate) = gate("engine = \"cookie\"").await;
    let folder = gate.folder();
    let browser = gate.browser();
    let value = ticket(&browser, "/start").await;

    let unverified = told(folder, &[&value], &[]);
    assert_fine(&unverified, "not-verified");
    assert!(unverified.1["needs"].as_str().unwrap().contains("--host"));
    for host in ["localhost", "LOCALHOST:8443"] {
        let told = told(folder, &[&value], &["--host", host]);
        assert_fine(&told, "right");
        assert_eq!(told.1["kind"], "carrying-ticket");
        assert!(
            told.1["until"].is_string() && told.1["issued"].is_string(),
            "{}",
            told.1
        );
    }
    let elsewhere = told(folder, &[&value], &["--host", "other.test"]);
    assert_eq!(refused(&elsewhere), "forged");
    // At every fourth character a cut leaves whole bytes: a shorter ticket, not a torn one.
    let cut = &value[..value.len() / 4 * 4 - 4];
    let cut = told(folder, &[cut], &["--host", "localhost"]);
    assert_eq!(refused(&cut), "forged");
    let (code, text) = decode(folder, &[&value], &["--host", "a b"]);
    assert_eq!(code, Some(2), "{text}");

    // It knows what binds values to its session.
    let sealed = browser.cookie("sealed").unwrap();
    let bond = [
        "--bond-of-ticket",
        "-",
        "--site",
        "app",
        "--cookie-name",
        "sealed",
    ];
    let at_home = [&bond[..], &["--host", "localhost"]].concat();
    assert_fine(&told(folder, &[&sealed, &value], &at_home), "right");
    let (code, text) = decode(folder, &[&sealed, &value], &bond);
    assert!(code == Some(2) && text.contains("--host"), "{text}");
}

/// Values that a running gateway gave out, told with the ticket that it gave with them.
#[tokio::test]
async fn a_value_of_an_app_is_verified_when_it_is_said_where_it_came_from() {
    let (_app, gate) = gate("").await;
    let (folder, browser) = (gate.folder(), gate.browser());
    let ticket = ticket(&browser, "/start").await;
    for (name, kind) in [("sealed", "sealed"), ("signed", "signed")] {
        let value = browser.cookie(name).unwrap();
        let unverified = told(folder, &[&value], &[]);
        assert_fine(&unverified, "not-verified");
        assert!(unverified.1["needs"].as_str().unwrap().contains("--site"));
        let key = (&unverified.1["kind"], &unverified.1["key_state"]);
        assert_eq!(key, (&kind.into(), &"signs".into()));
        assert!(unverified.1["age_secs"].as_u64().unwrap() < 600);

        let at = |name| ["--site", "app", "--cookie-name", name];
        let unbound = told(folder, &[&value], &at(name));
        assert_fine(&unbound, "not-verified");
        assert!(
            unbound.1["needs"]
                .as_str()
                .unwrap()
                .contains("--bond-of-ticket")
        );
        let with_ticket = |name| [&at(name)[..], &["--bond-of-ticket", "-"]].concat();
        assert_fine(
            &told(folder, &[&value, &ticket], &with_ticket(name)),
            "right",
        );

        let elsewhere = told(folder, &[&value, &ticket], &with_ticket("sealed-too"));
        assert_eq!(
            (refused(&elsewhere), &elsewhere.1["tag"]),
            ("altered", &"wrong".into())
        );
        let cut = &value[..value.len() - 1];
        // Without its ticket nobody can tell, if the cut leaves whole bytes.
        let cut = told(folder, &[cut, &ticket], &with_ticket(name));
        assert_eq!(refused(&cut), "altered");

        // What is bound to the site needs no ticket, and opens with any.
        let name = format!("{name}-for-all");
        let value = browser.cookie(&name).unwrap();
        assert_fine(&told(folder, &[&value], &at(&name)), "right");
        assert_fine(
            &told(folder, &[&value, &ticket], &with_ticket(&name)),
            "right",
        );
    }
}

#[tokio::test]
async fn a_value_past_its_time_or_its_rule_would_be_refused() {
    let (_app, gate) = gate("").await;
    let folder = gate.folder();
    let values = keys(folder).values;
    for (form, name) in [
        (Form::Sealed, "sealed-for-all"),
        (Form::Signed, "signed-for-all"),
    ] {
        let close = |name: &str, until, issued| {
            let context = Context {
                form,
                site: "app",
                name: name.as_bytes(),
                bond: None,
                max_age: None,
            };
            let value = values.close(b"three-red-apples", &context, until, issued);
            String::from_utf8(value).unwrap()
        };
        let at = ["--site", "app", "--cookie-name", name];
        assert_fine(&told(folder, &[&close(name, None, ago(3))], &at), "right");
        // By the max_age of the rule, which only a named cookie has.
        let old = close(name, None, ago(5));
        assert_eq!(refused(&told(folder, &[&old], &at)), "too-old");
        assert_fine(&told(folder, &[&old], &[]), "not-verified");
        let over = close(name, Some(ago(1)), ago(3));
        assert_eq!(refused(&told(folder, &[&over], &[])), "expired");
        assert_eq!(refused(&told(folder, &[&over], &at)), "expired");
        let early = close(name, None, ago(0).plus(Duration::from_secs(600)));
        assert_eq!(refused(&told(folder, &[&early], &at)), "from-the-future");
        let kept = ["--site", "app", "--cookie-name", "kept"];
        let told = told(folder, &[&close("kept", None, ago(0))], &kept);
        assert_eq!(refused(&told), "other-rule");
    }
}

#[tokio::test]
async fn what_was_asked_wrongly_is_no_verdict() {
    let (_app, gate) = gate("").await;
    let folder = gate.folder();
    let rows: [(&[&str], i32, &str); 4] = [
        (
            &["--site", "nosite", "--cookie-name", "a"],
            2,
            "no such site, but app",
        ),
        (&["--site", "app"], 2, "--cookie-name"),
        (
            &[
                "--site",
                "app",
                "--cookie-name",
                "a",
                "--bond-of-ticket",
                "x",
            ],
            2,
            "none of ours",
        ),
        (&["--bond-of-ticket", "x"], 2, "--site"),
    ];
    for (args, code, part) in rows {
        let (ended, printed) = decode(folder, &["dark"], args);
        assert_eq!(ended, Some(code), "{printed}");
        assert!(printed.contains(part), "{part} is missing: {printed}");
    }
    // As an argument, too.
    let args = ["cookie", "decode", "dark", "--config", "cloakroom.toml"];
    let output = cloakroom(folder, &args).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // Nothing can be said without keys, and a configuration that is none has no keys.
    for config in ["nowhere.toml", "gate.pem"] {
        let args = ["cookie", "decode", "dark", "--config", config];
        let output = cloakroom(folder, &args).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{output:?}");
    }
    std::fs::remove_file(folder.join("data/session.keys")).unwrap();
    assert_eq!(decode(folder, &["dark"], &[]).0, Some(78));
}

#[tokio::test]
async fn a_mark_is_told_for_what_it_is() {
    let app = App::answering(|_| Reply::ok("ok").header("x-session-login", "\"alice\"")).await;
    let rule = "{ name = \"SID\", mode = \"keep\", adopt_until = 2999-12-31 }";
    let site = format!("trust_directives = true\n[site.cookies]\nrules = [{rule}]");
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.get("/").send().await;
    let mark = browser.cookie("__Host-session-owner").unwrap();
    let named = ["--site", "app", "--cookie-name", "__Host-session-owner"];
    for args in [&[][..], &named] {
        let told = told(gate.folder(), &[&mark], args);
        assert_fine(&told, "right");
        assert_eq!(told.1["kind"], "mark");
    }
    let end = if mark.ends_with('A') { "B" } else { "A" };
    let touched = format!("{}{end}", &mark[..mark.len() - 1]);
    let told = told(gate.folder(), &[&touched], &named);
    assert_eq!(refused(&told), "altered");
    assert_eq!(told.1["kind"], "mark");
}
