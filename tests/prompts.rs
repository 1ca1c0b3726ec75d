//! Questions whose answer nobody sees: whatever ends them, the terminal is left as it was.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod desk;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use desk::terminal::Terminal;
use desk::{Desk, Who};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::LocalModes;

#[test]
fn a_signal_at_a_hidden_question_ends_the_program_and_leaves_the_terminal_as_it_was() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1), (Signal::INT, 2), (Signal::QUIT, 3)] {
        let Some(desk) = Desk::of(Who::Self_) else { return };
        let before = fs::read(desk.file()).unwrap();
        let front = Terminal::IN_FRONT.map(str::to_owned);
        let mut terminal = Terminal::run(desk.command_behind(&front, &["set", "x.yaml", "other"]));
        let modes = terminal.modes();
        terminal.wait_for("value of `other`");
        assert!(!terminal.modes().contains(LocalModes::ECHO));
        terminal.type_in("half");
        kill_process(Pid::from_raw(terminal.id().cast_signed()).unwrap(), signal).unwrap();
        assert_eq!(terminal.after_end(), modes, "{signal:?}");
        let (status, shown) = terminal.end();
        assert_eq!(status.signal(), Some(number), "{shown}");
        assert_eq!(fs::read(desk.file()).unwrap(), before);
    }
}

#[test]
fn what_is_typed_at_a_hidden_question_is_taken() {
    let Some(desk) = Desk::of(Who::Self_) else { return };
    let front = Terminal::IN_FRONT.map(str::to_owned);
    let mut terminal = Terminal::run(desk.command_behind(&front, &["set", "x.yaml", "password"]));
    terminal.wait_for("value of `password`");
    terminal.type_in(&format!("{}\r", desk.new));
    let (status, shown) = terminal.end();
    assert!(status.success() && !shown.contains(&desk.new), "{shown}");
    assert_eq!(desk.opened(), format!("password: {}\nport: 1\n", desk.new));
}
