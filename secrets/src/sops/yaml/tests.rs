//! What holds for every document in every layout.

use std::path::Path;

use proptest::prelude::*;

use super::super::error::SopsError;
use super::super::store::{Parts, Store};
use super::super::tree::{Branch, Element, Item, Node};
use super::super::value::Plain;
use super::generate::{Dice, copy, edit, foreign, nested, parts};
use super::{align, read, rewrite_sealed, write, write_sealed};
use crate::secret::Secret;

fn changed_lines(old: &str, new: &str) -> (usize, usize) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (i, one) in old.iter().enumerate() {
        for (j, other) in new.iter().enumerate() {
            common[i + 1][j + 1] =
                if one == other { common[i][j] + 1 } else { common[i][j + 1].max(common[i + 1][j]) };
        }
    }
    let common = common[old.len()][new.len()];
    (old.len() - common, new.len() - common)
}

/// What a text holds, the section apart.
fn held(text: &str) -> Parts {
    Store::Yaml.read_sealed(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn same(one: &Parts, other: &Parts) -> bool {
    one.documents.len() == other.documents.len()
        && one.documents.iter().zip(&other.documents).all(|(one, other)| align::same_branch(one, other))
        && match (&one.section, &other.section) {
            (Some(one), Some(other)) => align::same_branch(one, other),
            _ => false,
        }
}

fn collect<'t>(node: &'t mut Node<Plain>, leaves: &mut Vec<&'t mut Plain>) {
    match node {
        Node::Null => {}
        Node::Leaf(plain) => leaves.push(plain),
        Node::Map(items) => items.iter_mut().for_each(|item| {
            if let Item::Pair(_, node) = item {
                collect(node, leaves);
            }
        }),
        Node::List(elements) => elements.iter_mut().for_each(|element| {
            if let Element::Node(node) = element {
                collect(node, leaves);
            }
        }),
    }
}

/// The leaves that stand in one line between no brackets.
fn one_line_leaf<'t>(dice: &mut Dice, items: &'t mut Branch<Plain>) -> Option<&'t mut Plain> {
    let mut leaves: Vec<&mut Plain> = Vec::new();
    for item in items {
        if let Item::Pair(_, node) = item {
            collect(node, &mut leaves);
        }
    }
    leaves.retain(|plain| !plain.bytes.expose_bytes().contains(&b'\n'));
    let at = dice.roll(leaves.len().max(1));
    leaves.into_iter().nth(at)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that reads its vectors")]
