//! An OpenID provider: oidc-provider, with a login page that asks for a name alone.

mod visitor;

use std::ffi::OsString;
use std::fs;

use serde_json::{Value, json};

use super::super::body::full;
use super::super::servers::process::{Process, folder};
use super::made;

pub use visitor::{Page, ProviderVisitor};

/// Its only client has this id …
pub const CLIENT: &str = "shop";
/// … and proves it with this, which holds what a form would encode.
pub const CLIENT_SECRET: &str = "a secret: 100%+";

/// An OpenID provider.
pub struct OidcProvider {
    process: Process,
    issuer: String,
}

impl OidcProvider {
    /// Starts one that knows [`CLIENT`], whose site is at `origin`, and the users alice (of staff and dev) and bob.
    ///
    /// # Panics
    /// When its setup has not been run.
    pub fn of(origin: &str) -> Self {
        Self::with(&settings(origin))
    }

    /// Starts one with settings of the test's own; tests/apps/oidc-provider/provider.mjs tells what there is.
    pub fn with(settings: &Value) -> Self {
        let made = made("oidc-provider", ".oidc-provider");
        let home = folder();
        let file = home.path().join("settings.json");
        fs::write(&file, settings.to_string()).expect("the settings");
        let script = made.join("provider.mjs");
        let mut words = ["env", "NODE_NO_WARNINGS=1"].map(OsString::from).to_vec();
        // Where it sends logout tokens, the certificate is one of the test's.
        words.push("NODE_TLS_REJECT_UNAUTHORIZED=0".into());
        words.extend(["node".into(), script.into(), file.into()]);
        let process = Process::new(home, words, "TERM");
        let mut issuer = None;
        let started = process.start(|_| {
            let log = fs::read_to_string(process.folder().join("log")).unwrap_or_default();
            let mut lines = log.split_inclusive('\n');
            issuer = lines.find_map(|line| {
                let issuer = line.strip_prefix("listening at ")?;
                issuer.strip_suffix('\n').map(str::to_owned)
            });
            issuer.is_some()
        });
        assert!(
            started,
            "the OpenID provider does not start:\n{}",
            process.log()
        );
        let issuer = issuer.expect("it has started");
        Self { process, issuer }
    }

    /// What it calls itself.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The process: to be held, killed, and read.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Somebody with a browser that the provider does not know yet.
    pub fn visitor(&self) -> ProviderVisitor {
        ProviderVisitor::new(&self.issuer)
    }

    /// From now on [`CLIENT`] is at `origin`: for a gateway that has to know the provider before it has a port.
    pub async fn serve(&self, origin: &str) {
        let clients = &settings(origin)["clients"];
        self.set(json!({"clients": clients})).await;
    }

    /// Replaces what is given of `clients`, `users`, `delay_ms` (of the token endpoint) and `down`.
    pub async fn set(&self, state: Value) {
        self.tell("set", &state).await;
    }

    /// How often the token endpoint was asked for a kind of grant, and how often it gave one.
    pub async fn counts(&self, grant: &str) -> (u64, u64) {
        let counts = self.tell("counts", &json!({})).await;
        let of = |kind: &str| counts[kind][grant].as_u64().unwrap_or(0);
        (of("asked"), of("granted"))
    }

    /// Sends a logout token to the client; answers `taken`, or what went wrong.
    pub async fn backchannel_logout(&self, sub: &str, sid: Option<&str>) -> String {
        let what = json!({"client_id": CLIENT, "sub": sub, "sid": sid});
        let said = self.tell("backchannel", &what).await;
        said["said"].as_str().expect("what came back").to_owned()
    }

    async fn tell(&self, what: &str, json: &Value) -> Value {
        let visitor = self.visitor();
        let address = format!("{}/test/{what}", self.issuer);
        let page = visitor.send("POST", &address, full(json.to_string())).await;
        assert_eq!(page.status, 200, "{}", page.body);
        serde_json::from_str(&page.body).expect("JSON")
    }
}

/// The settings of [`OidcProvider::of`], to be changed.
pub fn settings(origin: &str) -> Value {
    let ours = |path: &str| format!("{origin}/.cloakroom/{path}");
    json!({
        "clients": [{
            "client_id": CLIENT,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [ours("callback")],
            "grant_types": ["authorization_code", "refresh_token"],
            "backchannel_logout_uri": ours("backchannel-logout"),
            "backchannel_logout_session_required": true,
            "post_logout_redirect_uris": [ours("login"), ours("logout"), format!("{origin}/")],
        }],
        "users": {
            "alice": {
                "name": "Alice", "email": "alice@example.com", "email_verified": true, "groups": ["staff", "dev"],
            },
            "bob": {"name": "Bob", "email": "bob@example.com", "email_verified": false, "groups": []},
        },
    })
}
