//! What an OpenID provider gave for a user: what fresh tokens are asked for with, and which session of its own it is.

use serde::{Deserialize, Serialize};

use super::record::{Record, User};
use crate::base::clock::Time;

/// What a provider gave at a login, or since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The refresh token and the hint for the logout, sealed: a store that is stolen gives nobody any. This module knows
    /// nothing of what is in it.
    pub sealed: Box<str>,
    /// The provider's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Box<str>>,
    /// When fresh tokens are to be asked for; none: there is nothing to ask with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
}

/// What a request learned from the provider.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantEdit {
    /// The user as the provider tells of them now.
    pub user: User,
    /// What it gave.
    pub grant: Grant,
}

impl Grant {
    pub(super) fn weight_bytes(&self) -> usize {
        let sid = self.sid.as_ref().map_or(0, |sid| sid.len());
        self.sealed.len() + sid + 40
    }
}

impl GrantEdit {
    /// Writes it into the session of that user. One that has become somebody else's meanwhile stays as it is. When they
    /// proved who they are is for logins to say.
    pub(super) fn apply(&self, record: &mut Record) {
        let Some(user) = &mut record.user else {
            return;
        };
        if !user.is_same_as(&self.user) {
            return;
        }
        **user = User {
            auth_time: user.auth_time,
            entrance: user.entrance.take(),
            grant: Some(Box::new(self.grant.clone())),
            ..self.user.clone()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Root;

    const NOW: Time = Time::from_secs(1_000);

    fn edit(id: &str, groups: &[&str]) -> GrantEdit {
        GrantEdit {
            user: User {
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                ..User::new(id.to_owned(), "shop", Time::from_secs(1))
            },
            grant: Grant {
                sealed: "x".repeat(100).into(),
                sid: Some("abc".into()),
                due: Some(NOW),
            },
        }
    }

    #[test]
    fn only_the_user_whom_it_is_about_is_told_of() {
        let mut record = Record::empty(Root([1; 32]), NOW, NOW);
        let before = record.weight_bytes();
        edit("alice", &[]).apply(&mut record);
        assert_eq!(record.grant(), None, "nobody is logged in");
        record.user = Some(Box::new(User::new("bob".to_owned(), "shop", NOW)));
        edit("alice", &["staff"]).apply(&mut record);
        assert_eq!(record.grant(), None, "somebody else is");
        edit("bob", &["staff"]).apply(&mut record);
        let user = record.user.as_deref().unwrap();
        assert_eq!(
            (user.groups.as_slice(), user.auth_time),
            (&["staff".to_owned()][..], NOW)
        );
        assert!(record.weight_bytes() > before + 100);
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn a_record_without_one_reads_as_it_did() {
        let record = Record::empty(Root([1; 32]), NOW, NOW);
        assert!(!serde_json::to_string(&record).unwrap().contains("grant"));
    }
}
