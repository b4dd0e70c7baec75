//! A walk through all sessions, server by server.

use std::time::Duration;

use ::redis::{Pipeline, Value, pipe};
use serde::{Deserialize, Serialize};

use super::fault::RedisFault;
use super::line::Line;
use super::rows;
use super::servers::Servers;
use crate::store::{Cursor, Page, StoreFault};

/// How many stretches without any session a page passes over. Beyond that it is empty, and the walk goes on with the
/// next: nobody waits for long.
const EMPTY_STRETCHES_MAX: usize = 50;

/// How much a server looks at for one stretch, at least. There are more tickets than sessions, and other tenants' keys.
const STRETCH_MIN: usize = 100;

/// Where a walk is.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Place {
    /// The division of the families that the walk is through. In another one, sessions may have gone from a server that
    /// is still to come to one that has been.
    map: u64,
    /// Which of the servers.
    server: usize,
    /// The connection. What a server says of where it is means nothing to it any more after a restart.
    link: u64,
    /// Where the server says that it is; 0 is the beginning.
    stretch: u64,
    /// Sessions of the stretch before that were too many for one page.
    left: Vec<String>,
}

pub(super) async fn page(
    servers: &std::sync::Arc<Servers>,
    after: Option<&Cursor>,
    at_most: usize,
) -> Result<Page, StoreFault> {
    let map = servers.fresh_map().await?;
    let begin = Place {
        map: map.fingerprint(),
        ..Place::default()
    };
    let mut place = match after.map(|cursor| serde_json::from_str::<Place>(&cursor.0)) {
        // One through another map begins anew.
        Some(Ok(place)) if place.map == begin.map => place,
        None | Some(Ok(_)) => begin,
        // It is of another engine, where nothing is left of the walk.
        Some(Err(_)) => return Ok(Page::default()),
    };
    let owned = map.owned();
    let pattern = servers.names().sessions() + "*";
    for _ in 0..EMPTY_STRETCHES_MAX {
        let Some((line, _)) = owned.get(place.server) else {
            return Ok(Page::default());
        };
        if place.left.is_empty() {
            scan(line, &mut place, &pattern, at_most, servers.timeout()).await?;
        }
        let rest = place.left.split_off(place.left.len().min(at_most.max(1)));
        let names = std::mem::replace(&mut place.left, rest);
        if place.left.is_empty() && place.stretch == 0 {
            place = Place {
                map: place.map,
                server: place.server + 1,
                ..Place::default()
            };
        }
        if !names.is_empty() {
            let mut page = read(line, &names, servers.timeout()).await?;
            page.next = (place.server < owned.len()).then(|| cursor(&place));
            return Ok(page);
        }
    }
    Ok(Page {
        next: (place.server < owned.len()).then(|| cursor(&place)),
        ..Page::default()
    })
}

fn cursor(place: &Place) -> Cursor {
    // Numbers and texts have a JSON form.
    Cursor(serde_json::to_string(place).unwrap_or_default())
}

/// The next stretch of one server.
async fn scan(
    line: &Line,
    place: &mut Place,
    pattern: &str,
    at_most: usize,
    within: Duration,
) -> Result<(), RedisFault> {
    let ask = |stretch: u64| {
        let mut ask = pipe();
        let count = at_most.max(STRETCH_MIN);
        let scan = ask.cmd("SCAN").arg(stretch).arg("MATCH").arg(pattern);
        scan.arg("COUNT").arg(count);
        ask
    };
    let (mut link, mut stretch) = one(line, &ask(place.stretch), within).await?;
    if place.stretch != 0 && link != place.link {
        (link, stretch) = one(line, &ask(0), within).await?;
    }
    place.link = link;
    (place.stretch, place.left) = rows::read::<(u64, Vec<String>)>(stretch)?;
    Ok(())
}

async fn one(line: &Line, ask: &Pipeline, within: Duration) -> Result<(u64, Value), RedisFault> {
    let (link, mut answers) = line.ask_all(ask, within).await?;
    let answer = answers.pop().ok_or(RedisFault::Strange)?;
    Ok((link, line.checked(answer)?))
}

/// The sessions of these names; some may be gone by now.
async fn read(line: &Line, names: &[String], within: Duration) -> Result<Page, RedisFault> {
    let mut ask = pipe();
    for name in names {
        ask.cmd("GET").arg(name);
    }
    let (_, answers) = line.ask_all(&ask, within).await?;
    let mut page = Page::default();
    for answer in answers {
        let Some(row) = rows::read::<Option<Vec<u8>>>(line.checked(answer)?)? else {
            continue;
        };
        match rows::read_session(&row) {
            Ok(session) => page.sessions.push(session),
            Err(_) => page.unreadable += 1,
        }
    }
    Ok(page)
}
