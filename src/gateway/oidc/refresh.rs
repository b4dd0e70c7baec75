//! Fresh tokens, when those of the login are about to end: with them the provider says that its user still is one.
//!
//! Of all requests on all nodes one asks, under a lease that is longer than the work can take: a provider that rotates
//! refresh tokens takes a second use for theft. The others wait, within limits, and go on with what the one has brought.
//! The work is a task of its own, as the token that comes back is all that keeps the session, and a visitor who leaves
//! must not lose it. A provider that says no ends the session; one that does not answer ends nothing.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::super::Gateway;
use super::super::access_log::Line;
use super::super::refusal::Refusal;
use super::super::streams::Streams;
use super::super::visit::{SessionMode, Visit};
use super::OidcLogin;
use super::tokens::Kept;
use crate::base::causes::Causes;
use crate::base::clock::{Clock, Stopwatch, Time};
use crate::base::meter::{Count, Meter};
use crate::base::secret::{Secret, random_bytes};
use crate::cookie::screen::Incoming as Cookies;
use crate::cookie::seal::ValueKeys;
use crate::headers::fetch::Provenance;
use crate::login::oidc::{Provider, RefreshFault, Refreshed};
use crate::session::{
    Change, Closed, Commit, Grant, GrantEdit, Opening, Outcome, Record, Standing, Ticket, User,
};
use crate::store::{Note, NoteKey, Store, StoreFault};

/// Of how many exchanges with the provider one refresh can be made: discovery, tokens, keys twice, and the user.
const EXCHANGES_MAX: u32 = 5;
/// What a lease has beyond that, for the store.
const SLACK: Duration = Duration::from_secs(30);
/// After a try in vain the next one waits so long.
const PAUSE: Duration = Duration::from_secs(30);
/// What stands in the place of a lease meanwhile.
const PAUSED: &[u8] = b"paused";
/// How long those who wait sleep between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// How often fresh tokens are given to a store that does not take them, and how long between.
const TRIES: u32 = 10;
const TRY_EVERY: Duration = Duration::from_secs(2);

/// What one try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// There is something new to be seen in the store.
    Done,
    /// Another request is at it.
    Elsewhere,
    /// The last try was in vain, and the next is not yet.
    Paused,
}

/// All that a refresh needs, whether or not its visitor waits for it.
struct Renewal {
    store: Arc<dyn Store>,
    values: Arc<ArcSwap<ValueKeys>>,
    streams: Arc<Streams>,
    meter: Arc<Meter>,
    clock: Clock,
    provider: Arc<Provider>,
    ticket: Ticket,
    request_id: Arc<str>,
}

impl Gateway {
    /// The provider that is to be asked for fresh tokens before this request goes on; almost always none.
    pub(in super::super) fn renewal_due(&self, visit: &Visit, now: Time) -> Option<&OidcLogin> {
        let record = visit.record()?;
        is_due(record, now).then_some(())?;
        if visit.is_frozen() {
            return None;
        }
        let binder = record.user.as_deref()?.site.as_str();
        let site = self.sites().find(|site| *site.name == *binder)?;
        site.oidc.as_ref()
    }

    /// The visit as it is once that is done, or has been waited for long enough.
    pub(in super::super) async fn renewed(
        &self,
        oidc: &OidcLogin,
        mut visit: Visit,
        (cookies, host): (&Cookies<'_>, &str),
        (mode, from): (SessionMode, &Provenance),
        line: &mut Line,
    ) -> Result<Visit, Refusal> {
        let patience = 2 * oidc.provider.settings().timeout;
        let waited = Stopwatch::start();
        while self.renewal_due(&visit, line.time).is_some() && waited.elapsed() < patience {
            let Some(held) = visit.held() else { break };
            let renewal = Renewal {
                store: Arc::clone(&self.store),
                values: Arc::clone(&self.values),
                streams: Arc::clone(&self.streams),
                meter: Arc::clone(&self.meter),
                clock: self.clock.clone(),
                provider: Arc::clone(&oidc.provider),
                ticket: held.ticket,
                request_id: Arc::clone(&line.request_id),
            };
            let task = tokio::task::spawn_local(renewal.run());
            let came = tokio::time::timeout(patience, task).await;
            match came {
                Ok(Ok(Came::Done)) => {}
                Ok(Ok(Came::Elsewhere)) => tokio::time::sleep(LOOK_EVERY).await,
                Ok(Ok(Came::Paused) | Err(_)) | Err(_) => break,
            }
            let place = self.desk.place(host);
            visit = self.open_visit((cookies, place), mode, from, line).await?;
        }
        Ok(visit)
    }
}

/// Whether fresh tokens are to be asked for.
fn is_due(record: &Record, now: Time) -> bool {
    let due = record.grant().and_then(|grant| grant.due);
    due.is_some_and(|due| due <= now)
}

impl Renewal {
    async fn run(self) -> Came {
        match self.attempt().await {
            Ok(came) => came,
            Err(fault) => {
                self.meter.count(Count::StoreFaults);
                tracing::warn!(request_id = &*self.request_id, error = %Causes(&fault), "fresh tokens could not be asked for");
                Came::Paused
            }
        }
    }

