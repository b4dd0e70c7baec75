//! Whatever is asked of them, in whatever order, the engines answer alike.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::session::{Change, Opening, Record, Standing, Ticket, Turn};

use crate::local;
use crate::rig::*;

/// Small numbers that look random and are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    pub fn change(&mut self) -> Change {
        let name = format!("n{}", self.roll(4));
        match self.roll(10) {
            0..3 => set(&name, "v"),
            3..6 => put(&name),
            6 => turn([Turn::Rotate, Turn::RotateOnSchedule][self.roll(2)].clone()),
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
async fn whatever_happens_the_engines_answer_alike() {
    for seed in 0..12 {
        same_story(seed, &local::memory(), &local::sqlite()).await;
    }
    // Where each step is a trip over a wire, a few stories have to do.
    for seed in 12..14 {
        for rig in Rig::each() {
            same_story(seed, &local::memory(), &rig).await;
        }
    }
}

/// Does the same with both.
async fn same_story(seed: u64, one: &Rig, other: &Rig) {
    let mut dice = Dice(seed);
    let mut now = START;
    let mut tickets: Vec<_> = (0..3).map(|_| Ticket::mint(now)).collect();
    for step in 0..80 {
        let at = format!("seed {seed}, step {step}");
        let span = [0, 0, 1, 4, 12, 1300][dice.roll(6)];
        now = now.plus(Duration::from_secs(span));
        let request = request(&tickets[dice.roll(tickets.len())], dice.change(), now);
        let committed = one.store.commit(request.clone()).await.unwrap();
        let others = other.store.commit(request).await.unwrap();
        assert_eq!(committed, others, "{at}");
        tickets.extend(committed.ticket);
        for ticket in &tickets {
            let opening = open(&*one.store, ticket, now).await;
            let others = open(&*other.store, ticket, now).await;
            assert_eq!(shown(opening), shown(others), "{at}");
        }
        if dice.roll(10) == 0 {
            if other.sweeps {
                let swept = one.store.sweep(now, 100).await.unwrap();
                assert_eq!(swept, other.store.sweep(now, 100).await.unwrap(), "{at}");
            }
            assert_eq!((one.rows)(), (other.rows)(), "{at}");
        }
    }
}

/// What the visitor sees. Why there is nothing to see, an engine may have forgotten.
pub fn shown(opening: Opening) -> Option<(Arc<Record>, Standing)> {
    match opening {
        Opening::Open {
            record, standing, ..
        } => Some((record, standing)),
        Opening::Vacant | Opening::Closed(_) => None,
    }
}
