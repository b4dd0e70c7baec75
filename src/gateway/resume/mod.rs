//! A form that comes from a visitor who has to log in first: it is kept, and once they have logged in a page of ours shows
//! what it would send where, with a button. Nothing is sent without the button, and nothing twice.
//!
//! Whose form it is, is known by a cookie of the browser that sent it: the ticket changes with the login, and the form is
//! to outlive that. A link to the page says only which of a browser's forms is meant, so that it shows nobody the form of
//! another; and only forms that the site's own pages send are kept, so that no other site can have one confirmed. The
//! button posts to the page itself, which takes the form out of the store and answers 307: the browser sends what it has
//! just sent once more, to where it was going, and a second press finds nothing.

mod kept;

pub mod quota;

pub use self::kept::KeptFor;

use std::borrow::Cow;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue, LOCATION};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;

use self::kept::{KeptForm, SLOTS, Slot, TARGET_BYTES_MAX};
use super::Gateway;
use super::access_log::Line;
use super::demand::Lack;
use super::denial::Denial;
use super::form_page::Asked;
use super::forward::Call;
use super::looks::pages::{Kept, Page};
use super::own::not_allowed;
use super::refusal::Refusal;
use super::resend::{fields, is_form};
use super::visit::Visit;
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::base::meter::Count;
use crate::cookie::form_key::FormKey;
use crate::headers::fetch::Provenance;
use crate::headers::navigation::audience;
use crate::login::back::{resume_page, way_on};
use crate::login::typed;
use crate::session::{User, UserKey};
use crate::store::{Note, Notes, StoreFault};
use crate::upstream::Body;
use crate::upstream::visitor::Incoming;

/// For so long a form is kept.
const KEPT_FOR: Duration = Duration::from_secs(KEPT_SECS as u64);
const KEPT_SECS: u32 = 900;
/// The largest form, in bytes: with the address beside it, it fits a note.
pub const BYTES_MAX: usize = 16 << 10;
/// So many fields are kept, and so many are shown.
const FIELDS_MAX: usize = 500;
const SHOWN_MAX: usize = 40;
/// So much of a name or a value is shown, in letters.
const LETTERS_MAX: usize = 120;
/// Parts of names of fields whose values are not shown.
const SECRETS: [&str; 16] = [
    "pass", "pwd", "secret", "token", "csrf", "xsrf", "nonce", "pin", "otp", "code", "cvv", "cvc",
    "card", "iban", "key", "auth",
];

impl Gateway {
    /// What is said to whoever is refused. If they are to log in first, their form is kept where that can be done.
    pub(super) async fn keep_form(
        &self,
        refusal: Refusal,
        (head, body): (&Parts, Incoming),
        call: &Call<'_>,
        line: &Line,
    ) -> Refusal {
        let Refusal::Denied(mut denial) = refusal else {
            return refusal;
        };
        if let (Some(notes), true) = (self.store.notes(), may_be_kept(&denial, head, call)) {
            match self.keep(notes, (head, body), call, line).await {
                Ok(Some(kept)) => denial.keep(kept),
                Ok(None) => {}
                Err(refusal) => return refusal,
            }
        }
        Refusal::Denied(denial)
    }

    async fn keep(
        &self,
        notes: &dyn Notes,
        (head, body): (&Parts, Incoming),
        call: &Call<'_>,
        line: &Line,
    ) -> Result<Option<KeptFor>, Refusal> {
        let site = call.site;
        let Some(body) = self.read_whole(body, site.preserve_post).await? else {
            return Ok(None);
        };
        let can_be_shown = fields(&body).is_some_and(|fields| fields.len() <= FIELDS_MAX);
        let now = self.clock.now();
        if !can_be_shown || !self.form_quota.take(line.client_ip, now) {
            return Ok(None);
        }
        let form = KeptForm {
            target: target(head).to_owned(),
            body,
            user: call.user().map(User::key),
        };
        let key = FormKey::brought(&head.headers).unwrap_or_else(FormKey::random);
        let number = match put(notes, &form, (&key, &site.name), now).await {
            Ok(number) => number,
            Err(fault) => {
                self.meter.count(Count::StoreFaults);
                tracing::warn!(request_id = &*line.request_id, error = %Causes(&fault), "a form could not be kept");
                None
            }
        };
        let Some(number) = number else {
            return Ok(None);
        };
        let address = resume_page(&site.prefix, number);
        let page = site.login_page.as_ref();
        let Some((login, cookie)) = page
            .and_then(|page| page.address_and_resume(&address))
            .zip(key.set(KEPT_SECS))
        else {
            return Ok(None);
        };
        self.meter.count(Count::FormsKept);
        tracing::info!(
            request_id = &*line.request_id,
            site = %site.name,
            client_ip = %line.client_ip,
            bytes = form.body.len(),
            "a form is kept until its visitor has logged in"
        );
        Ok(Some(KeptFor { login, cookie }))
    }

