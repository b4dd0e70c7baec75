//! A map of few entries, of which there are many.
//!
//! A session has a jar at one site or two and a handful of data, and there may be a million sessions; the standard
//! library's maps take half a kibibyte for the first entry. This is a list in the order of the keys.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Values by name, in the order of the names. Serializes as a map.
#[derive(Clone, Debug, PartialEq)]
pub struct SmallMap<V>(Box<[(Box<str>, V)]>);

impl<V> SmallMap<V> {
    /// A map without entries.
    pub fn new() -> Self {
        Self(Box::default())
    }

    /// Whether there are no entries.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&V> {
        let at = self.place(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Whether `key` has a value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_ok()
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let at = self.place(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// The value of `key`, made if there is none, to be changed.
    pub fn get_or_insert_with(&mut self, key: &str, make: impl FnOnce() -> V) -> &mut V {
        let at = self.place(key).unwrap_or_else(|at| {
            self.put(at, key, make());
            at
        });
        &mut self.0[at].1
    }

    /// Puts `value` in the place of what `key` had.
    pub fn insert(&mut self, key: &str, value: V) {
        match self.place(key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.put(at, key, value),
        }
    }

    /// Takes `key` and its value away.
    pub fn remove(&mut self, key: &str) {
        if let Ok(at) = self.place(key) {
            let mut entries = std::mem::take(&mut self.0).into_vec();
            entries.remove(at);
            self.0 = entries.into_boxed_slice();
        }
    }

    /// All entries, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// All keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }

    /// All values, in the order of the keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    fn put(&mut self, at: usize, key: &str, value: V) {
        let mut entries = std::mem::take(&mut self.0).into_vec();
        // No room is kept for an entry that may never come.
        entries.reserve_exact(1);
        entries.insert(at, (key.into(), value));
        self.0 = entries.into_boxed_slice();
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| (**name).cmp(key))
    }
}

impl<V> Default for SmallMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, V> FromIterator<(&'a str, V)> for SmallMap<V> {
    fn from_iter<I: IntoIterator<Item = (&'a str, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<V: Serialize> Serialize for SmallMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for SmallMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = SmallMap<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SmallMap<V>, A::Error> {
                let mut entries = SmallMap::new();
                while let Some((key, value)) = map.next_entry::<String, V>()? {
                    entries.insert(&key, value);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_in_the_order_of_the_keys() {
        let text = r#"{"a":1,"b":2,"c":3}"#;
        let mut map: SmallMap<u32> = serde_json::from_str(r#"{"c":3,"a":9,"b":2,"a":1}"#).unwrap();
        assert_eq!(serde_json::to_string(&map).unwrap(), text);
        map.remove("b");
        map.remove("nobody");
        *map.get_or_insert_with("d", || 0) += 4;
        map.insert("a", 7);
        let entries: Vec<_> = map.iter().map(|(key, value)| (key, *value)).collect();
        assert_eq!(entries, [("a", 7), ("c", 3), ("d", 4)]);
        assert_eq!((map.get("c"), map.get("b")), (Some(&3), None));
        assert!(serde_json::from_str::<SmallMap<u32>>("[]").is_err());
    }
}
