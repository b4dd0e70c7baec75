//! The text of a key ring file: read whole, and changed without touching what is not meant, comments above all.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::base::clock::Time;
use crate::base::secret::{Secret, random_bytes};
use crate::session::RingKey;

const HEADER: &str = "\
# The keys of cloakroom's sessions. Whoever reads this file can make tickets: keep it secret.
# The newest of [[keys]] that is old enough signs tickets, all of them verify. session_id_key names sessions for apps
# and must not change. Every node of one gateway needs the same file.
";

/// What a key's table begins with.
const TABLE: &str = "[[keys]]";

/// What the text says.
pub(super) struct Content {
    pub session_id_key: Secret<[u8; 32]>,
    /// In the order in which they are written.
    pub keys: Vec<RingKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    session_id_key: String,
    keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    secret: String,
    created: u64,
}

impl Drop for KeysFile {
    fn drop(&mut self) {
        self.session_id_key.zeroize();
        self.keys.iter_mut().for_each(|key| key.secret.zeroize());
    }
}

impl Content {
    /// Keys that nobody has had.
    pub(super) fn fresh(now: Time) -> Self {
        Self {
            session_id_key: Secret::new(random_bytes()),
            keys: vec![new_key(now)],
        }
    }

    /// Reads a text, or tells what is wrong with it without quoting any of it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        // The parser's own message quotes the line that it fails on, and here lines are secrets.
        let file: KeysFile =
            toml::from_str(text).map_err(|_| "it is not the TOML that cloakroom writes")?;
        let keys = file.keys.iter().map(|key| {
            Ok(RingKey {
                secret: decode(&key.secret)?,
                created: Time::from_secs(key.created),
            })
        });
        Ok(Self {
            session_id_key: decode(&file.session_id_key)?,
            keys: keys.collect::<Result<_, &'static str>>()?,
        })
    }

    /// The whole text of a new file.
    pub(super) fn written(&self) -> Zeroizing<String> {
        let id_key = Zeroizing::new(BASE64URL_NOPAD.encode(self.session_id_key.expose()));
        let mut text = Zeroizing::new(format!("{HEADER}session_id_key = \"{}\"\n", *id_key));
        for key in &self.keys {
            text = with_key(&text, key);
        }
        text
    }

    /// Whether both hold the same, in whatever words.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let same = |(one, two): (&RingKey, &RingKey)| {
            one.secret == two.secret && one.created.as_secs() == two.created.as_secs()
        };
        self.session_id_key == other.session_id_key
            && self.keys.len() == other.keys.len()
            && self.keys.iter().zip(&other.keys).all(same)
    }
}

/// A key that nobody has had.
pub(super) fn new_key(now: Time) -> RingKey {
    RingKey {
        secret: Secret::new(random_bytes()),
        created: now,
    }
}

fn decode(text: &str) -> Result<Secret<[u8; 32]>, &'static str> {
    let bytes = Zeroizing::new(
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| "a key is not base64url")?,
    );
    let key: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| "a key is not 256 bits long")?;
    Ok(Secret::new(key))
}

/// `text` with one more key at its end.
pub(super) fn with_key(text: &str, key: &RingKey) -> Zeroizing<String> {
    let secret = Zeroizing::new(BASE64URL_NOPAD.encode(key.secret.expose()));
    let created = key.created.as_secs();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    Zeroizing::new(format!(
        "{text}{end}\n{TABLE}\nsecret = \"{}\"\ncreated = {created}\n",
        *secret
    ))
}

/// `text` without the key that is written as the table number `at`, and without the comment right above it. `None` if
/// there is no such table.
pub(super) fn without_key(text: &str, at: usize) -> Option<Zeroizing<String>> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_table = |line: &&str| line.trim_start().starts_with(TABLE);
    let tables: Vec<usize> = (0..lines.len())
        .filter(|at| is_table(&lines[*at]))
        .collect();
    // A comment belongs to the table that it stands above.
    let begins = |table: usize| {
        let above = lines[..table].iter().rev();
        let comment = above.take_while(|line| line.trim_start().starts_with('#'));
        table - comment.count()
    };
    let from = begins(*tables.get(at)?);
    let to = tables.get(at + 1).map_or(lines.len(), |next| begins(*next));
    let kept = lines[..from].iter().chain(&lines[to..]);
    let kept: Zeroizing<String> = Zeroizing::new(kept.copied().collect());
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content::parse(text).unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        let fresh = Content::fresh(Time::from_secs(7));
        assert!(content(&fresh.written()).is_same_as(&fresh));
        assert!(fresh.written().starts_with(HEADER));
    }

    #[test]
    fn a_key_comes_and_goes_and_all_else_stays_as_it_was() {
        let mut three = Content::fresh(Time::from_secs(7));
        let text = three.written();
        let second = new_key(Time::from_secs(8));
        let third = new_key(Time::from_secs(9));
        let text = with_key(&text, &second);
        let text = with_key(&text, &third);
        let last = text.rfind(TABLE).unwrap();
        let text = format!(
            "{}# by Ann, after the audit\n{}",
            &text[..last],
            &text[last..]
        );
        three.keys.extend([second, third]);
        assert!(content(&text).is_same_as(&three));

        for at in 0..3 {
            let left = without_key(&text, at).unwrap();
            let mut two = content(&text);
            two.keys.remove(at);
            assert!(content(&left).is_same_as(&two), "{at}");
            assert!(left.starts_with(HEADER), "{at}");
            assert_eq!(left.contains("# by Ann"), at != 2, "{at}");
        }
        assert!(without_key(&text, 3).is_none());
    }
}
