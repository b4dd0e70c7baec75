//! Modes seal and sign.

use super::support::{Browser, Setup, cloakroom};
use super::{Gate, app, counted, gate, gate_with};

const SEAL: &str = "{ name = \"cart\", mode = \"seal\" }, { name = \"other\", mode = \"seal\" }";
const SIGN: &str = "{ name = \"cart\", mode = \"sign\" }, { name = \"other\", mode = \"sign\" }";

#[tokio::test]
async fn a_sealed_cookie_is_unreadable_outside_and_plain_to_the_app() {
    let app = app().await;
    let gate = gate(&app, SEAL).await;
    for browser in [gate.browser(), gate.browser().http2()] {
        let answer = browser
            .get("/set?cart=apples;%20Path=/;%20Priority=High")
            .send()
            .await;
        let line = &answer.set_cookies()[0];
        assert!(
            line.starts_with("cart=") && !line.contains("apples"),
            "{line}"
        );
        assert!(
            line.ends_with("; Path=/; Priority=High; Secure; HttpOnly; SameSite=Lax"),
            "{line}"
        );
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));

        browser.get("/").send().await;
        assert_eq!(app.last().all("cookie"), ["cart=apples"]);

        browser
            .get("/set?cart=;%20Path=/;%20Max-Age=0")
            .send()
            .await;
        assert_eq!(browser.names(), ["__Host-session"]);
    }
}

#[tokio::test]
async fn a_signed_cookie_is_readable_outside_and_the_tag_is_ours_alone() {
    let app = app().await;
    let gate = gate(&app, SIGN).await;
    let browser = gate.browser();
    let answer = browser.get("/set?cart=apples;%20Path=/").send().await;
    let line = &answer.set_cookies()[0];
    assert!(line.starts_with("cart=apples."), "{line}");
    assert!(!line.to_lowercase().contains("httponly"), "{line}");
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["cart=apples"]);
}

#[tokio::test]
async fn what_was_touched_or_comes_from_elsewhere_reaches_no_app() {
    for rules in [SEAL, SIGN] {
        let app = app().await;
        let second = format!(
            "[site.cookies]\nrules = [{rules}]\n[[site]]\nname = \"two\"\nhosts = [\"localhost\"]\n\
             path = \"/two\"\nupstream = [\"http://{}\"]\n[site.cookies]\nrules = [{rules}]\n",
            app.addr()
        );
        let gate = gate_with(&app, &second).await;
        let (alice, mallory) = (gate.browser(), gate.browser());
        alice.get("/set?cart=apples;%20Path=/").send().await;
        mallory.get("/set?cart=pears;%20Path=/").send().await;
        let good = alice.cookie("cart").unwrap();
        let of_mallory = mallory.cookie("cart").unwrap();

        let ticket = alice.ticket_line();
        let mut touched = good.clone().into_bytes();
        let middle = touched.len() / 2;
        touched[middle] = if touched[middle] == b'A' { b'B' } else { b'A' };
        let touched = String::from_utf8(touched).unwrap();
        let cut = &good[..good.len() - 1];
        let tries = [
            (format!("{ticket}; cart={touched}"), "/"),
            (format!("{ticket}; cart={cut}"), "/"),
            (format!("{ticket}; cart=apples"), "/"),
            (format!("{ticket}; cart="), "/"),
            (format!("{ticket}; cart={of_mallory}"), "/"),
            (format!("{ticket}; other={good}"), "/"),
            (format!("{ticket}; cart={good}"), "/two"),
            (format!("{}; cart={good}", mallory.ticket_line()), "/"),
            (format!("cart={good}"), "/"),
        ];
        for (nth, (held, path)) in tries.iter().enumerate() {
            alice.get(path).holding(held).send().await;
            assert_eq!(app.last().all("cookie"), [""; 0], "{held}");
            let told = counted(&gate, "cookies_unopened").await;
            assert_eq!(told, nth as u64 + 1, "{held}");
        }
        let printed = gate.printed();
        assert!(
            printed.contains("sealed or signed cookies did not open"),
            "{printed}"
        );
        for secret in [&good, &of_mallory, &touched] {
            assert!(!printed.contains(secret.as_str()), "{printed}");
        }
        // And the untouched one goes on.
        alice
            .get("/")
            .holding(&format!("{ticket}; cart={good}"))
            .send()
            .await;
        assert_eq!(app.last().all("cookie"), ["cart=apples"]);
    }
}

