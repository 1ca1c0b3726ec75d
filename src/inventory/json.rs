//! JSON as a [`Node`] that knows where each value stands.
//!
//! serde_json says whether the text is JSON at all and bounds its depth; granit-parser, since JSON is YAML too, says
//! where everything stands.

use std::collections::BTreeMap;
use std::fmt;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use quorate_pki::inventory::{Attr, Data, Node, Origin};

/// Why a text is no inventory in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong, with line and column where they are known.
    pub message: String,
    /// Where it is wrong.
    pub at: Option<Origin>,
    /// What to do.
    pub hint: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JsonError {}

/// Parses a JSON text, each value with the stretch of file `file` that it was written in.
///
/// # Errors
///
/// A text that is not JSON, is nested more than 128 deep, or names one attribute of an object twice.
pub fn parse(text: &str, file: usize) -> Result<Node, JsonError> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| {
        let start = offset(text, error.line(), error.column());
        JsonError {
            message: not_json(text, &error),
            at: Some(Origin { file, start, end: start }),
            hint: "names and texts have `\"` around them, and nothing follows the last comma; `jq .` shows it too",
        }
    })?;
    let mut events = Parser::new_from_str(text).filter(|event| {
        !matches!(event, Ok((Event::StreamStart | Event::DocumentStart(..) | Event::Comment(..), _)))
    });
    let mut reader = Reader { events: &mut events, file };
    let (event, span) = reader.next()?;
    reader.value(&event, &span)
}

/// What serde_json says, without the place: the excerpt shows it.
fn not_json(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        return "the file is empty, expected an object of machines".to_owned();
    }
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or(&words);
    format!("the file is not JSON: {}", words.replacen("EOF", "the file ends", 1))
}

/// The byte at a line and column as serde_json counts them: lines from 1, columns in bytes, 0 before the first.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    // Within a letter of several bytes it counts on.
    text.floor_char_boundary((start + column.saturating_sub(1)).min(text.len()))
}

struct Reader<'e, I> {
    events: &'e mut I,
    file: usize,
}

type Parsed<'i> = Result<(Event<'i>, Span), granit_parser::ScanError>;

impl<'i, I: Iterator<Item = Parsed<'i>>> Reader<'_, I> {
    fn next(&mut self) -> Result<(Event<'i>, Span), JsonError> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let start = error.marker().byte_offset();
                let at = start.map(|start| Origin { file: self.file, start, end: start });
                // Its words are about YAML, which nobody wrote.
                let too_deep = error.info().contains("recursion");
                let what = if too_deep {
                    "it is nested too deep"
                } else {
                    "a name is too long or a text has U+007F"
                };
                Err(unreadable(what, at))
            }
            None => Err(unreadable("it ends too early", None)),
        }
    }

    fn origin(&self, span: &Span) -> Option<Origin> {
        span.byte_range().map(|range| Origin { file: self.file, start: range.start, end: range.end })
    }

    fn value(&mut self, event: &Event<'i>, span: &Span) -> Result<Node, JsonError> {
        let origin = self.origin(span);
        let (data, end) = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => (plain(text), None),
            Event::Scalar(text, ..) => (Data::Str(text.to_string()), None),
            Event::SequenceStart(..) => self.list()?,
            Event::MappingStart(..) => self.object()?,
            _ => return Err(unreadable("a value is expected here", origin)),
        };
        // A collection reaches to the event that closes it.
        let end = end.or(origin.map(|origin| origin.end));
        Ok(Node { data, origin: origin.map(|origin| Origin { end: end.unwrap_or(origin.end), ..origin }) })
    }

    fn list(&mut self) -> Result<(Data, Option<usize>), JsonError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Data::List(items), self.origin(&span).map(|origin| origin.end)));
            }
            items.push(self.value(&event, &span)?);
        }
    }

    fn object(&mut self) -> Result<(Data, Option<usize>), JsonError> {
        // Names sorted, as an attribute set has them.
        let mut attrs: BTreeMap<String, Attr> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            let origin = self.origin(&span);
            let name = match event {
                Event::MappingEnd => {
                    let end = origin.map(|origin| origin.end);
                    return Ok((Data::Attrs(attrs.into_values().collect()), end));
                }
                Event::Scalar(name, ..) => name.to_string(),
                _ => return Err(unreadable("a name is expected here", origin)),
            };
            let (event, span) = self.next()?;
            let value = self.value(&event, &span)?;
            let attr = Attr { name: name.clone(), origin, value };
            if attrs.insert(name.clone(), attr).is_some() {
                let hint = "remove one of them: JSON leaves open which would count";
                return Err(JsonError { message: format!("`{name}` is there twice"), at: origin, hint });
            }
        }
    }
}

