//! What goes to a visitor before an answer, as HTTP/1.1 writes it. hyper's server has no way to send it.

use http::HeaderMap;

use crate::server::h1::talk::Talk;
use crate::upstream::visitor::Interim;

/// Has `interim` written before the answer that is being made. `100 Continue` is not: hyper sends it when the body is
/// asked for.
pub(super) fn say(interim: &Interim, talk: &Talk) {
    match interim {
        Interim::Continue => {}
        Interim::EarlyHints(fields) => talk.say(&text(fields)),
    }
}

fn text(fields: &HeaderMap) -> Vec<u8> {
    let mut text = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for (name, value) in fields {
        // Names and values were read strictly, or checked by the `http` crate: no line ends in them.
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
