//! How much a jar holds: past its number of cookies the oldest goes, past the session's bytes the new one is refused.

use crate::{Jar, Taken};

fn fill(jar: &mut Jar, names: std::ops::Range<usize>) {
    for at in names {
        assert_eq!(
            jar.set(&format!("+{at} /"), format!("c{at}=1").as_bytes()),
            Taken::Yes
        );
    }
}

fn names(jar: &Jar, request: &str) -> Vec<String> {
    let line = String::from_utf8(jar.cookie(request)).expect("it is taken");
    let pairs = line.split("; ").filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split('=').next().expect("it is taken").to_owned())
        .collect()
}

#[test]
fn a_jar_of_180_holds_180_and_then_the_oldest_goes() {
    let mut jar = Jar::new();
    fill(&mut jar, 0..180);
    assert_eq!(jar.count(), 180);
    assert_eq!(names(&jar, "+180 /")[0], "c0");

    fill(&mut jar, 180..183);
    let left = names(&jar, "+183 /");
    assert_eq!(
        (left.len(), left[0].as_str(), left[179].as_str()),
        (180, "c3", "c182")
    );
}

#[test]
fn age_counts_and_not_where_a_cookie_leads() {
    let mut jar = Jar::within(3, 64 << 10);
    jar.set("+1 /", b"deep=1; Path=/x/y");
    jar.set("+2 /", b"wide=1; Domain=example.com");
    fill(&mut jar, 3..5);
    assert_eq!(names(&jar, "+9 /x/y"), ["wide", "c3", "c4"]);
}

#[test]
fn a_new_value_does_not_make_a_cookie_young() {
    let mut jar = Jar::within(3, 64 << 10);
    fill(&mut jar, 1..4);
    jar.set("+8 /", b"c1=again");
    fill(&mut jar, 9..10);
    assert_eq!(names(&jar, "+9 /"), ["c2", "c3", "c9"]);
}

#[test]
fn what_takes_a_place_evicts_nothing() {
    let mut jar = Jar::within(3, 64 << 10);
    fill(&mut jar, 1..4);
    jar.set("+8 /", b"c2=again");
    assert_eq!(jar.cookie("+9 /"), b"c1=1; c2=again; c3=1");
}

#[test]
fn what_has_ended_makes_room_before_anybody_goes() {
    let mut jar = Jar::within(3, 64 << 10);
    fill(&mut jar, 1..3);
    jar.set("+3 /", b"short=1; Max-Age=10");
    fill(&mut jar, 20..21);
    assert_eq!(names(&jar, "+20 /"), ["c1", "c2", "c20"]);
}

#[test]
fn a_deletion_makes_room() {
    let mut jar = Jar::within(3, 64 << 10);
    fill(&mut jar, 1..4);
    jar.set("+8 /", b"c2=; Max-Age=0");
    fill(&mut jar, 9..10);
    assert_eq!(names(&jar, "+9 /"), ["c1", "c3", "c9"]);
}

#[test]
fn a_refused_cookie_evicts_nothing() {
    let mut jar = Jar::within(3, 64 << 10);
    fill(&mut jar, 1..4);
    for line in ["x=1; Domain=com", "__Host-x=1", "=", "x=1; Max-Age=0"] {
        jar.set("+8 /", line.as_bytes());
    }
    assert_eq!(names(&jar, "+9 /"), ["c1", "c2", "c3"]);
}

#[test]
fn a_clock_that_went_back_makes_the_new_cookie_the_oldest() {
    let mut jar = Jar::within(3, 64 << 10);
    fill(&mut jar, 10..13);
    jar.set("+5 /", b"late=1");
    assert_eq!(names(&jar, "+12 /"), ["c10", "c11", "c12"]);
}

#[test]
fn one_cookie_too_large_for_the_session_is_refused_and_the_rest_stays() {
    let mut jar = Jar::within(180, 8 << 10);
    let line = |name: &str, bytes: usize| format!("{name}={}", "x".repeat(bytes)).into_bytes();
    assert_eq!(jar.set("/", &line("a", 3000)), Taken::Yes);
    assert_eq!(jar.set("/", &line("b", 3000)), Taken::Yes);
    assert_eq!(jar.set("/", &line("c", 3000)), Taken::TooLarge);
    assert_eq!(names(&jar, "/"), ["a", "b"]);

    // A smaller value makes room, and so does a deletion.
    assert_eq!(jar.set("/", &line("b", 10)), Taken::Yes);
    assert_eq!(jar.set("/", &line("c", 3000)), Taken::Yes);
    assert_eq!(jar.set("/", b"a=; Max-Age=0"), Taken::Yes);
    assert_eq!(jar.set("/", &line("d", 3000)), Taken::Yes);
    assert_eq!(names(&jar, "/"), ["b", "c", "d"]);
}

#[test]
fn twenty_of_the_largest_cookies_are_too_much_for_64_kib() {
    let mut jar = Jar::new();
    let taken: Vec<_> = (0..20)
        .map(|at| jar.set("/", format!("c{at:02}={}", "x".repeat(4093)).as_bytes()))
        .collect();
    let kept = taken.iter().filter(|taken| **taken == Taken::Yes).count();
    assert_eq!((kept, jar.count()), (15, 15));
    assert!(taken[..15].iter().all(|taken| *taken == Taken::Yes));
}
