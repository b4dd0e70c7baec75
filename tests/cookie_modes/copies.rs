//! What the browser holds of a session goes with the session, and nothing else does.

use super::support::{App, Setup};
use super::{Gate, app, gate, gate_with};

const GUARDED: &str = "{ name = \"remember\", mode = \"seal\" }, { name = \"theme\", mode = \"mirror\" }, \
                       { name = \"dev\", mode = \"seal\", bind = \"site\" }, \
                       { name = \"lang\", mode = \"sign\", bind = \"site\" }";

#[tokio::test]
async fn a_policy_that_only_reports_takes_nothing_away() {
    let app = app().await;
    let site =
        format!("trust_directives = true\n[site.cookies]\nenforce = false\nrules = [{GUARDED}]\n");
    let gate = gate_with(&app, &site).await;
    let browser = gate.browser();
    for name in ["remember", "theme", "dev", "lang"] {
        browser.plant("localhost", "/", &format!("{name}=plain; Path=/"));
    }
    let held = browser.everything();
    for target in ["/login", "/login-bob", "/logout"] {
        browser.get(target).send().await;
        let ticket = browser.cookie("__Host-session");
        let ours = ticket.map_or(String::new(), |ticket| format!("; __Host-session={ticket}"));
        let left = browser.everything();
        assert_eq!(left.replace(&ours, ""), held, "{target}");
    }
}

#[tokio::test]
async fn a_plain_value_that_still_counts_survives_login_and_logout() {
    let app = app().await;
    let rules = "{ name = \"remember\", mode = \"seal\", accept_unsealed_until = 2999-12-31 }, \
                 { name = \"tz\", mode = \"sign\", accept_unsealed_until = 2999-12-31 }";
    let gate = gate(&app, rules).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "remember=me; Path=/");
    browser.plant("localhost", "/", "tz=utc; Path=/");
    for target in ["/", "/login", "/login", "/login-bob", "/logout"] {
        browser.get(target).send().await;
        let brought = app.last().all("cookie");
        assert_eq!(brought, ["remember=me; tz=utc"], "{target}");
    }
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["remember=me; tz=utc"]);
    // What the app sets goes out sealed, and then it is ours to take away.
    browser.get("/login?remember=you;%20Path=/").send().await;
    browser.get("/logout").send().await;
    assert_eq!(browser.names(), ["tz"]);
}

#[tokio::test]
async fn what_is_bound_to_the_site_outlives_a_logout() {
    let app = app().await;
    let gate = gate(&app, GUARDED).await;
    let browser = gate.browser();
    let set = "/set?dev=1;%20Path=/&lang=de;%20Path=/&remember=me;%20Path=/";
    for end in ["/logout", "/login-bob"] {
        browser.get("/login").send().await;
        browser.get(set).send().await;
        browser.get(end).send().await;
        browser.get("/").send().await;
        assert_eq!(app.last().all("cookie"), ["dev=1; lang=de"], "{end}");
        assert_eq!(browser.cookie("remember"), None, "{end}");
    }
}

const ONE: &str = "{ name = \"se*\", mode = \"seal\" }, { name = \"mi*\", mode = \"mirror\" }";
const ANY: &str = "{ name = \"*\", mode = \"pass\" }";

/// A site `two` beside the first: at these hosts and this path.
async fn gate_of_two(app: &App, rules: [&str; 2], hosts: &str, path: &str) -> Gate {
    let [one, two] = rules;
    let site = format!(
        "trust_directives = true\n[site.cookies]\nrules = [{one}]\n\
         [[site]]\nname = \"two\"\nhosts = [{hosts}]\npath = \"{path}\"\n\
         upstream = [\"http://{}\"]\ntrust_directives = true\n[site.cookies]\nrules = [{two}]\n",
        app.addr()
    );
    gate_with(app, &site).await
}

/// Starts the gateway anew with another configuration.
async fn rewrite(gate: &mut Gate, edit: impl Fn(String) -> String) {
    let file = gate.folder().join("cloakroom.toml");
    let text = std::fs::read_to_string(&file).expect("the configuration");
    std::fs::write(&file, edit(text)).expect("to write it");
    gate.stop().await;
    gate.restart().await;
}

const SET: &str =
    "/set?se1=1;%20Path=/&mi1=TOKEN;%20Path=/&se2=2;%20Path=/deep/er&mi2=TOKEN;%20Path=/deep/er";

