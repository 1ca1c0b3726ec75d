//! How `pki gen` grows: 5, 50, 500 and 1,000 machines, beside what no program could save, in the same run.
//!
//! `cargo bench --bench scale` (or `-- 9` for nine rounds). Whole processes, as a user waits for them; medians, because
//! machines are shared. Two things are measured beside them in this process, with as many threads:
//!
//! - the floor: as many keys made, certificates signed and data keys wrapped as the manifest counts, and nothing else;
//! - the files alone: the very bytes that `gen` wrote, written again by the same commit, every one of them durable.
//!
//! No folder is removed before all is measured: ext4 gives no inode away again within five minutes, and looks at one
//! after the other for one that it may give.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark talks and may fail")]

mod measure;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use quorate::store::commit::{ChangeSet, Lock};
use quorate_secrets::age_file::{self, Encoding};
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use rayon::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};

use measure::{Project, Taken, Work, median, milliseconds, processors};

const SIZES: [usize; 4] = [5, 50, 500, 1000];

/// The length of the part of a leaf that is signed, within a few bytes.
const SIGNED: usize = 400;

fn main() {
    // `cargo bench` hands `--bench` to every target.
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(5);
    println!("{rounds} rounds, {} processors, medians", processors());
    let first = Project::new(&inventory(SIZES[0]));
    first.pki(&["gen", "--new-identity"]);
    let mut kept = Vec::new();
    let sizes: Vec<Size> = SIZES
        .iter()
        .map(|machines| {
            let measured = (0..rounds).map(|_| Round::measure(*machines, &first, &mut kept)).collect();
            Size { machines: *machines, rounds: measured }
        })
        .collect();
    print(&sizes);
}

/// Three masters, or five in a cluster of fifty and more, each a member of etcd; the rest are workers.
fn inventory(machines: usize) -> String {
    let masters = if machines < 50 { 3 } else { 5 };
    let mut text = "{\n".to_owned();
    for number in 0..machines {
        let (name, role) = if number < masters {
            (format!("cp{}", number + 1), "etcd.enable = true;")
        } else {
            (format!("worker{}", number - masters + 1), "master = false;")
        };
        let (third, fourth) = (number / 200, number % 200 + 10);
        writeln!(
            text,
            "  {name} = {{\n    ip = \"10.20.{third}.{fourth}\";\n    interface = \"ens18\";\n    \
             disk = \"/dev/disk/by-id/nvme-WD_Red_SN700_1000GB_{number:012}\";\n    kubernetes.enable = true;\n    {role}\n  }};"
        )
        .unwrap();
    }
    text.push_str(
        "  kubeMaster = { ip = \"10.30.0.10\"; gateway = \"10.20.0.1\"; mode = \"bgp\"; };\n  \
         cluster = {\n    name = \"magi\";\n    nodeCidr = \"10.20.0.0/16\";\n    podCidr = \"10.128.0.0/12\";\n  };\n}\n",
    );
    text
}

/// What stands in a manifest, counted.
#[derive(Clone, Copy)]
struct Counts {
    certificates: usize,
    host_keys: usize,
    sealed: usize,
    /// Readers of all sealed files: for each the data key is wrapped once.
    wraps: usize,
}

impl Counts {
    fn of(manifest: &serde_json::Value) -> Self {
        let sealed = manifest["sealed"].as_array().unwrap();
        let host = |record: &&serde_json::Value| record["file"].as_str().unwrap().ends_with("/host.yaml");
        Self {
            certificates: manifest["certificates"].as_array().unwrap().len(),
            host_keys: sealed.iter().filter(host).count(),
            sealed: sealed.len(),
            wraps: sealed.iter().map(|record| record["recipients"].as_array().unwrap().len()).sum(),
        }
    }
}

/// Everything once, in a folder of its own.
struct Round {
    counts: Counts,
    cold: Taken,
    idle: Taken,
    check: Taken,
    grown: Taken,
    floor: Work,
    files: Work,
}

impl Round {
    fn measure(machines: usize, first: &Project, kept: &mut Vec<Project>) -> Self {
        let project = first.beside(&inventory(machines));
        let cold = project.pki(&["gen"]);
        let counts = Counts::of(&project.manifest());
        let copy = first.beside("{ }");
        let files = files_alone(project.path(), copy.path());
        let floor = floor(counts);
        let idle = project.pki(&["gen"]);
        assert!(idle.stderr.contains("nothing to do"), "{}", idle.stderr);
        let check = project.pki(&["check"]);
        project.write_inventory(&inventory(machines + 1));
        let grown = project.pki(&["gen"]);
        assert!(grown.stderr.contains(" certificates made"), "{}", grown.stderr);
        kept.extend([project, copy]);
        Self { counts, cold, idle, check, grown, floor, files }
    }

    fn ratio(&self) -> f64 {
        self.cold.wall.as_secs_f64() / (self.floor.wall + self.files.wall).as_secs_f64()
    }

