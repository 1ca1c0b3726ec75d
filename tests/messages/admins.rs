//! `secrets recipients`, `rekey` and `rotate`: who can read, and who comes and goes.

use std::fs;

use quorate::error::Error;
use quorate_secrets::identity::Identity;

use crate::case::{
    Case, case, generated, own_recipient, rules_for, secrets, secrets_done, secrets_told, value,
};
use crate::project::{Project, machines};

/// Somebody who is no admin.
const OTHER: &str = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";

/// A run of `secrets` in a copy of a generated cluster, after `change`; `ADMIN` in the words is its admin.
fn cluster(what: &str, words: &[&str], change: impl Fn(&Project) + Send + Sync + 'static) -> Case {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    case(what, move || {
        let project = generated();
        change(&project);
        let admin = admin(&project);
        let words: Vec<String> = words.iter().map(|word| word.replace("ADMIN", &admin)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (line, out, err) = secrets_told(&project, &words, &[], "");
        format!("{line}\n{out}{err}").replace(&admin, "age1...")
    })
}

fn admin(project: &Project) -> String {
    let keys = project.read("home/.config/sops/age/keys.txt");
    Identity::parse_all(&keys.into()).unwrap()[0].recipient().unwrap().to_string()
}

/// machines.nix with this for `cluster.admins`; `ADMIN` is the admin of the cluster.
fn admins(list: &str) -> impl Fn(&Project) + Send + Sync + 'static {
    let list = list.to_owned();
    move |project| {
        let list = list.replace("ADMIN", &admin(project));
        let text =
            format!("  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; admins = {list}; }};\n");
        project.write("machines.nix", machines(3, &text));
    }
}

/// `secrets recipients add` and `remove`.
pub(crate) fn come_and_go() -> Vec<Case> {
    let add = &["recipients", "add", OTHER, "--yes"];
    let remove = &["recipients", "remove", "ADMIN", "--yes"];
    let asked = &["recipients", "remove", "ADMIN"];
    vec![
        cluster("an admin more", add, admins("[ \"ADMIN\" ]")),
        cluster("the same, and nobody to ask", &["recipients", "add", OTHER], admins("[ \"ADMIN\" ]")),
        cluster("an admin who is one", &["recipients", "add", "ADMIN"], admins("[ \"ADMIN\" ]")),
        cluster("an admin whose key has a letter too many", &["recipients", "add", "age1typo"], |_| {}),
        cluster("an admin of no list", add, |_| {}),
        cluster("an admin of an empty list", add, admins("[ ]")),
        cluster("an admin of a list that is put together", add, admins("[ \"ADMIN\" ] ++ [ ]")),
        cluster("an admin of a list that another file has", add, |project| {
            admins("[ ]")(project);
            let text = project.read("machines.nix").replace("admins = [ ]; ", "");
            project.write("part.nix", format!("{{ admins = [ \"{}\" ]; }}\n", admin(project)));
            project.write("machines.nix", text.replace("cluster = {", "cluster = import ./part.nix // {"));
        }),
        cluster("an admin of an inventory that is all in another file", add, |project| {
            admins("[ \"ADMIN\" ]")(project);
            fs::rename(project.path("machines.nix"), project.path("all.nix")).unwrap();
            project.write("machines.nix", "import ./all.nix\n");
        }),
        cluster("an admin of a cluster that another file has", add, |project| {
            admins("[ \"ADMIN\" ]")(project);
            let text = project.read("machines.nix");
            let (before, after) = text.split_once("  cluster = ").unwrap();
            project.write("part.nix", format!("{{ cluster = {after}"));
            project.write("machines.nix", format!("{before}  inherit (import ./part.nix) cluster;\n}}\n"));
        }),
        cluster("an admin of a list that another dialect does not have", add, |project| {
            let machines = "controlPlane = [ { name = \"cp1\"; ip = \"10.13.13.11\"; } ]; workers = [ ];";
            let admins = format!("admins = [ \"{}\" ];", admin(project));
            let text = format!(
                "{{ cluster = {{ name = \"magi\"; vip = \"10.13.14.10\"; {machines} {admins} }}; }}\n"
            );
            project.write("machines.nix", text);
        }),
        case("a machine as an admin", || {
            let project = generated();
            admins("[ \"ADMIN\" ]")(&project);
            let manifest: serde_json::Value =
                serde_json::from_str(&project.read("certs/manifest.json")).unwrap();
            let machine = manifest["machines"]["w1"]["recipient"].as_str().unwrap().to_owned();
            let (line, out, err) = secrets_told(&project, &["recipients", "add", &machine], &[], "");
            format!("{line}\n{out}{err}")
        }),
        cluster("no cluster", add, |project| fs::remove_dir_all(project.path("certs")).unwrap()),
        cluster("the last admin", remove, admins("[ \"ADMIN\" ]")),
        cluster("an admin who is none", &["recipients", "remove", OTHER], admins("[ \"ADMIN\" ]")),
        case("an admin less", || {
            let project = two_admins();
            let (line, out, err) = secrets_told(&project, &["recipients", "remove", OTHER, "--yes"], &[], "");
            format!("{line}\n{out}{err}")
        }),
        case("an admin less, who keeps the root", || {
            let project = generated();
            let both = "[ \"ADMIN\" \"OTHER\" ]; rootAdmins = [ \"OTHER\" ]";
            admins(&both.replace("OTHER", OTHER))(&project);
            project.pki(["gen"]).expect(0);
            let (line, _, err) = secrets_told(&project, &["recipients", "remove", OTHER, "--yes"], &[], "");
            // The rest is as before.
            let own: String =
                err.split_inclusive('\n').filter(|line| !line.contains(" could read ")).collect();
            format!("{line}\n{own}")
        }),
        case("an admin less: oneself", || {
            let project = two_admins();
            let admin = admin(&project);
            let words: Vec<&str> =
                asked.iter().map(|word| if *word == "ADMIN" { &admin } else { *word }).collect();
            let (line, out, err) = secrets_told(&project, &words, &[], "");
            format!("{line}\n{out}{err}")
        }),
        // A run would wait for half a minute for whoever works on the file.
        value("an admin less, and a file that somebody works on", || Error::Request {
            message: "1 file could not be sealed anew, all else is done".to_owned(),
            hint: "mend that and run the same again: it does what is left".to_owned(),
        }),
        cluster("whom everything is sealed to, on paper", &["recipients", "--sheet"], |_| {}),
        case("the same with two admins and a file besides", || {
            let project = two_admins();
            let (line, out, err) = secrets_told(&project, &["recipients", "--sheet"], &[], "");
            format!("{line}\n{}{err}", &out[..out.find("STEPS").unwrap()])
        }),
        case("the same with a root of its own", || {
            let project = generated();
            admins(
                "[ \"ADMIN\" ]; rootAdmins = [ \"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\" ]",
            )(&project);
            project.pki(["gen"]).expect(0);
            let (line, out, err) = secrets_told(&project, &["recipients", "--sheet"], &[], "");
            // The rest is as before.
            let admins = out.find("THE ADMIN").unwrap()..out.find("STEPS").unwrap();
            format!("{line}\n{}{err}", &out[admins])
        }),
        secrets("the same without a cluster", &["recipients", "--sheet"], |_| {}),
        secrets("a sheet and a list at once", &["recipients", "--sheet", "list"], |_| {}),
        secrets("who can read", &["recipients"], |_| {}),
        secrets("who can read, where there is nothing", &["recipients"], |project| {
            fs::remove_file(project.path("secrets/db.yaml")).unwrap();
        }),
    ]
}

