//! A rule that cannot be met, or that locks everybody out, is refused with its place and the way out.

use std::path::Path;

use cloakroom::config;

/// On lines 1 to 8.
const SITE: &str = r#"[[tls.certificate]]
cert_file = "c.pem"
key_file = "k.pem"
[[site]]
name = "shop"
hosts = ["localhost"]
upstream = ["http://127.0.0.1:3000"]
trust_directives = true
"#;

/// Faults and warnings, one a line.
fn told(text: &str) -> String {
    let found = match config::read(Path::new("x.toml"), text.to_owned(), &[]) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults.iter().cloned().collect(),
    };
    found.iter().map(|fault| format!("{fault}\n")).collect()
}

fn rule(lines: &str) -> String {
    format!("{SITE}[[site.rule]]\npath = \"/admin/*\"\n{lines}\n")
}

#[test]
fn each_slip_in_a_rule_is_told_with_the_way_out() {
    for (lines, said) in [
        (
            "require = {}",
            "site.rule.require: demands nothing; write for example require = { user = true }, or take it out",
        ),
        (
            "require = { user = false }",
            "site.rule.require: demands nothing; write for example require = { user = true }, or take it out",
        ),
        (
            "require = { user = false, groups = [\"a\"] }",
            "site.rule.require.user = false: groups and a login are a user's; write user = true",
        ),
        (
            "require = { groups = [] }",
            "site.rule.require.groups: nobody is in one of no groups; write for example groups = [\"staff\"], or take it out",
        ),
        (
            "require = { groups = [\" \"] }",
            "site.rule.require.groups = \" \": names no group; write a name or take it out",
        ),
        (
            "require = { max_auth_age = \"0\" }",
            "site.rule.require.max_auth_age = \"0\": no login is so recent; write for example \"15m\"",
        ),
        (
            "require = { networks = [] }",
            "site.rule.require.networks: nobody comes from one of no networks; write for example [\"10.0.0.0/8\"], or take it out",
        ),
        (
            "require = { networks = [\"10.0.0.0/33\"] }",
            "site.rule.require.networks = \"10.0.0.0/33\": not a network; write for example \"10.0.0.0/8\", \"192.0.2.1\" or, for Unix sockets, \"unix:\"",
        ),
        (
            "require = { methods = [\"POTS\"] }",
            "site.rule.require.methods = \"POTS\": no such method; write for example \"POST\"",
        ),
        (
            "require = { methods = [\"CONNECT\"] }",
            "site.rule.require.methods = \"CONNECT\": this method is never served; take it out",
        ),
        (
            "require = { user = true }\nmethods = [\"post\"]",
            "site.rule.methods = \"post\": methods are told apart by the case of their letters; write \"POST\"",
        ),
        (
            "require = { user = true }\nmethods = []",
            "site.rule.methods: no request has one of no methods; write for example [\"GET\"], or take it out",
        ),
        (
            "require = { user = true }\nnetworks = [\"inside\"]",
            "site.rule.networks = \"inside\": not a network; write for example \"10.0.0.0/8\", \"192.0.2.1\" or, for Unix sockets, \"unix:\"",
        ),
        (
            "networks = [\"10.0.0.0/8\"]",
            "site.rule.networks: says for whom the rule is and keeps nobody out: no rule from here on demands anything; to refuse all others write require = { networks = [...] }",
        ),
        (
            "methods = [\"GET\"]",
            "site.rule.methods: says for whom the rule is and keeps nobody out: no rule from here on demands anything; to refuse all others write require = { methods = [...] }",
        ),
        (
            "session = \"off\"\nrequire = { user = true }",
            "site.rule.require: without sessions (session = \"off\") no user is known; take one of them out",
        ),
        (
            "session = \"off\"\ncross_site = \"resend\"",
            "site.rule.cross_site = \"resend\": without sessions (session = \"off\") there is none to come along; take one of them out",
        ),
        (
            "require = { user = true, role = \"x\" }",
            "site.rule.require.role: unknown key",
        ),
        (
            "require = { user = true }\n[site.login]\nlogin_url = \"https://sso.test/\"",
            "site.login.login_url = \"https://sso.test/\": the page is one of the site's own hosts; write its path alone, as in \"/login\"",
        ),
        (
            "require = { user = true }\n[site.login]\nlogin_url = \"/in#x\"",
            "site.login.login_url = \"/in#x\": a path alone, without a query; leave out what follows ? or #",
        ),
        (
            "require = { user = true }\n[site.login]\nlogin_url = \"/in\"\nreturn_param = \"a=b\"",
            "site.login.return_param = \"a=b\": no name of a value in a query; write for example \"redirect_to\"",
        ),
        (
            "require = { user = true }\n[site.login]\nreturn_param = \"next\"",
            "site.login.return_param = \"next\": says nothing without a login page; write login_url, or take it out",
        ),
    ] {
        let text = rule(lines);
        let found = told(&text);
        assert!(found.contains(said), "{text}\n{found}");
        assert_eq!(found.lines().count(), 1, "{text}\n{found}");
    }
    for fine in [
        "require = { user = true, groups = [\"staff\"], max_auth_age = \"15m\" }",
        "require = { groups = [\"staff\"] }",
        "require = { networks = [\"10.0.0.0/8\", \"::1\", \"unix:\"], methods = [\"GET\", \"PROPFIND\"] }",
        "methods = [\"GET\"]\nsession = \"observe\"",
        "methods = [\"GET\"]\n[[site.rule]]\npath = \"/admin/*\"\nrequire = { user = true }",
        "require = { user = true }\n[site.login]\nlogin_url = \"/index.php?title=Special:UserLogin\"\nreturn_param = \"returnto\"",
    ] {
        let text = rule(fine);
        assert_eq!(told(&text), "", "{text}");
    }
}

