//! Reading `cluster`.

use ipnet::IpNet;

use super::machine::is_path;
use super::read::{Placed, Section, is_secret, quoted};
use super::rules::rule;
use super::{Backup, CaMode, Cni, DEFAULT_POD_RANGE, DEFAULT_SERVICE_RANGE, KeyType, Policy};
use crate::fault::Fault;
use crate::inventory::Attr;
use crate::names::{CLUSTER_NAME, is_domain, is_label, to_label};

/// The attributes of `cluster`.
pub(super) const ATTRIBUTES: &[&str] = &[
    "name",
    "domain",
    "nodeCidr",
    "serviceCidr",
    "podCidr",
    "cni",
    "admins",
    "sshKeys",
    "rootAdmins",
    "backup",
    "ca",
    "keyType",
    "rootDays",
    "caDays",
    "certDays",
    "renewDays",
];

/// Longest life that can be asked for: a hundred years.
const LONGEST_LIFE: u32 = 36_500;

/// `cluster` as it was read, before it is compared with the machines.
pub(super) struct SettingsDraft {
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) node: Vec<Placed<IpNet>>,
    /// Whether a `nodeCidr` was written of which nothing could be used, which is said already.
    pub(super) node_refused: bool,
    pub(super) service: Vec<Placed<IpNet>>,
    pub(super) pod: Vec<Placed<IpNet>>,
    pub(super) cni: Cni,
    pub(super) admins: Vec<Placed<String>>,
    pub(super) root_admins: Vec<Placed<String>>,
    pub(super) ssh_keys: Vec<String>,
    pub(super) backup: Option<Backup>,
    pub(super) policy: Policy,
}

impl SettingsDraft {
    /// What an inventory without `cluster` gets.
    pub(super) fn missing() -> Self {
        Self {
            name: "kubernetes".into(),
            domain: "cluster.local".into(),
            node: Vec::new(),
            node_refused: false,
            service: vec![Placed { value: DEFAULT_SERVICE_RANGE, at: None }],
            pod: vec![Placed { value: DEFAULT_POD_RANGE, at: None }],
            cni: Cni::Flannel,
            admins: Vec::new(),
            root_admins: Vec::new(),
            ssh_keys: Vec::new(),
            backup: None,
            policy: Policy {
                ca: CaMode::Shared,
                key_type: KeyType::P256,
                root_days: 7300,
                ca_days: 3650,
                cert_days: 365,
                renew_days: 30,
            },
        }
    }

    /// The set, with the default for whatever is absent or unusable.
    pub(super) fn read(attr: &Attr, faults: &mut Vec<Fault>) -> Self {
        let default = Self::missing();
        let Some(mut section) = Section::open(attr, faults) else {
            return Self { node_refused: true, ..default };
        };
        section.refuse_unknown(ATTRIBUTES);
        let or = |ranges: Vec<Placed<IpNet>>, default| if ranges.is_empty() { default } else { ranges };
        let node = section.ranges("nodeCidr");
        Self {
            node_refused: node.is_empty() && section.has("nodeCidr"),
            node,
            name: name(&mut section).unwrap_or(default.name),
            domain: domain(&mut section).unwrap_or(default.domain),
            service: or(section.ranges("serviceCidr"), default.service),
            pod: or(section.ranges("podCidr"), default.pod),
            cni: cni(&mut section).unwrap_or(default.cni),
            admins: recipients(&mut section, "admins"),
            root_admins: recipients(&mut section, "rootAdmins"),
            ssh_keys: ssh_keys(&mut section),
            backup: section.child("backup").and_then(backup),
            policy: policy(&mut section, &default.policy),
        }
    }
}

fn name(section: &mut Section<'_, '_>) -> Option<String> {
    let found = section.text("name")?;
    if is_label(found.value) && found.value.len() <= CLUSTER_NAME {
        return Some(found.value.to_owned());
    }
    let message = format!(
        "`cluster.name` is {}, expected 1 to {CLUSTER_NAME} letters of `a-z`, `0-9` and inner `-`",
        quoted(found.value)
    );
    let meant = to_label(found.value).filter(|label| label.len() <= CLUSTER_NAME);
    let meant = meant.unwrap_or_else(|| "kubernetes".to_owned());
    let hint = format!("write \"{meant}\", for instance: it becomes part of DNS names and certificates");
    section.refuse(const { rule("bad-name") }, found.at, message, &hint);
    None
}

