//! What waits for a restart.

use serde_json::json;

use super::rig::{Kept, edit, edit_top, gate, hsts, metric, printed, reload, reload_well};
use super::support::App;

/// Promise: a key that cannot change while the gateway runs is named to who reloads, in the log, and beside readiness
/// until it is put back; all else is applied, and the key keeps its value.
#[tokio::test]
async fn a_key_that_needs_a_restart_is_named_and_the_rest_applied() {
    let app = App::plain().await;
    let gate = gate(&app, "").await;
    edit_top(&gate, "[tls]\nhsts = \"2d\"");
    edit(&gate, "threads = 2", "threads = 3");
    edit(&gate, "[session]\n", "[session]\nidle_timeout = \"7m\"\n");

    let (status, told) = reload(&gate).await;

    assert_eq!(status, 200, "{told}");
    let keys = ["server.threads", "session.idle_timeout"];
    assert_eq!(told["restart_needed"], json!(keys));
    let answer = Kept::h1(&gate).await.get("/").await.unwrap();
    assert_eq!(hsts(&answer), "max-age=172800");
    for key in keys {
        let line = format!("{key} has changed and needs a restart");
        printed(&gate, &line).await;
    }
    let ready = gate.admin("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    let note = "restart needed: server.threads, session.idle_timeout\n";
    assert!(ready.ends_with(&format!("ready\n{note}")), "{ready}");
    assert_eq!(metric(&gate, "cloakroom_config_restart_needed").await, 2);

    edit(&gate, "threads = 3", "threads = 2");
    edit(&gate, "idle_timeout = \"7m\"\n", "");
    reload_well(&gate).await;
    assert_eq!(metric(&gate, "cloakroom_config_restart_needed").await, 0);
    assert!(gate.admin("/readyz").await.ends_with("\r\n\r\nready\n"));
}
