//! Faults planted into emitted files: each must be found. Without that, a check that asks nothing would pass as well.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::demands;
use crate::facts::On;
use crate::rig::{Nix, NixOs, Staged, cases};
use crate::{machines, options};

/// Everything that is wrong with a machine.
pub(crate) fn faults(on: On<'_>) -> Vec<String> {
    let name = on.machine.name();
    let mut faults = demands::unmet(on);
    for part in ["assertions", "warnings"] {
        faults.extend(
            crate::facts::strings(&on.facts[part]).iter().map(|text| format!("{name}: {part}: {text}")),
        );
    }
    for astray in on.facts["astray"].as_array().into_iter().flatten() {
        faults.push(format!("{name}: not what the machine has: {astray}"));
    }
    faults
}

/// A change of the emitted text, and a part of what must be said of it.
struct Planted {
    /// What stands there; every place of it is changed, in the smallest golden that has it.
    from: &'static str,
    to: &'static str,
    found: &'static str,
}

const fn planted(from: &'static str, to: &'static str, found: &'static str) -> Planted {
    Planted { from, to, found }
}

const PLANTED: &[Planted] = &[
    // etcd.
    planted(
        "networking.hostName = default \"w1\";",
        "networking.hostName = default \"w1\"; services.etcd.enable = true;",
        "etcd runs on its members",
    ),
    planted(
        "listenPeerUrls = default [ \"https://10.0.0.11",
        "listenPeerUrls = default [ \"https://10.0.0.12",
        "a member's name and URLs",
    ),
    planted("    clientCertAuth = default true", "    clientCertAuth = default false", "shows a certificate"),
    planted(
        "peerCertFile = default \"/etc/quorate/pki/etcd-peer.crt\"",
        "peerCertFile = default \"/etc/quorate/pki/etcd-server.crt\"",
        "certificates of their own",
    ),
    planted(
        "peerTrustedCaFile = default \"/etc/quorate/pki/trust/etcd.crt\"",
        "peerTrustedCaFile = default \"/etc/quorate/pki/trust/root.crt\"",
        "certificates of their own",
    ),
    planted(
        "PEER_CERT_ALLOWED_HOSTNAME = default \"etcd-peer.",
        "PEER_CERT_ALLOWED_HOSTNAME = default \"other,etcd-peer.",
        "the one name that peers bear",
    ),
    planted("QUOTA_BACKEND_BYTES = ", "CLIENT_CERT_ALLOWED_HOSTNAME = ", "the one name that clients bear"),
    planted("QUOTA_BACKEND_BYTES = ", "OTHER = ", "the quota is 8 GiB"),
    planted(
        "LISTEN_METRICS_URLS = default \"http://127.0.0.1",
        "LISTEN_METRICS_URLS = default \"http://0.0.0.0",
        "on loopback alone",
    ),
    planted(
        "initialClusterState = default \"existing\"",
        "initialClusterState = default \"new\"",
        "never founds a cluster by itself",
    ),
    planted(
        "initialCluster = default [ ]",
        "initialCluster = default [ \"cp2=https://10.0.0.12:2380\" ]",
        "names no other member",
    ),
    planted("restartIfChanged = false;", "", "nothing but a deploy restarts etcd"),
    planted(
        "key = default \"etcd-peer\";",
        "key = default \"etcd-peer\"; restartUnits = [ \"etcd.service\" ];",
        "nothing but a deploy restarts etcd",
    ),
    planted("TimeoutStartSec = default \"15min\";", "", "longer than systemd's 90 s"),
    planted(
        "  systemd.services.etcd = {",
        "  systemd.tmpfiles.settings.\"10-etcd\".\"/var/lib/etcd\".d.mode = lib.mkForce \"0755\";\n  systemd.services.etcd = {",
        "the data are etcd's alone",
    ),
    planted("--dport 2380", "--dport 2381", "open to those alone who need them"),
    planted(
        "allowedTCPPorts = [ 10250 ]",
        "allowedTCPPorts = [ 10250 2379 ]",
        "open to those alone who need them",
    ),
    // The control plane.
    planted(
        "networking.hostName = default \"w1\";",
        "networking.hostName = default \"w1\"; services.kubernetes.scheduler.enable = true;",
        "the control plane runs on masters",
    ),
    planted(
        "networking.hostName = default \"cp1\";",
        "networking.hostName = default \"cp1\"; systemd.services.kube-scheduler.serviceConfig.User = lib.mkForce \"root\";",
        "they run as kubernetes",
    ),
    planted("\"--shutdown-delay-duration=10s\"", "\"--secure-port=6443\"", "stands twice"),
    planted(
        "        \"--requestheader-allowed-names=front-proxy-client\"\n",
        "",
        "aggregates other API servers",
    ),
    planted(
        "requestheader-client-ca-file=/etc/quorate/pki/trust/front-proxy",
        "requestheader-client-ca-file=/etc/quorate/pki/trust/root",
        "aggregates other API servers",
    ),
    planted(
        "servers = default [",
        "servers = default [ \"https://10.9.9.9:2379\"",
        "asks every member of etcd",
    ),
    planted(
        "caFile = default \"/etc/quorate/pki/trust/etcd.crt\"",
        "caFile = default \"/etc/quorate/pki/trust/root.crt\"",
        "client of etcd's own authority",
    ),
    planted(
        "      clientCaFile = default \"/etc/quorate/pki/trust/kubernetes.crt\"",
        "      clientCaFile = default \"/etc/quorate/pki/trust/root.crt\"",
        "by the issuer of clients",
    ),
    planted(
        "kubeletClientCertFile = default \"/etc/quorate/pki/apiserver-kubelet-client.crt\";",
        "",
        "reaches kubelets with a certificate",
    ),
    planted(
        "      serviceAccountKeyFile = default \"/run/secrets/quorate/service-account\";",
        "",
        "signs tokens",
    ),
    planted(
        "serviceAccountSigningKeyFile = default \"/run/secrets/quorate/service-account\"",
        "serviceAccountSigningKeyFile = default \"/run/secrets/quorate/apiserver\"",
        "signs tokens",
    ),
    planted(
        "        \"--encryption-provider-config=/run/secrets/quorate/encryption-config\"\n",
        "",
        "encrypts Secrets",
    ),
    planted(
        "advertiseAddress = default \"10.0.0.11\"",
        "advertiseAddress = default \"10.0.9.10\"",
        "advertises its own address",
    ),
    planted("allowPrivileged = default true;", "", "restricts nodes"),
    planted("serviceClusterIpRange = default \"10.96.0.0/16\";", "", "gives out the service addresses"),
    planted("rootCaFile = default \"/etc/quorate/pki/trust/root.crt\";", "", "tells pods the root"),
    planted("clusterCidr = default \"10.244.0.0/16\";", "", "tells pods the root"),
    planted("clusterCidr = default \"10.244.0.0/16\";", "", "kube-proxy knows the pod addresses"),
    planted("port = default 10259;", "", "answer on upstream's ports"),
    planted(
        "apiserverAddress = default \"https://127.0.0.1:6443\"",
        "apiserverAddress = default \"https://10.0.9.10:6443\"",
        "log in to the API server beside them",
    ),
    planted(
        "\"/run/secrets/quorate/scheduler\"",
        "\"/run/secrets/quorate/controller-manager\"",
        "log in to the API server beside them",
    ),
    // The node.
    planted("easyCerts = default false", "easyCerts = default true", "makes no certificates"),
    planted("pki.enable = default false;", "caFile = default \"/etc/x\";", "makes no certificates"),
    planted(
        "      proxy = {\n        enable = default true",
        "      proxy = {\n        enable = default false",
        "gets no kubelet",
    ),
    planted("proxy.hostname = default \"cp1\"", "proxy.hostname = default \"CP1\"", "by one name"),
    planted(
        "tlsCertFile = default \"/etc/quorate/pki/kubelet-server.crt\";",
        "",
        "the kubelet serves with its own certificate",
    ),
    planted(
        "certFile = default \"/etc/quorate/pki/kube-proxy.crt\"",
        "certFile = default \"/etc/quorate/pki/kubelet-client.crt\"",
        "kubelet and kube-proxy log in",
    ),
    planted("clusterDns = default [ \"10.96.0.10\" ];", "", "pods ask CoreDNS"),
    planted("unschedulable = default false;", "", "pods may run"),
    planted("nodeIp = default \"10.0.0.11\";", "", "known by its cluster addresses"),
    planted(
        "default \"docker.io/library/pause:latest\"",
        "default \"pause:latest\"",
        "garbage collection spares",
    ),
    planted(
        "flannel.kubeconfig = default (",
        "flannel.kubeconfig = lib.mkIf false (",
        "flannel logs in as itself",
    ),
    planted("openFirewallPorts = default false;", "", "who reaches the network between pods"),
    planted(
        "allowedTCPPorts = [ 10250 ]",
        "allowedTCPPorts = [ 10255 ]",
        "the API server reaches the kubelet",
    ),
    planted("checkReversePath = default \"loose\";", "", "may go back another way"),
    // Keys and files.
    planted("owner = default \"etcd\"", "owner = default \"root\"", "its reader's alone"),
    planted("owner = default \"kubernetes\"", "owner = default \"root\"", "can read every key that it names"),
    planted("mode = default \"0400\"", "mode = default \"0444\"", "its reader's alone"),
    planted(
        "keyFile = default \"/run/secrets/quorate/kube-proxy\"",
        "keyFile = default \"/run/secrets/quorate/kubeproxy\"",
        "is one of this machine's",
    ),
    planted(
        "--cacert /etc/quorate/pki/trust/root.crt",
        "--cacert /etc/quorate/pki/trust/roots.crt",
        "file of ours that is named is there",
    ),
    planted(
        "sopsFile = default ../certs/cp1/keys.yaml",
        "sopsFile = default ../certs/cp2/keys.yaml",
        "nothing of another machine",
    ),
    planted("../certs/ca/root.bundle.crt", "../certs/ca/root.yaml", "no authority's key"),
    planted("sshKeyPaths = default [ ];", "", "with the SSH host key and no other"),
    planted("restartUnits = [ \"kube-scheduler.service\" ];", "", "starts again when a file of ours"),
    planted(
        "config.environment.etc.\"quorate/pki/scheduler.crt\".source",
        "",
        "starts again when a file of ours",
    ),
    // The virtual IP.
    planted("[ \"kubernetes\" ]", "[ \"kube\" ]", "name resolves to the virtual IP"),
    planted("allowedTCPPorts = [ 6443 ]", "allowedTCPPorts = [ 443 ]", "that everybody dials is open"),
    planted("manifests.kube-vip = ", "manifests.other = ", "whoever brings the virtual IP"),
    planted(
        "control_plane_health_check_address = \"https://127.0.0.1:6443/readyz\";",
        "",
        "a living API server alone",
    ),
    planted("bgp_hold_time = \"9\";", "", "a living API server alone"),
    planted("vip_leaseduration = \"5\"", "vip_leaseduration = \"15\"", "elected within five seconds"),
    planted("type = \"Directory\"", "type = \"DirectoryOrCreate\"", "from files that are there"),
    planted("kube-vip/kube-vip:v1.2.3", "kube-vip/kube-vip:v1.1.0", "from files that are there"),
    planted("user = default \"nobody\";", "", "says its secret to nobody"),
    planted("option httpchk GET /readyz", "option httpchk GET /", "whether it is ready"),
    planted("          client-key: /etc/kube-vip/client.key\n", "", "kube-vip logs in as itself"),
    planted("--dport 3784", "--dport 3785", "a router's BFD"),
    planted("via = \"10.", "via = \"11.", "by the gateway"),
    // From time to time.
    planted("timers.quorate-backup", "timers.backup", "makes a sealed snapshot"),
    planted("AssertPathIsMountPoint = default", "AssertPathExists = default", "for the admins alone"),
    planted("OnCalendar = default \"hourly\"", "OnCalendar = default \"weekly\"", "written down every hour"),
    planted(
        "kube-proxy = {\n      after = [ \"sops-install-secrets.service\" ];",
        "kube-proxy = {",
        "waits until secrets are open",
    ),
    planted("\"net.ipv6.conf.all.forwarding\" = default 1;", "", "packets between pods"),
    // A setting that another one beats, and one that is merged.
    planted(
        "networking.hostName = default \"cp1\";",
        "networking.hostName = default \"cp1\"; services.flannel.nodeName = default \"cp1x\";",
        "not what the machine has",
    ),
    planted(
        "    initialCluster = default [ ];",
        "    initialCluster = default [ ]; listenPeerUrls = default [ \"https://0.0.0.0:2380\" ];",
        "not what the machine has",
    ),
];