/// Promise: a user or a group that nobody can ever have is not demanded.
#[test]
fn what_no_login_brings_cannot_be_demanded() {
    let nobody = rule("require = { user = true }").replace("trust_directives = true\n", "");
    let why = "site.rule.require: demands a user, and there is no login here by which anybody becomes one; write a [site.login], or trust_directives = true";
    assert!(told(&nobody).contains(why), "{}", told(&nobody));

    let watched = "[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { status = [302] } }\n";
    let groups = format!("{}{watched}", rule("require = { groups = [\"staff\"] }"));
    let groups = groups.replace("trust_directives = true\n", "");
    let why = "site.rule.require.groups: no login that counts here tells groups: forms and certificates name the user alone; write groups_header where a proxy names the user, or trust_directives = true where the app does, or take this out";
    assert!(told(&groups).contains(why), "{}", told(&groups));
    assert_eq!(
        told(&groups.replace("groups = [\"staff\"]", "user = true")),
        ""
    );

    // The users of a site that shares the ticket count where nobody else logs anybody in.
    let other = "[[site]]\nname = \"login\"\nhosts = [\"localhost\"]\npath = \"/login\"\nupstream = [\"http://127.0.0.1:3001\"]\ntrust_directives = true\n";
    let shared = format!("{nobody}[site.headers]\n{other}");
    assert_eq!(told(&shared), "", "{shared}");
    let apart = shared.replace("\"localhost\"]\npath", "\"other.test\"]\npath");
    assert!(told(&apart).contains("demands a user"), "{}", told(&apart));
}

/// Promise: nobody is sent in circles by a login page that its own rule keeps them from.
#[test]
fn a_login_page_under_its_own_rule_is_refused() {
    let login = "[site.login]\nlogin_url = \"/admin/login\"\n";
    let demand = "require = { user = true }";
    let closed = format!("{}{login}", rule(demand));
    let said = "x.toml:11:11: site.rule.require: demands a user at /admin/login, where visitors log in: they would be sent in circles; write another rule before it: [[site.rule]] with path = \"/admin/login\" alone";
    assert!(told(&closed).starts_with(said), "{}", told(&closed));

    let before = |lines: &str| {
        let earlier = format!("[[site.rule]]\npath = \"/admin/login\"\n{lines}");
        closed.replacen("[[site.rule]]", &format!("{earlier}[[site.rule]]"), 1)
    };
    assert_eq!(told(&before("")), "");
    assert_eq!(told(&before("methods = [\"GET\", \"POST\"]\n")), "");
    let inside = before("networks = [\"10.0.0.0/8\"]\n");
    assert!(told(&inside).contains("in circles"), "{}", told(&inside));
    let post = before("methods = [\"POST\"]\n");
    assert!(told(&post).contains("in circles"), "{}", told(&post));

    // The form has to arrive, too.
    let watched = "[site.login]\nmethod = \"watch\"\nlogin = { path = \"/in\", user_field = \"u\", success = { status = [302] } }\n";
    for (methods, is_fine) in [("", true), ("methods = [\"GET\"]\n", false)] {
        let text = format!(
            "{SITE}[[site.rule]]\npath = \"/in\"\n{methods}[[site.rule]]\npath = \"/*\"\n{demand}\n{watched}"
        );
        assert_eq!(told(&text).is_empty(), is_fine, "{}", told(&text));
    }

    // The page may be another site's on the same host.
    let deep = "[[site]]\nname = \"sso\"\nhosts = [\"localhost\"]\npath = \"/admin/login\"\nupstream = [\"http://127.0.0.1:3001\"]\n";
    assert_eq!(told(&format!("{closed}{deep}")), "");
}
