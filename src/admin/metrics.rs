//! What was counted, as Prometheus reads it (text format 0.0.4).

use std::fmt::Write;

use super::{Admin, upstreams};
use crate::base::meter::{Count, Meter};
use crate::gateway::streams::Kind;
use crate::session::KeyUse;

/// All of it.
pub(super) fn written(admin: &Admin) -> String {
    let keys = admin
        .gateway
        .current()
        .desk
        .ring
        .load()
        .uses(admin.clock.now());
    let is_ready = (admin.obstacles)().is_empty();
    let streams = &admin.gateway.current().streams;
    let streams = Kind::ALL.map(|kind| (kind, streams.open(kind)));
    let mut out = text(&admin.meter, &keys, &streams, is_ready);
    (admin.config)().write(&mut out);
    upstreams::metrics(&mut out, &admin.gateway.current());
    out
}

fn text(meter: &Meter, keys: &[KeyUse], streams: &[(Kind, usize)], is_ready: bool) -> String {
    let mut out = String::new();
    for what in Count::ALL {
        let name = format!("{}_total", what.name());
        head(&mut out, &name, "counter", what.help());
        line(&mut out, &name, "", meter.total(*what));
    }
    let help = "Tickets that came, by the key that had signed them.";
    head(&mut out, "key_uses_total", "counter", help);
    for key in keys {
        // A key id is hexadecimal, so there is nothing to escape.
        let labels = format!("{{key=\"{}\",signs=\"{}\"}}", key.id, key.signs);
        line(&mut out, "key_uses_total", &labels, key.uses);
    }
    let help = "Streams that are open.";
    head(&mut out, "open_streams", "gauge", help);
    for (kind, open) in streams {
        let labels = format!("{{kind=\"{}\"}}", kind.name());
        line(
            &mut out,
            "open_streams",
            &labels,
            u64::try_from(*open).unwrap_or(u64::MAX),
        );
    }
    let help = "Whether the gateway should be sent visitors.";
    head(&mut out, "ready", "gauge", help);
    line(&mut out, "ready", "", u64::from(is_ready));
    out
}

pub(super) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP cloakroom_{name} {help}");
    let _ = writeln!(out, "# TYPE cloakroom_{name} {kind}");
}

pub(super) fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "cloakroom_{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::session::KeyId;

    #[test]
    fn every_count_is_shown_once_with_its_help_and_type() {
        let meter = Meter::default();
        meter.add(Count::TicketsForged, 3);
        let key = KeyUse {
            id: KeyId([0xab; 4]),
            signs_from: Time::from_secs(0),
            signs: true,
            uses: 7,
        };
        let text = text(&meter, &[key], &[(Kind::Events, 2)], false);
        for what in Count::ALL {
            let name = format!("cloakroom_{}_total", what.name());
            for line in [
                format!("# HELP {name} {}", what.help()),
                format!("# TYPE {name} counter"),
                format!("{name} {}", meter.total(*what)),
            ] {
                let shown = text.lines().filter(|shown| *shown == line);
                assert_eq!(shown.count(), 1, "{line}");
            }
        }
        assert!(text.contains("\ncloakroom_tickets_forged_total 3\n"));
        assert!(text.contains("\ncloakroom_key_uses_total{key=\"abababab\",signs=\"true\"} 7\n"));
        assert!(text.contains("\ncloakroom_open_streams{kind=\"events\"} 2\n"));
        assert!(text.ends_with("\ncloakroom_ready 0\n"));
        let parts = text.lines().filter(|line| !line.starts_with('#'));
        assert!(parts.clone().all(|line| line.split(' ').count() == 2));
    }
}
