//! How the pages look: by day, by night, and on a small screen.

use crate::support::chromium::Chromium;
use crate::{House, LOGIN, SESSIONS};

#[tokio::test]
async fn pages_are_dark_for_who_likes_it_and_can_be_read_either_way() {
    let Some(browser) = Chromium::open().await else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&browser).await;
    for (page, name) in [(LOGIN, "login"), (SESSIONS, "sessions")] {
        let mut grounds = Vec::new();
        for scheme in ["light", "dark"] {
            browser.prefers(scheme).await;
            browser.go(&house.at(page)).await;
            browser.picture(&format!("{name}-{scheme}")).await;
            let ground = browser.style("main", "background-color").await;
            for css in ["h1", "main p", "button"] {
                let ink = browser.style(css, "color").await;
                let own = browser.style(css, "background-color").await;
                let behind = if own.ends_with(", 0)") { &ground } else { &own };
                let contrast = contrast(&ink, behind);
                // WCAG 1.4.3
                assert!(
                    contrast >= 4.5,
                    "{page} {scheme} {css}: {ink} on {behind}: {contrast}"
                );
            }
            grounds.push(luminance(&ground));
        }
        assert!(grounds[0] > 0.8 && grounds[1] < 0.1, "{page}: {grounds:?}");
    }
}

#[tokio::test]
async fn nothing_is_cut_off_on_a_small_screen() {
    let (Some(browser), Some(other)) = (Chromium::open().await, Chromium::open().await) else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&other).await;
    house.log_in(&browser).await;
    browser.resize(500, 900).await;
    for (page, name) in [(LOGIN, "login-small"), (SESSIONS, "sessions-small")] {
        browser.go(&house.at(page)).await;
        browser.picture(name).await;
        let script =
            "arguments[arguments.length - 1](document.documentElement.scrollWidth - innerWidth)";
        let surplus = browser.run(script).await.as_i64().unwrap();
        assert!(surplus <= 0, "{page}: {surplus} pixels too wide");
    }
}

/// The ratio that WCAG 2 defines.
fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: &str) -> f64 {
    let (_, numbers) = colour.split_once('(').unwrap();
    let numbers = numbers.trim_end_matches(')').split(',');
    let channels = numbers.take(3).map(|number| {
        let share = number.trim().parse::<f64>().unwrap() / 255.0;
        if share <= 0.04045 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    });
    channels
        .zip([0.2126, 0.7152, 0.0722])
        .map(|(channel, weight)| channel * weight)
        .sum()
}