#[tokio::test]
async fn a_login_takes_along_what_was_sealed_before_it_and_what_it_sets_itself() {
    let app = app().await;
    let gate = gate(&app, SEAL).await;
    let browser = gate.browser();
    browser.get("/set?cart=apples;%20Path=/").send().await;
    let before = browser.ticket();
    browser.get("/login?other=new;%20Path=/").send().await;
    assert_ne!(browser.ticket(), before);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["cart=apples; other=new"]);
}

#[tokio::test]
async fn a_logout_makes_what_was_sealed_worthless_and_takes_it_away() {
    let app = app().await;
    let gate = gate(&app, SEAL).await;
    let browser = gate.browser();
    browser.get("/login?cart=apples;%20Path=/").send().await;
    let everything = browser.everything();
    browser.get("/logout?other=late;%20Path=/").send().await;
    assert_eq!(browser.names(), [""; 0]);
    browser.get("/").send().await;
    let held = format!("{}; {everything}", browser.ticket_line());
    browser.get("/").holding(&held).send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}

#[tokio::test]
async fn what_is_bound_to_the_site_outlives_the_session_and_needs_none() {
    let rules = "{ name = \"lang\", mode = \"sign\", bind = \"site\" }";
    let app = app().await;
    let gate = gate_with(
        &app,
        &format!("session = \"lazy\"\n[site.cookies]\nrules = [{rules}]"),
    )
    .await;
    let browser = gate.browser();
    browser.get("/set?lang=de;%20Path=/").send().await;
    assert_eq!(browser.names(), ["lang"], "no session begins for it");
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["lang=de"]);
    let other = gate.browser();
    other
        .get("/")
        .holding(&format!("lang={}", browser.cookie("lang").unwrap()))
        .send()
        .await;
    assert_eq!(app.last().all("cookie"), ["lang=de"]);
    other.get("/").holding("lang=de").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}

#[tokio::test]
async fn a_sealed_cookie_survives_kill_9_and_a_rotation_of_keys() {
    for engine in ["", "engine = \"cookie\"\nrevocations = \"data/ended.db\""] {
        let app = app().await;
        let site = format!("[site.cookies]\nrules = [{SEAL}]");
        let setup = Setup {
            store: engine,
            site: &site,
            ..Setup::default()
        };
        let mut gate = Gate::with(&app, setup).await;
        let browser = gate.browser();
        browser.get("/set?cart=apples;%20Path=/").send().await;
        gate.kill9();
        let rotated = cloakroom(
            gate.folder(),
            &["keys", "rotate", "--config", "cloakroom.toml"],
        )
        .output()
        .unwrap();
        assert!(rotated.status.success(), "{rotated:?}");
        gate.restart().await;
        browser.get("/").send().await;
        assert_eq!(app.last().all("cookie"), ["cart=apples"], "{engine}");
    }
}

#[tokio::test]
async fn until_a_day_values_count_that_were_never_sealed() {
    let rules = "{ name = \"cart\", mode = \"seal\", accept_unsealed_until = 2999-12-31 },\
                 { name = \"other\", mode = \"sign\", accept_unsealed_until = 2020-12-31 }";
    let app = app().await;
    let gate = gate(&app, rules).await;
    let browser = gate.browser();
    let held = |browser: &Browser, more: &str| format!("{}; {more}", browser.ticket_line());
    browser.get("/set?x=1").send().await;
    browser
        .get("/")
        .holding(&held(&browser, "cart=old; other=old"))
        .send()
        .await;
    assert_eq!(app.last().cookie("cart").as_deref(), Some("old"));
    assert_eq!(app.last().cookie("other"), None);
    // One of ours that was touched does not pass for one that was never sealed.
    browser.get("/set?cart=apples;%20Path=/").send().await;
    let cut = browser.cookie("cart").unwrap();
    let cut = &cut[..cut.len() - 1];
    browser
        .get("/")
        .holding(&held(&browser, &format!("cart={cut}")))
        .send()
        .await;
    assert_eq!(app.last().cookie("cart"), None);
}

#[tokio::test]
async fn what_becomes_too_large_for_a_browser_is_refused_and_said() {
    let app = app().await;
    let gate = gate(&app, SEAL).await;
    let browser = gate.browser();
    let target = format!("/set?cart={};%20Path=/&other=1;%20Path=/", "x".repeat(4000));
    let answer = browser.get(&target).send().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(browser.names(), ["__Host-session", "other"]);
    assert_eq!(counted(&gate, "cookies_refused").await, 1);
    gate.says("name and value are more than 4096 bytes").await;
}

#[tokio::test]
async fn across_sites_nothing_is_sealed_that_the_session_could_not_own() {
    let app = app().await;
    let gate = gate(&app, SEAL).await;
    let browser = gate.browser();
    let answer = browser
        .get("/set?cart=apples;%20Path=/")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "image")
        .send()
        .await;
    assert_eq!(answer.set_cookies(), [""; 0]);
}

