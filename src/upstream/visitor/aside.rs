//! What passes between a request and whoever answers it, beside the answer.

use std::cell::{Cell, RefCell};

use h2::RecvStream;
use http::HeaderMap;

/// So many early hints go to a visitor for one request; what an app says beyond that is dropped. An app sends one or two.
const HINTS_MAX: u8 = 8;

/// What a visitor is told before the answer.
#[derive(Debug)]
pub enum Interim {
    /// `100 Continue`: the body is asked for.
    Continue,
    /// `103 Early Hints`, with these fields.
    EarlyHints(HeaderMap),
}

/// Of one request at a time. Whoever polls the handler takes what is in here afterwards, and sends it: so it goes out
/// before the answer, and nothing after it.
#[derive(Default)]
pub struct Aside {
    interims: RefCell<Vec<Interim>>,
    hints: Cell<u8>,
    /// What nobody wants to read any more of a request on HTTP/2.
    unread: Cell<Option<RecvStream>>,
}

impl Aside {
    /// Another request begins.
    pub fn begin(&self) {
        self.hints.set(0);
        self.interims.borrow_mut().clear();
    }

    /// Has the visitor told of what the answer will need; false when they were told often enough.
    pub fn hint(&self, fields: HeaderMap) -> bool {
        if self.hints.get() >= HINTS_MAX {
            return false;
        }
        self.hints.set(self.hints.get() + 1);
        self.say(Interim::EarlyHints(fields));
        true
    }

    pub(super) fn say(&self, interim: Interim) {
        self.interims.borrow_mut().push(interim);
    }

    /// What is to be sent now.
    pub fn take(&self) -> Vec<Interim> {
        // Mostly nothing, and that costs nothing.
        std::mem::take(&mut *self.interims.borrow_mut())
    }

    pub(super) fn leave(&self, unread: RecvStream) {
        self.unread.set(Some(unread));
    }

    /// The rest of a body on HTTP/2 that nobody has read to its end.
    pub fn unread(&self) -> Option<RecvStream> {
        self.unread.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_counted_for_each_request() {
        let aside = Aside::default();
        for _ in 0..2 {
            aside.begin();
            let passed = (0..20).filter(|_| aside.hint(HeaderMap::new())).count();
            assert_eq!(passed, usize::from(HINTS_MAX));
            assert_eq!(aside.take().len(), passed);
            assert!(!aside.hint(HeaderMap::new()));
            assert!(aside.take().is_empty());
        }
    }
}
