//! How often somebody may try to log in: for each account, and for each address (IPv6: per /64).
//!
//! Each has a bucket that holds so many attempts and empties at an even pace, the whole of it in one window. So nobody is
//! locked out for good: once it is full, there is room for the next attempt after a window's share of one. An attempt
//! counts while it is asked and goes out again if it succeeded, so that a hundred at a time are a hundred; a login that
//! succeeds empties the account's bucket, but never the address's, whose next guess it would pay for.
//!
//! From where an account was logged in to before, a bucket of its own counts: what others try on the account does not
//! lock out whoever has the password.
//!
//! The tables have fixed sizes. A newcomer takes the place of whoever has the least in the bucket, of the eight that it
//! may replace; which those are nobody outside can know. So made-up accounts, with one attempt each, push out each other
//! and not the account that is under attack. Names are kept as keyed hashes alone.

mod table;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;

use self::table::Table;
use crate::base::clock::Time;

/// The most buckets in a table: three tables of 24 bytes each make 2.4 MiB.
const SETS: usize = 4096;

/// For so long after a login an address is known.
pub const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// `attempts_per_account`, `attempts_per_address` and `attempt_window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Zero: no limit.
    pub per_account: u32,
    /// Zero: no limit.
    pub per_address: u32,
    /// How long it takes a full bucket to empty.
    pub window: Duration,
}

impl Limits {
    /// The limit that counts for this bucket.
    pub const fn of(&self, of: Of) -> u32 {
        match of {
            Of::Address => self.per_address,
            Of::Account | Of::KnownAddress => self.per_account,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_account: 10,
            per_address: 100,
            window: Duration::from_secs(900),
        }
    }
}

/// Who tries to log in where.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The site.
    pub site: &'a str,
    /// From where.
    pub address: IpAddr,
    /// As whom; `None`: that cannot be read. These share a bucket of their address, so that nobody can shut others out.
    pub account: Option<&'a str>,
}

impl Who<'_> {
    /// What tells this bucket from all others, part by part.
    pub fn named(&self, of: Of) -> [Vec<u8>; 4] {
        let network = self.has_network(of).then(|| network(self.address));
        let account = self.account.filter(|_| of != Of::Address).map(folded);
        let kind = vec![of as u8, account.is_some().into()];
        let network = network.map(|network| network.to_vec());
        let site = self.site.as_bytes().to_vec();
        let account = account.map(String::into_bytes);
        [
            kind,
            site,
            account.unwrap_or_default(),
            network.unwrap_or_default(),
        ]
    }
}

impl Who<'_> {
    /// Whether the bucket is one of this address.
    const fn has_network(&self, of: Of) -> bool {
        !matches!(of, Of::Account) || self.account.is_none()
    }
}

/// All buckets. Shared by all cores.
pub struct Attempts {
    hasher: RandomState,
    addresses: Table,
    accounts: Table,
    known: Table,
}

impl Default for Attempts {
    fn default() -> Self {
        Self::with_sets(SETS)
    }
}

/// An attempt that counts. Dropped as it is, it goes on counting: whoever hung up may have learned what was to be learned.
#[derive(Debug)]
pub struct Attempt {
    address: Option<Charge>,
    account: Option<Charge>,
    /// The account from this very address.
    pair: u64,
}

#[derive(Clone, Copy, Debug)]
struct Charge {
    key: u64,
    interval: u64,
    of: Of,
}

/// Whose bucket is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The account's.
    Account,
    /// The account's, for an address from where it was logged in to before.
    KnownAddress,
    /// The address's.
    Address,
}

impl Of {
    /// The key of the configuration that says so.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Account | Self::KnownAddress => "attempts_per_account",
            Self::Address => "attempts_per_address",
        }
    }
}

/// There is no room for another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Whose bucket it is.
    pub of: Of,
    /// How long until there is room.
    pub wait: Duration,
    /// Whether it is the first time that this is said since the last attempt.
    pub is_first: bool,
}

