//! Sections to INI text, laid out as sops lays it out.

use super::super::buffer::Buffer;
use super::super::dotenv;
use super::super::error::SopsError;
use super::super::flatten::flatten;
use super::super::store::{Parts, SECTION, only};
use super::super::tree::{Branch, Item, Node, pairs};
use super::super::value::Plain;
use super::read::File;
use super::{DEFAULT, STORE};
use crate::secret::Secret;

/// A section as it is to be written.
pub(super) struct Draft<'d> {
    pub(super) name: &'d str,
    pub(super) comment: Option<&'d str>,
    pub(super) lines: Vec<Line>,
}

/// A key as it is to be written.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) value: Secret,
    pub(super) comment: Option<Secret>,
}

/// Writes a file in the open.
pub(crate) fn write(document: &Branch<Plain>) -> Result<Secret, SopsError> {
    let drafts = drafts(document)?;
    let out = write_drafts(&drafts);
    check(&drafts, out.as_str())?;
    Ok(out.into_secret())
}

/// Writes a sealed file.
pub(crate) fn write_sealed(parts: &Parts) -> Result<String, SopsError> {
    let drafts = sealed_drafts(parts)?;
    let out = write_drafts(&drafts);
    check(&drafts, out.as_str())?;
    Ok(out.into_public())
}

/// The sections of a sealed file, the metadata last.
pub(super) fn sealed_drafts(parts: &Parts) -> Result<Vec<Draft<'_>>, SopsError> {
    let mut drafts = drafts(only(&parts.documents, STORE)?)?;
    if drafts.iter().any(|draft| draft.name == SECTION) {
        return Err(cannot_hold(SECTION, "the section of that name is the format's own"));
    }
    let line = |(name, text): (String, String)| Line {
        name,
        value: Secret::from_text(text.replace('\n', "\\n")),
        comment: None,
    };
    drafts.extend(parts.section.as_ref().map(|section| Draft {
        name: SECTION,
        comment: None,
        lines: flatten(section).into_iter().map(line).collect(),
    }));
    Ok(drafts)
}

fn drafts(document: &Branch<Plain>) -> Result<Vec<Draft<'_>>, SopsError> {
    pairs(document)
        .map(|(name, node)| match node {
            Node::Map(items) => draft(name, items),
            Node::List(_) => Err(cannot_hold(name, "it is a list, and not in a section")),
            Node::Leaf(_) => Err(cannot_hold(name, "it is a value, and not in a section")),
            Node::Null => Err(cannot_hold(name, "it is null, and not in a section")),
        })
        .collect()
}

/// The first comment is the section's if nothing stands above it, any other that of the key above it.
fn draft<'d>(name: &'d str, items: &'d Branch<Plain>) -> Result<Draft<'d>, SopsError> {
    let mut draft = Draft { name, comment: None, lines: Vec::new() };
    for (index, item) in items.iter().enumerate() {
        match (item, draft.lines.last_mut()) {
            (Item::Comment(comment), Some(line)) => line.comment = Some(comment.text.bytes.duplicate()),
            (Item::Comment(comment), None) if index == 0 => draft.comment = Some(comment.as_str()),
            (Item::Comment(_), None) => {}
            (Item::Pair(key, Node::Leaf(plain)), _) => {
                let value = dotenv::value_text(plain);
                if value.expose_text().is_err() {
                    return Err(cannot_hold(&format!("{name}.{key}"), "it is not UTF-8"));
                }
                draft.lines.push(Line { name: key.clone(), value, comment: None });
            }
            (Item::Pair(key, node), _) => {
                let why = match node {
                    Node::Map(_) => "it is a map in a section",
                    Node::List(_) => "it is a list",
                    Node::Null | Node::Leaf(_) => "it is null",
                };
                return Err(cannot_hold(&format!("{name}.{key}"), why));
            }
        }
    }
    Ok(draft)
}

