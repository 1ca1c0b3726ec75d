//! Identities that ask first, with those who make them: passphrases of `age -p` and `ssh-keygen` typed at a terminal,
//! a plugin that comes with age, a command that prints a key. And `secrets`, `sops` and `age` on each other's files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fault ends the test")]
#![allow(clippy::duplicate_mod, reason = "a desk knows the peers also where there is no cluster")]

#[path = "../secrets/tests/cctv/mod.rs"]
mod cctv;
mod cluster;
mod desk;
mod project;
#[path = "identities/ssh.rs"]
mod ssh;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cluster::peer::{self, Peer, Programs};
use cluster::run;
use desk::terminal::Terminal;
use quorate_secrets::age_file::{self, Encoding};
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{SealedFile, Store};
use rustix::termios::LocalModes;
use tempfile::TempDir;

const VALUE: &str = "correct horse battery staple";
const PASSPHRASE: &str = "open sesame 7";

/// A home with nothing in it, and the programs.
struct Home {
    folder: TempDir,
    age: Programs,
    sops: Programs,
}

impl Home {
    /// `None` when a peer is missing.
    fn new() -> Option<Self> {
        let (age, sops) = (peer::find(Peer::Age13)?, peer::find(Peer::Sops)?);
        peer::find(Peer::SshKeygen)?;
        Some(Self { folder: tempfile::tempdir().unwrap(), age, sops })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A program in this home that knows nothing of the person who runs the tests, and finds the plugins.
    fn at_home(&self, mut command: Command) -> Command {
        let path = std::env::var("PATH").unwrap();
        let plugins = self.age.path("");
        command.env_clear().env("HOME", self.folder.path());
        command.env("PATH", format!("{}:{path}", plugins.display())).current_dir(self.folder.path());
        command
    }

    fn program(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        self.at_home(command)
    }

    fn secrets(&self, arguments: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_secrets"), arguments)
    }

    /// The same on a terminal of its own.
    fn on_terminal(&self, program: &str, arguments: &[&str]) -> Command {
        let [first, rest @ ..] = Terminal::IN_FRONT;
        let words: Vec<&str> = rest.into_iter().chain([program]).chain(arguments.iter().copied()).collect();
        self.program(first, &words)
    }

    fn secrets_on_terminal(&self, arguments: &[&str]) -> Command {
        self.on_terminal(env!("CARGO_BIN_EXE_secrets"), arguments)
    }

    /// The text of a new identity and its recipient, from age-keygen.
    fn identity(&self, arguments: &[&str]) -> (String, String) {
        let text = run(&mut self.program(self.age.path("age-keygen"), arguments)).stdout;
        let text = String::from_utf8(text).unwrap();
        let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
        (text, recipient)
    }

    /// `x.yaml`, sealed by sops.
    fn seal_with_sops(&self, recipients: &str) -> PathBuf {
        let plain = self.write("plain.yaml", format!("password: {VALUE}\n"));
        let mut command = self.program(self.sops.path("sops"), &["encrypt", "--age", recipients]);
        let sealed = run(command.arg(plain)).stdout;
        self.write("x.yaml", sealed)
    }

    /// `age -p` on a text, as a person does it.
    fn lock_with_age(&self, name: &str, text: &str, armored: bool) -> PathBuf {
        let open = self.write("open.txt", text);
        let locked = self.write(name, "");
        let age = self.age.path("age");
        let armor: &[&str] = if armored { &["-a"] } else { &[] };
        let words = [&["-p"], armor, &["-o", locked.to_str().unwrap(), open.to_str().unwrap()]].concat();
        let mut terminal = Terminal::run(self.on_terminal(age.to_str().unwrap(), &words));
        for question in ["Enter passphrase", "Confirm passphrase"] {
            terminal.wait_for(question);
            terminal.wait_for(":");
            terminal.type_in(&format!("{PASSPHRASE}\r"));
        }
        let (status, shown) = terminal.end();
        assert!(status.success(), "{shown}");
        fs::remove_file(open).unwrap();
        locked
    }

    /// An SSH key with a passphrase.
    fn ssh_key(&self, name: &str, kind: &str, more: &[&str]) -> (PathBuf, String) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let words = [&["-q", "-t", kind, "-N", PASSPHRASE, "-f", path.to_str().unwrap()], more].concat();
        run(&mut self.program("ssh-keygen", &words));
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        (path, public.trim().to_owned())
    }
}

fn shown(output: &Output) -> String {
    format!("{output:?}")
}