#[test]
fn each_planted_fault_is_found_and_each_demand_has_one() {
    let Some(nixos) = NixOs::find() else { return };
    let mut cases = cases();
    cases.sort_by_key(|case| case.cluster.machines().len());
    let (mut all, mut unseen) = (Vec::new(), Vec::new());
    let planted: Vec<_> =
        PLANTED.par_iter().map(|planted| (planted, found(&nixos, &cases, planted))).collect();
    for (planted, found) in planted {
        if !found.iter().any(|fault| fault.contains(planted.found)) {
            unseen.push(format!("`{}` for `{}`: {found:#?}", planted.to, planted.from));
        }
        all.extend(found);
    }
    assert!(unseen.is_empty(), "not found: {}", unseen.join("\n"));
    let demands = demands::all().map(|demand| demand.says);
    let never: Vec<&str> = demands.filter(|says| !all.iter().any(|fault| fault.contains(says))).collect();
    assert!(never.is_empty(), "no planted fault meets these demands: {never:#?}");
}

/// What is found in the smallest golden that can have the fault.
fn found(nixos: &NixOs, cases: &[crate::Case], planted: &Planted) -> Vec<String> {
    for case in cases {
        let here = std::cell::Cell::new(false);
        let staged = Staged::changed(case, |_, text| {
            here.set(here.get() || text.contains(planted.from));
            text.replace(planted.from, planted.to)
        });
        if here.get() {
            return match nixos.evaluate(&staged, None) {
                Ok(facts) => machines(case, &facts).flat_map(faults).collect(),
                Err(error) => vec![error],
            };
        }
    }
    vec![format!("no golden has `{}`", planted.from)]
}

