//! Where lines can be put into `.sops.yaml` without touching any other.

use granit_parser::{Event, Parser, Span, StructureStyle};

use super::{Rule, RulesError, lines};

/// One of our two blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    First,
    Last,
}

impl Block {
    /// The comments that a block begins and ends with, without `# `.
    pub(super) fn markers(self) -> (&'static str, &'static str) {
        match self {
            Self::First => {
                ("quorate: begin of rules made from machines.nix, do not edit", "quorate: end of rules")
            }
            Self::Last => (
                "quorate: begin of last rules made from machines.nix, do not edit",
                "quorate: end of last rules",
            ),
        }
    }
}

/// A block as text; nothing where there is no rule.
pub(super) fn render(block: Block, rules: &[&Rule], indent: usize, eol: &str) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let (begin, end) = block.markers();
    let body = rules.iter().flat_map(|rule| lines(rule));
    let all = std::iter::once(format!("# {begin}")).chain(body).chain(std::iter::once(format!("# {end}")));
    let pad = " ".repeat(indent);
    all.flat_map(|line| [pad.clone(), line, eol.to_owned()]).collect()
}

/// The text without a block, and where the block stood.
pub(super) fn take_block(text: &str, block: Block) -> Result<(String, Option<usize>), RulesError> {
    let (begin, end) = block.markers();
    let Some(from) = find_line(text, begin)? else {
        return match find_line(text, end)? {
            Some(_) => {
                Err(RulesError::Markers { marker: end, why: "stands alone, its beginning is missing" })
            }
            None => Ok((text.to_owned(), None)),
        };
    };
    let to = find_line(text, end)?
        .ok_or(RulesError::Markers { marker: begin, why: "stands alone, its end is missing" })?;
    if to < from {
        return Err(RulesError::Markers { marker: end, why: "stands before its beginning" });
    }
    let mut rest = text.get(..from).unwrap_or_default().to_owned();
    rest.push_str(text.get(line_end(text, to)..).unwrap_or_default());
    Ok((rest, Some(from)))
}

/// Where the one line that is this marker begins.
fn find_line(text: &str, marker: &'static str) -> Result<Option<usize>, RulesError> {
    let mut found = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim().strip_prefix('#').is_some_and(|comment| comment.trim() == marker)
            && found.replace(at).is_some()
        {
            return Err(RulesError::Markers { marker, why: "is there twice" });
        }
        at += line.len();
    }
    Ok(found)
}

/// Behind the line feed of the line that `at` is in.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| at + end + 1)
}

/// Where the rules of the user stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// There is no `creation_rules`.
    Absent,
    /// `creation_rules:` with nothing behind it.
    Empty {
        /// Where the next line begins.
        after_key: usize,
    },
    /// A list in block style.
    List {
        /// Where the line after the key begins.
        after_key: usize,
        /// The column of the dashes.
        indent: usize,
        /// Where each rule begins.
        rules: Vec<usize>,
        /// Where the line after the last rule begins.
        end: usize,
    },
}

impl Layout {
    /// Finds `creation_rules` in text that has none of our blocks.
    pub(super) fn of(text: &str) -> Result<Self, RulesError> {
        let options = granit_parser::options! { emit_comments: false };
        let mut events = Parser::new_from_str_with_options(text, options);
        let mut next = || match events.next_event() {
            Some(Ok((event, span))) => Ok((event, span)),
            Some(Err(error)) => Err(RulesError::Yaml { why: error.to_string() }),
            None => Ok((Event::StreamEnd, Span::default())),
        };
        let style = |what, found| Err(RulesError::Style { what, found });
        // The root: nothing, or a map in block style.
        loop {
            match next()? {
                (Event::StreamEnd, _) => return Ok(Self::Absent),
                (Event::MappingStart(StructureStyle::Block, ..), _) => break,
                (Event::MappingStart(..), _) => return style("the file", "written in braces"),
                (Event::SequenceStart(..), _) => return style("the file", "a list, expected a map"),
                (Event::Scalar(text, ..), span) if text == "~" && span.is_empty() => {}
                (Event::Scalar(..) | Event::Alias(_), _) => {
                    return style("the file", "a single value, expected a map");
                }
                _ => {}
            }
        }
        let mut depth = 0_usize;
        let mut is_key = true;
        loop {
            let (event, span) = next()?;
            match &event {
                Event::MappingEnd if depth == 0 => return Ok(Self::Absent),
                Event::Scalar(name, ..) if depth == 0 && is_key && name == "creation_rules" => {
                    return Self::of_rules(text, &span, next);
                }
                Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
                Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
                _ => {}
            }
            // Back at the top, a node was a key or its value.
            if depth == 0 {
                is_key = !is_key;
            }
        }
    }

