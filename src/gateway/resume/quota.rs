//! How many forms are kept: so many for each network and so many in all, so that a flood of forms leaves room for others
//! and the store as it was. Each node counts for itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Time;

/// For so long a count stands: as long as a form is kept.
const WINDOW: Duration = super::KEPT_FOR;
/// So many of one network, in each window.
const PER_NETWORK_MAX: u32 = 20;
/// So many in all: with the largest forms 16 MiB.
const ALL_MAX: u32 = 1024;

/// How many were kept lately.
#[derive(Default)]
pub struct Quota {
    /// A `std` mutex, because it is held to look at one count and never across a wait.
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    since: Time,
    all: u32,
    /// No more of them than `all`.
    networks: HashMap<IpAddr, u32>,
}

impl Quota {
    /// Takes a place for a form from `address`. False: there is none.
    pub fn take(&self, address: IpAddr, now: Time) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(counts.since) >= WINDOW || now < counts.since {
            *counts = Counts {
                since: now,
                ..Counts::default()
            };
        }
        if counts.all >= ALL_MAX {
            return false;
        }
        let of_network = counts.networks.entry(network(address)).or_default();
        if *of_network >= PER_NETWORK_MAX {
            return false;
        }
        *of_network += 1;
        counts.all += 1;
        true
    }
}

/// A visitor has a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_for_each_and_so_many_in_all() {
        let quota = Quota::default();
        let now = Time::from_secs(10_000);
        let take = |address: &str, now| quota.take(address.parse().unwrap(), now);
        for nth in 0..PER_NETWORK_MAX {
            assert!(take(&format!("2001:db8::{nth}"), now));
        }
        assert!(!take("2001:db8::ffff", now));
        assert!(take("2001:db8:0:1::", now) && take("::ffff:192.0.2.1", now));
        for nth in 1..PER_NETWORK_MAX {
            assert!(take("192.0.2.1", now), "{nth}");
        }
        assert!(!take("192.0.2.1", now));
        for nth in 0..ALL_MAX {
            let [high, low] = [nth / 250, nth % 250];
            take(&format!("10.0.{high}.{low}"), now);
        }
        assert!(!take("10.9.9.9", now), "in all");
        let later = now.plus(WINDOW);
        assert!(take("10.9.9.9", later) && take("192.0.2.1", later));
        assert!(take("10.9.9.9", now), "the clock went back");
    }
}