#[test]
fn an_option_that_is_none_and_a_value_that_does_not_fit_are_found() {
    let list = r#"{ "a.enable": { "type": "boolean" }, "a.files.<name>.mode": { "type": "string" },
        "a.files": { "type": "attribute set of (submodule)" }, "a.ports": { "type": "list of signed integer" } }"#;
    let options = options::Options::read(list);
    let faults = |text: &str| options.faults(&serde_json::from_str(text).unwrap());
    assert_eq!(
        faults(r#"{ "a": { "enable": true, "ports": [1], "files": { "x/y": { "mode": "1" } } } }"#),
        [""; 0]
    );
    assert_eq!(faults(r#"{ "a": { "enabled": true } }"#), ["a.enabled is no option"]);
    assert_eq!(faults(r#"{ "a": { "enable": "yes" } }"#), ["a.enable is \"yes\", expected boolean"]);
    assert_eq!(
        faults(r#"{ "a": { "ports": [1, "2"] } }"#),
        ["a.ports is [1,\"2\"], expected list of signed integer: \"2\""]
    );
    assert_eq!(faults(r#"{ "a": { "files": { "x": { "mod": "1" } } } }"#), ["a.files.x.mod is no option"]);
}

#[test]
fn a_file_that_is_no_nix_or_names_what_is_not_there_is_found() {
    let Some(nix) = Nix::find() else { return };
    let cases = cases();
    let case = cases.first().expect("a golden");
    for (plant, found) in [("}\n}", "syntax error"), ("nothing.there }", "undefined variable")] {
        let staged = Staged::changed(case, |name, text| {
            if name == "shared/common.nix" {
                format!("{}{plant}", text.trim_end().trim_end_matches('}'))
            } else {
                text
            }
        });
        let error = nix.alone(&staged).expect_err("a fault");
        assert!(error.contains(found) || error.contains("syntax error"), "{plant}: {error}");
    }
}
