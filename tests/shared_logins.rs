//! Promise: who guesses passwords or tries a code twice gains nothing by going from node to node, or by waiting for a
//! restart; and nobody is locked out by it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::sync::Arc;

use cloakroom::base::clock::Clock;
use cloakroom::login::form::password::{Cost, hash};
use cloakroom::login::form::totp::TotpSecret;
use support::forms::{encode, hidden};
use support::servers::Redis;
use support::{Answer, App, Gate, Reply, Seen, Setup, together};

const FORM: &str = "application/x-www-form-urlencoded";
const LOGIN: &str = "/login";

/// An engine that two nodes can share.
struct Engine {
    name: &'static str,
    store: String,
    redis: Option<Arc<Redis>>,
}

impl Engine {
    fn redis(timeout: &str) -> Option<Self> {
        let redis = Redis::start()?;
        Some(Self {
            name: "redis",
            store: format!(
                "engine = \"redis\"\nurl = \"{}\"\ntimeout = \"{timeout}\"",
                redis.url()
            ),
            redis: Some(Arc::new(redis)),
        })
    }

    fn sqlite() -> Self {
        Self {
            name: "sqlite",
            store: "engine = \"sqlite\"\npath = \"data/sessions.db\"\ntimeout = \"20s\"".to_owned(),
            redis: None,
        }
    }

    fn each() -> impl Iterator<Item = Self> {
        let engines = [Some(Self::sqlite()), Self::redis("20s")];
        engines
            .into_iter()
            .flatten()
            .inspect(|engine| println!("engine: {}", engine.name))
    }

    /// Two nodes before an app with a login of its own.
    async fn watching(&self, app: &App, limits: &str) -> [Gate; 2] {
        let site = format!(
            "[site.login]\nmethod = \"watch\"\n{limits}\n\
             login = {{ path = \"{LOGIN}\", user_field = \"user\", success = {{ status = [302], sets_cookie = \"sid\" }} }}\n"
        );
        self.nodes(app, &site).await
    }

    async fn nodes(&self, app: &App, site: &str) -> [Gate; 2] {
        let setup = Setup {
            server: "trusted_proxies = [\"127.0.0.1/32\"]",
            store: &self.store,
            site,
            ..Setup::default()
        };
        let first = Gate::with(app, setup).await;
        let second = first.another().await;
        [first, second]
    }
}

fn reply(seen: &Seen) -> Reply {
    let says = |text: &str| String::from_utf8_lossy(&seen.body).contains(text);
    match seen.path() {
        LOGIN if says("right") => Reply::ok("")
            .status(302)
            .header("set-cookie", "sid=1; Path=/"),
        LOGIN => Reply::ok("wrong password"),
        _ => Reply::ok("ok"),
    }
}

async fn log_in(gate: &Gate, from: &str, body: &str) -> Answer {
    let browser = gate.browser();
    let call = browser.post(LOGIN, body.to_owned());
    let call = call.header("content-type", FORM);
    call.header("x-forwarded-for", from).send().await
}

async fn status(gate: &Gate, from: &str, body: &str) -> u16 {
    log_in(gate, from, body).await.status()
}

#[tokio::test]
async fn guesses_spread_over_two_nodes_fill_one_bucket() {
    for engine in Engine::each() {
        let app = App::answering(reply).await;
        let [mut here, mut there] = engine.watching(&app, "attempt_window = \"1h\"").await;
        for nth in 0..10 {
            let gate = if nth % 2 == 0 { &here } else { &there };
            let from = format!("192.0.2.{nth}");
            assert_eq!(status(gate, &from, "user=alice&pwd=wrong").await, 200);
        }
        let asked = app.seen().len();
        for gate in [&here, &there] {
            let answer = log_in(gate, "198.51.100.1", "user=Alice&pwd=right").await;
            assert_eq!(answer.status(), 429, "{}", engine.name);
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((200..=360).contains(&wait), "{wait}");
            gate.says("attempts_per_account").await;
        }
        assert_eq!(app.seen().len(), asked, "the app was asked");
        for gate in [&here, &there] {
            assert_eq!(
                status(gate, "198.51.100.1", "user=bob&pwd=right").await,
                302
            );
        }

        here.kill9();
        here.restart().await;
        assert!(there.stop().await.success());

        let answer = log_in(&here, "198.51.100.1", "user=alice&pwd=right").await;
        assert_eq!(answer.status(), 429, "{} forgets", engine.name);
    }
}

#[tokio::test]
async fn an_address_is_counted_on_all_nodes() {
    for engine in Engine::each() {
        let app = App::answering(reply).await;
        let limits = "attempts_per_address = 4\nattempt_window = \"1h\"";
        let [here, there] = engine.watching(&app, limits).await;
        for nth in 0..4 {
            let gate = if nth % 2 == 0 { &here } else { &there };
            let body = format!("user=u{nth}&pwd=wrong");
            assert_eq!(status(gate, "2001:db8::1", &body).await, 200);
        }
        for gate in [&here, &there] {
            let same = "2001:db8::ffff:1";
            assert_eq!(status(gate, same, "user=mallory&pwd=right").await, 429);
            assert_eq!(
                status(gate, "2001:db8:0:1::1", "user=u9&pwd=right").await,
                302
            );
        }
    }
}

#[tokio::test]
async fn a_hundred_guesses_at_a_time_over_two_nodes_are_a_hundred() {
    for engine in Engine::each() {
        let app = App::answering(reply).await;
        let limits = "attempts_per_account = 5\nattempt_window = \"1h\"";
        let nodes = engine.watching(&app, limits).await;
        let guesses =
            (0..100).map(|nth| status(&nodes[nth % 2], "192.0.2.1", "user=alice&pwd=wrong"));
        let answers = together(guesses).await;
        let asked = answers.iter().filter(|status| **status == 200).count();
        assert_eq!(asked, 5, "{}: {answers:?}", engine.name);
    }
}

