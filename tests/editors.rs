//! `secrets edit` with real editors on a real terminal: what they write, and what they leave.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod desk;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use desk::peer::{self, Peer};
use desk::terminal::Terminal;
use desk::{Desk, Who, traced};
use rustix::process::{Pid, Signal};
use rustix::termios::LocalModes;

/// Configurations of people who want to lose nothing, ever.
const VIMRC: &str = "set nocompatible\nset swapfile directory=~/swap//\nset backup writebackup backupdir=~/backup\n\
    set undofile undodir=~/undo\nset viminfo='100,<1000,s100,h,n~/.viminfo\nset patchmode=.orig\nset history=1000\n";
const NVIMRC: &str = "set swapfile directory=~/swap//\nset backup writebackup backupdir=~/backup\n\
    set undofile undodir=~/undo\nset shada='100,<1000,s100,h\n";
const NANORC: &str = "set backup\nset backupdir \"~/backup\"\nset historylog\nset positionlog\nset locking\n";
const EMACS: &str = "(setq make-backup-files t backup-directory-alist '((\".\" . \"~/backup\")) auto-save-interval 20\n\
    auto-save-file-name-transforms '((\".*\" \"~/swap/\" t)) kill-buffer-query-functions nil)\n\
    (savehist-mode 1) (setq savehist-additional-variables '(kill-ring search-ring)) (recentf-mode 1)\n";
const MICRO: &str = "{\"permbackup\": true, \"saveundo\": true, \"savehistory\": true, \"savecursor\": true}";

/// An editor, the keys that put the new value in place of the old one and leave, and those that leave at once.
struct Keys {
    editor: &'static str,
    replace: fn(&Desk) -> Vec<String>,
    leave: &'static str,
}

const EX: fn(&Desk) -> Vec<String> = |desk| {
    // Yanked, searched for and undone on the way: registers, history and undo are what is kept.
    let keys = format!("yyp:s/{}/{}/\r/{}\ru\x12kdd:w\r:wq\r", desk.old, desk.new, desk.new);
    vec![keys]
};

/// Line by line, for editors without commands: the first line is taken away and typed anew.
fn retyped(desk: &Desk, cut: &str, save: &str) -> Vec<String> {
    vec![cut.to_owned(), format!("password: {}\r", desk.new), save.to_owned()]
}

const EDITORS: [Keys; 9] = [
    Keys { editor: "vim", replace: EX, leave: ":q!\r" },
    Keys { editor: "vim.tiny", replace: EX, leave: ":q!\r" },
    Keys { editor: "nvim", replace: EX, leave: ":q!\r" },
    Keys {
        editor: "nano",
        // Searches for the new value as well: a history of searches would hold it.
        replace: |desk| {
            vec![
                format!("\x0b"),
                format!("password: {}\r", desk.new),
                format!("\x17{}\r", desk.new),
                "\x0f\r\x18".to_owned(),
            ]
        },
        leave: "\x18",
    },
    Keys {
        editor: "emacs -nw",
        replace: |desk| retyped(desk, "\x0b\x04", "\x18\x13\x18\x03"),
        leave: "\x18\x03",
    },
    Keys { editor: "micro", replace: |desk| retyped(desk, "\x0b", "\x13\x11"), leave: "\x11" },
    Keys {
        editor: "kak",
        replace: |desk| vec![format!("xdOpassword: {}", desk.new), "\x1b".to_owned(), ":wq\r".to_owned()],
        leave: ":q!\r",
    },
    Keys { editor: "joe", replace: |desk| retyped(desk, "\x19", "\x0bx"), leave: "\x03" },
    Keys {
        editor: "nvi",
        replace: |desk| vec![format!(":s/{}/{}/\r:wq\r", desk.old, desk.new)],
        leave: ":q!\r",
    },
];

/// vim and nano must be there; of the others, those that are.
fn is_here(editor: &str) -> bool {
    match editor {
        "vim" => peer::find(Peer::Vim).is_some(),
        "nano" => peer::find(Peer::Nano).is_some(),
        _ => {
            let program = editor.split(' ').next().unwrap();
            let path = std::env::var_os("PATH").unwrap();
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        }
    }
}

