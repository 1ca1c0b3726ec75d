//! What happens by itself from time to time: snapshots of etcd, and when each certificate ends.

use serde_json::json;

use super::{Demand, everywhere, on_members};
use crate::facts::{Found, On, holds, same};

pub(super) const DEMANDS: &[Demand] = &[
    Demand {
        says: "a member of etcd makes a sealed snapshot where one is asked for, and nobody else does",
        concerns: everywhere,
        check: |on| {
            let asked = on.machine.etcd() && on.cluster.backup().is_some();
            same("a timer", &!on.facts["timers"]["quorate-backup"].is_null(), &asked)?;
            same("a unit", &on.has_unit("quorate-backup"), &asked)
        },
    },
    Demand {
        says: "a snapshot is for the admins alone, and lands in the folder that a person mounted",
        concerns: |on| on_members(on) && on.cluster.backup().is_some(),
        check: backup,
    },
    Demand {
        says: "when each certificate ends is written down every hour",
        concerns: everywhere,
        check: |on| {
            let timer = &on.facts["timers"]["quorate-metrics"];
            same("when", &timer["timerConfig"]["OnCalendar"], &json!("hourly"))?;
            same("started by", &timer["wantedBy"], &json!(["timers.target"]))?;
            holds(on.has_unit("quorate-metrics"), || "there is no unit".to_owned())
        },
    },
];

fn backup(on: On<'_>) -> Found {
    let Some(backup) = on.cluster.backup() else { return Ok(()) };
    let unit = on.unit("quorate-backup")?;
    let folder = backup.dir.as_str();
    same("mount", &unit["unitConfig"]["AssertPathIsMountPoint"], &json!(folder))?;
    let text = unit.to_string();
    holds(text.contains("age --encrypt"), || "nothing seals it".to_owned())?;
    holds(text.contains(folder), || format!("it does not land in {folder}"))?;
    let timer = &on.facts["timers"]["quorate-backup"]["timerConfig"]["OnCalendar"];
    same("when", timer, &json!(backup.at))?;
    let recipients = on.facts["etc"]["quorate/backup-recipients"]["text"].as_str().unwrap_or_default();
    same(
        "recipients",
        &recipients.lines().collect::<Vec<_>>(),
        &on.cluster.admins().iter().map(String::as_str).collect(),
    )
}
