use super::*;

/// Each text, and what to write instead (nothing: it is fine).
fn table<T: std::fmt::Debug>(judge: fn(&str) -> Result<T, Objection>, rows: &[(&str, &str)]) {
    for (text, way_out) in rows {
        match judge(text) {
            Ok(value) => assert_eq!(*way_out, "", "{text:?} was taken as {value:?}"),
            Err(objection) => {
                assert_eq!(objection.way_out, *way_out, "{text:?}: {}", objection.why)
            }
        }
    }
}

#[test]
fn a_listener_is_an_address_with_a_port_or_a_socket() {
    let socket = "write for example \"unix:/run/cloakroom/https.sock|0660\"";
    let name = "write the FileDescriptorName= of the .socket unit, for example \"systemd:https\"";
    table(
        |text| listen_address(text).map(|listen| format!("{listen:?}")),
        &[
            ("127.0.0.1:8443", ""),
            ("[::1]:8443", ""),
            ("0.0.0.0:0", ""),
            (
                ":8443",
                "write \"127.0.0.1:8443\" for this machine or \"0.0.0.0:8443\" for all",
            ),
            (
                "8443",
                "write \"127.0.0.1:8443\" for this machine or \"0.0.0.0:8443\" for all",
            ),
            ("localhost:8443", "write \"127.0.0.1:8443\""),
            ("127.0.0.1", "write \"127.0.0.1:8443\""),
            ("::1", "write \"[::1]:8443\""),
            ("2001:db8::1", "write \"[2001:db8::1]:8443\""),
            ("::1:443", "write \"[::1]:443\""),
            ("unix:/run/x", ""),
            ("unix:x.sock|0660", ""),
            ("unix:", socket),
            ("unix:x|", socket),
            ("unix:x|660x", socket),
            ("unix:x|1777", socket),
            ("unix:x|0440", socket),
            ("systemd:https", ""),
            ("systemd:", name),
            ("systemd:a:b", name),
            ("systemd:a b", name),
            (
                "127.0.0.1:99999",
                "write for example \"127.0.0.1:8443\" or \"[::1]:8443\"",
            ),
            ("", "write for example \"127.0.0.1:8443\" or \"[::1]:8443\""),
        ],
    );
}

#[test]
fn the_administration_listens_where_only_this_machine_reaches_it() {
    let loopback = "write \"127.0.0.1:9443\" or \"unix:PATH\"";
    let example = "write for example \"127.0.0.1:9443\" or \"unix:/run/cloakroom/admin.sock\"";
    table(
        admin_address,
        &[
            ("127.0.0.1:9443", ""),
            ("127.8.9.10:1", ""),
            ("[::1]:0", ""),
            ("[::ffff:127.0.0.1]:9443", ""),
            ("0.0.0.0:9443", loopback),
            ("[::]:9443", loopback),
            ("192.0.2.1:9443", loopback),
            ("9443", example),
            ("localhost:9443", example),
        ],
    );
}

#[test]
fn a_host_is_a_name_an_address_or_all_below_a_name() {
    table(
        host_pattern,
        &[
            ("localhost", ""),
            ("Shop.Example.COM", ""),
            ("*.shop.example.com", ""),
            ("192.0.2.1", ""),
            ("[::1]", ""),
            ("my_app.internal", ""),
            ("::1", "write \"[::1]\""),
            ("[zz]", "write for example \"[::1]\""),
            ("localhost:8443", "write \"localhost\""),
            ("https://shop.example.com/", "write \"shop.example.com\""),
            ("shop.example.com.", "write \"shop.example.com\""),
            ("*", "name them, or all below one as in \"*.example.com\""),
            ("*.1.2.3.4", "write for example \"*.example.com\""),
            ("shop.*.com", "write for example \"*.example.com\""),
            (
                "münchen.de",
                "write its punycode form, which starts with xn--",
            ),
            ("1.2.3", "write for example \"shop.example.com\""),
            ("a..b", "write for example \"shop.example.com\""),
            ("-a.b", "write for example \"shop.example.com\""),
            ("", "write for example \"shop.example.com\""),
        ],
    );
    assert_eq!(
        host_pattern("Shop.Example.COM"),
        Ok("shop.example.com".to_owned())
    );
}

#[test]
fn a_path_is_written_in_its_normal_form() {
    table(
        site_path,
        &[
            ("/", ""),
            ("/deep", ""),
            ("/deep/", ""),
            ("/deep/er", ""),
            ("deep", "write \"/deep\""),
            ("/deep/*", "write \"/deep\""),
            ("/*", "write \"/\""),
            ("//", "leave out // and segments of dots"),
            ("/a/../b", "leave out // and segments of dots"),
            ("/a//b", "leave out // and segments of dots"),
            ("/a?b", "leave out what follows ? or #"),
            ("/a%20b", "write it without %, \\, ; and blanks"),
            ("", "write \"/\""),
        ],
    );
    table(
        rule_path,
        &[
            ("/admin/*", ""),
            ("/*", ""),
            ("/poll", ""),
            ("/", ""),
            ("/admin*", "write for example \"/admin/*\""),
            ("/a/*/b", "write for example \"/admin/*\""),
            ("admin", "write \"/admin\""),
            ("", "write \"/\""),
        ],
    );
    assert_eq!(site_path("/deep/"), Ok("/deep".to_owned()));
}

#[test]
fn a_cookie_path_covers_on_segment_borders() {
    for (cookie_path, path, covers) in [
        ("/", "/", true),
        ("/app", "/app", true),
        ("/app", "/app/x", true),
        ("/app/", "/app/x", true),
        ("/app", "/apple", false),
        ("/app", "/", false),
    ] {
        assert_eq!(
            path_covers(cookie_path, path),
            covers,
            "{cookie_path} {path}"
        );
    }
}

#[test]
fn a_domain_holds_its_own_hosts_only() {
    assert!(is_within("example.com", "example.com"));
    assert!(is_within("shop.example.com", "example.com"));
    assert!(!is_within("badexample.com", "example.com"));
    assert!(!is_within("com", "example.com"));
}
