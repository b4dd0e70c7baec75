//! Takes a visitor back from the provider: the login is one that this browser began here and that has not ended yet, the
//! provider vouches for somebody, and their session begins as after a login on a page of ours.

use http::header::LOCATION;
use http::{Method, Response, StatusCode};

use super::super::Gateway;
use super::super::access_log::Line;
use super::super::conclude::{Verdict, goes_on};
use super::super::form_page::Asked;
use super::super::own::not_allowed;
use super::super::page::whole;
use super::super::reason::Reason;
use super::super::refusal::Refusal;
use super::super::visit::SessionMode;
use super::OidcLogin;
use super::failed::Why;
use super::page::{POLICY, Page};
use super::tokens::Kept;
use crate::base::meter::Count;
use crate::base::secret::Secret;
use crate::cookie::login_state::LoginState;
use crate::cookie::seal::Unopened;
use crate::login::oidc::{ErrorCode, Redemption, Tokens};
use crate::login::typed;
use crate::session::{GrantEdit, Turn, User};
use crate::store::{Note, NoteKey, StoreFault};
use crate::upstream::Body;

/// In our own address once it has been asked for again from here.
const AGAIN: &str = "again=1";

/// What a provider has its answer carry.
struct Answer {
    state: Option<Secret<String>>,
    code: Option<Secret<String>>,
    error: Option<Secret<String>>,
    iss: Option<Secret<String>>,
}

impl Answer {
    /// `None`: it can be read in more than one way.
    fn read(query: &str) -> Option<Self> {
        let value = |field| typed::value(query.as_bytes(), field).ok();
        Some(Self {
            state: value("state")?,
            code: value("code")?,
            error: value("error")?,
            iss: value("iss")?,
        })
    }
}

fn end_key(asked: Asked<'_>, state: &LoginState) -> NoteKey {
    NoteKey::of("oidc state", &[asked.site.name.as_bytes(), &state.id()])
}

