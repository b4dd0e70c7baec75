//! Promise: a configuration is taken whole or refused with every fault it has, each with its place and the way out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cloakroom::config::keys::{KEYS, Kind};
use cloakroom::config::settings::{AccessLog, Engine, Text, UpstreamHost};
use cloakroom::config::{self, Faults, Loaded, check_files};
use cloakroom::upstream::{Address, ClientFiles, TlsSettings};

/// The least that works, on lines 1 to 7.
const LEAST: &str = r#"[[tls.certificate]]
cert_file = "c.pem"
key_file = "k.pem"
[[site]]
name = "shop"
hosts = ["localhost"]
upstream = ["http://127.0.0.1:3000"]
"#;

const SUCCESS: &str = "success = { status = [302] }";
const RULE: &str = "path = \"/in\", user_field = \"u\", success = { status = [302] }";
const WATCHED: &str =
    "login = { path = \"/in\", user_field = \"u\", success = { status = [302] } }";

fn read(text: &str) -> Result<Loaded, Faults> {
    read_with(text, &[])
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: Vec<_> = variables.iter().map(own).collect();
    config::read(Path::new("x.toml"), text.to_owned(), &variables)
}

/// The faults of `text`, one a line.
fn faults(text: &str) -> String {
    faults_with(text, &[])
}

fn faults_with(text: &str, variables: &[(&str, &str)]) -> String {
    match read_with(text, variables) {
        Ok(_) => String::new(),
        Err(faults) => faults.iter().map(|fault| format!("{fault}\n")).collect(),
    }
}

fn example() -> (PathBuf, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let text = fs::read_to_string(&file).unwrap();
    (file, text)
}

#[test]
fn the_least_configuration_gets_every_default() {
    let loaded = read(LEAST).unwrap();
    assert_eq!(loaded.warnings, []);
    let settings = loaded.settings;
    let https = cloakroom::server::listener::Address::Tcp("127.0.0.1:8443".parse().unwrap());
    assert_eq!(settings.server.https, [https]);
    assert_eq!(settings.server.threads, None);
    assert_eq!(settings.server.limits.body_bytes, None);
    assert_eq!(settings.session.terms.idle, Duration::from_secs(3600));
    assert_eq!(settings.cookie.name, "__Host-session");
    assert_eq!(settings.log.access, AccessLog::Stdout);
    let [site] = settings.sites.as_slice() else {
        panic!("{:?}", settings.sites)
    };
    assert_eq!(site.path, "/");
    assert_eq!(site.host, UpstreamHost::Keep);
    let headers: Vec<&str> = site.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["X-Session-Id", "X-Session-User"]);
    let (host, port) = ("127.0.0.1".to_owned(), 3000);
    assert_eq!(site.upstream.apps[0].address, Address::Tcp { host, port });
    assert_eq!(site.upstream.body_timeout, Duration::from_secs(60));
    assert_eq!(site.upstream.header_bytes, 64 << 10);
    assert_eq!(site.upstream.tls, None);
}

#[test]
fn the_example_is_fine_and_shows_every_key() {
    let (file, _) = example();
    let loaded = config::load(&file, &[]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings, []);
    let shown: Vec<String> = loaded.settings.origins.paths().map(plain).collect();
    for key in KEYS.iter().filter(|key| key.kind.is_some()) {
        assert!(
            shown.iter().any(|path| path == key.path),
            "{} is not shown",
            key.path
        );
    }
}

/// `site[0].path` as `site.path`.
fn plain(path: &str) -> String {
    path.split('[')
        .map(|part| part.split_once(']').map_or(part, |(_, rest)| rest))
        .collect()
}

#[test]
fn every_configuration_in_the_documentation_is_taken() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut blocks = 0;
    for page in [
        "README.md",
        "docs/COOKIES.md",
        "docs/LOGIN.md",
        "docs/STORES.md",
    ] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let whole = block.lines().any(|line| line == "[[site]]");
            let text = if whole {
                block.to_owned()
            } else {
                format!("{LEAST}{block}")
            };
            assert_eq!(faults(&text), "", "{page}:\n{block}");
            blocks += 1;
        }
    }
    assert!(blocks >= 6, "{blocks}");
}

#[test]
fn the_example_shows_the_defaults() {
    let (file, _) = example();
    let shown = config::load(&file, &[]).unwrap().settings;
    let least = file.with_file_name("least.toml");
    let least = config::read(&least, LEAST.to_owned(), &[])
        .unwrap()
        .settings;
    assert_eq!(shown.server, least.server);
    assert_eq!(shown.tls.min_version, least.tls.min_version);
    assert_eq!(shown.tls.hsts, least.tls.hsts);
    assert_eq!(shown.session, least.session);
    assert_eq!(shown.cookie, least.cookie);
    assert_eq!(shown.store, least.store);
    assert_eq!(shown.admin, least.admin);
    assert_eq!(shown.log, least.log);
    let mut site = shown.sites[0].clone();
    site.cookies.rules.clear();
    site.rules.clear();
    site.watch = None;
    site.login_page = None;
    site.upstream.apps.truncate(1);
    assert_eq!(site, least.sites[0]);
}

