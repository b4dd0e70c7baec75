//! What a provider tells of a user, within limits: a session holds it, and every request may bring it to the app.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fault::OidcFault;
use super::settings::OidcSettings;
use super::told::Profile;

/// The longest name or address, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// The longest name of a group, in bytes.
const GROUP_BYTES_MAX: usize = 512;

/// How much all names of groups take, in bytes.
const GROUPS_BYTES_MAX: usize = 16 * 1024;

/// How much all other claims take as JSON, in bytes.
const CLAIMS_BYTES_MAX: usize = 16 * 1024;

/// How many values a claim may stand in.
const DEPTH_MAX: usize = 8;

/// What is about the token and not about the user, or is told in another way.
const NOT_THE_USERS: &[&str] = &[
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "sid", "at_hash", "c_hash",
    "s_hash", "events",
];

/// Whether something that was asked for is missing, so that another place must be asked.
pub(super) fn lacks(claims: &Map<String, Value>, settings: &OidcSettings) -> bool {
    let asked = |scope| settings.scopes.iter().any(|asked| asked == scope);
    let has = |claim| claims.contains_key(claim);
    let no_name = !has("name") && !has("preferred_username");
    groups_in(claims, &settings.groups_claim).is_none()
        || (asked("profile") && no_name)
        || (asked("email") && !has("email"))
}

/// Adds what `other` tells to what is told already: what a token says is signed, and goes first.
pub(super) fn join(claims: &mut Map<String, Value>, other: Map<String, Value>) {
    for (name, value) in other {
        claims.entry(name).or_insert(value);
    }
}

/// Makes a profile of claims.
pub(super) fn of(mut claims: Map<String, Value>, groups: &str) -> Result<Profile, OidcFault> {
    let text = |name| {
        let text = claims.get(name).and_then(Value::as_str)?;
        is_plain(text, NAME_BYTES_MAX).then(|| text.to_owned())
    };
    let is_denied = match claims.get("email_verified") {
        // Some write it as a text.
        Some(Value::String(text)) => text == "false",
        other => other == Some(&Value::Bool(false)),
    };
    let mut profile = Profile {
        name: text("name").or_else(|| text("preferred_username")),
        email: text("email").filter(|_| !is_denied),
        groups: read_groups(groups_in(&claims, groups))?,
        claims: Map::new(),
    };
    // They are told, and may be long.
    claims.remove(groups);
    claims.retain(|name, _| !NOT_THE_USERS.contains(&name.as_str()));
    profile.claims = within_limits(claims);
    Ok(profile)
}

/// A claim of this very name, or what a way into nested objects leads to, as in Keycloak's `realm_access.roles`.
fn groups_in<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut steps = name.split('.');
    let first = claims.get(steps.next()?)?;
    // One step alone was tried.
    let mut steps = steps.peekable();
    steps.peek()?;
    steps.try_fold(first, |value, step| value.get(step))
}

/// A list, or a single one. In order and each once, so that a provider that shuffles them changes nobody.
fn read_groups(value: Option<&Value>) -> Result<Vec<String>, OidcFault> {
    let all = match value {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let mut groups = BTreeSet::new();
    for group in all.iter().filter_map(Value::as_str) {
        // No rule can demand such a one.
        if is_plain(group, GROUP_BYTES_MAX) {
            groups.insert(group);
        }
    }
    // To leave some out would be to decide which rights somebody has.
    if groups.iter().map(|group| group.len()).sum::<usize>() > GROUPS_BYTES_MAX {
        return Err(OidcFault::TooMuch("the groups"));
    }
    Ok(groups.into_iter().map(str::to_owned).collect())
}

/// Those that fit, in the order of their names; the names of the others are logged.
fn within_limits(claims: Map<String, Value>) -> Map<String, Value> {
    let mut left = CLAIMS_BYTES_MAX;
    let mut kept = Map::new();
    for (name, value) in claims {
        let bytes = name.len() + value.to_string().len();
        if bytes <= left && is_shallow(&value, DEPTH_MAX) {
            left -= bytes;
            kept.insert(name, value);
        } else {
            tracing::debug!(claim = ?name, "a claim of the OpenID provider is too long or too deep to be kept");
        }
    }
    kept
}

fn is_shallow(value: &Value, depth: usize) -> bool {
    let within = |value| depth > 0 && is_shallow(value, depth - 1);
    match value {
        Value::Array(all) => all.iter().all(within),
        Value::Object(all) => all.values().all(within),
        _ => true,
    }
}

fn is_plain(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(claims: Value, groups: &str) -> Result<Profile, OidcFault> {
        let Value::Object(claims) = claims else {
            panic!("an object")
        };
        of(claims, groups)
    }

    #[test]
    fn a_profile_is_what_is_told_of_the_user() {
        let told = json!({
            "iss": "https://id.test", "sub": "1", "nonce": "n", "at_hash": "h", "exp": 1,
            "name": "Alice", "email": "a@b.test", "email_verified": true,
            "groups": ["staff", "dev", "staff", 7, "", "a\nb"], "locale": {"tag": ["de"]},
        });
        let profile = profile(told, "groups").unwrap();
        assert_eq!(profile.name.as_deref(), Some("Alice"));
        assert_eq!(profile.email.as_deref(), Some("a@b.test"));
        assert_eq!(profile.groups, ["dev", "staff"]);
        let kept: Vec<_> = profile.claims.keys().collect();
        assert_eq!(kept, ["email", "email_verified", "locale", "name"]);
    }

    #[test]
    fn an_address_that_is_not_verified_is_nobodys() {
        for denied in [json!(false), json!("false")] {
            let told = json!({"email": "a@b.test", "email_verified": denied});
            assert_eq!(profile(told, "groups").unwrap().email, None);
        }
        let told = json!({"email": "a@b.test", "preferred_username": "al"});
        let told = profile(told, "groups").unwrap();
        assert_eq!(told.email.as_deref(), Some("a@b.test"));
        assert_eq!(told.name.as_deref(), Some("al"));
    }

    #[test]
    fn groups_are_a_list_or_one_under_a_name_or_at_the_end_of_a_way() {
        for (told, name) in [
            (json!({"roles": ["a"]}), "roles"),
            (json!({"roles": "a"}), "roles"),
            (json!({"realm": {"roles": ["a"]}}), "realm.roles"),
            (json!({"realm.roles": ["a"], "realm": 7}), "realm.roles"),
            (
                json!({"https://id.test/roles": ["a"]}),
                "https://id.test/roles",
            ),
        ] {
            assert_eq!(profile(told.clone(), name).unwrap().groups, ["a"], "{told}");
        }
        for none in [json!({}), json!({"realm": {}}), json!({"realm": "roles"})] {
            assert!(profile(none, "realm.roles").unwrap().groups.is_empty());
        }
    }

    #[test]
    fn too_many_groups_are_no_login_and_claims_that_do_not_fit_are_left_out() {
        let many: Vec<_> = (0..400).map(|nth| format!("{nth:050}")).collect();
        let fault = profile(json!({"groups": many}), "groups").unwrap_err();
        assert_eq!(fault.word(), "too-much");
        let mut deep = json!(1);
        for _ in 0..=DEPTH_MAX {
            deep = json!([deep]);
        }
        let long = "x".repeat(CLAIMS_BYTES_MAX);
        let told = json!({"a": long, "b": deep, "c": deep[0], "d": 1});
        let profile = profile(told, "groups").unwrap();
        assert_eq!(profile.claims.keys().collect::<Vec<_>>(), ["c", "d"]);
    }
}
