use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::headers::forwarded::{ForwardedPolicy, Origin};

fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn nobody() -> Facts<'static> {
    Facts {
        session_id: None,
        user: None,
        data: None,
        created: None,
        auth_time: None,
        is_new: true,
        client_ip: IpAddr::from([192, 0, 2, 7]),
        assertion: Some("h.c.s"),
    }
}

fn alice() -> UserFacts<'static> {
    UserFacts {
        id: "alice",
        issuer: Some("https://login.example.com"),
        name: Some("Alice L\u{f6}w"),
        email: None,
        groups: &[],
        claims: None,
    }
}

fn filled(template: &str, facts: &Facts<'_>) -> Option<String> {
    let stamp = Stamp::parse([("X-Out", template)]).unwrap();
    let mut headers = map(&[("x-out", "forged")]);
    stamp.write(&mut headers, facts);
    let value = headers.get("x-out")?;
    assert!(value.is_sensitive());
    Some(value.to_str().unwrap().to_owned())
}

#[test]
fn every_placeholder_writes_its_fact() {
    let data: SmallMap<Value> = serde_json::from_value(
        json!({"theme": "dark", "cart": [1, 2], "n": 3.5, "none": null, "a.b": "x", "empty": ""}),
    )
    .unwrap();
    let claims = json!({"dept": "R&D", "roles": ["a"]});
    let groups = ["staff".to_owned(), "dev,ops".to_owned()];
    let facts = Facts {
        session_id: Some("s1"),
        user: Some(UserFacts {
            email: Some("a@example.com"),
            groups: &groups,
            claims: claims.as_object(),
            ..alice()
        }),
        data: Some(&data),
        created: Some(Time::from_millis(1_700_000_000_999)),
        auth_time: Some(Time::from_secs(1_700_000_500)),
        is_new: false,
        ..nobody()
    };
    let whole = serde_json::to_string(&data).unwrap();
    for (template, value) in [
        ("{session.id}", Some("s1")),
        ("{session.created}", Some("1700000000")),
        ("{session.auth_time}", Some("1700000500")),
        ("{session.new}", Some("?0")),
        ("{session.data}", Some(whole.as_str())),
        ("{session.data.theme}", Some("dark")),
        ("{session.data.cart}", Some("[1,2]")),
        ("{session.data.n}", Some("3.5")),
        ("{session.data.a.b}", Some("x")),
        ("{session.data.none}", None),
        ("{session.data.empty}", None),
        ("{session.data.absent}", None),
        ("{user.id}", Some("alice")),
        ("{user.issuer}", Some("https://login.example.com")),
        ("{user.name}", Some("Alice L%C3%B6w")),
        ("{user.email}", Some("a@example.com")),
        ("{user.groups}", Some("staff,dev%2Cops")),
        ("{user.claims.dept}", Some("R&D")),
        ("{user.claims.roles}", Some("[\"a\"]")),
        ("{user.claims.absent}", None),
        ("{client.ip}", Some("192.0.2.7")),
        ("fixed", Some("fixed")),
        ("a}b", Some("a}b")),
        ("u={user.id};s={session.id}", Some("u=alice;s=s1")),
        ("g={user.groups};", Some("g=staff,dev%2Cops;")),
        ("u={user.id};x={user.claims.absent}", None),
    ] {
        assert_eq!(filled(template, &facts).as_deref(), value, "{template}");
    }
}

#[test]
fn without_a_value_the_header_is_absent_whatever_was_there() {
    for template in [
        "{session.id}",
        "{session.created}",
        "{session.auth_time}",
        "{session.data}",
        "{session.data.theme}",
        "{user.id}",
        "{user.issuer}",
        "{user.name}",
        "{user.email}",
        "{user.groups}",
        "{user.claims.dept}",
        "Bearer {user.id}",
        "g={user.groups}",
    ] {
        assert_eq!(filled(template, &nobody()), None, "{template}");
    }
    let no_groups = Facts {
        user: Some(alice()),
        ..nobody()
    };
    assert_eq!(filled("{user.groups}", &no_groups), None);
    assert_eq!(filled("{session.new}", &nobody()).as_deref(), Some("?1"));
    let empty = Facts {
        data: Some(&SmallMap::new()),
        ..nobody()
    };
    assert_eq!(filled("{session.data}", &empty).as_deref(), Some("{}"));
}

