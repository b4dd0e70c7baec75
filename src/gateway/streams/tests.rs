use std::time::Duration;

use super::*;
use crate::session::{Record, Terms};

const HOUR: Duration = Duration::from_secs(3600);
const START: Time = Time::from_secs(100_000);

fn terms() -> Terms {
    Terms {
        idle: HOUR,
        absolute: 24 * HOUR,
        rotation_grace: Duration::from_secs(10),
        rotate_every: None,
        save_every_request: false,
        max_bytes: 1 << 16,
        jar_cookies_max: 180,
    }
}

fn about() -> About {
    About {
        request_id: "r".into(),
        site: "app".into(),
        session: None,
        user: None,
    }
}

fn registry(count_as_activity: bool) -> Arc<Streams> {
    let streams = Streams::new(Arc::default());
    streams.count_as_activity(count_as_activity);
    Arc::new(streams)
}

fn known() -> Subject {
    let ticket = Ticket::mint(START).marked_stored();
    let record = Record::empty(ticket.root(), START, START);
    Subject::of(&ticket, Some(&record), &terms(), true)
}

fn vacant() -> Subject {
    Subject::of(&Ticket::mint(START), None, &terms(), false)
}

fn told(stream: &mut Stream) -> Option<Why> {
    stream.told.try_recv().ok()
}

fn live(subject: &Subject, timed: bool) -> Fate {
    Fate::Live {
        next: subject.ticket.key(),
        timed,
        touch_is_due: true,
    }
}

#[test]
fn a_registry_holds_what_is_open_and_nothing_else() {
    let streams = registry(false);
    let subject = known();
    let one = streams.begin(Kind::WebSocket, Some(&subject), about());
    let two = streams.begin(Kind::Events, Some(&subject), about());
    let other = streams.begin(Kind::Events, None, about());
    assert_eq!(streams.sessions().len(), 1);
    assert_eq!(streams.open(Kind::WebSocket), 1);
    assert_eq!(streams.open(Kind::Events), 2);
    drop((one, other));
    assert!(!streams.has_no_sessions());
    drop(two);
    assert!(streams.has_no_sessions() && streams.sessions().is_empty());
    assert_eq!(streams.open(Kind::Events), 0);
    assert!(
        streams
            .shards
            .iter()
            .all(|shard| shard.lock().unwrap().is_empty())
    );
}

#[test]
fn what_the_store_says_decides() {
    let table = [
        (known(), Fate::Over(Closed::Ended), 0, Some(Closed::Ended)),
        (
            known(),
            Fate::Over(Closed::Superseded),
            0,
            Some(Closed::Superseded),
        ),
        // Forgotten, so it opens nothing.
        (known(), Fate::Unknown, 0, Some(Closed::Unknown)),
        // Its clock is in the store, whatever this process has seen of it.
        (known(), live(&known(), true), 7200, None),
        (known(), live(&known(), false), 3599, None),
        (
            known(),
            live(&known(), false),
            3600,
            Some(Closed::IdleExpired),
        ),
        (vacant(), Fate::Unknown, 3599, None),
        (vacant(), Fate::Unknown, 3600, Some(Closed::IdleExpired)),
    ];
    for (at, (subject, fate, secs, over)) in table.into_iter().enumerate() {
        let streams = registry(false);
        let mut stream = streams.begin(Kind::Events, Some(&subject), about());
        let now = START.plus(Duration::from_secs(secs));
        assert!(streams.obey(&subject.root, fate, now).is_none(), "{at}");
        assert_eq!(told(&mut stream), over.map(Why::Session), "{at}");
    }
}

#[test]
fn a_session_is_followed_to_the_ticket_that_took_over() {
    let streams = registry(false);
    let (subject, next) = (vacant(), Ticket::mint(START));
    let mut stream = streams.begin(Kind::WebSocket, Some(&subject), about());
    let moved_on = Fate::Live {
        next: next.key(),
        timed: true,
        touch_is_due: false,
    };
    streams.obey(&subject.root, moved_on, START);
    assert!(streams.sessions()[0].1 == next.key());
    assert_eq!(told(&mut stream), None);
    // Now that the store had it, it is over when the store has it no longer.
    streams.obey(&subject.root, Fate::Unknown, START);
    assert_eq!(told(&mut stream), Some(Why::Session(Closed::Unknown)));
}

#[test]
fn the_absolute_timeout_asks_nobody_and_the_end_of_the_gateway_spares_nobody() {
    let streams = registry(false);
    let subject = known();
    let mut with = streams.begin(Kind::WebSocket, Some(&subject), about());
    let mut without = streams.begin(Kind::WebSocket, None, about());
    streams.end_by_the_clock(START.plus(24 * HOUR - Duration::from_millis(1)));
    assert_eq!(told(&mut with), None);
    streams.end_by_the_clock(START.plus(24 * HOUR));
    assert_eq!(told(&mut with), Some(Why::Session(Closed::AbsoluteExpired)));
    streams.end_all();
    assert_eq!(told(&mut without), Some(Why::GoingAway));
}

#[test]
fn a_stream_renews_its_session_only_if_that_is_configured_and_it_carried_something() {
    for configured in [false, true] {
        let streams = registry(configured);
        let subject = known();
        let stream = streams.begin(Kind::WebSocket, Some(&subject), about());
        let fate = live(&subject, true);
        assert!(streams.obey(&subject.root, fate, START).is_none());
        stream.moved().store(true, Ordering::Relaxed);
        let renewed = streams.obey(&subject.root, fate, START);
        assert_eq!(renewed.is_some(), configured);
        assert!(streams.obey(&subject.root, fate, START).is_none());
    }
}

#[test]
fn a_newer_ticket_renews_and_an_older_one_does_not_come_back() {
    let streams = registry(true);
    let mut subject = known();
    let stream = streams.begin(Kind::Events, Some(&subject), about());
    let old = subject.clone();
    subject.ticket = Ticket::mint(START.plus(HOUR)).marked_stored();
    streams.renew(&subject);
    streams.renew(&old);
    stream.moved().store(true, Ordering::Relaxed);
    let renewed = streams.obey(&subject.root, live(&subject, true), START);
    assert_eq!(renewed, Some(subject.ticket));
}