/// Answers the question, sees that nothing of the answer was shown, and gives what came then.
#[track_caller]
fn answer(mut terminal: Terminal, place: &str) -> (bool, String) {
    terminal.wait_for("passphrase of ");
    terminal.wait_for(place);
    terminal.wait_for(":");
    assert!(!terminal.modes().contains(LocalModes::ECHO), "the passphrase would be seen");
    terminal.type_in(&format!("{PASSPHRASE}\r"));
    let (status, shown) = terminal.end();
    assert!(!shown.contains(PASSPHRASE), "{shown}");
    assert_eq!(shown.matches("passphrase of ").count(), 1, "asked once: {shown}");
    (status.success(), shown)
}

#[test]
fn a_file_of_identities_that_age_locked_opens_with_the_passphrase_that_is_typed() {
    let Some(home) = Home::new() else { return };
    let (text, recipient) = home.identity(&[]);
    let (_, other) = home.identity(&[]);
    // Of two entries, as well as where the data is on stdin.
    home.seal_with_sops(&format!("{other},{recipient}"));
    for armored in [false, true] {
        let locked = home.lock_with_age("keys.age", &text, armored);
        let get = |words: &[&str]| {
            let mut command = home.secrets_on_terminal(words);
            command.env("SOPS_AGE_KEY_FILE", &locked);
            Terminal::run(command)
        };
        let (opened, shown) = answer(get(&["get", "x.yaml", "password"]), "keys.age");
        assert!(opened && shown.contains(VALUE), "{shown}");
        let pipe = format!("cat x.yaml | '{}' decrypt --filename x.yaml -", env!("CARGO_BIN_EXE_secrets"));
        let mut command = home.on_terminal("sh", &["-c", &pipe]);
        command.env("SOPS_AGE_KEY_FILE", &locked);
        let (opened, shown) = answer(Terminal::run(command), "keys.age");
        assert!(opened && shown.contains(VALUE), "{shown}");
    }
}

#[test]
fn a_passphrase_that_does_not_fit_is_said_so_and_a_missing_terminal_too() {
    let Some(home) = Home::new() else { return };
    let (text, recipient) = home.identity(&[]);
    home.seal_with_sops(&recipient);
    let locked = home.lock_with_age(".config/sops/age/keys.txt", &text, true);
    let mut terminal = Terminal::run(home.secrets_on_terminal(&["get", "x.yaml", "password"]));
    for typed in ["wrong", "", "wrong again"] {
        terminal.wait_for("passphrase of ");
        terminal.wait_for("keys.txt:");
        terminal.type_in(&format!("{typed}\r"));
    }
    let (status, shown) = terminal.end();
    assert!(!status.success() && shown.contains("the passphrase does not fit"), "{shown}");
    assert!(shown.contains(locked.to_str().unwrap()) && !shown.contains(VALUE), "{shown}");

    let mut alone =
        home.program("setsid", &["--wait", env!("CARGO_BIN_EXE_secrets"), "get", "x.yaml", "password"]);
    // What is piped in is no answer.
    let mut child =
        alone.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{PASSPHRASE}\n").as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && told.contains("there is no terminal to ask for it"),
        "{}",
        self::shown(&output)
    );
}

#[test]
fn who_leaves_at_the_question_leaves_the_terminal_as_it_was() {
    let Some(home) = Home::new() else { return };
    let (text, recipient) = home.identity(&[]);
    home.seal_with_sops(&recipient);
    home.lock_with_age(".config/sops/age/keys.txt", &text, false);
    let mut terminal = Terminal::run(home.secrets_on_terminal(&["get", "x.yaml", "password"]));
    let before = terminal.modes();
    terminal.wait_for("keys.txt:");
    assert_ne!(terminal.modes(), before);
    terminal.type_in("half\x03");
    assert_eq!(terminal.after_end(), before);
    let (status, shown) = terminal.end();
    // As a shell tells a death by SIGINT, since setsid waited for it.
    assert!(
        status.signal() == Some(2) || status.code() == Some(130) || status.code() == Some(2),
        "{status:?} {shown}"
    );
    assert!(!shown.contains("half") && !shown.contains(VALUE), "{shown}");
}

