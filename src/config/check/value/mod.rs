//! Values that have a form of their own. Pure; each refusal brings its way out.

mod address;

mod host;

mod path;

mod rule;

pub(super) use address::{
    Listen, SERVICE_URL, admin_address, listen_address, network, service_url, upstream_address,
};
pub(super) use host::{host_pattern, is_within, literal_host};
pub(super) use path::{one_path, path_covers, rule_path, site_path};
pub(super) use rule::{method, page_address, query_name};

use crate::cookie::name::NamePattern;
use crate::headers::path_params::PathParams;

/// Why a value is refused, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Objection {
    pub(super) why: String,
    pub(super) way_out: String,
}

fn object<T>(why: impl Into<String>, way_out: impl Into<String>) -> Result<T, Objection> {
    Err(Objection {
        why: why.into(),
        way_out: way_out.into(),
    })
}

const LATER: &str = "not available in this version";

/// The name of a site: the jar is kept under it, and logs show it.
pub(super) fn site_name(text: &str) -> Result<(), Objection> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() {
        return object("missing", "write for example name = \"shop\"");
    }
    if text.len() > 64 || !text.bytes().all(plain) {
        return object(
            "not a plain name",
            "write up to 64 letters, digits, hyphens, underscores and dots",
        );
    }
    Ok(())
}

/// A cookie's name; `*` stands for anything.
pub(super) fn cookie_pattern(text: &str) -> Result<(), Objection> {
    NamePattern::parse(text)
        .map(drop)
        .or_else(|fault| object(fault.to_string(), ""))
}

/// The name of a path parameter, as in `/shop;jsessionid=1A2B`.
pub(super) fn path_param(text: &str) -> Result<(), Objection> {
    PathParams::parse([text])
        .map(drop)
        .or_else(|fault| object(fault.to_string(), "write for example \"jsessionid\""))
}

#[cfg(test)]
mod tests;
