//! `/api/v1/upstreams`: how the apps behind the sites are, and who of them is drained.

use std::fmt::Write;

use http::{Method, Response, StatusCode};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{JSON, not_allowed, text};
use super::metrics::{head, line};
use crate::gateway::Gateway;
use crate::upstream::{Report, Standing, Upstreams};

type Answer = Response<Full<bytes::Bytes>>;

/// What is below it, too.
pub(super) const LIST: &str = "/api/v1/upstreams";

/// The answer to a request for `path`, if it is one of ours.
pub(super) fn answer(
    admin: &Admin,
    method: &Method,
    path: &str,
    query: Option<&str>,
) -> Option<Answer> {
    let answer = match path.strip_prefix(LIST)? {
        "" if method != Method::GET => not_allowed("GET"),
        "" => say(StatusCode::OK, &list(&admin.gateway.current())),
        "/drain" | "/undrain" if method != Method::POST => not_allowed("POST"),
        "/drain" => drain(admin, query.unwrap_or_default(), true),
        "/undrain" => drain(admin, query.unwrap_or_default(), false),
        _ => return None,
    };
    Some(answer)
}

fn say(status: StatusCode, what: &Value) -> Answer {
    text(status, JSON, format!("{what}\n"))
}

fn sets(gateway: &Gateway) -> impl Iterator<Item = &Upstreams> {
    gateway.sites().map(|site| &*site.upstreams)
}

fn list(gateway: &Gateway) -> Value {
    let all = sets(gateway).flat_map(|set| {
        let site = set.site();
        set.reports().map(move |report| told(site, &report))
    });
    json!({ "upstreams": all.collect::<Vec<_>>() })
}

fn told(site: &str, report: &Report<'_>) -> Value {
    json!({
        "site": site,
        "upstream": report.address,
        "weight": report.weight,
        "backup": report.backup,
        "state": report.standing.word(),
        "drained_by": report.drained_by,
        "in_flight": report.in_flight,
        "requests": report.requests,
        "failures": report.failures,
        "ejections": report.ejections,
    })
}

/// Begins or ends to drain the upstream that `query` names. The answer is how it is then.
fn drain(admin: &Admin, query: &str, drains: bool) -> Answer {
    let named = |key: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value);
        value
            .map(|value| percent_decode_str(value).decode_utf8_lossy())
            .next()
    };
    let (Some(site), Some(address)) = (named("site"), named("upstream")) else {
        let error = "name both: ?site=NAME&upstream=ADDRESS";
        return say(StatusCode::NOT_FOUND, &json!({ "error": error }));
    };
    let gateway = admin.gateway.current();
    let set = sets(&gateway).find(|set| **set.site() == *site);
    let now = admin.clock.now();
    let Some(set) = set.filter(|set| set.drain(&address, drains, now)) else {
        let known: Vec<_> = sets(&gateway).flat_map(names).collect();
        let error = json!({ "error": "there is no such upstream", "upstreams": known });
        return say(StatusCode::NOT_FOUND, &error);
    };
    let report = set.reports().find(|report| report.address == address);
    let Some(report) = report else {
        return say(StatusCode::OK, &json!({}));
    };
    let mut told = told(set.site(), &report);
    if !drains && report.drained_by.is_some() {
        told["error"] = "the configuration drains it: take drain = true out and reload".into();
        return say(StatusCode::CONFLICT, &told);
    }
    say(StatusCode::OK, &told)
}

fn names(set: &Upstreams) -> impl Iterator<Item = Value> {
    let name = |report: Report<'_>| json!({ "site": &**set.site(), "upstream": report.address });
    set.reports().map(name)
}

/// What is counted of each upstream, as Prometheus reads it.
pub(super) fn metrics(out: &mut String, gateway: &Gateway) {
    type Gauge = (
        &'static str,
        &'static str,
        &'static str,
        fn(&Report<'_>) -> u64,
    );
    let gauges: [Gauge; 6] = [
        (
            "upstream_up",
            "gauge",
            "Whether an upstream is in service.",
            |report| u64::from(report.standing == Standing::Up),
        ),
        (
            "upstream_drained",
            "gauge",
            "Whether an upstream gets no new sessions.",
            |report| u64::from(report.drained_by.is_some()),
        ),
        (
            "upstream_requests_in_flight",
            "gauge",
            "Requests that an upstream has not answered whole.",
            |report| u64::try_from(report.in_flight).unwrap_or(u64::MAX),
        ),
        (
            "upstream_requests_total",
            "counter",
            "Requests that an upstream was asked.",
            |report| report.requests,
        ),
        (
            "upstream_failures_total",
            "counter",
            "Requests that failed by the fault of an upstream.",
            |report| report.failures,
        ),
        (
            "upstream_ejections_total",
            "counter",
            "Times that an upstream went out of service.",
            |report| report.ejections,
        ),
    ];
    for (name, kind, help, read) in gauges {
        head(out, name, kind, help);
        for set in sets(gateway) {
            for report in set.reports() {
                line(
                    out,
                    name,
                    &labels(set.site(), report.address),
                    read(&report),
                );
            }
        }
    }
}

fn labels(site: &str, address: &str) -> String {
    let mut labels = String::from("{");
    for (name, value) in [("site", site), (",upstream", address)] {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a String cannot fail.
        let _ = write!(labels, "{name}=\"{}\"", value.replace('\n', "\\n"));
    }
    labels.push('}');
    labels
}