    /// A visitor's body, whole; `None` where it is larger.
    async fn read_whole(
        &self,
        body: Incoming,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let mut body = Body::visitor(body, self.body_limits).refusing_trailers();
        body.hold(bytes_max).await.map_err(Refusal::VisitorBody)?;
        let held = body.held().filter(|held| held.len() <= bytes_max);
        Ok(held.map(<[u8]>::to_vec))
    }

    /// The page at `resume`.
    pub(super) async fn resume_page(
        &self,
        asked: Asked<'_>,
        body: Incoming,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        asked.is_for_people()?;
        let from = asked.provenance();
        let posts = match asked.head.method {
            Method::GET | Method::HEAD => false,
            Method::POST if from.is_same_origin() => true,
            Method::POST => return Err(Refusal::CrossSite),
            _ => return Ok(not_allowed("GET, HEAD, POST")),
        };
        let cookies = self.screen_in(asked.site, &asked.head.headers)?;
        let visit = self.own_visit(asked, &cookies, &from, line).await?;
        let visit = self.let_in(visit, asked.site, asked.head, false)?;
        let user = match self.user_here(asked, &visit, &from, line) {
            Some(user) => user,
            None => return Err(self.not_logged_in(asked, &visit, &from)),
        };
        line.user = Some(user.id.clone());
        let Some(notes) = self.store.notes() else {
            return Ok(gone(asked));
        };
        let now = self.clock.now();
        let meant = FormKey::brought(&asked.head.headers).zip(number(asked.head));
        let Some((key, number)) = meant else {
            return Ok(gone(asked));
        };
        let slot = Slot {
            key: &key,
            site: &asked.site.name,
            number,
        };
        let sealed = notes.get(slot.note(), now).await?;
        let form = sealed
            .as_deref()
            .and_then(|sealed| KeptForm::open(sealed, &slot))
            .filter(|form| form.is_for(user.key()));
        let Some(form) = form else {
            return Ok(gone(asked));
        };
        if !posts {
            return Ok(shown(asked, &form, number));
        }
        // The form that the button sends again, maybe in a longer spelling.
        if self.read_whole(body, 4 * BYTES_MAX).await?.is_none() {
            return Ok(gone(asked));
        }
        let is_ours = notes.swap(slot.note(), sealed, None, now).await?;
        if !is_ours {
            return Ok(gone(asked));
        }
        self.meter.count(Count::FormsResumed);
        tracing::info!(
            request_id = &*line.request_id,
            site = %asked.site.name,
            client_ip = %line.client_ip,
            "a form that was kept is sent"
        );
        Ok(sent_on(asked, &form.target))
    }

    /// The way to the login, and back here.
    fn not_logged_in(&self, asked: Asked<'_>, visit: &Visit, from: &Provenance) -> Refusal {
        let Asked { site, head, .. } = asked;
        let here = resume_page(&site.prefix, number(head).unwrap_or_default());
        let audience = audience(&head.method, &head.headers, false);
        let manner = site.looks.manner(&head.headers);
        let denial = Denial::of(Lack::Login, site, audience, &here, manner);
        let page = site.login_page.as_ref();
        let login = page.and_then(|page| page.address_and_resume(&here));
        let mut denial = denial.back_from(login);
        let now = self.clock.now();
        let root = visit.root().filter(|_| !visit.is_new());
        if !from.could_carry(self.desk.cookie.settings().same_site) {
            // Under SameSite=Strict a login that comes from another site brings no ticket. Asked again by us it does.
            denial = denial.by_way_of(format!("https://{}{here}", asked.admitted.authority));
        } else if root.is_some_and(|root| self.circles.note(&root, &here, now)) {
            denial = denial.going_in_circles();
        }
        Refusal::Denied(Box::new(denial))
    }
}

impl KeptForm {
    /// Whether a user may have it: whoever sent it, or anybody with that browser where nobody was logged in.
    fn is_for(&self, user: UserKey) -> bool {
        self.user.is_none_or(|sender| sender == user)
    }
}

/// Whether the visitor sends a form that can be sent again once they have logged in.
fn may_be_kept(denial: &Denial, head: &Parts, call: &Call<'_>) -> bool {
    let site = call.site;
    let own = format!("https://{}", call.admitted.authority);
    // Of this very host: other hosts of the site have other cookies.
    let from = Provenance::of(&head.method, &head.headers, |origin| {
        origin.eq_ignore_ascii_case(&own)
    });
    let length = head.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    site.preserve_post > 0
        && denial.is_for_a_form_to_come_back()
        && head.method == Method::POST
        && from.is_same_origin()
        && is_form(&head.headers)
        && length.is_none_or(|length: usize| length <= site.preserve_post)
        && target(head).len() <= TARGET_BYTES_MAX
        && site
            .login_page
            .as_ref()
            .is_some_and(|page| page.address_and_resume("/").is_some())
}

