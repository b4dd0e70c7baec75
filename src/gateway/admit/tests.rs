use http::Request;

use super::*;

const LIMITS: AdmitLimits = AdmitLimits {
    header_bytes: 2000,
    header_count: 10,
    body_bytes: Some(100),
};

fn look(
    version: Version,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    sni: Option<&str>,
) -> Result<String, AdmitFault> {
    let mut request = Request::builder()
        .version(version)
        .method(method)
        .uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let address = "127.0.0.1:1".parse().unwrap();
    let arrival = Arrival {
        peer: address,
        is_peers_own: false,
        local: address,
        sni: sni.map(Into::into),
        certificate: None,
    };
    admit(&head, &arrival, &LIMITS)
        .map(|admitted| format!("{} {}", admitted.host, admitted.path.as_str()))
}

#[test]
fn http1_heads() {
    use AdmitFault as F;
    let host = ("host", "Shop.test:8443");
    type Row<'a> = (
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        Result<&'a str, F>,
    );
    let rows: &[Row<'_>] = &[
        ("GET", "/a", &[host], Ok("shop.test /a")),
        ("GET", "/a", &[("host", "shop.test.")], Ok("shop.test /a")),
        ("OPTIONS", "*", &[host], Ok("shop.test /")),
        ("GET", "*", &[host], Err(F::Target)),
        ("GET", "ftp://shop.test:8443/", &[host], Err(F::Target)),
        (
            "POST",
            "/a",
            &[host, ("content-length", "010")],
            Err(F::Framing),
        ),
        (
            "POST",
            "/a",
            &[host, ("content-length", "0")],
            Ok("shop.test /a"),
        ),
        (
            "GET",
            "https://shop.test:8443/a",
            &[host],
            Ok("shop.test /a"),
        ),
        (
            "GET",
            "http://shop.test:8443/a",
            &[host],
            Err(F::Misdirected),
        ),
        ("GET", "/a", &[("host", "[::1]:8443")], Ok("[::1] /a")),
        ("GET", "/a", &[], Err(F::Host)),
        ("GET", "/a", &[host, host], Err(F::Host)),
        ("GET", "https://evil.test/a", &[host], Err(F::Host)),
        ("GET", "https://shop.test/a", &[], Err(F::Host)),
        ("CONNECT", "shop.test:8443", &[host], Err(F::Method)),
        ("GET", "/a", &[("host", "app@evil")], Err(F::HostMalformed)),
        ("GET", "/a", &[("host", "app/evil")], Err(F::HostMalformed)),
        ("GET", "/a", &[("host", "a, b")], Err(F::HostMalformed)),
        ("GET", "/a", &[("host", "a:80junk")], Err(F::HostMalformed)),
        ("GET", "/a", &[("host", "a:99999")], Err(F::HostMalformed)),
        ("GET", "/a", &[("host", "a:")], Err(F::HostMalformed)),
        ("GET", "/a", &[("host", "")], Err(F::HostMalformed)),
        ("GET", "/a", &[("host", "a..b")], Err(F::HostMalformed)),
        ("GET", "/a", &[("host", "[::1")], Err(F::HostMalformed)),
        ("TRACE", "/a", &[host], Err(F::Method)),
        (
            "POST",
            "/a",
            &[
                host,
                ("content-length", "5"),
                ("transfer-encoding", "chunked"),
            ],
            Err(F::Framing),
        ),
        (
            "POST",
            "/a",
            &[host, ("content-length", "+5")],
            Err(F::Framing),
        ),
        (
            "POST",
            "/a",
            &[host, ("content-length", "")],
            Err(F::Framing),
        ),
        (
            "POST",
            "/a",
            &[host, ("content-length", "5"), ("content-length", "5")],
            Err(F::Framing),
        ),
        (
            "POST",
            "/a",
            &[host, ("content-length", "101")],
            Err(F::BodyTooLarge),
        ),
        (
            "POST",
            "/a",
            &[host, ("transfer-encoding", "Chunked")],
            Ok("shop.test /a"),
        ),
        (
            "POST",
            "/a",
            &[host, ("transfer-encoding", "gzip, chunked")],
            Err(F::TransferCoding),
        ),
        (
            "POST",
            "/a",
            &[host, ("transfer-encoding", "xchunked")],
            Err(F::TransferCoding),
        ),
        (
            "POST",
            "/a",
            &[host, ("expect", "100-Continue")],
            Ok("shop.test /a"),
        ),
        (
            "POST",
            "/a",
            &[host, ("expect", "y 100-continue")],
            Err(F::Expectation),
        ),
    ];
    for (method, target, fields, expected) in rows {
        let seen = look(Version::HTTP_11, method, target, fields, None);
        assert_eq!(
            seen.as_deref(),
            expected.as_ref().map(|text| *text),
            "{method} {target} {fields:?}"
        );
    }
}