#[test]
fn each_fault_names_place_key_value_and_way_out() {
    for (text, fault) in [
        (
            "strip_path_params = [\"jsessionid\", \";sid=\"]",
            "x.toml:8:36: site.strip_path_params = \";sid=\": not a plain name: letters, digits and !#$'*+-.^_`|~ alone; write for example \"jsessionid\"",
        ),
        (
            "[session.cookie]\nname = \"sid\"\nsecure = false\nsame_site = \"None\"",
            "x.toml:11:13: session.cookie.same_site = \"None\": a browser refuses SameSite=None without Secure; write secure = true, or same_site = \"Lax\"",
        ),
        (
            "[session.cookie]\ndomain = \"example.com\"",
            "x.toml:9:10: session.cookie.domain = \"example.com\": a browser refuses a __Host- name with a domain (\"example.com\"); leave domain empty, or choose a __Secure- name\n\
             x.toml:6:10: site.hosts = \"localhost\": browsers take no cookie for example.com (session.cookie.domain) here; leave session.cookie.domain empty, or take the host out",
        ),
        (
            "[session.cookie]\nsecure = false",
            "x.toml:9:10: session.cookie.secure = false: a browser refuses a __Host- name without Secure; write secure = true",
        ),
        (
            "[[site]]\nname = \"b\"\nhosts = [\"x\", \"LOCALHOST\"]\nupstream = [\"unix:b.sock\"]",
            "x.toml:10:15: site.hosts = \"LOCALHOST\": site \"shop\" has this host with the same path \"/\"; give one of them another host or path",
        ),
        (
            "[[site]]\nname = \"shop\"\nhosts = [\"x\"]\nupstream = [\"unix:b.sock\"]",
            "x.toml:9:8: site.name = \"shop\": another site has this name, and the jar goes by it; give each site its own",
        ),
        (
            "[session]\nidle_timeout = \"48h\"",
            "x.toml:9:16: session.idle_timeout = \"48h\": a session would end before it can be idle for so long; lower session.idle_timeout or raise session.absolute_timeout",
        ),
        (
            "[session]\nrotation_grace = \"10m\"",
            "x.toml:9:18: session.rotation_grace = \"10m\": for so long an old ticket still opens something; write at most \"5m\"; \"10s\" is plenty",
        ),
        (
            "[session]\nidle_timeout = 30",
            "x.toml:9:16: session.idle_timeout = 30: wants a duration with a unit, not a number; write \"30s\" or \"30m\"",
        ),
        (
            "[session]\nidle_timeout = \"30\"",
            "x.toml:9:16: session.idle_timeout = \"30\": a duration has a unit; write \"30s\" for seconds or \"30m\" for minutes",
        ),
        (
            "[session]\nidle_timout = \"30m\"",
            "x.toml:9:1: session.idle_timout: unknown key; did you mean idle_timeout?",
        ),
        (
            "[session]\nengine = \"memory\"",
            "x.toml:9:1: session.engine: unknown key; this key belongs in [session.store]",
        ),
        (
            "[session]\ndevice = { bind = \"off\" }",
            "x.toml:9:1: session.device: not available in this version; take it out until a version has it",
        ),
        (
            "[session]\nrotate_every = \"5s\"",
            "x.toml:9:16: session.rotate_every = \"5s\": shorter than session.rotation_grace, in which the ticket before still works; write for example \"1h\", or \"0\" for no rotation on schedule",
        ),
        (
            "[session]\nrotate_every = \"24h\"",
            "x.toml:9:16: session.rotate_every = \"24h\": no session lives so long (session.absolute_timeout); write for example \"1h\", or \"0\" for no rotation on schedule",
        ),
        (
            "[session]\nrotate_every = 60",
            "x.toml:9:16: session.rotate_every = 60: wants a duration with a unit, not a number; write \"60s\" or \"60m\"",
        ),
        (
            "[session]\nover_limit = \"ask\"",
            "x.toml:9:14: session.over_limit = \"ask\": there is no limit that anybody could be over; set session.max_per_user, or take it out",
        ),
        (
            "[session]\nmax_per_user = 1001",
            "x.toml:9:16: session.max_per_user = 1001: all of them are looked through at each login; write at most 1000, or 0 for no limit",
        ),
        (
            "[session]\nmax_new_per_ip = -1",
            "x.toml:9:18: session.max_new_per_ip = -1: out of range; write a whole number from 0 to 4294967295",
        ),
        (
            "[session]\nsave_every_request = \"yes\"",
            "x.toml:9:22: session.save_every_request = \"yes\": wants true or false, not a text; write true or false, without quotes",
        ),
        (
            "[session.keys]\nactivate_after = \"30d\"",
            "x.toml:9:18: session.keys.activate_after = \"30d\": for so long a new key would not sign; write at most \"7d\"; \"10m\" is enough to bring it to every node",
        ),
        (
            "[admin]\nopen = [\"/readyz\", \"health\", \"/api/v1/learn\"]\ntoken_file = \"\"",
            "x.toml:9:9: admin.open = \"/readyz\": nothing that can be answered without the token; did you mean \"readyz\"?\n\
             x.toml:9:20: admin.open = \"health\": nothing that can be answered without the token; write \"livez\", \"readyz\" or \"metrics\", or take it out\n\
             x.toml:9:30: admin.open = \"/api/v1/learn\": is never answered without the token; take it out\n\
             x.toml:10:14: admin.token_file = \"\": names no file; write the path of a file",
        ),
        (
            "[site.login]\nmethod = \"watch\"",
            "x.toml:8:1: site.login.login: missing: what a login looks like; write preset = \"django\" (or that of another app), or login = { path = \"/login\", user_field = \"username\", success = { status = [302] } }",
        ),
        (
            "session = \"off\"\n[site.login]\nmethod = \"oidc\"\nissuer = \"http://id.example.com\"\nscopes = [\"a b\"]\nlogin_timeout = \"2h\"",
            "x.toml:10:10: site.login.method = \"oidc\": without sessions (session = \"off\") nobody can be logged in; take one of them out\n\
             x.toml:11:10: site.login.issuer = \"http://id.example.com\": an issuer is reached over https; http is taken on loopback only; write it as the provider's /.well-known/openid-configuration has it\n\
             x.toml:12:11: site.login.scopes = \"a b\": no scope; write each by itself, for example scopes = [\"openid\", \"groups\"]\n\
             x.toml:13:17: site.login.login_timeout = \"2h\": is longer than anybody waits; write at most \"1h\"\n\
             x.toml:9:1: site.login.client_id: missing: who asks; write the id under which the provider knows this gateway",
        ),
        (
            "[site.login]\nmethod = \"oidcc\"\npreset = \"djago\"",
            "x.toml:9:10: site.login.method = \"oidcc\": no such choice; did you mean \"oidc\"?\n\
              x.toml:10:10: site.login.preset = \"djago\": no such choice; did you mean \"django\"?",
        ),
        (
            "session = \"off\"\n[site.login]\nmethod = \"form\"\nhash_passes = 17\ntotp = \"on\"",
            "x.toml:10:10: site.login.method = \"form\": without sessions (session = \"off\") nobody can be logged in; take one of them out\n\
             x.toml:11:15: site.login.hash_passes = 17: out of range; write a whole number from 1 to 16\n\
             x.toml:12:8: site.login.totp = \"on\": no such choice; write \"off\", \"optional\" or \"required\"\n\
             x.toml:9:1: site.login.users_file: missing: who may log in; write users_file = \"users.toml\", and make it with `cloakroom users add`",
        ),
        (
            "[site.login]\nmethod = \"form\"\nusers_file = \"users.toml\"\nhash_memory = \"1GiB\"",
            "x.toml:11:15: site.login.hash_memory = \"1GiB\": is more than a login may take, or less than argon2 works with; write at least 8KiB for each lane, and at most 256MiB; OWASP: 19MiB with 2 passes",
        ),
        (
            "[site.login]\nmethod = \"watch\"\nlogin = { path = \"login\", user_field = \"\" }",
            "x.toml:10:18: site.login.login.path = \"login\": a path starts with a slash; write \"/login\"\n\
             x.toml:10:40: site.login.login.user_field = \"\": names no field; write the name of the form's field, for example user_field = \"username\"\n\
             x.toml:10:9: site.login.login.success: says nothing: a failure would look the same; write for example success = { status = [302] }",
        ),
        (
            "[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { status = [] } }",
            "x.toml:10:64: site.login.login.success.status: no answer has one of no statuses; write for example status = [302], or take it out",
        ),
        (
            "[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { status = [200, 99, 600] } }",
            "x.toml:10:70: site.login.login.success.status = 99: no HTTP status; write one from 100 to 599\n\
             x.toml:10:74: site.login.login.success.status = 600: no HTTP status; write one from 100 to 599",
        ),
        (
            "[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { status = 302 } }",
            "x.toml:10:64: site.login.login.success.status = 302: wants a list, not a number; write status = [302]",
        ),
        (
            "[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { status = [\"302\"] } }",
            "x.toml:10:65: site.login.login.success.status = \"302\": wants a whole number, not a text; write a number, without quotes",
        ),
        (
            "[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { sets_cookie = \"a b\" } }\nlogout = { path = \"/in\", query = \"a=b&c=d\", success = {} }",
            "x.toml:10:69: site.login.login.success.sets_cookie = \"a b\": holds a space, a quote, a comma, a semicolon, an equals sign, a backslash, a control or a non-ASCII letter, or begins with $; cookie names have none of these\n\
             x.toml:11:34: site.login.logout.query = \"a=b&c=d\": not one pair of a query; write it as it stands in the address, for example \"action=logout\"\n\
             x.toml:11:55: site.login.logout.success: says nothing: a failure would look the same; write for example success = { status = [302] }",
        ),
        (
            "[site.login]\nmethod = \"watch\"\nattempt_window = \"2d\"\nbase = \"/x\"\nlogin = { path = \"/a/*b\", user = \"\", user_field = \"u\", shared_path = true, success = { location = \"a b\" }, failure = {} }",
            "x.toml:10:18: site.login.attempt_window = \"2d\": whoever mistyped would be locked out for days; write at most \"24h\"\n\
             x.toml:11:8: site.login.base = \"/x\": says nothing without a preset, as paths that are written are whole; take it out\n\
             x.toml:12:118: site.login.login.failure: says nothing; write for example failure = { status = [401] }\n\
             x.toml:12:18: site.login.login.path = \"/a/*b\": a * stands for whole folders: /*/ for any or none, /* at the end for all below; write for example \"/app/*/login\"\n\
             x.toml:12:34: site.login.login.user = \"\": names nobody; write who it is, for example user = \"admin\"\n\
             x.toml:12:51: site.login.login.user_field = \"u\": says nothing beside user, who is always the same; take one of them out\n\
             x.toml:12:70: site.login.login.shared_path = true: wants a user_field, by which a login is told from other requests; write user_field, or take it out\n\
             x.toml:12:99: site.login.login.success.location = \"a b\": no Location is like that; write for example \"/home\", or \"/home*\" for what begins so",
        ),
        (
            "[site.login]\nmethod = \"watch\"\npreset = \"jupyter\"\nbase = \"lab\"\nlogin = { shared_path = true }",
            "x.toml:11:8: site.login.base = \"lab\": a path starts with a slash; write \"/lab\"\n\
             x.toml:12:25: site.login.login.shared_path = true: wants a user_field, by which a login is told from other requests; write user_field, or take it out",
        ),
        (
            "[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { status = [302] } }\nlogout = { path = \"/in\", success = { status = [302] } }",
            "x.toml:11:10: site.login.logout: every login would be taken for a logout; give logout another path or method, or a query",
        ),
        (
            "[[site]]\nname = \"b\"\nhosts = [\"b\"]\npath = \"/b\"\nupstream = [\"unix:b.sock\"]\n[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { status = [302] } }",
            "x.toml:15:18: site.login.login.path = \"/in\": lies outside of the site, which is at \"/b\"; write the whole path, as browsers ask for it",
        ),
        (
            "[session.store]\nengine = \"redis\"",
            "x.toml:8:1: session.store.url: is missing; write url or url_file",
        ),
        (
            "[session.store]\nengine = \"postgres\"\nurl = \"postgres://a/b\"\nurl_file = \"u\"\nlisten_url_file = \"credential:a/b\"",
            "x.toml:10:7: session.store.url: is written here and in a file; leave one of them out\n\
             x.toml:12:19: session.store.listen_url_file = \"credential:a/b\": names neither a file nor a credential; write the path of a file, or \"credential:NAME\"",
        ),
        (
            "[session.store]\nengine = \"redis\"\nurl = \"postgres://a\"\nnear_cache = \"1KiB\"",
            "x.toml:10:7: session.store.url: another kind of address than redis://, rediss://, valkey:// or valkeys://; write for example \"redis://127.0.0.1:6379\"\n\
             x.toml:11:14: session.store.near_cache = \"1KiB\": too little; write at least \"1MiB\", or \"0\" for none",
        ),
        (
            "[session.store]\nengine = \"postgres\"\nurl = \"db.example\"\nlisten_url = \"redis://a\"",
            "x.toml:10:7: session.store.url: no address: it has no scheme; write for example \"postgres://cloakroom@127.0.0.1/cloakroom\"\n\
             x.toml:11:14: session.store.listen_url: another kind of address than postgres:// or postgresql://; write for example \"postgres://cloakroom@127.0.0.1/cloakroom\"",
        ),
        (
            "[session.store]\nengine = \"redis\"\nurl_file = \"redis://alice:hunter2@db\"",
            "x.toml:10:12: session.store.url_file = (not shown): an address, where a file is named that holds one; write it as session.store.url, or into a file",
        ),
        (
            "[session.store]\nnear_cache = \"64MiB\"",
            "x.toml:9:14: session.store.near_cache = \"64MiB\": there is nothing far away to keep near with the sqlite engine; take it out; it is for \"redis\" and \"postgres\"",
        ),
        (
            "[session]\nstreams_count_as_activity = true\n[session.store]\nengine = \"cookie\"",
            "x.toml:9:29: session.streams_count_as_activity = true: the idle clock is in the visitor's cookie, which a stream cannot renew; take it out, or choose another session.store.engine",
        ),
        (
            "[session]\nmax_per_user = 3\n[session.store]\nengine = \"cookie\"\nrevocations = \"mysql://a\"",
            "x.toml:9:16: session.max_per_user = 3: the cookie engine keeps no list of a user's sessions; take it out, or choose another session.store.engine\n\
             x.toml:12:15: session.store.revocations: another kind of address than redis://, rediss://, valkey://, valkeys://, postgres:// or postgresql://; write for example \"redis://127.0.0.1:6379\"",
        ),
        (
            "[session.store]\nengine = \"sqllite\"",
            "x.toml:9:10: session.store.engine = \"sqllite\": no such choice; did you mean \"sqlite\"?",
        ),
        (
            "[session.cookie]\nsame_site = \"lax\"",
            "x.toml:9:13: session.cookie.same_site = \"lax\": no such choice; did you mean \"Lax\"?",
        ),
        (
            "[server]\nhttps = []",
            "x.toml:9:9: server.https: nothing listens for TLS; write for example https = [\"127.0.0.1:8443\"]",
        ),
        (
            "[server]\nproxy_protocol = true",
            "x.toml:9:18: server.proxy_protocol = true: nobody is trusted to send a PROXY header, so every connection would be closed; name the proxies in front of cloakroom in server.trusted_proxies, or let them connect to a Unix socket",
        ),
        (
            "[server]\nhttps = [\"unix:a.sock\", \"unix:./a.sock|660\", \"unix:a.sock|0666\"]\nhttp = [\"systemd:a\"]\nadmin = \"unix:a.sock\"",
            "x.toml:9:46: server.https = \"unix:a.sock|0666\": is in server.https already; take one of them out\n\
             x.toml:11:9: server.admin = \"unix:a.sock\": is in server.https already; take another port or path",
        ),
        (
            "[server]\nhttps = \"127.0.0.1:8443\"",
            "x.toml:9:9: server.https = \"127.0.0.1:8443\": wants a list, not a text; write https = [\"127.0.0.1:8443\"]",
        ),
        (
            "[server]\nhttp = [\"127.0.0.1:8443\"]",
            "x.toml:9:9: server.http = \"127.0.0.1:8443\": is in server.https already; take one of them out",
        ),
        (
            "[server]\nthreads = -1",
            "x.toml:9:11: server.threads = -1: out of range; write a whole number from 0 to 4294967295",
        ),
        (
            "[site.upstream_options]\nmax_fails = -1",
            "x.toml:9:13: site.upstream_options.max_fails = -1: out of range; write a whole number from 1 to 4294967295",
        ),
        (
            "[server.limits]\nheader_bytes = \"1KiB\"",
            "x.toml:9:16: server.limits.header_bytes = \"1KiB\": too little; write at least \"8KiB\"\n\
             x.toml:8:1: server.limits.cookie_bytes: more than all headers together (server.limits.header_bytes); lower it, or raise header_bytes",
        ),
        (
            "[server.limits]\nbody_timeout = \"0\"",
            "x.toml:9:16: server.limits.body_timeout = \"0\": a wait of no time at all, and there is no switching it off; write for example \"30s\"",
        ),
        (
            "[site.upstream_options]\nca_file = \"ca.pem\"",
            "x.toml:9:11: site.upstream_options.ca_file = \"ca.pem\": no upstream of this site is spoken to over TLS; write https:// in upstream, or take it out",
        ),
        (
            "[site.upstream_options]\nheader_bytes = \"2MiB\"",
            "x.toml:9:16: site.upstream_options.header_bytes = \"2MiB\": each response may make us hold so much; write at most \"1MiB\"",
        ),
        (
            "[site.upstream_options]\nheader_bytes = \"512B\"",
            "x.toml:9:16: site.upstream_options.header_bytes = \"512B\": too little; write at least \"1KiB\"",
        ),
        (
            "[[site]]\nname = \"b\"\nhosts = [\"b\"]\nupstream = [\"https://app\"]\n[site.upstream_options]\nclient_cert_file = \"c.pem\"\ntls_name = \"a b\"",
            "x.toml:13:20: site.upstream_options.client_cert_file = \"c.pem\": has no key; write client_key_file as well\n\
             x.toml:14:12: site.upstream_options.tls_name = \"a b\": neither a DNS name nor an IP address; write the name that the app's certificate holds",
        ),
        (
            "[[site]]\nname = \"b\"\nhosts = [\"b\"]\nupstream = [\"https://app\"]\n[site.upstream_options]\nclient_key_file = \"k.pem\"",
            "x.toml:13:19: site.upstream_options.client_key_file = \"k.pem\": has no certificate; write client_cert_file as well",
        ),
        (
            "[site.headers]\n\"X-A\" = \"{user.ident}\"",
            "x.toml:9:9: site.headers.X-A = \"{user.ident}\": X-A: {user.ident} is not known; known are {session.id} {session.created} {session.auth_time} {session.new} {session.data} {session.data.KEY} {user.id} {user.issuer} {user.name} {user.email} {user.groups} {user.claims.NAME} {client.ip} {assertion}",
        ),
        (
            "[site.headers]\nX_A = \"{user.id}\"\nx-a = \"{user.id}\"",
            "x.toml:10:7: site.headers.x-a = \"{user.id}\": x-a and x_a are one name to many apps: keep one of them",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"__host-SESSION\", mode = \"pass\" }]",
            "x.toml:9:19: site.cookies.rules.name = \"__host-SESSION\": this is the ticket (session.cookie.name), which no rule touches; take the rule out",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"hide\" }]",
            "x.toml:9:31: site.cookies.rules.mode = \"hide\": no such choice; write \"keep\", \"mirror\", \"seal\", \"sign\", \"pass\" or \"strip\"",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"pass\", adopt_until = 2027-01-31 }]",
            "x.toml:9:53: site.cookies.rules.adopt_until = 2027-01-31: has the jar take over what browsers hold, which only mode = \"keep\" does; take it out, or write mode = \"keep\"",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"keep\", adopt_until = \"2027-01-31\" }]",
            "x.toml:9:53: site.cookies.rules.adopt_until = \"2027-01-31\": wants a date, not a text; write for example adopt_until = 2027-01-31, without quotes",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"keep\", adopt_until = 2027-01-31T10:00:00Z }]",
            "x.toml:9:53: site.cookies.rules.adopt_until = 2027-01-31T10:00:00Z: not a day; write the day alone, for example 2027-01-31; it counts to its end, in UTC",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"mirror\", bind = \"site\" }]",
            "x.toml:9:48: site.cookies.rules.bind = \"site\": says what a value is good for, and only mode = \"seal\" or \"sign\" can hold it to that; take it out, or write mode = \"seal\" or \"sign\"",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"keep\", accept_unsealed_until = 2027-01-31 }]",
            "x.toml:9:63: site.cookies.rules.accept_unsealed_until = 2027-01-31: is about values that were never sealed or signed, and this mode does neither; take it out, or write mode = \"seal\" or \"sign\"",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"pass\", placeholder = true }]",
            "x.toml:9:53: site.cookies.rules.placeholder = true: stands in for a cookie that the jar lacks, and this mode has no jar; take it out, or write mode = \"keep\" or \"mirror\"",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"pass\", max_age = \"500d\" }]",
            "x.toml:9:49: site.cookies.rules.max_age = \"500d\": browsers keep no cookie for longer than 400 days; write at most \"400d\"",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"pass\", max_age = \"0\" }]",
            "x.toml:9:49: site.cookies.rules.max_age = \"0\": nothing lives for no time; write for example \"30d\"; mode = \"strip\" keeps a cookie away altogether",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"pass\", path = \"x\" }]",
            "x.toml:9:46: site.cookies.rules.path = \"x\": no path of a cookie; write one that begins with / and has no semicolon and no blank",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x\", mode = \"pass\", domain = \"example.com\" }]",
            "x.toml:9:48: site.cookies.rules.domain = \"example.com\": the site does not serve this domain with all hosts beneath it; add \"example.com\" and \"*.example.com\" to the site's hosts, or write domain = \"\" for the one host",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"x*\", mode = \"keep\", placeholder = true }]",
            "x.toml:9:54: site.cookies.rules.placeholder = true: a placeholder needs one name, and this rule is for several; write a rule for the one name above",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"__Host-x\", mode = \"pass\", path = \"/y\" }]",
            "x.toml:9:53: site.cookies.rules.path = \"/y\": a __Host- cookie is for all paths, or no browser takes it; write path = \"/\", or take it out",
        ),
        (
            "[site.cookies]\nrules = [{ name = \"__host-Http-x\", mode = \"seal\", http_only = false }]",
            "x.toml:9:63: site.cookies.rules.http_only = false: an __Http- cookie is HttpOnly, or no browser takes it; take it out",
        ),
        (
            "session = \"off\"\n[site.cookies]\nrules = [{ name = \"x\", mode = \"seal\" }]",
            "x.toml:10:31: site.cookies.rules.mode = \"seal\": binds the cookie to a session, and this site has none (session = \"off\"); write bind = \"site\" as well, or let the site have sessions",
        ),
        (
            "session = \"off\"\n[site.cookies]\ndefault = \"sign\"",
            "x.toml:10:11: site.cookies.default = \"sign\": binds cookies to a session, and this site has none (session = \"off\"); write a rule with bind = \"site\", or let the site have sessions",
        ),
        (
            "[[site]]\nname = \"b\"\nhosts = [\"b\"]\nhost = \"upstream\"\nupstream = [\"http://a\", \"http://b\"]",
            "x.toml:11:8: site.host = \"upstream\": the upstreams have several; write the one that all of them are sent, or \"keep\"",
        ),
        (
            "[[site]]\nname = \"b\"\nhosts = [\"b\"]\nupstream = [\"http://a\", { url = \"http://a:80\", wait = 1 }, { weight = 2 }, { url = \"b:1\", weight = 0 }, 5]",
            "x.toml:11:48: site.upstream.wait: unknown key; take it out, or see config.example.toml for the keys there are\n\
             x.toml:11:105: site.upstream = 5: wants a text, not a number; write upstream = \"5\"",
        ),
        (
            "[[site]]\nname = \"b\"\nhosts = [\"b\"]\nsession = \"off\"\nupstream = [\"http://a\", { url = \"http://a:80\" }, { weight = 2 }, { url = \"b:1\", weight = 0 }]\n[site.upstream_options]\nsticky = true\nhealth = \"healthz\"\nrise = 0\nhealth_interval = \"0\"",
            "x.toml:12:25: site.upstream: is in the list already; take one of them out; weight gives one a larger share\n\
             x.toml:12:50: site.upstream.url: missing; write for example url = \"http://127.0.0.1:3000\"\n\
             x.toml:12:74: site.upstream.url = \"b:1\": write http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT or unix:/PATH\n\
             x.toml:12:90: site.upstream.weight = 0: an upstream with no share; write drain = true, or backup = true\n\
             x.toml:14:10: site.upstream_options.sticky = true: sessions keep to an upstream, and this site has none (session = \"off\"); take one of them out\n\
             x.toml:15:10: site.upstream_options.health = \"healthz\": is no path; write for example health = \"/healthz\"\n\
             x.toml:16:8: site.upstream_options.rise = 0: too little; write at least 1\n\
             x.toml:17:19: site.upstream_options.health_interval = \"0\": a wait of no time at all, and there is no switching it off; write for example \"30s\"",
        ),
        (
            "[[site]]\nname = \"b\"",
            "x.toml:8:1: site.hosts: no host; write for example hosts = [\"shop.example.com\"]\n\
             x.toml:8:1: site.upstream: no app behind the site; write for example upstream = [\"http://127.0.0.1:3000\"]",
        ),
        (
            "header_preset = \"remote_user\"\nassertion_issuer = \"http://x\"",
            "x.toml:8:17: site.header_preset = \"remote_user\": no such choice; did you mean \"remote-user\"?\n\
             x.toml:9:20: site.assertion_issuer = \"http://x\": not an https address without query; write for example \"https://shop.example.com\"",
        ),
        (
            "sign_requests = true\n[site.headers]\nContent_Digest = \"{user.id}\"",
            "x.toml:8:17: site.sign_requests = true: no header tells an {assertion}, and only requests that have one are signed; write one into [site.headers], for example \"X-Assertion\" = \"{assertion}\"\n\
             x.toml:10:18: site.headers.Content_Digest = \"{user.id}\": is written by site.sign_requests; choose another name, or take sign_requests out",
        ),
        (
            "[site.login]\nmethod = \"header\"",
            "x.toml:9:10: site.login.method = \"header\": nobody is trusted to say who the user is; name the proxies in front of cloakroom in server.trusted_proxies\n\
             x.toml:8:1: site.login.user_header: missing: where the proxy writes the user; write for example user_header = \"X-Forwarded-User\"",
        ),
        (
            "[site.login]\nmethod = \"header\"\nuser_header = \"Cookie\"\ngroups_header = \"a b\"\nname_header = \"x-n\"\nemail_header = \"X-N\"\n[server]\ntrusted_proxies = [\"::1\"]",
            "x.toml:10:15: site.login.user_header = \"Cookie\": frames the message, or says something else about it; write the header that the proxy writes, for example \"X-Forwarded-User\"\n\
             x.toml:11:17: site.login.groups_header = \"a b\": no header name; write the header that the proxy writes, for example \"X-Forwarded-User\"\n\
             x.toml:13:16: site.login.email_header = \"X-N\": another of the headers has this name; name the one that the proxy writes",
        ),
        (
            "[site.login]\nmethod = \"certificate\"",
            "x.toml:9:10: site.login.method = \"certificate\": nobody is asked for a certificate; write the file of the authority that issues them as tls.client_ca_file",
        ),
        (
            "[site.rule]\npath = \"/x\"",
            "x.toml:8:1: site.rule: wants a list of tables, not a table; write [[site.rule]], in double brackets, above its keys",
        ),
    ] {
        let mut wanted: Vec<&str> = fault.lines().map(str::trim_start).collect();
        let found = faults(&format!("{LEAST}{text}\n"));
        let mut found: Vec<&str> = found.lines().collect();
        wanted.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, wanted, "\n{text}");
    }
}

