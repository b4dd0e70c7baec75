//! Codes of an authenticator app: TOTP (RFC 6238) with SHA-1, six digits and 30 seconds, the one kind that all apps know.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::{constant_time, digest, hmac};
use data_encoding::BASE32_NOPAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::base::clock::Time;
use crate::base::secret::{Secret, random_bytes};

/// How long one code is shown, in seconds.
const STEP_SECS: u64 = 30;
/// By how many steps a clock may be off, either way.
const DRIFT_STEPS: u64 = 1;
const DIGITS: usize = 6;
/// What new secrets have, as RFC 4226 asks (R6: 160 bits).
const SECRET_BYTES: usize = 20;
/// RFC 4226 R6: at least 128 bits.
const SECRET_BYTES_MIN: usize = 16;
const SECRET_BYTES_MAX: usize = 128;
/// Of how many users the last code is remembered. Each of them gave password and code within two minutes.
const REMEMBERED_MAX: usize = 1 << 16;

/// What a user's authenticator app knows too.
#[derive(Clone, Debug)]
pub struct TotpSecret(Secret<Vec<u8>>);

impl TotpSecret {
    /// A new one.
    pub fn make() -> Self {
        Self(Secret::new(random_bytes::<SECRET_BYTES>().to_vec()))
    }

    /// Reads it in base32, as apps show it: in any case of letters, with spaces and padding or without.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.chars().filter(|c| !matches!(c, ' ' | '=' | '-'));
        let plain = Zeroizing::new(plain.collect::<String>().to_ascii_uppercase());
        let bytes = BASE32_NOPAD.decode(plain.as_bytes()).ok()?;
        let is_fit = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len());
        is_fit.then(|| Self(Secret::new(bytes)))
    }

    /// In base32.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(self.0.expose()))
    }

    /// What an authenticator app takes it from, as a QR code or a link.
    pub fn url(&self, issuer: &str, user: &str) -> Zeroizing<String> {
        let escape = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let (issuer, user) = (escape(issuer), escape(user));
        let secret = self.to_text();
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{user}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECS}",
            *secret
        ))
    }

    /// The step that `code` is of, if it is right at `now`. All steps are tried, whichever it is.
    fn step_of(&self, code: &str, now: Time) -> Option<u64> {
        let current = now.as_secs() / STEP_SECS;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        let steps = current.saturating_sub(DRIFT_STEPS)..=current + DRIFT_STEPS;
        steps.fold(None, |found, step| {
            let right = code_at(&key, step);
            let is_it = constant_time::verify_slices_are_equal(right.as_bytes(), code.as_bytes());
            if is_it.is_ok() { Some(step) } else { found }
        })
    }

    /// Which code of this secret was typed, if it is right at `now`.
    pub fn spent(&self, typed: &str, now: Time) -> Option<SpentCode> {
        Some(SpentCode {
            secret: self.fingerprint(),
            step: self.step_of(&bare(typed), now)?,
        })
    }

    /// The code at `now`; what an app would show.
    pub fn code(&self, now: Time) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        code_at(&key, now.as_secs() / STEP_SECS)
    }

    /// A name for it that tells nothing.
    fn fingerprint(&self) -> [u8; 32] {
        let mut name = [0; 32];
        let sum = digest::digest(&digest::SHA256, self.0.expose());
        name.copy_from_slice(sum.as_ref());
        name
    }
}

/// A code as it was typed, without the spaces that some apps show.
fn bare(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_whitespace()).collect()
}

/// RFC 4226 5.3.
fn code_at(key: &hmac::Key, step: u64) -> String {
    let tag = hmac::sign(key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = tag.last().map_or(0, |byte| usize::from(byte & 0x0f));
    let four = tag.iter().skip(offset).take(4);
    let number = four.fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
    let modulus = 10_u32.pow(DIGITS as u32);
    format!("{:0width$}", number % modulus, width = DIGITS)
}

/// A code that was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpentCode {
    /// Whose: a name for the secret that tells nothing of it.
    pub secret: [u8; 32],
    /// Which one. With it, every earlier one is used up.
    pub step: u64,
}

