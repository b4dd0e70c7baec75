//! Going live with several sites of one host: the browser sends all of them what it holds.

use super::support::{App, Gate};
use super::{app, counted, gate_with, rewrite};

const ADOPT: &str = "{ name = \"PHPSESSID\", mode = \"keep\", adopt_until = 2999-12-31 }";

/// A site at `/` and one at `/blog`, each with rules of its own.
async fn two(app: &App, root: &str, blog: &str) -> Gate {
    let sites = format!(
        "trust_directives = true\n[site.cookies]\nrules = [{root}]\n[[site]]\nname = \"blog\"\n\
         hosts = [\"localhost\"]\npath = \"/blog\"\nupstream = [\"http://{}\"]\n[site.cookies]\n\
         rules = [{blog}]\n",
        app.addr()
    );
    gate_with(app, &sites).await
}

#[tokio::test]
async fn nobody_is_logged_out_of_the_second_of_two_sites_by_the_first() {
    let app = app().await;
    let gate = two(&app, ADOPT, ADOPT).await;
    for paths in [["/", "/blog"], ["/blog", "/"]] {
        let browser = gate.browser();
        browser.plant("localhost", "/", "PHPSESSID=live; Path=/");
        let adopted = counted(&gate, "cookies_adopted").await;
        for path in [paths[0], paths[0]] {
            let answer = browser.get(path).send().await;
            assert_eq!(app.last().all("cookie"), ["PHPSESSID=live"], "{path}");
            let set = answer.set_cookies();
            assert!(
                !set.iter().any(|line| line.contains("PHPSESSID")),
                "{set:?}"
            );
        }
        // With the last of them it goes.
        browser.get(paths[1]).send().await;
        assert_eq!(app.last().all("cookie"), ["PHPSESSID=live"]);
        assert_eq!(browser.names(), ["__Host-session"]);
        for path in paths {
            browser.get(path).send().await;
            assert_eq!(app.last().all("cookie"), ["PHPSESSID=live"], "{path}");
        }
        assert_eq!(counted(&gate, "cookies_adopted").await, adopted + 2);
    }
}

#[tokio::test]
async fn what_one_site_makes_of_its_copy_is_nothing_to_the_other() {
    let app = app().await;
    let gate = two(&app, ADOPT, ADOPT).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=live; Path=/");
    browser.get("/set?PHPSESSID=new;%20Path=/").send().await;
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=new"]);
    browser.get("/blog").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=live"]);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=new"]);
    assert_eq!(browser.names(), ["__Host-session"]);
}

#[tokio::test]
async fn a_logout_ends_what_is_left_for_others_too() {
    let app = app().await;
    let gate = two(&app, ADOPT, ADOPT).await;
    for before in [&[][..], &["/"]] {
        let browser = gate.browser();
        browser.plant("localhost", "/", "PHPSESSID=live; Path=/");
        for path in before {
            browser.get(path).send().await;
        }
        browser.get("/logout").send().await;
        assert_eq!(browser.names(), [""; 0], "{before:?}");
    }
}

#[tokio::test]
async fn the_site_that_names_a_cookie_more_narrowly_has_it_alone() {
    let app = app().await;
    let all = "{ name = \"*\", mode = \"keep\", adopt_until = 2999-12-31 }";
    let gate = two(&app, all, ADOPT).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=live; Path=/");
    browser.plant("localhost", "/", "cart=7; Path=/");
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["cart=7"]);
    browser
        .get("/set?PHPSESSID=;%20Path=/;%20Max-Age=0")
        .send()
        .await;
    assert_eq!(browser.cookie("PHPSESSID").as_deref(), Some("live"));
    browser.get("/blog").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=live"]);
    assert_eq!(browser.names(), ["__Host-session"]);
}

#[tokio::test]
async fn what_another_site_needs_of_the_browser_is_not_taken_from_it() {
    let app = app().await;
    for rule in [
        "{ name = \"PHPSESSID\", mode = \"pass\" }",
        "{ name = \"PHPSESSID\", mode = \"seal\", accept_unsealed_until = 2999-12-31 }",
    ] {
        let gate = two(&app, ADOPT, rule).await;
        let browser = gate.browser();
        browser.plant("localhost", "/", "PHPSESSID=live; Path=/");
        let (held, live) = (|| browser.cookie("PHPSESSID"), Some("live".to_owned()));
        for path in ["/", "/blog", "/", "/blog"] {
            browser.get(path).send().await;
            assert_eq!(
                app.last().all("cookie"),
                ["PHPSESSID=live"],
                "{path} {rule}"
            );
        }
        // Neither with a logout nor where it may be another user's.
        for path in ["/login", "/logout", "/login", "/login-bob", "/"] {
            browser.get(path).send().await;
            assert_eq!(held(), live, "{path} {rule}");
        }
    }
}