#[test]
fn all_faults_come_at_once_in_the_order_of_their_places() {
    let text = "[server]\nhttps = [\"8443\"]\nproxy_protocol = 1\nthreds = 4\n[session]\nidle_timeout = 5\n\
                [session.cookie]\nsecure = false\n[[site]]\npath = \"x\"\n";
    let Err(all) = read(text) else {
        panic!("taken")
    };
    let keys: Vec<&str> = all.iter().map(|fault| fault.key.as_str()).collect();
    let expected = [
        "tls.certificate",
        "server.https",
        "server.proxy_protocol",
        "server.threds",
        "session.idle_timeout",
        "session.cookie.secure",
        "site.hosts",
        "site.name",
        "site.upstream",
        "site.path",
    ];
    assert_eq!(keys, expected, "{all}");
    assert!(all.to_string().ends_with("\n10 faults"), "{all}");
}

#[test]
fn every_kind_of_address_that_a_driver_has_is_taken() {
    for (engine, url) in [
        ("redis", "redis://db"),
        ("redis", "rediss://alice:x@db:6380/1"),
        ("redis", "valkey://db"),
        ("redis", "redis+unix:///run/redis.sock"),
        ("redis", "redis+cluster://a,b,c"),
        ("redis", "rediss+sentinel://a,b/main"),
        ("postgres", "postgres://db/x"),
        ("postgres", "postgresql://alice:x@db/x"),
    ] {
        let text = format!("{LEAST}[session.store]\nengine = {engine:?}\nurl = {url:?}\n");
        assert_eq!(faults(&text), "", "{url}");
    }
}

