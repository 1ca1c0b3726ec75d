//! What may be built in: the licences of all crates, and which crates are there in two versions and why.
//! Read from the lock file and the sources that cargo has already, without the network.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Licences that ask for attribution at most. A choice (`OR`) needs one of them, a conjunction (`AND`) all.
const LICENCES: &[&str] = &["Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "Unicode-3.0"];

/// Crates under other licences that tests alone are built with: no program has a line of them.
const TESTS_ALONE: &[(&str, &str)] = &[("nixfmt_rs", "MPL-2.0")];

/// Crates present in two versions: who holds the pair apart, and the names.
const DUPLICATES: &[(&str, &[&str])] = &[
    (
        "RustCrypto's two generations: age, aes-gcm and ssh-key are on the older, rust-embed of age's translations on the newer",
        &["block-buffer", "const-oid", "cpufeatures", "crypto-common", "digest", "hybrid-array", "sha2"],
    ),
    (
        "proptest and tempfile, in tests alone, are ahead of age and ring",
        &["chacha20", "getrandom", "rand", "rand_core"],
    ),
    ("proptest, in tests alone, is ahead of rcgen's yasna", &["bit-vec"]),
    ("rcgen's pem is ahead of age", &["base64"]),
    ("x509-parser is behind age", &["nom"]),
    ("rowan, under rnix, is behind everyone", &["hashbrown", "rustc-hash"]),
    ("age's i18n-embed is behind x509-parser", &["thiserror", "thiserror-impl"]),
    ("derive macros, at build time alone, are moving to the newer", &["syn"]),
];

#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Every crate that is built on this platform, tests and build scripts included.
fn packages() -> Vec<Package> {
    let cargo = env!("CARGO");
    let version = Command::new("rustc").arg("-vV").output().expect("rustc starts").stdout;
    let version = String::from_utf8(version).expect("UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names the host");
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    assert!(metadata.packages.len() > 100, "all dependencies, not the workspace alone");
    metadata.packages
}

/// Whether an SPDX expression can be satisfied with the allowed licences. The old `/` means `OR`.
/// Source: SPDX specification 2.3, annex D: `WITH` binds closest, then `AND`, then `OR`.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    any_of(&mut rest, allowed) && rest.is_empty()
}

fn any_of(rest: &mut &[&str], allowed: &[&str]) -> bool {
    let mut permitted = all_of(rest, allowed);
    while take(rest, "OR") {
        permitted |= all_of(rest, allowed);
    }
    permitted
}

fn all_of(rest: &mut &[&str], allowed: &[&str]) -> bool {
    let mut permitted = one(rest, allowed);
    while take(rest, "AND") {
        permitted &= one(rest, allowed);
    }
    permitted
}

fn one(rest: &mut &[&str], allowed: &[&str]) -> bool {
    if take(rest, "(") {
        return any_of(rest, allowed) & take(rest, ")");
    }
    let Some((licence, after)) = rest.split_first() else { return false };
    *rest = after;
    // An exception only adds permissions, but another text is another licence: it would be named in full.
    let exception = take(rest, "WITH") && rest.split_off_first().is_some();
    !exception && allowed.contains(licence)
}

fn take(rest: &mut &[&str], token: &str) -> bool {
    let found = rest.first() == Some(&token);
    if found {
        *rest = &rest[1..];
    }
    found
}

#[test]
fn an_spdx_expression_is_permitted_when_the_allowed_licences_satisfy_it() {
    let allowed = ["MIT", "ISC"];
    for good in
        ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND ISC", "(GPL-3.0 OR MIT) AND ISC", "A WITH B OR MIT"]
    {
        assert!(permits(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT AND (ISC",
        "OR MIT",
        "MIT ISC",
        "MIT WITH B",
        "GPL-3.0 OR MIT AND X",
    ] {
        assert!(!permits(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_crate_has_a_permissive_licence_and_every_allowed_one_is_needed() {
    let packages = packages();
    let mut refused = BTreeSet::new();
    let mut needed = BTreeSet::<&str>::new();
    for package in &packages {
        let expression = package.license.as_deref().unwrap_or_default();
        if TESTS_ALONE.contains(&(package.name.as_str(), expression)) {
            continue;
        }
        if !permits(expression, LICENCES) {
            refused.insert(format!("{} {}: `{expression}`", package.name, package.version));
        }
        needed.extend(LICENCES.iter().copied().filter(|licence| {
            let others: Vec<_> = LICENCES.iter().copied().filter(|other| other != licence).collect();
            !permits(expression, &others)
        }));
    }
    assert!(refused.is_empty(), "not under {LICENCES:?}: {refused:#?}");
    assert_eq!(needed.into_iter().collect::<Vec<_>>(), LICENCES);
}

#[test]
fn what_only_tests_may_have_is_in_no_program() {
    for (name, _) in TESTS_ALONE {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "--locked",
                "--workspace",
                "--edges",
                "normal,build",
                "--prefix",
                "none",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo starts");
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && tree.contains("rcgen v"), "{tree}");
        assert!(!tree.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
    }
}

#[test]
fn crates_in_two_versions_are_those_that_the_list_explains() {
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    for package in packages() {
        versions.entry(package.name).or_default().insert(package.version);
    }
    versions.retain(|_, found| found.len() > 1);
    assert!(versions.values().all(|found| found.len() == 2), "three versions of one crate: {versions:#?}");
    let found: BTreeSet<_> = versions.keys().map(String::as_str).collect();
    let listed: BTreeSet<_> = DUPLICATES.iter().flat_map(|(_, names)| *names).copied().collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "in two versions and not listed: {new:?}; listed and no longer: {gone:?}"
    );
}

#[test]
fn every_crate_is_ours_or_from_the_registry() {
    let registry = |source: &str| source.starts_with("registry+");
    let foreign = packages().into_iter().filter(|package| !package.source.as_deref().is_none_or(registry));
    let foreign: Vec<_> = foreign.map(|package| package.name).collect();
    assert!(foreign.is_empty(), "from git or elsewhere: {foreign:?}");
}