#[tokio::test]
async fn what_the_app_itself_deletes_goes_whoever_else_reads_it() {
    let app = app().await;
    let pass = "{ name = \"PHPSESSID\", mode = \"pass\" }";
    let gate = two(&app, ADOPT, pass).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=live; Path=/");
    browser.get("/").send().await;
    browser
        .get("/?PHPSESSID=;%20Path=/;%20Max-Age=0")
        .send()
        .await;
    assert_eq!(browser.cookie("PHPSESSID"), None);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0], "a logout stays one");
}

#[tokio::test]
async fn a_cookie_of_a_whole_domain_stays_for_the_other_hosts_in_it() {
    let app = app().await;
    let sites = format!(
        "trust_directives = true\n[site.cookies]\nrules = [{ADOPT}]\n[[site]]\nname = \"www\"\n\
         hosts = [\"www.other.test\"]\nupstream = [\"http://{}\"]\n[site.cookies]\n\
         rules = [{ADOPT}]\n",
        app.addr()
    );
    let gate = gate_with(&app, &sites).await;
    let browser = gate.browser();
    browser.plant(
        "other.test",
        "/",
        "PHPSESSID=live; Path=/; Domain=other.test",
    );
    for host in ["other.test", "www.other.test", "other.test"] {
        browser.get("/").host(host).send().await;
        assert_eq!(app.last().all("cookie"), ["PHPSESSID=live"], "{host}");
    }
    // One of a host alone goes.
    let browser = gate.browser();
    browser.plant("other.test", "/", "PHPSESSID=live; Path=/");
    browser.get("/").host("other.test").send().await;
    assert_eq!(browser.names(), ["__Host-session"]);
    // And at the logout all.
    browser.plant(
        "other.test",
        "/",
        "PHPSESSID=live; Path=/; Domain=other.test",
    );
    browser.get("/logout").host("other.test").send().await;
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn what_one_user_holds_for_a_whole_domain_waits_at_no_other_host_for_the_next() {
    let app = app().await;
    let sites = |rule: &str| {
        format!(
            "trust_directives = true\n[site.cookies]\nrules = [{ADOPT}]\n[[site]]\nname = \"www\"\n\
             hosts = [\"www.other.test\"]\ntrust_directives = true\nupstream = [\"http://{}\"]\n\
             [site.cookies]\nrules = [{rule}]\n",
            app.addr()
        )
    };
    let live = "PHPSESSID=of-alice; Path=/; Domain=other.test";
    let gate = gate_with(&app, &sites(ADOPT)).await;
    for pages in [&["/login"][..], &["/", "/login"], &["/login", "/"]] {
        let browser = gate.browser();
        browser.plant("other.test", "/", live);
        for page in pages {
            browser.get(page).host("other.test").send().await;
        }
        // Her session lapses, and somebody else is the first to log in at the other host.
        assert_eq!(browser.cookie("PHPSESSID"), None, "{pages:?}");
        browser
            .get("/login-bob")
            .host("www.other.test")
            .send()
            .await;
        assert_eq!(app.last().all("cookie"), [""; 0], "{pages:?}");
    }
    // What came to a session that already had a user goes at once.
    let browser = gate.browser();
    browser.get("/login").host("other.test").send().await;
    browser.plant("other.test", "/", live);
    browser.get("/").host("other.test").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-alice"]);
    assert_eq!(browser.cookie("PHPSESSID"), None);

    // But not what the app of the other host reads.
    let gate = gate_with(&app, &sites("{ name = \"PHPSESSID\", mode = \"pass\" }")).await;
    let browser = gate.browser();
    browser.plant("other.test", "/", live);
    for page in ["/", "/login", "/"] {
        browser.get(page).host("other.test").send().await;
    }
    browser.get("/").host("www.other.test").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-alice"]);
}

#[tokio::test]
async fn a_mirrored_copy_of_one_jar_never_moves_into_another() {
    let app = app().await;
    for (root, blog) in [
        (ADOPT, "{ name = \"PHPSESSID\", mode = \"mirror\" }"),
        (ADOPT, "{ name = \"*\", mode = \"mirror\" }"),
    ] {
        let gate = two(&app, root, blog).await;
        let browser = gate.browser();
        browser
            .get("/blog/set?PHPSESSID=of-the-blog;%20Path=/")
            .send()
            .await;
        assert!(browser.cookie("PHPSESSID").is_some());
        browser.get("/").send().await;
        assert_eq!(app.last().all("cookie"), [""; 0], "{blog}");
        assert!(browser.cookie("PHPSESSID").is_some(), "{blog}");
        browser.get("/blog").send().await;
        assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-the-blog"]);
    }
    // Nor is what the browser still holds of the one taken for a copy of the other that has run out.
    let gate = two(&app, "{ name = \"*\", mode = \"mirror\" }", ADOPT).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "PHPSESSID=live; Path=/");
    browser.get("/").send().await;
    browser.get("/blog").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=live"]);
}

