//! A gateway for each way to log in, all of them before one app.

use std::fs;

use cloakroom::login::form::password::{Cost, hash};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::support::forms::{encode, hidden};
use crate::support::{App, Browser, Call, Gate, Reply, Seen, Setup};

/// How a visitor becomes a user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    Watch,
    Form,
    Header,
    Certificate,
    Directives,
}

impl Way {
    pub const ALL: [Self; 5] = [
        Self::Watch,
        Self::Form,
        Self::Header,
        Self::Certificate,
        Self::Directives,
    ];

    /// Whether each request names the user, so that there is no moment of logging in, nor of logging out.
    pub fn is_of_each_request(self) -> bool {
        matches!(self, Self::Header | Self::Certificate)
    }
}

const PASSWORD: &str = "correct horse";

/// A gateway, the app behind it, and whatever else a login takes.
pub struct House {
    pub way: Way,
    pub gate: Gate,
    pub app: App,
    certificate: ([CertificateDer<'static>; 1], KeyPair),
    _folder: TempDir,
}

impl House {
    /// `session` are lines of `[session]`, and tables below it.
    pub async fn of(way: Way, session: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (authority, certificate) = certificate();
        let ca = folder.path().join("ca.pem");
        fs::write(&ca, authority).expect("the authority");
        let users = folder.path().join("users.toml");
        let cheap = Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        };
        let hash = hash(PASSWORD, cheap).expect("a hash");
        let user = format!("[[user]]\nid = \"alice\"\npassword = \"{hash}\"\n");
        fs::write(&users, user).expect("the users");

        let (server, site) = match way {
            Way::Watch => (
                String::new(),
                "[site.login]\nmethod = \"watch\"\n\
                 login = { method = \"POST\", path = \"/login\", user_field = \"user\", success = { status = [302] } }\n\
                 logout = { path = \"/logout\", success = { status = [302] } }"
                    .to_owned(),
            ),
            Way::Form => (
                String::new(),
                format!("[site.login]\nmethod = \"form\"\ncarry = true\nusers_file = {users:?}"),
            ),
            Way::Header => (
                "trusted_proxies = [\"127.0.0.0/8\"]".to_owned(),
                "[site.login]\nmethod = \"header\"\ncarry = true\nuser_header = \"X-Forwarded-User\""
                    .to_owned(),
            ),
            Way::Certificate => (
                format!("[tls]\nclient_ca_file = {ca:?}"),
                "[site.login]\nmethod = \"certificate\"\ncarry = true\nuser = \"subject.cn\"".to_owned(),
            ),
            Way::Directives => (String::new(), "trust_directives = true".to_owned()),
        };
        let app = App::answering(move |seen| reply(way, seen)).await;
        let setup = Setup {
            server: &server,
            session,
            site: &site,
            ..Setup::default()
        };
        let gate = Gate::with(&app, setup).await;
        Self {
            way,
            gate,
            app,
            certificate,
            _folder: folder,
        }
    }

    /// The browser of somebody who can log in.
    pub fn victim(&self) -> Browser {
        let (chain, key) = &self.certificate;
        match self.way {
            Way::Certificate => self.gate.browser_showing(chain, key),
            _ => self.gate.browser(),
        }
    }

    /// A request of the victim's as it reaches the gateway: a proxy names them with each, whoever made the browser send it.
    pub fn of_victim<'b>(&self, call: Call<'b>) -> Call<'b> {
        match self.way {
            Way::Header => call.header("x-forwarded-user", "alice"),
            _ => call,
        }
    }

    /// Logs in as a visitor of this site does, with whatever the browser holds.
    pub async fn log_in(&self, victim: &Browser) {
        match self.way {
            Way::Watch | Way::Directives => {
                let call = victim.post("/login", "user=alice");
                let call = call
                    .header("content-type", FORM)
                    .header("origin", self.gate.origin());
                assert_eq!(call.navigating().send().await.status(), 302);
            }
            Way::Form => {
                let page = victim.get("/.cloakroom/login").navigating().send().await;
                let token = hidden(&page.text(), "token").expect("a form");
                let fields = [("user", "alice"), ("password", PASSWORD), ("token", &token)];
                let call = victim.post("/.cloakroom/login", encode(&fields));
                let call = call
                    .header("content-type", FORM)
                    .header("origin", self.gate.origin());
                let answer = call.navigating().send().await;
                assert_eq!(answer.status(), 303, "{}", answer.text());
            }
            Way::Header | Way::Certificate => {
                self.of_victim(victim.get("/").navigating()).send().await;
            }
        }
    }

    /// Whom the app takes the victim for, and what it gets of the cookie that it gave at the login.
    pub async fn app_knows(&self, victim: &Browser) -> [Option<String>; 2] {
        // The first request may be the one that the cookie comes with.
        for _ in 0..2 {
            let call = self.of_victim(victim.get("/").navigating());
            assert_eq!(call.send().await.status(), 200);
        }
        let seen = self.app.last();
        [seen.header("x-session-user"), seen.cookie("mine")]
    }
}

/// What [`House::app_knows`] of a victim who is logged in.
pub fn alice() -> [Option<String>; 2] {
    ["alice", "of-alice"].map(|text| Some(text.to_owned()))
}

const FORM: &str = "application/x-www-form-urlencoded";

fn reply(way: Way, seen: &Seen) -> Reply {
    let directs = way == Way::Directives;
    match (seen.method.as_str(), seen.path()) {
        ("POST", "/login") => {
            let user = String::from_utf8_lossy(&seen.body).replace("user=", "");
            let reply = Reply::ok("").status(302).header("location", "/");
            let reply = reply.header("set-cookie", format!("mine=of-{user}; Path=/"));
            match directs {
                true => reply.header("x-session-login", format!("\"{user}\"")),
                false => reply,
            }
        }
        ("POST", "/logout") => {
            let reply = Reply::ok("").status(302).header("location", "/");
            let reply = reply.header("set-cookie", "mine=; Path=/; Max-Age=0");
            match directs {
                true => reply.header("x-session-logout", "?1"),
                false => reply,
            }
        }
        (_, "/basket") => Reply::ok("").header("set-cookie", "basket=full; Path=/"),
        (_, "/poison") => Reply::ok("").header("set-cookie", "poison=1; Path=/"),
        // An app that knows users by the header gives its cookie when it sees one first.
        _ => match (seen.header("x-session-user"), seen.cookie("mine")) {
            (Some(user), None) => {
                Reply::ok("hello").header("set-cookie", format!("mine=of-{user}; Path=/"))
            }
            _ => Reply::ok("hello"),
        },
    }
}

/// An authority in PEM, and a certificate of alice's from it.
fn certificate() -> (String, ([CertificateDer<'static>; 1], KeyPair)) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("a CA").pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "alice");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    (authority, ([certificate.der().clone()], key))
}
