//! From the cookies of a request to the session that its ticket opens, told in log and metrics.

use super::Gateway;
use super::access_log::Line;
use super::reason::Reason;
use super::refusal::Refusal;
use super::visit::{Manner, SessionMode, Visit};
use crate::base::meter::Count;
use crate::cookie::screen::Incoming as Cookies;
use crate::headers::fetch::Provenance;
use crate::session::Place;

impl Gateway {
    pub(super) async fn open_visit(
        &self,
        (cookies, place): (&Cookies<'_>, Place<'_>),
        mode: SessionMode,
        from: &Provenance,
        line: &mut Line,
    ) -> Result<Visit, Refusal> {
        if cookies.lookalikes > 0 || cookies.candidates_surplus {
            self.tell_lookalikes(line);
        }
        let manner = Manner {
            mode,
            could_carry: from.could_carry(self.desk.cookie.settings().same_site),
            on_outage: self.on_outage,
        };
        let ring = self.desk.ring.load();
        let candidates = cookies.candidates.as_slice();
        let opened = Visit::open(candidates, place, manner, &ring, &*self.store, line.time).await;
        let visit = opened.inspect_err(|_| line.reason = Reason::StoreOutage)?;
        line.reason = visit.reason;
        match visit.reason {
            Reason::Forged => self.meter.count(Count::TicketsForged),
            Reason::UnknownKey => self.meter.count(Count::TicketsUnknownKey),
            Reason::Ambiguous => self.tell_ambiguous(line),
            _ => {}
        }
        Ok(visit)
    }
}
