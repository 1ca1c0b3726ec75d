//! What an etcd server says of the clients it refused.
//!
//! A client learns little: most refusals look alike to it, and to `etcdctl` all of them are
//! `context deadline exceeded`. So tests assert on the server's own words.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// A server's log as text, as far as it was written.
#[derive(Debug)]
pub(crate) struct ServerLog(String);

/// One connection that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Where it came from. etcd calls itself too, so that a rejection alone proves nothing of a client.
    pub(crate) from: IpAddr,
    /// Why.
    pub(crate) reason: Reason,
}

/// Why a server refused a connection. The texts are those of etcd 3.4 and 3.6 with the Go they are built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The client presented no certificate.
    NoCertificate,
    /// It was not issued by an authority that the server trusts.
    UnknownAuthority,
    /// It is none for clients.
    WrongUsage,
    /// It is valid, but has not the name that `*_CERT_ALLOWED_HOSTNAME` asks for.
    NameNotAllowed {
        /// The DNS names it has.
        names: Vec<String>,
    },
    /// The client was gone before the handshake ended, as happens while members start. Says nothing of certificates.
    HungUp,
    /// Anything else, as the server says it.
    Other(String),
}

/// The fields of a log line that matter here.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Line {
    remote_addr: SocketAddr,
    error: String,
    #[serde(default)]
    dns_names: Vec<String>,
}

impl ServerLog {
    /// Reads a log file.
    pub(crate) fn read(path: &Path) -> Self {
        Self(fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// Every connection that was refused so far, in the order of time.
    pub(crate) fn rejections(&self) -> Vec<Rejection> {
        let complete = self.0.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        complete.filter(|line| line.contains("\"rejected connection")).map(rejection).collect()
    }

    /// Its last lines, for a person.
    pub(crate) fn tail(&self) -> String {
        let lines: Vec<_> = self.0.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

fn rejection(line: &str) -> Rejection {
    let Line { remote_addr, error, dns_names } =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the log line {line}"));
    let reason = if error.ends_with("client didn't provide a certificate") {
        Reason::NoCertificate
    } else if error.ends_with("certificate signed by unknown authority") {
        Reason::UnknownAuthority
    } else if error.ends_with("certificate specifies an incompatible key usage") {
        Reason::WrongUsage
    } else if error == "client certificate authentication failed" {
        Reason::NameNotAllowed { names: dns_names }
    } else if error == "EOF" || error.ends_with("connection reset by peer") {
        Reason::HungUp
    } else {
        Reason::Other(error)
    };
    Rejection { from: remote_addr.ip(), reason }
}
