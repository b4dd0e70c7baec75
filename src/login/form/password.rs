//! Hashes of passwords: argon2id in PHC strings, as every other tool writes them.
//!
//! A password is compared as it was received: neither trimmed nor folded nor cut. Making and checking a hash takes tens of
//! milliseconds of a core; whoever serves sockets leaves that to the [`hashing`](super::hashing) pool.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time;
use data_encoding::BASE64_NOPAD;
use zeroize::Zeroizing;

use crate::base::secret::{Secret, random_bytes};

/// The shortest password that is taken, in characters (NIST SP 800-63B-4, 3.1.1.2).
pub const CHARS_MIN: usize = 8;
/// The longest, in bytes.
pub const BYTES_MAX: usize = 1024;

const PREFIX: &str = "$argon2id$v=19$";
const SALT_BYTES: usize = 16;
const SUM_BYTES: usize = 32;

/// What one hash costs. The default is OWASP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes; more only make a hash dearer here, they are worked through one by one.
    pub lanes: u32,
}

impl Cost {
    /// OWASP's choice for argon2id: 19 MiB, two passes, one lane.
    pub const DEFAULT: Self = Self {
        memory_kib: 19 << 10,
        passes: 2,
        lanes: 1,
    };
    /// The most memory that a login may take, in KiB. Each thread of the pool needs it.
    pub const MEMORY_KIB_MAX: u32 = 256 << 10;
    /// The most passes.
    pub const PASSES_MAX: u32 = 16;
    /// The most lanes.
    pub const LANES_MAX: u32 = 16;

    /// Whether argon2 can work so, within the limits.
    pub fn is_sound(&self) -> bool {
        (1..=Self::LANES_MAX).contains(&self.lanes)
            && (1..=Self::PASSES_MAX).contains(&self.passes)
            && (8 * self.lanes..=Self::MEMORY_KIB_MAX).contains(&self.memory_kib)
    }

    /// The hash of `password` at `salt`, or nothing if argon2 does not work so.
    fn sum(&self, password: &[u8], salt: &[u8], bytes: usize) -> Option<Zeroizing<Vec<u8>>> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(bytes)).ok()?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut sum = Zeroizing::new(vec![0; bytes]);
        argon.hash_password_into(password, salt, &mut sum).ok()?;
        Some(sum)
    }
}

/// Why a text is no hash that is verified here. Nothing of it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    /// It is something else.
    #[error("is no argon2id hash such as \"{PREFIX}m=19456,t=2,p=1$SALT$HASH\"")]
    Shape,
    /// It would cost too much.
    #[error(
        "costs too much to verify: at most m={} (KiB), t={} and p={} are taken",
        Cost::MEMORY_KIB_MAX,
        Cost::PASSES_MAX,
        Cost::LANES_MAX
    )]
    Cost,
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Too few characters.
    #[error("the password is too short: take at least {CHARS_MIN} characters")]
    Short,
    /// Too many bytes.
    #[error("the password is too long: at most {BYTES_MAX} bytes are taken")]
    Long,
}

/// Whether somebody may choose `password`.
///
/// # Errors
/// Why not.
pub fn acceptable(password: &str) -> Result<(), PasswordFault> {
    if password.len() > BYTES_MAX {
        return Err(PasswordFault::Long);
    }
    if password.chars().count() < CHARS_MIN {
        return Err(PasswordFault::Short);
    }
    Ok(())
}

/// A hash that a password is compared with.
#[derive(Clone, Debug)]
pub struct PasswordHash {
    cost: Cost,
    salt: Vec<u8>,
    sum: Secret<Vec<u8>>,
}

impl PasswordHash {
    /// Reads a PHC string. Its own cost counts, within the limits, so that hashes from before a change stay good.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, HashFault> {
        let rest = text.strip_prefix(PREFIX).ok_or(HashFault::Shape)?;
        let mut parts = rest.split('$');
        let (Some(cost), Some(salt), Some(sum), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(HashFault::Shape);
        };
        let cost = read_cost(cost).ok_or(HashFault::Shape)?;
        let decode = |text: &str| BASE64_NOPAD.decode(text.as_bytes());
        let salt = decode(salt).map_err(|_| HashFault::Shape)?;
        let sum = decode(sum).map_err(|_| HashFault::Shape)?;
        if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&sum.len()) {
            return Err(HashFault::Shape);
        }
        if !cost.is_sound() {
            return Err(HashFault::Cost);
        }
        let sum = Secret::new(sum);
        Ok(Self { cost, salt, sum })
    }

    /// A hash that no password has, and that costs as much as any other: for users whom nobody knows.
    pub fn of_nobody(cost: Cost) -> Self {
        Self {
            cost,
            salt: random_bytes::<SALT_BYTES>().to_vec(),
            sum: Secret::new(random_bytes::<SUM_BYTES>().to_vec()),
        }
    }

    /// What it costs.
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether `password` is the one. Takes as long whether it is or not.
    pub fn is_of(&self, password: &[u8]) -> bool {
        let expected = self.sum.expose();
        let found = self.cost.sum(password, &self.salt, expected.len());
        found.is_some_and(|found| constant_time::verify_slices_are_equal(&found, expected).is_ok())
    }
}

