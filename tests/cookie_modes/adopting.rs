//! Going live: cookies that browsers still hold move into the jar.

use super::support::{Gate, Setup};
use super::{app, counted, gate, gate_with, rewrite};

const ADOPT: &str = "{ name = \"PHPSESSID\", mode = \"keep\", adopt_until = 2999-12-31 }";

#[tokio::test]
async fn a_cookie_that_the_browser_still_holds_moves_into_the_jar_once() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    for (host, line) in [
        ("localhost", "PHPSESSID=old; Path=/"),
        ("localhost", "PHPSESSID=old; Path=/shop/"),
        ("localhost", "PHPSESSID=old"),
        ("localhost", "PHPSESSID=old; Path=/shop/a/b"),
        ("localhost", "PHPSESSID=old; Path=/shop/a/b/c/"),
        ("other.test", "PHPSESSID=old; Path=/; Domain=other.test"),
        ("other.test", "PHPSESSID=old; Path=/shop; Domain=other.test"),
    ] {
        let browser = gate.browser();
        browser.plant(host, "/shop/index.php", line);
        let adopted = counted(&gate, "cookies_adopted").await;
        let page = "/shop/a/b/c/index.php";
        browser.get(page).host(host).send().await;
        assert_eq!(app.last().all("cookie"), ["PHPSESSID=old"], "{line}");
        assert_eq!(browser.names(), ["__Host-session"], "{line}");
        browser.get("/elsewhere").host(host).send().await;
        assert_eq!(app.last().all("cookie"), ["PHPSESSID=old"], "{line}");
        assert_eq!(counted(&gate, "cookies_adopted").await, adopted + 1);
    }
}

#[tokio::test]
async fn what_the_app_says_of_the_name_takes_the_place_of_what_was_adopted() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
    browser.get("/shop/set").send().await;
    browser.get("/set?PHPSESSID=new;%20Path=/shop").send().await;
    browser.get("/shop").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=new"]);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);

    // In the very response that would have adopted it, too.
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
    browser
        .get("/shop/set?PHPSESSID=new;%20Path=/shop")
        .send()
        .await;
    assert_eq!(browser.names(), ["__Host-session"]);
    browser.get("/shop").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=new"]);
}

#[tokio::test]
async fn an_app_that_deletes_it_is_not_brought_it_again() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
    browser.get("/").send().await;
    browser.plant("localhost", "/", "PHPSESSID=left; Path=/");
    browser
        .get("/set?PHPSESSID=;%20Path=/;%20Max-Age=0")
        .send()
        .await;
    assert_eq!(browser.names(), ["__Host-session"]);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}

#[tokio::test]
async fn a_second_copy_is_only_expired_and_the_jar_is_right() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.get("/set?PHPSESSID=mine;%20Path=/").send().await;
    browser.plant("localhost", "/", "PHPSESSID=planted; Path=/");
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=mine"]);
    assert_eq!(browser.names(), ["__Host-session"]);
}

#[tokio::test]
async fn after_the_day_copies_are_only_expired() {
    let app = app().await;
    let rule = "{ name = \"PHPSESSID\", mode = \"keep\", adopt_until = 2020-12-31 }";
    let gate = gate(&app, rule).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
    assert_eq!(browser.names(), ["__Host-session"]);
}

#[tokio::test]
async fn a_request_that_may_not_touch_the_session_adopts_and_expires_nothing() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
    let answer = browser
        .get("/")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "image")
        .send()
        .await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(browser.names(), ["PHPSESSID"]);
}

#[tokio::test]
async fn a_site_that_is_only_watched_adopts_and_expires_nothing() {
    let app = app().await;
    let site = format!("[site.cookies]\nenforce = false\nrules = [{ADOPT}]");
    let gate = gate_with(&app, &site).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=old"]);
    assert_eq!(browser.names(), ["PHPSESSID", "__Host-session"]);
}

#[tokio::test]
async fn nobody_is_logged_out_by_a_gateway_that_adopts_and_a_logout_holds() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
    browser.get("/").send().await;
    browser.get("/logout").send().await;
    assert_eq!(browser.names(), [""; 0]);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}

