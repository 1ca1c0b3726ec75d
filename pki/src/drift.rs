//! A certificate against its plan: every way in which it is not what machines.nix asks for, in words.

use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::facts::CertFacts;
use crate::kinds::Usage;
use crate::plan::CertPlan;
use crate::san::San;

/// One reason why a certificate is made, or made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nobody has made it yet.
    New,
    /// It was made, and its file is gone.
    FileMissing,
    /// It was made elsewhere, and is taken over.
    Adopted {
        /// Its subject.
        subject: String,
    },
    /// Its private key is not in the sealed file.
    KeyMissing {
        /// The sealed file.
        file: String,
    },
    /// A name or address that the plan has and the certificate lacks.
    SanMissing(San),
    /// A name or address that the certificate has and the plan does not.
    SanExtra(San),
    /// The machine has other addresses than when the certificate was made.
    Moved {
        /// The machine.
        machine: String,
        /// Its addresses then.
        from: String,
        /// Its addresses now.
        to: String,
    },
    /// The machine's SSH host key is another one: what was sealed to the old one is void.
    HostKeyChanged {
        /// The machine.
        machine: String,
    },
    /// The subject differs.
    Subject {
        /// What the certificate says.
        found: String,
        /// What the plan says.
        expected: String,
    },
    /// The usages differ.
    Usage {
        /// What the certificate says.
        found: String,
        /// What the plan says.
        expected: String,
    },
    /// Authority or not, and how deep.
    Constraints {
        /// What the certificate says.
        found: String,
        /// What the plan says.
        expected: String,
    },
    /// Its issuer's certificate is made anew, so the chain in its file and the end of its life follow.
    IssuerRenewed {
        /// The issuer.
        issuer: String,
    },
    /// Its end is near.
    Expires {
        /// Whole days that are left; negative when it is over.
        days: i64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new"),
            Self::FileMissing => f.write_str("its file is missing"),
            Self::Adopted { subject } => write!(f, "made elsewhere as {subject}"),
            Self::KeyMissing { file } => write!(f, "its key is missing from {file}"),
            Self::SanMissing(san) => write!(f, "SAN {san} missing"),
            Self::SanExtra(san) => write!(f, "SAN {san} no longer wanted"),
            Self::Moved { machine, from, to } => write!(f, "machine {machine} moved from {from} to {to}"),
            Self::HostKeyChanged { machine } => write!(f, "machine {machine} has another SSH host key"),
            Self::Subject { found, expected } => write!(f, "subject is {found}, should be {expected}"),
            Self::Usage { found, expected } => write!(f, "usage is {found}, should be {expected}"),
            Self::Constraints { found, expected } => write!(f, "it is {found}, should be {expected}"),
            Self::IssuerRenewed { issuer } => write!(f, "issuer {issuer} is made anew"),
            Self::Expires { days } => f.write_str(&expiry(*days)),
        }
    }
}

/// `expires in 9 days`, `expires today`, `expired 3 days ago`.
pub fn expiry(days: i64) -> String {
    let count = |days: i64| if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    match days {
        0 => "expires today".to_owned(),
        days if days > 0 => format!("expires in {}", count(days)),
        days => format!("expired {} ago", count(-days)),
    }
}

/// Whole days from `now` to `end`, rounded down: 0 on the last day, negative when it is over.
pub fn days_left(end: OffsetDateTime, now: OffsetDateTime) -> i64 {
    (end - now).whole_seconds().div_euclid(Duration::DAY.whole_seconds())
}

/// Every difference between what a certificate says and what the plan asks for. Its dates and its issuer are
/// judged elsewhere.
pub fn compare(plan: &CertPlan, facts: &CertFacts) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let expected = subject(&plan.common_name, plan.organization.as_slice());
    let found = subject(&facts.common_name, &facts.organizations);
    if found != expected {
        reasons.push(Reason::Subject { found, expected });
    }
    reasons.extend(plan.sans.iter().filter(|san| !facts.sans.contains(san)).cloned().map(Reason::SanMissing));
    reasons.extend(facts.sans.iter().filter(|san| !plan.sans.contains(san)).cloned().map(Reason::SanExtra));
    let found = usage_text(&facts.key_usages, &facts.purposes);
    let expected = expected_usage(plan.usage, &facts.key_type);
    if found != expected {
        reasons.push(Reason::Usage { found, expected });
    }
    let (found, expected) = (
        constraints(facts.is_ca, facts.path_length),
        constraints(plan.is_authority(), plan.path_length.map(u32::from)),
    );
    if found != expected {
        reasons.push(Reason::Constraints { found, expected });
    }
    reasons
}

/// A subject as people and manifests write it: `CN=system:node:cp1, O=system:nodes`.
pub fn subject(common_name: &str, organizations: &[String]) -> String {
    let groups = organizations.iter().map(|group| format!(", O={group}"));
    format!("CN={common_name}{}", groups.collect::<String>())
}

/// The usages a certificate should have. `keyEncipherment` belongs to RSA alone: RFC 5480 section 3 and RFC 9295
/// give it no meaning for elliptic curves.
fn expected_usage(usage: Option<Usage>, key_type: &str) -> String {
    let Some(usage) = usage else { return usage_text(&["cRLSign", "digitalSignature", "keyCertSign"], &[]) };
    let key_usages: &[&str] =
        if key_type == "rsa" { &["digitalSignature", "keyEncipherment"] } else { &["digitalSignature"] };
    let purposes = [usage.is_server().then_some("serverAuth"), usage.is_client().then_some("clientAuth")];
    usage_text(key_usages, &purposes.into_iter().flatten().collect::<Vec<_>>())
}

fn usage_text(key_usages: &[&str], purposes: &[&str]) -> String {
    let all: Vec<&str> = key_usages.iter().chain(purposes).copied().collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" ") }
}

fn constraints(is_ca: bool, path_length: Option<u32>) -> String {
    match (is_ca, path_length) {
        (false, _) => "no authority".to_owned(),
        (true, None) => "an authority of any depth".to_owned(),
        (true, Some(depth)) => format!("an authority with path length {depth}"),
    }
}
