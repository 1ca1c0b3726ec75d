//! Which editor a person wants, and what each must be told so that it leaves nothing of the text elsewhere: no swap,
//! backup, undo, history or session files. People's own configuration stays in use wherever the editor can be told
//! after it has read that.
//!
//! What an editor holds in its own memory, a clipboard, a plugin or a language server is not claimed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error::EditError;

/// An editor that we know.
struct Editor {
    /// What it is called, without a version.
    names: &'static [&'static str],
    /// What it is told on its command line, before the file. `{}` is the private folder.
    told: &'static [&'static str],
    /// What it is told in its environment.
    settings: &'static [&'static str],
    /// How it opens the file at a line.
    line: Line,
}

/// How an editor is told the line.
#[derive(Clone, Copy)]
enum Line {
    /// `+12 FILE`
    Plus,
    /// `FILE:12`
    Colon,
    /// `--goto FILE:12`
    Goto,
}

/// The options are given after the person's own file was read, and the sure ones first: where one is not built in, the
/// rest of such a line is not obeyed.
const VIM: &str = "silent! set noswapfile nobackup nowritebackup patchmode= noundofile viminfo=";

/// Every editor that we know.
static EDITORS: &[Editor] = &[
    // Source: vim's `:help starting`, `:help 'writebackup'`; neovim has the same and calls viminfo shada.
    Editor {
        names: &["vim", "nvim", "vimx", "vim.basic", "vim.tiny", "vim.nox", "vim.gtk3"],
        told: &["-n", "-i", "NONE", "-c", VIM],
        settings: &[],
        line: Line::Plus,
    },
    // The same in a window, which it would leave to a process of its own.
    Editor {
        names: &["gvim", "mvim"],
        told: &["-f", "-n", "-i", "NONE", "-c", VIM],
        settings: &[],
        line: Line::Plus,
    },
    // It keeps what it would recover below /var/tmp. Source: nvi(1), `recdir` and EXINIT.
    Editor { names: &["nvi", "vi"], told: &[], settings: &["EXINIT=set recdir={}"], line: Line::Plus },
    // Nothing on its command line takes back what a nanorc sets: backups, and the history of searches.
    Editor { names: &["nano", "rnano"], told: &["--ignorercfiles"], settings: &[], line: Line::Plus },
    // Evaluated after the person's own file, before the text is visited.
    Editor {
        names: &["emacs", "emacs-nox", "emacs-gtk", "emacs-lucid", "emacs-pgtk"],
        told: &["--no-desktop", "--eval", EMACS],
        settings: &[],
        line: Line::Plus,
    },
    // Each setting of micro is an option of that name.
    Editor {
        names: &["micro"],
        told: &[
            "-backup",
            "false",
            "-permbackup",
            "false",
            "-savehistory",
            "false",
            "-saveundo",
            "false",
            "-savecursor",
            "false",
        ],
        settings: &[],
        line: Line::Plus,
    },
    // Neither keeps anything; what kakoune saves when it is killed stands beside the file.
    Editor { names: &["kak"], told: &[], settings: &[], line: Line::Plus },
    Editor { names: &["hx", "helix"], told: &[], settings: &[], line: Line::Colon },
    // One that runs already stands outside and does not see the file; this is a new one with all its state inside.
    Editor {
        names: &["code", "codium", "code-insiders", "vscodium"],
        told: &["--wait", "--new-window", "--user-data-dir", "{}/editor"],
        settings: &[],
        line: Line::Goto,
    },
    // Killed, it would write a file where the person stands; `--` takes an option back, here what was cut and sought.
    Editor {
        names: &["joe", "jmacs", "jstar", "jpico"],
        told: &["-nobackups", "-nodeadjoe", "--joe_state"],
        settings: &[],
        line: Line::Plus,
    },
];

const EMACS: &str = "(progn (setq make-backup-files nil auto-save-default nil auto-save-list-file-prefix nil \
    create-lockfiles nil undo-tree-auto-save-history nil) \
    (dolist (mode '(savehist-mode recentf-mode save-place-mode desktop-save-mode auto-save-visited-mode)) \
    (when (fboundp mode) (funcall mode -1))))";

