//! Whether every sentence of the sources is told by some case.

use crate::literals::{Literal, one_blank, pieces, sentences};

const MEMBER: &str =
    "sh -c 'test -e /var/lib/etcd/member/wal || test -e /var/lib/quorate-etcd/used-tokens; echo etcd=$?'";

/// Sentences that no case tells, each with the reason.
pub(crate) const NEVER_MET: &[(&str, &str)] = &[
    // Asked or printed elsewhere.
    ("no admin is named and no age identity was found: make one in {}?", "asked at a terminal alone"),
    ("Exit codes: 0 done or clean, 1 findings, 2 error.", "part of the help"),
    (HELP_OF_SECRETS, "part of the help"),
    ("{:gutter$} ... and {} more places", "no fault points at so many places yet"),
    // Written into files, or given to programs.
    ("# created: {made} # public key: {} ", "the head of an identity file"),
    (ENCRYPTION_CONFIG, "a file for kube-apiserver"),
    (KUBECONFIG, "what `pki kubeconfig` is asked for"),
    ("quorate: end of last rules", "a line of .sops.yaml"),
    ("# one secret a line; left as it is, no file is made example: change me ", NEW_FILE),
    ("{  \"example\": \"change me\" } ", NEW_FILE),
    ("# one secret a line; left as it is, no file is made EXAMPLE=change me ", NEW_FILE),
    ("; left as it is, no file is made [section] example = change me ", NEW_FILE),
    (VIM, "what vim is told"),
    (EMACS, "what emacs is told"),
    ("nix-command fetch-tree", "an argument of `nix`"),
    ("https://github.com/ github: gitlab: {}", "an argument of `nix`"),
    ("({WRAPPER}) {{ file = {file}; nixpkgs = {nixpkgs}; }}", "an argument of `nix`"),
    (" (os error", "what Rust adds and messages leave out"),
    // Refused before by somebody who says it better.
    ("something is missing here", "rnix refuses first"),
    ("the nesting is too deep", "the scan refuses first"),
    ("the file is larger than 1 MiB, the limit for an inventory", "reading refuses first"),
    ("it ends too early", "serde_json refuses first"),
    ("a value is expected here", "serde_json refuses first"),
    ("a name is expected here", "serde_json refuses first"),
    ("a list, expected a map", "serde_yaml refuses first"),
    ("a single value, expected a map", "serde_yaml refuses first"),
    ("it is not encrypted", "parsing the file refuses first"),
    ("the section of that name is the format's own", "reading refuses first, and so does `set`"),
    ("a recipient is empty", "whoever reads a list of them leaves empty texts out, or refuses them first"),
    ("the identities found here", "recipients of identities that were read are recipients"),
    (
        "set it to the machines' network; the virtual IP must lie {side} of it",
        "without a master there is an error, and warnings wait",
    ),
    ("the calendar", "`--at` and lives end before it does"),
    ("with the year 9999", "`--at` and lives end before it does"),
    // Said by the shell in words of its own, with the file.
    ("cannot open the age file: it is sealed to none of the identities tried", BY_FILE),
    (
        "take the value for known if it was committed, and seal a new one; then restore the file from git",
        BY_FILE,
    ),
    // Answers to yes or no, or of no command yet.
    (
        "the SSH host key has no age form: found RSA, only `ssh-ed25519` has one",
        "only asked whether it is the machine's",
    ),
    ("a private key with a passphrase", "no leak, so `check` is silent about it"),
    // Asked at a terminal alone; tests/terminal.rs and its like sit at one.
    ("passphrase of {place}:", TERMINAL),
    ("that does not fit; passphrase of {place}:", TERMINAL),
    ("press enter to return to the editor, or type n to give up and lose the changes: ", TERMINAL),
    ("your text is still there: mend that elsewhere, then leave the editor once more", TERMINAL),
    ("do all of this?", TERMINAL),
    ("seal {} of {count} anew?", TERMINAL),
    ("type it as one line, or hand it over by a pipe", TERMINAL),
    ("what was typed has a control character in it", TERMINAL),
    ("what was typed is longer than 1024 bytes", TERMINAL),
    ("what was typed has more than one line", TERMINAL),
    ("run the pager", TERMINAL),
    ("name of the cluster", TERMINAL),
    ("address of the router", TERMINAL),
    ("network of the machines", TERMINAL),
    ("how the virtual IP moves", TERMINAL),
    ("number of masters, odd", TERMINAL),
    ("number of workers", TERMINAL),
    ("address of the first master", TERMINAL),
    ("network card of the machines, by `ip -br link`", TERMINAL),
    ("disk of the machines, by `ls /dev/disk/by-id`", TERMINAL),
    ("`{typed}` is not of the form {shown}", TERMINAL),
    ("`{typed}` is none of {names}", TERMINAL),
    ("nobody answered: {question}", TERMINAL),
    ("run it again, or say it by a flag: nothing was written", TERMINAL),
    // Ends by the signal, and says nothing.
    ("ended by signal {signal}: the file is as it was", SIGNAL),
    ("the edit was ended by signal {signal}", SIGNAL),
    // What `deploy` and ssh say to each other.
    ("cat /etc/os-release; ls -d /etc/NIXOS", "what a machine is asked"),
    ("Host key verification failed", "what ssh says, and is looked for"),
    ("strict checking", "what ssh says, and is looked for"),
    ("no matching host key", "what ssh says, and is looked for"),
    (MEMBER, "what a member of etcd is asked"),
    ("no matching host key type found", "what ssh says, and is looked for"),
    ("no answer in time", "half a minute of waiting"),
    ("all that is on it is lost; type `{name}` to go on:", TERMINAL),
    ("`{name}` was not typed, so nothing was touched", TERMINAL),
    ("run this again to decide anew", TERMINAL),
    ("it has no entry `{HOST}`", "comparing it with the plan refuses first"),
    ("the host key could not be laid down: {cause}", OUR_MEMORY),
    ("`{name}` was not touched: its host key could not be laid down for `{program}`", OUR_MEMORY),
    ("why stands above; run this again", OUR_MEMORY),
    ("the folder holds what nobody put there: {}", OUR_MEMORY),
    ("it is not the private half of host.pub", OUR_MEMORY),
    ("`cluster.backup` asks for backups, and no admin has a recipient that a machine can seal to", A_PLUGIN),
    (
        "name one more admin, with an `age1...` recipient of no plugin or an SSH key: it can lie in a safe",
        A_PLUGIN,
    ),
    ("backups are not sealed to `{recipient}`: its plugin is not on the machines that make them", A_PLUGIN),
    // Where there is macOS.
    ("hdiutil named no device", "said by macOS alone"),
    ("it does not say why", "said by macOS alone"),
    // Broken promises of ours.
    ("a frame that is too long", "both ends of the socket are ours"),
    ("a frame of an unknown kind", "both ends of the socket are ours"),
    ("no descriptor came", "both ends of the socket are ours"),
    ("a function lacks an argument", "the table of builtins counts them"),
    ("a variable without a value", "lowering resolves them"),
    ("the library", "lib.nix is a set"),
    ("the library is incomplete", "lib.nix has `all`"),
    ("a number of 64 bits", "serde_json gives no other"),
    ("a string that JSON cannot hold: {error}", "it holds all of them"),
    ("the built-in evaluator broke down: this is a fault of quorate's", "a panic"),
    ("please report it with the file; `--evaluator nix` may take it meanwhile", "a panic"),
    ("cannot start a thread to evaluate `{}`: {cause}", "no memory for a thread"),
    ("free some memory and run this again", "no memory for a thread"),
    ("the evaluation makes more than four billion values", "its memory ends long before"),
    ("no answer within {} seconds", "two minutes of waiting"),
];