fn desk(who: Who) -> Option<Desk> {
    let desk = Desk::of(who)?;
    for folder in ["swap", "backup", "undo", ".config/nvim", ".config/micro"] {
        fs::create_dir_all(desk.path("home").join(folder)).unwrap();
    }
    fs::write(desk.path("home/.vimrc"), VIMRC).unwrap();
    fs::write(desk.path("home/.config/nvim/init.vim"), NVIMRC).unwrap();
    fs::write(desk.path("home/.nanorc"), NANORC).unwrap();
    fs::write(desk.path("home/.emacs"), EMACS).unwrap();
    fs::write(desk.path("home/.config/micro/settings.json"), MICRO).unwrap();
    desk.give_away();
    Some(desk)
}

/// `secrets edit` on a terminal, under strace when there is a `log`.
fn edit(desk: &Desk, editor: &str, log: Option<&Path>) -> Terminal {
    let mut front: Vec<String> = Terminal::IN_FRONT.map(str::to_owned).to_vec();
    front.extend(log.map(traced::strace).unwrap_or_default());
    front.extend(desk.as_user());
    let mut command = desk.command_behind(&front, &["edit", "x.yaml"]);
    command.env("EDITOR", editor);
    Terminal::run(command)
}

#[test]
fn what_is_typed_is_sealed_and_lies_nowhere_else() {
    every_editor_as(Who::Self_);
}

#[test]
fn what_an_ordinary_user_types_is_sealed_and_lies_nowhere_else() {
    every_editor_as(Who::Nobody);
}

#[test]
fn what_is_typed_without_namespaces_is_sealed_and_lies_nowhere_else() {
    every_editor_as(Who::Confined);
}

fn every_editor_as(who: Who) {
    for keys in &EDITORS {
        let Some(desk) = desk(who).filter(|_| is_here(keys.editor)) else { continue };
        let log = traced::is_here().then(|| desk.path("log"));
        let mut terminal = edit(&desk, keys.editor, log.as_deref());
        terminal.wait_for(&desk.old);
        for some in (keys.replace)(&desk) {
            terminal.type_in(&some);
            // An escape is a key of its own only when nothing follows at once.
            std::thread::sleep(Duration::from_millis(150));
        }
        let (status, shown) = terminal.end();
        assert_eq!(status.code(), Some(0), "{} {who:?}: {shown}", keys.editor);
        assert_eq!(desk.opened(), format!("password: {}\nport: 1\n", desk.new), "{}: {shown}", keys.editor);
        if let Some(log) = log {
            for marker in [&desk.old, &desk.new] {
                let leaks = traced::leaks(&log, marker, &desk.private());
                assert!(leaks.is_empty(), "{} {who:?}: {leaks:#?}", keys.editor);
            }
            fs::remove_file(log).unwrap();
        }
        desk.assert_no_trace(keys.editor);
    }
}

#[test]
fn ctrl_c_belongs_to_the_editor_and_leaving_without_a_change_writes_nothing() {
    for keys in EDITORS.iter().filter(|keys| ["vim", "nano"].contains(&keys.editor)) {
        let Some(desk) = desk(Who::Self_).filter(|_| is_here(keys.editor)) else { continue };
        let before = fs::read(desk.file()).unwrap();
        let mut terminal = edit(&desk, keys.editor, None);
        terminal.wait_for(&desk.old);
        // vim says how one leaves it, nano where the cursor is.
        terminal.type_until("\x03", if keys.editor == "vim" { "qa" } else { "line" });
        let (status, shown) = terminal.end_by(keys.leave);
        assert_eq!(status.code(), Some(200), "{}: {shown}", keys.editor);
        assert_eq!(fs::read(desk.file()).unwrap(), before);
        desk.assert_no_trace(keys.editor);
    }
}