impl Attempts {
    fn with_sets(sets: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            addresses: Table::new(sets),
            accounts: Table::new(sets),
            known: Table::new(sets),
        }
    }

    /// Counts an attempt that is about to be made.
    ///
    /// # Errors
    /// When there is no room for it. Then nothing is counted.
    pub fn begin(&self, who: Who<'_>, limits: &Limits, now: Time) -> Result<Attempt, Full> {
        let account = who.account.map(folded);
        let network = network(who.address);
        let pair = self.key(2, who.site, (&account, Some(network)));
        let mut attempt = Attempt {
            address: None,
            account: None,
            pair,
        };
        if let Some(interval) = interval(limits.window, limits.per_address) {
            let key = self.key(0, who.site, (&None, Some(network)));
            let of = Of::Address;
            attempt.address = Some(Charge { key, interval, of });
            self.charge(attempt.address, limits.per_address, now)?;
        }
        if let Some(interval) = interval(limits.window, limits.per_account) {
            let is_known = account.is_some() && self.known.is_known(pair, now);
            let (key, of) = match is_known {
                true => (pair, Of::KnownAddress),
                false => (self.key_of(who, Of::Account), Of::Account),
            };
            attempt.account = Some(Charge { key, interval, of });
            let charged = self.charge(attempt.account, limits.per_account, now);
            if let Err(full) = charged {
                self.give_back(attempt.address);
                return Err(full);
            }
        }
        Ok(attempt)
    }

    /// The attempt logged somebody in: whom nobody can read logs in without anything becoming known.
    pub fn succeeded(&self, attempt: Attempt, is_read: bool, now: Time) {
        self.give_back(attempt.address);
        if !is_read {
            return self.give_back(attempt.account);
        }
        if let Some(charge) = attempt.account {
            self.accounts.empty(charge.key);
            self.known.remember(attempt.pair, now);
        }
    }

    /// The attempt was not made after all: the app did not answer it, or with an error of its own.
    pub fn undone(&self, attempt: Attempt) {
        self.give_back(attempt.address);
        self.give_back(attempt.account);
    }

    /// Whether the account was logged in to from there before.
    pub fn is_known(&self, who: Who<'_>, now: Time) -> bool {
        who.account.is_some() && self.known.is_known(self.key_of(who, Of::KnownAddress), now)
    }

    /// Another node has seen it logged in to from there.
    pub fn note_known(&self, who: Who<'_>, now: Time) {
        self.known.remember(self.key_of(who, Of::KnownAddress), now);
    }

    /// Another node has emptied this bucket.
    pub fn note_room(&self, who: Who<'_>, of: Of) {
        self.table(of).empty(self.key_of(who, of));
    }

    /// All nodes together have filled this bucket.
    pub fn note_full(&self, who: Who<'_>, limits: &Limits, full: &Full, now: Time) {
        let most = limits.of(full.of);
        if let Some(interval) = interval(limits.window, most) {
            let room = interval.saturating_mul(most.saturating_sub(1).into());
            let wait = u64::try_from(full.wait.as_millis()).unwrap_or(interval);
            let until = now.as_millis().saturating_add(room).saturating_add(wait);
            let key = self.key_of(who, full.of);
            self.table(full.of).raise(key, until);
        }
    }

    fn key_of(&self, who: Who<'_>, of: Of) -> u64 {
        let account = who.account.filter(|_| of != Of::Address).map(folded);
        let network = who.has_network(of).then(|| network(who.address));
        let kind = match of {
            Of::Address => 0,
            Of::Account => 1,
            Of::KnownAddress => 2,
        };
        self.key(kind, who.site, (&account, network))
    }

    fn charge(&self, charge: Option<Charge>, most: u32, now: Time) -> Result<(), Full> {
        let Some(Charge { key, interval, of }) = charge else {
            return Ok(());
        };
        let refused = self.table(of).charge(key, interval, most, now);
        refused.map_err(|(wait, is_first)| Full { of, wait, is_first })
    }

    fn give_back(&self, charge: Option<Charge>) {
        if let Some(Charge { key, interval, of }) = charge {
            self.table(of).give_back(key, interval);
        }
    }

    const fn table(&self, of: Of) -> &Table {
        match of {
            Of::Address => &self.addresses,
            Of::Account | Of::KnownAddress => &self.accounts,
        }
    }

    fn key(&self, kind: u8, site: &str, whose: (&Option<String>, Option<[u8; 9]>)) -> u64 {
        // Zero is the key of no bucket.
        self.hasher.hash_one((kind, site, whose)).max(1)
    }
}

/// A bucket loses an attempt in so many milliseconds; `None`: there is no limit.
pub fn interval(window: Duration, most: u32) -> Option<u64> {
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    Some(millis.checked_div(u64::from(most))?.max(1))
}

