//! Edits of sealed YAML: the lines that change, and no others.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use quorate_secrets::identity::Identity;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Opened, Path, Plaintext, Policy, SealedFile, Store};

const FIRST: &str = "2026-11-21T03:02:57Z";
const LATER: &str = "2026-11-22T04:03:58Z";

fn identities() -> Vec<Identity> {
    Identity::parse_all(&Secret::from(include_str!("vectors/sops/keys/k.txt"))).unwrap()
}

fn seal(plain: &str) -> String {
    let plain = Plaintext::parse(&Secret::from(plain), Store::Yaml).unwrap();
    let to = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg".parse().unwrap();
    let readers = KeyGroups::one(&[to]);
    let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
    plain.seal(&policy, FIRST).unwrap()
}

fn open(text: &str) -> Opened {
    SealedFile::parse(text, Store::Yaml)
        .unwrap()
        .open(&identities())
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn set(text: &str, path: &str, value: &str) -> String {
    let opened = open(text);
    let mut plain = opened.plaintext();
    let path: Path = path.parse().unwrap();
    plain.set_text(&path, &Secret::from(value)).unwrap();
    opened.edited(&plain, LATER).unwrap().expect("a change")
}

/// The lines that one has and the other has not; `-` and `+` before them, ciphertexts cut.
fn diff(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let shown = |sign: char, line: &str| {
        let line = line.split("ENC[").next().unwrap_or_default().split("2026-").next().unwrap_or_default();
        format!("{sign}{}", line.trim_end_matches([' ', '"', '\'', '#']))
    };
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| shown('-', line));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| shown('+', line));
    gone.chain(come).collect()
}

/// A file as somebody else laid it out: what sops writes, with its section at the top, indented by two, with dashes
/// below their keys, empty lines, quotes, blanks and a list between brackets.
fn by_hand() -> String {
    let plain =
        "db:\n  user: anna\n  password: secret # rotate me\nhosts:\n- a\n- b\nports: [one, two]\nlast: end\n";
    let sealed = seal(plain);
    let (body, section) = sealed.split_at(sealed.find("sops:\n").unwrap());
    let value = |line: &str| line[line.find("ENC[").unwrap()..].to_owned();
    let lines: Vec<&str> = body.lines().collect();
    let [_, user, password, _, first, second, _, one, two, last] = lines.as_slice() else { panic!("{body}") };
    format!(
        "{section}\ndb:\n  user: {}\n  password: {}\nhosts:\n- {}\n- {}\n\nports: ['{}',   \"{}\"]\n\n\"last\" :   '{}'\n",
        value(user),
        value(password),
        value(first),
        value(second),
        value(one),
        value(two),
        value(last)
    )
}

#[test]
fn a_changed_value_changes_its_line_and_two_of_the_section() {
    let old = by_hand();
    for (path, line) in
        [("db.password", "  password:"), ("hosts[1]", "-"), ("ports[0]", "ports: ["), ("last", "\"last\" :")]
    {
        let new = set(&old, path, "other");
        let (section, value) = (["    lastmodified:", "    mac:"], line);
        let mut expected: Vec<String> = Vec::new();
        for sign in ['-', '+'] {
            expected.extend(section.iter().map(|line| format!("{sign}{line}")));
            expected.push(format!("{sign}{value}"));
        }
        assert_eq!(diff(&old, &new), expected, "{path}\n{old}\n=====\n{new}");
        assert_eq!(open(&new).plaintext().get(&path.parse().unwrap()).unwrap().expose_text(), Ok("other"));
    }
}

#[test]
fn what_is_added_follows_the_layout_of_the_file() {
    let old = by_hand();
    let new = set(&old, "db.host.name", "x");
    let added: Vec<_> =
        diff(&old, &new).into_iter().filter(|line| line.starts_with('+') && !line.contains("    ")).collect();
    assert_eq!(added, ["+  host:"], "{new}");
    let new = set(&old, "hosts[2]", "c");
    assert!(new.contains("]\n- ENC[") && !new.contains("    - ENC"), "{new}");
    open(&new);
}

#[test]
fn a_value_of_several_lines_takes_the_place_of_one_and_back() {
    let old = seal("a: one\nb: two\n");
    let several = set(&old, "a", "x\ny\n");
    assert_eq!(diff(&old, &several).len(), 6, "{several}");
    let clear = seal("a_unencrypted: one\nb: two\n");
    let several = set(&clear, "a_unencrypted", "x\ny\n");
    assert!(several.starts_with("a_unencrypted: |\n    x\n    y\nb: ENC["), "{several}");
    let one = set(&several, "a_unencrypted", "one");
    assert!(one.starts_with("a_unencrypted: one\nb: ENC["), "{one}");
}

#[test]
fn lines_that_end_as_on_windows_still_do() {
    let old = by_hand().replace('\n', "\r\n");
    let new = set(&old, "db.host.name", "x");
    assert_eq!(new.matches('\n').count(), new.matches("\r\n").count());
    assert_eq!(new.matches('\n').count(), old.matches('\n').count() + 2);
}

#[test]
fn comments_go_and_come_where_they_stand() {
    let old = seal("a: 1 # one\n# above\nb:\n    - x # ex\n    - y\n    # foot\nc: 3\n");
    let opened = open(&old);
    let text = opened.plaintext().write(Store::Yaml, None).unwrap();
    let changed = text
        .expose_text()
        .unwrap()
        .replace(" # one", " # two")
        .replace("# above\n", "")
        .replace("c: 3", "# new\nc: 3");
    let plain = Plaintext::parse(&Secret::from(changed), Store::Yaml).unwrap();
    let new = opened.edited(&plain, LATER).unwrap().unwrap();
    let found = open(&new).plaintext().write(Store::Yaml, None).unwrap();
    assert!(found.same_as(&plain.write(Store::Yaml, None).unwrap()), "{}", found.expose_text().unwrap());
    let gone: Vec<_> = diff(&old, &new).into_iter().filter(|line| line.starts_with('-')).collect();
    assert_eq!(gone, ["-a:", "-", "-    lastmodified:", "-    mac:"]);
}

#[test]
fn values_behind_an_alias_are_written_out_when_one_of_them_changes() {
    let old = seal("a: &x\n  b: one\nc: *x\n");
    let new = set(&old, "c.b", "two");
    let plain = open(&new).plaintext();
    let get = |path: &str| plain.get(&path.parse().unwrap()).unwrap();
    assert_eq!((get("a.b").expose_text(), get("c.b").expose_text()), (Ok("one"), Ok("two")));
}

#[test]
fn an_empty_comment_in_a_list_does_not_become_an_element_for_sops() {
    let sealed = seal("#\na:\n    #\n    - x\nb_unencrypted:\n    #\n    - z\n");
    let lines: Vec<&str> =
        sealed.lines().map(|line| line.split("ENC[").next().unwrap_or_default()).take(6).collect();
    assert_eq!(lines, ["#", "a:", "    - ", "b_unencrypted:", "    #", "    - z"]);
}
