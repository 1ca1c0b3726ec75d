//! `secrets edit` without a terminal: what it writes and when, where the text lies meanwhile, and who may write at once.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod desk;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use desk::{Desk, Who, finish, is_root, wait_for_all};
use rustix::process::{Pid, Signal, kill_process};

fn ours() -> Desk {
    Desk::of(Who::Self_).unwrap()
}

/// The edited text, as the file's store lays it out.
fn edited(desk: &Desk) -> String {
    format!("password: {}\nport: 1\n", desk.new)
}

#[test]
fn the_text_lies_in_memory_alone_and_the_editor_knows_no_key() {
    for desk in Desk::each() {
        desk.fake_editor(
            "stat -f -c %T \"$TMPDIR\" >~/kind; stat -c '%a %U' \"$TMPDIR\" \"$1\" >~/modes; env >~/environment; echo $1 >~/path",
        );
        let mut command = desk.command(&["edit", "x.yaml"]);
        let keys = desk.path("home/.config/sops/age/keys.txt");
        command.env("SOPS_AGE_KEY", fs::read_to_string(&keys).unwrap()).env("SOPS_AGE_KEY_FILE", &keys);
        command.env("SOPS_AGE_KEY_CMD", format!("cat {}", keys.display())).env("OTHER", "kept");
        finish(command, "").expect(0);
        let read = |name: &str| fs::read_to_string(desk.path("home").join(name)).unwrap();
        // The kernel's word for it: a folder in /dev/shm where there is no namespace.
        assert_eq!(read("kind").trim(), if desk.who() == Who::Confined { "tmpfs" } else { "ramfs" });
        let modes = read("modes");
        assert!(modes.starts_with("700 ") && modes.lines().nth(1).unwrap().starts_with("600 "), "{modes}");
        let environment = read("environment");
        assert!(!environment.contains("SOPS_AGE") && environment.contains("OTHER=kept"), "{environment}");
        assert!(!environment.contains("AGE-SECRET-KEY"));
        // Its ending tells an editor what it is.
        assert!(read("path").trim().ends_with("/x.yaml"));
        assert_eq!(desk.opened(), edited(&desk));
    }
}

#[test]
fn what_is_left_as_it_was_is_not_written() {
    let desk = ours();
    let before = fs::metadata(desk.file()).unwrap();
    for editor in ["true", "touch", "sed -i s/nothing/nowhere/"] {
        let mut command = desk.command(&["edit", "x.yaml"]);
        command.env("EDITOR", editor);
        finish(command, "").expect(200);
        let after = fs::metadata(desk.file()).unwrap();
        assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()), "{editor}");
    }
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let desk = ours();
    let before = fs::read(desk.file()).unwrap();
    for (after, said) in [
        ("exit 1", "with exit code 1"),
        ("kill -SEGV $$", "by signal 11"),
        ("kill -KILL $$", "by signal 9"),
        ("rm \"$1\"", "left no readable file"),
        ("rm \"$1\"; mkfifo \"$1\"", "it is no regular file"),
        ("rm \"$1\"; ln -s /dev/zero \"$1\"", "left no readable file"),
    ] {
        desk.fake_editor(after);
        let run = desk.run(&["edit", "x.yaml"], "");
        assert!(!run.status.success() && run.stderr.contains(said), "{after}: {run:?}");
        assert_eq!(fs::read(desk.file()).unwrap(), before, "{after}");
        desk.assert_no_trace(after);
    }
}

#[test]
fn a_file_that_could_not_be_replaced_is_said_so_before_anything_is_typed() {
    let desk = ours();
    // Too long a name for the file that is written beside it.
    let name = format!("{}.yaml", "x".repeat(245));
    let rules = "creation_rules:\n  - age: age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg\n";
    fs::write(desk.file().with_file_name(".sops.yaml"), rules).unwrap();
    desk.script("fake", "touch ~/typed");
    for before in [false, true] {
        if before {
            fs::copy(desk.file(), desk.file().with_file_name(&name)).unwrap();
        }
        let run = desk.run(&["edit", &name], "").expect(2);
        assert!(run.stderr.contains("file name too long"), "{}", run.stderr);
        assert!(!desk.path("home/typed").exists());
    }
}

