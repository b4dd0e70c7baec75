//! How much is kept.

use crate::support::forms::encode;
use crate::{Club, TARGET, assert_untouched};

#[tokio::test]
async fn what_is_larger_than_preserve_post_is_not_kept() {
    let club = Club::with("engine = \"memory\"", "", "preserve_post = \"1KiB\"").await;
    let body = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
    for (bytes, status) in [(1024, 303), (1025, 401), (1 << 20, 401)] {
        let browser = club.gate.browser();
        let answer = club.post(&browser, TARGET, &body(bytes)).send().await;
        assert_eq!(answer.status(), status, "{bytes}: {answer:?}");
        // Without a length in its head it is read no further than that.
        let (feed, chunked) = crate::support::body::fed();
        let call = club.post(&browser, TARGET, "").body(chunked).send();
        let send = async {
            feed.data(body(bytes)).await;
            drop(feed);
        };
        let (answer, ()) = tokio::join!(call, send);
        assert_eq!(answer.status(), status, "{bytes} in chunks: {answer:?}");
    }
    let browser = club.gate.browser();
    let far = format!("/notes/{}", "x".repeat(3000));
    assert_eq!(club.post(&browser, &far, "a=1").send().await.status(), 401);
    let many = "a=&".repeat(501);
    assert_eq!(
        club.post(&browser, TARGET, &many[..1000])
            .send()
            .await
            .status(),
        303
    );
    assert_untouched(&club);
}

#[tokio::test]
async fn the_largest_form_is_kept_whole() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let body = encode(&[("text", &"é".repeat(2700)), ("end", "here")]);
    assert!(
        body.len() > 15 << 10 && body.len() <= 16 << 10,
        "{}",
        body.len()
    );
    let target = format!("/notes/{}", "x".repeat(2000));
    let page = club.keep(&browser, &target, &body).await;
    club.log_in(&browser, "alice", &page).await;
    let html = club.look(&browser, &page).await.text();
    club.press_and_follow(&browser, &page, &html).await;
    assert_eq!(club.seen(&target).first().unwrap().body, body.as_bytes());
}

/// A flood of forms, each from a browser without a cookie, leaves the store as it was but for a few.
#[tokio::test]
async fn a_thousand_forms_of_one_address_are_not_a_thousand_that_are_kept() {
    let club = Club::plain().await;
    let mut kept = 0;
    for _ in 0..10 {
        let posts = (0..100).map(|_| async {
            let browser = club.gate.browser();
            club.post(&browser, TARGET, "a=1").send().await.status()
        });
        let statuses = crate::support::together(posts).await;
        kept += statuses.iter().filter(|status| **status == 303).count();
        assert!(statuses.iter().all(|status| [303, 401].contains(status)));
    }
    assert_eq!(kept, 20);
    assert_untouched(&club);
}