#[test]
fn gen_without_admins_seals_to_the_identity_behind_a_passphrase() {
    let Some(home) = Home::new() else { return };
    let (text, recipient) = home.identity(&[]);
    home.lock_with_age(".config/sops/age/keys.txt", &text, true);
    home.write("machines.nix", project::machines(1, ""));
    let gen_certs = home.on_terminal(env!("CARGO_BIN_EXE_pki"), &["gen", "certs"]);
    let (made, shown) = answer(Terminal::run(gen_certs), "keys.txt");
    assert!(made, "{shown}");
    let admins = fs::read_to_string(home.path("certs/ca/root.yaml")).unwrap();
    assert!(admins.contains(&recipient), "{admins}");
    // Nobody is asked for what need not be opened.
    run(&mut home.program(env!("CARGO_BIN_EXE_pki"), &["gen", "certs"]));
}

#[test]
fn a_command_that_prints_a_key_learns_the_recipient_and_is_not_run_in_vain() {
    let Some(home) = Home::new() else { return };
    let keys: Vec<(String, String)> = (0..2).map(|_| home.identity(&[])).collect();
    let folder = home.path("store");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(&keys[1].1), &keys[1].0).unwrap();
    home.seal_with_sops(&format!("{},{}", keys[0].1, keys[1].1));
    let script = home.write(
        "print-key",
        "echo \"$SOPS_AGE_RECIPIENT\" >> log; cat \"store/$SOPS_AGE_RECIPIENT\" 2>/dev/null",
    );
    let command = format!("sh '{}'", script.display());
    let log = || fs::read_to_string(home.path("log")).unwrap_or_default();
    // sops itself takes the same command.
    let mut sops =
        home.program(home.sops.path("sops"), &["decrypt", "--extract", "[\"password\"]", "x.yaml"]);
    assert_eq!(run(sops.env("SOPS_AGE_KEY_CMD", &command)).stdout, VALUE.as_bytes());
    let of_sops = log();
    fs::remove_file(home.path("log")).unwrap();
    let output = run(home.secrets(&["get", "x.yaml", "password"]).env("SOPS_AGE_KEY_CMD", &command));
    assert_eq!(output.stdout, VALUE.as_bytes());
    assert_eq!(log(), format!("{}\n{}\n", keys[0].1, keys[1].1), "sops: {of_sops}");
    fs::remove_file(home.path("log")).unwrap();
    let mut ready = home.secrets(&["get", "x.yaml", "password"]);
    run(ready.env("SOPS_AGE_KEY_CMD", &command).env("SOPS_AGE_KEY", &keys[0].0));
    assert_eq!(log(), "", "it was run although a key was there");
    // The same for SSH keys.
    let (path, public) = home.ssh_key("ssh-key", "ed25519", &[]);
    run(&mut home
        .program("ssh-keygen", &["-q", "-p", "-P", PASSPHRASE, "-N", "", "-f", path.to_str().unwrap()]));
    home.seal_with_sops(&public);
    let mut ssh = home.secrets(&["get", "x.yaml", "password"]);
    ssh.env("SOPS_AGE_SSH_PRIVATE_KEY_CMD", format!("cat '{}'", path.display()));
    assert_eq!(run(&mut ssh).stdout, VALUE.as_bytes());
}

/// Runs a test again in a process that has the plugins on its PATH: this one's cannot be changed. `true` in that process.
fn with_plugins(test: &str) -> bool {
    const INSIDE: &str = "QUORATE_TEST_WITH_PLUGINS";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let Some(age) = peer::find(Peer::Age13) else { return false };
    let path = format!("{}:{}", age.path("").display(), std::env::var("PATH").unwrap());
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output =
        again.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(ran, "{}", shown(&output));
    false
}