fn what_sops_wrote_is_written_back_byte_for_byte() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sops");
    let files =
        |folder: &str| std::fs::read_dir(vectors.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_sealed = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".enc.yaml");
    let mut count = 0;
    for path in files("yaml").chain(files("features")).filter(is_sealed) {
        let text = std::fs::read_to_string(&path).unwrap();
        let parts = Store::Yaml.read_sealed(&text).unwrap();
        assert_eq!(write_sealed(&parts, None), text, "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 40);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(seed in 1..u64::MAX, indent in 1_u8..10) {
        let parts = parts(&mut Dice(seed));
        let text = write_sealed(&parts, Some(indent));
        prop_assert!(same(&held(&text), &parts), "{}", text);
        let plain = write(&parts.documents, Some(indent));
        let back = read(plain.expose_text().unwrap()).unwrap();
        let all_same = back.iter().zip(&parts.documents).all(|(one, other)| align::same_branch(one, other));
        prop_assert!(all_same && back.len() == parts.documents.len(), "{}", plain.expose_text().unwrap());
    }

    #[test]
    fn a_text_in_any_layout_that_is_not_changed_stays_byte_for_byte(seed in 1..u64::MAX) {
        let mut dice = Dice(seed);
        let parts = parts(&mut dice);
        let old = foreign(&mut dice, &parts);
        let held = held(&old);
        prop_assert!(same(&held, &parts), "{}", old);
        prop_assert_eq!(rewrite_sealed(&old, &held), old);
    }

    #[test]
    fn a_rewritten_text_holds_what_was_to_be_written(seed in 1..u64::MAX) {
        let mut dice = Dice(seed);
        let parts = parts(&mut dice);
        let old = foreign(&mut dice, &parts);
        let mut new = held(&old);
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(new.documents.len());
            edit(&mut dice, &mut new.documents[at]);
        }
        prop_assume!(!new.documents.iter().any(has_comment_below_block));
        new.section = Some(dice.section());
        let text = rewrite_sealed(&old, &new);
        prop_assert!(same(&held(&text), &new), "{}\n=======\n{}", old, text);
    }

    #[test]
    fn one_changed_value_changes_its_line_and_those_of_the_section(seed in 1..u64::MAX) {
        let mut dice = Dice(seed);
        let parts = parts(&mut dice);
        let old = foreign(&mut dice, &parts);
        let mut new = held(&old);
        let sections = new.documents.len();
        let Some(leaf) = one_line_leaf(&mut dice, &mut new.documents[0]) else { return Ok(()) };
        *leaf = Plain::text(Secret::from_text("ENC[AES256_GCM,data:new,iv:new,tag:new,type:str]".to_owned()));
        prop_assume!(!new.documents.iter().any(has_comment_below_block));
        new.section = Some(dice.section());
        let text = rewrite_sealed(&old, &new);
        prop_assert!(same(&held(&text), &new), "{}\n=======\n{}", old, text);
        let (gone, come) = changed_lines(&old, &text);
        prop_assert!(gone <= 1 + 2 * sections && come <= 1 + 2 * sections, "{} {}\n{}\n=======\n{}", gone, come, old, text);
    }

    #[test]
    fn a_key_that_comes_or_goes_changes_no_other_line(seed in 1..u64::MAX) {
        let mut dice = Dice(seed);
        let parts = parts(&mut dice);
        let old = foreign(&mut dice, &parts);
        let sections = 2 * parts.documents.len();
        let mut new = held(&old);
        new.section = Some(dice.section());
        let items = &mut new.documents[0];
        // Not between a comment and the value that it stands behind.
        let is_place = |at: &usize| !matches!(items.get(at.wrapping_sub(1)), Some(Item::Comment(comment)) if comment.inline);
        let places: Vec<usize> = (0..=items.len()).filter(is_place).collect();
        let at = places[dice.roll(places.len())];
        items.insert(at, Item::Pair("new".to_owned(), Node::text(&dice.cipher())));
        let added = rewrite_sealed(&old, &new);
        prop_assert!(same(&held(&added), &new), "{}\n=======\n{}", old, added);
        let (gone, come) = changed_lines(&old, &added);
        prop_assert!(gone <= sections && come <= sections + 1, "{} {}\n{}\n=======\n{}", gone, come, old, added);

        new.documents[0].remove(at);
        let removed = rewrite_sealed(&added, &new);
        prop_assert!(same(&held(&removed), &new), "{}\n=======\n{}", added, removed);
        let (gone, come) = changed_lines(&added, &removed);
        prop_assert_eq!((gone, come), (1, 0), "{}\n=======\n{}", added, removed);
    }

    #[test]
    fn a_text_as_sops_lays_it_out_is_laid_out_so_again(seed in 1..u64::MAX) {
        let mut dice = Dice(seed);
        let old = parts(&mut dice);
        let mut new = copy(&old);
        edit(&mut dice, &mut new.documents[0]);
        new.section = Some(dice.section());
        let old = write_sealed(&old, None);
        prop_assert_eq!(rewrite_sealed(&old, &new), write_sealed(&new, None), "{}", old);
    }
}

/// Whether a block ends in a comment below another block: go-yaml takes that one for the inner block's.
fn has_comment_below_block(items: &Branch<Plain>) -> bool {
    let ends = match items.iter().rposition(|item| matches!(item, Item::Pair(..))).map(|at| (at, &items[at]))
    {
        Some((at, Item::Pair(_, node))) => nested(node) && at + 1 < items.len(),
        _ => false,
    };
    ends || items.iter().any(|item| matches!(item, Item::Pair(_, node) if is_above_comment(node)))
}

fn is_above_comment(node: &Node<Plain>) -> bool {
    match node {
        Node::Null | Node::Leaf(_) => false,
        Node::Map(items) => has_comment_below_block(items),
        Node::List(elements) => {
            let last = elements.iter().rposition(|element| matches!(element, Element::Node(_)));
            let ends = last.is_some_and(|at| {
                at + 1 < elements.len() && matches!(&elements[at], Element::Node(node) if nested(node))
            });
            ends || elements
                .iter()
                .any(|element| matches!(element, Element::Node(node) if is_above_comment(node)))
        }
    }
}

#[test]
fn a_comment_below_a_block_is_where_go_yaml_has_it() {
    let inner = "a:\n    b:\n        c: x\n        # k\nd: x\n";
    let outer = "a:\n    b:\n        c: x\n    # k\nd: x\n";
    for (text, expected) in [
        ("a:\n  b:\n    c: x\n  # k\nd: x\n", inner),
        ("a:\n  b:\n    c: x\n    # k\nd: x\n", inner),
        ("a:\n  b:\n    c: x\n\n  # k\nd: x\n", inner),
        ("a:\n  b:\n    c: x\n\n  # k\n\nd: x\n", inner),
        ("a:\n  b:\n    c: x\n  # k\n\nd: x\n", outer),
        (
            "a:\n  b:\n    - x\n  # k\n  # l\nd: x\n",
            "a:\n    b:\n        - x\n        # k\n        # l\nd: x\n",
        ),
        ("a:\n  b:\n    c: x\n  # k\n  d: x\n", "a:\n    b:\n        c: x\n    # k\n    d: x\n"),
    ] {
        let written = write(&read(text).unwrap(), None);
        assert_eq!(written.expose_text().unwrap(), expected, "{text}");
    }
}