const A_PLUGIN: &str = "`pki gen` comes first, and seals to a plugin's recipient by the plugin";
const BY_FILE: &str = "the shell names the file, and git's command for it";
const TERMINAL: &str = "asked at a terminal alone";
const OUR_MEMORY: &str = "the memory that it lies in is ours alone";
const SIGNAL: &str = "the program ends by that signal";
const NEW_FILE: &str = "what the editor begins with";
const VIM: &str = "silent! set noswapfile nobackup nowritebackup patchmode= noundofile viminfo=";
const EMACS: &str = "(progn (setq make-backup-files nil auto-save-default nil auto-save-list-file-prefix nil create-lockfiles nil undo-tree-auto-save-history nil) (dolist (mode '(savehist-mode recentf-mode save-place-mode desktop-save-mode auto-save-visited-mode)) (when (fboundp mode) (funcall mode -1))))";
const HELP_OF_SECRETS: &str = "Files are named by their path; `db` alone is secrets/db.yaml. The end of a name says how a file is laid out: .yaml, .json, .env, .ini, and any other is binary. Exit codes: 0 done or clean, 1 findings, 2 error. decrypt, edit, set and encrypt give sops' own numbers where sops has one: 51 the checksum does not fit, 100 no such file, 128 no identity opens it, 200 nothing was changed, 203 it is sealed already.";
const ENCRYPTION_CONFIG: &str = "apiVersion: apiserver.config.k8s.io/v1 kind: EncryptionConfiguration resources: - resources:     - secrets   providers:     - secretbox:         keys:           - name: key1             secret: ";
const KUBECONFIG: &str = "apiVersion: v1 kind: Config clusters: - name: {cluster}   cluster:     server: {server}     certificate-authority-data: {root} contexts: - name: {context}   context:     cluster: {cluster}     user: {user} current-context: {context} users: - name: {user}   user:     client-certificate-data: {certificate}     client-key-data: ";

