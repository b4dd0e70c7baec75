//! Whether the gateway should be sent visitors, and if not, why.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::nodes::Judgement;
use crate::server::drain::{Drain, Stage};

/// What is known of it. Written by the keeper, read by whoever asks.
pub(super) struct Standing {
    drain: Drain,
    /// Small, and held for no longer than a copy takes.
    state: Mutex<State>,
}

struct State {
    store: StoreAnswers,
    judgement: Judgement,
}

/// Whether the store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreAnswers {
    /// It was not asked yet.
    Unasked,
    /// It did when it was last asked.
    Yes,
    /// It did not.
    No,
}

impl Standing {
    pub(super) fn new(drain: Drain) -> Self {
        let state = State {
            store: StoreAnswers::Unasked,
            judgement: Judgement::default(),
        };
        Self {
            drain,
            state: Mutex::new(state),
        }
    }

    /// Notes whether the store answers; tells what was known before.
    pub(super) fn note_store(&self, answers: StoreAnswers) -> StoreAnswers {
        std::mem::replace(&mut self.state().store, answers)
    }

    /// Notes what the neighbours are like; tells what was known before.
    pub(super) fn note_judgement(&self, judgement: Judgement) -> Judgement {
        std::mem::replace(&mut self.state().judgement, judgement)
    }

    /// Why no visitors should be sent here, one reason a line; empty: they should.
    pub(super) fn obstacles(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.drain.stage() != Stage::Serving {
            lines.push("draining".to_owned());
        }
        let state = self.state();
        match state.store {
            StoreAnswers::Yes => {}
            StoreAnswers::Unasked => lines.push("the store was not asked yet".to_owned()),
            StoreAnswers::No => lines.push("the store does not answer".to_owned()),
        }
        let mismatches = state.judgement.mismatches.iter();
        lines.extend(mismatches.map(|mismatch| format!("keys mismatch: {mismatch}")));
        lines
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::nodes::Mismatch;
    use super::*;

    #[test]
    fn every_reason_has_its_line_and_goes_when_it_is_over() {
        let drain = Drain::new();
        let standing = Standing::new(drain.clone());
        assert_eq!(standing.obstacles(), ["the store was not asked yet"]);
        standing.note_store(StoreAnswers::Yes);
        assert!(standing.obstacles().is_empty());
        let node = "b".to_owned();
        standing.note_judgement(Judgement {
            mismatches: vec![Mismatch::SessionIds { node }],
            lags: Vec::new(),
        });
        standing.note_store(StoreAnswers::No);
        drain.begin();
        assert_eq!(
            standing.obstacles(),
            [
                "draining",
                "the store does not answer",
                "keys mismatch: node b has another session_id_key"
            ]
        );
    }
}