/// Promise: whatever is wrong where an address stands, its password is not printed.
#[test]
fn no_fault_shows_a_password() {
    let store = format!("{LEAST}[session.store]\nengine = \"redis\"\n");
    let slips = [
        "url = \"redis://alice:hunter2@db",
        "url = \"redis://alice:\"hunter2@db\"",
        "url = redis://alice:hunter2@db",
        "url = hunter2",
        "url = [\"redis://alice:hunter2@db\"]",
        "url = { password = \"hunter2\" }",
        "url.password = \"hunter2\"",
        "url = \"hunter2\"",
        "url = \"mysql://alice:hunter2@db\"",
        "url = \"redis://alice:hunter2\\q@db\"",
        "url = 'redis://alice:hunter2@db' ' x",
        "url = \"\"\"redis://alice:hunter2@db",
        "url \"redis://alice:hunter2@db\"",
        "\"redis://alice:hunter2@db\" = \"url\"",
        "urll = \"redis://alice:hunter2@db\"",
        "url = \"redis://a\"\nurl = \"redis://alice:hunter2@db\"",
        "url = \"redis://db?password=hunter2\"\nurl_file = \"x\"",
        "url_file = \"redis://alice:hunter2@db\"",
        "url = \"redis://a\"\npassword = \"hunter2\"",
        "url = \"redis://a\"\nlisten_url = 5\nrevocations = [\"hunter2\"]",
    ];
    for slip in slips {
        let found = faults(&format!("{store}{slip}\n"));
        assert!(!found.is_empty(), "taken: {slip}");
        assert!(!found.contains("hunter2"), "{slip}\n{found}");
    }
    for value in ["hunter2", "mysql://alice:hunter2@db", "[\"hunter2\"]"] {
        let found = faults_with(&store, &[("CLOAKROOM_SESSION__STORE__URL", value)]);
        assert!(!found.is_empty(), "taken: {value}");
        assert!(!found.contains("hunter2"), "{value}\n{found}");
    }
    // Nor does what is kept of it print itself.
    let text = format!("{store}url = \"redis://alice:hunter2@db\"\n");
    let printed = format!("{:?}", read(&text).unwrap());
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_password_in_a_file_that_everybody_can_read_is_worth_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    let store = format!("{LEAST}[session.store]\nengine = \"redis\"\n");
    let warnings = |line: &str, mode: u32, variables: &[(String, String)]| {
        fs::write(&file, format!("{store}{line}\n")).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let loaded = config::load(&file, variables).unwrap_or_else(|faults| panic!("{faults}"));
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        warnings.join("\n")
    };
    let url = "url = \"redis://alice:hunter2@db\"";
    let said = warnings(url, 0o644, &[]);
    assert!(
        said.contains("session.store.url: holds a password")
            && said.contains("session.store.url_file")
            && !said.contains("hunter2"),
        "{said}"
    );
    assert_eq!(warnings(url, 0o640, &[]), "");
    assert_eq!(warnings("url = \"redis://db\"", 0o644, &[]), "");
    assert_eq!(warnings("url_file = \"redis.url\"", 0o644, &[]), "");
    let variable = [(
        "CLOAKROOM_SESSION__STORE__URL".to_owned(),
        "redis://alice:hunter2@db".to_owned(),
    )];
    assert_eq!(warnings("", 0o644, &variable), "");
}

