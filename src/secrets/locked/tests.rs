//! Many writers at once, writers that know no lock, links, modes, and what a killed one leaves.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_secrets::sops::{MAX_BYTES, SopsError};
use tempfile::TempDir;

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn folder_with(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn writers_at_once_take_turns_and_none_is_lost() {
    let (folder, path) = folder_with("x.yaml", "");
    thread::scope(|scope| {
        for writer in 0..10 {
            let path = &path;
            scope.spawn(move || {
                for line in 0..10 {
                    let file = LockedFile::open(path, SOON).unwrap();
                    let mut text = file.bytes().to_vec();
                    text.extend(format!("{writer} {line}\n").bytes());
                    file.replace(&text).unwrap();
                }
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 100, "{text}");
    assert_eq!(names(&folder), ["x.yaml"]);
}

#[test]
fn a_reader_sees_the_old_text_or_the_new_one() {
    let (_folder, path) = folder_with("x.yaml", &"a".repeat(100_000));
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for letter in ["b", "c", "a"].iter().cycle().take(30) {
                let file = LockedFile::open(&path, SOON).unwrap();
                file.replace(letter.repeat(100_000).as_bytes()).unwrap();
            }
            done.store(1, Ordering::SeqCst);
        });
        while done.load(Ordering::SeqCst) == 0 {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.len() == 100_000 && text.chars().all(|letter| text.starts_with(letter)));
        }
    });
}

#[test]
fn who_holds_the_lock_is_named_to_who_does_not_wait() {
    let (_folder, path) = folder_with("x.yaml", "text");
    let held = LockedFile::open(&path, Duration::ZERO).unwrap();
    let error = LockedFile::open(&path, Duration::from_millis(30)).unwrap_err();
    assert!(matches!(error, LockError::Busy { .. }), "{error}");
    if cfg!(target_os = "linux") {
        assert!(
            error.to_string().starts_with(&format!("process {} is changing", std::process::id())),
            "{error}"
        );
    }
    drop(held);
    LockedFile::open(&path, Duration::ZERO).unwrap();
}

#[test]
fn a_lock_is_found_by_its_inode_and_only_when_one_process_has_it() {
    let locks = "1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF\n\
                 1: -> FLOCK  ADVISORY  WRITE 4712 fe:00:1234 0 EOF\n\
                 2: POSIX  ADVISORY  WRITE 9 fe:00:1234 0 EOF\n\
                 3: FLOCK  ADVISORY  WRITE 0 fe:00:77 0 EOF\n\
                 4: FLOCK  ADVISORY  READ 5 fe:00:88 0 EOF\n\
                 5: FLOCK  ADVISORY  READ 6 fe:00:88 0 EOF\n";
    assert_eq!(holder_in(locks, 1234), Some(4711));
    for unknown in [77, 88, 99] {
        assert_eq!(holder_in(locks, unknown), None, "{unknown}");
    }
}

#[test]
fn a_change_by_somebody_without_the_lock_is_not_overwritten() {
    type Change = fn(&Path);
    let in_place: Change = |path| fs::write(path, "theirs").unwrap();
    let renamed: Change = |path| {
        let beside = path.with_extension("tmp");
        // The same bytes in another file: git checked it out again.
        fs::write(&beside, "text").unwrap();
        fs::rename(beside, path).unwrap();
    };
    let removed: Change = |path| fs::remove_file(path).unwrap();
    for change in [in_place, renamed, removed] {
        let (folder, path) = folder_with("x.yaml", "text");
        let file = LockedFile::open(&path, SOON).unwrap();
        change(&path);
        let there = fs::read(&path).ok();
        let error = file.replace(b"ours").unwrap_err();
        assert!(matches!(error, LockError::Changed { .. }), "{error}");
        assert_eq!(fs::read(&path).ok(), there);
        assert!(names(&folder).iter().all(|name| name == "x.yaml"), "{:?}", names(&folder));
    }
}

#[test]
fn what_could_not_replace_is_kept_beside_under_a_name_of_the_same_kind() {
    let (folder, path) = folder_with("db.yaml", "theirs");
    assert_eq!(LockedFile::keep_beside(&path, b"1").unwrap(), folder.path().join("db.mine.yaml"));
    assert_eq!(LockedFile::keep_beside(&path, b"2").unwrap(), folder.path().join("db.mine-2.yaml"));
    assert_eq!(names(&folder), ["db.mine-2.yaml", "db.mine.yaml", "db.yaml"]);
    assert_eq!(fs::read(folder.path().join("db.mine.yaml")).unwrap(), b"1");
}