#[test]
fn tabs_are_refused_where_sops_refuses_them_and_nowhere_else() {
    for (text, line, column) in [
        ("\ta: 1\n", 1, 1),
        ("a:\n  \tb: 1\n", 2, 3),
        ("a:\n  -\tb: 1\n", 2, 4),
        ("a:\n  -\tb\n", 2, 4),
        ("a:\n  ? \tb\n  : 1\n", 2, 5),
        ("a: 1\n\t# c\nb: 2\n", 2, 1),
        ("\t# c\na: 1\n", 1, 1),
    ] {
        let error = read(text).err();
        assert_eq!(error, Some(SopsError::Syntax { store: "YAML", line, column }), "{text:?}");
    }
    for text in
        ["a:\tb\n", "a: 1\n \t\nb: 2\n", "a:\n  \"b\"\t: 1\n", "a: 1\t# c\nb: 1\n", "a: {b: 1,\tc: 2}\n"]
    {
        assert!(read(text).is_ok(), "{text:?}");
    }
}

#[test]
fn a_comment_below_an_explicit_key_stays_where_go_yaml_has_it() {
    let below = "? |-\n    a\n    b\n:\n    # c\n    - x\n";
    let above = "# c\n? |-\n    a\n    b\n:   - x\n";
    for (text, expected) in [
        ("? \"a\\nb\"\n# c\n:\n  - x\n", below),
        ("? \"a\\nb\"\n:\n  # c\n  - x\n", below),
        ("? \"a\\nb\"\n: # c\n  - x\n", above),
        ("? |-\n  a\n  b\n: # c\n  - x\n", above),
        ("? \"a\\nb\"\n: - x # c\n", "? |-\n    a\n    b\n:   - x # c\n"),
        ("? \"a\\nb\"\n: # c\n  # d\n  k: v\n", "# c\n? |-\n    a\n    b\n:\n    # d\n    k: v\n"),
    ] {
        let written = write(&read(text).unwrap(), None);
        assert_eq!(written.expose_text().unwrap(), expected, "{text}");
        let again = write(&read(expected).unwrap(), None);
        assert_eq!(again.expose_text().unwrap(), expected, "{text}");
    }
}

#[test]
fn a_comment_at_the_end_of_a_text_is_where_it_is_once_the_section_follows() {
    for (text, expected) in [
        ("a:\n  b:\n    c: x\n  # k\n", "a:\n    b:\n        c: x\n        # k\n"),
        ("a:\n  b:\n    c: x\n\n  # k\n\n", "a:\n    b:\n        c: x\n        # k\n"),
        ("a:\n  b: x\n  # k\n# l\n", "a:\n    b: x\n    # k\n# l\n"),
        ("a:\n- x\n# k\n", "a:\n    - x\n    # k\n"),
        ("a:\n- x\n\n# k\n", "a:\n    - x\n# k\n"),
    ] {
        let documents = read(text).unwrap();
        assert_eq!(write(&documents, None).expose_text().unwrap(), expected, "{text}");
        let section = vec![Item::Pair("mac".to_owned(), Node::text("x"))];
        let sealed = write_sealed(&Parts { documents, section: Some(section) }, None);
        let held = held(&sealed).documents;
        assert_eq!(write(&held, None).expose_text().unwrap(), expected, "{sealed}");
    }
}

#[test]
fn a_comment_of_a_list_in_a_list_is_where_go_yaml_has_it() {
    for (text, expected) in [
        ("a:\n  -\n    # k\n    - x\n", "a:\n    - # k\n      - x\n"),
        ("a:\n  # k\n  -\n    - x\n", "a:\n    # k\n    - - x\n"),
        ("a:\n  # k\n  -\n    # l\n    b: x\n", "a:\n    # k\n    - # l\n      b: x\n"),
        ("a:\n  -\n    # k\n    [x]\n", "a:\n    # k\n    - - x\n"),
        ("a:\n  - # k\n    # l\n    - - x\n", "a:\n    - # k\n      # l\n      - - x\n"),
        ("a:\n  - [] # k\n  - {} # l\n", "a:\n    - [] # k\n    - {} # l\n"),
    ] {
        let written = write(&read(text).unwrap(), None);
        assert_eq!(written.expose_text().unwrap(), expected, "{text}");
        let again = write(&read(expected).unwrap(), None);
        assert_eq!(again.expose_text().unwrap(), expected, "{text}");
    }
}
