//! A sealed file written into the text of the old one: what says the same keeps its letters, blanks and all.

use std::collections::HashMap;

use super::super::error::SopsError;
use super::super::store::{Parts, SECTION, only};
use super::super::tree::{Node, duplicate, nodes, pairs};
use super::super::value::Plain;
use super::read::{Member, Spanned, Value, parse};
use super::write::Writer;

/// Writes `parts` in the place of `old`, which was read from this store.
pub(crate) fn rewrite_sealed(old: &str, parts: &Parts) -> Result<String, SopsError> {
    let spanned = parse(old)?;
    let Value::Map(old_members) = &spanned.value else { return Err(SopsError::NotMap) };
    let section = parts.section.as_ref().map(|section| Node::Map(duplicate(section)));
    let mut members: Vec<_> = pairs(only(&parts.documents, "json")?).collect();
    if let Some(section) = &section {
        let at = section_place(old_members, &members);
        members.insert(at, (SECTION, section));
    }
    let mut splice = Splice { old, writer: Writer::with_unit(unit(old, old_members)) };
    splice.writer.out.push_str(old.get(..spanned.span.start).unwrap_or_default());
    splice.map(&members, old_members, &spanned, 0)?;
    splice.writer.out.push_str(old.get(spanned.span.end..).unwrap_or_default());
    Ok(splice.writer.out.into_public())
}

/// What the old text indents its first key by; a tab where that stands in the line of the bracket.
fn unit(old: &str, members: &[Member]) -> String {
    let before = members.first().and_then(|first| old.get(..first.key_span.start)).unwrap_or_default();
    match before.rsplit_once('\n') {
        Some((_, blanks)) if blanks.trim().is_empty() => blanks.to_owned(),
        _ => "\t".to_owned(),
    }
}

/// The section stays behind the key that it stood behind, and last where it was last.
fn section_place(old: &[Member], new: &[(&str, &Node<Plain>)]) -> usize {
    match old.iter().position(|member| member.key == SECTION) {
        Some(0) if old.len() > 1 => 0,
        Some(at) if at + 1 < old.len() => {
            let before = at.checked_sub(1).and_then(|before| old.get(before));
            let found = before.and_then(|before| new.iter().position(|(key, _)| *key == before.key));
            found.map_or(new.len(), |found| found + 1)
        }
        _ => new.len(),
    }
}

struct Splice<'t> {
    old: &'t str,
    writer: Writer,
}

/// What of the old text stands around a value.
struct Place<'o> {
    /// Behind the bracket or the comma before it.
    lead: &'o str,
    /// Its key, the colon and the blanks between; empty in a list.
    key: &'o str,
    /// Before the comma behind it; empty for the last.
    trail: &'o str,
    value: &'o Spanned,
}

impl<'t> Splice<'t> {
    fn node(&mut self, new: &Node<Plain>, old: &Spanned, depth: usize) -> Result<(), SopsError> {
        match (new, &old.value) {
            _ if same(new, old) => self.copy(old.span.start, old.span.end),
            (Node::Map(items), Value::Map(members)) => {
                self.map(&pairs(items).collect::<Vec<_>>(), members, old, depth)?;
            }
            (Node::List(elements), Value::List(values)) => {
                self.list(&nodes(elements).collect::<Vec<_>>(), values, old, depth)?;
            }
            _ => self.writer.node(new, depth)?,
        }
        Ok(())
    }

    fn map(
        &mut self,
        new: &[(&str, &Node<Plain>)],
        members: &[Member],
        old: &Spanned,
        depth: usize,
    ) -> Result<(), SopsError> {
        if new.is_empty() || members.is_empty() {
            return self.writer.map(new, depth);
        }
        let starts = members.iter().map(|member| (member.key_span.start, &member.value));
        let places = self.places(starts, old);
        let known: HashMap<&str, &Place<'_>> =
            members.iter().map(|member| member.key.as_str()).zip(&places).collect();
        for (index, (key, node)) in new.iter().enumerate() {
            self.writer.out.push(if index == 0 { '{' } else { ',' });
            if let Some(place) = known.get(key) {
                self.member(place, node, index + 1 < new.len(), depth)?;
            } else {
                self.lead(&places, depth);
                self.writer.string(key);
                self.writer.out.push_str(": ");
                self.writer.node(node, depth + 1)?;
            }
        }
        self.end(&places, old);
        Ok(())
    }

