//! How many sessions without a user an address may have stored in an hour (`session.max_new_per_ip`).
//!
//! A bot that throws its tickets away would otherwise leave a record behind with every page that sets a cookie. What is
//! counted here costs a fixed amount of memory: when it is full, the address whose hour began first is forgotten.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::vec_deque::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Time;

/// More than any limit.
const NO_LIMIT: u64 = u64::MAX;

/// For so long places are counted together, from an address's first one on.
const WINDOW: Duration = Duration::from_secs(3600);

/// So many that cores seldom wait for each other.
const SHARDS: usize = 64;

/// The most addresses that one shard remembers; together 65,536, which are about five MiB.
const SHARD_ADDRESSES_MAX: usize = 1024;

/// The places of each address.
pub struct Newcomers {
    /// Replaced when the configuration is; what was counted stays.
    most: AtomicU64,
    hasher: RandomState,
    /// A lock guards its addresses. It is of std: it is held for a look-up and never across an await.
    shards: Vec<Mutex<Shard>>,
}

/// A place that was taken. It goes back with [`Newcomers::give_back`] when no session began after all; it is never
/// given back by being dropped, because a commit that nobody waits for any more may still be done.
#[derive(Debug, PartialEq, Eq)]
pub struct Place(Option<Taken>);

#[derive(Debug, PartialEq, Eq)]
struct Taken {
    network: Network,
    since: Time,
}

/// There is no place left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Whether it is the first time that this is said to the address in its hour.
    pub is_first: bool,
}

/// Who counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 4]),
    /// The first 64 bits: what one customer has of IPv6, at the least.
    V6([u8; 8]),
}

#[derive(Default)]
struct Shard {
    windows: HashMap<Network, Window>,
    /// Each address of `windows` once, the one whose window began first in front.
    order: VecDeque<Network>,
}

struct Window {
    since: Time,
    taken: u32,
    was_full: bool,
}

