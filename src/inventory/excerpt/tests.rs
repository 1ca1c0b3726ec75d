//! Faults as they are shown.

use super::*;

const TEXT: &str =
    "{\n  cp1 = { ip = \"10.0.0.1\"; };\n\tcp2 = { ip = \"10.0.0.1\"; };\n  größe = \"日本語\";\n}\n";

fn origin(needle: &str, nth: usize) -> Origin {
    let start = TEXT.match_indices(needle).nth(nth).unwrap().0;
    Origin { file: 0, start, end: start + needle.len() }
}

fn fault(at: Option<Origin>) -> Fault {
    Fault {
        level: Level::Error,
        rule: "duplicate-address",
        at,
        message: "`cp2.ip` is 10.0.0.1, the address of `cp1`, expected one of its own".into(),
        hint: Some("change one of them".into()),
        related: Vec::new(),
    }
}

fn show(fault: Fault, width: usize) -> String {
    render(&[fault], |file| (file == 0).then_some(Source { name: "machines.nix", text: TEXT }), width)
}

#[test]
fn the_place_is_underlined_and_so_is_the_related_one() {
    let fault =
        fault(Some(origin("\"10.0.0.1\"", 1))).related(Some(origin("\"10.0.0.1\"", 0)), "`cp1` has it");
    insta::assert_snapshot!(show(fault, 100), @r#"
    error: `cp2.ip` is 10.0.0.1, the address of `cp1`, expected one of its own
     --> machines.nix:3:15
      |
    3 |     cp2 = { ip = "10.0.0.1"; };
      |                  ^^^^^^^^^^
     ::: machines.nix:2:16
      |
    2 |   cp1 = { ip = "10.0.0.1"; };
      |                ---------- `cp1` has it
    hint: change one of them
    "#);
}

#[test]
fn columns_count_characters_and_marks_count_columns() {
    insta::assert_snapshot!(show(fault(Some(origin("\"日本語\"", 0))), 100), @r#"
    error: `cp2.ip` is 10.0.0.1, the address of `cp1`, expected one of its own
     --> machines.nix:4:11
      |
    4 |   größe = "日本語";
      |           ^^^^^^^^
    hint: change one of them
    "#);
}

#[test]
fn every_line_keeps_to_the_width_and_shows_the_mark() {
    let long = format!("{{ {}x = {}; }}", "a = 1; ".repeat(60), "\"value\" ".repeat(60));
    let start = long.find("x = ").unwrap() + 4;
    let fault = Fault { message: format!("{} end", "word ".repeat(50)), ..fault(None) };
    for (width, end) in (40..120).flat_map(|width| [(width, start), (width, start + 7), (width, long.len())])
    {
        let fault = Fault { at: Some(Origin { file: 0, start, end }), ..fault.clone() };
        let shown = render(&[fault], |_| Some(Source { name: "m.nix", text: &long }), width);
        let widest = shown.lines().map(columns).max().unwrap();
        assert!(widest <= width, "{widest} > {width}\n{shown}");
        assert!(shown.contains('^') && shown.contains("\"value\""), "{shown}");
    }
}

#[test]
fn a_mark_behind_a_line_that_just_fits_keeps_to_the_width() {
    for length in 90..110 {
        let text = "a".repeat(length);
        let at = Some(Origin { file: 0, start: length, end: length });
        let shown = render(&[fault(at)], |_| Some(Source { name: "m.nix", text: &text }), 100);
        assert!(shown.lines().all(|line| columns(line) <= 100), "{shown}");
        assert!(shown.contains('^'), "{shown}");
    }
}

#[test]
fn a_place_outside_of_the_text_or_inside_a_letter_is_no_panic() {
    let ö = TEXT.find('ö').unwrap() + 1;
    for (start, end) in
        [(ö, ö), (0, 0), (TEXT.len(), TEXT.len()), (usize::MAX, usize::MAX), (9, 2), (0, usize::MAX)]
    {
        let shown = show(fault(Some(Origin { file: 0, start, end })), 100);
        assert!(shown.contains("--> machines.nix:"), "{shown}");
    }
    assert!(!show(fault(Some(Origin { file: 7, start: 0, end: 0 })), 100).contains("-->"));
}

#[test]
fn a_line_with_a_secret_is_not_shown_by_any_fault() {
    let secret = Fault { rule: "secret-in-inventory", ..fault(Some(origin("\"10.0.0.1\"", 0))) };
    let other = fault(Some(origin("cp1", 0)));
    let sources = |_| Some(Source { name: "machines.nix", text: TEXT });
    let shown = render(&[secret, other], sources, 100);
    assert!(!shown.contains("{ ip"), "{shown}");
    assert_eq!(shown.matches("not shown").count(), 2);
    for text in ["a = \"-----BEGIN OPENSSH PRIVATE KEY-----", "a = \"age-secret-key-1qqqq"] {
        let at = Some(Origin { file: 0, start: 0, end: 1 });
        let shown = render(&[fault(at)], |_| Some(Source { name: "m.nix", text }), 100);
        assert!(shown.contains("not shown") && !shown.contains("a = "), "{shown}");
    }
}

#[test]
fn a_function_that_makes_a_thousand_faults_shows_three() {
    let at = Some(origin("\"10.0.0.1\"", 0));
    let faults: Vec<_> = (0..1000)
        .map(|n| Fault { message: format!("machine {n}"), ..fault(at) })
        .chain([fault(None)])
        .collect();
    let shown = render(&faults, |_| Some(Source { name: "m.nix", text: TEXT }), 100);
    assert_eq!(shown.matches("error: machine").count(), 3);
    assert!(shown.contains("... and 997 more of the kind from the same place\n\nerror: `cp2.ip`"), "{shown}");
    let narrow = render(&faults, |_| Some(Source { name: "m.nix", text: &TEXT[..40] }), NARROWEST);
    assert!(narrow.lines().all(|line| columns(line) <= NARROWEST), "{narrow}");
}

#[test]
fn nothing_steers_the_terminal() {
    let text = "a\u{1b}[2Jb\u{202e}c";
    let at = Some(Origin { file: 0, start: 0, end: 1 });
    let shown = render(&[fault(at)], |_| Some(Source { name: "x\ny\u{7}", text }), 100);
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{shown:?}");
}

#[test]
fn only_the_first_faults_are_shown_and_errors_before_warnings() {
    let at = |start: usize| Some(Origin { file: 0, start, end: start + 1 });
    let warning = |n: usize| Fault { level: Level::Warning, message: format!("warned {n}"), ..fault(at(n)) };
    let faults: Vec<_> = (0..60).map(warning).chain((0..60).map(|n| fault(at(n + 100_000)))).collect();
    let text = "x".repeat(1 << 20);
    let shown = render(&faults, |_| Some(Source { name: "m.nix", text: &text }), 100);
    assert_eq!(shown.matches("error: ").count(), MOST);
    assert_eq!(shown.matches("warning: ").count(), 0);
    assert!(shown.ends_with("\n... and 70 more\n"), "{shown}");
    assert!(shown.lines().all(|line| columns(line) <= 100), "{shown}");
}
