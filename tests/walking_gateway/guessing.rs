//! Promise: whoever guesses passwords at an app's own login is slowed down before the app is asked, and locks nobody out.

use crate::support::{Answer, App, Browser, Gate, Reply, Seen, Setup, eventually};

const FORM: &str = "application/x-www-form-urlencoded";
const LOGIN: &str = "/login";

fn reply(seen: &Seen) -> Reply {
    let says = |text: &str| String::from_utf8_lossy(&seen.body).contains(text);
    match seen.path() {
        LOGIN if says("right") => Reply::ok("")
            .status(302)
            .header("set-cookie", "sid=1; Path=/"),
        LOGIN if says("broken") => Reply::ok("").status(500),
        LOGIN => Reply::ok("wrong password"),
        _ => Reply::ok("ok"),
    }
}

async fn gate(app: &App, limits: &str) -> Gate {
    let site = format!(
        "[site.login]\nmethod = \"watch\"\n{limits}\n\
         login = {{ path = \"{LOGIN}\", user_field = \"user\", success = {{ status = [302], sets_cookie = \"sid\" }} }}\n"
    );
    let setup = Setup {
        server: "trusted_proxies = [\"127.0.0.1/32\"]",
        site: &site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

async fn log_in(browser: &Browser, from: &str, body: &str) -> Answer {
    let call = browser.post(LOGIN, body.to_owned());
    let call = call.header("content-type", FORM);
    call.header("x-forwarded-for", from).send().await
}

#[tokio::test]
async fn an_account_is_guarded_from_everywhere_and_the_app_is_not_asked() {
    for http2 in [false, true] {
        let app = App::answering(reply).await;
        let gate = gate(&app, "attempts_per_account = 3\nattempt_window = \"3m\"").await;
        let browser = || match http2 {
            true => gate.browser().http2(),
            false => gate.browser(),
        };
        for from in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
            let answer = log_in(&browser(), from, "user=alice&pwd=wrong").await;
            assert_eq!(answer.status(), 200);
        }
        let asked = app.seen().len();

        let answer = log_in(&browser(), "192.0.2.9", "user=ALICE&pwd=right").await;

        assert_eq!(answer.status(), 429);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((50..=60).contains(&wait), "{wait}");
        assert_eq!(app.seen().len(), asked, "the app was asked");
        let other = log_in(&browser(), "192.0.2.9", "user=bob&pwd=right").await;
        assert_eq!(other.status(), 302, "another account");
        let printed = gate.printed();
        assert!(printed.contains("attempts_per_account"), "{printed}");
        let lines = gate.access_log(5).await;
        assert!(
            lines
                .iter()
                .any(|line| line["refusal"] == "too-many-logins"),
            "{lines:?}"
        );
        assert!(!printed.contains("right"), "{printed}");
    }
}

#[tokio::test]
async fn whoever_was_here_before_is_not_locked_out_by_others() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "attempts_per_account = 3\nattempt_window = \"1h\"").await;
    let home = "198.51.100.1";
    assert_eq!(
        log_in(&gate.browser(), home, "user=alice&pwd=right")
            .await
            .status(),
        302
    );
    for _ in 0..3 {
        log_in(&gate.browser(), "192.0.2.1", "user=alice&pwd=wrong").await;
    }
    let stranger = log_in(&gate.browser(), "192.0.2.2", "user=alice&pwd=right").await;
    assert_eq!(stranger.status(), 429);

    let answer = log_in(&gate.browser(), home, "user=alice&pwd=right").await;

    assert_eq!(answer.status(), 302);
}

#[tokio::test]
async fn a_lockout_ends_by_itself_however_many_go_on_trying() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "attempts_per_account = 2\nattempt_window = \"2s\"").await;
    let browser = gate.browser();
    for _ in 0..2 {
        log_in(&browser, "192.0.2.1", "user=alice&pwd=wrong").await;
    }
    assert_eq!(
        log_in(&browser, "192.0.2.1", "user=alice&pwd=right")
            .await
            .status(),
        429
    );

    eventually("the login is let through", async || {
        let answer = log_in(&browser, "192.0.2.1", "user=alice&pwd=right").await;
        (answer.status() == 302).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_is_guarded_over_all_accounts_and_ipv6_by_the_64() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "attempts_per_address = 3\nattempt_window = \"1h\"").await;
    for (one, same, other) in [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
    ] {
        for nth in 0..3 {
            // Own logins in between pay for no guess.
            let body = format!("user=u{nth}{one}&pwd=wrong");
            assert_eq!(log_in(&gate.browser(), one, &body).await.status(), 200);
        }
        let answer = log_in(&gate.browser(), same, "user=mallory&pwd=right").await;
        assert_eq!(answer.status(), 429, "{same}");
        assert!(answer.header("retry-after").is_some());
        let answer = log_in(&gate.browser(), other, "user=mallory&pwd=right").await;
        assert_eq!(answer.status(), 302, "{other}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_request_goes_round_the_limit() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "attempts_per_account = 2\nattempt_window = \"1h\"").await;
    // Nobody reads these, so those of one address count together, and shut nobody else out; a cross-site mark is a header
    // like any other.
    for body in ["user=a&user=alice&pwd=wrong", "user[]=alice&pwd=wrong"] {
        assert_eq!(
            log_in(&gate.browser(), "192.0.2.1", body).await.status(),
            200
        );
    }
    let odd = "user=b&user=alice&pwd=right";
    let third = log_in(&gate.browser(), "192.0.2.1", odd).await;
    assert_eq!(third.status(), 429);
    let elsewhere = log_in(&gate.browser(), "192.0.2.2", odd).await;
    assert_eq!(elsewhere.status(), 302);
    for _ in 0..2 {
        log_in(&gate.browser(), "192.0.2.1", "user=alice&pwd=wrong").await;
    }
    let browser = gate.browser();
    let call = browser.post(LOGIN, "user=alice&pwd=right");
    let call = call.header("content-type", FORM);
    let answer = call.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(answer.status(), 429);
}

#[tokio::test]
async fn a_hundred_guesses_at_a_time_are_a_hundred() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "attempts_per_account = 5\nattempt_window = \"1h\"").await;
    let guesses = (0..100).map(|_| async {
        let browser = gate.browser();
        log_in(&browser, "192.0.2.1", "user=alice&pwd=wrong")
            .await
            .status()
    });
    let answers = crate::support::together(guesses).await;
    let asked = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(asked, 5, "{answers:?}");
}

#[tokio::test]
async fn what_the_app_cannot_say_counts_against_nobody() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "attempts_per_account = 2\nattempt_window = \"1h\"").await;
    for _ in 0..5 {
        let answer = log_in(&gate.browser(), "192.0.2.1", "user=alice&pwd=broken").await;
        assert_eq!(answer.status(), 500);
    }
    let answer = log_in(&gate.browser(), "192.0.2.1", "user=alice&pwd=right").await;
    assert_eq!(answer.status(), 302);
    app.stop().await;
    for _ in 0..5 {
        let answer = log_in(&gate.browser(), "192.0.2.1", "user=bob&pwd=right").await;
        assert_eq!(answer.status(), 502);
    }
}

#[tokio::test]
async fn zero_is_no_limit() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "attempts_per_account = 0\nattempts_per_address = 0").await;
    for _ in 0..120 {
        let answer = log_in(&gate.browser(), "192.0.2.1", "user=alice&pwd=wrong").await;
        assert_eq!(answer.status(), 200);
    }
}
