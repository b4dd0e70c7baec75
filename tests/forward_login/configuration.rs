//! What is written of a service is told to be right or wrong before anybody is asked.

use std::path::Path;

use cloakroom::config;

/// On lines 1 to 10.
const SITE: &str = r#"[[tls.certificate]]
cert_file = "c.pem"
key_file = "k.pem"
[[site]]
name = "shop"
hosts = ["localhost"]
upstream = ["http://127.0.0.1:3000"]
rule = [{ path = "/*", require = { user = true } }]
[site.login]
method = "forward"
"#;

/// Faults and warnings, one a line.
fn told(text: &str) -> String {
    let found = match config::read(Path::new("x.toml"), text.to_owned(), &[]) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults.iter().cloned().collect(),
    };
    found.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn what_is_right_says_nothing() {
    for url in [
        "http://127.0.0.1:9091/api/authz/forward-auth?x=y",
        "http://authelia:9091",
        "https://auth.example.com/verify",
        "unix:/run/auth.sock:/verify",
        "unix:/run/auth.sock",
    ] {
        let text = format!(
            "{SITE}url = \"{url}\"\nuser_header = \"Remote-User\"\ncookies = [\"authelia_session\", \"_oauth2_proxy*\"]\nrecheck = \"0\"\n"
        );
        assert_eq!(told(&text), "", "{url}");
    }
}

#[test]
fn each_slip_is_told_with_the_way_out() {
    let good = "url = \"http://127.0.0.1:9091\"\nuser_header = \"Remote-User\"\n";
    for (lines, said) in [
        (
            "user_header = \"Remote-User\"".to_owned(),
            "site.login.url: missing: who is asked; write for example url = \"http://127.0.0.1:9091/api/authz/forward-auth\"",
        ),
        (
            "url = \"http://127.0.0.1:9091\"".to_owned(),
            "site.login.user_header: missing: where the service writes the user; write for example user_header = \"Remote-User\"",
        ),
        (
            "url = \"h2c://127.0.0.1:9091\"\nuser_header = \"Remote-User\"".to_owned(),
            "site.login.url = \"h2c://127.0.0.1:9091\": is neither http:// nor https:// nor unix:; write for example url =",
        ),
        (
            "url = \"127.0.0.1:9091\"\nuser_header = \"Remote-User\"".to_owned(),
            "site.login.url = \"127.0.0.1:9091\": ",
        ),
        (
            "url = \"http://127.0.0.1:9091/a#b\"\nuser_header = \"Remote-User\"".to_owned(),
            "has a path that nobody could be asked for",
        ),
        (
            format!("{good}ca_file = \"ca.pem\""),
            "site.login.ca_file = \"ca.pem\": the service is not spoken to over TLS; write https:// in url, or take it out",
        ),
        (
            format!("{good}cookies = [\"*\"]"),
            "site.login.cookies = \"*\": would take cookies of the app from it, and send them to the service; write the name",
        ),
        (
            format!("{good}cookies = [\"__Host-*\"]"),
            "site.login.cookies = \"__Host-*\": is the ticket, which no service gets; name the service's own cookies",
        ),
        (
            format!("{good}cookies = [\"a b\"]"),
            "site.login.cookies = \"a b\": holds a space",
        ),
        (
            format!("{good}timeout = \"0\""),
            "site.login.timeout = \"0\": a wait of no time at all",
        ),
        (
            format!("{good}recheck = \"2h\""),
            "site.login.recheck = \"2h\": whoever logged out at the service would be logged in here for so long; write at most \"1h\"",
        ),
        (
            format!("{good}recheck = \"0\"\nrecheck_scope = \"session\""),
            "site.login.recheck_scope = \"session\": says nothing with recheck = \"0\"",
        ),
        (
            format!("{good}recheck_scope = \"site\""),
            "site.login.recheck_scope = \"site\": no such choice; write \"address\" or \"session\"",
        ),
        (
            format!("{good}groups_header = \"Remote-User\""),
            "site.login.groups_header = \"Remote-User\": another of the headers has this name",
        ),
    ] {
        let found = told(&format!("{SITE}{lines}\n"));
        assert!(found.contains(said), "{lines}\n{found}");
        assert_eq!(found.lines().count(), 1, "{lines}\n{found}");
    }
}

#[test]
fn what_would_surprise_is_warned_of() {
    let open = SITE.replace(
        "rule = [{ path = \"/*\", require = { user = true } }]\n",
        "",
    );
    let found = told(&format!(
        "{open}url = \"http://127.0.0.1:9091\"\nuser_header = \"Remote-User\"\n"
    ));
    assert!(
        found.contains("whom the service turns away is served as nobody"),
        "{found}"
    );
    let other = SITE.replace("\"forward\"", "\"header\"");
    let found = told(&format!(
        "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\n{other}user_header = \"Remote-User\"\nurl = \"http://x\"\nrecheck = \"1s\"\n"
    ));
    for key in ["site.login.url", "site.login.recheck"] {
        let said = format!("{key} = ");
        assert!(found.contains(&said), "{key}: {found}");
    }
    assert!(
        found.contains("says nothing without method = \"forward\""),
        "{found}"
    );
}

#[test]
fn explain_says_that_the_service_is_asked_and_whose_cookie_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "{SITE}url = \"http://127.0.0.1:9091\"\nuser_header = \"Remote-User\"\ncookies = [\"sso\"]\n"
    );
    std::fs::write(folder.path().join("x.toml"), text).expect("the configuration");
    let args = [
        "explain",
        "--config",
        "x.toml",
        "--cookie",
        "sso=1; a=2",
        "https://localhost/",
    ];
    let output = crate::support::cloakroom(folder.path(), &args).output();
    let output = output.expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("the login service says where people log in"),
        "{said}"
    );
    assert!(
        said.contains("it is for the login service, and for nobody else"),
        "{said}"
    );
}
