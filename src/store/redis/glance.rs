//! Which writings many rows are of: one question for each family that the tickets are of, all at once.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fault::RedisFault;
use super::keys::Family;
use super::rows;
use super::servers::Servers;
use crate::session::TicketKey;
use crate::store::StoreFault;
use crate::store::remote::driver::Revision;

pub(super) async fn glance(
    servers: &Arc<Servers>,
    keys: &[TicketKey],
) -> Result<Vec<Option<Revision>>, StoreFault> {
    let mut asked = JoinSet::new();
    for family in Family::all() {
        let here = keys.iter().enumerate();
        let here = here.filter(|(_, key)| Family::of(key) == family);
        let (places, keys): (Vec<_>, Vec<_>) = here.map(|(at, key)| (at, *key)).unzip();
        if keys.is_empty() {
            continue;
        }
        let servers = Arc::clone(servers);
        asked.spawn(async move {
            let ask = rows::glance(servers.names(), family, &keys);
            let revisions = rows::read_glance(servers.call(family, &ask).await?)?;
            if revisions.len() != places.len() {
                return Err(RedisFault::Strange.into());
            }
            Ok::<_, StoreFault>((places, revisions))
        });
    }
    let mut all = vec![None; keys.len()];
    while let Some(answer) = asked.join_next().await {
        // A task ends before its time when the runtime does.
        let (places, revisions) = answer.map_err(|_| StoreFault::Stopped)??;
        for (at, revision) in places.into_iter().zip(revisions) {
            all[at] = revision;
        }
    }
    Ok(all)
}
