//! A login page of ours: who is it that has typed this?
//!
//! ```text
//! users     who may log in
//! password  hashes of passwords, and what they cost
//! hashing   the few threads that compare them
//! totp      codes of authenticator apps, each good once
//! back      where a visitor goes on afterwards
//! ```

pub mod users;

pub mod password;

pub mod hashing;

pub mod totp;

use std::sync::Arc;

use serde::Deserialize;

use self::hashing::{Busy, Hashing};
use self::totp::{Code, SpentCode, TotpSecret, UsedCodes};
use self::users::{Account, Users};
use super::attempts::Limits;
use crate::base::clock::Time;
use crate::base::secret::Secret;

/// Whether users prove themselves by a code of their authenticator app too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecondFactor {
    /// Nobody does.
    #[default]
    Off,
    /// Whoever has one.
    Optional,
    /// Everybody: who has none does not get in.
    Required,
}

/// `[site.login]` with `method = "form"`, ready.
#[derive(Debug)]
pub struct FormLogin {
    /// Who may log in.
    pub users: Users,
    /// Whether a code is asked for.
    pub second_factor: SecondFactor,
    /// Whether data and jar of an anonymous session go along into the login.
    pub carry: bool,
    /// How many logins may fail.
    pub limits: Limits,
}

/// What somebody typed.
pub struct Typed {
    /// Who they say they are.
    pub user: String,
    /// Their password.
    pub password: Secret<String>,
    /// The code of their authenticator app; empty: none.
    pub code: Secret<String>,
}

/// Why somebody is not let in. The visitor is told none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There is no such user.
    UnknownUser,
    /// The password is another.
    WrongPassword,
    /// The user may not log in.
    Disabled,
    /// A code is needed, and the user has nothing that makes one.
    NoSecondFactor,
    /// The code is another, or none came.
    WrongCode,
    /// The code was used before.
    UsedCode,
}

impl Denied {
    /// The word for it in logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown-user",
            Self::WrongPassword => "wrong-password",
            Self::Disabled => "disabled",
            Self::NoSecondFactor => "no-second-factor",
            Self::WrongCode => "wrong-code",
            Self::UsedCode => "used-code",
        }
    }
}

/// What all logins of this process share.
#[derive(Debug, Default)]
pub struct Desk {
    /// Where passwords are checked.
    pub hashing: Hashing,
    /// Which codes were used.
    pub used: UsedCodes,
}

impl FormLogin {
    /// Who it is. The password is compared in any case, and before all else, so that the answer to an unknown or disabled
    /// user takes as long as that to a wrong password.
    ///
    /// # Errors
    /// When too many log in at one time.
    pub async fn check(
        &self,
        typed: Typed,
        desk: &Desk,
        now: Time,
    ) -> Result<Result<&Account, Denied>, Busy> {
        let account = self.users.find(&typed.user);
        if typed.password.expose().len() > password::BYTES_MAX {
            return Ok(Err(
                account.map_or(Denied::UnknownUser, |_| Denied::WrongPassword)
            ));
        }
        let hash = self.users.hash_of(account);
        let is_right = desk
            .hashing
            .is_of(Arc::clone(&hash), typed.password)
            .await?;
        let Some(account) = account else {
            return Ok(Err(Denied::UnknownUser));
        };
        if !is_right {
            return Ok(Err(Denied::WrongPassword));
        }
        if account.disabled {
            return Ok(Err(Denied::Disabled));
        }
        let second = self.check_code(account.totp.as_ref(), typed.code.expose(), &desk.used, now);
        Ok(second.map(|()| account))
    }

    /// The code that let `account` in, if one was asked for.
    pub fn spent(&self, account: &Account, code: &str, now: Time) -> Option<SpentCode> {
        let secret = account.totp.as_ref();
        let secret = secret.filter(|_| self.second_factor != SecondFactor::Off)?;
        secret.spent(code, now)
    }