/// An identity of the plugin, as the plugin itself converts a native one.
fn converted(home: &Home, native: &str) -> String {
    let file = home.write("native.txt", native);
    let output =
        run(&mut home.program(home.age.path("age-plugin-pq"), &["-identity", file.to_str().unwrap()]));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_plugin_seals_and_opens_for_us_what_sops_and_age_open_and_seal() {
    if !with_plugins("a_plugin_seals_and_opens_for_us_what_sops_and_age_open_and_seal") {
        return;
    }
    let home = Home::new().unwrap();
    let (native, recipient) = home.identity(&["-pq"]);
    let plugin = converted(&home, &native);
    assert!(plugin.starts_with("AGE-PLUGIN-PQ-1"), "{plugin}");
    let key_file = home.write("native.txt", &native);
    let parsed: Recipient = recipient.parse().unwrap();
    assert_eq!(parsed.plugin(), Some("pq"));

    // Theirs, opened by us with either form of the identity.
    let sealed = fs::read_to_string(home.seal_with_sops(&recipient)).unwrap();
    for identity in [&native, &plugin] {
        let identities = Identity::parse_all(&Secret::from(identity.as_str())).unwrap();
        let opened = SealedFile::parse(&sealed, Store::Yaml).unwrap().open(&identities).unwrap();
        assert_eq!(opened.get("password").unwrap().expose_bytes(), VALUE.as_bytes());
        let output = run(home.secrets(&["get", "x.yaml", "password"]).env("SOPS_AGE_KEY", identity));
        assert_eq!(output.stdout, VALUE.as_bytes());
    }
    // Ours, opened by them.
    for encoding in [Encoding::Binary, Encoding::Armored] {
        let file = age_file::encrypt(&Secret::from(VALUE), std::slice::from_ref(&parsed), encoding).unwrap();
        let file = home.write("ours.age", file);
        let mut age = home.program(home.age.path("age"), &["-d", "-i", key_file.to_str().unwrap()]);
        assert_eq!(run(age.arg(file)).stdout, VALUE.as_bytes());
    }
    // And what they made with `age`, by us.
    let plain = home.write("plain", VALUE);
    let theirs = run(home.program(home.age.path("age"), &["-r", &recipient]).arg(plain)).stdout;
    let identities = Identity::parse_all(&Secret::from(plugin)).unwrap();
    assert_eq!(age_file::decrypt(&theirs, &identities).unwrap().expose_bytes(), VALUE.as_bytes());
    // Two that may not stand in one file.
    let (_, other) = home.identity(&[]);
    let mixed = age_file::encrypt(&Secret::from(VALUE), &[parsed, other.parse().unwrap()], Encoding::Binary);
    assert_eq!(mixed.unwrap_err(), age_file::AgeError::Mixed);
}

/// A plugin that takes what it is sent and answers with an error, by the protocol of C2SP age-plugin.md.
const GRUMPY: &str = "#!/bin/sh
while read -r line && [ \"$line\" != '-> done' ]; do :; done
read -r empty
printf -- '-> error internal\\n%s\\n' \"$(printf 'no touch\\nno key' | base64 | tr -d =)\"
read -r ok && read -r empty
printf -- '-> done\\n\\n'
";

#[test]
fn what_a_plugin_says_is_told() {
    let Some(home) = Home::new() else { return };
    let (_, recipient) = home.identity(&[]);
    home.seal_with_sops(&recipient);
    let grumpy = home.write("bin/age-plugin-grumpy", GRUMPY);
    fs::set_permissions(&grumpy, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let get = |name: &str| {
        let identity = age::plugin::Identity::default_for_plugin(name).unwrap().to_string();
        let mut command = home.secrets(&["get", "x.yaml", "password"]);
        command.env("SOPS_AGE_KEY", identity);
        command.env(
            "PATH",
            format!("{}:{}:/usr/bin:/bin", home.path("bin").display(), home.age.path("").display()),
        );
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let told = get("grumpy");
    assert!(told.contains("SOPS_AGE_KEY: `age-plugin-grumpy` says: (internal) no touch no key\n"), "{told}");
    // Batchpass takes its passphrase out of the environment; where there is none it leaves.
    let told = get("batchpass");
    assert!(told.contains("`age-plugin-batchpass` says: it ended without an answer"), "{told}");
}

#[test]
fn a_plugin_that_is_missing_is_named_with_its_remedy() {
    let Some(home) = Home::new() else { return };
    let (native, recipient) = home.identity(&["-pq"]);
    home.seal_with_sops(&recipient);
    let mut without = home.secrets(&["get", "x.yaml", "password"]);
    without.env("PATH", "/usr/bin:/bin").env("SOPS_AGE_KEY", native);
    let output = without.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(
        told.contains("`age-plugin-pq` is not on PATH") && told.contains("hint: install `age-plugin-pq`"),
        "{told}"
    );
}

#[test]
fn every_post_quantum_vector_opens_or_fails_through_the_plugin_as_all_of_age_agree() {
    if !with_plugins("every_post_quantum_vector_opens_or_fails_through_the_plugin_as_all_of_age_agree") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("secrets/tests/vectors/cctv-age");
    let vectors = cctv::vectors(&folder);
    let mut judged = 0;
    for vector in vectors.iter().filter(|vector| vector.is_post_quantum()) {
        let opened = age_file::decrypt(&vector.file, &vector.identities());
        match vector.expected.as_str() {
            "success" => vector.judge(&opened).unwrap(),
            // Which of the failures it was, a plugin has no way to say.
            _ => assert!(opened.is_err(), "{}", vector.name),
        }
        judged += 1;
    }
    assert_eq!(judged, 19);
}