#[test]
fn the_mode_is_kept_and_the_owner_where_root_does_it() {
    for mode in [0o600, 0o640, 0o664, 0o400, 0o755] {
        let (_folder, path) = folder_with("x.yaml", "text");
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&path, Some(1234), Some(5678)).unwrap();
        }
        LockedFile::open(&path, SOON).unwrap().replace(b"new").unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.mode() & 0o7777, mode);
        assert!(!root || (found.uid(), found.gid()) == (1234, 5678));
    }
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let (folder, path) = folder_with("real.yaml", "text");
    for link in ["link.yaml", "second.yaml"] {
        let target = if link == "link.yaml" { "real.yaml" } else { "link.yaml" };
        symlink(target, folder.path().join(link)).unwrap();
    }
    let link = folder.path().join("second.yaml");
    LockedFile::open(&link, SOON).unwrap().replace(b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(&folder), ["link.yaml", "real.yaml", "second.yaml"]);
}

#[test]
fn a_link_into_another_repository_is_not_followed() {
    let (theirs, victim) = folder_with("x.yaml", "theirs");
    fs::create_dir(theirs.path().join(".git")).unwrap();
    for ours_is_one in [true, false] {
        let ours = tempfile::tempdir().unwrap();
        if ours_is_one {
            fs::create_dir(ours.path().join(".git")).unwrap();
        }
        let link = ours.path().join("x.yaml");
        symlink(&victim, &link).unwrap();
        let error = LockedFile::open(&link, SOON).unwrap_err();
        assert!(matches!(error, LockError::Elsewhere { .. }), "{error}");
    }
    // Within one repository, and out of one to where none is, it is.
    symlink(&victim, theirs.path().join("link.yaml")).unwrap();
    LockedFile::open(&theirs.path().join("link.yaml"), SOON).unwrap();
    let (_nowhere, free) = folder_with("x.yaml", "text");
    symlink(free, theirs.path().join("out.yaml")).unwrap();
    LockedFile::open(&theirs.path().join("out.yaml"), SOON).unwrap();
}

#[test]
fn what_a_killed_run_left_goes_with_the_next_one() {
    let (folder, path) = folder_with("x.yaml", "text");
    let file = LockedFile::open(&path, SOON).unwrap();
    file.stage(b"half").unwrap();
    drop(file);
    assert_eq!(names(&folder).len(), 2);
    LockedFile::open(&path, SOON).unwrap().replace(b"new").unwrap();
    assert_eq!(names(&folder), ["x.yaml"]);
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_new_file_is_never_made_over_another() {
    let (folder, path) = folder_with("x.yaml", "text");
    symlink("nowhere", folder.path().join("link.yaml")).unwrap();
    for taken in [path.clone(), folder.path().join("link.yaml")] {
        assert!(matches!(create_new(&taken, b"new"), Err(LockError::Exists { .. })));
    }
    assert_eq!(fs::read(&path).unwrap(), b"text");
    create_new(&folder.path().join("y.yaml"), b"new").unwrap();
    assert_eq!(names(&folder), ["link.yaml", "x.yaml", "y.yaml"]);
    assert_eq!(fs::read(folder.path().join("y.yaml")).unwrap(), b"new");
}

#[test]
fn what_would_be_read_without_end_is_refused_at_once() {
    let (folder, path) = folder_with("x.yaml", "text");
    let pipe = folder.path().join("pipe.yaml");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    for (other, said) in [
        (pipe.as_path(), "could not read"),
        (Path::new("/dev/zero"), "no regular file"),
        (folder.path(), "is a directory"),
    ] {
        let error = LockedFile::open(other, SOON).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    // Holes: as long as the bound allows, and one more.
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(MAX_BYTES as u64 + 1).unwrap();
    let error = LockedFile::open(&path, SOON).unwrap_err();
    let is_too_large = |error: &SopsError| *error == SopsError::TooLarge;
    assert!(
        matches!(&error, LockError::System(Error::Secrets { error, .. }) if is_too_large(error)),
        "{error}"
    );
}

#[test]
fn a_lock_is_asked_for_on_a_file_that_may_be_written_and_done_without_where_there_is_none() {
    let (_folder, path) = folder_with("x.yaml", "a");
    let flags = rustix::fs::fcntl_getfl(open_to_lock(&path).unwrap()).unwrap();
    assert!(flags.contains(OFlags::RDWR), "{flags:?}");
    for (code, is_so) in
        [(Errno::BADF, true), (Errno::NOLCK, true), (Errno::OPNOTSUPP, true), (Errno::IO, false)]
    {
        assert_eq!(is_without_locks(&code.into()), is_so, "{code}");
    }
}