/// Editors that hand the file to a process that runs already, outside, and what to use instead.
static ELSEWHERE: &[(&str, &str)] = &[
    ("emacsclient", "emacs -nw"),
    ("subl", "vim"),
    ("gedit", "vim"),
    ("gnome-text-editor", "vim"),
    ("kate", "nvim"),
    ("kwrite", "nvim"),
    ("zed", "nvim"),
    ("zeditor", "nvim"),
    ("open", "vim"),
    ("xdg-open", "vim"),
];

/// What to run when nobody says. Source: sops 3.13 `cmd/sops/edit.go`, `lookupAnyEditor`.
const HABIT: [&str; 3] = ["vim", "nano", "vi"];

/// An editor that was found.
pub(super) struct Chosen {
    /// As the person calls it.
    pub(super) name: String,
    program: PathBuf,
    words: Vec<String>,
    known: Option<&'static Editor>,
}

/// Finds the editor: `variables` in their order, name and value, then the habit.
///
/// # Errors
/// [`EditError::NoEditor`], [`EditError::EditorLine`], [`EditError::EditorMissing`], [`EditError::EditorElsewhere`].
pub(super) fn choose(
    variables: &[(&'static str, Option<&OsStr>)],
    path: Option<&OsStr>,
) -> Result<Chosen, EditError> {
    let named = variables.iter().find_map(|(name, value)| {
        value.filter(|value| !value.is_empty()).map(|value| (*name, value.to_string_lossy()))
    });
    let Some((variable, line)) = named else {
        let found = HABIT.iter().find_map(|name| find(name, path).map(|program| (*name, program)));
        let (name, program) = found.ok_or(EditError::NoEditor)?;
        return Chosen::new(name, program, Vec::new());
    };
    let words = shlex::split(&line).unwrap_or_default();
    let Some((name, words)) = words.split_first() else { return Err(EditError::EditorLine { variable }) };
    let program =
        find(name, path).ok_or_else(|| EditError::EditorMissing { variable, editor: name.clone() })?;
    Chosen::new(name, program, words.to_vec())
}

impl Chosen {
    fn new(name: &str, program: PathBuf, words: Vec<String>) -> Result<Self, EditError> {
        let called = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // By what it is called, else by what that is a link to: Debian's `vi` and `editor` may be anything.
        let own = called(Path::new(name));
        let real = called(&fs::canonicalize(&program).unwrap_or_default());
        for name in [&own, &real] {
            if let Some((_, instead)) = ELSEWHERE.iter().find(|(elsewhere, _)| elsewhere == name) {
                return Err(EditError::EditorElsewhere { editor: name.clone(), instead });
            }
        }
        let ambiguous = own == "vi" && real != "vi";
        let known = if ambiguous { known(&real) } else { known(&own).or_else(|| known(&real)) };
        Ok(Self { name: own, program, words, known })
    }

    /// Whether we can tell it what not to keep.
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// Settings of the environment, `--`, and the command line that opens `file` in `folder`.
    pub(super) fn command(&self, folder: &Path, file: &str, line: Option<usize>) -> Vec<OsString> {
        let place = folder.display().to_string();
        let file = folder.join(file);
        let (told, settings) = self.known.map_or((&[][..], &[][..]), |editor| (editor.told, editor.settings));
        let inside = |text: &&str| OsString::from(text.replace("{}", &place));
        let mut words: Vec<OsString> = settings.iter().chain(&["TMPDIR={}"]).map(inside).collect();
        words.push("--".into());
        words.push(self.program.clone().into());
        words.extend(self.words.iter().map(OsString::from));
        words.extend(told.iter().map(inside));
        match (self.known.map(|editor| editor.line), line) {
            (Some(Line::Plus), Some(line)) => {
                words.push(format!("+{line}").into());
                words.push(file.into());
            }
            (Some(Line::Colon), Some(line)) => words.push(at_line(file, line)),
            (Some(Line::Goto), Some(line)) => {
                words.push("--goto".into());
                words.push(at_line(file, line));
            }
            _ => words.push(file.into()),
        }
        words
    }
}

fn at_line(file: PathBuf, line: usize) -> OsString {
    let mut place = file.into_os_string();
    place.push(format!(":{line}"));
    place
}

/// The row of an editor: `emacs-28.2` is emacs.
fn known(name: &str) -> Option<&'static Editor> {
    let bare =
        name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.').trim_end_matches('-');
    EDITORS.iter().find(|editor| editor.names.iter().any(|known| *known == name || *known == bare))
}

/// The program that a shell would start.
pub(super) fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let runs = |file: &Path| {
        let access = rustix::fs::access(file, rustix::fs::Access::EXEC_OK).map_err(io::Error::from);
        file.is_file() && access.is_ok()
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|file| runs(file));
    }
    std::env::split_paths(path?).map(|folder| folder.join(name)).find(|file| runs(file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A folder of empty programs, as PATH.
    fn programs(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    fn pick(line: &str, path: &Path) -> Result<Chosen, EditError> {
        choose(&[("SOPS_EDITOR", None), ("EDITOR", Some(OsStr::new(line)))], Some(path.as_os_str()))
    }

    fn shown(chosen: &Chosen, line: Option<usize>) -> String {
        let words = chosen.command(Path::new("/ram"), "x.yaml", line);
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn each_editor_is_told_in_its_own_words_and_keeps_those_of_the_person() {
        let path = programs(&["vim", "nano", "code", "hx", "mine"]);
        let path = path.path();
        let vim = shown(&pick("vim -u 'my rc'", path).unwrap(), Some(7));
        assert!(vim.contains("vim -u my rc -n -i NONE -c ") && vim.ends_with(" +7 /ram/x.yaml"), "{vim}");
        assert!(shown(&pick("nano", path).unwrap(), None).ends_with("nano --ignorercfiles /ram/x.yaml"));
        let code = shown(&pick("code", path).unwrap(), Some(3));
        assert!(
            code.contains("--wait") && code.ends_with("--user-data-dir /ram/editor --goto /ram/x.yaml:3")
        );
        assert!(shown(&pick("hx", path).unwrap(), Some(3)).ends_with("hx /ram/x.yaml:3"));
        let mine = pick("mine --fast", path).unwrap();
        assert!(!mine.is_known() && shown(&mine, Some(3)).ends_with("mine --fast /ram/x.yaml"));
    }

    #[test]
    fn a_name_that_may_be_anything_is_looked_behind() {
        let path = programs(&["vim.basic", "nvi", "nano"]);
        for (behind, sign) in
            [("vim.basic", "-i NONE"), ("nvi", "EXINIT=set recdir=/ram"), ("nano", "--ignorercfiles")]
        {
            for name in ["vi", "editor"] {
                let _ = fs::remove_file(path.path().join(name));
                symlink(path.path().join(behind), path.path().join(name)).unwrap();
                let words = shown(&pick(name, path.path()).unwrap(), None);
                assert!(words.contains(sign), "{name} is {behind}: {words}");
            }
        }
    }

    #[test]
    fn without_a_word_from_the_person_the_first_of_the_habit_that_is_there_is_run() {
        for (there, first) in
            [(&["nano", "vi"][..], "nano"), (&["vi", "vim", "nano"], "vim"), (&["vi"], "vi")]
        {
            let path = programs(there);
            let chosen = choose(&[("EDITOR", Some(OsStr::new("")))], Some(path.path().as_os_str())).unwrap();
            assert_eq!(chosen.name, first);
        }
        assert!(matches!(choose(&[], Some(OsStr::new("/nowhere"))), Err(EditError::NoEditor)));
    }

    #[test]
    fn what_cannot_work_is_an_error_before_anything_is_opened() {
        let path = programs(&["emacsclient"]);
        let refused = |line| pick(line, path.path()).err().unwrap();
        assert!(matches!(
            refused("emacsclient -nw"),
            EditError::EditorElsewhere { instead: "emacs -nw", .. }
        ));
        assert!(matches!(refused("vim 'x"), EditError::EditorLine { variable: "EDITOR" }));
        assert!(matches!(refused("not-there"), EditError::EditorMissing { .. }));
        assert!(matches!(refused("/not/there"), EditError::EditorMissing { .. }));
    }

    #[test]
    fn no_editor_stands_in_two_rows() {
        let mut names: Vec<&str> = EDITORS.iter().flat_map(|editor| editor.names).copied().collect();
        names.extend(ELSEWHERE.iter().map(|(name, _)| *name));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(known("emacs-28.2").is_some() && known("vim9").is_some() && known("kakao").is_none());
    }
}
