//! One machine as the real modules leave it: its units, files, secrets and rules, and how a check asks for them.

use std::collections::BTreeSet;

use quorate_pki::cluster::{Cluster, Machine};
use serde_json::Value as Json;

/// Where what is written with a fake package keeps its text: `/nix/store/...-name⟪text⟫`.
const OPENS: char = '⟪';
const CLOSES: char = '⟫';

/// A machine, what it is meant to be and what it is.
#[derive(Clone, Copy)]
pub(crate) struct On<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) machine: &'a Machine,
    pub(crate) facts: &'a Json,
}

/// What a check found: nothing, or what is wrong.
pub(crate) type Found = Result<(), String>;

/// Equal, or both sides.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Found {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?}, expected {expected:?}")) }
}

/// True, or what is not.
pub(crate) fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Found {
    if condition { Ok(()) } else { Err(otherwise()) }
}

impl<'a> On<'a> {
    /// The machine's cluster address.
    pub(crate) fn ip(self) -> String {
        self.machine.ip().expect("a golden's machine has an address").to_string()
    }

    /// The same as a URL has it.
    pub(crate) fn host(self) -> String {
        bracketed(self.machine.ip().expect("a golden's machine has an address"))
    }

    /// Whether the machine has a unit of that name that starts something.
    pub(crate) fn has_unit(self, unit: &str) -> bool {
        !self.facts["services"][unit]["serviceConfig"]["ExecStart"].is_null()
    }

    /// A unit.
    pub(crate) fn unit(self, unit: &str) -> Result<&'a Json, String> {
        let found = &self.facts["services"][unit];
        if found.is_null() { Err(format!("there is no unit {unit}")) } else { Ok(found) }
    }

    /// Who a unit runs as.
    pub(crate) fn user(self, unit: &str) -> Result<&'a str, String> {
        Ok(self.unit(unit)?["serviceConfig"]["User"].as_str().unwrap_or("root"))
    }

    /// An environment variable of a unit; absent is empty, as it is to the program.
    pub(crate) fn variable(self, unit: &str, name: &str) -> Result<&'a str, String> {
        Ok(self.unit(unit)?["environment"][name].as_str().unwrap_or_default())
    }

    /// The command line of a unit, word by word.
    pub(crate) fn words(self, unit: &str) -> Result<Vec<String>, String> {
        let start = &self.unit(unit)?["serviceConfig"]["ExecStart"];
        Ok(words(start.as_str().ok_or_else(|| format!("{unit} has no ExecStart"))?))
    }

    /// A flag that a unit's command line has exactly once.
    pub(crate) fn flag(self, unit: &str, name: &str) -> Result<String, String> {
        let prefix = format!("--{name}=");
        let values: Vec<String> = self
            .words(unit)?
            .iter()
            .filter_map(|word| word.strip_prefix(&prefix).map(str::to_owned))
            .collect();
        match <[String; 1]>::try_from(values) {
            Ok([value]) => Ok(value),
            Err(values) => Err(format!("{unit} has --{name} {} times: {values:?}", values.len())),
        }
    }

    /// That a flag stands there once and has that value.
    pub(crate) fn flag_is(self, unit: &str, name: &str, expected: &str) -> Found {
        same(&format!("{unit} --{name}"), &self.flag(unit, name)?.as_str(), &expected)
    }

    /// The text that a flag's file has, as JSON.
    pub(crate) fn file_of_flag(self, unit: &str, name: &str) -> Result<Json, String> {
        let value = self.flag(unit, name)?;
        parsed(&value).ok_or_else(|| format!("{unit} --{name} names no text: {value}"))
    }

    /// The settings of the kubelet.
    pub(crate) fn kubelet(self) -> Result<Json, String> {
        self.file_of_flag("kubelet", "config")
    }

    /// Every path below `folder` that a unit, a static pod or a file in /etc names, and who does.
    pub(crate) fn paths(self, folder: &str) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for part in ["services", "etc"] {
            for (name, value) in self.facts[part].as_object().into_iter().flatten() {
                found.extend(
                    paths_in(&value.to_string(), folder).into_iter().map(|path| (name.clone(), path)),
                );
            }
        }
        found
    }

    /// The paths that one unit names.
    pub(crate) fn paths_of(self, unit: &str, folder: &str) -> BTreeSet<String> {
        paths_in(&self.facts["services"][unit].to_string(), folder)
    }

    /// The static pod of kube-vip.
    pub(crate) fn kube_vip(self) -> Result<&'a Json, String> {
        let pod = &self.facts["kubernetes"]["kubelet"]["manifests"]["kube-vip"];
        if pod.is_null() { Err("there is no static pod kube-vip".to_owned()) } else { Ok(pod) }
    }

    /// A variable of kube-vip.
    pub(crate) fn kube_vip_variable(self, name: &str) -> Result<Option<&'a str>, String> {
        let variables = self.kube_vip()?["spec"]["containers"][0]["env"].as_array();
        let variables = variables.ok_or("kube-vip has no environment")?;
        let mut of_name = variables.iter().filter(|variable| variable["name"] == name);
        let found = of_name.next();
        if of_name.next().is_some() {
            return Err(format!("kube-vip has {name} twice"));
        }
        Ok(found.map(|variable| variable["value"].as_str().unwrap_or_default()))
    }
}

/// IPv6 in brackets.
pub(crate) fn bracketed(ip: std::net::IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

/// The strings of a list.
pub(crate) fn strings(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
}

/// The text inside the path of what was written with a fake package.
pub(crate) fn text_of(path: &str) -> Option<&str> {
    let start = path.find(OPENS)? + OPENS.len_utf8();
    Some(&path[start..path.rfind(CLOSES)?])
}

/// The same as JSON.
pub(crate) fn parsed(path: &str) -> Option<Json> {
    serde_json::from_str(text_of(path)?).ok()
}

/// The words of a command line; a text inside a path is part of its word, and a line that goes on is one line.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0_usize;
    for c in line.chars() {
        match c {
            OPENS => depth += 1,
            CLOSES => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c.is_whitespace() || c == '\\') {
            words.push(String::new());
        } else {
            words.last_mut().expect("there is one").push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The files below a folder that a text names; what ends as a folder is none.
fn paths_in(text: &str, folder: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let paths = text.match_indices(folder).map(|(at, _)| {
        let rest = &text[at..];
        rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())].trim_end_matches('.').to_owned()
    });
    paths.filter(|path| !path.ends_with('/')).collect()
}

#[test]
fn a_text_inside_a_path_is_one_word() {
    let line = "/nix/store/x-kubelet/bin/kubelet \\\n  --config=/nix/store/y-c⟪{ \"a b\": \"⟪c d⟫\" }⟫ \\\n   --v=2\n";
    assert_eq!(words(line).len(), 3);
    assert_eq!(text_of(&words(line)[1]), Some("{ \"a b\": \"⟪c d⟫\" }"));
}
