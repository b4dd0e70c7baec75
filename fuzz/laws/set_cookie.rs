//! The laws of what an app sets.
//!
//! 1. A line that could give anybody a cookie of our name goes nowhere.
//! 2. A line with a control byte goes nowhere.
//! 3. What the browser gets has the app's name and value byte for byte, is Secure, is HttpOnly unless the rule says
//!    otherwise, has SameSite Lax or Strict, and a Domain no wider than the site; it is one cookie to every reader, all
//!    other attributes are there in their order, and to harden it again changes nothing.
//! 4. What goes into the jar has the app's name and value byte for byte, covers the host that set it, keeps what its
//!    prefix promises, ends within 400 days, comes back to where it was set for, and to no other host.
//! 5. A foreign subresource puts nothing into the jar that is not SameSite=None.

use http::HeaderValue;

use cloakroom::base::kept::{KeptCookie, SameSite};
use cloakroom::cookie::jar::{AppRequest, JarAct, cookies_for};
use cloakroom::cookie::outgoing::Outgoing;
use cloakroom::cookie::policy::Mode;
use cloakroom::cookie::set_cookie::{Refused, SetCookie};

use super::readers::{part, trim};
use super::{HOST, NOW, OURS, Stand, is_ours_to_somebody};

const PAIR_BYTES_MAX: usize = 4096;
const ATTRIBUTE_BYTES_MAX: usize = 1024;
const LIFE_SECS_MAX: u64 = 400 * 86_400;

/// Holds the laws against `input`: a byte that chooses the policy and the request, then a Set-Cookie line.
pub fn hold(input: &[u8]) {
    let Some((choice, line)) = input.split_first() else {
        return;
    };
    let stand = Stand::of(*choice);
    let request = request(*choice);
    let is_control = |byte: &u8| *byte < 0x20 && *byte != b'\t' || *byte == 0x7f;
    if line.iter().any(is_control) {
        assert_eq!(SetCookie::read(line).err(), Some(Refused::ControlByte));
        return;
    }
    let read = Line::read(line);
    let field = HeaderValue::from_bytes(line).expect("no control byte");
    let outgoing = stand.policy.screen_out(&field, OURS, &request);
    if read.names_ours() {
        assert!(matches!(outgoing, Outgoing::Refused(Refused::OurName)));
        return;
    }
    let mode = stand.mode(&read.name);
    match outgoing {
        Outgoing::Pass(field) => {
            // A deletion has nothing in it that is to be sealed.
            assert!(mode == Mode::Pass || mode == Mode::Seal);
            it_is_hard(&stand, &read, field.as_bytes(), mode, &request);
        }
        Outgoing::Keep(act) => {
            assert_eq!(mode, Mode::Keep);
            it_is_kept(&read, act, &request);
        }
        Outgoing::Bind(unbound) => {
            assert_eq!(mode, Mode::Seal);
            assert!(!unbound.needs_session());
        }
        Outgoing::Strip => assert_eq!(mode, Mode::Strip),
        Outgoing::Mirror(..) => panic!("no rule mirrors"),
        Outgoing::Refused(_) => {}
    }
}

fn request(choice: u8) -> AppRequest<'static> {
    AppRequest {
        host: HOST,
        visitor_host: HOST,
        path: if choice & 8 == 0 { "/" } else { "/deep/down?x" },
        same_site: choice & 0x30 == 0,
        top_level: choice & 0x30 != 0x30,
        top_level_safe: choice & 0x30 == 0x10,
        now: NOW,
    }
}

/// A line as RFC 6265bis 5.6 has it read.
struct Line {
    name: Vec<u8>,
    value: Vec<u8>,
    attributes: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq)]
struct Attribute {
    /// Lower case.
    name: Vec<u8>,
    value: Vec<u8>,
    whole: Vec<u8>,
}

impl Line {
    fn read(line: &[u8]) -> Self {
        let mut segments = line.split(|byte| *byte == b';');
        let (name, value) = part(segments.next().unwrap_or_default());
        let attribute = |segment: &[u8]| {
            let (name, value) = match segment.contains(&b'=') {
                true => part(segment),
                false => (segment.to_vec(), Vec::new()),
            };
            Attribute {
                name: trim(&name).to_ascii_lowercase(),
                value: trim(&value),
                whole: trim(segment),
            }
        };
        Self {
            name: trim(&name),
            value: trim(&value),
            attributes: segments
                .map(attribute)
                .filter(|attribute| !attribute.whole.is_empty())
                .filter(|attribute| attribute.value.len() <= ATTRIBUTE_BYTES_MAX)
                .collect(),
        }
    }

    fn last(&self, name: &str) -> Option<&Attribute> {
        let mut named = self.attributes.iter().rev();
        named.find(|attribute| attribute.name == name.as_bytes())
    }

    fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }

    /// Whether it gives a browser our cookie, or what a server takes for it: as its name, or in the place of a name that
    /// it lacks.
    fn names_ours(&self) -> bool {
        let disguised = self.name.is_empty() && is_ours_to_somebody(&part_or_all(&self.value));
        is_ours_to_somebody(&self.name) || disguised
    }

    fn same_site(&self) -> Option<SameSite> {
        let value = self.last("samesite")?.value.to_ascii_lowercase();
        match &*value {
            b"strict" => Some(SameSite::Strict),
            b"lax" => Some(SameSite::Lax),
            b"none" => Some(SameSite::None),
            _ => None,
        }
    }
}

