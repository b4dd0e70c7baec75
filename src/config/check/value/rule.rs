//! Methods, and addresses of pages.

use http::Method;

use super::path::one_path;
use super::{Objection, object};

/// The registered methods that reach an app, from the most common on: another one is a slip.
const METHODS: &str = "GET HEAD POST PUT PATCH DELETE OPTIONS QUERY PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK ACL \
     SEARCH REPORT BIND REBIND UNBIND LINK UNLINK LABEL MERGE CHECKIN CHECKOUT UNCHECKOUT UPDATE VERSION-CONTROL \
     BASELINE-CONTROL MKACTIVITY MKWORKSPACE MKCALENDAR MKREDIRECTREF UPDATEREDIRECTREF ORDERPATCH";

/// A method, as requests name it.
pub(in crate::config::check) fn method(text: &str) -> Result<Method, Objection> {
    let mut known = METHODS.split_whitespace();
    let upper = text.to_ascii_uppercase();
    match known.find(|known| *known == upper) {
        Some(known) if known == text => {}
        Some(known) => {
            let why = "methods are told apart by the case of their letters";
            return object(why, format!("write \"{known}\""));
        }
        None if matches!(&*upper, "TRACE" | "CONNECT") => {
            return object("this method is never served", "take it out");
        }
        None => return object("no such method", "write for example \"POST\""),
    }
    Method::from_bytes(text.as_bytes())
        .or_else(|_| object("no such method", "write for example \"POST\""))
}

/// A path with a query, if it has one.
pub(in crate::config::check) fn page_address(text: &str) -> Result<(), Objection> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    if text.contains("://") || text.starts_with("//") {
        let way_out = "write its path alone, as in \"/login\"";
        return object("the page is one of the site's own hosts", way_out);
    }
    one_path(path)?;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>');
    if !query.bytes().all(is_plain) {
        let way_out = "write it as it stands in the address, for example \"/index.php?title=Special:UserLogin\"";
        return object("not a query", way_out);
    }
    Ok(())
}

/// The name of a value in a query.
pub(in crate::config::check) fn query_name(text: &str) -> Result<(), Objection> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(is_plain) {
        return object(
            "no name of a value in a query",
            "write for example \"redirect_to\"",
        );
    }
    Ok(())
}