    async fn attempt(&self) -> Result<Came, StoreFault> {
        let Some(notes) = self.store.notes() else {
            return Ok(Came::Paused);
        };
        let now = self.clock.now();
        let Some((record, _)) = self.look(now).await? else {
            return Ok(Came::Done);
        };
        let key = NoteKey::of("oidc refresh", &[&record.root.0]);
        let lease: Vec<u8> = random_bytes::<16>().to_vec();
        let length = EXCHANGES_MAX * self.provider.settings().timeout + TRIES * TRY_EVERY + SLACK;
        let note = Note {
            value: lease.clone(),
            until: now.plus(length),
        };
        if !notes.put_new(key, note, now).await? {
            let held = notes.get(key, now).await?;
            let is_paused = held.as_deref() == Some(PAUSED);
            return Ok(if is_paused {
                Came::Paused
            } else {
                Came::Elsewhere
            });
        }
        // Whoever had the lease before may have brought all that is wanted.
        let came = match self.look(self.clock.now()).await? {
            None => Came::Done,
            Some((record, user)) => self.refresh(&record, &user).await,
        };
        let now = self.clock.now();
        let after = (came == Came::Paused).then(|| Note {
            value: PAUSED.to_vec(),
            until: now.plus(PAUSE),
        });
        notes.swap(key, Some(lease), after, now).await?;
        Ok(came)
    }

    /// The session as it is now, if there still is something to be done.
    async fn look(&self, now: Time) -> Result<Option<(Arc<Record>, User)>, StoreFault> {
        let opening = self.store.open(&self.ticket, now).await?;
        let Opening::Open {
            record, standing, ..
        } = opening
        else {
            return Ok(None);
        };
        let user = record.user.as_deref().cloned();
        let user = user.filter(|_| standing != Standing::Frozen && is_due(&record, now));
        Ok(user.map(|user| (record, user)))
    }

    async fn refresh(&self, record: &Record, user: &User) -> Came {
        let now = self.clock.now();
        let grant = record.grant();
        let kept = grant.map(|grant| Kept::open(grant, &self.values.load(), user, now));
        let (Some(grant), Some(kept)) = (grant, kept) else {
            return Came::Done;
        };
        let Some(token) = &kept.refresh_token else {
            // The key that sealed it is gone. Then the login lasts as one whose provider gives no such tokens.
            tracing::warn!(
                request_id = &*self.request_id,
                site = user.site,
                "a refresh token opens with no key of the ring, and is forgotten"
            );
            self.store_anew(
                user,
                Grant {
                    due: None,
                    ..grant.clone()
                },
                None,
            )
            .await;
            return Came::Done;
        };
        match self.provider.refresh(token, &user.id, now).await {
            Ok(fresh) => {
                self.meter.count(Count::OidcRefreshes);
                self.keep(user, grant, &kept, fresh).await;
                Came::Done
            }
            Err(RefreshFault::Over(fault)) => {
                self.end(record, user, &RefreshFault::Over(fault)).await
            }
            Err(fault) => {
                self.meter.count(Count::OidcRefreshesFailed);
                tracing::warn!(request_id = &*self.request_id, site = user.site, reason = fault.fault().word(), error = %Causes(&fault), "no fresh tokens; the session goes on");
                Came::Paused
            }
        }
    }

    async fn keep(&self, user: &User, grant: &Grant, kept: &Kept, fresh: Refreshed) {
        let copied = |token: &Secret<String>| Secret::new(token.expose().clone());
        let next = Kept {
            refresh_token: fresh
                .refresh_token
                .or(kept.refresh_token.as_ref().map(copied)),
            id_token: fresh.id_token.or(kept.id_token.as_ref().map(copied)),
        };
        let when = (fresh.access_expires, self.clock.now());
        let sealed = next.grant(&self.values.load(), user, grant.sid.as_deref(), when);
        let told = fresh.profile.map(|profile| User {
            name: profile.name,
            email: profile.email,
            groups: profile.groups,
            claims: profile.claims,
            ..user.clone()
        });
        self.store_anew(user, sealed, told).await;
    }

    /// Has the store keep it, however long that takes within the lease.
    async fn store_anew(&self, user: &User, grant: Grant, told: Option<User>) {
        let mut about = told.unwrap_or_else(|| user.clone());
        for round in 0..TRIES {
            let edit = GrantEdit {
                user: about.clone(),
                grant: grant.clone(),
            };
            let change = Change {
                grant: Some(Box::new(edit)),
                ..Change::default()
            };
            let commit = Commit::new(self.ticket.clone(), change, self.clock.now());
            match self.store.commit(commit).await.map(|done| done.outcome) {
                // The token keeps the session; what is told of the user is what is too much.
                Ok(Outcome::TooLarge) if about != *user => {
                    self.meter.count(Count::SessionsTooLarge);
                    about = user.clone();
                }
                Ok(Outcome::TooLarge) => {
                    self.meter.count(Count::SessionsTooLarge);
                    break;
                }
                Ok(_) => return,
                Err(fault) => {
                    self.meter.count(Count::StoreFaults);
                    tracing::warn!(request_id = &*self.request_id, round, error = %Causes(&fault), "fresh tokens wait for the session store");
                    tokio::time::sleep(TRY_EVERY).await;
                }
            }
        }
        tracing::error!(
            request_id = &*self.request_id,
            site = user.site,
            "fresh tokens were lost: the session store did not take them"
        );
    }

    /// The provider says that it is over.
    async fn end(&self, record: &Record, user: &User, fault: &RefreshFault) -> Came {
        let request_id = &*self.request_id;
        let Some(catalogue) = self.store.catalogue() else {
            return Came::Paused;
        };
        if let Err(fault) = catalogue.end(&self.ticket.key(), self.clock.now()).await {
            self.meter.count(Count::StoreFaults);
            tracing::error!(request_id, error = %Causes(&fault), "a session could not be ended");
            return Came::Paused;
        }
        self.streams.end(&record.root, Closed::Ended);
        self.meter.count(Count::OidcSessionsEnded);
        tracing::info!(request_id, site = user.site, user = user.id, reason = fault.fault().word(), error = %Causes(fault), "a session ended: the OpenID provider gives no fresh tokens for it");
        Came::Done
    }
}
