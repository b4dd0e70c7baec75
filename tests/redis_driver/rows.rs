//! What is written is found, all of it or none.

use super::support::servers::Redis;
use super::*;

#[tokio::test]
async fn what_is_written_is_found_by_each_of_its_tickets() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    assert!(find(&driver, &ticket).await.row.is_none());

    let row = stored(&driver, &ticket).await;
    let there = find(&driver, &ticket).await.row.unwrap();
    assert_eq!(there.revision, row.revision);
    assert_eq!(there.session, row.session);

    let mut session = Session::clone(&row.session);
    let rotation = Commit::new(ticket.clone(), turn(Turn::Rotate), after(1));
    let effects = session.commit(&rotation, &terms());
    let next = effects.committed.ticket.unwrap();
    let rotated = RowChange {
        file: vec![next.key()],
        ..changed_row(&session, Some(row.revision))
    };
    let written = driver.write(&writing(vec![rotated.clone()])).await.unwrap();
    assert_eq!(written, Written::Done);
    for ticket in [&ticket, &next] {
        assert_eq!(found(&driver, ticket).await.as_deref(), Some(&session));
    }

    let forgotten = RowChange {
        unfile: vec![ticket.key()],
        ..changed_row(&session, Some(rotated.revision))
    };
    driver.write(&writing(vec![forgotten])).await.unwrap();
    assert_eq!(found(&driver, &ticket).await, None);
    assert_eq!(found(&driver, &next).await.as_deref(), Some(&session));
}

#[tokio::test]
async fn a_row_that_somebody_else_wrote_is_a_conflict_and_nothing_is_written() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    let first = stored(&driver, &ticket).await;
    let second = touched(&first, "2");
    driver.write(&writing(vec![second.clone()])).await.unwrap();

    let late = touched(&first, "late");
    let anew = new_row(&first.session);
    let gone = touched(&new_row(&begun(&ticket.mint_beside(NOW))), "gone");
    let other = new_row(&begun(&ticket.mint_beside(NOW)));
    for rows in [
        vec![late.clone()],
        vec![anew],
        vec![gone],
        vec![other.clone(), late],
    ] {
        let written = driver.write(&writing(rows)).await.unwrap();
        assert_eq!(written, Written::Conflict);
    }
    let there = find(&driver, &ticket).await.row.unwrap();
    assert_eq!(there.revision, second.revision);
    let other = driver.find(&other.file[0], NOW).await.unwrap();
    assert!(other.row.is_none());
}

#[tokio::test]
async fn of_many_who_write_at_once_one_does() {
    let Some(redis) = Redis::start() else { return };
    let driver = Arc::new(connect(&redis.url()).await);
    let row = stored(&driver, &Ticket::mint(NOW)).await;
    let writers = (0..50).map(|number| {
        let (driver, row) = (Arc::clone(&driver), touched(&row, &number.to_string()));
        async move { driver.write(&writing(vec![row])).await.unwrap() }
    });
    let written = support::together(writers).await;
    let done = written.iter().filter(|one| **one == Written::Done);
    assert_eq!(done.count(), 1);
}

#[tokio::test]
async fn a_fresh_ticket_that_leads_somewhere_is_not_taken() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let taken = Ticket::mint(NOW);
    let there = stored(&driver, &taken).await;
    let other = begun(&taken.mint_beside(NOW));
    let mut row = new_row(&other);
    row.file.push(taken.key());
    let written = driver.write(&writing(vec![row])).await.unwrap();
    assert_eq!(written, Written::TicketInUse);
    assert_eq!(found(&driver, &taken).await, Some(there.session));
}

#[tokio::test]
async fn a_session_goes_on_under_no_ticket_that_leads_elsewhere() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let [ticket, stray] = tickets_of_families(2).try_into().unwrap();
    let row = stored(&driver, &ticket).await;
    let mut session = Session::clone(&row.session);
    let rotation = Commit {
        next: stray.clone(),
        ..Commit::new(ticket.clone(), turn(Turn::Rotate), after(1))
    };
    session.commit(&rotation, &terms());
    let rotated = RowChange {
        file: vec![stray.key()],
        ..changed_row(&session, Some(row.revision))
    };
    let fault = driver.write(&writing(vec![rotated])).await.unwrap_err();
    assert!(is_remote(&fault), "{fault:?}");
    assert_eq!(found(&driver, &ticket).await, Some(row.session));
}

#[tokio::test]
async fn a_server_remembers_since_a_driver_came_and_anew_when_it_was_emptied() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    for ticket in tickets_of_families(10) {
        let found = driver.find(&ticket.key(), after(5)).await.unwrap();
        assert_eq!(found.born, NOW);
    }
    // A second driver changes nothing.
    let second = connect(&redis.url()).await;
    redis.cli(&["FLUSHALL"]);

    let [first, other] = tickets_of_families(2).try_into().unwrap();
    for (ticket, time) in [(&first, 7), (&other, 9)] {
        let found = second.find(&ticket.key(), after(time)).await.unwrap();
        // All of it was emptied when the first noticed.
        assert_eq!(found.born, after(7));
    }
}

