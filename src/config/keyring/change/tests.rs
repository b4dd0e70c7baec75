use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::super::{Keys, read, read_or_make};
use super::*;

const PATIENCE: Duration = Duration::from_secs(600);

const fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

/// A folder with a key ring that was made at second 1000.
fn ring() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.keys");
    read_or_make(&path, PATIENCE, at(1000)).unwrap();
    (folder, path)
}

fn duties(path: &Path, now: u64) -> Vec<Duty> {
    let keys: Keys = read(path, PATIENCE).unwrap();
    keys.states(at(now)).iter().map(|key| key.duty).collect()
}

#[test]
fn a_new_key_waits_then_signs_and_the_old_one_can_go() {
    let (folder, path) = ring();
    let old = read(&path, PATIENCE).unwrap().states(at(1000))[0].id;

    let rotated = rotate(&path, PATIENCE, at(5000)).unwrap();

    assert_eq!(rotated.signs_from, at(5600));
    assert_eq!(duties(&path, 5599), [Duty::Signs, Duty::Waits(at(5600))]);
    assert_eq!(duties(&path, 5600), [Duty::Verifies(at(5600)), Duty::Signs]);
    let refused = drop_key(&path, old, PATIENCE, at(5599)).unwrap_err();
    assert!(matches!(refused, ChangeFault::Signs { .. }), "{refused}");
    let refused = drop_key(&path, rotated.id, PATIENCE, at(5600)).unwrap_err();
    assert!(matches!(refused, ChangeFault::Signs { .. }), "{refused}");

    drop_key(&path, old, PATIENCE, at(5600)).unwrap();

    let refused = drop_key(&path, old, PATIENCE, at(5600)).unwrap_err();
    assert!(
        matches!(refused, ChangeFault::NoSuchKey { .. }),
        "{refused}"
    );
    let refused = drop_key(&path, rotated.id, PATIENCE, at(5600)).unwrap_err();
    assert!(matches!(refused, ChangeFault::Last { .. }), "{refused}");
    assert_eq!(duties(&path, 5600), [Duty::Signs]);
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "no draft and no lock is left");
}

#[test]
fn rotation_keeps_owner_mode_comments_and_links() {
    let (folder, path) = ring();
    let text = fs::read_to_string(&path).unwrap() + "# a word of the operator\n";
    fs::write(&path, &text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can give a file to somebody else.
    let given = std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).is_ok();
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    let before = fs::metadata(&path).unwrap();

    rotate(&link, PATIENCE, at(5000)).unwrap();

    let after = fs::metadata(&path).unwrap();
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert!(!given || after.uid() == 12_345);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&path).unwrap().starts_with(&text));
}

#[test]
fn rotations_at_the_same_moment_lose_no_key() {
    let (_folder, path) = ring();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| rotate(&path, PATIENCE, at(5000)).unwrap());
        }
    });
    assert_eq!(duties(&path, 9000).len(), 9);
}

#[test]
fn a_clock_that_is_behind_makes_no_key_that_counts_as_old() {
    let (_folder, path) = ring();
    let rotated = rotate(&path, PATIENCE, at(10)).unwrap();
    let keys = read(&path, PATIENCE).unwrap();
    assert_eq!(keys.states(at(9000))[1].id, rotated.id);
    assert_eq!(duties(&path, 9000), [Duty::Verifies(at(1600)), Duty::Signs]);
}

#[test]
fn a_file_that_cannot_be_changed_stays_as_it_is() {
    let (folder, path) = ring();
    let absent = rotate(&folder.path().join("absent"), PATIENCE, at(1)).unwrap_err();
    assert!(
        matches!(absent, ChangeFault::Keys(KeysFault::Absent(_))),
        "{absent}"
    );

    let keys = fs::read_to_string(&path).unwrap();
    let value = |name: &str| {
        let line = keys.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(" = ").unwrap().1.to_owned()
    };
    let inline = format!(
        "session_id_key = {}\nkeys = [{{ secret = {}, created = 1 }}]\n",
        value("session_id_key"),
        value("secret")
    );
    for text in [inline.as_str(), "hunter2"] {
        fs::write(&path, text).unwrap();
        let refused = rotate(&path, PATIENCE, at(5000)).unwrap_err();
        assert!(!format!("{refused:?}").contains("hunter2"));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
