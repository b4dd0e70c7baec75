//! Promise: what every remote engine builds on keeps the consistency contract over any server that keeps the laws of
//! `Driver`, whatever happens on the way to it.
//!
//! The server is in memory (`server.rs`); two stores on it are two nodes. Where a promise is about who was first, a
//! gate holds one of them; nothing here depends on who runs faster.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its rig fails, helpers included"
)]

mod server;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom::base::clock::{Stopwatch, Time};
use cloakroom::session::{
    Change, Closed, Commit, Committed, DataEdit, Opening, Outcome, Record, Session, Standing,
    State, Terms, Ticket, TicketKey, Turn, Upkeep, User,
};
use cloakroom::store::memory::MemoryStore;
use cloakroom::store::remote::{RemoteSettings, RemoteStore};
use cloakroom::store::{Answer, Catalogue, Store, StoreFault};

use server::{Fate, Link, Server};

const START: Time = Time::from_secs(1_800_000_000);
const GRACE: Duration = Duration::from_secs(10);
const PATIENT: Duration = Duration::from_secs(20);
const IMPATIENT: Duration = Duration::from_millis(300);

fn terms() -> Terms {
    Terms {
        idle: Duration::from_secs(3600),
        absolute: Duration::from_secs(86_400),
        rotation_grace: GRACE,
        rotate_every: Some(Duration::from_secs(1200)),
        save_every_request: false,
        max_bytes: 4 << 10,
        jar_cookies_max: 300,
    }
}

fn after(secs: u64) -> Time {
    START.plus(Duration::from_secs(secs))
}

// === the rig ===

/// A gateway's store, and its way to the server.
struct Node {
    store: RemoteStore<Link>,
    link: Link,
}

impl Node {
    fn on(server: &Server) -> Self {
        Self::with(server, &RemoteSettings::new(PATIENT, 0))
    }

    fn impatient_on(server: &Server) -> Self {
        Self::with(server, &RemoteSettings::new(IMPATIENT, 0))
    }

    fn with(server: &Server, settings: &RemoteSettings) -> Self {
        let link = server.link();
        let driver = link.clone();
        let connect = move || async move { Ok::<_, Infallible>(driver) };
        let store = RemoteStore::start(settings, terms(), connect).unwrap();
        Self { store, link }
    }

    /// With a near cache that counts.
    async fn with_near_cache(server: &Server) -> Self {
        let node = Self::with(server, &RemoteSettings::new(PATIENT, 16 << 20));
        let ticket = Ticket::mint(START);
        until(async || node.knows(&ticket).await).await;
        node
    }

    /// Opens the ticket, and tells whether that needed nobody.
    async fn knows(&self, ticket: &Ticket) -> bool {
        let answer = self.store.open(ticket, START);
        let is_here = matches!(answer, Answer::Now(_));
        answer.await.unwrap();
        is_here
    }

    async fn open(&self, ticket: &Ticket) -> Opening {
        self.store.open(ticket, START).await.unwrap()
    }

    async fn data(&self, ticket: &Ticket) -> Vec<String> {
        keys_of(&record_of(self.open(ticket).await))
    }

    async fn commit(&self, ticket: &Ticket, change: Change) -> Committed {
        self.store.commit(request(ticket, change)).await.unwrap()
    }

    /// A session with `a` in its data, and its ticket as the visitor now has it.
    async fn stored_session(&self) -> Ticket {
        let committed = self.commit(&Ticket::mint(START), set("a")).await;
        committed.ticket.unwrap()
    }

    fn catalogue(&self) -> &dyn Catalogue {
        self.store.catalogue().unwrap()
    }
}