/// What stands before the first `=`, or all of it.
fn part_or_all(text: &[u8]) -> Vec<u8> {
    let end = text.iter().position(|byte| *byte == b'=');
    trim(&text[..end.unwrap_or(text.len())])
}

fn it_is_hard(stand: &Stand, read: &Line, field: &[u8], mode: Mode, request: &AppRequest<'_>) {
    let out = Line::read(field);
    assert_eq!(out.name, read.name);
    if mode == Mode::Pass {
        assert_eq!(out.value, read.value);
    } else {
        assert!(out.value.is_empty(), "a deletion");
    }
    assert!(!out.name.is_empty() && out.name.len() + out.value.len() <= PAIR_BYTES_MAX);
    assert!(out.has("secure"));
    assert!(out.has("httponly") || read.name == b"csrftoken" && !read.has("httponly"));
    assert!(matches!(
        out.same_site(),
        Some(SameSite::Lax | SameSite::Strict)
    ));
    if read.same_site() == Some(SameSite::Strict) {
        assert_eq!(out.same_site(), Some(SameSite::Strict));
    }
    if let Some(domain) = out.last("domain") {
        let domain = String::from_utf8(domain.value.to_ascii_lowercase()).expect("ASCII");
        let covers =
            |wide: &str, narrow: &str| narrow == wide || narrow.ends_with(&format!(".{wide}"));
        assert!(covers(&domain, HOST), "the host is none of {domain}");
        assert!(covers("shop.example.com", &domain), "{domain} is too wide");
    }
    let is_edited = |attribute: &&Attribute| {
        ["domain", "samesite"]
            .map(str::as_bytes)
            .contains(&&*attribute.name)
    };
    let survives = |line: &Line| -> Vec<Attribute> {
        let rest = line
            .attributes
            .iter()
            .filter(|attribute| !is_edited(attribute));
        rest.cloned().collect()
    };
    assert!(
        survives(&out).starts_with(&survives(read)),
        "an attribute was lost"
    );
    // No reader who splits at commas finds ours in it.
    for segment in field.split(|byte| matches!(byte, b',' | b';')) {
        let bare: Vec<u8> = trim(segment)
            .into_iter()
            .skip_while(|byte| *byte == b'=')
            .collect();
        assert!(!is_ours_to_somebody(&part_or_all(&bare)));
    }
    let again = HeaderValue::from_bytes(field).expect("a field");
    match stand.policy.screen_out(&again, OURS, request) {
        Outgoing::Pass(again) => assert_eq!(again.as_bytes(), field, "it changes again"),
        other => panic!("once hard, then {other:?}"),
    }
}

fn it_is_kept(read: &Line, act: JarAct, request: &AppRequest<'_>) {
    let identity = match &act {
        JarAct::Put(cookie) => &cookie.identity,
        JarAct::Remove { identity, .. } => identity,
    };
    assert_eq!(*identity.name, *read.name);
    assert!(identity.path.starts_with('/'));
    let domain = &*identity.domain;
    assert!(HOST == domain || HOST.ends_with(&format!(".{domain}")) && domain.contains('.'));
    let promised = identity.name.to_ascii_lowercase();
    if promised.starts_with(b"__host-") {
        assert!(read.has("secure") && domain == HOST && &*identity.path == "/");
    }
    if promised.starts_with(b"__secure-") || promised.starts_with(b"__http-") {
        assert!(read.has("secure"));
    }
    if promised.starts_with(b"__http-") || promised.starts_with(b"__host-http-") {
        assert!(read.has("httponly"));
    }
    if !request.same_site && !request.top_level {
        assert_eq!(read.same_site(), Some(SameSite::None));
    }
    if let JarAct::Put(cookie) = act {
        it_comes_back(read, cookie, request);
    }
}

fn it_comes_back(read: &Line, cookie: KeptCookie, request: &AppRequest<'_>) {
    assert_eq!(*cookie.value, *read.value);
    assert!(read.name.len() + read.value.len() <= PAIR_BYTES_MAX);
    assert!(!read.name.is_empty() || !read.value.is_empty());
    assert_eq!(cookie.host_only, !has_domain(read));
    assert_eq!(cookie.same_site, read.same_site());
    if let Some(end) = cookie.expires {
        let left = end.since(NOW).as_secs();
        assert!(end > NOW && left <= LIFE_SECS_MAX, "{left}");
    }
    let path = cookie.identity.path.clone();
    // A request's path ends where its query begins.
    let reachable = !path.contains('?');
    let there = AppRequest {
        path: &path,
        same_site: true,
        ..*request
    };
    let jar = [cookie];
    assert_eq!(!cookies_for(&jar, &there).is_empty(), reachable);
    for host in ["example.net", "xa.shop.example.com", "com"] {
        let elsewhere = AppRequest { host, ..there };
        assert!(cookies_for(&jar, &elsewhere).iter().all(|cookie| {
            !cookie.host_only && host.ends_with(&format!(".{}", cookie.identity.domain))
        }));
    }
    let foreign = AppRequest {
        same_site: false,
        top_level_safe: false,
        ..there
    };
    let goes_anywhere = jar[0].same_site == Some(SameSite::None);
    assert_eq!(
        !cookies_for(&jar, &foreign).is_empty(),
        reachable && goes_anywhere
    );
}

fn has_domain(read: &Line) -> bool {
    let domain = read.last("domain").map(|domain| &*domain.value);
    !matches!(domain, None | Some(b"" | b"."))
}
