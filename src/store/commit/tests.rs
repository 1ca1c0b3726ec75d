//! A commit stopped at every step, and what a journal may not do.

use tempfile::TempDir;

use super::*;

type Tree = BTreeMap<String, Vec<u8>>;

const OLD: &[(&str, &str)] = &[("a/kept", "1"), ("a/changed", "old"), ("b/gone", "2"), ("top", "old")];
const NEW: &[(&str, &str)] = &[("a/changed", "new"), ("a/kept", "1"), ("c/added", "3"), ("top", "new")];
const WRITTEN: [&str; 3] = ["a/changed", "c/added", "top"];

fn tree(of: &[(&str, &str)]) -> Tree {
    of.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

fn read(root: &Path) -> Tree {
    let mut found = Tree::new();
    for folder in ["", "a", "b", "c"] {
        let Ok(entries) = fs::read_dir(root.join(folder)) else { continue };
        for entry in entries.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
            let name = Path::new(folder).join(entry.file_name());
            found.insert(name.display().to_string(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// The folder with the old tree, and the change that makes it the new one.
fn start() -> (TempDir, Lock, ChangeSet) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in OLD {
        fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(path), text).unwrap();
    }
    let writes = tree(NEW).into_iter().filter(|(path, _)| WRITTEN.contains(&path.as_str())).collect();
    let changes = ChangeSet { writes, removes: vec!["b/gone".to_owned()] };
    let lock = Lock::take(folder.path()).unwrap();
    (folder, lock, changes)
}

fn remains(root: &Path) -> usize {
    [STAGING, COMMITTED, DONE].iter().filter(|name| root.join(name).exists()).count()
}

#[test]
fn a_commit_makes_the_new_tree_and_leaves_nothing_of_its_own() {
    let (folder, lock, changes) = start();
    lock.commit(&changes).unwrap();
    assert_eq!(read(folder.path()), tree(NEW));
    assert_eq!(remains(folder.path()), 0);
    assert!(!folder.path().join("b").exists(), "a folder that is empty then goes too");
}

#[test]
fn whatever_was_staged_before_the_rename_is_dropped() {
    for whole in [true, false] {
        let (folder, lock, changes) = start();
        if whole {
            lock.stage(&changes).unwrap();
        } else {
            fs::create_dir_all(folder.path().join(STAGING).join(TREE).join("a")).unwrap();
        }
        assert_eq!(lock.recover().unwrap(), Some(Interrupted::Staged));
        assert_eq!(read(folder.path()), tree(OLD));
        assert_eq!(remains(folder.path()), 0);
    }
}

#[test]
fn wherever_it_stops_after_the_rename_the_next_run_finishes() {
    // Nothing moved, one to three files moved, the old file gone, the folder renamed to be removed.
    for moment in 0..=WRITTEN.len() + 2 {
        let (folder, lock, changes) = start();
        let root = folder.path();
        lock.stage(&changes).unwrap();
        rename(&root.join(STAGING), &root.join(COMMITTED)).unwrap();
        for path in WRITTEN.iter().take(moment) {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            rename(&root.join(COMMITTED).join(TREE).join(path), &root.join(path)).unwrap();
        }
        if moment > WRITTEN.len() {
            remove_file(&root.join("b/gone")).unwrap();
        }
        if moment > WRITTEN.len() + 1 {
            rename(&root.join(COMMITTED), &root.join(DONE)).unwrap();
        }
        assert!(lock.recover().unwrap().is_some());
        assert_eq!(read(root), tree(NEW), "stopped after {moment}");
        assert_eq!(remains(root), 0);
        assert_eq!(lock.recover().unwrap(), None);
    }
}

#[test]
fn a_journal_that_leads_elsewhere_is_not_believed() {
    let elsewhere = tempfile::tempdir().unwrap();
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    let out = victim.display().to_string();
    let journal = |writes: &[&str], removes: &[&str]| Journal {
        writes: writes.iter().map(|path| (*path).to_owned()).collect(),
        removes: removes.iter().map(|path| (*path).to_owned()).collect(),
    };
    for journal in
        [journal(&[], &[&out]), journal(&[], &["../x"]), journal(&[&out], &[]), journal(&["victim"], &[])]
    {
        let (folder, lock, _) = start();
        let committed = folder.path().join(COMMITTED);
        fs::create_dir(&committed).unwrap();
        fs::write(committed.join(JOURNAL), serde_json::to_vec(&journal).unwrap()).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), committed.join(TREE)).unwrap();
        assert!(lock.recover().is_err(), "{journal:?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    }
}

#[test]
fn a_journal_does_not_lead_through_a_link_however_deep() {
    for writes in [true, false] {
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir(elsewhere.path().join("deep")).unwrap();
        let victim = elsewhere.path().join("deep/victim");
        fs::write(&victim, "mine").unwrap();
        let (folder, lock, _) = start();
        let tree = folder.path().join(COMMITTED).join(TREE);
        fs::create_dir_all(tree.join("c/deep")).unwrap();
        fs::write(tree.join("c/deep/victim"), "theirs").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("c")).unwrap();
        let path = vec!["c/deep/victim".to_owned()];
        let journal = if writes {
            Journal { writes: path, removes: Vec::new() }
        } else {
            Journal { writes: Vec::new(), removes: path }
        };
        let text = serde_json::to_vec(&journal).unwrap();
        fs::write(folder.path().join(COMMITTED).join(JOURNAL), text).unwrap();
        assert!(lock.recover().is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        // The same path is none of ours where no link is.
        assert!(!is_ours("c/deep/victim") && is_ours("c/file") && is_ours("file") && !is_ours(""));
        assert!(first_link(folder.path(), std::iter::once(folder.path().join("c/deep/victim"))).is_some());
    }
}

#[test]
fn a_link_in_place_of_a_folder_takes_no_file_elsewhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let (folder, lock, changes) = start();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("c")).unwrap();
    assert!(lock.commit(&changes).unwrap_err().to_string().contains("a symbolic link stands there"));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert_eq!(remains(folder.path()), 0);
}

#[test]
fn each_is_waited_for_once_and_one_that_fails_is_an_error() {
    let items: Vec<usize> = (0..=3 * WAITING).collect();
    let seen = std::sync::Mutex::new(Vec::new());
    let wait = |item: &usize, bad: usize| {
        seen.lock().unwrap().push(*item);
        if *item == bad {
            Err(Error::io("write", item.to_string())(io::Error::other("full")))
        } else {
            Ok(())
        }
    };
    each_waiting(&items, |item| wait(item, items.len())).unwrap();
    seen.lock().unwrap().sort_unstable();
    assert_eq!(*seen.lock().unwrap(), items);
    for bad in [0, WAITING, items.len() - 1] {
        let error = each_waiting(&items, |item| wait(item, bad)).unwrap_err();
        assert!(error.to_string().contains(&format!("`{bad}`")), "{error}");
    }
    each_waiting(&[], |item| wait(item, 0)).unwrap();
}