/// Who counts as one address: of IPv6 the first 64 bits, which is what one customer has at the least.
fn network(address: IpAddr) -> [u8; 9] {
    let mut network = [0; 9];
    match address.to_canonical() {
        IpAddr::V4(address) => network[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => {
            network[0..8].copy_from_slice(&address.octets()[..8]);
            network[8] = 6;
        }
    }
    network
}

/// Spellings that some app takes for one account. A spelling too many costs a bucket in common, one too few a bucket of its
/// own. Django reads compatible letters as one (NFKC); WordPress drops tags, escapes, entities and accents, and most of
/// what is no letter.
fn folded(account: &str) -> String {
    let mut left = account;
    let mut kept = String::with_capacity(account.len());
    while let Some(letter) = left.chars().next() {
        let dropped = match letter {
            '<' => left.find('>'),
            '&' => left.find(';'),
            '%' => {
                let digits = left.as_bytes().get(1..3);
                let is_escape = digits.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
                is_escape.then_some(2)
            }
            _ => None,
        };
        if dropped.is_none() {
            kept.push(letter);
        }
        let end = dropped.map_or(letter.len_utf8(), |last| last + 1);
        left = left.get(end..).unwrap_or_default();
    }
    let letters = kept.nfkd().filter(|letter| letter.is_alphanumeric());
    let folded: String = letters.flat_map(char::to_lowercase).collect();
    if folded.is_empty() {
        return account.to_owned();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(1_800_000_000);
    const LIMITS: Limits = Limits {
        per_account: 3,
        per_address: 5,
        window: Duration::from_secs(90),
    };

    fn after(secs: u64) -> Time {
        START.plus(Duration::from_secs(secs))
    }

    fn who<'a>(address: &str, account: &'a str) -> Who<'a> {
        Who {
            site: "shop",
            address: address.parse().unwrap(),
            account: Some(account),
        }
    }

    fn full(of: Of, secs: u64, is_first: bool) -> Option<Full> {
        let wait = Duration::from_secs(secs);
        Some(Full { of, wait, is_first })
    }

    #[test]
    fn an_account_may_fail_so_often_and_then_at_an_even_pace() {
        let attempts = Attempts::with_sets(8);
        let try_at = |account, address, secs| {
            attempts
                .begin(who(address, account), &LIMITS, after(secs))
                .err()
        };
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
            assert_eq!(try_at("alice", address, 0), None);
        }
        assert_eq!(try_at("alice", "192.0.2.4", 0), full(Of::Account, 30, true));
        assert_eq!(
            try_at(" ALICE ", "192.0.2.4", 10),
            full(Of::Account, 20, false)
        );
        assert_eq!(try_at("bob", "192.0.2.4", 10), None, "somebody else");
        // However many are refused, the wait grows no longer.
        for _ in 0..1000 {
            assert_eq!(
                try_at("alice", "192.0.2.4", 29),
                full(Of::Account, 1, false)
            );
        }
        assert_eq!(try_at("alice", "192.0.2.4", 30), None);
        assert_eq!(
            try_at("alice", "192.0.2.4", 30),
            full(Of::Account, 30, true)
        );
        assert_eq!(
            try_at("alice", "192.0.2.4", 10_000),
            None,
            "nothing is kept"
        );
    }

    #[test]
    fn an_address_has_a_bucket_of_its_own_and_ipv6_by_the_64() {
        let attempts = Attempts::with_sets(8);
        let accounts = ["a", "b", "c", "d", "e", "f"];
        let all = |of: &str, from: usize| -> Vec<_> {
            let tries = accounts.iter().enumerate().map(|(nth, account)| {
                let account = format!("{account}{from}");
                let address = of.replace('#', &nth.to_string());
                attempts
                    .begin(who(&address, &account), &LIMITS, START)
                    .is_ok()
            });
            tries.collect()
        };
        assert_eq!(all("192.0.2.1", 1), [true, true, true, true, true, false]);
        assert_eq!(all("192.0.2.2#", 2), [true; 6], "other addresses");
        let one_64 = all("2001:db8:0:1:#::1", 3);
        assert_eq!(one_64, [true, true, true, true, true, false]);
        assert!(all("2001:db8:0:#::1", 4)[0]);
    }

    #[test]
    fn a_success_empties_the_account_and_pays_no_guess_of_the_address() {
        let attempts = Attempts::with_sets(8);
        let guess = |account: &str| attempts.begin(who("192.0.2.1", account), &LIMITS, START);
        for _ in 0..2 {
            guess("alice").unwrap();
        }
        attempts.succeeded(guess("alice").unwrap(), true, START);
        // Two guesses count against the address, and the login does not.
        for _ in 0..3 {
            guess("alice").unwrap();
        }
        let found = guess("bob").err().unwrap();
        assert_eq!(found.of, Of::Address);
        attempts.undone(
            attempts
                .begin(who("192.0.2.2", "bob"), &LIMITS, START)
                .unwrap(),
        );
    }

    #[test]
    fn somebody_elses_attempts_do_not_lock_out_who_was_here_before() {
        let attempts = Attempts::with_sets(8);
        let at_home = || attempts.begin(who("192.0.2.1", "alice"), &LIMITS, after(1));
        attempts.succeeded(at_home().unwrap(), true, START);
        for nth in 0..3 {
            let from = format!("198.51.100.{nth}");
            attempts
                .begin(who(&from, "alice"), &LIMITS, after(1))
                .unwrap();
        }
        let found = attempts.begin(who("198.51.100.9", "alice"), &LIMITS, after(1));
        assert_eq!(found.err().map(|full| full.of), Some(Of::Account));
        // Nor may they guess without end from there.
        for _ in 0..3 {
            at_home().unwrap();
        }
        assert_eq!(at_home().err().map(|full| full.of), Some(Of::KnownAddress));
    }

    #[test]
    fn made_up_accounts_cost_no_memory_and_do_not_push_out_the_one_under_attack() {
        let limits = Limits {
            per_address: 0,
            ..LIMITS
        };
        let attempts = Attempts::with_sets(16);
        for _ in 0..3 {
            attempts
                .begin(who("192.0.2.1", "alice"), &limits, START)
                .unwrap();
        }
        for nth in 0..10_000 {
            let account = format!("made-up-{nth}");
            attempts
                .begin(who("192.0.2.1", &account), &limits, START)
                .unwrap();
        }
        let found = attempts.begin(who("192.0.2.1", "alice"), &limits, START);
        assert!(found.is_err(), "it was forgotten");
    }

    #[test]
    fn whom_nobody_can_read_has_a_bucket_of_the_address() {
        let attempts = Attempts::with_sets(8);
        let odd = |address: &str| {
            let who = Who {
                account: None,
                ..who(address, "")
            };
            attempts.begin(who, &LIMITS, START).is_ok()
        };
        for _ in 0..3 {
            assert!(odd("192.0.2.1"));
        }
        assert!(!odd("192.0.2.1"));
        assert!(odd("192.0.2.4"), "nobody shuts others out");
        let read = attempts.begin(who("192.0.2.1", "alice"), &LIMITS, START);
        assert!(read.is_ok());
    }

    #[test]
    fn spellings_of_one_account_share_a_bucket() {
        for spelling in [
            " Mallory ",
            "mal<1>lory",
            "%ffmallory",
            "&a;mallory",
            "m\u{e1}llory",
            "ma\u{301}llory",
            "\u{24dc}\u{ff41}llory",
            "mal_lory",
        ] {
            assert_eq!(folded(spelling), "mallory", "{spelling}");
        }
        for other in ["mallory2", "50%mallory", "\u{738b}", "--"] {
            assert_ne!(folded(other), "mallory", "{other}");
        }
        assert_ne!(folded("\u{738b}"), folded("\u{674e}"));
        assert_ne!(folded("--"), folded("++"));
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let attempts = Attempts::with_sets(8);
        let limits = Limits {
            per_address: 0,
            ..LIMITS
        };
        for _ in 0..3 {
            attempts
                .begin(who("192.0.2.1", "alice"), &limits, after(86_400))
                .unwrap();
        }
        let found = attempts
            .begin(who("192.0.2.1", "alice"), &limits, START)
            .err();
        assert_eq!(found.map(|full| full.wait), Some(Duration::from_secs(30)));
        let later = attempts.begin(who("192.0.2.1", "alice"), &limits, after(30));
        assert!(later.is_ok());
    }

    #[test]
    fn no_limit_is_none() {
        let attempts = Attempts::with_sets(8);
        let limits = Limits {
            per_account: 0,
            per_address: 0,
            ..LIMITS
        };
        for _ in 0..100 {
            attempts
                .begin(who("192.0.2.1", "alice"), &limits, START)
                .unwrap();
        }
    }

    #[test]
    fn what_all_nodes_know_together_is_believed() {
        let attempts = Attempts::with_sets(8);
        let alice = who("192.0.2.1", "alice");
        let told = full(Of::Account, 20, true).unwrap();
        attempts.note_full(alice, &LIMITS, &told, START);
        let again = |secs| attempts.begin(alice, &LIMITS, after(secs)).err();
        assert_eq!(again(0), full(Of::Account, 20, true));
        assert_eq!(again(5), full(Of::Account, 15, false));
        attempts.note_room(alice, Of::Account);
        assert_eq!(again(5), None);

        assert!(!attempts.is_known(alice, START));
        attempts.note_known(alice, START);
        assert!(attempts.is_known(alice, START));
        assert!(!attempts.is_known(who("192.0.2.2", "alice"), START));
        let address = full(Of::Address, 4, true).unwrap();
        attempts.note_full(alice, &LIMITS, &address, after(5));
        assert_eq!(again(5), full(Of::Address, 4, true));
    }
}