#[tokio::test]
async fn a_planted_value_does_not_hide_one_that_opens() {
    let app = app().await;
    let gate = gate(&app, SEAL).await;
    let browser = gate.browser();
    browser.get("/set?cart=apples;%20Path=/").send().await;
    let good = browser.cookie("cart").unwrap();
    let held = format!(
        "{}; cart=planted; cart={good}; cart=more",
        browser.ticket_line()
    );
    browser.get("/").holding(&held).send().await;
    assert_eq!(app.last().all("cookie"), ["cart=apples"]);
}

#[tokio::test]
async fn a_request_of_bad_values_writes_one_line_to_the_log() {
    let app = app().await;
    let gate = gate(&app, "{ name = \"s*\", mode = \"seal\" }").await;
    let held: Vec<String> = (0..200).map(|nth| format!("s{nth}=bad")).collect();
    gate.browser()
        .get("/")
        .holding(&held.join("; "))
        .send()
        .await;
    assert_eq!(counted(&gate, "cookies_unopened").await, 200);
    let printed = gate.printed();
    let told = printed.lines().filter(|line| line.contains("did not open"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{printed}");
    assert!(
        told[0].contains("s0 s1 ") && told[0].contains(" and 184 more"),
        "{told:?}"
    );
}

#[tokio::test]
async fn clear_site_data_takes_every_cookie_of_the_app_and_leaves_the_ticket() {
    let app = app().await;
    let rules = format!(
        "{SEAL}, {{ name = \"csrf\", mode = \"pass\" }}, {{ name = \"theme\", mode = \"mirror\" }}, \
         {{ name = \"lang\", mode = \"sign\", bind = \"site\" }}"
    );
    let gate = gate(&app, &rules).await;
    let browser = gate.browser();
    let set = ["cart=1", "csrf=2", "theme=3", "lang=4", "SID=5"];
    let lines: Vec<String> = set.iter().map(|pair| format!("{pair};%20Path=/")).collect();
    browser
        .get(&format!("/set?{}", lines.join("&")))
        .send()
        .await;
    browser.get("/").send().await;
    assert_eq!(app.last().cookies().len(), 5);
    let ticket = browser.ticket();
    // What the same response sets stays.
    browser.get("/clear?csrf=new;%20Path=/").send().await;
    assert_eq!(
        browser.everything(),
        format!("{}; csrf=new", browser.ticket_line())
    );
    assert_eq!(browser.ticket(), ticket);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["csrf=new"]);
}

/// Paths that the requests which end it are not for.
#[tokio::test]
async fn copies_go_with_the_session_wherever_they_stand_in_the_browser() {
    let app = app().await;
    for mode in ["seal", "sign", "mirror"] {
        let gate = gate(&app, &format!("{{ name = \"c*\", mode = \"{mode}\" }}")).await;
        for end in ["/logout", "/login-bob", "/clear"] {
            let browser = gate.browser();
            browser.get("/login").send().await;
            browser
                .get("/set?c1=apples;%20Path=/shop&c2=pears;%20Path=/a/b/c/d&c3=x;%20Path=/")
                .send()
                .await;
            // The default path.
            browser.get("/m/n/o/p?c4=plums").send().await;
            browser.get(end).send().await;
            let left = browser.names();
            assert!(
                left.iter().all(|name| name == "__Host-session"),
                "{mode} {end}: {left:?}"
            );
        }
        // A login that takes the jar along takes them along.
        let browser = gate.browser();
        browser.get("/set?c1=apples;%20Path=/shop").send().await;
        browser.get("/login").send().await;
        browser.get("/shop").send().await;
        assert_eq!(app.last().all("cookie"), ["c1=apples"], "{mode}");
        browser.get("/logout").send().await;
        assert_eq!(browser.names(), [""; 0], "{mode}");
    }
}

#[tokio::test]
async fn of_copies_on_many_paths_the_newest_are_remembered() {
    let app = app().await;
    let gate = gate(&app, SEAL).await;
    let browser = gate.browser();
    for nth in 0..40 {
        let target = format!("/set?cart=apples;%20Path=/p{nth}");
        browser.get(&target).send().await;
    }
    let answer = browser.get("/logout").send().await;
    let deleted: Vec<String> = answer
        .set_cookies()
        .into_iter()
        .filter(|line| line.starts_with("cart=; Path=/p"))
        .collect();
    assert_eq!(deleted.len(), 16);
    assert!(deleted[15].starts_with("cart=; Path=/p39;"), "{deleted:?}");
}