/// Puts the form into the first place that is free. `None`: none is, or it does not fit.
async fn put(
    notes: &dyn Notes,
    form: &KeptForm,
    (key, site): (&FormKey, &str),
    now: Time,
) -> Result<Option<u8>, StoreFault> {
    for number in 0..SLOTS {
        let slot = Slot { key, site, number };
        let Some(value) = form.seal(&slot) else {
            return Ok(None);
        };
        let note = Note {
            value,
            until: now.plus(KEPT_FOR),
        };
        if notes.put_new(slot.note(), note, now).await? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Path and query of a request.
fn target(head: &Parts) -> &str {
    head.uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
}

/// Which form is asked for.
fn number(head: &Parts) -> Option<u8> {
    let query = head.uri.query()?;
    let number = typed::value(query.as_bytes(), "form").ok()??;
    let number = number.expose().parse().ok();
    number.filter(|number| *number < SLOTS)
}

fn gone(asked: Asked<'_>) -> Response<Body> {
    let leave = way_on(None, &asked.site.prefix);
    let page = Page::Resume {
        form: None,
        leave: &leave,
    };
    let manner = asked.site.looks.manner(&asked.head.headers);
    manner.answer(&page, StatusCode::NOT_FOUND)
}

fn shown(asked: Asked<'_>, form: &KeptForm, number: u8) -> Response<Body> {
    let fields = fields(&form.body).unwrap_or_default();
    let leave = way_on(None, &asked.site.prefix);
    let path = form.target.split('?').next().unwrap_or_default();
    // As people read it: the address itself is on the page nowhere else.
    let path = percent_decode_str(path).decode_utf8_lossy();
    let visible = fields.iter().take(SHOWN_MAX).map(|(name, value)| {
        let value = (!is_secret(name)).then(|| shortened(value).into_owned());
        (name.as_str(), value)
    });
    let page = Page::Resume {
        form: Some(Kept {
            action: &format!("resume?form={number}"),
            path: &shortened(&path),
            fields: &fields,
            shown: visible.collect(),
            more: fields.len().saturating_sub(SHOWN_MAX),
        }),
        leave: &leave,
    };
    let manner = asked.site.looks.manner(&asked.head.headers);
    manner.answer(&page, StatusCode::OK)
}

/// The browser sends once more what it has just sent, to where it was going.
fn sent_on(asked: Asked<'_>, target: &str) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    // The whole address: a path that begins with two slashes would lead to another host.
    let location = format!("https://{}{target}", asked.admitted.authority);
    let headers: &mut HeaderMap = answer.headers_mut();
    headers.extend(HeaderValue::try_from(location).map(|location| (LOCATION, location)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Whether a field of this name may hold what nobody should read over a shoulder.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRETS.iter().any(|secret| name.contains(secret))
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LETTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Terms;
    use crate::store::Store as _;
    use crate::store::memory::MemoryStore;

    #[test]
    fn values_that_may_be_secret_are_not_shown() {
        for name in [
            "password",
            "user[pwd]",
            "csrfmiddlewaretoken",
            "PIN",
            "card_number",
            "api-key",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["title", "comment", "amount", "e-mail"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[tokio::test]
    async fn four_forms_of_a_browser_wait_and_no_longer_than_they_may() {
        let now = Time::from_secs(1_000_000);
        let hour = Duration::from_secs(3600);
        let terms = Terms {
            idle: hour,
            absolute: hour,
            rotation_grace: Duration::ZERO,
            rotate_every: None,
            save_every_request: false,
            max_bytes: 1 << 16,
            jar_cookies_max: 100,
        };
        let store = MemoryStore::new(terms, now);
        let notes = store.notes().unwrap();
        let (key, other) = (FormKey::random(), FormKey::random());
        let form = KeptForm {
            target: "/x".to_owned(),
            body: b"a=1".to_vec(),
            user: None,
        };
        for number in 0..SLOTS {
            let kept = put(notes, &form, (&key, "shop"), now).await.unwrap();
            assert_eq!(kept, Some(number));
        }
        let full = put(notes, &form, (&key, "shop"), now).await.unwrap();
        assert_eq!(full, None);
        let another = put(notes, &form, (&other, "shop"), now).await.unwrap();
        assert_eq!(another, Some(0));
        let slot = Slot {
            key: &key,
            site: "shop",
            number: 0,
        };
        let (last, over) = (
            now.plus(KEPT_FOR - Duration::from_secs(1)),
            now.plus(KEPT_FOR),
        );
        assert!(notes.get(slot.note(), last).await.unwrap().is_some());
        assert!(notes.get(slot.note(), over).await.unwrap().is_none());
        let again = put(notes, &form, (&key, "shop"), over).await.unwrap();
        assert_eq!(again, Some(0));
    }

    #[test]
    fn long_values_are_shortened_at_a_letter() {
        let long = "ö".repeat(LETTERS_MAX + 1);
        assert_eq!(shortened(&long), format!("{}…", "ö".repeat(LETTERS_MAX)));
        let short = "ö".repeat(LETTERS_MAX);
        assert_eq!(shortened(&short), short);
    }
}
