//! sops as a process that answers: see tests/peers/sops-diff/main.go.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use quorate_secrets::sops::Store;
use serde_json::{Value, json};

use crate::cluster::peer::{self, Peer};

/// The process, which ends with this value.
pub(crate) struct Sops {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What sops makes of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) text: Vec<u8>,
    /// Path, type and content of every value.
    pub(crate) values: Vec<String>,
    /// Place and content of every comment, a NUL between the two.
    pub(crate) comments: Vec<String>,
}

impl Answer {
    pub(crate) fn as_text(&self) -> &str {
        std::str::from_utf8(&self.text).expect("sops writes text")
    }

    /// Whether a comment is shown as the ciphertext that it is.
    pub(crate) fn is_closed(&self) -> bool {
        self.comments.iter().any(|comment| comment.contains("ENC[AES256_GCM,"))
    }

    /// What the comments say, wherever they stand.
    pub(crate) fn remarks(&self) -> Vec<&str> {
        let text = |comment: &'_ String| comment.find('\0').map_or(0, |end| end + 1);
        let mut remarks: Vec<_> = self.comments.iter().map(|comment| &comment[text(comment)..]).collect();
        remarks.sort_unstable();
        remarks
    }
}

impl Sops {
    /// `None` when the peer is missing. `identities` are its `SOPS_AGE_KEY`, `gpg` the folder of its OpenPGP keys; it has
    /// no home to look for others.
    pub(crate) fn start(identities: &str, gpg: &Path) -> Option<Self> {
        let program = peer::find(Peer::SopsDiff)?.path("sops-diff");
        let mut command = Command::new(program);
        command.env_clear().env("SOPS_AGE_KEY", identities).env("HOME", "/nonexistent").env("GNUPGHOME", gpg);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sops-diff starts");
        let requests = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Some(Self { child, requests, answers })
    }

    /// Seals a text; `policy` has the fields of a request that say how.
    pub(crate) fn encrypt(&mut self, store: Store, text: &[u8], policy: &Value) -> Result<Answer, String> {
        let mut request = policy.clone();
        request["op"] = json!("encrypt");
        self.ask(request, store, text)
    }

    pub(crate) fn decrypt(&mut self, store: Store, text: &[u8]) -> Result<Answer, String> {
        self.ask(json!({ "op": "decrypt" }), store, text)
    }

    /// Reads a text in the open and writes it again.
    pub(crate) fn read(&mut self, store: Store, text: &[u8]) -> Result<Answer, String> {
        self.ask(json!({ "op": "read" }), store, text)
    }

    /// The same, with each comment above what it stands behind.
    pub(crate) fn read_comments_above(&mut self, store: Store, text: &[u8]) -> Result<Answer, String> {
        self.ask(json!({ "op": "read", "above": true }), store, text)
    }

    /// Puts `new` in the place of what a file holds.
    pub(crate) fn edit(&mut self, store: Store, text: &[u8], new: &[u8]) -> Result<Answer, String> {
        self.ask(json!({ "op": "edit", "new": BASE64_STANDARD.encode(new) }), store, text)
    }

    fn ask(&mut self, mut request: Value, store: Store, text: &[u8]) -> Result<Answer, String> {
        request["store"] = json!(store.name());
        request["text"] = json!(BASE64_STANDARD.encode(text));
        writeln!(self.requests, "{request}").expect("sops-diff takes a request");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("sops-diff answers");
        let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let text = BASE64_STANDARD.decode(answer["text"].as_str().unwrap_or_default()).expect("base64");
        let [values, comments] = ["values", "comments"].map(|field| {
            let lines = answer[field].as_array().map_or(&[][..], Vec::as_slice);
            lines.iter().map(|line| line.as_str().expect("a string").to_owned()).collect()
        });
        Ok(Answer { text, values, comments })
    }
}

impl Drop for Sops {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