/// Asks until it is so, ten seconds at most.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let asked = Stopwatch::start();
    while !is_so().await {
        assert!(asked.elapsed() < Duration::from_secs(10), "it never is so");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[track_caller]
fn record_of(opening: Opening) -> Arc<Record> {
    match opening {
        Opening::Open { record, .. } => record,
        other => panic!("the ticket should open a session: {other:?}"),
    }
}

fn keys_of(record: &Record) -> Vec<String> {
    record.data.keys().map(str::to_owned).collect()
}

#[track_caller]
fn assert_closed(opening: &Opening, why: Closed) {
    assert!(
        matches!(opening, Opening::Closed(found) if *found == why),
        "{opening:?} instead of {why:?}"
    );
}

fn request(ticket: &Ticket, change: Change) -> Commit {
    request_at(ticket, change, START)
}

fn request_at(ticket: &Ticket, change: Change, now: Time) -> Commit {
    Commit::new(ticket.clone(), change, now)
}

fn set(key: &str) -> Change {
    Change {
        data: vec![DataEdit::Set(key.into(), "1".into())],
        ..Change::default()
    }
}

fn turn(turn: Turn) -> Change {
    Change {
        turn,
        ..Change::default()
    }
}

fn log_in(id: &str) -> Change {
    let user = User {
        id: id.into(),
        issuer: None,
        name: None,
        email: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        site: "shop".into(),
        auth_time: START,
        entrance: None,
        grant: None,
    };
    turn(Turn::LogIn {
        user: Some(Box::new(user)),
        carry: true,
    })
}

async fn session_of(node: &Node, key: &TicketKey) -> Session {
    node.catalogue().find(key).await.unwrap().unwrap()
}

// === no lost update ===

#[tokio::test]
async fn a_hundred_parallel_commits_over_two_nodes_all_survive() {
    for _ in 0..20 {
        let server = Server::default();
        let nodes = [Node::on(&server), Node::on(&server)];
        let ticket = nodes[0].stored_session().await;

        let commits = (0..100).map(|number| {
            let change = set(&format!("k{number}"));
            nodes[number % 2].store.commit(request(&ticket, change))
        });
        let answers: Vec<_> = commits.collect();

        for answer in answers {
            let committed = answer.await.unwrap();
            assert!(matches!(committed.outcome, Outcome::Applied(_)) && !committed.began);
        }
        assert_eq!(nodes[0].data(&ticket).await.len(), 101);
        assert_eq!(nodes[1].data(&ticket).await.len(), 101);
    }
}

#[tokio::test]
async fn fifty_parallel_first_commits_over_two_nodes_make_one_session() {
    for _ in 0..20 {
        let server = Server::default();
        let nodes = [Node::on(&server), Node::on(&server)];
        let ticket = Ticket::mint(START);

        let commits = (0..50).map(|number| {
            let change = set(&format!("k{number}"));
            nodes[number % 2].store.commit(request(&ticket, change))
        });
        let answers: Vec<_> = commits.collect();

        let mut began = 0;
        for answer in answers {
            let committed = answer.await.unwrap();
            began += usize::from(committed.began);
            assert_eq!(committed.ticket, Some(ticket.marked_stored()));
        }
        assert_eq!(began, 1);
        assert_eq!((server.rows(), server.tickets()), (1, 1));
        assert_eq!(nodes[0].data(&ticket).await.len(), 50);
    }
}

#[tokio::test]
async fn commits_that_wait_are_written_together_and_each_gets_its_own_answer() {
    let server = Server::default();
    let node = Node::on(&server);
    let ticket = node.stored_session().await;
    let before = node.link.times_written();
    node.link.way().writes.shut();
    let first = node.store.commit(request(&ticket, set("first")));
    node.link.way().writes.wait_for(1).await;

    let fits = node.store.commit(request(&ticket, set("b")));
    let heavy = Change {
        data: vec![DataEdit::Set("heavy".into(), "v".repeat(5000).into())],
        ..Change::default()
    };
    let heavy = node.store.commit(request(&ticket, heavy));
    let login = node.store.commit(request(&ticket, log_in("alice")));
    let late = node.store.commit(request(&ticket, set("late")));
    node.link.way().writes.open();

    assert!(matches!(first.await.unwrap().outcome, Outcome::Applied(_)));
    assert!(matches!(fits.await.unwrap().outcome, Outcome::Applied(_)));
    assert_eq!(heavy.await.unwrap().outcome, Outcome::TooLarge);
    let new = login.await.unwrap().ticket.unwrap();
    assert_eq!(
        late.await.unwrap().outcome,
        Outcome::Dropped(Closed::Superseded)
    );
    assert_eq!(node.link.times_written() - before, 2);
    assert_eq!(node.data(&new).await, ["a", "b", "first"]);
    assert_eq!(node.data(&ticket).await, ["a", "b", "first"]);
    assert!(record_of(node.open(&ticket).await).user.is_none());
}

#[tokio::test]
async fn a_fresh_ticket_that_is_in_use_is_the_fault_of_its_own_commit_only() {
    let server = Server::default();
    let node = Node::on(&server);
    let ticket = node.stored_session().await;
    let taken = node.commit(&ticket.mint_beside(START), set("a")).await;
    let taken = taken.ticket.unwrap();
    node.link.way().writes.shut();
    let first = node.store.commit(request(&ticket, set("first")));
    node.link.way().writes.wait_for(1).await;

    let before = node.store.commit(request(&ticket, set("before")));
    let adopting = node.store.commit(Commit {
        next: taken.clone(),
        ..request(&ticket, turn(Turn::Rotate))
    });
    let after = node.store.commit(request(&ticket, set("z")));
    node.link.way().writes.open();

    for answer in [first, before, after] {
        assert!(matches!(answer.await.unwrap().outcome, Outcome::Applied(_)));
    }
    assert!(matches!(adopting.await, Err(StoreFault::TicketInUse)));
    assert_eq!(node.data(&ticket).await, ["a", "before", "first", "z"]);
    assert_eq!(node.data(&taken).await, ["a"]);

    // The same fresh ticket twice, in one batch.
    let twice = ticket.mint_beside(START);
    let rotate = Commit {
        next: twice.clone(),
        ..request(&ticket, turn(Turn::Rotate))
    };
    node.link.way().writes.shut();
    let first = node.store.commit(request(&ticket, set("x")));
    node.link.way().writes.wait_for(1).await;
    let pair = [
        node.store.commit(rotate.clone()),
        node.store.commit(Commit {
            ticket: ticket.clone(),
            change: log_in("eve"),
            ..rotate
        }),
    ];
    node.link.way().writes.open();
    first.await.unwrap();
    let [one, two] = pair;
    assert_eq!(one.await.unwrap().ticket, Some(twice.marked_stored()));
    assert!(matches!(two.await, Err(StoreFault::TicketInUse)));
    assert!(
        record_of(node.open(&twice.marked_stored()).await)
            .user
            .is_none()
    );
}

#[tokio::test]
async fn who_was_overtaken_works_it_out_anew() {
    let server = Server::default();
    let [node, other] = [Node::on(&server), Node::on(&server)];
    let ticket = node.stored_session().await;
    node.link.way().writes.shut();
    let slow = node.store.commit(request(&ticket, set("slow")));
    node.link.way().writes.wait_for(1).await;
    other.commit(&ticket, set("fast")).await;
    node.link.way().writes.open();

    assert!(
        matches!(slow.await.unwrap().outcome, Outcome::Applied(record)
        if keys_of(&record) == ["a", "fast", "slow"])
    );

    for _ in 0..4 {
        node.link.expect(Fate::Conflict);
    }
    node.commit(&ticket, set("late")).await;
    assert_eq!(other.data(&ticket).await, ["a", "fast", "late", "slow"]);
}

#[tokio::test]
async fn what_a_guess_would_refuse_is_asked_of_the_server() {
    let server = Server::default();
    let [node, other] = [Node::on(&server), Node::on(&server)];
    let big = |key: &str| Change {
        data: vec![DataEdit::Set(key.into(), "v".repeat(3000).into())],
        ..Change::default()
    };
    let ticket = node.stored_session().await;
    node.commit(&ticket, big("big")).await;
    let unset = Change {
        data: vec![DataEdit::Unset("big".into())],
        ..Change::default()
    };
    other.commit(&ticket, unset).await;

    let committed = node.commit(&ticket, big("next")).await;

    assert!(
        matches!(committed.outcome, Outcome::Applied(_)),
        "{committed:?}"
    );
    assert_eq!(other.data(&ticket).await, ["a", "next"]);
}

#[tokio::test]
async fn a_commit_after_an_open_costs_one_round_trip() {
    let server = Server::default();
    let [node, other] = [Node::on(&server), Node::on(&server)];
    let ticket = node.stored_session().await;
    other.open(&ticket).await;
    let found = other.link.times_found();

    other.commit(&ticket, set("b")).await;
    other.commit(&ticket, set("c")).await;

    assert_eq!(other.link.times_found(), found);
    assert_eq!(other.link.times_written(), 2);
}

// === the same answers as memory ===

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn change(&mut self) -> Change {
        let name = format!("n{}", self.roll(4));
        match self.roll(11) {
            0..5 => set(&name),
            5 => turn(Turn::Rotate),
            6 => turn(Turn::RotateOnSchedule),
            7 => log_in(["alice", "bob"][self.roll(2)]),
            8 => turn(Turn::End),
            _ => Change {
                touch: true,
                ..Change::default()
            },
        }
    }
}

