//! Reloads that are refused.

use std::fs;

use serde_json::Value;

use super::rig::{
    Kept, edit, edit_top, gate, hsts, metric, printed, reload, reload_by_signal, reload_well,
};
use super::support::{App, Gate};

const REFUSED: &str = "cloakroom_config_reloads_total{result=\"refused\"}";
const IN_FORCE: &str = "max-age=31536000";

async fn unchanged(gate: &Gate) {
    let answer = Kept::h1(gate).await.get("/").await.unwrap();
    assert_eq!((answer.status().as_u16(), hsts(&answer)), (200, IN_FORCE));
}

/// Promise: a configuration with faults changes nothing; all of its faults are told with file, line and key, in the log
/// and to who asked; metrics and readiness show that it was refused, until one succeeds.
#[tokio::test]
async fn a_bad_configuration_keeps_the_old_one_and_names_every_fault() {
    let app = App::plain().await;
    let gate = gate(&app, "").await;
    assert_eq!(
        metric(&gate, "cloakroom_config_last_reload_success").await,
        1
    );
    let good = fs::read_to_string(gate.folder().join("cloakroom.toml")).unwrap();
    edit_top(&gate, "[tls]\nhsts = \"2d\"\nbanana = 1");
    edit(&gate, "[session]\n", "[session]\nidle_timeout = \"soon\"\n");

    let (status, told) = reload(&gate).await;

    assert_eq!((status, &told["reloaded"]), (422, &Value::Bool(false)));
    let faults = told["faults"].as_array().unwrap();
    let keys: Vec<_> = faults.iter().map(|fault| fault["key"].as_str()).collect();
    assert_eq!(
        keys,
        [Some("tls.banana"), Some("session.idle_timeout")],
        "{told}"
    );
    for fault in faults {
        assert_eq!(fault["file"], "cloakroom.toml");
        assert!(fault["line"].as_u64() > Some(1), "{fault}");
        let text = fault["text"].as_str().unwrap();
        let escaped = text.replace('"', "\\\"");
        printed(&gate, &escaped).await;
    }
    printed(&gate, "the reload was refused").await;
    unchanged(&gate).await;
    assert_eq!(metric(&gate, REFUSED).await, 1);
    assert_eq!(
        metric(&gate, "cloakroom_config_last_reload_success").await,
        0
    );
    let ready = gate.admin("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    assert!(ready.contains("the last reload was refused"), "{ready}");

    reload_by_signal(&gate).await;
    assert_eq!(metric(&gate, REFUSED).await, 2);
    unchanged(&gate).await;

    fs::write(gate.folder().join("cloakroom.toml"), good).unwrap();
    reload_well(&gate).await;
    assert_eq!(
        metric(&gate, "cloakroom_config_last_reload_success").await,
        1
    );
    assert!(metric(&gate, "cloakroom_config_last_reload_timestamp_seconds").await > 1_700_000_000);
    let ready = gate.admin("/readyz").await;
    assert!(!ready.contains("refused"), "{ready}");
}

/// Promise: a file that is missing, or that cannot be read, changes nothing.
#[tokio::test]
async fn a_file_that_is_not_there_keeps_the_old_configuration() {
    let app = App::plain().await;
    let gate = gate(&app, "").await;
    let file = gate.folder().join("cloakroom.toml");
    let good = fs::read_to_string(&file).unwrap();
    let refused = async |what: &str| {
        let (status, told) = reload(&gate).await;
        assert_eq!(status, 422, "{what}: {told}");
        unchanged(&gate).await;
        told.to_string()
    };

    fs::remove_file(&file).unwrap();
    assert!(refused("no file").await.contains("no such file"));
    // A folder is what nobody may read as a file, root neither.
    fs::create_dir(&file).unwrap();
    assert!(refused("a folder").await.contains("cannot be read"));
    fs::remove_dir(&file).unwrap();
    let bad = good.replace("gate.pem", "other.pem");
    fs::write(&file, bad).unwrap();
    assert!(refused("no certificate").await.contains("other.pem"));
    fs::write(&file, format!("include = [\"conf.d/a.toml\"]\n{good}")).unwrap();
    refused("no such include").await;
    fs::write(&file, &good).unwrap();
    let keys = gate.folder().join("data/session.keys");
    let ring = fs::read_to_string(&keys).unwrap();
    fs::write(&keys, "no keys").unwrap();
    edit_top(&gate, "[tls]\nhsts = \"2d\"");
    assert!(
        refused("a bad key ring")
            .await
            .contains("is not a key ring")
    );

    fs::write(&keys, ring).unwrap();
    reload_well(&gate).await;
    let answer = Kept::h1(&gate).await.get("/").await.unwrap();
    assert_eq!(hsts(&answer), "max-age=172800");
}

/// Promise: nobody reloads by the administration without its token.
#[tokio::test]
async fn a_reload_needs_the_token_and_a_post() {
    let app = App::plain().await;
    let gate = gate(&app, "").await;
    gate.admin_address().await;

    let refused = gate.admin_says("POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(refused.await.starts_with("HTTP/1.1 401 "));
    let refused = gate.admin_knowing("/api/v1/reload").await;
    assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
    assert!(refused.to_lowercase().contains("allow: post"), "{refused}");
    assert_eq!(
        metric(&gate, "cloakroom_config_reloads_total{result=\"success\"}").await,
        0
    );
}
