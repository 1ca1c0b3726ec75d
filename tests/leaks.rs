//! What is secret appears in no write to a disk, no command line, no environment, no error and no core dump, whatever
//! kills the process. Each system call of the whole family is looked at, then the folders where something could lie.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod desk;

use std::fs;
use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quorate_secrets::identity::Identity;

use desk::{Desk, Run, Who, finish, traced, wait_for_all};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Runs `secrets` under strace and gives what it said, and the calls that leak one of the two values.
fn watched(desk: &Desk, arguments: &[&str], input: &str) -> (Run, Vec<String>) {
    let log = desk.path("log");
    let mut front = traced::strace(&log);
    front.extend(desk.as_user());
    let run = finish(desk.command_behind(&front, arguments), input);
    let leaks = [&desk.old, &desk.new].map(|marker| traced::leaks(&log, marker, &desk.private())).concat();
    fs::remove_file(log).unwrap();
    (run, leaks)
}

#[test]
fn no_verb_writes_a_secret_to_a_disk_or_shows_it_to_other_processes() {
    if !traced::is_here() {
        return;
    }
    for desk in Desk::each() {
        desk.fake_editor("");
        let (_, other) = Identity::generate();
        let rules = format!("creation_rules:\n  - age: {},{}\n", desk.recipient, other.key());
        fs::write(desk.path("repo/.sops.yaml"), rules).unwrap();
        let text = format!("password: {}\n", desk.new);
        let verbs: [(&[&str], &str); 12] = [
            (&["edit", "x.yaml"], ""),
            (&["set", "x.yaml", "other"], &desk.new),
            (&["set", "x.yaml", "third"], &desk.new),
            (&["get", "x.yaml", "password"], ""),
            (&["view", "x.yaml"], ""),
            (&["diff", "x.yaml"], ""),
            (&["decrypt", "x.yaml"], ""),
            (&["unset", "x.yaml", "other"], ""),
            (&["rekey", "--yes", "x.yaml"], ""),
            (&["rotate", "x.yaml"], ""),
            (&["encrypt", "-", "--filename", "x.yaml"], &text),
            (&["check"], ""),
        ];
        for (arguments, input) in verbs {
            let (run, leaks) = watched(&desk, arguments, input);
            assert_eq!(
                run.status.code(),
                Some(0),
                "{arguments:?} {run:?} {}",
                fs::read_to_string(desk.file()).unwrap()
            );
            assert!(leaks.is_empty(), "{arguments:?} {:?}: {leaks:#?}", desk.who());
            let said = [&desk.old, &desk.new].iter().any(|value| run.stderr.contains(value.as_str()));
            assert!(!said, "{arguments:?}: {}", run.stderr);
            desk.assert_no_trace(arguments[0]);
        }
        assert!(fs::read_to_string(desk.file()).unwrap().contains(other.key()), "it was sealed to both");
        assert_eq!(desk.opened(), format!("password: {0}\nport: 1\nthird: {0}\n", desk.new));
    }
}

#[test]
fn who_is_ended_while_it_writes_plaintext_leaves_none_half_way() {
    if !traced::is_here() {
        return;
    }
    for (signal, code) in [("SIGKILL", None), ("SIGTERM", Some(0)), ("SIGINT", Some(0))] {
        let desk = Desk::of(Who::Self_).unwrap();
        let sealed = fs::read(desk.file()).unwrap();
        let inject = format!("inject=fsync:signal={signal}:when=1");
        let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", &inject];
        let front: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let run = finish(desk.command_behind(&front, &["decrypt", "-i", "x.yaml"]), "");
        assert_eq!(run.status.code(), code, "{signal}: {run:?}");
        let names = fs::read_dir(desk.path("repo")).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains(".new-")).collect();
        assert!(left.is_empty(), "{signal}: {left:?}");
        assert_eq!(fs::read(desk.file()).unwrap() == sealed, code.is_none(), "{signal}");
    }
}