#[test]
fn an_editor_that_is_interrupted_interrupts_the_edit_as_well() {
    let desk = ours();
    desk.fake_editor("kill -INT $$");
    let run = desk.run(&["edit", "x.yaml"], "");
    assert_eq!(run.status.signal(), Some(2), "{run:?}");
}

#[test]
fn a_text_that_does_not_parse_is_an_error_where_nobody_can_be_asked() {
    let desk = ours();
    let before = fs::read(desk.file()).unwrap();
    desk.script("fake", "printf 'a: 1\\nb: [\\n' >\"$1\"");
    let run = desk.run(&["edit", "x.yaml"], "").expect(2);
    assert!(run.stderr.contains("error: `x.yaml`: ") && run.stderr.contains("hint:"), "{}", run.stderr);
    assert_eq!(fs::read(desk.file()).unwrap(), before);
}

#[test]
fn a_change_meanwhile_is_kept_and_so_is_the_edit() {
    let desk = ours();
    let sealed = fs::read(desk.file()).unwrap();
    // Another program, which knows of no lock, writes the same values anew.
    desk.fake_editor("cp x.yaml other && mv other x.yaml");
    let run = desk.run(&["edit", "x.yaml"], "").expect(2);
    assert!(
        run.stderr.contains("changed by somebody else") && run.stderr.contains("x.mine.yaml"),
        "{}",
        run.stderr
    );
    assert_eq!(fs::read(desk.file()).unwrap(), sealed);
    let mine = fs::read_to_string(desk.path("repo/x.mine.yaml")).unwrap();
    assert!(mine.contains("ENC[AES256_GCM,") && !mine.contains(&desk.new));
    fs::rename(desk.path("repo/x.mine.yaml"), desk.file()).unwrap();
    assert_eq!(desk.opened(), edited(&desk));
}

#[test]
fn a_second_edit_and_a_set_are_told_who_has_the_file() {
    let desk = ours();
    desk.fake_editor(
        "echo >~/open; n=0; while [ -e ~/open ] && [ $n -lt 500 ]; do sleep 0.01; n=$((n+1)); done",
    );
    let mut command = desk.command(&["edit", "x.yaml"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let first = command.spawn().unwrap();
    desk::wait_for("the first editor", || desk.path("home/open").exists());
    let told = desk.run(&["edit", "x.yaml"], "").expect(2).stderr;
    assert!(told.contains(&format!("process {} is changing `x.yaml`", first.id())), "{told}");
    // Reading goes on.
    assert_eq!(desk.run(&["get", "x.yaml", "password"], "").expect(0).stdout.trim(), desk.old);
    let setter = thread::scope(|scope| {
        let setter = scope.spawn(|| desk.run(&["set", "x.yaml", "other"], "waited"));
        thread::sleep(std::time::Duration::from_millis(300));
        fs::remove_file(desk.path("home/open")).unwrap();
        setter.join().unwrap()
    });
    setter.expect(0);
    wait_for_all(first).expect(0);
    assert_eq!(desk.opened(), format!("{}other: waited\n", edited(&desk)));
}

#[test]
fn ten_sets_at_once_lose_nothing() {
    let desk = ours();
    thread::scope(|scope| {
        for number in 0..10 {
            let desk = &desk;
            scope.spawn(move || desk.run(&["set", "x.yaml", &format!("k{number}")], "v").expect(0));
        }
    });
    let text = desk.opened();
    for number in 0..10 {
        assert!(text.contains(&format!("k{number}: v\n")), "{text}");
    }
    assert_eq!(text.lines().count(), 12);
    assert_eq!(fs::read_dir(desk.path("repo")).unwrap().count(), 1);
}

#[test]
fn mode_owner_and_link_stay_as_they_are() {
    let desk = ours();
    desk.fake_editor("");
    fs::set_permissions(desk.file(), fs::Permissions::from_mode(0o640)).unwrap();
    if is_root() {
        std::os::unix::fs::chown(desk.file(), Some(4711), Some(4712)).unwrap();
    }
    symlink("x.yaml", desk.path("repo/link.yaml")).unwrap();
    desk.run(&["edit", "link.yaml"], "").expect(0);
    let found = fs::symlink_metadata(desk.file()).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o640);
    assert!(!is_root() || (found.uid(), found.gid()) == (4711, 4712));
    assert!(fs::symlink_metadata(desk.path("repo/link.yaml")).unwrap().is_symlink());
    assert_eq!(desk.opened(), edited(&desk));
}

#[test]
fn a_signal_ends_the_edit_by_that_signal_and_nothing_is_left() {
    for desk in Desk::each() {
        let before = fs::read(desk.file()).unwrap();
        for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1)] {
            // An editor is asked to end, and one that does not want to is ended.
            desk.fake_editor("trap 'echo >~/asked' TERM; trap '' HUP; echo >~/open; sleep 5 & wait; sleep 5");
            let mut command = desk.command(&["edit", "x.yaml"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            desk::wait_for("the editor", || desk.path("home/open").exists());
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(number), "{:?}", desk.who());
            assert_eq!(fs::read(desk.file()).unwrap(), before);
            desk.assert_no_trace("ended by a signal");
            fs::remove_file(desk.path("home/open")).unwrap();
            fs::remove_file(desk.path("home/asked")).unwrap();
        }
    }
}