#[test]
fn a_secret_may_stand_in_a_file_or_a_credential() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    let store = format!("{LEAST}[session.store]\nengine = \"postgres\"\n");
    let keys = "url_file = \"pg.url\"\nlisten_url_file = \"credential:listen\"\n";
    fs::write(&file, format!("{store}{keys}")).unwrap();
    let loaded = config::load(&file, &[]).unwrap_or_else(|faults| panic!("{faults}"));
    let Engine::Postgres {
        url, listen_url, ..
    } = &loaded.settings.store.engine
    else {
        panic!("{:?}", loaded.settings.store)
    };
    assert_eq!(*url, Text::In(folder.path().join("pg.url")));
    assert_eq!(*listen_url, Some(Text::Credential("listen".to_owned())));

    let absent: Vec<_> = check_files(&loaded.settings)
        .iter()
        .filter(|fault| fault.key.starts_with("session"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(absent.len(), 2, "{absent:?}");
    assert!(
        absent[0].contains("session.store.url_file = \"pg.url\": "),
        "{absent:?}"
    );
    assert!(absent[1].contains("LoadCredential=listen:"), "{absent:?}");
    fs::write(folder.path().join("pg.url"), "postgres://a:hunter2@db/x\n").unwrap();
    assert_eq!(url.read().unwrap().expose(), "postgres://a:hunter2@db/x");
}

#[test]
fn what_an_engine_does_not_use_is_said() {
    let warnings = |lines: &str| {
        let loaded = read(&format!("{LEAST}{lines}\n")).unwrap_or_else(|faults| panic!("{faults}"));
        let each = loaded.warnings.iter();
        each.map(|fault| format!("{}: {}", fault.key, fault.why))
            .collect::<Vec<_>>()
    };
    let memory = "session.store.engine: every session ends when cloakroom stops";
    let cookie = "session.store.engine: each session is in its visitor's cookie: the last response wins, and a visitor can bring back an earlier state of the own session until it is revoked";
    let unrevoked = "session.store.revocations: is empty, so a logout only takes the cookie from the browser, and a copy of it opens the session until it expires; the same goes for the ticket from before a login or a rotation";
    for (lines, expected) in [
        (
            "engine = \"sqlite\"\nurl = \"\"\nnear_cache = \"0\"",
            vec![],
        ),
        (
            "engine = \"sqlite\"\nurl = \"redis://a\"\nrevocations_file = \"r\"",
            vec![
                "session.store.url: not used by the sqlite engine",
                "session.store.revocations_file: not used by the sqlite engine",
            ],
        ),
        (
            "engine = \"memory\"\npath = \"s.db\"",
            vec![memory, "session.store.path: not used by the memory engine"],
        ),
        (
            "engine = \"redis\"\nurl = \"rediss://a\"\nlisten_url = \"postgres://a\"\npath = \"s.db\"",
            vec![
                "session.store.listen_url: not used by the redis engine",
                "session.store.path: not used by the redis engine",
            ],
        ),
        ("engine = \"cookie\"", vec![unrevoked, cookie]),
        (
            "engine = \"cookie\"\nrevocations = \"data/ended.db\"",
            vec![cookie],
        ),
        (
            "engine = \"cookie\"\nrevocations = \"redis://a\"",
            vec![cookie],
        ),
    ] {
        assert_eq!(
            warnings(&format!("[session.store]\n{lines}")),
            expected,
            "{lines}"
        );
    }
}

#[test]
fn an_empty_file_lacks_a_site_and_a_certificate() {
    let found = faults("");
    assert!(
        found.contains("x.toml: site: no site; write [[site]]"),
        "{found}"
    );
    assert!(
        found.contains("x.toml: tls.certificate: no certificate;"),
        "{found}"
    );
    assert_eq!(found.lines().count(), 2);
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let found = faults("[session]\nidle_timeout = 30m\n");
    assert!(found.starts_with("x.toml:2:"), "{found}");
    let found = faults("[session]\nmax_bytes = \"1KiB\"\nmax_bytes = \"2KiB\"\n");
    assert!(found.starts_with("x.toml:3:1: duplicate key"), "{found}");
}

#[test]
fn numbers_may_be_written_in_every_way_of_toml() {
    for (text, connections) in [("100_000", 100_000), ("0x10", 16), ("+7", 7)] {
        let text = format!("{LEAST}[server.limits]\nconnections = {text}\n");
        let settings = read(&text)
            .unwrap_or_else(|faults| panic!("{faults}"))
            .settings;
        assert_eq!(settings.server.limits.connections, connections, "{text}");
    }
}

#[test]
fn a_key_that_comes_later_is_refused_whatever_it_says() {
    for key in KEYS.iter().filter(|key| key.kind.is_none()) {
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let in_list = |kind| matches!(kind, Some(Kind::Tables));
        let text = match table {
            "" => format!("{name} = false\n{LEAST}"),
            "site" => format!("{LEAST}{name} = false\n"),
            "site.login" => format!("{LEAST}[site.login]\n{name} = false\n"),
            "site.cookies.rules" => {
                format!(
                    "{LEAST}[site.cookies]\nrules = [{{ name = \"x\", mode = \"keep\", {name} = false }}]\n"
                )
            }
            _ if KEYS.iter().any(|k| k.path == table && in_list(k.kind)) => {
                format!("{LEAST}[[{table}]]\npath = \"/x\"\n{name} = false\n")
            }
            _ => format!("{LEAST}[{table}]\n{name} = false\n"),
        };
        let found = faults(&text);
        let told = format!(": {}: not available in this version;", key.path);
        assert!(found.contains(&told), "{text}\n{found}");
        assert_eq!(found.lines().count(), 1, "{text}\n{found}");
    }
}

#[test]
fn every_choice_that_is_offered_is_taken() {
    for key in KEYS {
        let Some(Kind::Choice { now, .. }) = key.kind else {
            continue;
        };
        let (table, name) = key.path.rsplit_once('.').unwrap();
        for word in now {
            let text = match table {
                "session" => format!("{LEAST}[session]\nmax_per_user = 2\n{name} = {word:?}\n"),
                "site" => format!("{LEAST}{name} = {word:?}\n"),
                "site.rule" => format!("{LEAST}[[site.rule]]\npath = \"/x\"\n{name} = {word:?}\n"),
                "site.cookies.rules" if name == "mode" => {
                    format!(
                        "{LEAST}[site.cookies]\nrules = [{{ name = \"x\", mode = {word:?} }}]\n"
                    )
                }
                "site.cookies.rules" if name == "bind" => format!(
                    "{LEAST}[site.cookies]\nrules = [{{ name = \"x\", mode = \"seal\", {name} = {word:?} }}]\n"
                ),
                "site.cookies.rules" => format!(
                    "{LEAST}[site.cookies]\nrules = [{{ name = \"x\", mode = \"pass\", {name} = {word:?} }}]\n"
                ),
                "site.login" => {
                    let (above, below) = match *word {
                        "header" => (
                            "[server]\ntrusted_proxies = [\"::1\"]\n",
                            "user_header = \"X-User\"",
                        ),
                        "form" => ("", "users_file = \"users.toml\""),
                        "oidc" => ("", "issuer = \"https://id.test\"\nclient_id = \"x\""),
                        "forward" => ("", "url = \"http://x\"\nuser_header = \"X-User\""),
                        "certificate" => ("[tls]\nclient_ca_file = \"ca.pem\"\n", ""),
                        _ => ("", WATCHED),
                    };
                    format!(
                        "{above}{}",
                        format_args!("{LEAST}[{table}]\n{name} = {word:?}\n{below}\n")
                    )
                }
                "site.login.login" => {
                    let login = format!("login = {{ {name} = {word:?}, {RULE} }}");
                    format!("{LEAST}[site.login]\nmethod = \"watch\"\n{login}\n")
                }
                "site.login.logout" => {
                    let logout =
                        format!("logout = {{ {name} = {word:?}, path = \"/out\", {SUCCESS} }}");
                    format!("{LEAST}[site.login]\nmethod = \"watch\"\n{WATCHED}\n{logout}\n")
                }
                "session.store" if ["redis", "postgres"].contains(word) => {
                    format!("{LEAST}[{table}]\n{name} = {word:?}\nurl = \"{word}://db/0\"\n")
                }
                _ => format!("{LEAST}[{table}]\n{name} = {word:?}\n"),
            };
            assert_eq!(faults(&text), "", "{text}");
        }
    }
}

#[test]
fn a_variable_beats_the_file_and_is_named_when_it_is_wrong() {
    let text = format!("{LEAST}[session]\nidle_timeout = \"2h\"\n");
    let settings = |variables: &[(&str, &str)]| read_with(&text, variables).unwrap().settings;
    let idle = |value| {
        settings(&[("CLOAKROOM_SESSION__IDLE_TIMEOUT", value)])
            .session
            .terms
            .idle
    };
    assert_eq!(idle("10m"), Duration::from_secs(600));
    assert_eq!(idle("\"10m\""), Duration::from_secs(600));

    let server = settings(&[
        ("CLOAKROOM_SERVER__THREADS", "3"),
        ("CLOAKROOM_SERVER__HTTPS", "127.0.0.1:1, 127.0.0.1:2"),
        ("CLOAKROOM_SERVER__HTTP", "[\"127.0.0.1:3\"]"),
        ("CLOAKROOM_SERVER__LIMITS__H2_STREAMS", "7"),
    ])
    .server;
    assert_eq!(server.threads, Some(3));
    assert_eq!((server.https.len(), server.http.len()), (2, 1));
    assert_eq!(server.limits.h2_streams, 7);

    for (name, value, fault) in [
        (
            "CLOAKROOM_SESSION__IDLE_TIMEOUT",
            "10",
            "CLOAKROOM_SESSION__IDLE_TIMEOUT: session.idle_timeout = 10: a duration has a unit; write \"10s\" for seconds or \"10m\" for minutes\n",
        ),
        (
            "CLOAKROOM_SESSION__IDLE_TIMOUT",
            "10m",
            "CLOAKROOM_SESSION__IDLE_TIMOUT: session.idle_timout: unknown key; did you mean idle_timeout?\n",
        ),
        (
            "CLOAKROOM_SESSION__DEVICE",
            "true",
            "CLOAKROOM_SESSION__DEVICE: session.device: not available in this version; take it out until a version has it\n",
        ),
        ("CLOAKROOM_SESSION__STORE__URL", "hunter2", ""),
        (
            "CLOAKROOM_SESSION__COOKIE__SECURE",
            "yes",
            "CLOAKROOM_SESSION__COOKIE__SECURE: session.cookie.secure = yes: wants true or false, not a text; write true or false, without quotes\n",
        ),
        (
            "CLOAKROOM_SITE__NAME",
            "x",
            "CLOAKROOM_SITE__NAME: site.name: keys of lists cannot be set by a variable; write it in the file\n",
        ),
        (
            "CLOAKROOM_SESSION__IDLE_TIMEOUT__X",
            "1",
            "CLOAKROOM_SESSION__IDLE_TIMEOUT__X: session.idle_timeout.x: unknown key; take it out: idle_timeout holds no keys\n",
        ),
        (
            "CLOAKROOM_SESSION__COOKIE",
            "x",
            "CLOAKROOM_SESSION__COOKIE: session.cookie: a table cannot be set by a variable; name one of its keys, as in CLOAKROOM_SESSION__COOKIE__KEY\n",
        ),
    ] {
        assert_eq!(faults_with(&text, &[(name, value)]), fault);
    }
    // What container platforms set for a service of our name is none of our business.
    assert_eq!(
        faults_with(&text, &[("CLOAKROOM_PORT", "tcp://10.0.0.1:8443")]),
        ""
    );
}

#[test]
fn an_app_behind_tls_has_its_files_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.toml");
    let text = LEAST.replace("http://127.0.0.1:3000", "https://app.internal");
    let options = "[site.upstream_options]\nca_file = \"ca.pem\"\nclient_cert_file = \"c.pem\"\n\
                   client_key_file = \"k.pem\"\ntls_name = \"app.example\"\n";
    fs::write(&file, text + options).unwrap();

    let settings = config::load(&file, &[]).unwrap().settings;
    let (host, port) = ("app.internal".to_owned(), 443);
    let upstream = &settings.sites[0].upstream;
    assert_eq!(upstream.apps[0].address, Address::Tls { host, port });
    let expected = TlsSettings {
        ca_file: Some(folder.path().join("ca.pem")),
        client: Some(ClientFiles {
            cert_file: folder.path().join("c.pem"),
            key_file: folder.path().join("k.pem"),
        }),
        name: Some("app.example".to_owned()),
    };
    assert_eq!(upstream.tls, Some(expected));
    let absent = check_files(&settings);
    for key in ["ca_file", "client_cert_file", "client_key_file"] {
        let key = format!("site.upstream_options.{key}");
        assert!(
            absent.iter().any(|fault| fault.key == key),
            "{key}: {absent:?}"
        );
    }
}