impl Newcomers {
    /// Gives each address `most` places an hour.
    pub fn new(most: Option<u32>) -> Self {
        Self {
            most: AtomicU64::new(most.map_or(NO_LIMIT, u64::from)),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// From now on gives each address `most` places an hour.
    pub fn limit(&self, most: Option<u32>) {
        let most = most.map_or(NO_LIMIT, u64::from);
        self.most.store(most, Ordering::Relaxed);
    }

    /// Takes a place for a session that is about to begin.
    ///
    /// # Errors
    /// When the address has had all of them.
    pub fn take(&self, address: IpAddr, now: Time) -> Result<Place, Full> {
        let most = self.most.load(Ordering::Relaxed);
        if most == NO_LIMIT {
            return Ok(Place(None));
        }
        let network = Network::of(address);
        let mut shard = self
            .shard(network)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let window = shard.window(network, now);
        if u64::from(window.taken) >= most {
            let is_first = !std::mem::replace(&mut window.was_full, true);
            return Err(Full { is_first });
        }
        window.taken += 1;
        let since = window.since;
        Ok(Place(Some(Taken { network, since })))
    }

    /// Takes a place back that was not needed.
    pub fn give_back(&self, place: Place) {
        let Place(Some(Taken { network, since })) = place else {
            return;
        };
        let mut shard = self
            .shard(network)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A window that has begun anew, or was forgotten, knows nothing of it.
        if let Some(window) = shard.windows.get_mut(&network)
            && window.since == since
        {
            window.taken = window.taken.saturating_sub(1);
        }
    }

    fn shard(&self, network: Network) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(network);
        // Less than SHARDS, which fits.
        &self.shards[(hash % SHARDS as u64) as usize]
    }
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

impl Shard {
    /// The window of `network`; a new one if it has none, or one that is over.
    fn window(&mut self, network: Network, now: Time) -> &mut Window {
        self.make_room(now);
        let order = &mut self.order;
        match self.windows.entry(network) {
            Entry::Occupied(entry) => {
                let window = entry.into_mut();
                // The clocks of two cores differ a little, so one that is over may still stand behind one that is not.
                if window.is_over(now) {
                    *window = Window::beginning(now);
                }
                window
            }
            Entry::Vacant(entry) => {
                order.push_back(network);
                entry.insert(Window::beginning(now))
            }
        }
    }

    /// Forgets the windows that are over, and the oldest one if there is no room for another.
    fn make_room(&mut self, now: Time) {
        while let Some(oldest) = self.order.front() {
            let is_over = self
                .windows
                .get(oldest)
                .is_none_or(|window| window.is_over(now));
            if !is_over && self.windows.len() < SHARD_ADDRESSES_MAX {
                return;
            }
            self.windows.remove(oldest);
            self.order.pop_front();
        }
    }
}

impl Window {
    const fn beginning(now: Time) -> Self {
        Self {
            since: now,
            taken: 0,
            was_full: false,
        }
    }

    fn is_over(&self, now: Time) -> bool {
        now.since(self.since) >= WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(1_800_000_000);
    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn after(secs: u64) -> Time {
        START.plus(Duration::from_secs(secs))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_places_an_hour() {
        let newcomers = Newcomers::new(Some(2));
        for now in [after(0), after(1)] {
            assert!(newcomers.take(ONE, now).is_ok());
        }
        let said: Vec<_> = (0..3)
            .map(|_| newcomers.take(ONE, after(3599)).unwrap_err().is_first)
            .collect();
        assert_eq!(said, [true, false, false], "it is said once");
        assert!(newcomers.take(address("192.0.2.2"), after(3599)).is_ok());
        for now in [after(3600), after(7199)] {
            assert!(newcomers.take(ONE, now).is_ok(), "the next hour");
        }
        assert_eq!(
            newcomers.take(ONE, after(7199)),
            Err(Full { is_first: true })
        );
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let newcomers = Newcomers::new(None);
        for _ in 0..10_000 {
            let place = newcomers.take(ONE, START).unwrap();
            newcomers.give_back(place);
        }
        assert!(
            newcomers
                .shards
                .iter()
                .all(|shard| shard.lock().unwrap().windows.is_empty())
        );
    }

    #[test]
    fn a_place_that_was_not_needed_is_free_again_in_its_hour_alone() {
        let newcomers = Newcomers::new(Some(1));
        let place = newcomers.take(ONE, START).unwrap();
        newcomers.give_back(place);
        let late = newcomers.take(ONE, START).unwrap();
        assert!(newcomers.take(ONE, START).is_err());
        assert!(newcomers.take(ONE, after(3600)).is_ok());
        newcomers.give_back(late);
        assert!(
            newcomers.take(ONE, after(3600)).is_err(),
            "a place of the hour before"
        );
    }

    #[test]
    fn who_counts_as_one() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::1", "0.0.0.1", false),
        ] {
            let newcomers = Newcomers::new(Some(1));
            newcomers.take(address(one), START).unwrap();
            let found = newcomers.take(address(other), START).is_err();
            assert_eq!(found, same, "{one} {other}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_hour_goes_first() {
        let newcomers = Newcomers::new(Some(1));
        newcomers.take(ONE, START).unwrap();
        for n in 0..200_000_u32 {
            let flood = IpAddr::V4((0x0a00_0000 + n).into());
            newcomers
                .take(flood, after(1 + u64::from(n) / 1000))
                .unwrap();
        }
        for shard in &newcomers.shards {
            let shard = shard.lock().unwrap();
            assert!(shard.windows.len() <= SHARD_ADDRESSES_MAX);
            assert_eq!(shard.windows.len(), shard.order.len());
        }
        assert!(newcomers.take(ONE, after(300)).is_ok(), "it was forgotten");
        let last = IpAddr::V4((0x0a00_0000 + 199_999_u32).into());
        assert!(newcomers.take(last, after(300)).is_err(), "it was not");
    }

    #[test]
    fn a_clock_that_lags_behind_breaks_nothing() {
        let newcomers = Newcomers::new(Some(1));
        newcomers.take(ONE, after(10)).unwrap();
        assert!(newcomers.take(ONE, START).is_err());
        assert!(newcomers.take(ONE, after(3609)).is_err());
        assert!(newcomers.take(ONE, after(3610)).is_ok());
    }
}
