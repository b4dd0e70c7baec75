//! What came of reloads: in the metrics, beside readiness, and as the answer to who asked for one.

use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;

use serde_json::{Value, json};

use super::metrics::{head, line};
use crate::base::clock::Time;

/// What is asked with POST.
pub(super) const PATH: &str = "/api/v1/reload";

/// How a reload went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Why the configuration is that of before; empty: it is the new one.
    pub faults: Vec<Fault>,
    /// Keys that have changed and wait for a restart.
    pub restart_needed: Vec<&'static str>,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The file, or the variable of the environment, that it stands in.
    pub file: String,
    /// The line, if it is known.
    pub line: Option<usize>,
    /// The key, if it is one's.
    pub key: String,
    /// All of it as `cloakroom check` says it.
    pub text: String,
}

/// An [`Outcome`] that is yet to come; `None`: it did not come to a reload, as too many ask or the gateway stops.
pub type Coming = Pin<Box<dyn Future<Output = Option<Outcome>> + Send>>;

/// What is known of the configuration in force.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Reloads that succeeded.
    pub reloaded: u64,
    /// Reloads that were refused.
    pub refused: u64,
    /// Whether the last one succeeded; so does a start.
    pub last_succeeded: bool,
    /// When the configuration in force was read.
    pub since: Time,
    /// Keys that have changed and wait for a restart.
    pub restart_needed: Vec<&'static str>,
    /// The certificates by the first of their hosts, and when each ends.
    pub certificates: Vec<(String, Time)>,
}

impl Report {
    /// As Prometheus reads it.
    pub(super) fn write(&self, out: &mut String) {
        let help = "Reloads of the configuration, by how they went.";
        head(out, "config_reloads_total", "counter", help);
        for (result, count) in [("success", self.reloaded), ("refused", self.refused)] {
            let labels = format!("{{result=\"{result}\"}}");
            line(out, "config_reloads_total", &labels, count);
        }
        let help =
            "Whether the last reload succeeded (1), or the configuration of before was kept (0).";
        head(out, "config_last_reload_success", "gauge", help);
        let succeeded = u64::from(self.last_succeeded);
        line(out, "config_last_reload_success", "", succeeded);
        let help = "When the configuration in force was read, in seconds since 1970.";
        head(out, "config_last_reload_timestamp_seconds", "gauge", help);
        let since = self.since.as_secs();
        line(out, "config_last_reload_timestamp_seconds", "", since);
        let help = "Keys of the configuration that have changed and wait for a restart.";
        head(out, "config_restart_needed", "gauge", help);
        let waiting = u64::try_from(self.restart_needed.len()).unwrap_or(u64::MAX);
        line(out, "config_restart_needed", "", waiting);
        let help = "When a certificate ends, in seconds since 1970.";
        head(out, "tls_certificate_not_after_seconds", "gauge", help);
        for (name, not_after) in &self.certificates {
            let labels = format!("{{name=\"{}\"}}", escaped(name));
            let not_after = not_after.as_secs();
            line(out, "tls_certificate_not_after_seconds", &labels, not_after);
        }
    }

    /// What readiness says beside its verdict.
    pub(super) fn notes(&self) -> String {
        let mut notes = String::new();
        // Writing to a String cannot fail.
        if !self.last_succeeded {
            let _ = writeln!(notes, "the last reload was refused");
        }
        if !self.restart_needed.is_empty() {
            let keys = self.restart_needed.join(", ");
            let _ = writeln!(notes, "restart needed: {keys}");
        }
        notes
    }
}

/// A certificate may name what it likes.
fn escaped(name: &str) -> String {
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    name.replace('\n', "\\n")
}

/// What is told to who asked for a reload; `None`: it did not come to one.
pub(super) fn told(outcome: Option<&Outcome>) -> Value {
    let Some(outcome) = outcome else {
        return json!({ "error": "it did not come to a reload" });
    };
    if outcome.faults.is_empty() {
        return json!({ "reloaded": true, "restart_needed": outcome.restart_needed });
    }
    let faults = outcome.faults.iter().map(|fault| {
        json!({
            "file": fault.file,
            "line": fault.line,
            "key": fault.key,
            "text": fault.text,
        })
    });
    let faults: Vec<Value> = faults.collect();
    json!({ "reloaded": false, "faults": faults })
}