#[test]
fn included_files_add_sites_and_certificates_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.toml");
    let parts = folder.path().join("conf.d");
    fs::create_dir(&parts).unwrap();
    fs::write(&file, format!("include = [\"conf.d/*.toml\"]\n{LEAST}")).unwrap();
    let site = "[[site]]\nname = \"blog\"\nhosts = [\"blog\"]\nupstream = [\"unix:blog.sock\"]\n";
    fs::write(parts.join("blog.toml"), site).unwrap();
    fs::write(parts.join("notes.txt"), "no TOML").unwrap();

    let settings = config::load(&file, &[]).unwrap().settings;
    let names: Vec<&str> = settings
        .sites
        .iter()
        .map(|site| site.name.as_str())
        .collect();
    assert_eq!(names, ["shop", "blog"]);
    let socket = folder.path().join("blog.sock");
    assert_eq!(
        settings.sites[1].upstream.apps[0].address,
        Address::Unix(socket)
    );

    fs::write(parts.join("more.toml"), "[log]\nlevel = \"info\"\n").unwrap();
    fs::write(parts.join("wrong.toml"), "\n[[site]]\nnam = \"x\"\n").unwrap();
    let all = config::load(&file, &[]).unwrap_err().to_string();
    let told = |part: &str| assert!(all.contains(part), "{part}\n{all}");
    told("conf.d/more.toml:1:2: log: an included file holds [[site]] and [[tls.certificate]] only");
    told("conf.d/wrong.toml:3:1: site.nam: unknown key; did you mean name?");
    told("conf.d/wrong.toml:2:1: site.hosts: no host");
}