/// Blanks that a line begins with when it goes on with the one before: `hint: ` has as many letters, and the table of
/// what is done has wider columns. What shows a place begins with fewer.
const GOES_ON: &str = "      ";

/// What was told, a message a line: lines that were broken at the edge of the terminal are whole again.
pub(crate) fn lines(told: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in told.lines() {
        match lines.last_mut().filter(|_| line.starts_with(GOES_ON)) {
            Some(last) => {
                last.push(' ');
                last.push_str(line.trim_start());
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines.iter().map(|line| one_blank(line)).collect()
}

/// Whether one of the lines has all pieces of a sentence in their order.
fn is_told(text: &str, lines: &[String]) -> bool {
    let pieces = pieces(text);
    let trimmed = |index: usize, piece: &str| {
        // The ends of a sentence may be a line's.
        let piece = if index == 0 { piece.trim_start() } else { piece };
        if index + 1 == pieces.len() { piece.trim_end().to_owned() } else { piece.to_owned() }
    };
    let pieces: Vec<String> = pieces.iter().enumerate().map(|(index, piece)| trimmed(index, piece)).collect();
    lines.iter().any(|line| {
        let mut rest = line.as_str();
        pieces.iter().all(|piece| {
            let found = rest.find(piece.as_str());
            rest = found.map_or("", |at| &rest[at + piece.len()..]);
            found.is_some()
        })
    })
}

/// What is wrong with the cases: sentences that none tells, and rows of [`NEVER_MET`] that are stale or told after all.
pub(crate) fn gaps(told: &str) -> Vec<String> {
    let lines = lines(told);
    let sentences = sentences();
    let excused = |text: &str| NEVER_MET.iter().any(|(row, _)| one_blank(row) == one_blank(text));
    let missing =
        sentences.iter().filter(|sentence| !excused(&sentence.text) && !is_told(&sentence.text, &lines));
    let mut gaps: Vec<String> = missing
        .map(|Literal { file, line, text }| format!("{file}:{line}: no case tells {text:?}"))
        .collect();
    for (row, why) in NEVER_MET {
        let known = sentences.iter().any(|sentence| one_blank(&sentence.text) == one_blank(row));
        if !known {
            gaps.push(format!("NEVER_MET has {row:?}, which the sources do not"));
        } else if is_told(row, &lines) {
            gaps.push(format!("NEVER_MET has {row:?} ({why}), and a case tells it"));
        }
    }
    gaps
}

/// Names that begin a message as they are written everywhere.
const NAMES: &[&str] = &["BGP", "NixOS", "SSH"];

/// Lower case, no full stop, backticks in pairs, one blank between words.
pub(crate) fn faults_of_style(told: &str) -> Vec<String> {
    let lines = lines(told);
    let text = |line: &str| {
        let line = line.trim_start();
        ["error: ", "warning: ", "hint: "]
            .iter()
            .find_map(|label| line.strip_prefix(label))
            .map(str::to_owned)
    };
    let mut faults = Vec::new();
    for text in lines.iter().filter_map(|line| text(line)) {
        // What is left out says so in code.
        let text = text.replace("...", "");
        let capital =
            text.starts_with(char::is_uppercase) && !NAMES.iter().any(|name| text.starts_with(name));
        if capital || text.ends_with('.') || text.contains(". ") || text.matches('`').count() % 2 != 0 {
            faults.push(text);
        }
    }
    faults
}
