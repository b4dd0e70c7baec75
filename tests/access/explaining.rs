//! `cloakroom explain` says which rule decides, where it is written, and what a visitor would get.

use std::fs;

use serde_json::Value;

use super::support::{Setup, cloakroom, configuration};

const SITE: &str = r#"trust_directives = true
[[site.rule]]
path = "/saml/acs"
cross_site = "resend"
[[site.rule]]
path = "/admin/*"
methods = ["GET"]
networks = ["10.0.0.0/8"]
[[site.rule]]
path = "/admin/*"
require = { groups = ["staff", "dev"], max_auth_age = "90s", methods = ["GET", "POST"], networks = ["192.0.2.0/24", "10.0.0.0/8"] }
[site.login]
login_url = "/login"
return_param = "next"
"#;

fn explain(args: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = Setup {
        site: SITE,
        ..Setup::default()
    };
    let text = configuration(([127, 0, 0, 1], 3000).into(), setup);
    fs::write(folder.path().join("cloakroom.toml"), text).expect("the configuration");
    let args = [&["explain", "--config", "cloakroom.toml"], args].concat();
    let output = cloakroom(folder.path(), &args).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{:?}", output.stderr);
    told
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&explain(&[args, &["--json"]].concat())).expect("JSON")
}

const URL: &str = "https://localhost/admin/x?y=1";
const HTML: [&str; 2] = ["--header", "Accept: text/html"];

#[test]
fn it_is_told_what_a_rule_demands_and_what_a_visitor_gets() {
    let told = json(&[&HTML[..], &[URL]].concat());
    let rule = &told["site"]["rule"];
    assert!(
        rule["place"]
            .as_str()
            .expect("a place")
            .starts_with("cloakroom.toml:"),
        "{told}"
    );
    assert_eq!(rule["require"]["user"], true);
    assert_eq!(rule["require"]["groups"][0], "staff");
    assert_eq!(rule["require"]["max_auth_age"], "90s");
    let gets = &told["access"]["without_login"];
    assert_eq!(gets["status"], 302, "{told}");
    assert_eq!(gets["reason"], "login-required");
    assert_eq!(gets["login"], "/login?next=%2Fadmin%2Fx%3Fy%3D1");
    assert_eq!(told["access"]["login_helps"], true);

    let told = json(&[URL]);
    assert_eq!(told["access"]["without_login"]["status"], 401, "{told}");
    let told = json(&["--method", "DELETE", URL]);
    assert_eq!(told["access"]["without_login"]["reason"], "wrong-method");
    assert_eq!(told["access"]["login_helps"], false);
    let told = json(&["--from", "198.51.100.1", URL]);
    assert_eq!(told["access"]["without_login"]["reason"], "wrong-network");
    assert_eq!(told["access"]["without_login"]["status"], 403);

    // The first rule is for this network alone, and everybody may there.
    let told = json(&["--from", "10.1.1.1", URL]);
    assert_eq!(told["access"], Value::Null, "{told}");
    assert_eq!(told["site"]["rule"]["networks"][0], "10.0.0.0/8");
}

#[test]
fn a_form_of_another_site_is_told_to_be_sent_again() {
    let form = [
        "--method",
        "POST",
        "--header",
        "Sec-Fetch-Site: cross-site",
        "--header",
        "Sec-Fetch-Mode: navigate",
        "--header",
        "Sec-Fetch-Dest: document",
        "https://localhost/saml/acs",
    ];
    let told = json(&form);
    assert_eq!(told["site"]["rule"]["cross_site"], "resend");
    assert_eq!(told["provenance"]["resent"], true, "{told}");
    assert_eq!(told["provenance"]["refused_with_session"], false);
    assert!(explain(&form).contains("cross_site = \"resend\""));
    let mut script = form;
    script[5] = "Sec-Fetch-Mode: cors";
    let script = json(&script);
    assert_eq!(script["provenance"]["resent"], false, "{script}");
    assert_eq!(script["provenance"]["refused_with_session"], true);
}

#[test]
fn people_are_told_the_same() {
    let told = explain(&[&HTML[..], &[URL]].concat());
    for line in [
        "demands a user, in a group of staff or dev, logged in within 90s, by GET or POST, from 192.0.2.0/24 or 10.0.0.0/8",
        "\naccess    who is not logged in gets 302 login-required: this address is for visitors who are logged in; log in at /login?next=%2Fadmin%2Fx%3Fy%3D1\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let told = explain(&["--from", "10.1.1.1", URL]);
    assert!(told.contains("for GET, from 10.0.0.0/8"), "{told}");
    let told = explain(&["--from", "198.51.100.1", URL]);
    assert!(
        told.contains("\naccess    whoever it is gets 403 wrong-network: "),
        "{told}"
    );
}