#[tokio::test]
async fn copies_of_every_site_go_with_the_session() {
    let app = app().await;
    for two in ["", ANY, ONE] {
        let gate = gate_of_two(&app, [ONE, two], "\"localhost\"", "/two").await;
        for end in ["/two/logout", "/two/login-bob"] {
            let browser = gate.browser();
            browser.get("/login").send().await;
            browser.get(SET).send().await;
            assert_eq!(browser.names().len(), 5);
            browser.get(end).send().await;
            let left = browser.names();
            let is_ours = |name: &String| *name == "__Host-session";
            assert!(left.iter().all(is_ours), "{two} {end}: {left:?}");
        }
    }
}

#[tokio::test]
async fn what_another_site_passes_under_the_name_of_a_copy_is_its_own() {
    let app = app().await;
    let gate = gate_of_two(&app, [ONE, ANY], "\"localhost\"", "/two").await;
    // Beside the copy, and in its place.
    for (copy, own) in [("/", "/two"), ("/two/a", "/two/a"), ("/two/a", "/two")] {
        for end in ["/two/logout", "/logout", "/login-bob", "/two/login-bob"] {
            let browser = gate.browser();
            browser.get("/login").send().await;
            let target = format!("/set?se1=1;%20Path={copy}");
            browser.get(&target).send().await;
            let target = format!("/two/set?se1=own;%20Path={own}");
            browser.get(&target).send().await;
            browser.get(end).send().await;
            browser.get("/two/a").send().await;
            let brought = app.last().cookies();
            let own_pair = ("se1".to_owned(), "own".to_owned());
            assert!(
                brought.contains(&own_pair),
                "{copy} {own} {end}: {brought:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_site_that_clears_its_data_leaves_the_copies_of_others() {
    let app = app().await;
    for two in ["", ANY] {
        let gate = gate_of_two(&app, [ONE, two], "\"localhost\"", "/two").await;
        let browser = gate.browser();
        browser.get("/login").send().await;
        browser.get(SET).send().await;
        browser.get("/two/set?own=1;%20Path=/").send().await;
        browser.get("/two/clear").send().await;
        assert_eq!(browser.cookie("own"), None);
        browser.get("/deep/er").send().await;
        let mut brought = app.last().cookies();
        brought.sort();
        let names: Vec<_> = brought.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["mi1", "mi2", "se1", "se2"], "{two}");
    }
}

#[tokio::test]
async fn a_copy_that_is_for_another_host_waits_for_it_and_costs_nobody_a_cookie() {
    let app = app().await;
    let mut gate = gate_of_two(&app, [ONE, ANY], "\"b.other.test\"", "/").await;
    let shared = "[session.cookie]\nname = \"sid\"\ndomain = \"other.test\"\n[session.keys]";
    rewrite(&mut gate, |text| {
        let text = text.replace(
            "hosts = [\"localhost\", \"other.test\"]",
            "hosts = [\"other.test\"]",
        );
        text.replace("[session.keys]", shared)
    })
    .await;
    for end in ["/clear", "/logout", "/login-bob"] {
        let browser = gate.browser();
        let at = |host: &'static str, target: &'static str| browser.get(target).host(host).send();
        at("other.test", "/login").await;
        at("other.test", "/set?se1=1;%20Path=/deep").await;
        at("b.other.test", "/set?se1=own;%20Path=/deep").await;
        at("b.other.test", end).await;
        if end == "/clear" {
            at("other.test", "/deep").await;
            assert_eq!(
                app.last().all("cookie"),
                ["se1=1"],
                "the first site's stays"
            );
        } else {
            at("b.other.test", "/deep").await;
            assert_eq!(app.last().all("cookie"), ["se1=own"], "{end}");
        }
        if end == "/login-bob" {
            // The next end of a session at the host itself finds it.
            at("other.test", "/logout").await;
            assert_eq!(browser.names(), ["se1"], "that of the second site");
        }
    }
}

#[tokio::test]
async fn a_copy_for_a_domain_far_above_goes_too() {
    let app = app().await;
    let mut gate = gate(&app, ONE).await;
    let hosts = "hosts = [\"localhost\", \"other.test\"";
    rewrite(&mut gate, |text| {
        text.replace(hosts, &format!("{hosts}, \"*.other.test\""))
    })
    .await;
    let browser = gate.browser();
    let at = |target: &'static str| browser.get(target).host("x.a.b.c.other.test").send();
    at("/login").await;
    let set =
        at("/set?se1=1;%20Domain=other.test;%20Path=/&mi1=1;%20Domain=c.other.test;%20Path=/");
    let set = set.await.set_cookies().join("\n");
    assert!(
        set.contains("; Domain=other.test") && set.contains("; Domain=c.other.test"),
        "{set}"
    );
    at("/logout").await;
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn what_the_app_sets_last_stays_where_a_copy_was() {
    let app = app().await;
    let mut gate = gate(&app, ONE).await;
    let browser = gate.browser();
    let (seals, passes) = ("\"se*\", mode = \"seal\"", "\"se*\", mode = \"pass\"");
    for end in ["/logout", "/clear"] {
        browser.get("/login").send().await;
        browser.get("/set?se1=1;%20Path=/deep").send().await;
        rewrite(&mut gate, |text| text.replace(seals, passes)).await;
        let target = format!("{end}?se1=bye;%20Path=/deep");
        browser.get(&target).send().await;
        browser.get("/deep").send().await;
        assert_eq!(app.last().all("cookie"), ["se1=bye"], "{end}");
        rewrite(&mut gate, |text| text.replace(passes, seals)).await;
    }
}

#[tokio::test]
async fn a_long_path_is_remembered_too() {
    let app = app().await;
    let gate = gate(&app, ONE).await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    for bytes in [460, 600, 1010] {
        let target = format!("/set?se1=1;%20Path=/{}", "l".repeat(bytes));
        browser.get(&target).send().await;
    }
    assert_eq!(browser.names().len(), 4);
    browser.get("/logout").send().await;
    assert_eq!(browser.names(), [""; 0]);
}

/// More of them than there is room for in all the places where they may stand.
#[tokio::test]
async fn of_many_copies_each_goes_from_its_likeliest_place_first() {
    let app = app().await;
    let gate = gate_of_two(&app, ["", ONE], "\"x.a.b.c.other.test\"", "/").await;
    let browser = gate.browser();
    let at = |target: String| {
        let call = browser.get(&target).host("x.a.b.c.other.test");
        call.send()
    };
    at("/login".to_owned()).await;
    let all: Vec<_> = (0..20).map(|nth| format!("se{nth}=1;%20Path=/")).collect();
    at(format!("/set?{}", all.join("&"))).await;
    at("/set?mi1=TOKEN;%20Path=/deep/er&se99=1;%20Path=/deep&mi2=TOKEN;%20Path=/".to_owned()).await;
    assert_eq!(browser.names().len(), 24);
    let answer = at("/logout".to_owned()).await;
    assert_eq!(browser.names(), [""; 0]);
    let set = answer.set_cookies();
    let first: Vec<_> = set[..3].iter().map(|line| &line[..4]).collect();
    assert_eq!(first, ["mi2=", "mi1=", "se99"], "{set:?}");
    let bytes: usize = set.iter().map(String::len).sum();
    assert!(bytes > 7 * 1024 && bytes < 8 * 1024 + 256, "{bytes}");
}

#[tokio::test]
async fn remembered_copies_cost_a_session_in_its_cookie_no_room() {
    let app = app().await;
    let setup = Setup {
        store: "engine = \"cookie\"\nrevocations = \"data/ended.db\"",
        site: &format!("trust_directives = true\n[site.cookies]\nrules = [{ONE}]"),
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    for nth in 0..20 {
        let target = format!("/set?se1=1;%20Path=/{nth}{}", "l".repeat(40 * nth));
        browser.get(&target).send().await;
    }
    let value = "x".repeat(1500);
    browser
        .get(&format!("/set?sid={value};%20Path=/"))
        .send()
        .await;
    browser.get("/login").send().await;
    browser.get("/").send().await;
    let seen = app.last();
    assert_eq!(seen.cookie("sid"), Some(value));
    assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
}

#[tokio::test]
async fn what_was_sealed_before_the_app_cleared_its_data_opens_no_more() {
    let app = app().await;
    let rules = "{ name = \"se*\", mode = \"seal\" }, { name = \"si*\", mode = \"sign\" }";
    let gate = gate_of_two(&app, [rules, rules], "\"localhost\"", "/two").await;
    let browser = gate.browser();
    browser
        .get("/login?se1=1;%20Path=/&si1=1;%20Path=/")
        .send()
        .await;
    browser.get("/two/set?se2=2;%20Path=/two").send().await;
    let value = |name: &str| format!("{name}={}", browser.cookie(name).unwrap());
    let kept = format!("{}; {}; {}", value("se1"), value("si1"), value("se2"));
    // Twice, and what the same response sets counts.
    browser.get("/clear").send().await;
    browser.get("/clear?se3=3;%20Path=/").send().await;
    let replayed = format!("{kept}; {}", value("se3"));
    for _ in 0..2 {
        let replayed = format!("{}; {replayed}", browser.ticket_line());
        browser.get("/").holding(&replayed).send().await;
        assert_eq!(app.last().all("cookie"), ["se3=3"]);
        browser.get("/two").holding(&replayed).send().await;
        let brought = app.last().all("cookie");
        assert_eq!(brought, ["se2=2"], "another site's stay good");
        // Through a login that takes along what was bound.
        browser.get("/login").send().await;
    }
}
