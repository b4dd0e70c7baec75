//! The headers that the app would see, written by what writes them in earnest, for a made-up visitor.

use http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use super::account::{Headers, InField, Line};
use super::scene::{Scene, printable};
use crate::base::small_map::SmallMap;
use crate::config::settings::Site;
use crate::gateway::admit::Admitted;
use crate::gateway::site::AppHost;
use crate::gateway::{Arrival, Introduction};
use crate::headers::fold;
use crate::headers::forwarded::{ForwardedPolicy, Origin};
use crate::headers::identity::{Facts, Preset};

/// What is taken out of the head, and what is written into it.
pub(super) fn headers(
    scene: &Scene<'_>,
    head: &Parts,
    arrival: &Arrival,
    admitted: &Admitted,
    cookie: Vec<InField>,
) -> Headers {
    let peer = arrival.peer.ip();
    let forwarded = ForwardedPolicy {
        trusted: scene.settings.server.trusted_proxies.clone(),
    };
    let data = SmallMap::default();
    let introduction = Introduction {
        stamp: &scene.site.stamp,
        forwarded: &forwarded,
        hops: &forwarded.read(&head.headers, peer),
        origin: Origin {
            peer,
            host: &admitted.authority,
            port: arrival.local.port(),
            version: head.version,
        },
        request_id: "<of each request>",
        facts: Facts {
            session_id: None,
            user: None,
            data: Some(&data),
            created: None,
            auth_time: None,
            is_new: true,
            client_ip: peer,
            assertion: None,
        },
    };
    let mut after = head.clone();
    introduction.write(&mut after);
    if let AppHost::Fixed { field, .. } = &scene.site.host {
        after.headers.insert(HOST, field.clone());
    }
    let (before, after) = (&head.headers, &after.headers);
    let templates = templates(&scene.settings.sites[scene.at]);
    let is_template = |name: &HeaderName| {
        templates
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name.as_str()))
    };
    let gone = before.keys().filter(|name| {
        let mut values = before.get_all(*name).iter();
        *name != COOKIE && !values.any(|value| has(after, name, value))
    });
    let new = after
        .iter()
        .filter(|(name, value)| *name != COOKIE && !is_template(name) && !has(before, name, value));
    let written = new.map(|(name, value)| Line {
        name: name.to_string(),
        value: printable(value.as_bytes()),
    });
    let told = templates.iter().map(|(name, template)| Line {
        name: name.to_ascii_lowercase(),
        value: template.clone(),
    });
    Headers {
        removed: gone.map(ToString::to_string).collect(),
        set: told.chain(written).collect(),
        cookie,
    }
}

/// What `[site.headers]` and `site.header_preset` write.
fn templates(site: &Site) -> Vec<(String, String)> {
    let mut lines = site.headers.clone();
    for (name, told) in site.header_preset.into_iter().flat_map(Preset::told) {
        if lines.iter().all(|(known, _)| !fold::is_folded(known, name)) {
            lines.push((name.to_owned(), told.to_owned()));
        }
    }
    lines
}

fn has(headers: &HeaderMap, name: &HeaderName, value: &HeaderValue) -> bool {
    headers.get_all(name).iter().any(|one| one == value)
}