#[test]
fn exec_gives_a_secret_to_the_environment_of_its_program_alone() {
    if !traced::is_here() {
        return;
    }
    for desk in Desk::each() {
        let shows = ["exec", "x.yaml", "--", "sh", "-c", "echo $password"];
        let (run, leaks) = watched(&desk, &shows, "");
        assert_eq!(run.expect(0).stdout.trim(), desk.old);
        let (given, other): (Vec<_>, Vec<_>) = leaks.into_iter().partition(|line| {
            let (before, environment) = line.split_once("], [").unwrap_or((line, ""));
            before.contains("execve(") && !before.contains(&desk.old) && environment.contains(&desk.old)
        });
        assert!(other.is_empty(), "{other:#?}");
        assert!(!given.is_empty(), "the environment was not looked at");
        desk.assert_no_trace("exec");
    }
}

#[test]
fn what_does_not_parse_is_not_quoted() {
    let desk = Desk::of(Who::Self_).unwrap();
    let before = fs::read(desk.file()).unwrap();
    for broken in
        ["password: 'X", "X", "password: [X", "a: X\\na: X", "\\tX: 1", "a: *X", "a: !!int X", "? [X]\\n: 1"]
    {
        let (head, tail) = desk.new.split_at(4);
        let text = broken.replace('X', &format!("{head}'{tail}'").replace('\'', ""));
        // The value goes to the script by a file of its own making: in the script it would lie on the disk.
        let format = broken.replace('X', "%s").replace('\'', "\\047");
        desk.script("fake", &format!("v={head}; v=$v{tail}\nprintf \"{format}\\n\" $v $v >\"$1\""));
        let run = desk.run(&["edit", "x.yaml"], "");
        assert!(!run.status.success() && !run.stderr.contains(&desk.new), "{text}: {}", run.stderr);
        assert_eq!(fs::read(desk.file()).unwrap(), before, "{text}");
        desk.assert_no_trace("refused");
    }
}

#[test]
fn planted_leaks_are_found() {
    if !traced::is_here() {
        return;
    }
    let desk = Desk::of(Who::Self_).unwrap();
    let log = desk.path("log");
    let plants = [
        "cat >leak",
        "cat >>x.yaml",
        "read -r v; mkdir leak-$v; rmdir leak-$v",
        "read -r v; /bin/echo $v >/dev/null",
        "read -r v; v=$v /bin/true",
        "read -r v; ln -s $v link",
        "dd of=leak conv=fsync 2>/dev/null",
        // A file that is gone again was on the disk all the same.
        "exec 3>leak; rm leak; cat >&3",
    ];
    for plant in plants {
        let mut words = traced::strace(&log);
        words.extend(["sh", "-c", plant].map(str::to_owned));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(desk.path("tmp"));
        finish(command, &format!("{}\n", desk.new)).expect(0);
        assert!(!traced::leaks(&log, &desk.new, &desk.private()).is_empty(), "{plant}");
        fs::remove_file(&log).unwrap();
    }
    assert!(!desk.traces(&desk.new).is_empty(), "some of it lies there still");
    // What only passes through a pipe is none.
    let mut words = traced::strace(&log);
    words.extend(["sh", "-c", "cat | cat"].map(str::to_owned));
    let mut command = Command::new(&words[0]);
    finish(
        {
            command.args(&words[1..]);
            command
        },
        &desk.new,
    )
    .expect(0);
    assert_eq!(traced::leaks(&log, &desk.new, &[]), Vec::<String>::new());
}

/// Numbers that nobody could foresee, and that a message can name.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        Self(u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()) | 1)
    }

    /// Up to `most`. Source: xorshift64, Marsaglia 2003.
    fn below(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64(f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX))
    }
}

const KILLS: usize = 200;

#[test]
fn killed_at_any_moment_an_edit_leaves_the_old_file_or_the_new_one_and_no_plaintext() {
    for desk in Desk::each() {
        desk.fake_editor("sleep 0.01");
        kill_at_random(&desk, &["edit", "x.yaml"], "", KILLS);
        assert_eq!(desk.folders(), 0, "{:?}", desk.who());
    }
}