#[test]
fn a_file_that_is_not_there_is_a_fault_of_files_only() {
    let loaded = read(LEAST).unwrap();
    let found = check_files(&loaded.settings);
    let [cert, key] = found.as_slice() else {
        panic!("{found:?}")
    };
    let start = "x.toml:2:13: tls.certificate.cert_file = \"c.pem\": c.pem cannot be read: ";
    assert!(cert.to_string().starts_with(start), "{cert}");
    assert_eq!(key.key, "tls.certificate.key_file");
}

/// The first match wins, so that a rule after one for all of its paths says nothing, whatever it demands.
#[test]
fn a_rule_that_can_never_count_is_warned_of() {
    for (earlier, later, is_warned) in [
        ("/*", "/admin/*", true),
        ("/admin/*", "/admin", true),
        ("/admin/*", "/admin/deep/*", true),
        ("/admin/*", "/administration/*", false),
        ("/admin", "/admin/*", false),
        ("/admin/*", "/*", false),
    ] {
        let rule = |path: &str, more: &str| format!("[[site.rule]]\npath = \"{path}\"\n{more}\n");
        let demand = "require = { networks = [\"10.0.0.0/8\"] }";
        let rules = rule(earlier, "") + &rule(later, demand);
        let warnings = read(&format!("{LEAST}{rules}")).unwrap().warnings;
        let mut warnings = warnings.iter().map(ToString::to_string);
        let found = warnings.any(|warning| warning.contains("the first match wins"));
        assert_eq!(found, is_warned, "{earlier} {later}");
    }
}