#[test]
fn every_fault_is_told_and_names_its_header() {
    let header = |name: &str| name.to_owned();
    let faults = Stamp::parse([
        ("X-Good", "{user.id}"),
        ("X Bad", "{user.id}"),
        ("--", "{user.id}"),
        ("x_good", "{user.name}"),
        ("X-Empty", ""),
        ("X-Open", "a {user.id"),
        ("X-What", "{user.shoe}"),
        ("X-Key", "{session.data.}"),
    ])
    .unwrap_err();
    assert_eq!(
        faults,
        [
            HeaderFault::NotAName {
                header: header("X Bad")
            },
            HeaderFault::NotAName {
                header: header("--")
            },
            HeaderFault::SameName {
                header: header("x_good"),
                other: header("x-good")
            },
            HeaderFault::Empty {
                header: header("X-Empty")
            },
            HeaderFault::Unclosed {
                header: header("X-Open")
            },
            HeaderFault::UnknownPlaceholder {
                header: header("X-What"),
                placeholder: header("user.shoe")
            },
            HeaderFault::UnknownPlaceholder {
                header: header("X-Key"),
                placeholder: header("session.data.")
            },
        ]
    );
    assert!(faults[5].to_string().contains("{user.shoe} is not known"));
}

#[test]
fn names_that_frame_or_route_cannot_be_written() {
    for name in [
        "Host",
        "Cookie",
        "Set-Cookie",
        "Connection",
        "Content-Length",
        "Content_Length",
        "Transfer-Encoding",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Via",
        "X-Request-Id",
        "Forwarded",
        "X-Forwarded-For",
        "X_Forwarded_User",
    ] {
        let faults = Stamp::parse([(name, "{user.id}")]).unwrap_err();
        assert_eq!(
            faults,
            [HeaderFault::Reserved {
                header: name.to_owned()
            }]
        );
    }
    for name in [
        "Remote-User",
        "X-Real-IP",
        "Authorization",
        "X-Theme",
        "X-Session-Groups",
    ] {
        assert!(Stamp::parse([(name, "{user.id}")]).is_ok(), "{name}");
    }
}

/// Promise: what a visitor claims is gone in every spelling, and only a claimed identity counts as a spoof.
#[test]
fn nothing_a_visitor_claims_is_left() {
    let stamp = Stamp::parse([
        ("X-Theme", "{session.data.theme}"),
        ("Remote-User", "{user.id}"),
    ])
    .unwrap();
    for (name, ours, spoof) in [
        ("x-theme", true, true),
        ("x_theme", true, true),
        ("x.theme", true, true),
        ("x~~theme", true, true),
        ("x-session-user", true, true),
        ("x_session-user", true, true),
        ("x-session-roles", true, true),
        ("x.cloakroom_x", true, true),
        ("remote_user", true, false),
        ("x-forwarded-user", true, false),
        ("x-real-ip", true, false),
        ("x-themes", false, false),
        ("x-requested-with", false, false),
        ("cookie", false, false),
    ] {
        assert_eq!(stamp.is_ours(name), ours, "{name}");
        let mut headers = map(&[(name, "a"), (name, "b"), ("accept", "*/*")]);
        assert_eq!(stamp.strip(&mut headers), spoof, "{name}");
        assert_eq!(headers.contains_key(name), !ours, "{name}");
        assert!(headers.contains_key("accept"));

        let mut trailers = map(&[(name, "a"), ("x-sum", "1"), ("content_length", "9")]);
        assert_eq!(stamp.screen_trailers(&mut trailers), spoof, "{name}");
        assert_eq!(
            trailers.contains_key(name),
            !ours && name != "cookie",
            "{name}"
        );
        assert!(trailers.contains_key("x-sum") && !trailers.contains_key("content_length"));
    }
}

/// Promise: in the order that the folder's `mod.rs` gives, no `Connection` token removes what we write.
#[test]
fn no_connection_token_takes_our_headers_away() {
    let stamp = Stamp::default();
    let policy = ForwardedPolicy::default();
    let peer = IpAddr::from([192, 0, 2, 7]);
    let mut headers = map(&[
        (
            "connection",
            "close, x-session-user, X-Session-Id, x-forwarded-for, x-request-id",
        ),
        ("x_session_user", "root"),
        ("x-session-roles", "admin"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-request-id", "forged"),
    ]);
    let origin = Origin {
        peer,
        host: "shop.example.com",
        port: 443,
        version: http::Version::HTTP_11,
    };
    let facts = Facts {
        session_id: Some("s1"),
        user: Some(alice()),
        ..nobody()
    };

    let hops = policy.read(&headers, peer);
    assert!(stamp.strip(&mut headers));
    hop::strip_request(&mut headers);
    policy.write(&mut headers, &hops, &origin, "r1");
    stamp.write(&mut headers, &facts);

    assert_eq!(
        headers,
        map(&[
            ("x-session-id", "s1"),
            ("x-session-user", "alice"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example.com"),
            ("x-forwarded-port", "443"),
            (
                "forwarded",
                "for=192.0.2.7;host=shop.example.com;proto=https"
            ),
            ("x-request-id", "r1"),
            ("via", "1.1 cloakroom"),
        ])
    );
}