#[tokio::test]
async fn no_rule_of_another_site_takes_the_mark_for_a_copy_of_its_own() {
    let app = app().await;
    for blog in [
        "{ name = \"*\", mode = \"seal\" }",
        "{ name = \"__Host-*\", mode = \"sign\" }, { name = \"*\", mode = \"seal\" }",
    ] {
        let gate = two(&app, ADOPT, blog).await;
        let browser = gate.browser();
        browser.plant("localhost", "/deep/", "PHPSESSID=of-alice; Path=/deep");
        browser.get("/blog/login?own=1;%20Path=/").send().await;
        browser.get("/login?own=1;%20Path=/").send().await;
        browser.get("/logout").send().await;
        assert!(browser.cookie("__Host-session-owner").is_some(), "{blog}");
        browser.get("/login-bob").send().await;
        browser.get("/deep/x").send().await;
        assert!(
            !app.last().all("cookie").concat().contains("of-alice"),
            "{blog}"
        );
    }
}

#[tokio::test]
async fn each_host_of_a_site_takes_over_what_it_has_itself() {
    let app = app().await;
    let site = format!("trust_directives = true\n[site.cookies]\nrules = [{ADOPT}]");
    let mut gate = gate_with(&app, &site).await;
    rewrite(
        &mut gate,
        "\"localhost\", \"other.test\"",
        "\"*.other.test\"",
    )
    .await;
    let cookie = "[session.cookie]\nname = \"sid\"\ndomain = \"other.test\"\n[[site]]";
    rewrite(&mut gate, "[[site]]", cookie).await;
    let browser = gate.browser();
    for host in ["www.other.test", "b.other.test"] {
        browser.plant(host, "/", &format!("PHPSESSID=of-{host}; Path=/"));
    }
    browser.plant(
        "x.a.b.c.other.test",
        "/",
        "PHPSESSID=of-all; Path=/; Domain=other.test",
    );
    let c = "x.a.b.c.other.test";
    browser.get("/").host(c).send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-all"]);
    // One of a domain is nothing to hosts beside it either.
    browser
        .get("/set?PHPSESSID=own;%20Path=/;%20Domain=x.a.b.c.other.test")
        .host(c)
        .send()
        .await;
    for _ in 0..2 {
        for host in ["www.other.test", "b.other.test"] {
            browser.get("/").host(host).send().await;
            assert_eq!(app.last().all("cookie"), [format!("PHPSESSID=of-{host}")]);
        }
    }
    // What one of them says of its own is nothing to the others.
    for page in [
        "/set?PHPSESSID=;%20Path=/;%20Max-Age=0",
        "/set?PHPSESSID=new;%20Path=/",
    ] {
        browser.get(page).host("b.other.test").send().await;
    }
    browser.get("/").host("www.other.test").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-www.other.test"]);
    browser.get("/").host(c).send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=own"]);
}

#[tokio::test]
async fn what_another_host_reads_is_taken_from_it_by_its_own_word_alone() {
    let app = app().await;
    for end in ["2999-12-31", "2020-12-31"] {
        let root = format!("{{ name = \"PHPSESSID\", mode = \"keep\", adopt_until = {end} }}");
        let sites = format!(
            "trust_directives = true\n[site.cookies]\nrules = [{root}]\n[[site]]\nname = \"www\"\n\
             hosts = [\"www.other.test\"]\nupstream = [\"http://{}\"]\n[site.cookies]\n\
             rules = [{{ name = \"PHPSESSID\", mode = \"pass\" }}]\n",
            app.addr()
        );
        let gate = gate_with(&app, &sites).await;
        let browser = gate.browser();
        browser.plant(
            "other.test",
            "/",
            "PHPSESSID=live; Path=/; Domain=other.test",
        );
        for page in [
            "/",
            "/set?PHPSESSID=;%20Path=/;%20Max-Age=0",
            "/logout",
            "/login",
            "/login-bob",
            "/",
            "/logout",
        ] {
            browser.get(page).host("other.test").send().await;
            assert_eq!(
                browser.cookie("PHPSESSID").as_deref(),
                Some("live"),
                "{page} {end}"
            );
        }
        browser
            .get("/set?PHPSESSID=;%20Path=/;%20Domain=other.test;%20Max-Age=0")
            .host("other.test")
            .send()
            .await;
        assert_eq!(browser.cookie("PHPSESSID"), None, "{end}");
    }
}
