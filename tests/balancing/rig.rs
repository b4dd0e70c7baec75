//! A gateway before several apps, each of which answers its name.

use std::fmt::Write;

use serde_json::Value;

use crate::support::{App, Browser, Gate, Reply, Setup, eventually};

/// An app that answers `name`, and 200 to its probes.
pub async fn named(name: &'static str) -> App {
    App::answering(move |_| Reply::ok(name)).await
}

/// The address of `app`, as a configuration writes it.
pub fn url(app: &App) -> String {
    format!("http://{}", app.addr())
}

/// A gateway before `first` and those that `more` names (items of the list `site.upstream`), with these
/// `[site.upstream_options]`.
pub async fn gate(first: &App, more: &[String], options: &str) -> Gate {
    let site = format!("[site.upstream_options]\n{options}");
    let setup = Setup {
        server: "admin = \"127.0.0.1:0\"",
        site: &site,
        ..Setup::default()
    };
    let mut list = String::new();
    for one in more {
        let item = if one.starts_with('{') {
            one.clone()
        } else {
            format!("\"{one}\"")
        };
        write!(list, ", {item}").unwrap();
    }
    let gate = Gate::before_several(first.addr(), &list, setup).await;
    eventually("readiness", async || {
        let answer = gate.admin("/readyz").await;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
    gate
}

/// Who answers `times` requests of nobody in particular, one after the other; failures are told as their status.
pub async fn answers(gate: &Gate, times: usize) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..times {
        answers.push(ask(&gate.browser()).await);
    }
    answers
}

/// Who answers `browser`; a failure is told as its status.
pub async fn ask(browser: &Browser) -> String {
    let answer = browser.get("/").send().await;
    if answer.status() == 200 {
        answer.text()
    } else {
        answer.status().to_string()
    }
}

/// How often `name` is among `answers`.
pub fn count(answers: &[String], name: &str) -> usize {
    answers.iter().filter(|answer| *answer == name).count()
}

/// What the administration tells of the upstream at `address`.
pub async fn report(gate: &Gate, address: &str) -> Value {
    let all = json(&gate.admin_knowing("/api/v1/upstreams").await);
    let all = all["upstreams"].as_array().unwrap().clone();
    let mut all = all.into_iter();
    all.find(|one| one["upstream"] == address).unwrap()
}

/// Waits until the upstream at `address` is in this state.
pub async fn until(gate: &Gate, address: &str, state: &str) {
    let what = format!("{address} is {state}");
    eventually(&what, async || {
        (report(gate, address).await["state"] == state).then_some(())
    })
    .await;
}

/// Asks the administration to `drain` or `undrain`; answers head and body.
pub async fn order(gate: &Gate, what: &str, address: &str) -> String {
    let token = gate.admin_token();
    gate.admin_says(&format!(
        "POST /api/v1/upstreams/{what}?site=app&upstream={address} HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    ))
    .await
}

/// The body of an answer of the administration.
pub fn json(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// The value of one line of the metrics.
pub async fn metric(gate: &Gate, name: &str, address: &str) -> u64 {
    let metrics = gate.admin("/metrics").await;
    let begin = format!("cloakroom_{name}{{site=\"app\",upstream=\"{address}\"}} ");
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(&begin));
    let value = value.unwrap_or_else(|| panic!("no {begin} in {metrics}"));
    value.parse().unwrap()
}