#[test]
fn ctrl_c_in_an_editor_of_lines_interrupts_nobody_else() {
    for who in [Who::Self_, Who::Nobody, Who::Confined] {
        let Some(desk) = desk(who) else { continue };
        // The terminal sends the signal to all that is in front, as for `ed`.
        desk.fake_editor(
            "trap 'echo still here' INT; echo go on; for n in 1 2 3 4 5 6 7 8 9; do read -r answer </dev/tty && break; sleep 0.2; done",
        );
        let mut terminal = edit(&desk, "fake", None);
        terminal.wait_for("go on");
        terminal.type_in("\x03");
        terminal.wait_for("still here");
        terminal.type_in("\r");
        let (status, shown) = terminal.end();
        assert_eq!(status.code(), Some(0), "{who:?}: {shown}");
        assert!(desk.opened().contains(&desk.new));
    }
}

#[test]
fn what_does_not_parse_is_opened_again_at_its_line_and_mended_without_loss() {
    for who in [Who::Self_, Who::Nobody, Who::Confined] {
        let Some(desk) = desk(who).filter(|_| is_here("vim")) else { continue };
        let mut terminal = edit(&desk, "vim", None);
        terminal.wait_for(&desk.old);
        terminal.type_in(&format!(":1s/old.*/{}\rGoxx: 'open\x1b", desk.new));
        std::thread::sleep(Duration::from_millis(150));
        terminal.type_in(":wq\r");
        terminal.wait_for("error:");
        terminal.wait_for("press enter to return");
        terminal.type_in("\r");
        terminal.wait_for("xx: 'open");
        terminal.type_in(":echo 'line' line('.')\r");
        terminal.wait_for("line 3");
        terminal.type_in(":s/'open/2/\r:wq\r");
        let (status, shown) = terminal.end();
        assert_eq!(status.code(), Some(0), "{who:?}: {shown}");
        assert_eq!(desk.opened(), format!("password: {}\nport: 1\nxx: 2\n", desk.new));
        desk.assert_no_trace("mended");
    }
}

#[test]
fn what_cannot_be_written_is_kept_until_it_can() {
    let desk = desk(Who::Self_).unwrap();
    // A folder is in the way of the new file when the editor ends first, and gone when it ends again.
    desk.fake_editor("way=.x.yaml.new-$(stat -c %i x.yaml); rmdir $way 2>/dev/null || mkdir $way");
    let mut terminal = edit(&desk, &desk.path("bin/fake").display().to_string(), None);
    terminal.wait_for("could not remove");
    terminal.wait_for("your text is still there");
    terminal.wait_for("press enter to return");
    terminal.type_in("\r");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(0), "{shown}");
    assert_eq!(desk.opened(), format!("password: {}\nport: 1\n", desk.new));
    desk.assert_no_trace("written");
}

#[test]
fn a_value_of_several_lines_is_not_cut_at_the_first() {
    let desk = desk(Who::Self_).unwrap();
    let before = fs::read(desk.file()).unwrap();
    for (typed, said) in [("one\rtwo\r", "has more than one line"), ("an \x1b[A", "has a control character")]
    {
        let front: Vec<String> = Terminal::IN_FRONT.map(str::to_owned).to_vec();
        let mut terminal = Terminal::run(desk.command_behind(&front, &["set", "x.yaml", "password"]));
        terminal.wait_for("value of");
        terminal.type_in(typed);
        terminal.wait_for(said);
        let (status, shown) = terminal.end();
        assert_eq!(status.code(), Some(2), "{shown}");
        assert!(!shown.contains("two") && shown.contains("by a pipe"), "{shown}");
        assert_eq!(fs::read(desk.file()).unwrap(), before);
    }
}

#[test]
fn who_gives_up_on_what_does_not_parse_finds_the_file_as_it_was() {
    type GiveUp = fn(&mut Terminal);
    let says_no: GiveUp = |terminal| terminal.type_in("n\r");
    let interrupts: GiveUp = |terminal| terminal.type_in("\x03");
    let ends_input: GiveUp = |terminal| terminal.type_in("\x04");
    for give_up in [says_no, interrupts, ends_input] {
        let Some(desk) = desk(Who::Self_).filter(|_| is_here("vim")) else { continue };
        let before = fs::read(desk.file()).unwrap();
        let mut terminal = edit(&desk, "vim", None);
        terminal.wait_for(&desk.old);
        terminal.type_in(":1s/old.*/'open/\r:wq\r");
        terminal.wait_for("press enter to return");
        give_up(&mut terminal);
        let (status, shown) = terminal.end();
        assert!(!status.success(), "{shown}");
        assert_eq!(fs::read(desk.file()).unwrap(), before);
        desk.assert_no_trace("given up");
    }
}