#[tokio::test]
async fn a_copy_stays_in_the_browser_until_the_jar_has_it() {
    let app = app().await;
    // Nobody may begin a second session, and no cookie of that size fits the first.
    let setup = Setup {
        server: "admin = \"127.0.0.1:0\"",
        session: "max_new_per_ip = 1\nmax_bytes = \"4KiB\"",
        site: &format!("[site.cookies]\nrules = [{ADOPT}]"),
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let large = "x".repeat(3900);
    let first = gate.browser();
    first.get("/set?other=1;%20Path=/").send().await;
    first.plant("localhost", "/", &format!("PHPSESSID={large}; Path=/"));
    let second = gate.browser();
    second.plant("localhost", "/", "PHPSESSID=old; Path=/");
    for browser in [first, second] {
        browser.get("/").send().await;
        let came = app.last().cookie("PHPSESSID");
        assert_eq!(came, browser.cookie("PHPSESSID"), "it is where it was");
        assert!(came.is_some());
        browser.get("/").send().await;
        assert_eq!(app.last().cookie("PHPSESSID"), came);
    }
    assert_eq!(counted(&gate, "cookies_adopted").await, 0);
}

#[tokio::test]
async fn what_another_rule_has_sealed_is_not_adopted() {
    let app = app().await;
    let before = gate(&app, "{ name = \"PHPSESSID\", mode = \"sign\" }").await;
    let browser = before.browser();
    browser.get("/set?PHPSESSID=old;%20Path=/").send().await;
    let signed = browser.cookie("PHPSESSID").unwrap();

    let after = gate(&app, ADOPT).await;
    let browser = after.browser();
    browser.plant("localhost", "/", &format!("PHPSESSID={signed}; Path=/"));
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
    assert_eq!(browser.names(), ["__Host-session"]);
}

#[tokio::test]
async fn a_crowd_of_copies_does_not_make_a_flood() {
    let app = app().await;
    let rule = "{ name = \"st*\", mode = \"keep\", adopt_until = 2020-12-31 }";
    let gate = gate(&app, rule).await;
    let held: Vec<String> = (0..200).map(|nth| format!("st{nth}=1")).collect();
    let target = format!("/{}/b/c/d", "y".repeat(900));
    let answer = gate
        .browser()
        .get(&target)
        .holding(&held.join("; "))
        .send()
        .await;
    let bytes: usize = answer.set_cookies().iter().map(String::len).sum();
    assert!((1000..10_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn nothing_of_one_user_is_adopted_for_the_next() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    browser.plant("localhost", "/", "PHPSESSID=of-alice; Path=/");
    browser.get("/login-bob").send().await;
    assert_eq!(browser.names(), ["__Host-session", MARK]);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}

const MARK: &str = "__Host-session-owner";

/// A cookie that alice left where neither the login nor the logout comes by.
const LEFT: &str = "PHPSESSID=of-alice; Path=/deep";

#[tokio::test]
async fn what_one_user_left_on_a_path_apart_never_moves_into_the_next_ones_jar() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    for between in [
        &["/login-bob"][..],
        &["/logout", "/login-bob"],
        &["/logout", "/", "/login-bob"],
    ] {
        let browser = gate.browser();
        browser.get("/login").send().await;
        browser.plant("localhost", "/deep", LEFT);
        for path in between {
            browser.get(path).send().await;
        }
        for _ in 0..2 {
            browser.get("/deep").send().await;
            assert_eq!(app.last().all("cookie"), [""; 0], "{between:?}");
            browser.get("/").send().await;
            assert_eq!(app.last().all("cookie"), [""; 0], "{between:?}");
        }
        assert_eq!(browser.names(), ["__Host-session", MARK], "{between:?}");
    }
    assert_eq!(counted(&gate, "cookies_adopted").await, 0);
}

/// Nobody's session connects the two: the browser has to.
#[tokio::test]
async fn the_browser_remembers_whose_cookies_it_holds_when_the_session_has_lapsed() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    browser.plant("localhost", "/deep", LEFT);
    browser.plant(
        "localhost",
        "/",
        "__Host-session=; Path=/; Secure; Max-Age=0",
    );

    // Whose it is, a login has to tell: until then it stays where it is.
    browser.get("/deep").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
    assert_eq!(browser.names(), ["PHPSESSID", "__Host-session", MARK]);

    browser.get("/login").send().await;
    browser.get("/deep").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-alice"]);
    assert_eq!(browser.names(), ["__Host-session", MARK]);
    assert_eq!(counted(&gate, "cookies_adopted").await, 1);
}

#[tokio::test]
async fn a_user_who_logs_in_again_goes_on_with_what_the_browser_held() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    // Known to the app when the gateway came, and to the gateway from a login on.
    for logins in [
        &[][..],
        &["/login"],
        &["/login", "/login"],
        &["/login", "/logout", "/login"],
    ] {
        let browser = gate.browser();
        browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
        browser.plant("localhost", "/deep", "PHPSESSID=deep; Path=/deep");
        if !logins.contains(&"/logout") {
            browser.get("/").send().await;
            assert_eq!(app.last().all("cookie"), ["PHPSESSID=old"], "{logins:?}");
        }
        for path in logins {
            browser.get(path).send().await;
        }
        browser.get("/deep").send().await;
        let came = app.last().cookie("PHPSESSID");
        if logins.contains(&"/logout") {
            assert_eq!(came.as_deref(), Some("deep"), "{logins:?}");
        } else {
            assert_eq!(came.as_deref(), Some("old"), "{logins:?}");
        }
        assert!(
            !browser.names().contains(&"PHPSESSID".to_owned()),
            "{logins:?}"
        );
    }
}