/// Somebody who logged in at one node is known at the other, and what failed there before is forgotten on both.
#[tokio::test]
async fn a_login_at_one_node_counts_on_the_other() {
    for engine in Engine::each() {
        let app = App::answering(reply).await;
        let limits = "attempts_per_account = 3\nattempt_window = \"1h\"";
        let [here, there] = engine.watching(&app, limits).await;
        let home = "198.51.100.1";
        for gate in [&here, &there] {
            assert_eq!(status(gate, home, "user=alice&pwd=wrong").await, 200);
        }
        assert_eq!(status(&here, home, "user=alice&pwd=right").await, 302);
        for _ in 0..3 {
            assert_eq!(
                status(&there, "192.0.2.1", "user=alice&pwd=wrong").await,
                200
            );
        }
        for gate in [&there, &here] {
            assert_eq!(status(gate, "192.0.2.2", "user=alice&pwd=right").await, 429);
        }

        assert_eq!(status(&there, home, "user=alice&pwd=right").await, 302);
    }
}

/// What was full here may have been emptied by a login elsewhere.
#[tokio::test]
async fn a_login_at_one_node_unlocks_the_account_on_the_other() {
    for engine in Engine::each() {
        let app = App::answering(reply).await;
        let limits = "attempts_per_account = 2\nattempt_window = \"4s\"";
        let [here, there] = engine.watching(&app, limits).await;
        for _ in 0..2 {
            assert_eq!(
                status(&here, "192.0.2.1", "user=alice&pwd=wrong").await,
                200
            );
        }
        assert_eq!(
            status(&here, "192.0.2.1", "user=alice&pwd=right").await,
            429
        );
        support::eventually("there is room for one", async || {
            let status = status(&there, "192.0.2.9", "user=alice&pwd=right").await;
            (status == 302).then_some(())
        })
        .await;

        let status = status(&here, "192.0.2.1", "user=alice&pwd=right").await;

        assert_eq!(status, 302, "{}", engine.name);
    }
}

/// Neither an open door nor a lockout: each node counts for itself meanwhile.
#[tokio::test]
async fn without_an_answer_of_the_store_each_node_holds_its_own_limits() {
    let Some(engine) = Engine::redis("500ms") else {
        return;
    };
    let app = App::answering(reply).await;
    let limits = "attempts_per_account = 3\nattempt_window = \"1h\"";
    let [here, _there] = engine.watching(&app, limits).await;
    let redis = engine.redis.as_ref().unwrap();
    redis.pause();
    for _ in 0..3 {
        assert_eq!(
            status(&here, "192.0.2.1", "user=alice&pwd=wrong").await,
            200
        );
    }
    assert_eq!(
        status(&here, "192.0.2.1", "user=alice&pwd=right").await,
        429
    );
    here.says("the store does not count login attempts").await;
    redis.resume();
    support::eventually("somebody else logs in again", async || {
        let status = status(&here, "192.0.2.1", "user=bob&pwd=right").await;
        (status == 302).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_store_learns_no_names_of_those_who_log_in() {
    let Some(engine) = Engine::redis("20s") else {
        return;
    };
    let app = App::answering(reply).await;
    let [here, _there] = engine.watching(&app, "").await;
    assert_eq!(
        status(&here, "192.0.2.77", "user=alice&pwd=wrong").await,
        200
    );
    let redis = engine.redis.as_ref().unwrap();
    let keys = redis.cli(&["KEYS", "*:n:*"]);
    assert_eq!(keys.lines().count(), 2, "{keys}");
    for key in keys.lines() {
        let shown = format!("{key} {}", redis.cli(&["GET", key]));
        assert!(
            !shown.contains("alice") && !shown.contains("192.0.2"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_code_used_at_one_node_is_used_at_the_other_and_after_a_restart() {
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let cheap = Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };
    for engine in Engine::each() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users.toml");
        let password = hash("correct horse", cheap).unwrap();
        let user =
            format!("[[user]]\nid = \"bob\"\npassword = \"{password}\"\ntotp = \"{SECRET}\"\n");
        fs::write(&users, user).unwrap();
        let app = App::plain().await;
        let site = format!(
            "[site.login]\nmethod = \"form\"\ntotp = \"required\"\nusers_file = {:?}\n",
            users.display().to_string()
        );
        let [here, mut there] = engine.nodes(&app, &site).await;
        let code = TotpSecret::parse(SECRET)
            .unwrap()
            .code(Clock::system().now());

        assert_eq!(type_in(&here, &code).await, 303);
        assert_eq!(type_in(&there, &code).await, 401, "{}", engine.name);
        there.says("\"reason\":\"used-code\"").await;
        there.kill9();
        there.restart().await;
        assert_eq!(type_in(&there, &code).await, 401, "{}", engine.name);
    }
}

/// Fills in the login page as a visitor who was not here before.
async fn type_in(gate: &Gate, code: &str) -> u16 {
    let browser = gate.browser();
    let page = browser.get("/.cloakroom/login").navigating().send().await;
    let token = hidden(&page.text(), "token").unwrap();
    let fields = [
        ("user", "bob"),
        ("password", "correct horse"),
        ("code", code),
        ("token", &token),
        ("return_to", "/"),
    ];
    let call = browser.post("/.cloakroom/login", encode(&fields));
    let call = call.header("content-type", FORM);
    let call = call.header("origin", gate.origin());
    call.navigating().send().await.status()
}
