//! `deploy`: which machines, what must stand in the repository, what answers over ssh, and what becomes of it. ssh is a
//! few lines of shell here; tests/deploy.rs asks real ones.

use std::fs;
use std::process::Command;

use crate::case::{Case, NOW, case, generated, script, told_by, value};
use crate::project::{Project, machines};

/// A program's end as ssh's own: the host key is another one.
const OTHER_KEY: &str = "printf '%s\\n' 'No ED25519 host key is known for cp1 and you have requested strict checking.' \
     'Host key verification failed.' >&2; exit 255";
const NIXOS: &str = "echo ID=nixos";
const DEBIAN: &str = "echo 'PRETTY_NAME=\"Debian GNU/Linux 12\"'";
const FIRST_MEMBER: &str =
    "case \"$*\" in *HostKeyAlias=cp1*) echo ID=nixos; echo etcd=1 ;; *) exit 255 ;; esac";
const DENIED: &str = "echo 'root@10.13.13.11: Permission denied (publickey).' >&2; exit 255";
const AWAY: &str = "echo 'ssh: connect to host 10.13.13.11 port 22: No route to host' >&2; exit 255";

/// An ssh that does this for who asks for the machine's own key, and that for who takes any.
fn ssh(project: &Project, own: &str, anybody: &str) {
    script(project, "ssh", &format!("case \"$*\" in *.stranger*) {anybody} ;; *) {own} ;; esac"));
}

/// A generated cluster with what `pki modules` and `pki init` leave.
fn site() -> Project {
    let project = generated();
    lay_out(&project, &["cp1", "cp2", "cp3", "w1"]);
    project
}

fn lay_out(project: &Project, names: &[&str]) {
    project.pki(["modules", "modules", "--at", NOW]).expect(0);
    for name in names {
        project.write(
            &format!("hosts/{name}.nix"),
            "{ users.users.root.openssh.authorizedKeys.keys = [ \"me\" ]; }\n",
        );
    }
}

/// A run of `deploy` in there after `change`.
fn deploy(what: &str, words: &[&str], change: impl Fn(&Project) + Send + Sync + 'static) -> Case {
    deploy_with(what, words, site, change)
}

fn deploy_with(
    what: &str,
    words: &[&str],
    begin: fn() -> Project,
    change: impl Fn(&Project) + Send + Sync + 'static,
) -> Case {
    deploy_in(what, words, &[], begin, change)
}

/// [`deploy`] with variables in its environment.
fn deploy_told(
    what: &str,
    words: &[&str],
    variables: &[(&str, &str)],
    change: impl Fn(&Project) + Send + Sync + 'static,
) -> Case {
    deploy_in(what, words, variables, site, change)
}

fn deploy_in(
    what: &str,
    words: &[&str],
    variables: &[(&str, &str)],
    begin: fn() -> Project,
    change: impl Fn(&Project) + Send + Sync + 'static,
) -> Case {
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let variables: Vec<(String, String)> = variables.iter().map(own).collect();
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    case(what, move || {
        let project = begin();
        change(&project);
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
        command.args(&words).current_dir(project.root()).env_clear().env("HOME", project.path("home"));
        if !words.iter().any(|word| word == "--at") {
            command.args(["--at", NOW]);
        }
        let (line, out, err) =
            told_by(&project, command, &format!("deploy {}", words.join(" ")), &variables, "");
        format!("{line}\n{out}{}", without_times(&err))
    })
}

/// How long something took, and a token, at fixed names.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" in ") {
        Some((before, time)) if time.ends_with(" s") || time.ends_with(" ms") => {
            format!("{before} in [time]")
        }
        _ => match line.split_once("TOKEN=") {
            Some((before, _)) => format!("{before}TOKEN=[token]"),
            None => line.to_owned(),
        },
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

/// An inventory that nothing was generated for: targets are judged first.
fn other(inventory: &str) -> impl Fn(&Project) + Send + Sync + 'static {
    let inventory = inventory.to_owned();
    move |project: &Project| project.write("machines.nix", &inventory)
}

/// Which machines.
pub(crate) fn which() -> Vec<Case> {
    let changed = |from: &str, to: &str| machines(1, "").replacen(from, to, 1);
    let empty = || Project::new("{ }");
    let judged =
        |what: &str, words: &[&str], inventory: String| deploy_with(what, words, empty, other(&inventory));
    let parts = "interface = \"ens18\"; disk = \"/dev/disk/by-id/x\";";
    vec![
        judged("names that nobody has", &["cp11", "grandma"], machines(1, "")),
        judged("what is no node, or no machine", &["router", "kubeMaster"], machines(1, "")),
        judged("a machine without an address", &["w1"], changed("10.13.13.31", "0.0.0.0")),
        judged(
            "a machine that ssh cannot reach",
            &["cp1"],
            changed("interface", "localIp = \"0.0.0.0\"; interface"),
        ),
        judged("a machine that lacks what it is installed on", &["cp1"], changed(parts, "")),
        judged(
            "a machine that runs nothing",
            &["nas"],
            machines(1, &format!("  nas = {{ ip = \"10.13.13.9\"; {parts} node = true; }};\n")),
        ),
        judged("a role that nobody has", &["--role", "worker"], changed("master = false;", "master = true;")),
        deploy("a part of a flake", &["cp1", "--flake", ".#cp1"], |_| {}),
    ]
}

