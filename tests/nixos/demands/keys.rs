//! Keys and files: who reads which, where each comes from, and what starts again when one changes.

use std::collections::BTreeMap;

use quorate_pki::kinds::{KINDS, SHARED};
use serde_json::Value as Json;

use super::{Demand, everywhere};
use crate::facts::{Found, On, holds, same, strings};

/// Where secrets are once they are open.
const OPEN: [&str; 2] = ["/run/secrets/", "/run/agenix/"];
/// The unit that opens those of each, where that is not done on activation.
const OPENERS: [&str; 2] = ["sops-install-secrets.service", "agenix-install-secrets.service"];

pub(super) const DEMANDS: &[Demand] = &[
    Demand {
        says: "a machine has its own keys, each its reader's alone",
        concerns: everywhere,
        check: owners,
    },
    Demand { says: "a unit can read every key that it names", concerns: everywhere, check: readable },
    Demand {
        says: "a unit that names a secret waits until secrets are open",
        concerns: everywhere,
        check: |on| {
            for (name, unit) in on.facts["services"].as_object().into_iter().flatten() {
                for (folder, opener) in OPEN.iter().zip(OPENERS) {
                    let waits = unit["after"].to_string().contains(opener);
                    let named = on.paths_of(name, folder);
                    holds(waits || named.is_empty(), || format!("{name} does not wait for {opener}"))?;
                }
            }
            Ok(())
        },
    },
    Demand {
        says: "every secret that is named is one of this machine's",
        concerns: everywhere,
        check: declared,
    },
    Demand { says: "every file of ours that is named is there", concerns: everywhere, check: present },
    Demand {
        says: "nothing of another machine, and no authority's key, is in the closure",
        concerns: everywhere,
        check: own,
    },
    Demand {
        says: "secrets are opened with the SSH host key and no other",
        concerns: everywhere,
        check: |on| {
            let keys = ["/etc/ssh/ssh_host_ed25519_key".to_owned()];
            if on.facts["secrets"].as_object().is_some_and(|secrets| !secrets.is_empty()) {
                same("age", &strings(&on.facts["sops"]["sshKeyPaths"]).as_slice(), &keys.as_slice())?;
                same("gnupg", &strings(&on.facts["sops"]["gnupg"]).as_slice(), &[].as_slice())?;
            }
            if on.facts["agenix"].as_object().is_some_and(|secrets| !secrets.is_empty()) {
                same("agenix", &strings(&on.facts["agenixIdentities"]).as_slice(), &keys.as_slice())?;
            }
            Ok(())
        },
    },
    Demand {
        says: "a unit other than etcd starts again when a file of ours that it names changes",
        concerns: everywhere,
        check: restarted,
    },
];

/// Every secret of the machine: its name, where it is, its owner, mode, source and what it restarts.
fn secrets(on: On<'_>) -> impl Iterator<Item = (&String, &Json)> {
    ["secrets", "agenix"].into_iter().flat_map(move |part| on.facts[part].as_object().into_iter().flatten())
}

fn owners(on: On<'_>) -> Found {
    // What the table of certificates says, but for kube-vip's key: where no election is held it has none.
    let mut expected: BTreeMap<&str, &str> = KINDS
        .iter()
        .filter(|kind| kind.applies_to(on.machine) && (kind.needed)(on.cluster))
        .map(|kind| (kind.name, kind.owner))
        .collect();
    if on.machine.master() {
        expected.extend(SHARED.iter().map(|shared| (shared.name, shared.owner)));
    }
    for (name, owner) in expected {
        let full = format!("quorate/{name}");
        let (_, secret) =
            secrets(on).find(|(found, _)| **found == full).ok_or_else(|| format!("no {full}"))?;
        same(&format!("owner of {name}"), &secret["owner"].as_str(), &Some(owner))?;
        same(&format!("mode of {name}"), &secret["mode"].as_str(), &Some("0400"))?;
    }
    Ok(())
}