#[test]
fn killed_at_any_moment_every_other_verb_leaves_one_of_both_files_and_no_plaintext() {
    let desk = Desk::of(Who::Self_).unwrap();
    let text = "set x.yaml other; unset x.yaml port; rotate x.yaml; diff x.yaml; exec x.yaml -- sleep 0.01; \
                exec --file x.yaml -- cat {}";
    for verb in text.split("; ") {
        let arguments: Vec<&str> = verb.split(' ').collect();
        kill_at_random(&desk, &arguments, &desk.new, KILLS / 5);
    }
    assert_eq!(desk.folders(), 0);
}

/// Runs the verb as often as said, kills it at a moment of its time, and looks for what it leaves.
fn kill_at_random(desk: &Desk, arguments: &[&str], input: &str, times: usize) {
    let sealed = fs::read(desk.file()).unwrap();
    let old = desk.opened();
    let undisturbed = || {
        fs::write(desk.file(), &sealed).unwrap();
        let started = Instant::now();
        desk.run(arguments, input).expect(0);
        started.elapsed()
    };
    // The fastest: on a busy machine any single one may be slow.
    let whole = [undisturbed(), undisturbed(), undisturbed()].into_iter().min().unwrap();
    let new = desk.opened();
    let mut moments = Moments::new();
    let (seed, mut killed) = (moments.0, 0);
    for kill in 0..times {
        let when = format!("{arguments:?}, seed {seed}, kill {kill}");
        fs::write(desk.file(), &sealed).unwrap();
        let mut command = desk.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        thread::sleep(moments.below(whole));
        let _ = kill_process(Pid::from_child(&child), Signal::KILL);
        killed += usize::from(wait_for_all(child).status.signal() == Some(9));
        let now = desk.opened();
        assert!(now == old || now == new, "{when}: {now}");
        desk.assert_no_trace(&when);
    }
    assert!(killed > times / 4, "{arguments:?}: {killed} of {times} were killed before their end");
    // Folders that were still empty may be left, and a file that was not moved yet: the next run takes them away.
    fs::write(desk.file(), &sealed).unwrap();
    desk.run(arguments, input).expect(0);
    fs::write(desk.file(), &sealed).unwrap();
    assert_eq!(
        fs::read_dir(desk.path("repo")).unwrap().count(),
        1,
        "{arguments:?}: nothing but the file itself"
    );
}

