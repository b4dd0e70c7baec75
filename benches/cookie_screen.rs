//! What the screen costs: a request with twenty cookies, alone and with a jar, and a response.
//!
//! `cargo bench --bench cookie_screen`. Times are those of the CPU, so that a busy machine does not show in them; beside
//! each stands how often memory was asked for.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench ends where its rig fails"
)]

#[path = "../tests/support/typical_cookies.rs"]
mod typical_cookies;

use std::hint::black_box;

use allocation_counter::measure;
use http::HeaderValue;

use cloakroom::base::kept::{CookieIdentity, KeptCookie};
use cloakroom::cookie::outgoing::Outgoing;
use cloakroom::cookie::policy::Mode;

use typical_cookies::{COOKIE, OURS, policy, request, screen};

/// Enough that a hundredth of a second, in which the system counts, is nothing.
const ROUNDS: u32 = 3_000_000;

fn main() {
    println!(
        "\na request with 20 cookies, {} bytes, 5 rules",
        COOKIE.len()
    );
    let policy = policy();
    row("screened in one field", || {
        screen(&policy, black_box(&[COOKIE]));
    });
    let crumbs: Vec<&[u8]> = COOKIE.split(|byte| *byte == b';').collect();
    row("screened in 20 crumbs", || {
        screen(&policy, black_box(&crumbs));
    });
    let mut passing = policy.clone();
    passing.default.mode = Mode::Pass;
    row("screened, and nearly all pass", || {
        screen(&passing, black_box(&[COOKIE]));
    });
    let jar = jar();
    let request = request();
    row("screened, and put behind a jar of 3", || {
        let incoming = screen(&policy, black_box(&[COOKIE]));
        let field = policy.cookie_field(&jar, &request, incoming.passed());
        black_box(field.unwrap());
    });
    for (what, policy) in [
        ("the same with the app's field", &policy),
        ("the same, and nearly all pass", &passing),
    ] {
        row(what, || {
            let incoming = screen(policy, black_box(&[COOKIE]));
            let field = policy.cookie_field(&[], &request, incoming.passed());
            black_box(field.unwrap());
        });
    }

    println!("\na response");
    let kept = HeaderValue::from_static(
        "sessionid=8m2q1v0gkq3n6b1k0c5t4r7d2a; expires=Fri, 31 Dec 2027 23:59:59 GMT; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax",
    );
    row("one Set-Cookie that is kept", || {
        let outgoing = policy.screen_out(black_box(&kept), OURS, &request);
        assert!(matches!(black_box(outgoing), Outgoing::Keep(_)));
    });
    let passed = HeaderValue::from_static("theme=dark; Path=/; Max-Age=31536000; Priority=Low");
    row("one Set-Cookie that is passed", || {
        let outgoing = policy.screen_out(black_box(&passed), OURS, &request);
        assert!(matches!(black_box(outgoing), Outgoing::Pass(_)));
    });
}

fn row(what: &str, mut round: impl FnMut()) {
    for _ in 0..ROUNDS / 10 {
        round();
    }
    let before = cpu_nanos();
    for _ in 0..ROUNDS {
        round();
    }
    let nanos = (cpu_nanos() - before) as f64 / f64::from(ROUNDS);
    let allocations = measure(&mut round).count_total;
    println!("  {what:36} {nanos:6.0} ns   {allocations} allocations");
}

/// What this process has used of its cores, in steps of a hundredth of a second: other programs do not count.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * 10_000_000
}

fn jar() -> Vec<KeptCookie> {
    let now = request().now;
    let kept = |name: &str, value: &str| KeptCookie {
        identity: CookieIdentity {
            name: name.as_bytes().into(),
            domain: "shop.example.com".into(),
            path: "/".into(),
        },
        value: value.as_bytes().into(),
        host_only: true,
        expires: None,
        created: now,
        same_site: None,
        adopted: false,
    };
    vec![
        kept("sessionid", "8m2q1v0gkq3n6b1k0c5t4r7d2a"),
        kept("cart", "eyJpdGVtcyI6W119"),
        kept("lang", "en-GB"),
    ]
}