    fn list(
        &mut self,
        new: &[&Node<Plain>],
        values: &[Spanned],
        old: &Spanned,
        depth: usize,
    ) -> Result<(), SopsError> {
        let places = self.places(values.iter().map(|value| (value.span.start, value)), old);
        let pairing = pairing(new, values);
        for (index, (node, place)) in new.iter().zip(pairing).enumerate() {
            self.writer.out.push(if index == 0 { '[' } else { ',' });
            if let Some(place) = place.and_then(|place| places.get(place)) {
                self.member(place, node, index + 1 < new.len(), depth)?;
            } else {
                self.lead(&places, depth);
                self.writer.node(node, depth + 1)?;
            }
        }
        match (new.is_empty(), places.is_empty()) {
            (true, _) => self.writer.out.push_str("[]"),
            (false, true) => {
                self.writer.line(depth);
                self.writer.out.push(']');
            }
            (false, false) => self.end(&places, old),
        }
        Ok(())
    }

    fn member(
        &mut self,
        place: &Place<'_>,
        node: &Node<Plain>,
        has_next: bool,
        depth: usize,
    ) -> Result<(), SopsError> {
        self.writer.out.push_str(place.lead);
        self.writer.out.push_str(place.key);
        self.node(node, place.value, depth + 1)?;
        if has_next {
            self.writer.out.push_str(place.trail);
        }
        Ok(())
    }

    /// A new value stands as the last old one does: in a line of its own, or behind a blank.
    fn lead(&mut self, places: &[Place<'_>], depth: usize) {
        match places.last() {
            Some(last) => self.writer.out.push_str(last.lead),
            None => self.writer.line(depth + 1),
        }
    }

    /// What stands behind the last old value, the bracket included.
    fn end(&mut self, places: &[Place<'_>], old: &Spanned) {
        if let Some(last) = places.last() {
            self.copy(last.value.span.end, old.span.end);
        }
    }

    fn copy(&mut self, from: usize, to: usize) {
        self.writer.out.push_str(self.old.get(from..to).unwrap_or_default());
    }

    /// The surroundings of every value in a map or list; `starts` has where each begins, its key included.
    fn places<'o>(&self, starts: impl Iterator<Item = (usize, &'o Spanned)>, old: &Spanned) -> Vec<Place<'o>>
    where
        't: 'o,
    {
        let text = self.old;
        let between = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let mut places: Vec<Place<'o>> = Vec::new();
        let mut end = old.span.start;
        for (start, value) in starts {
            // Only blanks stand before and behind the comma, or behind the bracket.
            let gap = between(end, start);
            let (trail, lead) = gap.split_once([',', '{', '[']).unwrap_or_default();
            if let Some(before) = places.last_mut() {
                before.trail = trail;
            }
            places.push(Place { lead, key: between(start, value.span.start), trail: "", value });
            end = value.span.end;
        }
        places
    }
}

/// Which old element each new one is written over: equal ones at both ends first, the rest by their order.
fn pairing(new: &[&Node<Plain>], old: &[Spanned]) -> Vec<Option<usize>> {
    let head = new.iter().zip(old).take_while(|(new, old)| same(new, old)).count();
    let ends = new.iter().skip(head).rev().zip(old.iter().skip(head).rev());
    let tail = ends.take_while(|(new, old)| same(new, old)).count();
    let (new_rest, old_rest) = (new.len() - tail, old.len() - tail);
    (0..new.len())
        .map(|index| match index {
            _ if index >= new_rest => Some(index - new_rest + old_rest),
            _ if index < old_rest => Some(index),
            _ => None,
        })
        .collect()
}

/// Whether the old text says just that.
fn same(new: &Node<Plain>, old: &Spanned) -> bool {
    match (new, &old.value) {
        (Node::Null, Value::Null) => true,
        (Node::Leaf(new), Value::Leaf(old)) => new.same_as(old),
        (Node::Map(items), Value::Map(members)) => {
            pairs(items).count() == members.len()
                && pairs(items)
                    .zip(members)
                    .all(|((key, node), member)| key == member.key && same(node, &member.value))
        }
        (Node::List(elements), Value::List(values)) => {
            nodes(elements).count() == values.len()
                && nodes(elements).zip(values).all(|(node, value)| same(node, value))
        }
        _ => false,
    }
}