#[test]
fn all_processes_killed_at_once_leave_no_plaintext_where_there_is_a_namespace() {
    for who in [Who::Self_, Who::Nobody] {
        let Some(desk) = Desk::of(who) else { continue };
        desk.fake_editor("echo ready; sleep 5");
        for _ in 0..10 {
            let mut command = desk.command(&["edit", "x.yaml"]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
            let child = command.spawn().unwrap();
            thread::sleep(Duration::from_millis(30));
            kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
            wait_for_all(child);
            desk.assert_no_trace("all killed");
        }
    }
}

#[test]
fn without_a_namespace_what_is_left_when_all_are_killed_goes_with_the_next_edit() {
    let Some(desk) = Desk::of(Who::Confined) else { return };
    desk.fake_editor("sleep 5");
    let mut command = desk.command(&["edit", "x.yaml"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().unwrap();
    desk::wait_for("the text is laid down", || !desk.traces(&desk.new).is_empty());
    kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
    wait_for_all(child);
    assert!(desk.traces(&desk.new).iter().all(|path| path.starts_with("/dev/shm")));
    desk.fake_editor("");
    desk.run(&["edit", "x.yaml"], "").expect(0);
    desk.assert_no_trace("after the next edit");
}

#[test]
fn the_keeper_killed_takes_the_editor_with_it_and_the_file_stays() {
    for desk in Desk::each() {
        desk.fake_editor("echo $$ >~/pid; exec sleep 10");
        let before = fs::read(desk.file()).unwrap();
        let mut command = desk.command(&["edit", "x.yaml"]);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = desk.path("home/pid");
        desk::wait_for("the editor", || fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
        let keeper = only_child(child.id());
        kill_process(Pid::from_raw(keeper).unwrap(), Signal::KILL).unwrap();
        let started = Instant::now();
        let run = wait_for_all(child).expect(2);
        assert!(started.elapsed() < Duration::from_secs(8), "the editor lives on");
        assert!(run.stderr.contains("was killed"), "{}", run.stderr);
        assert_eq!(fs::read(desk.file()).unwrap(), before);
        desk.assert_no_trace("the keeper was killed");
        assert_eq!(desk.folders(), 0);
        fs::remove_file(pid).unwrap();
    }
}

#[test]
fn memory_that_can_hold_a_key_is_locked_and_code_is_not() {
    for desk in Desk::each() {
        desk.fake_editor("touch ~/here; sleep 2");
        let mut command = desk.command(&["edit", "x.yaml"]);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let here = desk.path("home/here");
        desk::wait_for("the editor", || here.exists());
        let pid = child.id().cast_signed();
        for pid in [pid, only_child(child.id())] {
            // Under a bound nothing is locked: what is allocated later would fail.
            let may = desk.who() == Who::Self_ && desk::is_root();
            for (mapping, flags) in mappings(pid) {
                let holds_keys = mapping.contains(" rw");
                let is_locked = flags.split_whitespace().any(|flag| flag == "lo");
                assert_eq!(is_locked, may && holds_keys, "{:?}: {mapping}", desk.who());
            }
        }
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        wait_for_all(child);
        fs::remove_file(here).unwrap();
    }
}

/// The mappings of a process, each with its flags; none where they are not ours to see. Source: proc_pid_smaps(5).
fn mappings(pid: i32) -> Vec<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let mut head = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        if name == "VmFlags:" {
            found.push((head.clone(), rest.to_owned()));
        } else if !name.ends_with(':') {
            line.clone_into(&mut head);
        }
    }
    found
}

fn only_child(pid: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn a_process_that_aborts_leaves_no_core_and_nobody_else_reads_its_memory() {
    for desk in Desk::each() {
        desk.fake_editor("cat /proc/self/limits >~/limits; sleep 5");
        // Where cores go to a file they would lie beside the one that is edited.
        let unlimited = ["sh", "-c", "ulimit -c unlimited 2>/dev/null; exec \"$@\"", "sh"].map(str::to_owned);
        let front = [&unlimited[..], &desk.as_user()].concat();
        let mut command = desk.command_behind(&front, &["edit", "x.yaml"]);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let limits = desk.path("home/limits");
        desk::wait_for("the editor", || {
            fs::read_to_string(&limits).is_ok_and(|text| text.contains("realtime"))
        });
        let keeper = only_child(child.id());
        for pid in [child.id().cast_signed(), keeper] {
            // The one who made a user namespace may look into all of it, and here the test's user did.
            if desk.who() == Who::Confined {
                continue;
            }
            let denied = Command::new("setpriv")
                .args(["--reuid", "47011", "--regid", "47011", "--clear-groups", "cat"])
                .arg(format!("/proc/{pid}/environ"))
                .stderr(Stdio::null())
                .output()
                .unwrap();
            assert!(!denied.status.success(), "{pid} of {:?}, keeper {keeper}", desk.who());
        }
        let limit = fs::read_to_string(&limits).unwrap();
        let limit = limit.lines().find(|line| line.starts_with("Max core")).unwrap().to_owned();
        assert_eq!(limit.split_whitespace().nth(4), Some("1"), "{limit}");
        kill_process(Pid::from_child(&child), Signal::ABORT).unwrap();
        let run = wait_for_all(child);
        assert_eq!(run.status.signal(), Some(6));
        assert!(!run.status.core_dumped());
        desk.assert_no_trace("aborted");
    }
}

#[test]
fn without_our_hand_an_abort_would_leave_a_core() {
    // Else the test above would pass for a machine that writes none.
    let script = "ulimit -c unlimited && exec sh -c 'kill -ABRT $$'";
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("sh").args(["-c", script]).current_dir(folder.path()).status().unwrap();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    assert!(status.core_dumped() || pattern.trim().is_empty(), "{status:?}");
}
