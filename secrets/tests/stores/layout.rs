//! The layout of a file that somebody laid out by hand stays.

use super::*;

/// A file that sops sealed, laid out in another way: each value and name of it as it was.
#[test]
fn the_layout_of_a_json_file_stays() {
    let old = vector("j.enc.json").replace('\t', "   ").replace("\": ", "\" :  ").replace(",\n", " ,\n\n");
    let mut section_first = old.clone();
    let at = section_first.find("   \"sops\"").unwrap();
    let section = section_first.split_off(at);
    let section = section.trim_end().strip_suffix('}').unwrap().trim_end();
    let content = section_first.trim_end().strip_prefix("{\n").unwrap().strip_suffix(',').unwrap().trim_end();
    let section_first = format!("\n{{\n{section},\n{content}\n}}");
    for old in [old, section_first] {
        let opened = open(Store::Json, &old);
        let mut plaintext = opened.plaintext();
        plaintext.set_json(&"a.b[1]".parse().unwrap(), &Secret::from("3.5")).unwrap();
        let new = opened.edited(&plaintext, LATER).unwrap().unwrap();
        let kept: Vec<_> = old.lines().zip(new.lines()).filter(|(old, new)| old == new).collect();
        assert_eq!(
            (old.lines().count(), kept.len()),
            (new.lines().count(), old.lines().count() - 3),
            "{new}"
        );

        plaintext.set_json(&"new".parse().unwrap(), &Secret::from("{\"x\":[1]}")).unwrap();
        plaintext.set_json(&"a.b[8]".parse().unwrap(), &Secret::from("[2]")).unwrap();
        plaintext.unset(&"a.b[0]".parse().unwrap()).unwrap();
        plaintext.unset(&"s".parse().unwrap()).unwrap();
        let new = opened.edited(&plaintext, LATER).unwrap().unwrap();
        let again = open(Store::Json, &new).plaintext();
        assert_eq!(
            text(&again.write(Store::Json, None).unwrap()),
            text(&plaintext.write(Store::Json, None).unwrap())
        );
        assert_eq!(old.find("\"sops\"") < old.find("\"a\""), new.find("\"sops\"") < new.find("\"a\""));
    }
}

/// The checksum is over values, not over how they are written.
#[test]
fn json_that_stands_in_clear_keeps_its_letters() {
    let plaintext =
        parse(Store::Json, "{\"a\": \"x\", \"b_unencrypted\": [1.5, \"é\"], \"c_unencrypted\": null}")
            .unwrap();
    let sealed = sealed(&plaintext).replace("1.5", "15.0e-1").replace("\"é\"", "\"\\u00e9\"");
    let opened = open(Store::Json, &sealed);
    let mut plaintext = opened.plaintext();
    plaintext.set_text(&"a".parse().unwrap(), &Secret::from("y")).unwrap();
    let edited = opened.edited(&plaintext, LATER).unwrap().unwrap();
    assert!(edited.contains("15.0e-1") && edited.contains("\\u00e9"), "{edited}");
}

#[test]
fn the_layout_of_a_dotenv_file_stays() {
    let old = vector("d.enc.env").replace("B=", "\n\nB=").replace("sops_mac", "\nsops_mac");
    let (recipient, rest) = ("sops_age__list_0__map_recipient", "sops_version=3.13.2\n");
    let line = old.lines().find(|line| line.starts_with(recipient)).unwrap();
    // Older releases wrote the fields in any order.
    let old = old.replace(&format!("{line}\n"), "").replace(rest, &format!("{rest}{line}\n"));
    let opened = open(Store::Dotenv, &old);
    let mut plaintext = opened.plaintext();
    plaintext.set_text(&"D".parse().unwrap(), &Secret::from("new")).unwrap();
    plaintext.unset(&"A".parse().unwrap()).unwrap();
    let new = opened.edited(&plaintext, LATER).unwrap().unwrap();
    let names = |text: &str| {
        text.lines().map(|line| line.split('=').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let mut expected = names(&old);
    expected.retain(|name| name != "A");
    let end = expected.iter().position(|name| name.starts_with("sops_")).unwrap();
    expected.insert(end, "D".to_owned());
    assert_eq!(names(&new)[1..], expected[1..]);
    let again = open(Store::Dotenv, &new).plaintext();
    assert_eq!(
        text(&again.write(Store::Dotenv, None).unwrap()),
        text(&plaintext.write(Store::Dotenv, None).unwrap())
    );
}

#[test]
fn the_layout_of_an_ini_file_stays() {
    let old = vector("i.enc.ini")
        .replace("a = ", "  a : ")
        .replace("b = ", "\n; \nb=")
        .replace("[other]\nc = \n", "[other]  \nc=\"\"\n");
    let old = old.trim_end();
    let opened = open(Store::Ini, old);
    let mut plaintext = opened.plaintext();
    plaintext.set_text(&"sec.a".parse().unwrap(), &Secret::from("new")).unwrap();
    let new = opened.edited(&plaintext, LATER).unwrap().unwrap();
    let kept = old.lines().zip(new.lines()).filter(|(old, new)| old == new).count();
    assert_eq!((old.lines().count(), kept), (new.lines().count(), old.lines().count() - 3), "{new}");
    assert!(new.contains("\n  a : ENC["));

    plaintext.set_text(&"sec.longer".parse().unwrap(), &Secret::from("new")).unwrap();
    plaintext.set_text(&"third.x".parse().unwrap(), &Secret::from("new")).unwrap();
    plaintext.unset(&"other".parse().unwrap()).unwrap();
    let new = opened.edited(&plaintext, LATER).unwrap().unwrap();
    assert!(new.contains("\nlonger = ENC[") && new.contains("\n\n[third]\nx = ENC["), "{new}");
    assert!(!new.contains("[other]") && new.contains("\n\n[sops]\n"), "{new}");
    let again = open(Store::Ini, &new).plaintext();
    assert_eq!(
        text(&again.write(Store::Ini, None).unwrap()),
        text(&plaintext.write(Store::Ini, None).unwrap())
    );
}

/// sops 3.13.0 and 3.13.1 wrote line breaks in the metadata as they are.
#[test]
fn ini_metadata_of_several_lines_is_read() {
    let old = vector("i.enc.ini");
    let line = old.lines().find(|line| line.starts_with("age__list_0__map_enc")).unwrap();
    let (name, value) = line.split_once(" = ").unwrap();
    let long = format!("{name} = \"\"\"{}\"\"\"", value.replace("\\n", "\n"));
    let opened = open(Store::Ini, &old.replace(line, &long));
    let mut plaintext = opened.plaintext();
    plaintext.set_text(&"sec.a".parse().unwrap(), &Secret::from("new")).unwrap();
    let new = opened.edited(&plaintext, LATER).unwrap().unwrap();
    assert!(new.contains(line), "the form of every other release");
    open(Store::Ini, &new);
}
