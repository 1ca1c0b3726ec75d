//! The metadata as keys and strings, for stores that have nothing else: `age__list_0__map_enc` for `age[0].enc`.
//!
//! Source: sops, stores/flatten.go.

use std::collections::{BTreeMap, HashMap};

use super::dotenv;
use super::error::SopsError;
use super::tree::{Branch, Element, Item, MAX_DEPTH, Node, nodes, pairs};
use super::value::Plain;

const MAP: &str = "__map_";
const LIST: &str = "__list_";

/// How much of a key is shown in a message: one that is nested without end is long.
const SHOWN: usize = 80;

/// Every value of the section with its path. What is empty has none.
pub(crate) fn flatten(section: &Branch<Plain>) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    pairs(section).for_each(|(key, node)| descend(key.to_owned(), node, &mut flat));
    flat
}

fn descend(path: String, node: &Node<Plain>, flat: &mut Vec<(String, String)>) {
    match node {
        Node::Null => flat.push((path, String::new())),
        Node::Leaf(plain) => {
            let text = dotenv::value_text(plain);
            flat.push((path, text.expose_text().unwrap_or_default().to_owned()));
        }
        Node::Map(items) => {
            pairs(items).for_each(|(key, node)| descend(format!("{path}{MAP}{key}"), node, flat));
        }
        Node::List(elements) => {
            for (index, node) in nodes(elements).enumerate() {
                descend(format!("{path}{LIST}{index}"), node, flat);
            }
        }
    }
}

/// The section that these keys and values are of, in the order in which its fields appear.
pub(crate) fn unflatten<'t>(
    flat: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Result<Branch<Plain>, SopsError> {
    let mut section = Fields::default();
    for (path, text) in flat {
        let damaged = |why: &str| damaged(path, why);
        let steps = steps(path).ok_or_else(|| damaged("has a place in a list that is no number"))?;
        if steps.len() > MAX_DEPTH {
            return Err(damaged("is nested too deep"));
        }
        let mut slot = &mut Slot::Empty;
        for (depth, step) in steps.iter().enumerate() {
            slot = match (depth, step) {
                (0, Step::Key(key)) => section.slot(key),
                (_, step) => slot.inner(step).ok_or_else(|| damaged("is two things at once"))?,
            };
        }
        match slot {
            Slot::Empty => *slot = Slot::Text(text.to_owned()),
            Slot::Text(_) => return Err(damaged("is there twice")),
            Slot::Map(_) | Slot::List(_) => return Err(damaged("is two things at once")),
        }
    }
    section.into_branch()
}

/// A step of a path.
enum Step<'t> {
    Key(&'t str),
    Index(usize),
}

/// A path, taken apart. None where a place is no number.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = path;
    let mut in_list = false;
    loop {
        let (name, behind) = rest.split_at_checked(separator(rest))?;
        steps.push(if in_list { Step::Index(name.parse().ok()?) } else { Step::Key(name) });
        in_list = behind.starts_with(LIST);
        match behind.strip_prefix(MAP).or_else(|| behind.strip_prefix(LIST)) {
            Some(behind) => rest = behind,
            None => return Some(steps),
        }
    }
}

/// Where the next separator begins; the end where there is none. It looks no further than that.
fn separator(path: &str) -> usize {
    let mut from = 0;
    while let Some(rest) = path.get(from..)
        && let Some(at) = rest.find("__")
    {
        let found = rest.get(at..).unwrap_or_default();
        if found.starts_with(MAP) || found.starts_with(LIST) {
            return from + at;
        }
        from += at + 1;
    }
    path.len()
}

/// What stands at a path so far.
#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Text(String),
    Map(Fields),
    List(BTreeMap<usize, Self>),
}