/// What must stand in the repository.
pub(crate) fn repository() -> Vec<Case> {
    let remove = |name: &'static str| {
        move |project: &Project| {
            let path = project.path(name);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    };
    vec![
        deploy_with("nothing yet", &["all"], || Project::new(&machines(3, "")), |_| {}),
        deploy("an interrupted run", &["cp1"], |project| {
            fs::create_dir_all(project.path("certs/.gen-commit")).unwrap();
        }),
        deploy("an inventory that says something else now", &["cp1"], |project| {
            project.write("machines.nix", machines(3, "").replace("10.13.13.12", "10.13.13.42"));
        }),
        deploy("a file that nobody can believe", &["cp1"], |project| {
            project.write("certs/cp1/host.yaml", "host: plain\n");
        }),
        deploy("certificates that end today", &["w1", "--at", "2027-11-21T08:30:00Z"], |_| {}),
        deploy("certificates that ended", &["w1", "--at", "2027-11-22T12:00:00Z"], |_| {}),
        deploy("no modules", &["all"], remove("modules")),
        deploy("modules that are not those of the inventory", &["cp1", "w1"], |project| {
            project.write("modules/w1.nix", "{ }\n");
            fs::remove_file(project.path("modules/cp1.nix")).unwrap();
        }),
        deploy("modules that are of another inventory", &["w1"], |project| {
            project.write("machines.nix", machines(3, "").replace("10.13.14.10", "10.13.14.11"));
            project.pki(["gen", "--at", NOW]).expect(0);
        }),
        deploy("no host file", &["cp1"], remove("hosts/cp1.nix")),
        deploy("a flake of another tree", &["cp1", "--flake", "github:me/lab"], |_| {}),
        deploy("files that git was not told of", &["cp1"], |project| {
            fs::create_dir(project.path(".git")).unwrap();
            script(
                project,
                "git",
                "printf '%s\\0' certs/cp1/host.yaml hosts/.cp1.nix.swp hosts/cp1.nix~ modules/w1.nix",
            );
        }),
        deploy("a git that is not there", &["cp1"], |project| {
            fs::create_dir(project.path(".git")).unwrap();
        }),
        deploy("an installation that nobody could log in to", &["cp1", "w1"], |project| {
            ssh(project, DEBIAN, "");
            let written = "{ users.users.root.openssh.authorizedKeys.keys = sshKeys; } # authorizedKeys\n";
            project.write("hosts/cp1.nix", written);
        }),
    ]
}

/// What answers.
pub(crate) fn answers() -> Vec<Case> {
    let answered = |what: &str, own: &'static str, anybody: &'static str| {
        deploy(what, &["cp1"], move |project| ssh(project, own, anybody))
    };
    let own_key = || {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
        let text = machines(1, "").replacen(
            "kubernetes.enable",
            &format!("hostKey = \"{key}\"; kubernetes.enable"),
            1,
        );
        let project = Project::new(&text);
        project.pki(["gen", "--new-identity", "--at", NOW]).expect(0);
        lay_out(&project, &["cp1", "w1"]);
        project
    };
    vec![
        deploy("no ssh", &["cp1"], |_| {}),
        deploy("another address for an update", &["cp1", "--at-address", "10.0.0.143"], |project| {
            ssh(project, NIXOS, "");
        }),
        deploy("another address for two", &["cp1", "w1", "--at-address", "10.0.0.143"], |project| {
            ssh(project, NIXOS, "");
        }),
        deploy_told(
            "an option that nixos-anywhere has not",
            &["cp1"],
            &[("NIX_SSHOPTS", "-J bastion")],
            |project| {
                ssh(project, DEBIAN, "");
            },
        ),
        deploy("an ssh that is none", &["cp1"], |project| {
            script(project, "ssh", "");
            fs::write(project.path("bin/ssh"), "#!/no/such/shell\n").unwrap();
        }),
        answered("nobody", AWAY, ""),
        answered("somebody, and nobody a moment later", OTHER_KEY, AWAY),
        answered("two machines at one address", OTHER_KEY, OTHER_KEY),
        answered("a login that is refused", DENIED, ""),
        answered("a system that does not say which", "echo 'this account is not available'", ""),
        answered("a NixOS that is not ours", OTHER_KEY, NIXOS),
        deploy_with("a machine that keeps another key", &["cp1"], own_key, |project| {
            ssh(project, OTHER_KEY, DEBIAN);
        }),
        deploy_with("a machine that keeps its key", &["cp1", "--dry-run"], own_key, |project| {
            ssh(project, DEBIAN, "");
        }),
        deploy_with(
            "a build host beside IPv6",
            &["cp1", "--build-host", "big"],
            || {
                let text = machines(1, "").replacen(
                    "kubernetes.enable",
                    "localIp = \"fd00::11\"; kubernetes.enable",
                    1,
                );
                let project = Project::new(&text);
                project.pki(["gen", "--new-identity", "--at", NOW]).expect(0);
                lay_out(&project, &["cp1", "w1"]);
                project
            },
            |project| ssh(project, NIXOS, ""),
        ),
        deploy("commands", &["cp1", "w1", "--dry-run"], |project| {
            script(project, "ssh-keygen", "echo '256 SHA256:abc cp1 (ED25519)'");
            script(
                project,
                "ssh",
                &format!("case \"$*\" in *.stranger*) {DEBIAN} ;; *cp1*) {OTHER_KEY} ;; *) {NIXOS} ;; esac"),
            );
        }),
    ]
}

