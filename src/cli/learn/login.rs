//! The `[site.login]` that is proposed.

use serde_json::{Value, json};

use crate::cookie::logins::LoginProposal;
use crate::login::presets::{PRESETS, Preset, PresetWho};

/// As it is written in a configuration, with what its reader has to know.
pub(super) fn block(login: &LoginProposal) -> String {
    let form = &login.form;
    let mut lines = vec![String::new(), "[site.login]".to_owned()];
    if let Some((preset, base)) = preset_of(login) {
        lines.push(format!(
            "# {} logs in like this: preset = {preset:?} with base = {base:?} says the same and knows the logout.",
            form.path
        ));
    }
    if !login.saw_failure {
        lines.push(
            "# Every login was answered alike: try a wrong password too, and see that success tells it apart."
                .to_owned(),
        );
    }
    if form.user_field.is_none() {
        lines.push(
            "# No field looks like a user's. Where there is but one user, say who it is."
                .to_owned(),
        );
    }
    lines.push("# A logout was not looked for; see config.example.toml.".to_owned());
    lines.push("method = \"watch\"".to_owned());
    let who = match &form.user_field {
        Some(field) => format!("user_field = {field:?}"),
        None => "user = \"somebody\"".to_owned(),
    };
    let kind = match form.json && form.user_field.is_some() {
        true => ", content_type = \"json\"",
        false => "",
    };
    let cookie = match &login.sets_cookie {
        Some(name) => format!(", sets_cookie = {name:?}"),
        None => String::new(),
    };
    lines.push(format!(
        "login = {{ method = {:?}, path = {:?}, {who}{kind}, success = {{ status = [{}]{cookie} }} }}",
        form.method, form.path, login.status
    ));
    lines.join("\n")
}

/// The same for a program.
pub(super) fn json(login: &LoginProposal) -> Value {
    json!({
        "method": login.form.method,
        "path": login.form.path,
        "user_field": login.form.user_field,
        "content_type": if login.form.json { "json" } else { "form" },
        "success": { "status": [login.status], "sets_cookie": login.sets_cookie },
        "saw_failure": login.saw_failure,
        "preset": preset_of(login).map(|(preset, _)| preset),
    })
}

/// The preset that says the same, and the folder of the app.
fn preset_of(login: &LoginProposal) -> Option<(&'static str, &str)> {
    let is_like = |preset: &&Preset| match preset.who {
        PresetWho::Field(field, _) => login.form.user_field.as_deref() == Some(field),
        PresetWho::Fixed(_) => login.form.user_field.is_none(),
    };
    PRESETS.iter().filter(is_like).find_map(|preset| {
        let plain = preset.login_path.rsplit("/*").next()?;
        let base = login.form.path.strip_suffix(plain)?;
        Some((preset.name, if base.is_empty() { "/" } else { base }))
    })
}