#[tokio::test]
async fn a_ticket_from_before_the_server_was_emptied_begins_nothing() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let [old, fresh] = [(); 2].map(|()| Ticket::mint(NOW));
    redis.cli(&["FLUSHALL"]);
    let by = |ticket: &Ticket, now: Time| Writing {
        now,
        issued: Some(ticket.issued()),
        rows: vec![new_row(&begun(ticket))],
    };
    assert_eq!(
        driver.write(&by(&old, after(5))).await.unwrap(),
        Written::Lost
    );
    assert_eq!(found(&driver, &old).await, None);
    // One that was issued by this very request cannot have been in what was lost, whatever the clock says.
    assert_eq!(driver.write(&by(&fresh, NOW)).await.unwrap(), Written::Done);
    // One that was issued afterwards begins a session as ever.
    let new = Ticket::mint(after(6));
    assert_eq!(
        driver.write(&by(&new, after(8))).await.unwrap(),
        Written::Done
    );
}

#[tokio::test]
async fn every_key_has_an_end_and_none_tells_a_ticket() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let mut secrets = Vec::new();
    for number in 0..3 {
        let ticket = Ticket::mint(NOW);
        let row = stored(&driver, &ticket).await;
        let mut before = Session::clone(&row.session);
        let commit = Commit::new(ticket.clone(), log_in("alice"), after(number));
        let effects = before.commit(&commit, &terms());
        let fork = effects.fork.unwrap();
        let rows = vec![changed_row(&before, Some(row.revision)), new_row(&fork)];
        assert_eq!(driver.write(&writing(rows)).await.unwrap(), Written::Done);
        secrets.extend([ticket, effects.committed.ticket.unwrap()]);
    }
    let dump = redis.cli(&["KEYS", "*"]);
    assert!(dump.lines().count() > 64 + 3 * 4, "{dump}");
    for key in dump.lines() {
        let ttl: i64 = redis.cli(&["PTTL", key]).parse().unwrap();
        let is_birth = key.starts_with("cloakroom:born:");
        assert_eq!(ttl < 0, is_birth, "{key}: {ttl}");
        let absolute = terms().absolute.as_millis() as i64;
        assert!(ttl < absolute, "{key}: {ttl}");
    }
    // What a browser holds is nowhere: neither as it is written there, nor the random part of it.
    let secret = cloakroom::base::secret::Secret::new([7; 32]);
    let key = cloakroom::session::RingKey {
        secret,
        created: NOW,
    };
    let ring = cloakroom::session::KeyRing::new(&[key], Duration::ZERO).unwrap();
    let values: String = dump
        .lines()
        .filter(|key| key.starts_with("cloakroom:s:") || key.starts_with("cloakroom:t:"))
        .map(|key| redis.cli(&["GET", key]))
        .collect();
    for ticket in secrets {
        let place = cloakroom::session::Place::at("sid", "localhost");
        let text = ring.encode(&ticket, &place, NOW);
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .unwrap();
        let random = &bytes[14..46];
        let spellings = [
            data_encoding::BASE64URL_NOPAD.encode(random),
            data_encoding::HEXLOWER.encode(random),
            text.to_string(),
        ];
        for spelling in spellings {
            assert!(!dump.contains(&spelling) && !values.contains(&spelling));
        }
    }
}

#[tokio::test]
async fn what_is_over_goes_by_itself_with_its_tickets() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    let row = RowChange {
        keep_until: NOW.plus(Duration::from_millis(100)),
        ..new_row(&begun(&ticket))
    };
    driver.write(&writing(vec![row])).await.unwrap();
    support::eventually("the session is gone", async || {
        found(&driver, &ticket).await.is_none().then_some(())
    })
    .await;
    let left = redis.cli(&["KEYS", "cloakroom:*"]);
    assert!(
        left.lines().all(|key| key.starts_with("cloakroom:born:")),
        "{left}"
    );
}

#[tokio::test]
async fn a_later_write_keeps_the_tickets_as_long_as_the_session() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    let row = RowChange {
        keep_until: NOW.plus(Duration::from_millis(500)),
        ..new_row(&begun(&ticket))
    };
    driver.write(&writing(vec![row.clone()])).await.unwrap();
    driver
        .write(&writing(vec![touched(&row, "2")]))
        .await
        .unwrap();
    let keys = redis.cli(&["KEYS", "cloakroom:[st]:*"]);
    let ends: Vec<i64> = keys
        .lines()
        .map(|key| redis.cli(&["PTTL", key]).parse().unwrap())
        .collect();
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|end| *end > 3_600_000), "{ends:?}");
}

#[tokio::test]
async fn two_that_share_a_server_under_other_prefixes_do_not_meet() {
    let Some(redis) = Redis::start() else { return };
    let one = connect(&format!("{}/0?prefix=one:", redis.url())).await;
    let two = connect(&format!("{}/0?prefix=two:", redis.url())).await;
    let ticket = Ticket::mint(NOW);
    stored(&one, &ticket).await;
    assert!(found(&one, &ticket).await.is_some());
    assert!(found(&two, &ticket).await.is_none());
    assert_eq!(redis.cli(&["KEYS", "cloakroom:*"]), "");
}

#[tokio::test]
async fn a_torn_row_is_a_fault_and_no_stranger() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    stored(&driver, &ticket).await;
    let key = redis.cli(&["KEYS", "cloakroom:s:*"]);
    for torn in [
        "",
        "x",
        "f000000000000001-------------------------------------------{\"v\":2",
    ] {
        redis.cli(&["SET", &key, torn]);
        let fault = driver.find(&ticket.key(), NOW).await.unwrap_err();
        assert!(matches!(fault, StoreFault::Unreadable(_)), "{fault:?}");
    }
}
