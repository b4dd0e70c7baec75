//! What the screen lets in, gathered without an allocation in an ordinary request: the field is written once, when it is
//! known what else goes into it.

use smallvec::SmallVec;

use super::parse::Pair;
use super::policy::CookieRule;
use super::why::Why;

/// How many values of our own name are looked at.
pub const CANDIDATES_MAX: usize = 4;

/// How many pairs are gathered without an allocation: more than an ordinary request has.
const PAIRS_USUAL: usize = 24;

/// Pairs as they came, in their order.
pub(super) type Pairs<'a> = SmallVec<[&'a [u8]; PAIRS_USUAL]>;

/// A request's cookies after the screen.
#[derive(Default)]
pub struct Incoming<'a> {
    /// The values under our own name.
    pub candidates: Candidates<'a>,
    /// Whether there were more of them than are looked at.
    pub candidates_surplus: bool,
    /// The values of owner's marks.
    pub marks: Candidates<'a>,
    /// What goes up: whole pairs, in order.
    pub(super) passed: Pairs<'a>,
    /// What is judged when the session is open, in order.
    pub held: Vec<Held<'a>>,
    /// How many pairs were not to go up. In report-only mode the unknown ones among them went up all the same.
    pub dropped: u32,
    /// The names of those that went up although they were not to. Empty unless the policy only reports.
    pub reported: Vec<&'a [u8]>,
    /// Those that did not go up even so, and why. Empty unless the policy only reports.
    pub withheld: Vec<(&'a [u8], Why)>,
    /// How many of the dropped ones bore a name that some reader would take for ours: somebody tries.
    pub lookalikes: u32,
}

/// A pair whose fate depends on the session: on its jar, or on what it was sealed for.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The pair.
    pub(super) pair: Pair<'a>,
    /// The rule that it comes under.
    pub(super) rule: &'a CookieRule,
    /// How many of those that go up stand before it.
    pub(super) at: usize,
}

/// Up to four values that were sent under a name of ours, in order, equal ones too.
#[derive(Clone, Copy, Default)]
pub struct Candidates<'a> {
    values: [&'a [u8]; CANDIDATES_MAX],
    count: usize,
}

impl<'a> Incoming<'a> {
    /// Takes a value that came under our name.
    pub(super) fn offer(&mut self, value: &'a [u8]) {
        self.candidates_surplus |= !self.candidates.take(value);
    }

    /// Takes the value of a mark. Those that are too many are shadows.
    pub(super) fn offer_mark(&mut self, value: &'a [u8]) {
        self.marks.take(value);
    }

    /// Lets a pair in.
    pub(super) fn pass(&mut self, pair: &'a [u8]) {
        self.passed.push(pair);
    }

    /// Sets a pair aside.
    pub(super) fn hold(&mut self, pair: Pair<'a>, rule: &'a CookieRule) {
        let at = self.passed.len();
        self.held.push(Held { pair, rule, at });
    }

    /// The pairs that go up, in order.
    pub fn passed(&self) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.passed.iter().copied()
    }

    /// The same as one `Cookie` field; empty when nothing does.
    pub fn written(&self) -> Vec<u8> {
        written(self.passed())
    }
}

impl std::fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("candidates", &self.candidates.count)
            .field("candidates_surplus", &self.candidates_surplus)
            .field("passed", &self.passed.len())
            .field("held", &self.held)
            .field("dropped", &self.dropped)
            .field("lookalikes", &self.lookalikes)
            .finish_non_exhaustive()
    }
}

impl<'a> Candidates<'a> {
    /// Takes a value, and tells whether there was room for it.
    fn take(&mut self, value: &'a [u8]) -> bool {
        let slot = self.values.get_mut(self.count);
        let has_room = slot.is_some();
        if let Some(slot) = slot {
            *slot = value;
            self.count += 1;
        }
        has_room
    }

    /// The values.
    pub fn as_slice(&self) -> &[&'a [u8]] {
        self.values.get(..self.count).unwrap_or(&self.values)
    }

    /// Whether the browser holds more than one cookie of our name, so that all but one were planted or left behind.
    pub const fn are_several(&self) -> bool {
        self.count > 1
    }
}

impl std::fmt::Debug for Candidates<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Candidates").field(&self.count).finish()
    }
}

/// `pairs` as one `Cookie` field (`a=b; c=d`), in a buffer without room to spare, so that it can be shared as it is.
pub(super) fn written<'p>(pairs: impl Iterator<Item = &'p [u8]> + Clone) -> Vec<u8> {
    let mut out = Vec::with_capacity(written_bytes(pairs.clone()));
    pairs.for_each(|pair| append(&mut out, pair));
    out
}

/// How many bytes `pairs` make, written one behind the other.
pub(super) fn written_bytes<'p>(pairs: impl Iterator<Item = &'p [u8]>) -> usize {
    let bytes: usize = pairs.map(|pair| pair.len() + GAP.len()).sum();
    bytes.saturating_sub(GAP.len())
}

/// What stands between two pairs.
pub(super) const GAP: &[u8] = b"; ";

/// Begins the next pair of a `Cookie` field with `bytes`.
#[inline]
pub(super) fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    if !out.is_empty() {
        out.extend_from_slice(GAP);
    }
    out.extend_from_slice(bytes);
}

/// The names passed so far, each beside a fingerprint, so that hardly any two are compared byte by byte. Real requests
/// fit beside it; only a crowd costs an allocation.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// A bit for each fingerprint that came: where it is not set, nothing is looked for.
    seen: u128,
    all: SmallVec<[(u64, &'a [u8]); PAIRS_USUAL]>,
}

impl<'a> Names<'a> {
    /// Whether the name is new.
    #[inline]
    pub(super) fn insert(&mut self, name: &'a [u8]) -> bool {
        let print = fingerprint(name);
        // The high bits depend on all of the fingerprint.
        let bit = 1 << (print.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 57);
        if self.seen & bit != 0 && self.all.contains(&(print, name)) {
            return false;
        }
        self.seen |= bit;
        self.all.push((print, name));
        true
    }
}

/// Equal for equal names, and nearly always different for others.
#[inline]
fn fingerprint(name: &[u8]) -> u64 {
    match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(28)
        }
        _ => name
            .iter()
            .fold(0, |print, byte| print << 8 | u64::from(*byte)),
    }
}
