//! What keeps a cluster: a backup of etcd that leaves the machine, and the ends of certificates for whoever watches.

use quorate_pki::authority::Authority;

use super::nix::{Nix, Settings, default, expr, lines, strings};
use super::{Site, certificate, keys, trust, units};

const BACKUP: &str = "quorate-backup";
const METRICS: &str = "quorate-metrics";

/// The recipients that a machine cannot seal to: those of plugins, whose program is with the person who has the key.
pub fn unusable_recipients(admins: &[String]) -> Vec<&str> {
    admins.iter().map(String::as_str).filter(|admin| !is_usable(admin)).collect()
}

/// X25519 and SSH keys. Bech32 has no `1` in what follows the last one, and that of a plugin follows its name.
fn is_usable(recipient: &str) -> bool {
    recipient.starts_with("ssh-") || recipient.strip_prefix("age1").is_some_and(|rest| !rest.contains('1'))
}

/// The backup of each member, where there is a folder for it.
pub(super) fn backup(site: &Site<'_>) -> Settings {
    let mut set = Settings::new();
    let Some(backup) = site.cluster.backup() else { return set };
    let recipients = site.admins.iter().filter(|admin| is_usable(admin));
    let recipients = Nix::Lines(recipients.cloned().collect());
    set.set("environment.etc.\"quorate/backup-recipients\".text", default(recipients));
    let unit = |option: &str| format!("systemd.services.{BACKUP}.{option}");
    set.set(&unit("description"), "Snapshot of etcd, sealed to the admins");
    set.set(&unit("after"), strings(["etcd.service"]));
    set.comment(
        &unit("unitConfig.RequiresMountsFor"),
        "A folder without its mount would be this machine's own disk.",
    );
    set.set(&unit("unitConfig.RequiresMountsFor"), backup.dir.as_str());
    set.set(&unit("unitConfig.AssertPathIsMountPoint"), default(backup.dir.as_str()));
    set.set(&unit("path"), Nix::List(vec![expr("config.services.etcd.package"), expr("pkgs.age")]));
    for (name, value) in [
        ("CLUSTER", site.cluster.name().to_owned()),
        ("ETCDCTL_CACERT", trust(Authority::Etcd)),
        ("ETCDCTL_CERT", certificate("etcd-healthcheck-client")),
        ("ETCDCTL_KEY", keys::path(site, "etcd-healthcheck-client")),
        ("FOLDER", backup.dir.clone()),
    ] {
        set.set(&unit(&format!("environment.{name}")), value);
    }
    set.set(&unit("script"), lines(include_str!("scripts/backup.sh")));
    set.set(&unit("serviceConfig.Type"), "oneshot");
    set.set(&unit("serviceConfig.CacheDirectory"), BACKUP);
    set.set(&unit("serviceConfig.CacheDirectoryMode"), "0700");
    set.set(&unit("serviceConfig.IOSchedulingClass"), default("idle"));
    set.extend(units::waits(site, &[BACKUP]));
    set.extend(timer(BACKUP, &backup.at));
    set
}

/// The ends of a machine's certificates, every hour.
pub(super) fn metrics() -> Settings {
    let mut set = Settings::new();
    let unit = |option: &str| format!("systemd.services.{METRICS}.{option}");
    set.comment(
        &format!("systemd.services.{METRICS}"),
        "For node-exporter, as --collector.textfile.directory=/var/lib/quorate-metrics.",
    );
    set.set(&unit("description"), "Ends of certificates, for node-exporter");
    set.set(&unit("path"), Nix::List(vec![expr("pkgs.gawk"), expr("pkgs.openssl")]));
    set.set(&unit("script"), lines(include_str!("scripts/metrics.sh")));
    set.set(&unit("serviceConfig.Type"), "oneshot");
    set.set(&unit("serviceConfig.StateDirectory"), METRICS);
    set.extend(timer(METRICS, "hourly"));
    set
}

/// A timer that makes up for a time at which the machine was off, and not all of them at the same second.
fn timer(name: &str, at: &str) -> Settings {
    let mut set = Settings::new();
    let option = |option: &str| format!("systemd.timers.{name}.{option}");
    set.set(&option("wantedBy"), strings(["timers.target"]));
    set.set(&option("timerConfig.OnCalendar"), default(at));
    set.set(&option("timerConfig.Persistent"), default(true));
    set.set(&option("timerConfig.RandomizedDelaySec"), default("5min"));
    set
}
