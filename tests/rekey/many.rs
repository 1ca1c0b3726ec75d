//! A rekey of many files: killed half-way, and while others write.

use super::*;

/// How many files a rekey that is killed has.
pub(super) const MANY: usize = 500;

#[test]
fn a_rekey_of_many_files_that_is_killed_loses_nothing_and_a_rerun_completes_it() {
    let repo = Repo::new();
    for number in 0..MANY {
        let name = format!("secrets/{}/{number}.yaml", number % 7);
        repo.seal(&name, &format!("number: {number}\n"), &[&repo.anna]);
    }
    let mut half_way = 0;
    let mut people = [vec![&repo.anna, &repo.berta], vec![&repo.anna]].into_iter().cycle();
    // Killed once so many files are written: none while it plans and seals, then more and more.
    for moment in [0, 0, 0, 1, 40, 120, 200, 280, 360, 440] {
        let readers = people.next().unwrap();
        repo.rule(&readers);
        let before = repo.project.tree("secrets");
        let inodes = repo.inodes();
        let mut child =
            repo.command(&["rekey", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        if moment == 0 {
            std::thread::sleep(Duration::from_millis(dice() % 300));
        }
        while child.try_wait().unwrap().is_none() {
            let written = repo.inodes().iter().zip(&inodes).filter(|(now, then)| now != then).count();
            if written >= moment {
                break;
            }
            assert!(started.elapsed() < Duration::from_mins(2), "it hangs");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let after = repo.project.tree("secrets");
        let written = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).count();
        half_way += usize::from(written > 0 && written < MANY);
        let (files, left): (BTreeMap<_, _>, BTreeMap<_, _>) =
            after.into_iter().partition(|(path, _)| path.ends_with(".yaml"));
        assert_eq!(files.len(), MANY, "a file is missing");
        assert!(left.keys().all(|path| path.contains(".yaml.new-")), "{left:?}");
        for path in files.keys().step_by(17) {
            let number = path.rsplit('/').next().unwrap().trim_end_matches(".yaml");
            let text = repo.opened(&format!("secrets/{path}"), ANNA);
            assert_eq!(text, Some(format!("number: {number}\n")), "{path}");
        }
        repo.secrets(&["rekey", "--yes"]).expect(0);
        let wanted: Vec<Recipient> = readers.iter().map(|one| (*one).clone()).collect();
        let after = repo.project.tree("secrets");
        assert_eq!(
            after.len(),
            MANY,
            "something was left behind: {:?}",
            after.keys().find(|path| path.contains(".new-"))
        );
        for (path, bytes) in &after {
            let sealed = SealedFile::parse(std::str::from_utf8(bytes).unwrap(), Store::Yaml).unwrap();
            assert!(sealed.drift(&wanted).is_none(), "{path} killed at {moment}");
        }
        for path in after.keys().step_by(17) {
            let number = path.rsplit('/').next().unwrap().trim_end_matches(".yaml");
            assert_eq!(repo.opened(&format!("secrets/{path}"), ANNA), Some(format!("number: {number}\n")));
        }
    }
    println!("{half_way} of 10 runs were killed with some of the files written");
    assert!(half_way >= 3, "the moments of the kills found too few runs at work: {half_way}");
}

#[test]
fn who_sets_a_value_while_a_rekey_runs_loses_nothing() {
    let repo = Repo::new();
    for number in 0..20 {
        repo.seal(&format!("secrets/{number}.yaml"), "a: b\n", &[&repo.anna]);
    }
    repo.rule(&[&repo.anna, &repo.berta]);
    let rekey =
        repo.command(&["rekey", "--yes"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let setters: Vec<_> = (0..20)
        .map(|number| {
            let file = format!("secrets/{number}.yaml");
            let mut command = repo.command(&["set", &file, "new", "--json"]);
            let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut pipe = child.stdin.take().unwrap();
            std::io::Write::write_all(&mut pipe, b"7").unwrap();
            child
        })
        .collect();
    for setter in setters {
        let output = setter.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let output = rekey.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for number in 0..20 {
        let name = format!("secrets/{number}.yaml");
        assert_eq!(repo.opened(&name, BERTA).as_deref(), Some("a: b\nnew: 7\n"), "{name}");
    }
}