#[test]
fn a_signal_ends_editor_and_edit_and_leaves_the_terminal_as_it_was() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1)] {
        for who in [Who::Self_, Who::Nobody, Who::Confined] {
            let Some(desk) = desk(who).filter(|_| is_here("vim")) else { continue };
            let before = fs::read(desk.file()).unwrap();
            let mut terminal = edit(&desk, "vim", None);
            terminal.wait_for(&desk.old);
            terminal.type_in(&format!(":1s/old/{}/\r", desk.new));
            terminal.wait_for(&desk.new);
            let modes = terminal.modes();
            rustix::process::kill_process(Pid::from_raw(terminal.id().cast_signed()).unwrap(), signal)
                .unwrap();
            let after = terminal.after_end();
            let (status, shown) = terminal.end();
            assert_eq!(status.signal(), Some(number), "{who:?}: {shown}");
            assert_eq!(fs::read(desk.file()).unwrap(), before);
            assert!(
                !modes.contains(LocalModes::ICANON) && after.contains(LocalModes::ICANON | LocalModes::ECHO)
            );
            desk.assert_no_trace("ended by a signal");
        }
    }
}

#[test]
fn suspended_and_taken_up_again_it_goes_on() {
    for keys in EDITORS.iter().filter(|keys| ["vim", "nvim"].contains(&keys.editor)) {
        let Some(desk) = desk(Who::Self_).filter(|_| is_here(keys.editor)) else { continue };
        let front = [
            &Terminal::IN_FRONT[..],
            &["sh", "-i", "-c", "set -m; \"$0\" \"$@\"; echo ended $?; fg; exit $?"],
        ]
        .concat();
        let front: Vec<String> = front.iter().map(|word| (*word).to_owned()).collect();
        let mut command = desk.command_behind(&front, &["edit", "x.yaml"]);
        command.env("EDITOR", keys.editor);
        let mut terminal = Terminal::run(command);
        terminal.wait_for(&desk.old);
        // The shell takes the terminal back, and gives it again at once.
        terminal.type_in("\x1a");
        // 128 and SIGTSTP.
        terminal.wait_for("ended 148");
        terminal.wait_for(&desk.old);
        for some in (keys.replace)(&desk) {
            terminal.type_in(&some);
        }
        let (status, shown) = terminal.end();
        assert_eq!(status.code(), Some(0), "{}: {shown}", keys.editor);
        assert_eq!(desk.opened(), format!("password: {}\nport: 1\n", desk.new));
    }
}

#[test]
fn the_pager_gets_no_identity_and_ctrl_c_in_it_does_not_end_what_feeds_it() {
    let Some(desk) = desk(Who::Self_) else { return };
    // As `less` does: what interrupts it is obeyed, and it goes on.
    desk.script(
        "pager",
        "trap 'echo still here' INT\ncat\necho \"identities: ${SOPS_AGE_SSH_PRIVATE_KEY_FILE-none}\"\nfor n in 1 2 3 4 5 6 7 8 9; do read -r answer </dev/tty && break; sleep 0.2; done; echo bye",
    );
    let front: Vec<String> = Terminal::IN_FRONT.map(str::to_owned).to_vec();
    let mut command = desk.command_behind(&front, &["view", "x.yaml"]);
    command.env("PAGER", "pager").env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", "/nonexistent");
    let mut terminal = Terminal::run(command);
    terminal.wait_for(&desk.old);
    terminal.wait_for("identities: none");
    terminal.type_in("\x03");
    terminal.wait_for("still here");
    terminal.type_in("q\r");
    terminal.wait_for("bye");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(0), "{shown}");
}
