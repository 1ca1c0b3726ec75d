//! Requests to an API server, by `curl` from a machine, with a login or without.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::files::Pair;
use super::network::Host;

/// What a client shows of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Login<'a> {
    Nothing,
    Certificate(&'a Pair),
    /// A bearer token.
    Token(&'a str),
}

/// A client of the API, who trusts the certificates of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Api<'a> {
    pub(crate) host: &'a Host,
    pub(crate) trust: &'a Path,
    pub(crate) login: Login<'a>,
    pub(crate) server: SocketAddr,
}

/// An answer of the API: the status, and the object or the text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Whom an API server takes a client for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    /// Sorted.
    pub(crate) groups: Vec<String>,
}

impl User {
    /// A user with these groups and the one that every login has.
    pub(crate) fn new(name: impl Into<String>, groups: impl IntoIterator<Item = &'static str>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
        groups.push("system:authenticated".into());
        groups.sort();
        Self { name: name.into(), groups }
    }
}

impl Answer {
    /// The object, or panics with the answer when it is another than a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }
}

impl Api<'_> {
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, object: &Value) -> Answer {
        self.request("POST", path, &["Content-Type: application/json"], Some(object))
    }

    /// A merge patch.
    pub(crate) fn patch(&self, path: &str, object: &Value) -> Answer {
        self.request("PATCH", path, &["Content-Type: application/merge-patch+json"], Some(object))
    }

    /// Whom the API server takes this client for, who sends these headers too. `None` when it is no login: 401.
    pub(crate) fn user(&self, headers: &[&str]) -> Option<User> {
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let headers: Vec<_> = headers.iter().copied().chain(["Content-Type: application/json"]).collect();
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let answer = self.request("POST", path, &headers, Some(&review));
        if answer.status == 401 {
            return None;
        }
        let info = answer.ok()["status"]["userInfo"].take();
        let mut groups: Vec<String> =
            serde_json::from_value(info["groups"].clone()).expect("a list of groups");
        groups.sort();
        Some(User { name: info["username"].as_str().expect("a user name").to_owned(), groups })
    }

    /// What it may do in a namespace, other than to ask about itself and to look which APIs there are.
    pub(crate) fn rights(&self, namespace: &str) -> Vec<Value> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": { "namespace": namespace },
        });
        let answer = self.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review).ok();
        let mut rules = answer["status"]["resourceRules"].as_array().expect("a list of rules").clone();
        // What the ClusterRole system:basic-user gives everybody who is logged in.
        rules.retain(|rule| {
            let resources = rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
            resources.clone().count() == 0 || resources.clone().any(|name| !name.starts_with("selfsubject"))
        });
        rules
    }

    /// One request. Panics when there is no answer at all.
    #[track_caller]
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[&str], body: Option<&Value>) -> Answer {
        self.try_request(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path} of {}: {error}", self.server))
    }

    /// One request.
    ///
    /// # Errors
    /// What curl said when there was no answer at all.
    pub(crate) fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut command = self.host.command(Path::new("curl"));
        command.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]);
        // An API server ends an HTTP/2 connection with its 401, which curl takes for half an answer.
        command.arg("--http1.1");
        command.args(["--request", method, "--cacert"]).arg(self.trust);
        match self.login {
            Login::Nothing => {}
            Login::Certificate(pair) => {
                command.arg("--cert").arg(&pair.certificate).arg("--key").arg(&pair.key);
            }
            Login::Token(token) => {
                command.args(["--oauth2-bearer", token]);
            }
        }
        for header in headers {
            command.args(["--header", header]);
        }
        if body.is_some() {
            command.args(["--data-binary", "@-"]);
        }
        command.arg(format!("https://{}{path}", self.server));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("curl starts");
        let text = body.map(Value::to_string).unwrap_or_default();
        process.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("curl reads");
        let output = process.wait_with_output().expect("a child of ours");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        let (body, status) = stdout.rsplit_once('\n').expect("a status behind the body");
        let body = serde_json::from_str(body).unwrap_or_else(|_| body.into());
        Ok(Answer { status: status.parse().expect("a status"), body })
    }
}