/// What becomes of it.
pub(crate) fn runs() -> Vec<Case> {
    let update = |what: &str, words: &[&str], program: &'static str| {
        deploy(what, words, move |project| {
            ssh(project, NIXOS, "");
            script(project, "nixos-rebuild", program);
        })
    };
    // After the installation `own` answers; before it somebody with another key.
    let install = |what: &str, program: &'static str, own: &'static str| {
        deploy(what, &["cp1", "--yes", "--wait", "0"], move |project| {
            let mark = project.path("installed");
            let mark = mark.display();
            let before = format!("if [ -d {mark} ]; then {own}; else {OTHER_KEY}; fi");
            ssh(project, &before, DEBIAN);
            script(project, "nixos-anywhere", &program.replace("MARK", &mark.to_string()));
        })
    };
    let done = "/bin/mkdir MARK";
    // What took the place of the Debian that was asked about.
    let exchanged = |what: &str, answer: &'static str| {
        deploy(what, &["cp1", "--yes"], move |project| {
            let anybody = format!("case \"$*\" in *accept-new*) {DEBIAN} ;; *) {answer} ;; esac");
            ssh(project, OTHER_KEY, &anybody);
            script(project, "nixos-anywhere", "exit 0");
        })
    };
    vec![
        deploy("programs that are not here", &["cp1"], |project| ssh(project, NIXOS, "")),
        deploy("an installer that is none", &["cp1", "--yes"], |project| {
            ssh(project, OTHER_KEY, DEBIAN);
            script(project, "nixos-anywhere", "");
            fs::write(project.path("bin/nixos-anywhere"), "#!/no/such/shell\n").unwrap();
        }),
        deploy("nobody who agrees", &["cp1"], |project| {
            ssh(project, OTHER_KEY, DEBIAN);
            script(project, "nixos-anywhere", "exit 0");
        }),
        deploy("nobody who can open the host key", &["cp1", "--yes"], |project| {
            ssh(project, OTHER_KEY, DEBIAN);
            script(project, "nixos-anywhere", "exit 0");
            fs::remove_dir_all(project.path("home/.config")).unwrap();
        }),
        deploy("another machine's host key", &["cp1", "--yes"], |project| {
            ssh(project, OTHER_KEY, DEBIAN);
            script(project, "nixos-anywhere", "exit 0");
            let mut manifest: serde_json::Value =
                serde_json::from_str(&project.read("certs/manifest.json")).unwrap();
            let sealed = manifest["sealed"].as_array_mut().unwrap();
            let at = |file: &str, sealed: &[serde_json::Value]| {
                sealed.iter().position(|row| row["file"] == file).unwrap()
            };
            let (own, others) = (at("cp1/host.yaml", sealed), at("w1/host.yaml", sealed));
            sealed[own]["sha256"] = sealed[others]["sha256"].clone();
            project.write("certs/manifest.json", serde_json::to_string_pretty(&manifest).unwrap() + "\n");
            fs::copy(project.path("certs/w1/host.yaml"), project.path("certs/cp1/host.yaml")).unwrap();
        }),
        update("an update", &["w1"], "exit 0"),
        update("an update that fails", &["all"], "exit 1"),
        install("an installation that fails", "exit 1", NIXOS),
        exchanged("another machine at that address meanwhile", OTHER_KEY),
        exchanged("another system at that address meanwhile", "echo ID=alpine"),
        exchanged("a login that was taken away meanwhile", DENIED),
        exchanged("a machine that was switched off meanwhile", AWAY),
        install("an installation", done, NIXOS),
        install("the last member of etcd", done, "echo ID=nixos; echo etcd=1"),
        install("a member of etcd whose others are not installed", done, FIRST_MEMBER),
        install("an installation that locks its people out", done, DENIED),
        install("an installation that boots from its stick again", done, OTHER_KEY),
        install("an installation that boots another system", done, DEBIAN),
        install("an installation that does not come back", done, AWAY),
        value("no memory for a host key beside a configuration of root's", || {
            quorate::secrets::edit::EditError::NoStorage {
                private: "in one, ssh would refuse `~/.ssh/config`, which belongs to another user".to_owned(),
                setting: None,
                folder: "what is on a tmpfs may be swapped out (`/swapfile`)".to_owned(),
                swap: true,
            }
            .into()
        }),
    ]
}