fn readable(on: On<'_>) -> Found {
    for (name, unit) in on.facts["services"].as_object().into_iter().flatten() {
        let user = on.user(name)?;
        let privileged = unit["serviceConfig"]["ExecStartPre"].to_string().contains("\"+");
        for path in OPEN.iter().flat_map(|folder| on.paths_of(name, folder)) {
            let Some((_, secret)) = secrets(on).find(|(_, secret)| secret["path"] == path.as_str()) else {
                continue;
            };
            let owner = secret["owner"].as_str().unwrap_or("root");
            holds(user == "root" || privileged || owner == user, || {
                format!("{name} runs as {user}, and {path} is {owner}'s")
            })?;
        }
    }
    Ok(())
}

fn declared(on: On<'_>) -> Found {
    for (by, path) in OPEN.iter().flat_map(|folder| on.paths(folder)) {
        let rendered = path.starts_with("/run/secrets/rendered/");
        let known = secrets(on).any(|(_, secret)| secret["path"] == path.as_str());
        let template = on.facts["templates"].as_object().into_iter().flatten();
        let known = known
            || (rendered && template.into_iter().any(|(_, template)| template["path"] == path.as_str()));
        holds(known, || format!("{by} names {path}, which nothing opens"))?;
    }
    Ok(())
}

fn present(on: On<'_>) -> Found {
    for (by, path) in on.paths("/etc/quorate/") {
        let entry = path.trim_start_matches("/etc/");
        holds(!on.facts["etc"][entry].is_null(), || format!("{by} names {path}, which nothing puts there"))?;
    }
    Ok(())
}

fn own(on: On<'_>) -> Found {
    let machine = on.machine.name();
    let files = on.facts["etc"].as_object().into_iter().flatten().map(|(name, file)| (name, &file["source"]));
    let sealed =
        secrets(on).flat_map(|(name, secret)| [(name, &secret["sopsFile"]), (name, &secret["file"])]);
    for (name, file) in files.chain(sealed) {
        let Some(file) = file.as_str() else { continue };
        let Some((folder, rest)) = ["certs", "secrets"].iter().find_map(|folder| {
            file.split_once(&format!("/{folder}/"))
                .filter(|_| !file.starts_with("/nix"))
                .map(|(_, rest)| (*folder, rest))
        }) else {
            continue;
        };
        let fits = match (folder, rest.split_once('/')) {
            ("certs", Some(("ca", file))) => file.ends_with(".bundle.crt"),
            ("certs", Some((owner, _))) => owner == machine,
            ("certs", None) => rest == "service-account.pub" && on.machine.master(),
            (_, Some(("masters", _))) => on.machine.master(),
            (_, Some(("all", _))) => true,
            (_, Some((owner, _))) => owner == machine,
            (_, None) => false,
        };
        holds(fits, || format!("{name} is {folder}/{rest}"))?;
    }
    Ok(())
}

fn restarted(on: On<'_>) -> Found {
    for (name, unit) in on.facts["services"].as_object().into_iter().flatten() {
        let lasts =
            unit["serviceConfig"]["Type"] != "oneshot" || unit["serviceConfig"]["RemainAfterExit"] == true;
        // etcd waits for a deploy, and what keepalived runs reads its files anew each time.
        if matches!(name.as_str(), "etcd" | "keepalived")
            || !lasts
            || unit["wantedBy"].as_array().is_none_or(Vec::is_empty)
        {
            continue;
        }
        let triggers = strings(&unit["restartTriggers"]);
        for path in on.paths_of(name, "/etc/quorate/") {
            let source = &on.facts["etc"][path.trim_start_matches("/etc/")]["source"];
            let triggered = triggers.iter().any(|trigger| *source == trigger.as_str());
            holds(triggered, || format!("{name} keeps running when {path} changes"))?;
        }
        for path in OPEN.iter().flat_map(|folder| on.paths_of(name, folder)) {
            let Some((secret, facts)) = secrets(on).find(|(_, secret)| secret["path"] == path.as_str())
            else {
                continue;
            };
            let by_sops = strings(&facts["restartUnits"]).contains(&format!("{name}.service"));
            let by_age = triggers.iter().any(|trigger| facts["file"] == trigger.as_str());
            holds(by_sops || by_age, || format!("{name} keeps running when {secret} changes"))?;
        }
    }
    Ok(())
}