#[test]
fn warnings_do_not_refuse() {
    let text = format!(
        "{LEAST}[session.store]\nengine = \"memory\"\non_outage = \"anonymous\"\n\
         [session.cookie]\nname = \"sid\"\nsecure = false\nhttp_only = false\n"
    );
    let keys = read(&text).unwrap().warnings;
    let keys: Vec<&str> = keys.iter().map(|warning| warning.key.as_str()).collect();
    let expected = [
        "session.store.engine",
        "session.store.on_outage",
        "session.cookie.secure",
        "session.cookie.http_only",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn a_watched_user_who_reaches_another_site_is_warned_of() {
    let watching = format!("{LEAST}[site.login]\nmethod = \"watch\"\n{WATCHED}\n");
    let other = |host: &str, rest: &str| {
        format!(
            "{watching}[[site]]\nname = \"b\"\nhosts = [{host:?}]\npath = \"/b\"\nupstream = [\"unix:b\"]\n{rest}"
        )
    };
    let domain = "[session.cookie]\nname = \"__Secure-s\"\ndomain = \"shop.test\"\n";
    let rows = [
        (watching.clone(), false),
        (other("localhost", ""), true),
        (other("*.localhost", ""), false),
        (other("other.localhost", ""), false),
        (other("other.localhost", domain), true),
        (other("localhost", "trust_directives = true\n"), false),
        (
            other("localhost", "accept_users_from = [\"shop\"]\n"),
            false,
        ),
        (
            other(
                "localhost",
                "[site.headers]\nX-Id = \"{session.id}\"\nX-Jwt = \"{assertion}\"\n",
            ),
            true,
        ),
        (
            other("localhost", "[site.headers]\nX-Id = \"{session.id}\"\n"),
            false,
        ),
    ];
    for (text, warned) in rows {
        let text = text.replace("localhost", "shop.test");
        let warnings = read(&text)
            .unwrap_or_else(|faults| panic!("{text}\n{faults}"))
            .warnings;
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        let expected = "x.toml:9:10: site.login.method = \"watch\": its users reach the site \"b\" too, which has no login of its own; \
                        give that site a [site.login], or a [site.headers] without {user...}, or write accept_users_from there if it is meant";
        let expected = if warned { vec![expected] } else { Vec::new() };
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn accepting_users_of_a_site_that_brings_none_is_told() {
    let other = |rest: &str| {
        format!(
            "{LEAST}[[site]]\nname = \"b\"\nhosts = [\"localhost\"]\npath = \"/b\"\nupstream = [\"unix:b\"]\n{rest}"
        )
    };
    let text = other("accept_users_from = [\"c\", \"shop\"]\n");
    assert_eq!(
        faults(&text),
        "x.toml:13:22: site.accept_users_from = \"c\": no site has this name; write the name of a [[site]]\n"
    );
    let speaking = |text: String| text.replacen("[[site]]", "[[site]]\ntrust_directives = true", 1);
    let apart = |text: String| text.replacen("\"localhost\"", "\"shop.test\"", 1);
    let watched = |text: String| {
        text.replacen(
            "[[site]]\nname = \"b\"",
            &format!("[site.login]\nmethod = \"watch\"\n{WATCHED}\n[[site]]\nname = \"b\""),
            1,
        )
    };
    let accepting = || other("accept_users_from = [\"shop\"]\n");
    let binding = || other("trust_directives = true\naccept_users_from = [\"shop\"]\n");
    for (text, why) in [
        (accepting(), Some("nobody logs in there")),
        (speaking(accepting()), None),
        (
            speaking(apart(accepting())),
            Some("no browser brings one ticket to both sites"),
        ),
        (
            other("accept_users_from = [\"b\"]\n"),
            Some("is this very site"),
        ),
        (watched(accepting()), None),
        (watched(binding()), Some("under a name that was typed")),
    ] {
        let warnings = read(&text)
            .unwrap_or_else(|faults| panic!("{text}\n{faults}"))
            .warnings;
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        match why {
            None => assert_eq!(told, [""; 0], "{text}"),
            Some(why) => assert!(told.len() == 1 && told[0].contains(why), "{text}\n{told:?}"),
        }
    }
}

#[test]
fn what_names_nobody_is_told() {
    for (text, why) in [
        (
            "[site.login]\nuser_header = \"X-User\"\n",
            "without method = \"header\"",
        ),
        ("[tls]\nclient_ca_file = \"ca.pem\"\n", "no site looks at"),
        (
            "assertion_issuer = \"https://a.test\"\n",
            "no header tells an {assertion}",
        ),
        (
            "[session.keys]\nactivate_after = \"5m\"\n[site.headers]\nX-Jwt = \"{assertion}\"\n",
            "before all apps know it",
        ),
    ] {
        let text = match text.starts_with("[tls]") {
            true => format!("{text}{LEAST}"),
            false => format!("{LEAST}{text}"),
        };
        let warnings = read(&text)
            .unwrap_or_else(|faults| panic!("{text}\n{faults}"))
            .warnings;
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(why), "{text}\n{told:?}");
    }
    let wild = LEAST.replace("localhost", "*.shop.test");
    let found = faults(&format!(
        "{wild}[site.headers]\nX-Jwt = \"{{assertion}}\"\n"
    ));
    assert!(found.contains("site.assertion_issuer: missing"), "{found}");
}

fn cloakroom(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .args(arguments)
        .env_remove("CLOAKROOM_CONFIG")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn check_tells_its_verdict_by_exit_code_and_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    let name = file.to_str().unwrap();
    fs::write(&file, LEAST).unwrap();
    let (code, out, err) = cloakroom(&["check", "--config", name]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.starts_with(&format!("{name}: fine: 1 site, https on 127.0.0.1:8443")),
        "{out}"
    );
    assert_eq!(err.matches("warning: ").count(), 2, "{err}");

    fs::write(&file, format!("{LEAST}[log]\nlevel = \"loud\"\nfoo = 1\n")).unwrap();
    let (code, out, err) = cloakroom(&["check", "--config", name]);
    assert_eq!((code, out.as_str()), (Some(78), ""));
    assert!(err.ends_with("\n2 faults\n"), "{err}");

    let (code, _, err) = cloakroom(&["check", "--config", "no/such/file.toml"]);
    assert_eq!(code, Some(78));
    assert!(
        err.starts_with("no/such/file.toml: no such file; "),
        "{err}"
    );

    let (code, _, err) = cloakroom(&["check"]);
    assert_eq!(code, Some(2), "{err}");
    let (code, out, _) = cloakroom(&["--version"]);
    assert_eq!(
        (code, out.as_str()),
        (
            Some(0),
            concat!("cloakroom ", env!("CARGO_PKG_VERSION"), "\n")
        )
    );
}

mod any_text {
    use proptest::prelude::*;

    use super::*;

    /// Lines that look like a configuration, so that more than the TOML parser is tried.
    fn lines() -> impl Strategy<Value = String> {
        let path = proptest::sample::select(KEYS).prop_map(|key| key.path);
        let value = prop_oneof![
            Just("\"0\"".to_owned()),
            Just("true".to_owned()),
            Just("[]".to_owned()),
            Just("{}".to_owned()),
            Just("[{}]".to_owned()),
            Just("[[1], {a.b = 2}]".to_owned()),
            Just("1979-05-27".to_owned()),
            "-?[0-9]{1,20}",
            "\"[ -!#-\\[\\]-~äß€]{0,12}\"",
        ];
        let line = (path, value, 0..4u8).prop_map(|(path, value, form)| match form {
            0 => format!("[{path}]\n"),
            1 => format!("[[{path}]]\n"),
            2 => format!("{path} = {value}\n"),
            _ => format!("{} = {value}\n", path.rsplit('.').next().unwrap_or(path)),
        });
        proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn never_panics(text in any::<String>(), value in any::<String>()) {
            let _ = faults_with(&text, &[("CLOAKROOM_SESSION__STORE__PATH", &value)]);
            let _ = faults_with(LEAST, &[("CLOAKROOM_SERVER__HTTPS", &value)]);
        }

        #[test]
        fn of_known_keys_never_panics(
            text in lines(),
            key in proptest::sample::select(KEYS),
            value in "[\\[\\]{}\",a-z0-9=. ]{0,12}",
        ) {
            let _ = faults(&text);
            let variable = format!("CLOAKROOM_{}", key.path.replace('.', "__").to_uppercase());
            let _ = faults_with(&text, &[(&variable, &value)]);
            let _ = faults(&format!("{LEAST}{text}"));
        }
    }
}

#[test]
fn a_rule_for_the_mark_is_worth_a_warning_while_a_site_adopts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    let warnings = |adopts: &str| {
        let rules = format!(
            "{LEAST}[site.cookies]\nrules = [\n{{ name = \"sid\", mode = \"keep\"{adopts} }},\n\
             {{ name = \"__Host-session-owner\", mode = \"pass\" }},\n]\n"
        );
        fs::write(&file, rules).unwrap();
        let loaded = config::load(&file, &[]).unwrap_or_else(|faults| panic!("{faults}"));
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        warnings.join("\n")
    };
    let said = warnings(", adopt_until = 2999-12-31");
    assert!(
        said.contains("site.cookies.rules.name = \"__Host-session-owner\"")
            && said.contains("our own mark"),
        "{said}"
    );
    assert_eq!(warnings(""), "");
}