    /// The value of `creation_rules`, event by event.
    fn of_rules<'t>(
        text: &str,
        key: &Span,
        mut next: impl FnMut() -> Result<(Event<'t>, Span), RulesError>,
    ) -> Result<Self, RulesError> {
        let style = |found| Err(RulesError::Style { what: "`creation_rules`", found });
        let start = |span: &Span| span.start.byte_offset().unwrap_or_default();
        let after_key = line_end(text, start(key));
        match next()? {
            (Event::Scalar(value, ..), span) if value == "~" && span.is_empty() => {
                return Ok(Self::Empty { after_key });
            }
            (Event::SequenceStart(StructureStyle::Block, ..), _) => {}
            (Event::SequenceStart(..), _) => return style("written in brackets"),
            (Event::Alias(_), _) => return style("an alias"),
            _ => return style("not a list"),
        }
        let mut rules = Vec::new();
        let mut depth = 0_usize;
        let mut last = after_key;
        loop {
            let (event, span) = next()?;
            match &event {
                Event::SequenceEnd if depth == 0 => break,
                Event::StreamEnd => break,
                Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
                _ => {
                    if depth == 0 {
                        rules.push(start(&span));
                    }
                    if matches!(event, Event::MappingStart(..) | Event::SequenceStart(..)) {
                        depth += 1;
                    }
                }
            }
            // The end of a block is where the next token begins; only what has text of its own says where it ends.
            if !span.is_empty() {
                last = span.end.byte_offset().unwrap_or(last);
            }
        }
        let content = text.get(..last).unwrap_or(text).trim_end().len();
        let dash =
            text.get(after_key..).unwrap_or_default().lines().find(|line| line.trim_start().starts_with('-'));
        let indent = dash.map_or(0, |line| line.len() - line.trim_start().len());
        Ok(Self::List { after_key, indent, rules, end: line_end(text, content.saturating_sub(1)) })
    }

    /// The column our dashes must have.
    pub(super) fn indent(&self) -> usize {
        match self {
            Self::Absent | Self::Empty { .. } => 2,
            Self::List { indent, .. } => *indent,
        }
    }

    /// Whether the rest of a rule begins at a place that our block had: without it the two halves are one rule again.
    pub(super) fn is_inside_a_rule(&self, user: &str, at: usize) -> bool {
        let rest = user.get(at..).unwrap_or_default().lines();
        let mut content = rest.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        let deeper = |line: &str| line.len() - line.trim_start().len() > self.indent();
        matches!(self, Self::List { .. }) && content.next().is_some_and(deeper)
    }

    /// How many foreign rules stand before a place that our block had.
    pub(super) fn rules_before(&self, at: usize) -> Result<usize, RulesError> {
        let (marker, _) = Block::First.markers();
        let outside = Err(RulesError::Markers { marker, why: "stands outside of `creation_rules`" });
        match self {
            Self::Absent => outside,
            Self::Empty { after_key } => {
                if at < *after_key {
                    outside
                } else {
                    Ok(0)
                }
            }
            Self::List { after_key, end, .. } if at < *after_key || at > *end => outside,
            Self::List { rules, .. } => Ok(rules.iter().filter(|rule| **rule < at).count()),
        }
    }

    /// The user's text with both blocks in it.
    pub(super) fn insert(
        &self,
        user: &str,
        place: Option<usize>,
        first: &str,
        last: &str,
        eol: &str,
    ) -> String {
        if first.is_empty() && last.is_empty() {
            return user.to_owned();
        }
        let (first_at, last_at) = match self {
            Self::Absent => (user.len(), user.len()),
            Self::Empty { after_key } => {
                let at = place.unwrap_or(*after_key);
                (at, at)
            }
            Self::List { after_key, end, .. } => (place.unwrap_or(*after_key), *end),
        };
        let mut new = user.get(..first_at).unwrap_or_default().to_owned();
        if !new.is_empty() && !new.ends_with('\n') {
            new.push_str(eol);
        }
        if *self == Self::Absent {
            new.push_str("creation_rules:");
            new.push_str(eol);
        }
        new.push_str(first);
        new.push_str(user.get(first_at..last_at).unwrap_or_default());
        if !last.is_empty() && !new.ends_with('\n') {
            new.push_str(eol);
        }
        new.push_str(last);
        new.push_str(user.get(last_at..).unwrap_or_default());
        new
    }
}