    /// The same in time of the processors, which others on them do not lengthen; too coarse for few machines.
    fn processor_ratio(&self) -> f64 {
        self.cold.processor.as_secs_f64() / (self.floor.processor + self.files.processor).as_secs_f64()
    }
}

/// Keys, signatures and wraps, with the libraries that `gen` makes them with.
fn floor(counts: Counts) -> Work {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pair = || {
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
    };
    let authority = pair();
    let (_, reader): (Secret, Recipient) = Identity::generate();
    let readers = [reader];
    let data_key = Secret::from_bytes(vec![7; 32]);
    Work::of(|| {
        (0..counts.certificates).into_par_iter().for_each(|_| {
            pair();
            authority.sign(&random, &[7; SIGNED]).unwrap();
        });
        (0..counts.host_keys).into_par_iter().for_each(|_| {
            Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        });
        (0..counts.wraps).into_par_iter().for_each(|_| {
            age_file::encrypt(&data_key, &readers, Encoding::Armored).unwrap();
        });
    })
}

/// What stands in one project, written into another as `gen` writes it.
fn files_alone(from: &Path, to: &Path) -> Work {
    let mut writes = BTreeMap::new();
    for folder in fs::read_dir(from.join("certs")).unwrap().map(|entry| entry.unwrap().path()) {
        let files = if folder.is_dir() {
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        } else {
            vec![folder]
        };
        for file in files {
            let name = file.strip_prefix(from.join("certs")).unwrap().to_str().unwrap().to_owned();
            writes.insert(name, fs::read(file).unwrap());
        }
    }
    let rules = fs::read(from.join(".sops.yaml")).unwrap();
    let changes = ChangeSet { writes, removes: Vec::new() };
    Work::of(|| {
        Lock::take(&to.join("certs")).unwrap().commit(&changes).unwrap();
        fs::write(to.join(".sops.yaml"), rules).unwrap();
        File::open(to.join(".sops.yaml")).unwrap().sync_all().unwrap();
    })
}

/// One size, measured so many times.
struct Size {
    machines: usize,
    rounds: Vec<Round>,
}

impl Size {
    fn median<T: Copy + PartialOrd>(&self, of: impl Fn(&Round) -> T) -> T {
        median(&self.rounds.iter().map(of).collect::<Vec<_>>())
    }

    fn time(&self, of: impl Fn(&Round) -> Duration) -> String {
        milliseconds(self.median(of))
    }

    fn per_machine(&self, of: impl Fn(&Round) -> Duration) -> String {
        let machines = u32::try_from(self.machines).unwrap();
        format!("{:.2} ms", (self.median(of) / machines).as_secs_f64() * 1000.0)
    }
}

fn print(sizes: &[Size]) {
    let row = |name: &str, cell: &dyn Fn(&Size) -> String| {
        let cells: Vec<String> = sizes.iter().map(|size| format!("{:>10}", cell(size))).collect();
        println!("| {name:<58} | {} |", cells.join(" | "));
    };
    row("machines", &|size| size.machines.to_string());
    println!("|{}|{}", "-".repeat(60), "-----------:|".repeat(sizes.len()));
    row("certificates", &|size| size.rounds[0].counts.certificates.to_string());
    row("sealed files", &|size| size.rounds[0].counts.sealed.to_string());
    row("`gen` from nothing", &|size| size.time(|round| round.cold.wall));
    row("  waiting for the disk, in that", &|size| size.time(|round| round.cold.disk()));
    row("  on the processors", &|size| size.time(|round| round.cold.processor));
    row("  most memory", &|size| format!("{} MB", size.median(|round| round.cold.peak) / 1_000_000));
    row("the floor: keys, signatures and wraps alone", &|size| size.time(|round| round.floor.wall));
    row("the files alone, as durable", &|size| size.time(|round| round.files.wall));
    row("`gen`, in times of floor and files", &|size| format!("{:.2}", size.median(Round::ratio)));
    row("  the same, in time of the processors", &|size| {
        format!("{:.2}", size.median(Round::processor_ratio))
    });
    row("`gen` with nothing to do", &|size| size.time(|round| round.idle.wall));
    row("  most memory", &|size| format!("{} MB", size.median(|round| round.idle.peak) / 1_000_000));
    row("`check`", &|size| size.time(|round| round.check.wall));
    row("`gen` after one machine more", &|size| size.time(|round| round.grown.wall));
    row("`gen` from nothing, for each machine", &|size| size.per_machine(|round| round.cold.wall));
    row("`gen` with nothing to do, for each machine", &|size| size.per_machine(|round| round.idle.wall));
    let worst = sizes.iter().flat_map(|size| &size.rounds).map(Round::ratio).fold(0.0, f64::max);
    println!("the worst ratio of all rounds: {worst:.2}");
}