impl SpentCode {
    /// When no clock takes it any more, be it minutes behind.
    pub const fn forgotten_at(&self) -> Time {
        Time::from_secs((self.step + DRIFT_STEPS + 1) * STEP_SECS + 300)
    }
}

/// What a code came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Right, and used now.
    Right,
    /// Not the one.
    Wrong,
    /// Right, but it was used before.
    Used,
}

/// The last codes that were used, so that none is used twice (RFC 6238 5.2). Of this node, for as long as it runs; what
/// other nodes used stands in the store, where there is one that they share.
#[derive(Debug, Default)]
pub struct UsedCodes {
    /// Last step by fingerprint of the secret. A lock of the standard library: nobody waits while holding it.
    last: Mutex<HashMap<[u8; 32], u64>>,
}

impl UsedCodes {
    /// Uses `code`, as it was typed, up.
    pub fn spend(&self, secret: &TotpSecret, code: &str, now: Time) -> Code {
        let Some(step) = secret.step_of(&bare(code), now) else {
            return Code::Wrong;
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED_MAX {
            // What is no longer accepted by itself need not be remembered.
            let oldest = (now.as_secs() / STEP_SECS).saturating_sub(DRIFT_STEPS);
            last.retain(|_, step| *step >= oldest);
        }
        let name = secret.fingerprint();
        match last.get(&name) {
            Some(used) if *used >= step => return Code::Used,
            None if last.len() >= REMEMBERED_MAX => return Code::Used,
            _ => {}
        }
        last.insert(name, step);
        Code::Right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = TotpSecret(Secret::new(b"12345678901234567890".to_vec()));
        for (secs, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code(Time::from_secs(secs)), code, "{secs}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_one_step_early_or_late() {
        let secret = TotpSecret::make();
        let at = |secs: u64| Time::from_secs(600_000_000 + secs);
        let code = secret.code(at(0));
        for (now, expected) in [(0, Code::Right), (59, Code::Right), (60, Code::Wrong)] {
            let used = UsedCodes::default();
            assert_eq!(used.spend(&secret, &code, at(now)), expected, "{now}");
        }
        let used = UsedCodes::default();
        let early = secret.code(at(30));
        assert_eq!(used.spend(&secret, &early, at(0)), Code::Right);
        assert_eq!(used.spend(&secret, &early, at(31)), Code::Used);
        // An older one than the last is used up with it.
        assert_eq!(used.spend(&secret, &code, at(31)), Code::Used);
        let spaced = secret.code(at(60));
        let spaced = format!(" {} {}", &spaced[..3], &spaced[3..]);
        assert_eq!(used.spend(&secret, &spaced, at(60)), Code::Right);
        for odd in ["", "0", "0000000", "abcdef", "１２３４５６"] {
            assert_eq!(used.spend(&secret, odd, at(90)), Code::Wrong, "{odd}");
        }
        let other = TotpSecret::make();
        assert_eq!(used.spend(&other, &other.code(at(60)), at(60)), Code::Right);
    }

    #[test]
    fn secrets_are_read_as_apps_show_them() {
        let secret = TotpSecret::parse("gezd gnbv gy3t qojq gezd gnbv gy3t qojq").unwrap();
        assert_eq!(secret.code(Time::from_secs(59)), "287082");
        assert_eq!(*secret.to_text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for odd in ["", "GEZDGNBV", "GEZDGNBVGY3TQOJ1GEZDGNBVGY3TQOJ1"] {
            assert!(TotpSecret::parse(odd).is_none(), "{odd}");
        }
        let url = secret.url("shop.test", "al ice");
        assert_eq!(
            *url,
            "otpauth://totp/shop%2Etest:al%20ice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=shop%2Etest&algorithm=SHA1&digits=6&period=30"
        );
        assert!(!format!("{secret:?}").contains("GEZD"));
    }
}
