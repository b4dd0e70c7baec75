use super::*;
use crate::cookie::policy::{CookiePolicy, Mode};
use crate::gateway::access::{CrossSite, PathPattern};
use crate::gateway::demand::{Demand, Methods, Networks, UserDemand};
use crate::upstream::{Address, UpstreamSettings};

fn site(name: &str, hosts: &[&str], prefix: &str) -> Site {
    let address = Address::parse("http://127.0.0.1:1").unwrap();
    Site {
        name: name.into(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        prefix: prefix.to_owned(),
        upstreams: Arc::new(Upstreams::single(
            name.into(),
            UpstreamSettings::new(address),
        )),
        host: AppHost::Keep,
        session: SessionMode::Attach,
        pass_ambiguous_paths: false,
        rewrite_location: true,
        stream_timeout: std::time::Duration::ZERO,
        strip_path_params: PathParams::default(),
        trust_directives: false,
        watch: None,
        looks: super::Looks::ours(),
        preserve_post: 0,
        form: None,
        namer: None,
        service: None,
        oidc: None,
        accepts_users_from: Vec::new(),
        carries_named: false,
        login_page: None,
        cookies: CookiePolicy::plain(Mode::Keep),
        stamp: Stamp::default(),
        assertion_issuer: "https://shop.test".into(),
        trailers: Arc::new(http::HeaderMap::clear),
        rules: Vec::new(),
    }
}

fn found(table: &SiteTable, host: &str, path: &str) -> String {
    match table.find(host, &NormalPath::read(path)) {
        Found::Site(site) => site.name.to_string(),
        Found::NoPath => "no path".to_owned(),
        Found::NoHost => "no host".to_owned(),
        Found::Ambiguous => "ambiguous".to_owned(),
    }
}

#[test]
fn the_exact_host_and_the_longest_prefix_win() {
    let table = SiteTable::new(vec![
        site("root", &["shop.test"], ""),
        site("deep", &["shop.test"], "/deep"),
        site("deeper", &["shop.test"], "/deep/er"),
        site("wild", &["*.shop.test"], ""),
        site("wilder", &["*.a.shop.test"], ""),
        site("part", &["b.shop.test"], "/part"),
    ]);
    let rows = [
        ("shop.test", "/", "root"),
        ("shop.test", "/deep", "deep"),
        ("shop.test", "/deep/x", "deep"),
        ("shop.test", "/deepest", "root"),
        ("shop.test", "/deep/er/x", "deeper"),
        ("shop.test", "/deep/../x", "root"),
        ("shop.test", "/%64eep/x", "deep"),
        ("shop.test", "/deep;v=1/x", "ambiguous"),
        ("x.shop.test", "/", "wild"),
        ("x.y.shop.test", "/", "wild"),
        ("x.a.shop.test", "/", "wilder"),
        ("b.shop.test", "/part/x", "part"),
        ("b.shop.test", "/other", "wild"),
        ("evilshop.test", "/", "no host"),
        ("test", "/", "no host"),
    ];
    for (host, path, expected) in rows {
        assert_eq!(found(&table, host, path), expected, "{host}{path}");
    }
    let table = SiteTable::new(vec![site("part", &["b.test"], "/part")]);
    assert_eq!(found(&table, "b.test", "/other"), "no path");
}

#[test]
fn our_own_paths_are_recognised_in_every_spelling() {
    let root = site("root", &["a.test"], "");
    let deep = site("deep", &["a.test"], "/deep");
    for path in [
        "/.cloakroom",
        "/.cloakroom/login",
        "/x/../.cloakroom/",
        "//%2ecloakroom/x",
        "/.cloakroom;x/y",
    ] {
        assert!(root.is_own_path(&NormalPath::read(path)), "{path}");
    }
    assert!(deep.is_own_path(&NormalPath::read("/deep/.cloakroom/login")));
    for path in ["/.cloakrooms", "/deep/.cloakroom", "/"] {
        assert!(!root.is_own_path(&NormalPath::read(path)), "{path}");
    }
}

#[test]
fn a_path_that_two_rules_could_claim_is_ambiguous() {
    let mut site = site("root", &["a.test"], "");
    site.rules.push(Rule {
        path: PathPattern::parse("/admin/*").unwrap(),
        methods: Methods::default(),
        networks: Networks::default(),
        require: Demand::default(),
        session: None,
        cross_site: CrossSite::Refuse,
    });
    let asking = Asking {
        method: &http::Method::GET,
        client_ip: "192.0.2.1".parse().unwrap(),
    };
    let rule = |site: &Site, path: &str| {
        site.rule(&NormalPath::read(path), &asking)
            .map(|rule| rule.is_some())
    };
    assert_eq!(rule(&site, "/admin/x;v=1"), Ok(true));
    assert_eq!(rule(&site, "/shop;v=1"), Ok(false));
    assert_eq!(rule(&site, "/admin;jsessionid=1"), Err(Ambiguous));
    site.pass_ambiguous_paths = true;
    assert_eq!(rule(&site, "/admin;jsessionid=1"), Ok(true));
}

/// Another site may act where every reading of the path says so, and by none alone.
#[test]
fn leave_to_act_is_not_borrowed_from_another_reading() {
    let mut site = site("root", &["a.test"], "");
    let rule = |path: &str, cross_site, demands: bool| Rule {
        path: PathPattern::parse(path).unwrap(),
        methods: Methods::default(),
        networks: Networks::default(),
        require: Demand {
            user: demands.then(UserDemand::default),
            ..Demand::default()
        },
        session: None,
        cross_site,
    };
    site.rules = vec![
        rule("/saml/acs", CrossSite::Resend, false),
        rule("/pay/*", CrossSite::Allow, false),
        rule("/own/*", CrossSite::Allow, true),
    ];
    site.pass_ambiguous_paths = true;
    let asking = Asking {
        method: &http::Method::POST,
        client_ip: "192.0.2.1".parse().unwrap(),
    };
    let lets_in = |path: &str| {
        let rule = site.rule(&NormalPath::read(path), &asking);
        rule.map(|rule| rule.map(|rule| rule.cross_site))
    };
    for (path, found) in [
        ("/saml/acs", Ok(Some(CrossSite::Resend))),
        ("/saml/./acs", Ok(Some(CrossSite::Resend))),
        ("//saml/acs", Ok(None)),
        ("//delete.php/saml/acs", Ok(None)),
        ("//delete.php/pay/x", Ok(None)),
        ("//pay/delete", Ok(None)),
        ("/pay/x", Ok(Some(CrossSite::Allow))),
        ("/pay/..%2fdelete", Ok(None)),
        ("/delete%2f..%2fpay%2fx", Ok(None)),
        ("/pay/%2e/x", Ok(Some(CrossSite::Allow))),
        ("/own/..%2fdelete", Err(Ambiguous)),
        ("//x/own/y", Err(Ambiguous)),
    ] {
        assert_eq!(lets_in(path), found, "{path}");
    }
}

#[test]
fn an_origin_is_ours_when_its_host_is() {
    let site = site("root", &["a.test", "*.b.test"], "");
    for origin in ["https://a.test", "https://A.test:8443", "https://x.b.test"] {
        assert!(site.is_own_origin(origin), "{origin}");
    }
    for origin in [
        "http://a.test",
        "https://b.test",
        "https://a.test.evil",
        "https://xb.test",
        "null",
        "https://.b.test",
    ] {
        assert!(!site.is_own_origin(origin), "{origin}");
    }
}

#[test]
fn a_site_with_a_login_sees_its_own_users_and_those_it_accepts() {
    let with = |binds: bool, accepted: &[&str]| Site {
        trust_directives: binds,
        accepts_users_from: accepted.iter().map(|site| Box::from(*site)).collect(),
        ..site("a", &["shop.test"], "")
    };
    for (site, seen) in [
        (with(false, &[]), ["a", "b", "c"].as_slice()),
        (with(true, &[]), &["a"]),
        (with(true, &["b"]), &["a", "b"]),
        (with(false, &["b"]), &["a", "b"]),
    ] {
        let sees = ["a", "b", "c"]
            .into_iter()
            .filter(|by| site.sees_users_of(by));
        assert_eq!(sees.collect::<Vec<_>>(), seen);
    }
}

/// Promise: where ambiguous paths are passed on, none of their readings gets around a rule.
#[test]
fn a_path_that_is_passed_on_comes_under_the_rule_of_every_reading() {
    let mut site = site("root", &["a.test"], "");
    site.pass_ambiguous_paths = true;
    let rule = |path: &str, user: bool| Rule {
        path: PathPattern::parse(path).unwrap(),
        methods: Methods::default(),
        networks: Networks::default(),
        require: Demand {
            user: user.then(crate::gateway::demand::UserDemand::default),
            ..Demand::default()
        },
        session: None,
        cross_site: CrossSite::Refuse,
    };
    site.rules = vec![
        rule("/public/*", false),
        rule("/admin/*", true),
        rule("/root/*", true),
    ];
    let asking = Asking {
        method: &http::Method::GET,
        client_ip: "192.0.2.1".parse().unwrap(),
    };
    for path in [
        "/admin/..;/public",
        "/admin/x%2f..%2f..%2fpublic",
        "/admin/%2e%2e/public/x",
        "/public%2f..%2fadmin",
        "/public/..%2fadmin/x",
        "/admin;x",
        "/admin%3bx",
        "/admin%00",
        "/public;/../admin",
        "/admin%2fx",
    ] {
        let found = site.rule(&NormalPath::read(path), &asking);
        let found = found.map(|rule| rule.is_some_and(Rule::demands));
        assert_eq!(found, Ok(true), "{path}");
    }
    let both = NormalPath::read("/admin/%2e%2e/root/x");
    assert_eq!(site.rule(&both, &asking).map(|_| ()), Err(Ambiguous));
    let open = NormalPath::read("/public/a%2fb");
    assert!(
        site.rule(&open, &asking)
            .unwrap()
            .is_some_and(|rule| !rule.demands())
    );
}

#[test]
fn the_first_rule_for_path_method_and_network_decides() {
    let mut site = site("root", &["a.test"], "");
    let rule = |path: &str, methods: Methods, networks: Networks| Rule {
        path: PathPattern::parse(path).unwrap(),
        methods,
        networks,
        require: Demand::default(),
        session: None,
        cross_site: CrossSite::Refuse,
    };
    let inside = || Networks::of(vec!["10.0.0.0/8".parse().unwrap()]);
    let get = || Methods::of(vec![http::Method::GET]);
    site.rules = vec![
        rule("/wiki/*", get(), Networks::default()),
        rule("/wiki/*", Methods::default(), inside()),
        rule("/*", Methods::default(), Networks::default()),
    ];
    let rows = [
        ("GET", "192.0.2.1", "/wiki/x", 0),
        ("HEAD", "192.0.2.1", "/wiki", 0),
        ("POST", "10.0.0.1", "/wiki/x", 1),
        ("POST", "::ffff:10.0.0.1", "/wiki/x", 1),
        ("POST", "192.0.2.1", "/wiki/x", 2),
        ("POST", "192.0.2.1", "/", 2),
    ];
    for (method, address, path, nth) in rows {
        let asking = Asking {
            method: &method.parse().unwrap(),
            client_ip: address.parse().unwrap(),
        };
        let found = site.rule(&NormalPath::read(path), &asking).unwrap();
        let found = found.map(std::ptr::from_ref);
        let expected = std::ptr::from_ref(&site.rules[nth]);
        assert_eq!(found, Some(expected), "{method} {address} {path}");
    }
}