fn domain(section: &mut Section<'_, '_>) -> Option<String> {
    let found = section.text("domain")?;
    if is_domain(found.value) {
        return Some(found.value.to_owned());
    }
    let message = format!("`cluster.domain` is {}, expected a DNS domain in lower case", quoted(found.value));
    section.refuse(const { rule("bad-name") }, found.at, message, "the usual one is \"cluster.local\"");
    None
}

/// Whoever names another network plugin is told how to bring it.
fn cni(section: &mut Section<'_, '_>) -> Option<Cni> {
    let before = section.faults.len();
    let found = section.word("cni", &[("flannel", Cni::Flannel), ("none", Cni::None)]);
    if let Some(fault) = section.faults.get_mut(before) {
        fault.hint.get_or_insert_with(|| "write `none` for one of your own".into());
    }
    found.map(|found| found.value)
}

fn policy(section: &mut Section<'_, '_>, default: &Policy) -> Policy {
    let mut days = |name: &str, default: u32| {
        section.number(name, 1..=LONGEST_LIFE, " days").unwrap_or(Placed { value: default, at: None })
    };
    let lives = [
        ("certDays", days("certDays", default.cert_days)),
        ("caDays", days("caDays", default.ca_days)),
        ("rootDays", days("rootDays", default.root_days)),
    ];
    let renew = days("renewDays", default.renew_days);
    for pair in lives.windows(2) {
        let [(inner, short), (outer, long)] = pair else { continue };
        if short.value > long.value {
            let (found, limit) = (short.value, long.value);
            let message = format!("`cluster.{inner}` is {found} days, expected at most `{outer}`, {limit}");
            let hint = format!("lower `{inner}` or raise `{outer}`");
            section.refuse(const { rule("lifetimes-nested") }, short.at.or(long.at), message, &hint);
        }
    }
    let cert_days = lives[0].1.value;
    if renew.value >= cert_days {
        let message =
            format!("`cluster.renewDays` is {}, expected less than `certDays`, {cert_days}", renew.value);
        let hint = "lower `renewDays`: with this, every run would renew every certificate";
        section.refuse(const { rule("lifetimes-nested") }, renew.at.or(lives[0].1.at), message, hint);
    }
    Policy {
        ca: section
            .word(
                "ca",
                &[("shared", CaMode::Shared), ("single", CaMode::Single), ("separate", CaMode::Separate)],
            )
            .map_or(default.ca, |found| found.value),
        key_type: section
            .word(
                "keyType",
                &[("p256", KeyType::P256), ("p384", KeyType::P384), ("ed25519", KeyType::Ed25519)],
            )
            .map_or(default.key_type, |found| found.value),
        root_days: lives[2].1.value,
        ca_days: lives[1].1.value,
        cert_days,
        renew_days: renew.value,
    }
}

fn backup(mut section: Section<'_, '_>) -> Option<Backup> {
    section.refuse_unknown(&["dir", "at"]);
    let dir = section.text_where("dir", is_path, "an absolute path such as \"/mnt/backup\"");
    if !section.has("dir") {
        let message =
            "`cluster.backup` has no `dir`, expected the path of a mount that you provide".to_owned();
        let hint = "add `dir = \"/mnt/backup\"`";
        section.refuse(const { rule("missing-attribute") }, section.at, message, hint);
    }
    let at = section.text_where("at", is_calendar, "a systemd calendar expression such as \"daily\"");
    Some(Backup {
        dir: dir.ok().flatten()?.value.to_owned(),
        at: at.ok().flatten().map_or_else(|| "daily".into(), |found| found.value.to_owned()),
    })
}

