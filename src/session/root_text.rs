//! A root as text: serde's `with` for records.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

use super::ticket::Root;

pub fn serialize<S: Serializer>(root: &Root, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64URL_NOPAD.encode(&root.0))
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Root, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(D::Error::custom)?;
    bytes
        .try_into()
        .map(Root)
        .map_err(|_| D::Error::custom("a root has 32 bytes"))
}

/// The same for a root that may be missing.
pub mod option {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::super::ticket::Root;

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text(#[serde(with = "super")] Root);

    pub fn serialize<S: Serializer>(
        root: &Option<Box<Root>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match root {
            Some(root) => super::serialize(root, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Box<Root>>, D::Error> {
        Option::<Text>::deserialize(deserializer).map(|text| text.map(|Text(root)| Box::new(root)))
    }
}
