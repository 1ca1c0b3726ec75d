//! How long `pki gen` takes on a cluster of five machines, beside what people use today, in the same run.
//!
//! `cargo bench --bench gen` (or `-- 20` for twenty rounds). Whole processes, as a user waits for them; medians, because
//! machines are shared. The peers are `openssl` and `cfssl` (Debian: `golang-cfssl`); one that is not installed is
//! left out and named.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark talks and may fail")]

mod measure;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use measure::{Project, median, milliseconds, processors};

/// Three masters that are etcd members and two workers: the example of the repository.
const MACHINES: &str = include_str!("../machines.nix");

/// cfssl is slow: so many certificates are made, and their time is scaled to the whole set.
const CFSSL_SAMPLE: u32 = 5;

fn main() {
    // `cargo bench` hands `--bench` to every target.
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(15);
    let project = Project::new(MACHINES);
    project.pki(&["gen", "--new-identity"]);
    from_nothing(&project); // warms the page cache
    let certificates = project.manifest()["certificates"].as_array().unwrap().len().try_into().unwrap();

    let mut cold = Vec::new();
    let mut durable = Vec::new();
    for _ in 0..rounds {
        let (wall, disk) = from_nothing(&project);
        cold.push(wall);
        durable.push(disk);
    }
    let idle = (0..rounds * 2).map(|_| project.pki(&["gen"]).wall).collect::<Vec<_>>();
    let check = (0..rounds * 2).map(|_| project.pki(&["check"]).wall).collect::<Vec<_>>();
    let start = (0..rounds * 2).map(|_| project.pki(&["--version"]).wall).collect::<Vec<_>>();

    println!("{certificates} certificates for 5 machines, {rounds} rounds, {} processors", processors());
    println!("{:<44} {:>9} {:>9} {:>9}", "", "median", "min", "max");
    let work: Vec<Duration> =
        cold.iter().zip(&durable).map(|(wall, disk)| wall.saturating_sub(*disk)).collect();
    row("gen, cold: parse, issue, judge, seal, write", &work);
    row("  waiting for the disk, beside that", &durable);
    row("gen, nothing to do", &idle);
    row("check", &check);
    row("--version", &start);
    let ours = median(&work);
    compare("openssl, P-256, one loop", openssl(certificates), ours);
    compare("cfssl, RSA-4096, scaled from 5", cfssl(certificates), ours);
}

/// Everything from nothing: the whole time, and how much of it the disk took.
fn from_nothing(project: &Project) -> (Duration, Duration) {
    // Moved away and not removed: ext4 takes its time over inodes that were just freed, which no user waits for.
    let old = project.path().join(format!("old-{}", fs::read_dir(project.path()).unwrap().count()));
    fs::create_dir(&old).unwrap();
    for name in ["certs", ".sops.yaml"] {
        let _ = fs::rename(project.path().join(name), old.join(name));
    }
    let taken = project.pki(&["gen"]);
    (taken.wall, taken.disk())
}

fn row(name: &str, times: &[Duration]) {
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    let columns = [median(times), *least, *most].map(milliseconds);
    println!("{name:<44} {:>9} {:>9} {:>9}", columns[0], columns[1], columns[2]);
}

fn compare(name: &str, theirs: Option<Duration>, ours: Duration) {
    match theirs {
        Some(theirs) => {
            let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
            println!("{name:<44} {:>9}, {ratio:.0} times as long as gen", milliseconds(theirs));
        }
        None => println!("{name:<44} not installed"),
    }
}

/// A key, a request and a signature for each certificate, as scripts do it: nothing is sealed, nothing is judged.
fn openssl(certificates: u32) -> Option<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let call = |arguments: &str| quietly(Command::new("openssl").args(arguments.split(' ')).current_dir(at));
    call("ecparam -name prime256v1 -genkey -noout -out ca.key")?;
    call("req -x509 -new -key ca.key -subj /CN=ca -days 3650 -out ca.crt")?;
    let started = Instant::now();
    for n in 0..certificates {
        call(&format!("ecparam -name prime256v1 -genkey -noout -out {n}.key"))?;
        call(&format!("req -new -key {n}.key -subj /CN=leaf{n} -out {n}.csr"))?;
        call(&format!(
            "x509 -req -in {n}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out {n}.crt"
        ))?;
    }
    Some(started.elapsed())
}

/// `cfssl gencert` with RSA-4096, as the shell loops of today do it.
fn cfssl(certificates: u32) -> Option<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let request = |name: &str| format!("{{\"CN\":\"{name}\",\"key\":{{\"algo\":\"rsa\",\"size\":4096}}}}");
    fs::write(at.join("ca.json"), request("ca")).unwrap();
    fs::write(at.join("leaf.json"), request("leaf")).unwrap();
    shell(at, "cfssl gencert -initca ca.json > ca.out && cfssljson -bare ca < ca.out")?;
    let started = Instant::now();
    for _ in 0..CFSSL_SAMPLE {
        shell(
            at,
            "cfssl gencert -ca ca.pem -ca-key ca-key.pem leaf.json > leaf.out && cfssljson -bare leaf < leaf.out",
        )?;
    }
    Some(started.elapsed() * certificates / CFSSL_SAMPLE)
}

fn shell(at: &Path, line: &str) -> Option<()> {
    quietly(Command::new("sh").args(["-c", line]).current_dir(at))
}

fn quietly(command: &mut Command) -> Option<()> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(())
}