#[tokio::test]
async fn whatever_happens_on_two_nodes_they_answer_like_one_memory() {
    for seed in 0..30 {
        let mut dice = Dice(seed);
        let server = Server::default();
        let nodes = [
            Node::on(&server),
            Node::with_near_cache(&server).await,
            Node::with_near_cache(&server).await,
        ];
        let memory = MemoryStore::new(terms(), START);
        let mut now = START;
        let mut tickets: Vec<_> = (0..3).map(|_| Ticket::mint(now)).collect();
        for step in 0..80 {
            let span = [0, 0, 1, 4, 12, 1300][dice.roll(6)];
            now = now.plus(Duration::from_secs(span));
            let ticket = &tickets[dice.roll(tickets.len())];
            let request = request_at(ticket, dice.change(), now);
            let node = &nodes[dice.roll(nodes.len())];
            let committed = memory.commit(request.clone()).await.unwrap();
            let on_node = node.store.commit(request).await.unwrap();
            assert_eq!(committed, on_node, "seed {seed}, step {step}");
            tickets.extend(committed.ticket);
            for ticket in &tickets {
                let expected = shown(memory.open(ticket, now).await.unwrap());
                for node in &nodes {
                    let opening = node.store.open(ticket, now).await.unwrap();
                    assert_eq!(shown(opening), expected, "seed {seed}, step {step}");
                }
            }
            if dice.roll(10) == 0 {
                memory.sweep(now, 100).await.unwrap();
                node.store.sweep(now, 100).await.unwrap();
            }
            assert_eq!(
                memory.tickets(),
                server.tickets(),
                "seed {seed}, step {step}"
            );
        }
    }
}

