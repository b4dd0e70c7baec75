//! Somebody planted a valid ticket of their own in the visitor's browser, and waits.

use crate::house::{House, Way, alice};
use crate::support::{Browser, eventually, together};

const GRACE: &str = "rotation_grace = \"1s\"";

/// What the app sees of whoever holds just this ticket: user, the cookie of the login, and the thief's own.
async fn seen_with(house: &House, ticket: &str) -> [Option<String>; 3] {
    let thief = house.gate.browser();
    thief.get("/").holding(ticket).navigating().send().await;
    let seen = house.app.last();
    let cookies = ["mine", "basket"].map(|name| seen.cookie(name));
    let [mine, basket] = cookies;
    [seen.header("x-session-user"), mine, basket]
}

fn plant(victim: &Browser, ticket: &str) {
    victim.plant("localhost", "/", &format!("{ticket}; Path=/; Secure"));
    assert_eq!(victim.ticket_line(), ticket, "it is held, and sent");
}

async fn a_planted_ticket(way: Way, is_stored: bool) {
    let house = House::of(way, GRACE).await;
    let thief = house.gate.browser();
    let path = if is_stored { "/basket" } else { "/" };
    thief.get(path).send().await;
    let planted = thief.ticket_line();
    let victim = house.victim();
    plant(&victim, &planted);

    house.log_in(&victim).await;
    let told = format!("{way:?}, stored: {is_stored}");
    assert_ne!(victim.ticket_line(), planted, "{told}");
    assert_eq!(house.app_knows(&victim).await, alice(), "{told}");

    // At once: no user, no cookie of the login.
    let [user, mine, _] = seen_with(&house, &planted).await;
    assert_eq!([user, mine], [None, None], "{told}");
    // What the thief makes the app set meanwhile comes to nobody.
    thief.get("/poison").holding(&planted).send().await;
    assert_eq!(house.app_knows(&victim).await, alice(), "{told}");
    assert_eq!(house.app.last().cookie("poison"), None, "{told}");

    // After the grace it opens nothing, not even what the thief had put there.
    if is_stored {
        eventually(
            &format!("{told}: the planted ticket opens nothing"),
            async || {
                let seen = seen_with(&house, &planted).await;
                assert_eq!(&seen[..2], [None, None], "{told}");
                seen[2].is_none().then_some(())
            },
        )
        .await;
    }
    assert_eq!(
        seen_with(&house, &planted).await,
        [None, None, None],
        "{told}"
    );
    assert_eq!(house.app_knows(&victim).await, alice(), "{told}");
}

#[tokio::test]
async fn a_planted_ticket_sees_nothing_of_the_login_and_opens_nothing_after_the_grace() {
    let rows = Way::ALL
        .into_iter()
        .flat_map(|way| [(way, true), (way, false)]);
    together(rows.map(|(way, is_stored)| a_planted_ticket(way, is_stored))).await;
}

/// Who logs in again may do so because somebody has the ticket.
#[tokio::test]
async fn a_ticket_from_before_another_login_of_the_same_user_opens_nothing_after_the_grace() {
    let ways = Way::ALL.into_iter().filter(|way| !way.is_of_each_request());
    together(ways.map(async |way| {
        let house = House::of(way, GRACE).await;
        let victim = house.victim();
        house.log_in(&victim).await;
        assert_eq!(house.app_knows(&victim).await, alice());
        let stolen = victim.ticket_line();

        house.log_in(&victim).await;
        assert_ne!(victim.ticket_line(), stolen, "{way:?}");
        eventually(
            &format!("{way:?}: the stolen ticket opens nothing"),
            async || {
                let seen = seen_with(&house, &stolen).await;
                (seen == [None, None, None]).then_some(())
            },
        )
        .await;
        assert_eq!(house.app_knows(&victim).await, alice(), "{way:?}");
    }))
    .await;
}