/// Refuses a text that does not read back as what it was made of. There is no form for a value with both kinds of
/// quotes, or for a key named `#1`; sops writes them all the same.
pub(super) fn check(drafts: &[Draft<'_>], text: &str) -> Result<(), SopsError> {
    let differs = |place: &str| cannot_hold(place, "it would be read back as something else");
    let first = || drafts.first().map_or(DEFAULT, |draft| draft.name);
    let file =
        File::parse(text).map_err(|_| differs(&culprit(drafts).unwrap_or_else(|| first().to_owned())))?;
    let has_default = drafts.first().is_some_and(|draft| draft.name == DEFAULT);
    let found = file.sections.iter().skip(usize::from(!has_default));
    if file.sections.len() - usize::from(!has_default) != drafts.len() {
        return Err(differs(&culprit(drafts).unwrap_or_else(|| first().to_owned())));
    }
    for (draft, section) in drafts.iter().zip(found) {
        if draft.name != section.name {
            return Err(differs(draft.name));
        }
        for (index, line) in draft.lines.iter().enumerate() {
            let is_same = section.keys.get(index).is_some_and(|key| {
                key.name == line.name && key.value.as_str() == line.value.expose_text().unwrap_or_default()
            });
            if !is_same {
                return Err(differs(&format!("{}.{}", draft.name, line.name)));
            }
        }
        if section.keys.len() != draft.lines.len() {
            return Err(differs(draft.name));
        }
    }
    Ok(())
}

/// The first key that does not read back when it stands alone.
fn culprit(drafts: &[Draft<'_>]) -> Option<String> {
    drafts.iter().find_map(|draft| {
        draft.lines.iter().find_map(|line| {
            let mut out = Buffer::with_capacity(0);
            write_line(&mut out, line, 0);
            let file = File::parse(out.as_str()).ok();
            let is_same = file.is_some_and(|file| match file.sections.as_slice() {
                [only] => matches!(only.keys.as_slice(), [key] if key.name == line.name
                    && key.value.as_str() == line.value.expose_text().unwrap_or_default()),
                _ => false,
            });
            (!is_same).then(|| format!("{}.{}", draft.name, line.name))
        })
    })
}

fn write_drafts(drafts: &[Draft<'_>]) -> Buffer {
    let mut out = Buffer::with_capacity(4096);
    for (index, draft) in drafts.iter().enumerate() {
        write_comment(&mut out, draft.comment);
        let is_default = index == 0 && draft.name == DEFAULT;
        if is_default && draft.lines.is_empty() {
            continue;
        }
        if !is_default {
            write_header(&mut out, draft.name);
        }
        let width = width(&draft.lines);
        draft.lines.iter().for_each(|line| write_line(&mut out, line, width));
        if index + 1 < drafts.len() {
            out.push('\n');
        }
    }
    out
}

pub(super) fn write_header(out: &mut Buffer, name: &str) {
    out.push('[');
    out.push_str(name);
    out.push_str("]\n");
}

/// How many bytes the longest key takes, as the library counts them: five more than it has for one in backquotes'
/// place.
pub(super) fn width(lines: &[Line]) -> usize {
    let length = |line: &Line| {
        line.name.len()
            + if needs_backquotes(&line.name) {
                2
            } else if line.name.contains('`') {
                6
            } else {
                0
            }
    };
    lines.iter().map(length).max().unwrap_or(0)
}

fn needs_backquotes(name: &str) -> bool {
    name.contains(['"', '=', ':'])
}

/// A key with its comment above, `=` where it stands behind a key so wide.
pub(super) fn write_line(out: &mut Buffer, line: &Line, width: usize) {
    write_comment(out, line.comment.as_ref().and_then(|comment| comment.expose_text().ok()));
    let quote = match &line.name {
        name if needs_backquotes(name) => "`",
        name if name.contains('`') => "\"\"\"",
        _ => "",
    };
    for part in [quote, &line.name, quote] {
        out.push_str(part);
    }
    for _ in line.name.len() + 2 * quote.len()..width {
        out.push(' ');
    }
    out.push_str(" = ");
    write_value(out, &line.value);
    out.push('\n');
}

/// In quotes where it needs them. Where sops takes none, and would read something else back, those that hold anything.
pub(super) fn write_value(out: &mut Buffer, value: &Secret) {
    let text = value.expose_text().unwrap_or_default();
    let usual = if text.contains(['\n', '`']) {
        "\"\"\""
    } else if text.contains(['#', ';']) {
        "`"
    } else if text.trim().len() != text.len() {
        "\""
    } else {
        ""
    };
    let quote = [usual, "`", "\"\"\""].into_iter().find(|quote| reads_back(quote, text)).unwrap_or(usual);
    for part in [quote, text, quote] {
        out.push_str(part);
    }
}

/// Whether a value in such quotes is that value when it is read.
fn reads_back(quote: &str, text: &str) -> bool {
    let mut line = Buffer::with_capacity(text.len() + 2 * quote.len() + 3);
    for part in ["a=", quote, text, quote, "\n"] {
        line.push_str(part);
    }
    let file = File::parse(line.as_str());
    let sections = file.as_ref().map_or(&[][..], |file| &file.sections);
    matches!(sections, [only] if matches!(only.keys.as_slice(), [key] if key.value.as_str() == text
        && key.comment.as_str().is_empty()))
}

/// Each line with a mark: its own, if it has one.
pub(super) fn write_comment(out: &mut Buffer, comment: Option<&str>) {
    for line in
        comment.filter(|comment| !comment.is_empty()).into_iter().flat_map(|comment| comment.split('\n'))
    {
        let (mark, text) = match line.chars().next() {
            Some(mark @ ('#' | ';')) => (mark, line.get(1..).unwrap_or_default()),
            _ => (';', line),
        };
        out.push(mark);
        out.push(' ');
        out.push_str(text.trim());
        out.push('\n');
    }
}

fn cannot_hold(key: &str, why: &'static str) -> SopsError {
    SopsError::CannotHold { store: STORE, key: key.escape_debug().to_string(), why }
}
