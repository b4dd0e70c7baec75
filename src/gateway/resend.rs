//! `cross_site = "resend"`: a form that a page of another site posts here, a payment's return or a SAML answer, comes
//! without the ticket, as the browser keeps a Lax cookie back. The visitor gets a page of ours that posts the same fields
//! again, from the site's own origin, and so the ticket comes along.
//!
//! Nothing is remembered: the page holds the fields, and the second request is of the same origin because it really is.
//! A mark in its query tells it apart, so that a browser whose second request looks foreign still is not sent round and
//! round. The app does not see the mark.

use std::borrow::Cow;

use http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Uri};
use percent_encoding::percent_decode;

use super::access::{CrossSite, Rule, is_resent};
use super::admit::Admitted;
use super::looks::Manner;
use super::looks::pages::{Field, Kind, Page};
use super::refusal::Refusal;
use crate::headers::fetch::Provenance;
use crate::login::typed::is_utf8_form;
use crate::upstream::visitor::Incoming;
use crate::upstream::{Body, BodyFault, BodyLimits};

/// The largest form that is sent again, in bytes. A SAML answer with many groups has some tens of KiB.
const FORM_BYTES_MAX: usize = 256 << 10;
/// The most fields of one, as a field weighs more in the page than in the form.
const FIELDS_MAX: usize = 1000;
/// What the query of the second request ends with.
const MARK: &str = "cloakroom-resent=1";

const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");

/// A form on its way again.
#[derive(Debug)]
pub struct Resend {
    /// Where it was posted, with the mark.
    action: String,
    fields: Vec<Field>,
    /// How the page looks that does it.
    manner: Manner,
}

/// Whether this request is to be sent again. Takes the mark off one that was.
///
/// # Errors
/// When it was sent again and still seems to come from another site.
pub(super) fn is_due(
    rule: Option<&Rule>,
    from: &Provenance,
    head: &mut Parts,
) -> Result<bool, Refusal> {
    if rule.is_none_or(|rule| rule.cross_site != CrossSite::Resend) {
        return Ok(false);
    }
    let was_sent_again = unmark(&mut head.uri);
    let is_due = is_resent(rule, from, &head.method, &head.headers);
    if is_due && was_sent_again {
        return Err(Refusal::CrossSite);
    }
    Ok(is_due)
}

/// Takes the mark off the end of the query, and tells whether there was one.
fn unmark(uri: &mut Uri) -> bool {
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    let before = target.strip_suffix(MARK);
    let Some(before) = before.and_then(|before| before.strip_suffix(['?', '&'])) else {
        return false;
    };
    // It was one with more at its end.
    let Ok(target) = before.parse() else {
        return false;
    };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(target);
    *uri = Uri::from_parts(parts).unwrap_or_default();
    true
}

impl Resend {
    /// Reads the form to the end, and makes of it what the visitor gets. A refusal in any case: the app is not asked.
    pub(super) async fn of(
        head: &Parts,
        body: Incoming,
        limits: BodyLimits,
        (admitted, manner): (&Admitted, Manner),
    ) -> Refusal {
        if !is_form(&head.headers) {
            return Refusal::CrossSite;
        }
        let mut body = Body::visitor(body, limits).refusing_trailers();
        if let Err(fault) = body.hold(FORM_BYTES_MAX).await {
            return fault.into();
        }
        let form = body.held().filter(|form| form.len() <= FORM_BYTES_MAX);
        let Some(fields) = form.map(fields) else {
            return Refusal::VisitorBody(too_large());
        };
        let Some(fields) = fields else {
            return Refusal::CrossSite;
        };
        if fields.len() > FIELDS_MAX {
            return Refusal::VisitorBody(too_large());
        }
        let target = head.uri.path_and_query();
        let target = target.map_or("/", PathAndQuery::as_str);
        let joint = if target.contains('?') { '&' } else { '?' };
        // The whole address: a path that begins with two slashes would lead to another host.
        let authority = &admitted.authority;
        Refusal::Resend(Box::new(Self {
            action: format!("https://{authority}{target}{joint}{MARK}"),
            fields,
            manner,
        }))
    }

    /// The page.
    pub(super) fn page(&self, request_id: &str) -> String {
        self.manner.html(&Page::Resend {
            action: &self.action,
            fields: &self.fields,
            request_id,
        })
    }