#[tokio::test]
async fn a_mark_is_ours_alone() {
    let app = app().await;
    let site =
        format!("trust_directives = true\n[site.cookies]\ndefault = \"pass\"\nrules = [{ADOPT}]");
    let gate = gate_with(&app, &site).await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    let mark = browser.cookie(MARK).unwrap();
    assert!(!mark.contains("alice"));
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0], "the app never gets it");
    browser
        .get(&format!("/set?{MARK}=planted;%20Path=/;%20Secure"))
        .send()
        .await;
    assert_eq!(browser.cookie(MARK).unwrap(), mark, "nor does it set it");

    // One that was made up has less adopted, not more.
    let other = gate.browser();
    other
        .get("/")
        .holding(&format!("{MARK}=planted; PHPSESSID=old"))
        .send()
        .await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
    // And nobody gets one where nothing is adopted.
    let gate = super::gate(&app, "{ name = \"PHPSESSID\", mode = \"keep\" }").await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    browser.get("/logout").send().await;
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn cookies_of_one_name_for_two_folders_stay_two() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    // As two applications of one servlet container have them.
    browser.plant("localhost", "/one/", "PHPSESSID=of-one; Path=/one");
    browser.plant("localhost", "/two/", "PHPSESSID=of-two; Path=/two");
    for _ in 0..2 {
        for (page, value) in [("/one/x/y", "of-one"), ("/two/x", "of-two")] {
            browser.get(page).send().await;
            let value = format!("PHPSESSID={value}");
            assert_eq!(app.last().all("cookie"), [value], "{page}");
        }
    }
    assert_eq!(browser.names(), ["__Host-session"]);
    // Each goes when the app says so, and nothing of it comes back.
    browser
        .get("/two/set?PHPSESSID=;%20Path=/two;%20Max-Age=0")
        .send()
        .await;
    browser.get("/two/x").send().await;
    assert_ne!(app.last().all("cookie"), ["PHPSESSID=of-two"]);
    browser.get("/one/x").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-one"]);
}