    fn check_code(
        &self,
        secret: Option<&TotpSecret>,
        code: &str,
        used: &UsedCodes,
        now: Time,
    ) -> Result<(), Denied> {
        let secret = match (self.second_factor, secret) {
            (SecondFactor::Off, _) | (SecondFactor::Optional, None) => return Ok(()),
            (SecondFactor::Required, None) => return Err(Denied::NoSecondFactor),
            (SecondFactor::Optional | SecondFactor::Required, Some(secret)) => secret,
        };
        match used.spend(secret, code, now) {
            Code::Right => Ok(()),
            Code::Wrong => Err(Denied::WrongCode),
            Code::Used => Err(Denied::UsedCode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::password::{Cost, PasswordHash, hash};
    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };
    const NOW: Time = Time::from_secs(1_000_000_000);

    fn account(id: &str, totp: Option<&TotpSecret>, disabled: bool) -> Account {
        let text = hash("correct horse", CHEAP).unwrap();
        Account {
            id: id.to_owned(),
            password: Arc::new(PasswordHash::parse(&text).unwrap()),
            name: None,
            email: None,
            groups: Vec::new(),
            totp: totp.cloned(),
            disabled,
        }
    }

    async fn verdict(login: &FormLogin, desk: &Desk, row: (&str, &str, &str)) -> Option<Denied> {
        let (user, password, code) = row;
        let typed = Typed {
            user: user.to_owned(),
            password: Secret::new(password.to_owned()),
            code: Secret::new(code.to_owned()),
        };
        let found = login.check(typed, desk, NOW).await.unwrap();
        assert!(found.as_ref().is_ok_and(|account| account.id == user) || found.is_err());
        found.err()
    }

    #[tokio::test]
    async fn who_may_log_in_depends_on_password_standing_and_code() {
        let secret = TotpSecret::make();
        let right = secret.code(NOW);
        let wrong = if right == "000000" {
            "000001"
        } else {
            "000000"
        };
        let login = |second_factor| FormLogin {
            users: Users::new(
                vec![
                    account("alice", None, false),
                    account("bob", Some(&secret), false),
                    account("carl", None, true),
                ],
                CHEAP,
            ),
            second_factor,
            carry: false,
            limits: Limits::default(),
        };
        let desk = Desk::default;
        use SecondFactor::{Off, Optional, Required};
        let pw = "correct horse";
        let long = "x".repeat(password::BYTES_MAX + 1);
        let rows = [
            (Off, ("alice", pw, ""), None),
            (
                Off,
                ("alice", "Correct horse", ""),
                Some(Denied::WrongPassword),
            ),
            (Off, ("alice", &long, ""), Some(Denied::WrongPassword)),
            (Off, ("Alice", pw, ""), Some(Denied::UnknownUser)),
            (Off, ("carl", pw, ""), Some(Denied::Disabled)),
            (Off, ("carl", "x", ""), Some(Denied::WrongPassword)),
            (Off, ("bob", pw, ""), None),
            (Optional, ("alice", pw, ""), None),
            (Optional, ("bob", pw, ""), Some(Denied::WrongCode)),
            (Optional, ("bob", pw, wrong), Some(Denied::WrongCode)),
            (Optional, ("bob", "x", &right), Some(Denied::WrongPassword)),
            (Optional, ("bob", pw, &right), None),
            (Required, ("alice", pw, ""), Some(Denied::NoSecondFactor)),
            (Required, ("bob", pw, &right), None),
        ];
        for (second_factor, typed, expected) in rows {
            let found = verdict(&login(second_factor), &desk(), typed).await;
            assert_eq!(found, expected, "{second_factor:?} {typed:?}");
        }
        let (login, desk) = (login(Required), desk());
        // A code is not used up by somebody who does not know the password.
        let found = verdict(&login, &desk, ("bob", "x", &right)).await;
        assert_eq!(found, Some(Denied::WrongPassword));
        assert_eq!(verdict(&login, &desk, ("bob", pw, &right)).await, None);
        let found = verdict(&login, &desk, ("bob", pw, &right)).await;
        assert_eq!(found, Some(Denied::UsedCode));
    }
}
