//! What a rule demands, and what becomes of who lacks it, in words.

use std::time::Duration;

use http::request::Parts;

use super::account::{Access, Demanded, TurnedAway};
use super::scene::Scene;
use crate::cli::words::Roughly;
use crate::gateway::access::Rule;
use crate::gateway::demand::{Asking, Methods, Networks};
use crate::gateway::denial::Denial;
use crate::gateway::refusal::Refusal;
use crate::headers::hop;
use crate::headers::navigation::audience;

/// Whether such a visitor may have what they ask for, with the rule that decides it.
pub(super) fn access(scene: &Scene<'_>, head: &Parts, asking: &Asking<'_>) -> Option<Access> {
    let demand = &scene.rule?.require;
    // Without a user no time is compared.
    let now = crate::base::clock::Time::from_secs(0);
    let lack = demand.judge(asking, None, now).err()?;
    let upgrades = hop::is_websocket_upgrade(&head.method, head.version, &head.headers);
    let audience = audience(&head.method, &head.headers, upgrades);
    let target = head.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    let manner = scene.site.looks.manner(&head.headers);
    let denial = Denial::of(lack, scene.site, audience, target, manner);
    let login = denial.login().map(str::to_owned);
    let is_for_login = lack.is_for_login();
    let refusal = Refusal::Denied(Box::new(denial));
    Some(Access {
        without_login: TurnedAway {
            status: refusal.status().as_u16(),
            reason: refusal.word(),
            why: match &scene.site.service {
                Some(_) if is_for_login => {
                    format!("{refusal}; the login service says where people log in")
                }
                _ => refusal.to_string(),
            },
            login,
        },
        login_helps: is_for_login,
    })
}

/// What a rule demands.
pub(super) fn demanded(rule: &Rule) -> Option<Demanded> {
    let demand = &rule.require;
    let user = demand.user.as_ref();
    let demanded = Demanded {
        user: user.is_some(),
        groups: user.map(|user| user.groups.clone()).unwrap_or_default(),
        max_auth_age: user.and_then(|user| user.max_auth_age).map(span),
        methods: methods(&demand.methods),
        networks: networks(&demand.networks),
    };
    let is_nothing = !demanded.user && demanded.methods.is_none() && demanded.networks.is_none();
    (!is_nothing).then_some(demanded)
}

/// The methods by name, unless it is all of them.
pub(super) fn methods(methods: &Methods) -> Option<Vec<String>> {
    let names = methods.list()?.iter().map(ToString::to_string);
    Some(names.collect())
}

/// The networks, unless it is all of them.
pub(super) fn networks(networks: &Networks) -> Option<Vec<String>> {
    let names = networks.list()?.iter().map(ToString::to_string);
    Some(names.collect())
}

fn span(age: Duration) -> String {
    let secs = age.as_secs();
    let is_round = matches!(secs, 0..60)
        || secs.is_multiple_of(3_600)
        || (secs < 3_600 && secs.is_multiple_of(60));
    if is_round {
        Roughly(age).to_string()
    } else {
        format!("{secs}s")
    }
}
