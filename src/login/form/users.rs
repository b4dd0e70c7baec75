//! The users of a site whose login is ours.

use std::collections::HashMap;
use std::sync::Arc;

use super::password::{Cost, PasswordHash};
use super::totp::TotpSecret;

/// The longest ID of a user, in bytes.
pub const ID_BYTES_MAX: usize = 256;

/// Somebody who may log in.
#[derive(Clone, Debug)]
pub struct Account {
    /// Under which name, byte for byte.
    pub id: String,
    /// With which password.
    pub password: Arc<PasswordHash>,
    /// What they are called.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// What they belong to.
    pub groups: Vec<String>,
    /// What their authenticator app knows, if they have one.
    pub totp: Option<TotpSecret>,
    /// Whether they may not log in all the same.
    pub disabled: bool,
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Users {
    accounts: HashMap<String, Account>,
    /// What the password of an unknown user is compared with, so that the answer takes as long.
    nobody: Arc<PasswordHash>,
}

impl Users {
    /// `accounts`, whose IDs differ, and others of whom nothing is known. New hashes cost `cost`.
    pub fn new(accounts: Vec<Account>, cost: Cost) -> Self {
        let nobody = PasswordHash::of_nobody(usual(&accounts).unwrap_or(cost));
        Self {
            accounts: accounts
                .into_iter()
                .map(|account| (account.id.clone(), account))
                .collect(),
            nobody: Arc::new(nobody),
        }
    }

    /// Whoever is called `id`.
    pub fn find(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// What the password of `account` is compared with, or that of nobody.
    pub fn hash_of(&self, account: Option<&Account>) -> Arc<PasswordHash> {
        let hash = account.map_or(&self.nobody, |account| &account.password);
        Arc::clone(hash)
    }
}

/// What most of the hashes cost: whoever asks how long the answer takes shall find an unknown user among them.
fn usual(accounts: &[Account]) -> Option<Cost> {
    let mut found: HashMap<Cost, usize> = HashMap::new();
    for account in accounts {
        *found.entry(account.password.cost()).or_default() += 1;
    }
    // Of two that are as frequent the same one at each start.
    let most = |(cost, count): &(Cost, usize)| (*count, cost.memory_kib, cost.passes, cost.lanes);
    found.into_iter().max_by_key(most).map(|(cost, _)| cost)
}

/// Whether `id` can be the ID of a user: what a form can carry, and a log and a header can show.
pub fn is_id(id: &str) -> bool {
    !id.trim().is_empty()
        && id.trim() == id
        && id.len() <= ID_BYTES_MAX
        && !id.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, passes: u32) -> Account {
        let cost = Cost {
            memory_kib: 64,
            passes,
            lanes: 1,
        };
        Account {
            id: id.to_owned(),
            password: Arc::new(PasswordHash::of_nobody(cost)),
            name: None,
            email: None,
            groups: Vec::new(),
            totp: None,
            disabled: false,
        }
    }

    #[test]
    fn an_unknown_user_costs_what_most_users_cost() {
        let of = |passes: &[u32]| {
            let accounts = passes.iter().enumerate();
            let accounts = accounts.map(|(nth, passes)| account(&nth.to_string(), *passes));
            let users = Users::new(accounts.collect(), Cost::DEFAULT);
            users.hash_of(users.find("nobody")).cost().passes
        };
        assert_eq!(of(&[1, 3, 3, 1, 3]), 3);
        assert_eq!(of(&[1, 3]), 3);
        assert_eq!(of(&[]), Cost::DEFAULT.passes);
    }

    #[test]
    fn ids_are_plain_names() {
        for id in ["alice", "Al Ice", "alice@example.test", "jörg"] {
            assert!(is_id(id), "{id}");
        }
        let long = "x".repeat(ID_BYTES_MAX + 1);
        for id in [
            "",
            " ",
            " alice",
            "alice ",
            "a\nb",
            "a\u{85}b",
            long.as_str(),
        ] {
            assert!(!is_id(id), "{id:?}");
        }
    }
}
