//! Clients in three languages that trust the root and nothing else.

use std::net::SocketAddr;
use std::path::Path;

use quorate_pki::authority::Authority;

use crate::cluster::client::Caller;
use crate::cluster::run;
use crate::plane::{ControlPlane, VIRTUAL_IP};

/// Where a request goes, by which name, and what is said of it.
type Verdict<'a> = (&'static str, &'a str, Result<(), String>);

/// curl, Go and Python on the worker at the API server of one machine, for each of these names.
fn verdicts<'a>(plane: &ControlPlane, server: SocketAddr, names: &[&'a str]) -> Vec<Verdict<'a>> {
    let (host, root) = (plane.network.host("w1"), plane.trust("w1", Authority::Root));
    let mut verdicts = Vec::new();
    for name in names {
        let mut curl = host.command(Path::new("curl"));
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "10", "--cacert"]).arg(root);
        curl.args([
            "--connect-to",
            &format!("::{server}"),
            &format!("https://{name}:{}/version", server.port()),
        ]);
        let output = curl.output().expect("curl starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        verdicts.push(("curl", *name, if output.status.success() { Ok(()) } else { Err(said) }));

        let caller = Caller { verify: &plane.verify, host, trust: root, client: None };
        let failure = caller.once_by_name(server, name).failures.into_keys().next();
        verdicts.push(("Go", *name, failure.map_or(Ok(()), Err)));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/fetch.py");
    let mut python = host.command(Path::new("python3"));
    python.arg(script).arg(root).args([&server.ip().to_string(), &server.port().to_string(), "/version"]);
    let said = String::from_utf8(run(python.args(names)).stdout).expect("UTF-8");
    assert_eq!(said.lines().count(), names.len(), "{said}");
    for (name, line) in names.iter().zip(said.lines()) {
        verdicts.push(("Python", *name, if line == "accepted" { Ok(()) } else { Err(line.into()) }));
    }
    verdicts
}

/// By the virtual IP, by its own addresses, by every name that a service of Kubernetes has; not as another master.
pub(crate) fn by_the_root_alone(plane: &ControlPlane) {
    let everywhere = [
        VIRTUAL_IP,
        "10.96.0.1",
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    for (number, master) in plane.masters.iter().enumerate() {
        let (own, other) =
            (format!("10.13.13.1{}", number + 1), format!("10.13.13.1{}", (number + 1) % 3 + 1));
        let reached_by_ssh = format!("192.168.88.1{}", number + 1);
        let mut names = everywhere.to_vec();
        names.extend([own.as_str(), &reached_by_ssh, &master.host.name]);
        for (who, name, verdict) in verdicts(plane, master.address(), &names) {
            assert_eq!(verdict, Ok(()), "{who} by `{name}` at {own}");
        }
        for (who, name, verdict) in verdicts(plane, master.address(), &["stranger.example", &other]) {
            let error = verdict.expect_err(&format!("{who} takes {own} for `{name}`"));
            let of_the_name = ["no alternative certificate subject name", "is valid for", "mismatch"];
            assert!(of_the_name.iter().any(|text| error.contains(text)), "{who} by `{name}`: {error}");
        }
    }
    // At the virtual IP itself, which cp1 holds.
    let server = SocketAddr::new(VIRTUAL_IP.parse().expect("an address"), plane.masters[0].address().port());
    for (who, name, verdict) in verdicts(plane, server, &[VIRTUAL_IP]) {
        assert_eq!(verdict, Ok(()), "{who} at {name}");
    }
}
