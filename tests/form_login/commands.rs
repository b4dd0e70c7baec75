//! `cloakroom users`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{Club, PASSWORD, users};

#[tokio::test]
async fn users_are_added_changed_and_removed_beside_a_running_gateway() {
    let club = Club::plain().await;
    let folder = club.gate.folder();
    let add = [
        "add",
        "bob",
        "--password-stdin",
        "--group",
        "staff",
        "--totp",
    ];
    let (code, out, err) = users(folder, &add, "a long password\n");
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("otpauth://totp/localhost:bob?secret="),
        "{out}"
    );
    assert!(!out.contains("argon2"), "{out}");

    let (_, list, _) = users(folder, &["list", "--json"], "");
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["users"][1]["id"], "bob");
    assert_eq!(list["users"][1]["totp"], true);
    assert_eq!(list["users"][1]["groups"][0], "staff");
    assert!(list["users"][1].get("password").is_none());

    club.gate.signal("HUP");
    club.gate.says("reloaded").await;
    let browser = club.gate.browser();
    let answer = club.log_in(&browser, "bob", "a long password").await;
    assert_eq!(answer.status(), 303);

    let (code, _, err) = users(
        folder,
        &["passwd", "alice", "--password-stdin"],
        "another one",
    );
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = users(folder, &["remove", "bob"], "");
    assert_eq!(code, 0, "{err}");
    club.gate.signal("HUP");
    let browser = club.gate.browser();
    crate::support::eventually("the new password", async || {
        let answer = club.log_in(&browser, "alice", "another one").await;
        (answer.status() == 303).then_some(())
    })
    .await;
    assert_eq!(club.log_in(&browser, "alice", PASSWORD).await.status(), 401);
    let gone = club.log_in(&browser, "bob", "a long password").await;
    assert_eq!(gone.status(), 401);
}

#[tokio::test]
async fn what_cannot_be_a_password_or_a_user_changes_nothing() {
    let club = Club::plain().await;
    let folder = club.gate.folder();
    let before = fs::read_to_string(club.users_file()).unwrap();
    let long = "x".repeat(1025);
    let stdin = "--password-stdin";
    for (args, input, words) in [
        (vec!["add", "bob", stdin], "1234567\n", "too short"),
        (vec!["add", "bob", stdin], "", "too short"),
        (vec!["add", "bob", stdin], &long, "too long"),
        (
            vec!["add", "bob", stdin],
            "two lines\nof text",
            "more than one line",
        ),
        (
            vec!["add", " bob", stdin],
            "a long password",
            "control characters",
        ),
        (vec!["add", "alice", stdin], "a long password", "already"),
        (vec!["add", "bob"], "a long password", "--password-stdin"),
        (vec!["passwd", "bob", stdin], "a long password", "no user"),
        (vec!["remove", "bob"], "", "no user"),
        (vec!["list", "--site", "none"], "", "no site"),
    ] {
        let (code, out, err) = users(folder, &args, input);
        assert_eq!(code, 1, "{args:?}: {out}{err}");
        assert!(err.contains(words), "{args:?}: {err}");
    }
    assert_eq!(fs::read_to_string(club.users_file()).unwrap(), before);
}

#[tokio::test]
async fn the_first_user_makes_the_file_for_this_user_alone() {
    let club = Club::plain().await;
    fs::remove_file(club.users_file()).unwrap();
    let add = ["add", "bob", "--password-stdin"];
    let (code, _, err) = users(club.gate.folder(), &add, "a long password\n");
    assert_eq!((code, err.as_str()), (0, ""));
    let mode = fs::metadata(club.users_file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(club.users_file()).unwrap();
    assert!(text.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
}

/// A reload with a fault in the users file lets everybody in who got in before.
#[tokio::test]
async fn a_broken_users_file_keeps_the_users_from_before() {
    let club = Club::plain().await;
    fs::write(
        club.users_file(),
        "[[user]]\nid = \"alice\"\npassword = \"hunter2!\"\n",
    )
    .unwrap();
    club.gate.signal("HUP");
    club.gate.says("users_file").await;
    let browser = club.gate.browser();
    assert_eq!(club.log_in(&browser, "alice", PASSWORD).await.status(), 303);
    assert!(!club.gate.printed().contains("hunter2"));
}