/// JSON that granit-parser does not take all the same: names of more than 1,024 characters, U+007F in a string.
fn unreadable(what: &str, at: Option<Origin>) -> JsonError {
    JsonError {
        message: format!("the file is JSON, but no inventory: {what}"),
        at,
        hint: "names have at most 1,024 characters, U+007F is written \\u007f, and nothing is 128 levels deep",
    }
}

/// A literal without quotes: JSON has only these.
fn plain(text: &str) -> Data {
    match text {
        "null" => Data::Null,
        "true" => Data::Bool(true),
        "false" => Data::Bool(false),
        number => match (number.parse::<i64>(), number.parse::<f64>()) {
            (Ok(value), _) => Data::Int(value),
            (_, Ok(value)) => Data::Float(value),
            _ => Data::Str(number.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_where_it_was_written() {
        let text = "{ \"b\": [1, -2.5, \"x\\u00e9\"],\n\t\"a\": {\"é\": null, \"t\": true} }\n";
        let root = parse(text, 3).unwrap();
        assert_eq!(root.to_json(), serde_json::from_str::<serde_json::Value>(text).unwrap());
        let slice = |origin: Option<Origin>| {
            let origin = origin.unwrap();
            assert_eq!(origin.file, 3);
            &text[origin.start..origin.end]
        };
        assert_eq!(slice(root.origin), text.trim_end());
        assert_eq!(slice(root.attr("b").unwrap().origin), "\"b\"");
        assert_eq!(slice(root.get("b").unwrap().origin), "[1, -2.5, \"x\\u00e9\"]");
        assert_eq!(slice(root.get("a").unwrap().get("t").unwrap().origin), "true");
        let Data::List(items) = &root.get("b").unwrap().data else { panic!("no list") };
        assert_eq!(slice(items[2].origin), "\"x\\u00e9\"");
    }

    #[test]
    fn yaml_is_no_json_and_a_name_stands_once() {
        for bad in
            ["a: 1", "{a: 1}", "&a [*a]", "{} {}", "", "[1,]", "{\"a\": 1, \"a\": 2}", "# x\n{}", "'x'"]
        {
            assert!(parse(bad, 0).is_err(), "{bad}");
        }
        let error = parse("{\n  \"a\": 1,\n  oops\n}", 0).unwrap_err();
        assert_eq!(error.at.unwrap().start, 14);
        for text in ["{\"a\": é}", "\"\n\u{18}\u{72e2}\u{20bb}\"", "[\u{1f600}]"] {
            let at = parse(text, 0).unwrap_err().at.unwrap();
            assert!(text.is_char_boundary(at.start), "{at:?} of {text:?}");
        }
    }

    #[test]
    fn json_that_is_no_inventory_is_called_json_and_has_a_place() {
        for text in [format!("{{\n\"{}\": 1}}", "a".repeat(2_000)), "{\n\"a\": \"x\u{7f}y\"}".to_owned()] {
            let error = parse(&text, 0).unwrap_err();
            assert!(error.message.starts_with("the file is JSON, but"), "{}", error.message);
            assert!(error.at.is_some_and(|at| at.start >= 2), "{error:?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_overflows_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(&deep, 0).unwrap_err().message.contains("nested too deep"));
    }
}