/// What the visitor sees. Why there is nothing to see, an engine may have forgotten.
fn shown(opening: Opening) -> Option<(Arc<Record>, Standing, Upkeep)> {
    match opening {
        Opening::Open {
            record,
            standing,
            upkeep,
        } => Some((record, standing, upkeep)),
        Opening::Vacant | Opening::Closed(_) => None,
    }
}

// === opens ===

#[tokio::test]
async fn a_hundred_opens_of_one_ticket_share_their_round_trips() {
    let server = Server::default();
    let node = Node::on(&server);
    let ticket = node.stored_session().await;
    let strange = Ticket::mint(START).marked_stored();
    // Who came while the question was under way asks again, unless the answer is good for ever.
    for (ticket, most) in [(&ticket, 2), (&strange, 1)] {
        let before = node.link.times_found();
        node.link.way().finds.shut();
        let mut opens = vec![node.store.open(ticket, START)];
        node.link.way().finds.wait_for(1).await;
        opens.extend((1..100).map(|_| node.store.open(ticket, START)));
        node.link.way().finds.open();
        for open in opens {
            match open.await.unwrap() {
                Opening::Open { record, .. } => assert_eq!(keys_of(&record), ["a"]),
                closed => assert_closed(&closed, Closed::Unknown),
            }
        }
        assert_eq!(node.link.times_found() - before, most, "{ticket:?}");
    }
}

#[tokio::test]
async fn nobody_gets_the_answer_to_a_question_that_was_sent_before_they_came() {
    let server = Server::default();
    let [node, other] = [Node::on(&server), Node::on(&server)];
    let ticket = node.stored_session().await;
    node.link.way().found.shut();
    let early = node.store.open(&ticket, START);
    node.link.way().found.wait_for(1).await;

    other.commit(&ticket, set("b")).await;
    let late = node.store.open(&ticket, START);
    node.link.way().found.open();

    assert_eq!(keys_of(&record_of(early.await.unwrap())), ["a"]);
    assert_eq!(keys_of(&record_of(late.await.unwrap())), ["a", "b"]);
}

#[tokio::test]
async fn a_stranger_is_asked_for_once_and_only_under_the_spelling_that_must_be_known() {
    let server = Server::default();
    let node = Node::on(&server);
    let ticket = Ticket::mint(START);
    let before = node.link.times_found();

    assert!(matches!(node.open(&ticket).await, Opening::Vacant));
    assert!(matches!(node.open(&ticket).await, Opening::Vacant));
    assert_eq!(node.link.times_found() - before, 2);
    // Unstored, it says nothing about the ticket once it is stored.
    node.commit(&ticket, set("a")).await;
    assert_eq!(node.data(&ticket.marked_stored()).await, ["a"]);

    let strange = Ticket::mint(START).marked_stored();
    assert_closed(&node.open(&strange).await, Closed::Unknown);
    let before = node.link.times_found();
    for _ in 0..10 {
        assert!(node.knows(&strange).await);
        assert_closed(&node.open(&strange).await, Closed::Unknown);
    }
    assert_eq!(node.link.times_found(), before);
    until(async || !node.knows(&strange).await).await;
}

#[tokio::test]
async fn a_question_about_the_unstored_spelling_makes_no_stranger_of_the_stored_one() {
    let server = Server::default();
    let [node, other] = [Node::on(&server), Node::on(&server)];
    let ticket = Ticket::mint(START);
    node.link.way().found.shut();
    let vacant = node.store.open(&ticket, START);
    node.link.way().found.wait_for(1).await;
    other.commit(&ticket, set("a")).await;
    let stored = node.store.open(&ticket.marked_stored(), START);
    node.link.way().found.open();
    assert!(matches!(vacant.await.unwrap(), Opening::Vacant));
    assert_eq!(keys_of(&record_of(stored.await.unwrap())), ["a"]);
}

// === the near cache ===

#[tokio::test]
async fn what_is_near_needs_no_server_and_what_another_node_wrote_is_asked_for() {
    let server = Server::default();
    let node = Node::with_near_cache(&server).await;
    let other = Node::on(&server);
    let ticket = other.stored_session().await;
    node.open(&ticket).await;
    let before = node.link.times_found();
    for _ in 0..10 {
        assert!(node.knows(&ticket).await);
    }
    assert_eq!(node.link.times_found(), before);

    other.commit(&ticket, set("b")).await;
    assert_eq!(node.data(&ticket).await, ["a", "b"]);
    // What the node wrote itself it knows.
    node.commit(&ticket, set("c")).await;
    assert!(node.knows(&ticket).await);
    assert_eq!(node.data(&ticket).await, ["a", "b", "c"]);
    other.commit(&ticket, turn(Turn::End)).await;
    assert_closed(&node.open(&ticket).await, Closed::Ended);
}

