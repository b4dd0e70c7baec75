//! Which member a request goes to.

use std::sync::atomic::Ordering::Relaxed;

use smallvec::SmallVec;

use super::report::Standing;
use super::{Member, Upstreams};
use crate::base::clock::Time;
use crate::session::Home;

/// Multiples of the golden ratio, less whole numbers, lie as evenly as any sequence can (here in 32 bits).
const GOLDEN: u32 = 0x9e37_79b9;

/// A member that may be asked.
#[derive(Clone, Copy)]
struct Able {
    at: usize,
    weight: f64,
    /// Out of service, and it is time to see whether it is back.
    is_due: bool,
}

type Ables = SmallVec<[Able; 8]>;

impl Upstreams {
    /// The place of the member that gets a request, none of `tried`.
    pub(super) fn pick(&self, tried: u64, home: Option<&Home>, now: Time) -> Option<usize> {
        let home = home.filter(|_| self.settings.sticky);
        self.in_service(false, tried, home, now)
            .or_else(|| self.in_service(true, tried, home, now))
            .or_else(|| self.last_resort(tried, home, now))
    }

    fn in_service(
        &self,
        backup: bool,
        tried: u64,
        home: Option<&Home>,
        now: Time,
    ) -> Option<usize> {
        let able = |(at, member): (usize, &Member)| {
            let is_due = match member.state.standing() {
                Standing::Up => false,
                Standing::Out if member.state.is_due(now) => true,
                Standing::Out | Standing::Down => return None,
            };
            let share = member.state.share(self.settings.slow_start, now);
            let weight = member.weight * share;
            Some(Able { at, weight, is_due })
        };
        let members = self.untried(tried, home);
        let members = members.filter(|(_, member)| member.backup == backup);
        let mut able: Ables = members.filter_map(able).collect();
        while let Some(chosen) = self.choose(&able, home) {
            let takes = |member: &Member| member.state.takes_trial(&self.settings, now, false);
            if !chosen.is_due || self.members.get(chosen.at).is_some_and(takes) {
                return Some(chosen.at);
            }
            able.retain(|one| one.at != chosen.at);
        }
        None
    }

    /// One of `able`: the session's own, or else one that is due, or else the one with the least to do.
    fn choose(&self, able: &Ables, home: Option<&Home>) -> Option<Able> {
        match home {
            Some(home) => self.at_home(able, home),
            None => {
                let due = able.iter().find(|one| one.is_due).copied();
                due.or_else(|| self.least_busy(able))
            }
        }
    }

    /// With no member in service: one that takes connections all the same, or a single request to see whether one that
    /// does not is back.
    fn last_resort(&self, tried: u64, home: Option<&Home>, now: Time) -> Option<usize> {
        let out = || {
            let members = self.untried(tried, home);
            members.filter(|(_, member)| member.state.standing() == Standing::Out)
        };
        let reachable = out().filter(|(_, member)| member.state.is_reachable());
        let reachable: Ables = reachable
            .map(|(at, member)| Able {
                at,
                weight: member.weight,
                is_due: false,
            })
            .collect();
        if let Some(chosen) = self.choose(&reachable, home) {
            return Some(chosen.at);
        }
        let mut gone: SmallVec<[_; 8]> = out().collect();
        let turn = usize::try_from(self.turn.fetch_add(1, Relaxed)).unwrap_or(0);
        let turns = turn.checked_rem(gone.len()).unwrap_or(0);
        gone.rotate_left(turns);
        let takes = |member: &Member| member.state.takes_trial(&self.settings, now, true);
        gone.into_iter()
            .find(|(_, member)| takes(member))
            .map(|(at, _)| at)
    }

    /// Those that were not tried and are not drained. A member that is drained keeps the sessions that began before.
    fn untried<'a>(
        &'a self,
        tried: u64,
        home: Option<&'a Home>,
    ) -> impl Iterator<Item = (usize, &'a Member)> {
        let members = self.members.iter().enumerate();
        members.filter(move |(at, member)| {
            let is_open = match member.state.drained_since() {
                None => true,
                Some(drained) => home.is_some_and(|home| home.since < drained),
            };
            is_open && tried & (1 << at) == 0
        })
    }

    /// The fewest requests for its weight. Equals take turns, each as often as its weight says.
    fn least_busy(&self, able: &Ables) -> Option<Able> {
        let mut best = Ables::new();
        let mut least = f64::INFINITY;
        for one in able {
            let Some(member) = self.members.get(one.at) else {
                continue;
            };
            let load = member.state.in_flight() as f64 / one.weight;
            if load < least {
                best.clear();
                least = load;
            }
            if load <= least {
                best.push(*one);
            }
        }
        if best.len() < 2 {
            return best.first().copied();
        }
        let turn = self.turn.fetch_add(1, Relaxed).wrapping_mul(GOLDEN);
        let whole: f64 = best.iter().map(|one| one.weight).sum();
        let mut left = f64::from(turn) / (f64::from(u32::MAX) + 1.0) * whole;
        let found = best.iter().find(|one| {
            left -= one.weight;
            left < 0.0
        });
        found.or(best.last()).copied()
    }

    /// The member that the session's key is nearest to (rendezvous hashing): when one goes its sessions alone move, and
    /// each goes back when it comes back. A member draws as many sessions as its weight says.
    fn at_home(&self, able: &Ables, home: &Home) -> Option<Able> {
        let distance = |one: &Able| {
            let name = self.members.get(one.at).map_or("", |member| &*member.name);
            // In (0, 1]: the nearest of many uniform draws, each made as much nearer as its weight says.
            let draw = ((mix(home.key, name) >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
            -draw.ln() / one.weight
        };
        let nearest = able
            .iter()
            .map(|one| (distance(one), one))
            .min_by(|(a, _), (b, _)| a.total_cmp(b));
        nearest.map(|(_, one)| *one)
    }
}

/// A number that looks random, from a key that is and a name: FNV-1a, then the finish of SplitMix64. The same in every
/// process and version, so that all nodes and restarts agree.
fn mix(key: u64, name: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let bytes = key.to_le_bytes().into_iter().chain(name.bytes());
    let hash = bytes.fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