#[tokio::test]
async fn a_copy_that_no_deletion_reaches_is_not_taken_over_again() {
    let app = app().await;
    for answer in [
        // The app's logout.
        "/a/b/c/d/e/set?PHPSESSID=;%20Path=/a/b/c/d/e;%20Max-Age=0",
        "/set?PHPSESSID=;%20Path=/a/b/c/d/e;%20Max-Age=0",
        // The same after it has begun a session of its own in its place.
        "/a/b/c/d/e/set?PHPSESSID=new;%20Path=/a/b/c/d/e",
        "/a/b/c/d/e/set?PHPSESSID=new;%20Path=/a/b/c/d/e;%20at-once",
        // A logout that is the first to bring it.
        "/a/b/c/d/e/set?PHPSESSID=;%20Path=/a/b/c/d/e;%20Max-Age=0;%20Secure",
        "/clear",
    ] {
        let gate = gate(&app, ADOPT).await;
        let browser = gate.browser();
        let deep = "/a/b/c/d/e/index.php";
        browser.plant("localhost", deep, "PHPSESSID=old; Path=/a/b/c/d/e");
        let first = if answer.contains("at-once") {
            answer
        } else {
            deep
        };
        browser.get(first).send().await;
        assert_eq!(app.last().all("cookie"), ["PHPSESSID=old"]);
        assert!(browser.cookie("PHPSESSID").is_some(), "it is too deep");
        browser.get(answer).send().await;
        // Where the browser itself would have forgotten it.
        browser.plant("localhost", deep, "PHPSESSID=old; Path=/a/b/c/d/e");
        if answer.contains("new") {
            browser
                .get("/a/b/c/d/e/set?PHPSESSID=;%20Path=/a/b/c/d/e;%20Max-Age=0")
                .send()
                .await;
            browser.plant("localhost", deep, "PHPSESSID=old; Path=/a/b/c/d/e");
        }
        for page in [deep, "/a/b/c/d/e/other/page"] {
            browser.get(page).send().await;
            assert_eq!(app.last().all("cookie"), [""; 0], "{answer} {page}");
        }
        // Nor in the session of the same visitor's login.
        browser.get("/login").send().await;
        browser.get(deep).send().await;
        assert_eq!(app.last().all("cookie"), [""; 0], "{answer}");
    }
}

#[tokio::test]
async fn a_word_of_the_apps_on_another_path_takes_nothing_away() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    for said in ["x;%20Path=/deep", ";%20Path=/deep;%20Max-Age=0"] {
        for is_first in [true, false] {
            let browser = gate.browser();
            browser.plant("localhost", "/", "PHPSESSID=old; Path=/");
            if !is_first {
                browser.get("/page").send().await;
            }
            browser.get(&format!("/set?PHPSESSID={said}")).send().await;
            browser.get("/page").send().await;
            assert_eq!(app.last().all("cookie"), ["PHPSESSID=old"], "{said}");
            browser.get("/deep").send().await;
            let at_deep = if said.starts_with('x') { "x" } else { "old" };
            let at_deep = format!("PHPSESSID={at_deep}");
            assert_eq!(app.last().all("cookie"), [at_deep], "{said}");
            assert_eq!(browser.names(), ["__Host-session"], "{said}");
        }
    }
}

#[tokio::test]
async fn a_cookie_that_no_session_can_hold_is_lost_with_a_word() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let refused = counted(&gate, "cookies_refused").await;
    gate.browser()
        .get("/set?sid=x;%20Path=/;%20SameSite=None")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "image")
        .send()
        .await;
    assert_eq!(counted(&gate, "cookies_refused").await, refused + 1);
    gate.says("no session on this request can hold it").await;
}

#[tokio::test]
async fn a_logout_reaches_what_stands_for_its_own_host_as_a_domain() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.plant(
        "other.test",
        "/deep/x",
        "PHPSESSID=old; Path=/deep; Domain=other.test",
    );
    browser
        .get("/set?PHPSESSID=;%20Path=/deep;%20Domain=other.test;%20Max-Age=0")
        .host("other.test")
        .send()
        .await;
    browser.get("/deep/x").host("other.test").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}

#[tokio::test]
async fn a_rule_with_a_path_of_its_own_does_not_outlive_a_logout() {
    let app = app().await;
    let rule =
        "{ name = \"PHPSESSID\", mode = \"keep\", path = \"/app\", adopt_until = 2999-12-31 }";
    let mut gate = gate(&app, rule).await;
    let host = "www.other.test";
    rewrite(&mut gate, "\"other.test\"", "\"www.other.test\"").await;
    let browser = gate.browser();
    browser.plant(host, "/", "PHPSESSID=old; Path=/");
    browser.get("/x").host(host).send().await;
    browser.get("/app/x").host(host).send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=old"]);
    for said in [
        "new;%20Domain=other.test",
        ";%20Domain=other.test;%20Max-Age=0",
    ] {
        let page = format!("/app/set?PHPSESSID={said}");
        browser.get(&page).host(host).send().await;
    }
    browser.get("/app/x").host(host).send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}
