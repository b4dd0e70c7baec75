//! A configuration that cannot work stops the gateway before anything is half started: exit 78, and on stderr every
//! fault with its key, its value and the way out.

mod support;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use support::{Setup, cloakroom, configuration, eventually, write_certificate};

const BAD_CONFIGURATION: i32 = 78;

/// A folder with a configuration that works.
fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    write_certificate(folder.path());
    let app = SocketAddr::from(([127, 0, 0, 1], 9));
    (folder, configuration(app, Setup::default()))
}

/// Runs `cloakroom COMMAND --config` on `text`; returns its exit code and what it said on stderr.
async fn said(command: &str, folder: &Path, text: &str) -> (Option<i32>, String) {
    fs::write(folder.join("cloakroom.toml"), text).expect("the configuration");
    let mut child = cloakroom(folder, &[command, "--config", "cloakroom.toml"])
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("stderr")).expect("a file"))
        .spawn()
        .expect("the binary starts");
    let ended = eventually("the end of a process that cannot work", async || {
        child.try_wait().expect("the process")
    });
    let ended = ended.await;
    let stderr = fs::read_to_string(folder.join("stderr")).expect("its words");
    (ended.code(), stderr)
}

/// `run` refuses `text` and names everything in `expected`.
async fn refused(folder: &Path, text: &str, expected: &[&str]) {
    let (code, stderr) = said("run", folder, text).await;
    assert_eq!(code, Some(BAD_CONFIGURATION), "{stderr}");
    for word in expected {
        assert!(stderr.contains(word), "{word:?} is not in:\n{stderr}");
    }
    assert!(!stderr.contains("listening"), "half started:\n{stderr}");
}

