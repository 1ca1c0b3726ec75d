//! The scripts that keep a cluster, run as their units run them: a backup that only an admin opens, made of a real etcd,
//! and the ends of real certificates as node-exporter reads them.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod project;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cluster::network::Network;
use cluster::peer::{Peer, find};
use cluster::{run, wait_for};
use project::{Project, machines};

const BACKUP: &str = include_str!("../src/modules/scripts/backup.sh");
const METRICS: &str = include_str!("../src/modules/scripts/metrics.sh");

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The text of what is alone in a folder, and its name.
fn only(folder: &Path) -> String {
    let names: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].to_string_lossy().into_owned()
}

#[test]
fn a_backup_holds_what_etcd_held_and_leaves_nothing_in_clear() {
    let (Some(_), Some(etcd), Some(age)) = (find(Peer::Namespaces), find(Peer::Etcd36), find(Peer::Age))
    else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let below = |name: &str| folder.path().join(name);
    let network = Network::new(&[("cp1", "10.7.0.11")]);
    let host = network.host("cp1");
    let mut server = host.command(&etcd.path("etcd"));
    server.arg("--data-dir").arg(below("data")).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Running(server.spawn().expect("etcd starts"));
    wait_for("etcd", Duration::from_secs(40), || {
        let output =
            host.command(&etcd.path("etcdctl")).args(["put", "key", "S3cret"]).output().expect("etcdctl");
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    });

    let identity = below("admin.txt");
    run(Command::new(age.path("age-keygen")).arg("-o").arg(&identity));
    let public = run(Command::new(age.path("age-keygen")).arg("-y").arg(&identity)).stdout;
    fs::write(below("recipients"), public).expect("a file");
    for name in ["mount", "cache"] {
        fs::create_dir(below(name)).expect("a folder");
    }
    let script = BACKUP
        .replace("https://127.0.0.1:2379", "http://127.0.0.1:2379")
        .replace("/etc/quorate/backup-recipients", &below("recipients").display().to_string());
    let programs = etcd.path("etcdctl").parent().expect("a folder").display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let mut backup = host.command(Path::new("bash"));
    backup.args(["-e", "-c", &script]).env("PATH", path).env("CLUSTER", "magi");
    backup.env("CACHE_DIRECTORY", below("cache")).env("FOLDER", below("mount"));
    run(&mut backup);

    assert_eq!(fs::read_dir(below("cache")).expect("a folder").count(), 0, "the snapshot is gone");
    let name = only(&below("mount"));
    assert!(name.starts_with("magi-") && name.ends_with("Z.db.age"), "{name}");
    let sealed = fs::read(below("mount").join(&name)).expect("a backup");
    assert!(!sealed.windows(6).any(|window| window == b"S3cret"));
    let mut open = Command::new(age.path("age"));
    open.args(["--decrypt", "--output"]).arg(below("snapshot.db")).arg("--identity").arg(&identity);
    run(open.arg(below("mount").join(&name)));
    let snapshot = fs::read(below("snapshot.db")).expect("a snapshot");
    assert!(snapshot.windows(6).any(|window| window == b"S3cret"));
    let status =
        run(Command::new(etcd.path("etcdutl")).args(["snapshot", "status"]).arg(below("snapshot.db")));
    assert!(!status.stdout.is_empty());
}

#[test]
fn every_certificate_of_every_file_has_its_end_in_the_metrics() {
    if find(Peer::Openssl).is_none() {
        return;
    }
    let project = Project::generated(&machines(1, ""));
    let (pki, state) = (project.path("pki"), project.path("state"));
    fs::create_dir_all(pki.join("trust")).expect("a folder");
    fs::create_dir(&state).expect("a folder");
    fs::copy(project.path("certs/cp1/apiserver.crt"), pki.join("apiserver.crt")).expect("a copy");
    fs::copy(project.path("certs/ca/root.bundle.crt"), pki.join("trust/root.crt")).expect("a copy");
    let script = METRICS.replace("/etc/quorate/pki", &pki.display().to_string());
    run(Command::new("bash").args(["-e", "-c", &script]).env("STATE_DIRECTORY", &state));
    let text = fs::read_to_string(state.join("certificates.prom")).expect("metrics");
    let rows: Vec<(&str, i64)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').expect("a value"))
        .map(|(name, value)| (name, value.parse().expect("a number")))
        .collect();
    let names: Vec<_> = rows
        .iter()
        .map(|(name, _)| name.trim_start_matches("quorate_certificate_not_after_seconds"))
        .collect();
    assert_eq!(
        names,
        [
            r#"{file="apiserver.crt",index="0"}"#,
            r#"{file="apiserver.crt",index="1"}"#,
            r#"{file="trust/root.crt",index="0"}"#
        ]
    );
    // A leaf ends before its issuer, and that before the root; openssl says when the first does.
    assert!(rows.windows(2).all(|pair| pair[0].1 < pair[1].1), "{rows:?}");
    let mut openssl = Command::new("openssl");
    let shown =
        run(openssl.args(["x509", "-noout", "-enddate", "-in"]).arg(pki.join("apiserver.crt"))).stdout;
    let shown = String::from_utf8_lossy(&shown).trim().trim_start_matches("notAfter=").to_owned();
    let seconds = run(Command::new("date").arg("--date").arg(shown).arg("+%s")).stdout;
    assert_eq!(String::from_utf8_lossy(&seconds).trim(), rows[0].1.to_string());
}