/// A cluster with a second admin, who can read a file under our rules and one under others'.
fn two_admins() -> Project {
    let project = generated();
    admins("[ \"ADMIN\" ]")(&project);
    secrets_done(&project, &["recipients", "add", OTHER, "--yes"]);
    project.write("secrets/all/db.yaml", "password: hunter2\n");
    secrets_done(&project, &["encrypt", "-i", "secrets/all/db.yaml"]);
    project.write("own/.sops.yaml", format!("creation_rules: [{{age: '{}, {OTHER}'}}]\n", admin(&project)));
    project.write("own/mail.yaml", "password: hunter2\n");
    secrets_done(&project, &["encrypt", "-i", "own/mail.yaml"]);
    project
}

/// The file for somebody else besides, by its rule.
fn shared(project: &Project) {
    let own = own_recipient(project);
    project.write(".sops.yaml", rules_for(&format!("{own},{OTHER}")));
}

/// `secrets rekey` and `rotate`.
pub(crate) fn anew() -> Vec<Case> {
    vec![
        secrets("somebody who comes", &["rekey", "--yes"], shared),
        secrets("the same, and nobody to ask", &["rekey"], shared),
        secrets("the same, not done", &["rekey", "--dry-run"], shared),
        secrets("somebody who goes", &["rekey", "--yes"], |project| {
            let before = project.read(".sops.yaml");
            shared(project);
            secrets_done(project, &["rekey", "--yes"]);
            project.write(".sops.yaml", before);
        }),
        secrets("somebody who goes, of many files", &["rekey", "--dry-run"], |project| {
            for number in 1..=21 {
                fs::copy(project.path("secrets/db.yaml"), project.path(format!("secrets/{number}.yaml")))
                    .unwrap();
            }
            project.write(".sops.yaml", rules_for(OTHER));
        }),
        secrets("nothing to seal anew", &["rekey"], |_| {}),
        secrets("no sealed file", &["rekey"], |project| {
            fs::remove_file(project.path("secrets/db.yaml")).unwrap();
        }),
        secrets("no sealed file, for a new data key", &["rotate", "."], |project| {
            fs::remove_file(project.path("secrets/db.yaml")).unwrap();
        }),
        secrets("a new data key", &["rotate", "secrets"], |_| {}),
        secrets("a file without a rule", &["rekey", "--yes"], |project| {
            fs::copy(project.path("secrets/db.yaml"), project.path("db.yaml")).unwrap();
        }),
        secrets("many files without a rule", &["rekey", "--yes"], |project| {
            for number in 1..=21 {
                fs::copy(project.path("secrets/db.yaml"), project.path(format!("{number}.yaml"))).unwrap();
            }
        }),
        secrets("files that nobody here can open", &["rekey", "--yes"], |project| {
            shared(project);
            let (secret, _) = Identity::generate();
            project.write("home/.config/sops/age/keys.txt", secret.expose_bytes());
        }),
        cluster("a file of `pki gen`", &["rotate", "certs/cp1/keys.yaml"], |_| {}),
        cluster("files of `pki gen`", &["rotate", "."], |_| {}),
        cluster("a manifest that is damaged", &["rotate", "."], |project| {
            let text = project.read("certs/manifest.json");
            project.write("certs/manifest.json", &text[..text.len() - 9]);
        }),
    ]
}