#[tokio::test]
async fn what_the_text_alone_shows_is_refused() {
    let (folder, good) = folder();
    let more_of_the_session = |lines: &str| {
        let end = "[session.keys]";
        good.replacen(end, &format!("[session.cookie]\n{lines}\n\n{end}"), 1)
    };
    let twin = "\n[[site]]\nname = \"twin\"\nhosts = [\"localhost\"]\nupstream = [\"http://127.0.0.1:9\"]\n";
    let cases: [(String, &[&str]); 11] = [
        (
            more_of_the_session("domain = \"example.com\""),
            &["session.cookie", "__Host-", "domain"],
        ),
        (
            more_of_the_session("name = \"s\"\nsame_site = \"None\"\nsecure = false"),
            &["session.cookie", "same_site", "secure"],
        ),
        (
            format!("{good}{twin}"),
            &["site.hosts", "localhost", "site \"app\" has this host"],
        ),
        (
            good.replace("threads = 2", "thraeds = 2"),
            &["thraeds", "threads"],
        ),
        (
            good.replace("threads = 2", "threads = \"two\""),
            &["threads"],
        ),
        (
            format!("{good}\n[site.login]\nmethod = \"oidc\"\n"),
            &["site.login.issuer", "missing"],
        ),
        (
            format!("{good}\n[site.login]\nmethod = \"watch\"\n"),
            &["site.login.login", "missing"],
        ),
        (
            good.replace("engine = \"sqlite\"", "engine = \"redis\""),
            &["session.store.url", "url_file"],
        ),
        (
            good.replace("engine = \"sqlite\"", "engine = \"oracle\""),
            &["session.store.engine", "postgres"],
        ),
        (
            good.replace("[session]\n", "[session]\nrotate_every = \"1s\"\n"),
            &["session.rotate_every", "session.rotation_grace"],
        ),
        (
            good.replace(
                "engine = \"sqlite\"",
                "engine = \"sqlite\"\nnear_cache = \"64MiB\"",
            ),
            &["session.store.near_cache", "sqlite"],
        ),
    ];
    for (text, expected) in &cases {
        assert_ne!(text, &good, "the case changes something");
        refused(folder.path(), text, expected).await;
        let (code, stderr) = said("check", folder.path(), text).await;
        assert_eq!(code, Some(BAD_CONFIGURATION), "{stderr}");
    }
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[tokio::test]
async fn all_faults_are_told_at_once_with_their_place() {
    let (folder, good) = folder();
    let text = good
        .replace("threads = 2", "thraeds = 2")
        .replace("access = \"stdout\"", "access = 7")
        .replace("http://127.0.0.1:9", "gopher://127.0.0.1:9");

    refused(folder.path(), &text, &["thraeds", "access", "gopher"]).await;

    let (_, stderr) = said("check", folder.path(), &text).await;
    let line = 1 + text
        .lines()
        .position(|line| line.contains("thraeds"))
        .expect("the line");
    let place = format!("cloakroom.toml:{line}:");
    assert!(stderr.contains(&place), "{place} is not in:\n{stderr}");
}

#[tokio::test]
async fn a_certificate_that_cannot_serve_is_refused() {
    let (folder, good) = folder();
    let certificate = folder.path().join("gate.pem");
    let original = fs::read(&certificate).expect("the certificate");

    fs::remove_file(&certificate).expect("it is gone");
    refused(folder.path(), &good, &["cert_file", "gate.pem"]).await;
    let (code, stderr) = said("check", folder.path(), &good).await;
    assert_eq!(code, Some(0), "check judges the text alone: {stderr}");
    assert!(stderr.contains("gate.pem"), "but it warns: {stderr}");

    fs::write(&certificate, "no certificate").expect("rubbish");
    refused(folder.path(), &good, &["cert_file", "gate.pem"]).await;

    let other = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let mismatched = parameters.self_signed(&other).expect("a certificate");
    fs::write(&certificate, mismatched.pem()).expect("another's certificate");
    refused(
        folder.path(),
        &good,
        &["cloakroom.toml:", "key_file", "gate-key.pem"],
    )
    .await;

    parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = parameters.self_signed(&other).expect("a certificate");
    fs::write(&certificate, expired.pem()).expect("an old certificate");
    let key = folder.path().join("gate-key.pem");
    fs::write(key, other.serialize_pem()).expect("its key");
    refused(
        folder.path(),
        &good,
        &["cloakroom.toml:", "cert_file", "expired"],
    )
    .await;
    let left_behind = folder.path().join("data").exists();
    assert!(!left_behind, "a start that is refused leaves nothing");

    fs::write(&certificate, original).expect("the certificate");
}

#[tokio::test]
async fn files_for_tls_to_an_app_that_cannot_be_used_are_refused() {
    let (folder, good) = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("rubbish.pem", "no certificate");
    let other = rcgen::KeyPair::generate().expect("a key");
    write("other-key.pem", &other.serialize_pem());
    let client = "client_cert_file = \"gate.pem\"\nclient_key_file";
    for (options, key, way_out) in [
        ("ca_file = \"rubbish.pem\"", "ca_file", "name a PEM file of"),
        (
            &*format!("{client} = \"rubbish.pem\""),
            "client_key_file",
            "name a PEM file with the private key",
        ),
        (
            &*format!("{client} = \"other-key.pem\""),
            "client_key_file",
            "name the key of the certificate",
        ),
    ] {
        let text = good.replace("http://127.0.0.1:9", "https://127.0.0.1:9");
        let text = format!("{text}\n[site.upstream_options]\n{options}\n");
        let key = format!("site[0].upstream_options.{key}");
        refused(
            folder.path(),
            &text,
            &["cloakroom.toml:", &key, way_out, ".pem"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_refused() {
    let (folder, good) = folder();
    // Not even root can make a folder there.
    let text = good.replace("data/sessions.db", "/proc/cloakroom/sessions.db");
    refused(
        folder.path(),
        &text,
        &["session.store.path", "/proc/cloakroom"],
    )
    .await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_refused() {
    let (folder, good) = folder();
    let engine = "engine = \"redis\"\nurl_file = \"redis.url\"";
    let text = good.replace("engine = \"sqlite\"", engine);
    let expected = ["cloakroom.toml:", "session.store.url_file", "redis.url"];
    refused(folder.path(), &text, &expected).await;
    let (code, stderr) = said("check", folder.path(), &text).await;
    assert_eq!(code, Some(0), "check judges the text alone: {stderr}");
    assert!(stderr.contains("redis.url"), "but it warns: {stderr}");

    fs::write(folder.path().join("redis.url"), "").expect("an empty file");
    refused(folder.path(), &text, &["redis.url", "is empty"]).await;
    let left_behind = folder.path().join("data").exists();
    assert!(!left_behind, "a start that is refused leaves nothing");
}

#[tokio::test]
async fn a_password_is_not_printed_with_a_fault() {
    let (folder, good) = folder();
    for url in [
        "url = \"redis://alice:hunter2@db",
        "url = \"mysql://alice:hunter2@db\"",
    ] {
        let text = good.replace("engine = \"sqlite\"", &format!("engine = \"redis\"\n{url}"));
        for command in ["run", "check"] {
            let (code, stderr) = said(command, folder.path(), &text).await;
            assert_eq!(code, Some(BAD_CONFIGURATION), "{stderr}");
            assert!(!stderr.contains("hunter2"), "{stderr}");
        }
    }
}

#[tokio::test]
async fn a_port_that_somebody_has_is_refused() {
    let (folder, good) = folder();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("its address").to_string();
    let text = good.replace("127.0.0.1:0", &taken);
    let (code, stderr) = said("run", folder.path(), &text).await;
    assert_eq!(code, Some(1), "another start may have it: {stderr}");
    for word in ["cloakroom.toml:", "server.https", &taken] {
        assert!(stderr.contains(word), "{word:?} is not in:\n{stderr}");
    }
    let left_behind = folder.path().join("data").exists();
    assert!(!left_behind, "a start that is refused leaves nothing");
}

/// Promise: `check` reads what is there of certificates, keys and CAs, and says which file is wrong and how.
#[tokio::test]
async fn check_reads_the_files_of_tls() {
    let (folder, good) = folder();
    let path = folder.path();
    fs::write(path.join("junk.pem"), "junk").expect("a file");
    let secure = |more: &str| {
        let options = format!("[site.upstream_options]\n{more}\n");
        good.replace("http://127.0.0.1:9", "https://127.0.0.1:9") + &options
    };
    let pair = |key: &str| {
        secure(&format!(
            "client_cert_file = \"gate.pem\"\nclient_key_file = \"{key}\""
        ))
    };
    for (text, key) in [
        (good.replace("gate-key.pem", "junk.pem"), "key_file"),
        (good.replace("gate.pem", "junk.pem"), "cert_file"),
        (secure("ca_file = \"junk.pem\""), "ca_file"),
        (pair("junk.pem"), "client_key_file"),
    ] {
        let (code, stderr) = said("check", path, &text).await;
        assert_eq!(code, Some(BAD_CONFIGURATION), "{key}: {stderr}");
        for word in ["junk.pem", "cloakroom.toml:", key] {
            assert!(stderr.contains(word), "{word:?} is not in:\n{stderr}");
        }
    }
    for fine in [good.clone(), pair("gate-key.pem"), pair("absent.pem")] {
        let (code, stderr) = said("check", path, &fine).await;
        assert_eq!(code, Some(0), "{stderr}");
    }
    let (code, stderr) = said("check", path, &secure("health_interval = \"1s\"\nrise = 3")).await;
    assert_eq!(code, Some(0), "{stderr}");
    for key in ["health_interval", "rise"] {
        let warning = format!("upstream_options.{key}");
        assert!(
            stderr.contains(&warning) && stderr.contains("without health"),
            "{stderr}"
        );
    }
}