fn read_cost(text: &str) -> Option<Cost> {
    let mut parts = text.split(',');
    let mut number = |name: &str| {
        let digits = parts.next()?.strip_prefix(name)?.strip_prefix('=')?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| digits.parse().ok()).flatten()
    };
    let cost = Cost {
        memory_kib: number("m")?,
        passes: number("t")?,
        lanes: number("p")?,
    };
    parts.next().is_none().then_some(cost)
}

/// The PHC string of a new hash of `password`, with a salt of its own. `None` if `cost` is none that argon2 works with.
pub fn hash(password: &str, cost: Cost) -> Option<String> {
    let salt = random_bytes::<SALT_BYTES>();
    let sum = cost.sum(password.as_bytes(), &salt, SUM_BYTES)?;
    let Cost {
        memory_kib,
        passes,
        lanes,
    } = cost;
    let (salt, sum) = (BASE64_NOPAD.encode(&salt), BASE64_NOPAD.encode(&sum));
    Some(format!(
        "{PREFIX}m={memory_kib},t={passes},p={lanes}${salt}${sum}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    #[test]
    fn a_password_is_compared_as_it_was_received() {
        let text = hash("corréct horse", CHEAP).unwrap();
        let hash = PasswordHash::parse(&text).unwrap();
        assert!(hash.is_of("corréct horse".as_bytes()));
        for other in [
            "corréct horse ",
            " corréct horse",
            "Corréct horse",
            "correct horse",
            "",
        ] {
            assert!(!hash.is_of(other.as_bytes()), "{other:?}");
        }
        let long = "x".repeat(BYTES_MAX);
        let text = super::hash(&long, CHEAP).unwrap();
        let hash = PasswordHash::parse(&text).unwrap();
        assert!(hash.is_of(long.as_bytes()));
        assert!(!hash.is_of(&long.as_bytes()[1..]));
        assert!(!PasswordHash::of_nobody(CHEAP).is_of(b""));
    }

    /// The reference implementation's own test vector (`src/test.c` of phc-winner-argon2), so that hashes of other tools
    /// verify here.
    #[test]
    fn hashes_of_other_tools_verify() {
        let text =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hash = PasswordHash::parse(text).unwrap();
        assert!(hash.is_of(b"password"));
        let two_lanes =
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
        assert!(PasswordHash::parse(two_lanes).unwrap().is_of(b"password"));
    }

    #[test]
    fn what_is_no_hash_or_costs_too_much_is_refused() {
        let with = |cost: &str| {
            format!("{PREFIX}{cost}$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
        };
        for cost in [
            "m=262145,t=2,p=1",
            "m=4294967295,t=2,p=1",
            "m=19456,t=17,p=1",
            "m=19456,t=2,p=17",
            "m=7,t=2,p=1",
            "m=19456,t=0,p=1",
            "m=19456,t=2,p=0",
        ] {
            let found = PasswordHash::parse(&with(cost)).err();
            assert_eq!(found, Some(HashFault::Cost), "{cost}");
        }
        let other = with("m=256,t=2,p=1").replace("argon2id", "argon2i");
        let odd = [
            other.as_str(),
            "",
            "hunter2!",
            "$2y$10$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=256,t=2,p=1$$",
            "$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=+256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ];
        for text in odd {
            assert_eq!(
                PasswordHash::parse(text).err(),
                Some(HashFault::Shape),
                "{text}"
            );
        }
    }

    #[test]
    fn a_password_has_a_shortest_and_a_longest() {
        for (password, expected) in [
            ("1234567".to_owned(), Err(PasswordFault::Short)),
            ("ééééééé".to_owned(), Err(PasswordFault::Short)),
            ("12345678".to_owned(), Ok(())),
            ("x".repeat(1024), Ok(())),
            ("x".repeat(1025), Err(PasswordFault::Long)),
        ] {
            assert_eq!(acceptable(&password), expected, "{password}");
        }
    }
}