    /// Adds what the head of the answer says beside that of refusals.
    pub(super) fn dress(&self, headers: &mut HeaderMap) {
        let policy = self.manner.policy(Kind::Resend).clone();
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        // Where the form is posted from is told to the site itself: by that its origin is known.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        self.manner.dress(headers);
    }
}

/// Whether the body is a form whose fields say the same when a page of ours posts them.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else {
        return false;
    };
    !headers.contains_key(CONTENT_ENCODING) && one.to_str().is_ok_and(is_utf8_form)
}

fn too_large() -> BodyFault {
    BodyFault::TooLarge {
        bytes_max: FORM_BYTES_MAX as u64,
    }
}

/// The fields of a form in their order; `None` where a page could not post the same again.
pub(super) fn fields(form: &[u8]) -> Option<Vec<Field>> {
    let pieces = form.split(|byte| *byte == b'&');
    let pieces = pieces.filter(|piece| !piece.is_empty());
    let fields = pieces.take(FIELDS_MAX + 1).map(|piece| {
        let mut halves = piece.splitn(2, |byte| *byte == b'=');
        let name = decoded(halves.next()?)?;
        let value = decoded(halves.next().unwrap_or_default())?;
        // A browser posts no field without a name.
        (!name.is_empty()).then_some((name, value))
    });
    fields.collect()
}

/// As browsers encode it. `None` for what is not UTF-8, and for a NUL, which no page can hold.
fn decoded(raw: &[u8]) -> Option<String> {
    let spaced: Cow<'_, [u8]> = if raw.contains(&b'+') {
        let plain = raw
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte });
        plain.collect::<Vec<_>>().into()
    } else {
        raw.into()
    };
    let text = percent_decode(&spaced).decode_utf8().ok()?;
    (!text.contains('\0')).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::looks::Looks;
    use super::*;

    #[test]
    fn fields_come_through_as_they_were_and_in_their_order() {
        let form = b"b=1&a=%22%3C%26%27&a=x+y%2Bz&n%C3%B6=%0D%0A&e=&f&&p=100%25&q=%zz";
        let expected = [
            ("b", "1"),
            ("a", "\"<&'"),
            ("a", "x y+z"),
            ("n\u{f6}", "\r\n"),
            ("e", ""),
            ("f", ""),
            ("p", "100%"),
            ("q", "%zz"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(form).unwrap(), expected);
        assert_eq!(fields(b"").unwrap(), []);
        for bad in [&b"=x"[..], b"a=%ff", b"a=\xff", b"a=%00", b"%00=a"] {
            assert_eq!(fields(bad), None, "{bad:?}");
        }
        let many = b"a&".repeat(5000);
        assert!(fields(&many).unwrap().len() > FIELDS_MAX);
    }

    #[test]
    fn nothing_that_is_posted_becomes_markup() {
        let resend = Resend {
            action: "https://a.test/x?y=\"><script>&cloakroom-resent=1".to_owned(),
            fields: vec![(
                "\"><script>".to_owned(),
                "</form>'\"\r\n<img src=x>".to_owned(),
            )],
            manner: Looks::ours().manner(&HeaderMap::new()),
        };
        let html = resend.page("id");
        assert_eq!(html.matches("<script>").count(), 1, "{html}");
        assert!(!html.contains("<img"), "{html}");
        let input = "name=\"&quot;&gt;&lt;script&gt;\" value=\"&lt;/form&gt;&#39;&quot;&#13;&#10;&lt;img src=x&gt;\"";
        assert!(html.contains(input), "{html}");
    }

    #[test]
    fn the_mark_is_taken_off_and_nothing_else() {
        for (target, left) in [
            ("/x?cloakroom-resent=1", Some("/x")),
            ("/x?a=1&cloakroom-resent=1", Some("/x?a=1")),
            (
                "https://a.test/x?cloakroom-resent=1",
                Some("https://a.test/x"),
            ),
            ("/x?cloakroom-resent=1&a=1", None),
            ("/x?not-cloakroom-resent=1", None),
            ("/x/cloakroom-resent=1", None),
            ("/x", None),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            assert_eq!(unmark(&mut uri), left.is_some(), "{target}");
            assert_eq!(uri.to_string(), left.unwrap_or(target));
        }
    }
}