#[tokio::test]
async fn a_silent_channel_stops_the_near_cache_within_half_a_second() {
    let server = Server::default();
    let node = Node::with_near_cache(&server).await;
    let other = Node::on(&server);
    let ticket = other.stored_session().await;
    node.open(&ticket).await;
    assert!(node.knows(&ticket).await);

    node.link.way().is_deaf.store(true, Ordering::SeqCst);
    node.link.way().is_silent.store(true, Ordering::SeqCst);
    other.commit(&ticket, turn(Turn::End)).await;
    let since = Stopwatch::start();
    until(async || !node.knows(&ticket).await).await;
    assert!(since.elapsed() < Duration::from_millis(900));
    assert_closed(&node.open(&ticket).await, Closed::Ended);
}

#[tokio::test]
async fn a_node_without_a_channel_always_asks() {
    let server = Server::default();
    let node = Node::on(&server);
    let ticket = node.stored_session().await;
    for _ in 0..3 {
        assert!(!node.knows(&ticket).await);
    }
    assert_eq!(node.link.times_found(), 1 + 3);
}

#[tokio::test]
async fn a_lost_channel_flushes_and_what_was_found_meanwhile_does_not_count() {
    let server = Server::default();
    let node = Node::with_near_cache(&server).await;
    let other = Node::on(&server);
    let ticket = other.stored_session().await;
    node.open(&ticket).await;
    let way = node.link.way();
    way.is_deaf.store(true, Ordering::SeqCst);
    other.commit(&ticket, set("b")).await;
    assert_eq!(node.data(&ticket).await, ["a"], "the rig keeps news back");

    way.is_silent.store(true, Ordering::SeqCst);
    node.link.lose_channel();
    // The channel is not there yet, and what is found now may change unnoticed.
    assert_eq!(node.data(&ticket).await, ["a", "b"]);
    other.commit(&ticket, set("c")).await;
    way.is_deaf.store(false, Ordering::SeqCst);
    way.is_silent.store(false, Ordering::SeqCst);

    let fresh = Ticket::mint(START);
    until(async || node.knows(&fresh).await).await;
    assert_eq!(node.data(&ticket).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_question_that_was_overtaken_leaves_nothing_behind() {
    let server = Server::default();
    let node = Node::with_near_cache(&server).await;
    let other = Node::on(&server);
    for writer in [&node, &other] {
        let ticket = other.stored_session().await;
        node.link.way().found.shut();
        let overtaken = node.store.open(&ticket, START);
        node.link.way().found.wait_for(1).await;
        if std::ptr::eq(writer, &node) {
            // A commit of the node's own asks too, as it has no guess; it is let through.
            other.commit(&ticket, set("b")).await;
            node.link.way().found.open();
            overtaken.await.unwrap();
            node.commit(&ticket, set("c")).await;
            assert_eq!(node.data(&ticket).await, ["a", "b", "c"]);
        } else {
            writer.commit(&ticket, set("b")).await;
            node.link.way().found.open();
            assert_eq!(keys_of(&record_of(overtaken.await.unwrap())), ["a"]);
            assert!(!node.knows(&ticket).await);
            assert_eq!(node.data(&ticket).await, ["a", "b"]);
        }
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_overtaken_is_not_taken_for_the_last_word() {
    let server = Server::default();
    let node = Node::with_near_cache(&server).await;
    let other = Node::on(&server);
    let ticket = node.stored_session().await;
    node.open(&ticket).await;
    node.link.way().written.shut();
    let slow = node.store.commit(request(&ticket, set("b")));
    node.link.way().written.wait_for(1).await;
    other.commit(&ticket, set("c")).await;
    node.link.way().written.open();
    slow.await.unwrap();

    assert_eq!(node.data(&ticket).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn that_a_ticket_was_unknown_is_never_used_when_committing() {
    let server = Server::default();
    let node = Node::with_near_cache(&server).await;
    let other = Node::on(&server);
    let ticket = Ticket::mint(START);
    assert!(matches!(node.open(&ticket).await, Opening::Vacant));
    assert!(node.knows(&ticket).await);
    node.link.way().is_deaf.store(true, Ordering::SeqCst);
    other.commit(&ticket, set("theirs")).await;
    assert!(node.knows(&ticket).await, "the rig keeps news back");

    let committed = node.commit(&ticket, set("ours")).await;

    assert!(!committed.began);
    assert_eq!(other.data(&ticket).await, ["ours", "theirs"]);
    assert_eq!(server.rows(), 1);
    // And an end by another node is not undone.
    let ticket = Ticket::mint(START);
    node.open(&ticket).await;
    other.commit(&ticket, turn(Turn::End)).await;
    let late = node.commit(&ticket, set("late")).await;
    assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
}

// === faults ===

#[tokio::test]
async fn a_server_that_does_not_answer_is_an_outage_with_an_end() {
    let server = Server::default();
    let node = Node::impatient_on(&server);
    let ticket = node.stored_session().await;
    node.link.way().finds.shut();
    node.link.way().writes.shut();
    let since = Stopwatch::start();
    let open = node.store.open(&ticket, START);
    let commit = node.store.commit(request(&ticket, set("b")));
    let end = node.catalogue().end(&ticket.key(), START);

    assert!(matches!(open.await, Err(StoreFault::Timeout)));
    assert!(matches!(commit.await, Err(StoreFault::Timeout)));
    assert!(matches!(end.await, Err(StoreFault::Timeout)));
    let took = since.elapsed();
    assert!(
        took >= IMPATIENT * 9 / 10 && took < IMPATIENT + Duration::from_millis(500),
        "{took:?}"
    );

    node.link.way().finds.open();
    node.link.way().writes.open();
    assert_eq!(node.data(&ticket).await, ["a"]);
}

#[tokio::test]
async fn what_was_given_up_while_it_waited_is_never_done() {
    let server = Server::default();
    let node = Node::on(&server);
    let ticket = node.stored_session().await;
    node.link.way().writes.shut();
    let first = node.store.commit(request(&ticket, set("first")));
    node.link.way().writes.wait_for(1).await;
    let given_up = node.store.commit(request(&ticket, set("given-up")));
    let kept = node.store.commit(request(&ticket, set("kept")));
    drop(given_up);
    node.link.way().writes.open();
    first.await.unwrap();
    kept.await.unwrap();
    assert_eq!(node.data(&ticket).await, ["a", "first", "kept"]);

    // Also when it was overtaken once, and nobody waits for a second try.
    let other = Node::on(&server);
    node.link.way().writes.shut();
    let overtaken = node.store.commit(request(&ticket, set("overtaken")));
    node.link.way().writes.wait_for(1).await;
    other.commit(&ticket, set("z")).await;
    drop(overtaken);
    node.link.way().writes.open();
    node.commit(&ticket, set("zz")).await;
    assert_eq!(node.data(&ticket).await, ["a", "first", "kept", "z", "zz"]);
}

#[tokio::test]
async fn what_waited_too_long_behind_a_stuck_write_is_not_done_when_the_server_is_back() {
    let server = Server::default();
    let node = Node::impatient_on(&server);
    let ticket = node.stored_session().await;
    node.link.way().writes.shut();
    let stuck = node.store.commit(request(&ticket, set("stuck")));
    node.link.way().writes.wait_for(1).await;
    let behind = node.store.commit(request(&ticket, set("behind")));
    assert!(matches!(stuck.await, Err(StoreFault::Timeout)));
    assert!(matches!(behind.await, Err(StoreFault::Timeout)));
    node.link.way().writes.open();

    node.commit(&ticket, set("next")).await;

    assert_eq!(node.data(&ticket).await, ["a", "next"]);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_in_doubt_and_no_older_state_is_shown() {
    let server = Server::default();
    let node = Node::with_near_cache(&server).await;
    let ticket = node.stored_session().await;
    node.open(&ticket).await;
    assert!(node.knows(&ticket).await);

    node.link.expect(Fate::DoneButLost);
    let answer = node.store.commit(request(&ticket, set("b"))).await;
    assert!(matches!(answer, Err(StoreFault::Remote(_))));
    assert_eq!(node.data(&ticket).await, ["a", "b"]);

    node.link.expect(Fate::Broken);
    let answer = node.store.commit(request(&ticket, set("c"))).await;
    assert!(matches!(answer, Err(StoreFault::Remote(_))));
    assert_eq!(node.data(&ticket).await, ["a", "b"]);
    node.commit(&ticket, set("d")).await;
    assert_eq!(node.data(&ticket).await, ["a", "b", "d"]);
}

#[tokio::test]
async fn a_server_that_forgot_everything_revives_nothing() {
    let server = Server::default();
    let node = Node::on(&server);
    let first = Ticket::mint(START);
    let stored = node.commit(&first, set("a")).await.ticket.unwrap();
    server.forget_everything();
    let later = after(60);

    for ticket in [&first, &stored] {
        let change = request_at(ticket, set("b"), later);
        let outcome = node.store.commit(change).await.unwrap().outcome;
        assert_eq!(outcome, Outcome::Dropped(Closed::Unknown));
        let opening = node.store.open(ticket, later).await.unwrap();
        assert_closed(&opening, Closed::Unknown);
    }
    assert_eq!(server.rows(), 0);
    // A new visitor is welcome, whose ticket this very request minted.
    let fresh = Ticket::mint(later);
    let committed = node
        .store
        .commit(request_at(&fresh, set("a"), later))
        .await
        .unwrap();
    assert!(committed.began);
}

#[tokio::test]
async fn a_server_that_forgets_between_question_and_write_revives_nothing() {
    let server = Server::default();
    let node = Node::on(&server);
    node.stored_session().await;
    let first = Ticket::mint(START);
    node.link.way().writes.shut();
    let lost = node.store.commit(request_at(&first, set("a"), after(1)));
    node.link.way().writes.wait_for(1).await;
    server.forget_everything();
    // It is born anew by somebody else's question.
    let other = Node::on(&server);
    let strange = Ticket::mint(after(60));
    other.store.open(&strange, after(60)).await.unwrap();
    node.link.way().writes.open();

    let outcome = lost.await.unwrap().outcome;

    assert_eq!(outcome, Outcome::Dropped(Closed::Unknown));
    assert_eq!(server.rows(), 0);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_a_fault_of_its_own_and_stays() {
    let server = Server::default();
    let node = Node::on(&server);
    let ticket = node.stored_session().await;
    let other = node.stored_session().await;
    server.tear(&ticket.key());
    // This node has never seen the record.
    let node = Node::on(&server);

    let opens = [
        node.store.open(&ticket, START),
        node.store.open(&ticket, START),
    ];
    for open in opens {
        assert!(matches!(open.await, Err(StoreFault::Unreadable(_))));
    }
    let commits = [
        node.store.commit(request(&ticket, set("b"))),
        node.store.commit(request(&ticket, turn(Turn::End))),
    ];
    for commit in commits {
        assert!(matches!(commit.await, Err(StoreFault::Unreadable(_))));
    }
    let end = node.catalogue().end(&ticket.key(), START).await;
    assert!(matches!(end, Err(StoreFault::Unreadable(_))));
    assert_eq!(node.link.times_written(), 0);
    assert_eq!(node.data(&other).await, ["a"]);
    let page = node.catalogue().page(None, 10).await.unwrap();
    assert_eq!((page.sessions.len(), page.unreadable), (1, 1));
}

#[tokio::test]
async fn more_than_may_wait_is_refused_at_once() {
    let server = Server::default();
    let settings = RemoteSettings {
        queue_max: 3,
        ..RemoteSettings::new(PATIENT, 0)
    };
    let node = Node::with(&server, &settings);
    let ticket = node.stored_session().await;
    node.link.way().finds.shut();
    let opens = [(); 3].map(|()| node.store.open(&ticket, START));
    let refused = node.store.open(&ticket, START).await;
    assert!(matches!(refused, Err(StoreFault::Overloaded)));
    let refused = node.store.commit(request(&ticket, set("b"))).await;
    assert!(matches!(refused, Err(StoreFault::Overloaded)));

    node.link.way().finds.open();
    for open in opens {
        open.await.unwrap();
    }
    assert_eq!(node.data(&ticket).await, ["a"]);
}

#[tokio::test]
async fn a_closed_store_says_so_and_has_done_what_it_was_asked() {
    let server = Server::default();
    let node = Node::on(&server);
    let ticket = node.stored_session().await;
    let asked = node.store.commit(request(&ticket, set("b")));
    node.store.close();

    assert!(matches!(asked.await.unwrap().outcome, Outcome::Applied(_)));
    let refused = node.store.open(&ticket, START).await;
    assert!(matches!(refused, Err(StoreFault::Stopped)));
    let refused = node.store.sweep(START, 10).await;
    assert!(matches!(refused, Err(StoreFault::Stopped)));
    // Whoever is not answered in time is sent away with the thread.
    let node = Node::impatient_on(&server);
    node.link.way().finds.shut();
    let stuck = node.store.open(&ticket, START);
    drop(node);
    assert!(stuck.await.is_err());
}

// === the list ===

#[tokio::test]
async fn an_end_by_hand_ends_what_the_session_was_forked_from() {
    let server = Server::default();
    let [node, other] = [Node::on(&server), Node::on(&server)];
    for by_hand in [true, false] {
        let anonymous = node.stored_session().await;
        let alice = node.commit(&anonymous, log_in("alice")).await;
        let alice = alice.ticket.unwrap();
        let again = other.commit(&alice, log_in("alice")).await.ticket.unwrap();
        assert_eq!(node.data(&anonymous).await, ["a"]);

        if by_hand {
            let end = || node.catalogue().end(&again.key(), START);
            assert!(end().await.unwrap());
            assert!(!end().await.unwrap(), "it has ended already");
        } else {
            let ended = other.commit(&again, turn(Turn::End)).await;
            assert_eq!(ended.outcome, Outcome::Ended);
        }

        for ticket in [&anonymous, &alice, &again] {
            assert_closed(&node.open(ticket).await, Closed::Ended);
            assert_closed(&other.open(ticket).await, Closed::Ended);
        }
    }
    let nobody = Ticket::mint(START).key();
    assert!(!node.catalogue().end(&nobody, START).await.unwrap());
}

#[tokio::test]
async fn an_end_by_hand_beats_a_commit_under_way() {
    let server = Server::default();
    let [node, other] = [Node::on(&server), Node::on(&server)];
    let ticket = node.stored_session().await;
    node.link.way().writes.shut();
    let slow = node.store.commit(request(&ticket, set("b")));
    node.link.way().writes.wait_for(1).await;
    assert!(other.catalogue().end(&ticket.key(), START).await.unwrap());
    node.link.way().writes.open();
    assert_eq!(slow.await.unwrap().outcome, Outcome::Dropped(Closed::Ended));
    assert_closed(&node.open(&ticket).await, Closed::Ended);
}

#[tokio::test]
async fn a_users_list_holds_what_is_live_and_theirs_whatever_the_index_says() {
    let server = Server::default();
    let node = Node::on(&server);
    let mut tickets = Vec::new();
    for user in ["alice", "alice", "bob"] {
        let anonymous = node.stored_session().await;
        let committed = node.commit(&anonymous, log_in(user)).await;
        tickets.push(committed.ticket.unwrap());
    }
    node.commit(&tickets[0], turn(Turn::End)).await;
    let alice = cloakroom::session::UserKey::of(None, "alice");

    let of_alice = node.catalogue().of_user(&alice, START).await.unwrap();
    let keys: Vec<_> = of_alice
        .iter()
        .map(|session| session.holders[0].key)
        .collect();
    assert_eq!(keys, [tickets[1].key()]);
    let later = node.catalogue().of_user(&alice, after(3600)).await.unwrap();
    assert!(later.is_empty());
}

#[tokio::test]
async fn taking_over_can_be_repeated_and_revives_nothing() {
    let source = Server::default();
    let from = Node::on(&source);
    let mut tickets = Vec::new();
    for _ in 0..100 {
        tickets.push(from.stored_session().await);
    }
    from.commit(&tickets[0], turn(Turn::End)).await;
    let rotated = from.commit(&tickets[1], turn(Turn::Rotate)).await;
    let rotated = rotated.ticket.unwrap();
    let alice = from.commit(&tickets[2], log_in("alice")).await;
    let alice = alice.ticket.unwrap();
    let walk = async || {
        let mut sessions = Vec::new();
        let mut after = None;
        loop {
            let page = from.catalogue().page(after.as_ref(), 7).await.unwrap();
            sessions.extend(page.sessions);
            after = page.next;
            if after.is_none() {
                return sessions;
            }
        }
    };
    let early = walk().await;
    assert_eq!(early.len(), 101);
    let server = Server::default();
    let node = Node::on(&server);
    let take = async |sessions: Vec<Session>| node.catalogue().take_over(sessions, START).await;

    assert_eq!(take(early.clone()).await.unwrap(), 101);
    assert_eq!(take(early.clone()).await.unwrap(), 0);
    assert_eq!((server.rows(), server.tickets()), (101, 102));
    assert_closed(&node.open(&tickets[0]).await, Closed::Ended);
    assert_eq!(node.data(&rotated).await, ["a"]);
    assert_eq!(node.data(&tickets[1]).await, ["a"]);
    assert!(record_of(node.open(&alice).await).user.is_some());

    // Here, things go on; there, too. Whoever is further along stays.
    node.commit(&tickets[3], turn(Turn::End)).await;
    let touch = |change| Change {
        touch: true,
        ..change
    };
    let change = request_at(&tickets[4], touch(set("here")), after(5));
    node.store.commit(change).await.unwrap();
    let change = request_at(&tickets[5], touch(set("there")), after(5));
    from.store.commit(change).await.unwrap();
    let change = request_at(&tickets[6], turn(Turn::Rotate), after(5));
    let newer = from.store.commit(change).await.unwrap().ticket.unwrap();
    from.commit(&tickets[7], turn(Turn::End)).await;
    let late = walk().await;
    assert_eq!(take(late.clone()).await.unwrap(), 3);
    assert_eq!(take(late.clone()).await.unwrap(), 0);
    assert_eq!(take(early).await.unwrap(), 0);
    assert_closed(&node.open(&tickets[3]).await, Closed::Ended);
    assert_closed(&node.open(&tickets[7]).await, Closed::Ended);
    assert_eq!(node.data(&tickets[4]).await, ["a", "here"]);
    assert_eq!(node.data(&tickets[5]).await, ["a", "there"]);
    assert_eq!(node.data(&newer).await, ["a"]);

    // The same session twice in a walk.
    let server = Server::default();
    let node = Node::on(&server);
    let twice = [late.clone(), late].concat();
    let taken = node.catalogue().take_over(twice, START).await.unwrap();
    assert_eq!((taken, server.rows()), (101, 101));
}

#[tokio::test]
async fn a_stranger_that_is_taken_over_is_known_at_once() {
    let source = Server::default();
    let from = Node::on(&source);
    let ticket = from.stored_session().await;
    let server = Server::default();
    let node = Node::on(&server);
    assert_closed(&node.open(&ticket).await, Closed::Unknown);
    assert!(node.knows(&ticket).await);

    let session = session_of(&from, &ticket.key()).await;
    assert_eq!(session.state, State::Live);
    let taken = node.catalogue().take_over(vec![session], START).await;

    assert_eq!(taken.unwrap(), 1);
    assert_eq!(node.data(&ticket).await, ["a"]);
}

#[tokio::test]
async fn a_sweep_takes_what_is_over() {
    let server = Server::default();
    let node = Node::on(&server);
    for _ in 0..5 {
        node.stored_session().await;
    }
    assert_eq!(node.store.sweep(after(3600), 10).await.unwrap(), 0);
    assert_eq!(node.store.sweep(after(3661), 3).await.unwrap(), 3);
    assert_eq!(node.store.sweep(after(3661), 10).await.unwrap(), 2);
    assert_eq!((server.rows(), server.tickets()), (0, 0));
}