impl Slot {
    fn inner(&mut self, step: &Step<'_>) -> Option<&mut Self> {
        if matches!(self, Self::Empty) {
            *self = match step {
                Step::Key(_) => Self::Map(Fields::default()),
                Step::Index(_) => Self::List(BTreeMap::new()),
            };
        }
        match (self, step) {
            (Self::Map(fields), Step::Key(key)) => Some(fields.slot(key)),
            (Self::List(list), Step::Index(index)) => Some(list.entry(*index).or_default()),
            _ => None,
        }
    }

    fn into_node(self, path: &str) -> Result<Node<Plain>, SopsError> {
        match self {
            Self::Empty => Ok(Node::text("")),
            Self::Text(text) => Ok(Node::text(&text)),
            Self::Map(fields) => fields.into_branch().map(Node::Map),
            Self::List(list) => {
                if list.keys().enumerate().any(|(place, index)| place != *index) {
                    return Err(damaged(path, "is a list with gaps"));
                }
                let elements = list.into_values().map(|slot| slot.into_node(path).map(Element::Node));
                elements.collect::<Result<_, _>>().map(Node::List)
            }
        }
    }
}

/// A map in the making, its keys in the order in which they came.
#[derive(Default)]
struct Fields {
    slots: Vec<(String, Slot)>,
    places: HashMap<String, usize>,
}

impl Fields {
    fn slot(&mut self, key: &str) -> &mut Slot {
        let place = *self.places.entry(key.to_owned()).or_insert(self.slots.len());
        if place == self.slots.len() {
            self.slots.push((key.to_owned(), Slot::Empty));
        }
        &mut self.slots[place].1
    }

    fn into_branch(self) -> Result<Branch<Plain>, SopsError> {
        let item = |(key, slot): (String, Slot)| {
            let node = slot.into_node(&key)?;
            Ok(Item::Pair(key, node))
        };
        self.slots.into_iter().map(item).collect()
    }
}

fn damaged(path: &str, why: &str) -> SopsError {
    let field = path.chars().take(SHOWN).collect();
    SopsError::MetadataDamaged { field, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_comes_back_from_its_keys() {
        let flat = [
            ("age__list_0__map_enc", "a"),
            ("key_groups__list_0__map_age__list_1__map_enc", "d"),
            ("age__list_0__map_recipient", "b"),
            ("key_groups__list_0__map_age__list_0__map_enc", "c"),
            ("lastmodified", "now"),
            ("mac", ""),
            ("a___map__b_map_", ""),
        ];
        let section = unflatten(flat).unwrap();
        assert_eq!(
            pairs(&section).map(|(key, _)| key).collect::<Vec<_>>(),
            ["age", "key_groups", "lastmodified", "mac", "a_"]
        );
        let mut back = flatten(&section);
        let mut sorted = flat.map(|(key, text)| (key.to_owned(), text.to_owned())).to_vec();
        back.sort();
        sorted.sort();
        assert_eq!(back, sorted);
    }

    #[test]
    fn what_is_no_section_is_refused() {
        for (flat, why) in [
            (vec![("a", ""), ("a", "")], "is there twice"),
            (vec![("a", ""), ("a__map_b", "")], "is two things at once"),
            (vec![("a__map_b", ""), ("a", "")], "is two things at once"),
            (vec![("a__map_b", ""), ("a__list_0", "")], "is two things at once"),
            (vec![("a__list_1", "")], "is a list with gaps"),
            (vec![("a__list_99999999999", "")], "is a list with gaps"),
            (vec![("a__list_x", "")], "has a place in a list that is no number"),
        ] {
            match unflatten(flat.clone()).unwrap_err() {
                SopsError::MetadataDamaged { why: found, .. } => assert_eq!(found, why, "{flat:?}"),
                other => panic!("{flat:?}: {other}"),
            }
        }
    }

    #[test]
    fn nesting_without_end_is_refused_in_a_short_message() {
        for part in [MAP, "__list_0"] {
            let error = unflatten([(part.repeat(100_000).as_str(), "")]).unwrap_err();
            assert!(error.to_string().len() < 200, "{error}");
        }
    }
}
