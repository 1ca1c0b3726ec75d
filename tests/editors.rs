//! `secrets edit` with real editors on a real terminal: what they write, and what they leave.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod desk;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use desk::terminal::Terminal;
use desk::{Desk, Who, traced};

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
            vec![format!("\x0b"), format!("password: {}\r", desk.new), format!("\x17{}\r", desk.new), "\x0f\r\x18".to_owned()]
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
    Keys { editor: "nvi", replace: |desk| vec![format!(":s/{}/{}/\r:wq\r", desk.old, desk.new)], leave: ":q!\r" },
];

fn is_here(editor: &str) -> bool {
    let program = editor.split(' ').next().unwrap();
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    found.status.success()
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
fn what_is_typed_is_sealed_and_nothing_of_it_lies_anywhere_else() {
    for who in [Who::Self_, Who::Nobody, Who::Confined] {
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
}
