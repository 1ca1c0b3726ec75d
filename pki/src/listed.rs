//! A list in its own order, in which each is found by its name.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What has a name in a list.
pub trait Named {
    /// The name; where two have the same, the first one is found by it.
    fn name(&self) -> &str;
}

/// The list. Reads and writes as a plain one; what it holds is not changed in place, since it is found by its name.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    items: Vec<T>,
    places: BTreeMap<String, usize>,
}

impl<T: Named> Listed<T> {
    /// The one of that name.
    pub fn named(&self, name: &str) -> Option<&T> {
        self.places.get(name).and_then(|place| self.items.get(*place))
    }
}

impl<T: Named> From<Vec<T>> for Listed<T> {
    fn from(items: Vec<T>) -> Self {
        let mut places = BTreeMap::new();
        for (place, item) in items.iter().enumerate() {
            places.entry(item.name().to_owned()).or_insert(place);
        }
        Self { items, places }
    }
}

impl<T: Named> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::from(items.into_iter().collect::<Vec<_>>())
    }
}

impl<T> Deref for Listed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> IntoIterator for Listed<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Listed<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T: PartialEq> PartialEq for Listed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl<T: Eq> Eq for Listed<T> {}

impl<T: Serialize> Serialize for Listed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.items.serialize(serializer)
    }
}

impl<'de, T: Named + Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Item(String, u8);

    impl Named for Item {
        fn name(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn each_is_found_by_its_name_and_the_first_of_two() {
        let item = |name: &str, value| Item(name.to_owned(), value);
        let list: Listed<Item> = [item("b", 1), item("a", 2), item("b", 3)].into_iter().collect();
        for name in ["a", "b", "c"] {
            assert_eq!(list.named(name), list.iter().find(|item| item.0 == name), "{name}");
        }
    }

    #[test]
    fn it_is_a_plain_list_in_json_and_keeps_its_order() {
        let text = r#"[["b",1],["a",2],["b",3]]"#;
        let list: Listed<Item> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&list).unwrap(), text);
        assert_eq!(list.iter().map(|item| item.1).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