/// The words in front of a command line that give it these lines as /proc/swaps and no namespaces, and a folder on the
/// disk in place of /dev/shm if so wanted.
fn beside_swap(desk: &Desk, swaps: &str, no_tmpfs: bool) -> Vec<String> {
    let table = desk.path("tmp/swaps");
    fs::write(&table, format!("Filename Type Size Used Priority\n{swaps}")).unwrap();
    let shm = if no_tmpfs { desk.path("tmp") } else { "/dev/shm".into() };
    let script = format!(
        "mount --bind {} /proc/swaps && mount --bind {} /dev/shm && echo 0 >/proc/sys/user/max_user_namespaces && \
         exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"",
        table.display(),
        shm.display()
    );
    ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

#[test]
fn memory_that_may_be_swapped_is_refused_until_it_is_allowed() {
    let desk = ours();
    desk.fake_editor("stat -f -c %T \"$TMPDIR\" >~/kind");
    let before = fs::read(desk.file()).unwrap();
    let front = beside_swap(&desk, "/swapfile file 1048572 0 -2\n", false);
    let told = finish(desk.command_behind(&front, &["edit", "x.yaml"]), "").expect(2).stderr;
    for part in ["`/swapfile`", "user.max_user_namespaces=0", "--allow-swap"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(fs::read(desk.file()).unwrap(), before);
    assert!(!desk.path("home/kind").exists(), "no editor was started");
    let allowed = ["edit", "--allow-swap", "x.yaml"];
    finish(desk.command_behind(&front, &allowed), "").expect(0);
    assert_eq!(fs::read_to_string(desk.path("home/kind")).unwrap().trim(), "tmpfs");
    assert_eq!(desk.opened(), edited(&desk));
}

#[test]
fn compressed_memory_is_no_swap() {
    let desk = ours();
    desk.fake_editor("");
    let front = beside_swap(&desk, "/dev/zram0 partition 8388604 0 100\n", false);
    finish(desk.command_behind(&front, &["edit", "x.yaml"]), "").expect(0);
}

#[test]
fn a_disk_is_refused_whatever_is_allowed() {
    let desk = ours();
    desk.fake_editor("");
    let front = beside_swap(&desk, "", true);
    let told = finish(desk.command_behind(&front, &["edit", "--allow-swap", "x.yaml"]), "").expect(2).stderr;
    assert!(told.contains("no tmpfs here"), "{told}");
    desk.assert_no_trace("refused");
}

#[test]
fn swap_does_not_matter_where_there_is_a_namespace() {
    let desk = ours();
    desk.fake_editor("stat -f -c %T \"$TMPDIR\" >~/kind");
    let table = desk.path("tmp/swaps");
    fs::write(&table, "Filename Type Size Used Priority\n/swapfile file 1048572 0 -2\n").unwrap();
    let script = format!("mount --bind {} /proc/swaps && exec \"$@\"", table.display());
    let words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"];
    let front = words.map(str::to_owned);
    finish(desk.command_behind(&front, &["edit", "x.yaml"]), "").expect(0);
    assert_eq!(fs::read_to_string(desk.path("home/kind")).unwrap().trim(), "ramfs");
}

#[test]
fn what_the_editor_mounts_and_sees_is_seen_by_nobody_else() {
    let desk = ours();
    desk.fake_editor("echo \"$TMPDIR\" >~/place; n=0; while [ ! -e ~/seen ] && [ $n -lt 500 ]; do sleep 0.01; n=$((n+1)); done");
    let mut command = desk.command(&["edit", "x.yaml"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let place = desk.path("home/place");
    desk::wait_for("the editor", || fs::read_to_string(&place).is_ok_and(|text| text.ends_with('\n')));
    let place = fs::read_to_string(place).unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let outside = fs::read_dir(place.trim()).unwrap().count();
    fs::write(desk.path("home/seen"), "").unwrap();
    wait_for_all(child).expect(0);
    assert_eq!(
        (outside, mounts.contains("quorate-edit-")),
        (0, false),
        "an empty folder is all that is seen"
    );
    assert!(!Path::new(place.trim()).exists());
}

#[test]
fn where_mounts_are_shared_that_of_an_edit_is_not() {
    let desk = ours();
    desk.fake_editor(
        "echo >~/open; n=0; while [ ! -e ~/seen ] && [ $n -lt 500 ]; do sleep 0.01; n=$((n+1)); done; stat -f -c %T \"$TMPDIR\" >~/kind",
    );
    let script = "\"$@\" & while [ ! -e ~/open ]; do sleep 0.01; done; cat /proc/self/mountinfo; echo >~/seen; wait $!";
    let words = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "--propagation",
        "shared",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let run = finish(desk.command_behind(&words.map(str::to_owned), &["edit", "x.yaml"]), "").expect(0);
    assert!(run.stdout.contains(" shared:") && !run.stdout.contains("quorate-edit-"), "{}", run.stdout);
    assert_eq!(fs::read_to_string(desk.path("home/kind")).unwrap().trim(), "ramfs");
}

#[test]
fn the_file_of_exec_lies_in_memory_and_is_gone_with_its_program() {
    for desk in Desk::each() {
        let script = "stat -f -c %T {}; cat {}; exit 7";
        let run = desk.run(&["exec", "--file", "x.yaml", "--", "sh", "-c", script], "").expect(7);
        let kind = if desk.who() == Who::Confined { "tmpfs" } else { "ramfs" };
        assert_eq!(run.stdout, format!("{kind}\npassword: {}\nport: 1\n", desk.old));
        desk.assert_no_trace("exec --file");
        let told =
            desk.run(&["exec", "--file", "x.yaml", "--", "no-such-program", "{}"], "").expect(2).stderr;
        assert!(told.contains("`no-such-program`"), "{told}");
    }
}

#[test]
fn the_hidden_entries_do_nothing_for_who_calls_them_by_hand() {
    for arguments in [
        &["__keep-text"][..],
        &["__keep-text", "folder", "/tmp", "x"],
        &["__run-beside-text"],
        &["__run-beside-text", "1", "--", "true"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_secrets"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?} {output:?}");
    }
    assert!(Path::new("/tmp").is_dir());
}
