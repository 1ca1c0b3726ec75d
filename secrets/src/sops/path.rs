//! Where a value stands in a file: `db.users[0].name`, or sops' `["db"]["users"][0]["name"]`.

use std::fmt;
use std::str::FromStr;

/// A step from a map or a list to what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The value under a key.
    Key(String),
    /// An element of a list, counted from 0, comments left out.
    Index(usize),
}

/// The steps from the top to a value; none is the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path {
    steps: Vec<Step>,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// The text.
    pub found: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Path {
    /// The steps, from the top.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it names the whole file.
    pub fn is_whole(&self) -> bool {
        self.steps.is_empty()
    }
}

impl From<Vec<Step>> for Path {
    fn from(steps: Vec<Step>) -> Self {
        Self { steps }
    }
}

impl FromStr for Path {
    type Err = PathError;

    /// Keys with a dot, a bracket or a quote in them are written in brackets and quotes, either kind, and end at the
    /// next of the same kind: as in sops there is no escape.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |why| PathError { found: text.to_owned(), why };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, behind) = bracket(inner).map_err(fail)?;
                steps.push(step);
                rest = behind;
            } else {
                let bare = if steps.is_empty() {
                    rest
                } else {
                    rest.strip_prefix('.').ok_or_else(|| fail("a `.` or `[` is missing behind a `]`"))?
                };
                let end = bare.find(['.', '[']).unwrap_or(bare.len());
                let (key, behind) = bare.split_at(end);
                if key.is_empty() {
                    return Err(fail("a key is empty: write it as `[\"\"]` if it is meant"));
                }
                if key.contains([']', '"', '\'']) {
                    return Err(fail("a bracket or a quote stands where none opened"));
                }
                steps.push(Step::Key(key.to_owned()));
                rest = behind;
            }
        }
        if steps.is_empty() {
            return Err(fail("it is empty"));
        }
        Ok(Self { steps })
    }
}

/// What stands behind a `[`, and what follows its `]`.
fn bracket(inner: &str) -> Result<(Step, &str), &'static str> {
    if let Some(quote) = inner.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let body = inner.get(1..).unwrap_or_default();
        let (key, behind) = body.split_once(quote).ok_or("a quote is not closed")?;
        let behind = behind.strip_prefix(']').ok_or("a `]` is missing behind a closing quote")?;
        return Ok((Step::Key(key.to_owned()), behind));
    }
    let (number, behind) = inner.split_once(']').ok_or("a `[` is not closed")?;
    let index = number.parse().map_err(|_| "what stands in brackets is neither a number nor in quotes")?;
    Ok((Step::Index(index), behind))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.is_empty() || key.contains(['.', '[', ']', '"', '\'']) => {
                    let quote = if key.contains('"') { '\'' } else { '"' };
                    write!(f, "[{quote}{key}{quote}]")?;
                }
                Step::Key(key) if number == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{found}` is no path to a value: {why}", found = self.found, why = self.why)
    }
}

impl PathError {
    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        "write it as `db.users[0]`, or as sops does: `[\"db\"][\"users\"][0]`"
    }
}

impl std::error::Error for PathError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    #[test]
    fn both_spellings_name_the_same_place() {
        let steps = vec![key("db"), key("users"), Step::Index(0), key("name")];
        for text in ["db.users[0].name", "[\"db\"][\"users\"][0][\"name\"]", "['db'].users[0].name"] {
            assert_eq!(text.parse::<Path>().unwrap().steps(), steps, "{text}");
        }
        assert_eq!("[\"a.b\"][\"\"]".parse::<Path>().unwrap().steps(), [key("a.b"), key("")]);
    }

    #[test]
    fn what_is_shown_is_read_as_the_same_path() {
        for text in ["a", "a.b[3]", "[0]", "[\"a.b\"].c", "['x\"y']", "[\"\"]"] {
            let path: Path = text.parse().unwrap();
            assert_eq!(path.to_string().parse::<Path>().unwrap(), path, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", ".", "a.", "a..b", "a[", "a[x]", "a[\"b]", "a[\"b\"", "a[\"b\"x]", "a]b", "a[0]b", "a[-1]"]
        {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }
}