/// Whether systemd takes it for a calendar event, as far as that can be told without systemd: a shorthand; else dates,
/// times, weekdays and a time zone. Source: systemd.time(7), "Calendar events".
fn is_calendar(text: &str) -> bool {
    const SHORT: [&str; 9] = [
        "minutely",
        "hourly",
        "daily",
        "weekly",
        "monthly",
        "quarterly",
        "semiannually",
        "yearly",
        "annually",
    ];
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let is_day = |text: &str| {
        let text = text.to_ascii_lowercase();
        DAYS.iter().any(|day| *day == text || (text.len() == 3 && day.starts_with(&text)))
    };
    let is_days = |word: &str| word.split([',', '.']).filter(|day| !day.is_empty()).all(is_day);
    let is_zone = |word: &str| {
        word == "UTC" || (word.contains('/') && word.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let is_time = |word: &str| {
        word.contains(|c: char| c.is_ascii_digit() || c == '*')
            && word.chars().all(|c| c.is_ascii_digit() || "*:-/,.~".contains(c))
    };
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    text.len() <= 100
        && match words.as_slice() {
            [only] if SHORT.contains(only) => true,
            words => {
                words.iter().any(|word| is_time(word))
                    && words.iter().all(|word| is_time(word) || is_days(word) || is_zone(word))
            }
        }
}

/// A list of recipients: the look of each is judged here, its bytes where it is used.
fn recipients(section: &mut Section<'_, '_>, name: &str) -> Vec<Placed<String>> {
    let mut kept = Vec::new();
    for found in section.texts(name) {
        let text = found.value.trim();
        if secret_in(section, name, &found) {
            continue;
        }
        let is_age_ssh = text.starts_with("ssh-ed25519 ") || text.starts_with("ssh-rsa ");
        if is_age_recipient(text) || (is_age_ssh && is_openssh_key(text)) {
            kept.push(found.with(text.to_owned()));
            continue;
        }
        let path = section.path_to(name);
        let message = format!(
            "`{path}` has {}, expected `age1...`, `ssh-ed25519 AAAA...` or `ssh-rsa AAAA...`",
            quoted(text)
        );
        let hint = "`age-keygen -y FILE` prints the recipient of the identity in FILE";
        section.refuse(const { rule("bad-recipient") }, found.at, message, hint);
    }
    kept
}

fn ssh_keys(section: &mut Section<'_, '_>) -> Vec<String> {
    let mut kept = Vec::new();
    for found in section.texts("sshKeys") {
        if secret_in(section, "sshKeys", &found) {
            continue;
        }
        if is_openssh_key(found.value.trim()) {
            kept.push(found.value.trim().to_owned());
            continue;
        }
        let message = format!(
            "`cluster.sshKeys` has {}, expected a public key such as `ssh-ed25519 AAAA...`",
            quoted(found.value)
        );
        let hint = "it is the content of `~/.ssh/id_ed25519.pub`, one line";
        section.refuse(const { rule("bad-recipient") }, found.at, message, hint);
    }
    kept
}

/// Whether the text is a private key, with the fault that says so and does not show it.
pub(super) fn secret_in(section: &mut Section<'_, '_>, name: &str, found: &Placed<&str>) -> bool {
    let secret = is_secret(found.value);
    if secret {
        let message = format!("`{}` has a private key, expected the public half", section.path_to(name));
        let hint = "take it out, and out of the history of git, and make a new one: this one is known";
        section.refuse(const { rule("secret-in-inventory") }, found.at, message, hint);
    }
    secret
}

/// `age1` and at least 8 letters of bech32, also those of a plugin: `age1yubikey1...`.
fn is_age_recipient(text: &str) -> bool {
    text.strip_prefix("age1").is_some_and(|rest| {
        rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// A kind, base64 and perhaps a comment, on one line.
pub(super) fn is_openssh_key(text: &str) -> bool {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let kind = words.next().unwrap_or_default();
    let body = words.next().unwrap_or_default();
    let known =
        ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];
    let hardware = ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"];
    (known.contains(&kind) || hardware.contains(&kind))
        && body.starts_with("AAAA")
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
        && !text.contains(|c: char| c.is_control())
}
