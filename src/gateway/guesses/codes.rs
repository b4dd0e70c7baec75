//! Codes of authenticator apps that were used, as all nodes know it: the last step of each secret is a note.

use crate::base::clock::Time;
use crate::login::form::totp::SpentCode;
use crate::session::SessionIds;
use crate::store::{Note, NoteKey, Notes, StoreFault};

/// How often somebody else may be faster with another code of the same user. Nobody has so many within one minute.
const ROUNDS_MAX: usize = 4;

/// Uses `code` up; false when it, or a later one, was used before.
pub(super) async fn spend(
    notes: &dyn Notes,
    ids: &SessionIds,
    code: &SpentCode,
    now: Time,
) -> Result<bool, StoreFault> {
    let key = NoteKey(ids.name("last code", &[code.secret.to_vec()]));
    for _ in 0..ROUNDS_MAX {
        let last = notes.get(key, now).await?;
        // What cannot be read is no code's: the note of a later version says that one was used.
        let last_step = last.as_deref().map(|step| {
            let step = <[u8; 8]>::try_from(step);
            step.map_or(u64::MAX, u64::from_be_bytes)
        });
        if last_step.is_some_and(|last| last >= code.step) {
            return Ok(false);
        }
        let new = Note {
            value: code.step.to_be_bytes().to_vec(),
            until: code.forgotten_at(),
        };
        if notes.swap(key, last, Some(new), now).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
