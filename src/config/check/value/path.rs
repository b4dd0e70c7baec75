//! Paths of sites and rules.

use super::{Objection, object};

/// A site's path prefix, without a slash at the end.
pub(in crate::config::check) fn site_path(text: &str) -> Result<String, Objection> {
    if text.contains('*') {
        let trimmed = text.trim_end_matches(['*', '/']);
        let way_out = format!(
            "write \"{}\"",
            if trimmed.is_empty() { "/" } else { trimmed }
        );
        return object("a site has all below its path anyway", way_out);
    }
    plain_path(text)?;
    let trimmed = text.trim_end_matches('/');
    Ok(if trimmed.is_empty() { "/" } else { trimmed }.to_owned())
}

/// A path, or one with all below it.
pub(in crate::config::check) fn rule_path(text: &str) -> Result<(), Objection> {
    let stem = text.strip_suffix("/*").unwrap_or(text);
    if stem.contains('*') {
        return object(
            "a * stands for all below a path and nothing else",
            "write for example \"/admin/*\"",
        );
    }
    if stem.is_empty() && !text.is_empty() {
        return Ok(());
    }
    plain_path(stem)
}

/// One path.
pub(in crate::config::check) fn one_path(text: &str) -> Result<(), Objection> {
    if text.contains('*') {
        return object("one path, without *", "write for example \"/login\"");
    }
    plain_path(text)
}

/// Paths are compared in their normal form, so another form would never match.
fn plain_path(text: &str) -> Result<(), Objection> {
    let inner = text.strip_suffix('/').unwrap_or(text);
    if !text.starts_with('/') {
        return object("a path starts with a slash", format!("write \"/{text}\""));
    }
    if text.contains(['?', '#']) {
        return object(
            "a path alone, without a query",
            "leave out what follows ? or #",
        );
    }
    if text.contains(['%', '\\', ';']) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return object(
            "paths are compared decoded, as plain ASCII",
            "write it without %, \\, ; and blanks",
        );
    }
    if inner
        .split('/')
        .skip(1)
        .any(|part| matches!(part, "" | "." | ".."))
        && text != "/"
    {
        return object(
            "requests are compared in their normal form, which this is not",
            "leave out // and segments of dots",
        );
    }
    Ok(())
}

/// Whether a cookie with `cookie_path` is sent everywhere below `path` (RFC 6265bis 5.1.4).
pub(in crate::config::check) fn path_covers(cookie_path: &str, path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}
