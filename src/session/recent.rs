//! Session IDs that were derived lately. Deriving one takes a MAC, and a visitor's requests come in a row.
//!
//! An ID follows from its root and site alone, so what is remembered here is never wrong and needs no expiry. It is no
//! more than the store knows of the session, and of a fixed size.

use std::sync::Mutex;

use super::ticket::{Root, SessionId};

/// How many are remembered. A power of two, so that the bytes of roots are spread evenly.
const SLOTS: usize = 1024;

/// What was derived lately, shared by all cores.
pub(super) struct Recent {
    /// Each root has one slot. A lock for each, and one that is never waited for: whoever finds it taken derives.
    slots: Box<[Mutex<Option<Derived>>]>,
}

struct Derived {
    root: Root,
    site: Box<str>,
    id: SessionId,
}

impl Recent {
    pub fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The ID for `root` at `site`: the one that is remembered, or what `derive` makes.
    pub fn or_derive(
        &self,
        root: &Root,
        site: &str,
        derive: impl FnOnce() -> SessionId,
    ) -> SessionId {
        // Roots are hashes, so that any two bytes of them are as good as random.
        let at = usize::from(u16::from_be_bytes([root.0[0], root.0[1]])) % SLOTS;
        let Some(Ok(mut slot)) = self.slots.get(at).map(Mutex::try_lock) else {
            return derive();
        };
        match &*slot {
            Some(known) if known.root == *root && *known.site == *site => known.id.clone(),
            _ => {
                let id = derive();
                *slot = Some(Derived {
                    root: *root,
                    site: site.into(),
                    id: id.clone(),
                });
                id
            }
        }
    }
}