impl Gateway {
    /// The page at `callback`.
    pub(super) async fn end_login(
        &self,
        (asked, oidc): (Asked<'_>, &OidcLogin),
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        if asked.head.method != Method::GET {
            return Ok(not_allowed("GET"));
        }
        asked.is_for_people()?;
        let from = asked.provenance();
        let query = asked.head.uri.query().unwrap_or_default();
        if !from.could_carry(self.desk.cookie.settings().same_site) {
            // Under SameSite=Strict no ticket is set on the way from another site. Asked again by a page of ours it is.
            return self.detour(asked, query, line);
        }
        let answer = Answer::read(query).ok_or_else(|| asked.failed(Why::NoAnswer, ""))?;
        let state = self.state_of(asked, &answer, line).await?;
        let tokens = self.redeem((asked, oidc), &answer, &state, line).await?;
        // Not before: what anybody may bring about costs the store nothing. The provider redeems a code once.
        if !self.is_first_end(asked, &state, line).await? {
            return Err(asked.failed(Why::Replayed, &state.return_to));
        }
        self.log_in_at_last((asked, oidc), tokens, &state, line)
            .await
    }

    fn detour(
        &self,
        asked: Asked<'_>,
        query: &str,
        line: &Line,
    ) -> Result<Response<Body>, Refusal> {
        if query.split('&').any(|pair| pair == AGAIN) {
            return Err(asked.failed(Why::OtherBrowser, ""));
        }
        let here = format!("{}?{query}&{AGAIN}", asked.address_of("callback"));
        let page = Page {
            title: "Logging in",
            text: "You are being logged in.",
            link: Some((&here, "Continue")),
            refresh: Some(&here),
            request_id: &line.request_id,
        };
        Ok(whole(StatusCode::OK, page.to_string(), &POLICY))
    }

    /// The login that ends: this browser began it here, not long ago, and it has not ended before.
    async fn state_of(
        &self,
        asked: Asked<'_>,
        answer: &Answer,
        line: &Line,
    ) -> Result<LoginState, Refusal> {
        let (site, now) = (asked.site, line.time);
        let Some(text) = &answer.state else {
            let has_any = answer.code.is_some() || answer.error.is_some();
            let why = if has_any { Why::NoState } else { Why::NoAnswer };
            return Err(asked.failed(why, ""));
        };
        let opened = LoginState::open(text.expose(), &self.values.load(), &site.name, now);
        let state = opened.map_err(|why| {
            let why = match why {
                Unopened::Expired | Unopened::TooOld => Why::Expired,
                _ => Why::NoState,
            };
            asked.failed(why, "")
        })?;
        let bindings = self.bindings(&asked.head.headers);
        if !bindings.iter().any(|one| one.hash() == state.browser) {
            return Err(asked.failed(Why::OtherBrowser, &state.return_to));
        }
        if self.has_ended(asked, &state, line).await? {
            return Err(asked.failed(Why::Replayed, &state.return_to));
        }
        Ok(state)
    }

    async fn has_ended(
        &self,
        asked: Asked<'_>,
        state: &LoginState,
        line: &Line,
    ) -> Result<bool, Refusal> {
        let Some(notes) = self.store.notes() else {
            return Ok(false);
        };
        let known = notes.get(end_key(asked, state), line.time).await?;
        Ok(known.is_some())
    }

    async fn is_first_end(
        &self,
        asked: Asked<'_>,
        state: &LoginState,
        line: &Line,
    ) -> Result<bool, Refusal> {
        let (Some(notes), Some(oidc)) = (self.store.notes(), &asked.site.oidc) else {
            // The provider redeems a code once.
            return Ok(true);
        };
        let key = end_key(asked, state);
        let note = Note {
            value: Vec::new(),
            // A state that is good is no older than this.
            until: line.time.plus(oidc.login_timeout),
        };
        match notes.put_new(key, note, line.time).await {
            // Then the provider alone sees to it.
            Err(StoreFault::Overloaded) => Ok(true),
            answer => Ok(answer?),
        }
    }

    async fn redeem(
        &self,
        (asked, oidc): (Asked<'_>, &OidcLogin),
        answer: &Answer,
        state: &LoginState,
        line: &Line,
    ) -> Result<Tokens, Refusal> {
        let failed = |why: Why| asked.failed(why, &state.return_to);
        let (provider, now) = (&oidc.provider, line.time);
        let iss = answer.iss.as_ref().map(|iss| iss.expose().as_str());
        let checked = provider.check_callback_issuer(iss, now).await;
        checked.map_err(|fault| failed(fault.into()))?;
        if let Some(error) = &answer.error {
            return Err(failed(Why::Denied(ErrorCode::of(error.expose()))));
        }
        let Some(code) = &answer.code else {
            return Err(failed(Why::NoAnswer));
        };
        let what = Redemption {
            code: code.expose(),
            verifier: &state.verifier(),
            redirect_uri: &asked.address_of("callback"),
            nonce: &state.nonce(),
            max_age: state.max_age,
        };
        let tokens = provider.redeem(&what, now).await;
        tokens.map_err(|fault| failed(fault.into()))
    }

    /// Has the session begin for whom the provider vouches.
    async fn log_in_at_last(
        &self,
        (asked, oidc): (Asked<'_>, &OidcLogin),
        tokens: Tokens,
        state: &LoginState,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let now = self.clock.now();
        let user = user_of((asked, oidc), &tokens, now);
        match self.note_sid(oidc, &tokens, line).await {
            // A logout by that name alone then ends nothing; a login is worth more.
            Err(StoreFault::Overloaded) => {
                let request_id = &*line.request_id;
                tracing::warn!(request_id, site = %asked.site.name, "the store has no room to note the provider's session: a back-channel logout that names it alone will not end this one");
            }
            noted => noted?,
        }
        let grant = self.grant_of(&user, tokens);
        let from = asked.provenance();
        let cookies = self.screen_in(asked.site, &asked.head.headers)?;
        let place = self.desk.place(&asked.admitted.host);
        let visit = self
            .open_visit((&cookies, place), SessionMode::Lazy, &from, line)
            .await?;
        if line.reason == Reason::StoreOutage {
            return Err(StoreFault::Timeout.into());
        }
        let onward = goes_on(&state.return_to);
        if visit.is_frozen() {
            // Another tab was first, and the browser has its ticket or is about to get it.
            return Ok(onward);
        }
        let verdict = Verdict {
            turn: Turn::LogIn {
                user: Some(Box::new(user.clone())),
                carry: oidc.carry,
            },
            grant: grant.map(Box::new),
        };
        let by = (asked, cookies, &from);
        let (answer, took) = self.conclude(by, visit, verdict, onward, line).await?;
        if !took {
            return self.not_taken(asked, state, line).await;
        }
        self.meter.count(Count::OidcLogins);
        line.user = Some(user.id);
        debug_assert!(answer.headers().contains_key(LOCATION));
        Ok(answer)
    }

    /// The store did not take the login: another tab was first meanwhile, or it is too much for a session.
    async fn not_taken(
        &self,
        asked: Asked<'_>,
        state: &LoginState,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let cookies = self.screen_in(asked.site, &asked.head.headers)?;
        let visit = self
            .look(asked, &cookies, &asked.provenance(), line)
            .await?;
        match line.reason {
            Reason::StoreOutage => Err(StoreFault::Timeout.into()),
            Reason::Superseded => Ok(goes_on(&state.return_to)),
            _ if visit.is_frozen() => Ok(goes_on(&state.return_to)),
            _ => Err(asked.failed(Why::TooLarge, &state.return_to)),
        }
    }

    fn grant_of(&self, user: &User, tokens: Tokens) -> Option<GrantEdit> {
        // The cookie engine has no room for tokens, and another node would not learn of fresh ones.
        self.store.catalogue()?;
        let can_refresh = self.store.notes().is_some();
        let kept = Kept {
            refresh_token: tokens.refresh_token.filter(|_| can_refresh),
            id_token: tokens.id_token,
        };
        let (values, sid) = (self.values.load(), tokens.sid.as_deref());
        let when = (tokens.access_expires, self.clock.now());
        Some(GrantEdit {
            grant: kept.grant(&values, user, sid, when),
            user: user.clone(),
        })
    }
}

fn user_of(
    (asked, oidc): (Asked<'_>, &OidcLogin),
    tokens: &Tokens,
    now: crate::base::clock::Time,
) -> User {
    let profile = tokens.profile.clone();
    // Nobody has proved anything in times to come.
    let auth_time = tokens.auth_time.unwrap_or(now).min(now);
    User {
        issuer: Some(oidc.issuer().to_owned()),
        name: profile.name,
        email: profile.email,
        groups: profile.groups,
        claims: profile.claims,
        ..User::new(tokens.sub.clone(), &asked.site.name, auth_time)
    }
}