#[test]
fn http2_has_no_connection_headers() {
    for (name, value) in [
        ("connection", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "x"),
        ("te", "gzip"),
    ] {
        let seen = look(
            Version::HTTP_2,
            "GET",
            "https://shop.test/",
            &[(name, value)],
            None,
        );
        assert_eq!(seen, Err(AdmitFault::ConnectionHeader), "{name}");
    }
    assert!(
        look(
            Version::HTTP_2,
            "GET",
            "https://shop.test/",
            &[("te", "trailers")],
            None
        )
        .is_ok()
    );
}

#[test]
fn a_tunnel_is_for_websockets_alone() {
    for (protocol, expected) in [
        (Some("websocket"), Ok("shop.test /ws".to_owned())),
        (Some("WebSocket"), Ok("shop.test /ws".to_owned())),
        (Some("connect-udp"), Err(AdmitFault::Protocol)),
        (None, Err(AdmitFault::Method)),
    ] {
        let request = Request::builder()
            .version(Version::HTTP_2)
            .method(Method::CONNECT)
            .uri("https://shop.test/ws");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        head.extensions.extend(
            protocol
                .map(|protocol| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(Protocol::from(protocol));
                    extensions
                })
                .unwrap_or_default(),
        );
        let address = "127.0.0.1:1".parse().unwrap();
        let arrival = Arrival {
            peer: address,
            is_peers_own: false,
            local: address,
            sni: None,
            certificate: None,
        };
        let seen = admit(&head, &arrival, &LIMITS);
        let seen = seen.map(|admitted| format!("{} {}", admitted.host, admitted.path.as_str()));
        assert_eq!(seen, expected, "{protocol:?}");
    }
}

#[test]
fn the_target_has_a_limit_of_its_own() {
    let limits = AdmitLimits {
        header_bytes: 64 * 1024,
        ..LIMITS
    };
    for (bytes, expected) in [
        (TARGET_BYTES_MAX, None),
        (TARGET_BYTES_MAX + 1, Some(AdmitFault::TargetTooLong)),
    ] {
        let target = format!("/{}", "t".repeat(bytes - 1));
        let request = Request::builder().uri(target).header(HOST, "shop.test");
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(check_size(&head, &limits).err(), expected, "{bytes}");
    }
}

#[test]
fn a_connection_is_for_the_host_that_its_handshake_named() {
    let ask = |sni| look(Version::HTTP_11, "GET", "/", &[("host", "shop.test")], sni);
    assert!(ask(Some("shop.test")).is_ok() && ask(None).is_ok());
    assert_eq!(ask(Some("other.test")), Err(AdmitFault::Misdirected));
}

#[test]
fn an_old_request_with_a_transfer_coding_is_refused() {
    let fields = [("host", "shop.test"), ("transfer-encoding", "chunked")];
    assert_eq!(
        look(Version::HTTP_10, "POST", "/", &fields, None),
        Err(AdmitFault::Framing)
    );
}

#[test]
fn too_many_and_too_large_heads_are_refused_and_crumbs_count_as_one() {
    let host = ("host", "shop.test");
    let crumbs: Vec<_> = std::iter::once(host)
        .chain([("cookie", "a=b"); 30])
        .collect();
    assert!(look(Version::HTTP_11, "GET", "/", &crumbs, None).is_ok());
    let many: Vec<_> = std::iter::once(host).chain([("x-a", "b"); 10]).collect();
    assert_eq!(
        look(Version::HTTP_11, "GET", "/", &many, None),
        Err(AdmitFault::HeadTooLarge)
    );
    let long = "x".repeat(2000);
    assert_eq!(
        look(Version::HTTP_11, "GET", "/", &[host, ("x-a", &long)], None),
        Err(AdmitFault::HeadTooLarge)
    );
    let target = format!("/{long}");
    assert_eq!(
        look(Version::HTTP_11, "GET", &target, &[host], None),
        Err(AdmitFault::HeadTooLarge)
    );
}
