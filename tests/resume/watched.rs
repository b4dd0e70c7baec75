//! With a login page of the app's.

use crate::support::{App, Gate, Setup};
use crate::{FORM, app_with_login, body_of};

#[tokio::test]
async fn a_form_waits_for_the_login_of_the_app_too() {
    let app = App::answering(app_with_login).await;
    let site = "[[site.rule]]\npath = \"/in\"\n[[site.rule]]\npath = \"/*\"\nrequire = { user = true }\n\
         [site.headers]\n\"X-Session-User\" = \"{user.id}\"\n\
         [site.login]\nmethod = \"watch\"\nlogin_url = \"/in\"\nreturn_param = \"next\"\n\
         login = { path = \"/in\", user_field = \"name\", success = { sets_cookie = \"app_login\" } }\n";
    let setup = Setup {
        store: "engine = \"memory\"",
        site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    let post = |target: &str, body: &str| {
        browser
            .post(target, body.to_owned())
            .header("content-type", FORM)
            .header("origin", gate.origin())
            .navigating()
    };
    browser.get("/in").navigating().send().await;
    let answer = post("/order?x=1", "a=1&b=2").send().await;
    assert_eq!(answer.status(), 303, "{answer:?}");
    let login = answer.header("location").unwrap().to_owned();
    assert_eq!(login, "/in?next=%2F.cloakroom%2Fresume%3Fform%3D0");

    let answer = post(&login, "name=alice&word=x").send().await;

    assert_eq!(answer.status(), 302, "{answer:?}");
    let page = answer.header("location").unwrap().to_owned();
    assert_eq!(page, "/.cloakroom/resume?form=0");
    let shown = browser.get(&page).navigating().send().await;
    assert_eq!(shown.status(), 200, "{shown:?}");
    let body = body_of(&shown.text());
    let answer = post(&page, &body).send().await;
    assert_eq!(answer.status(), 307);
    let to = format!("{}/order?x=1", gate.origin());
    assert_eq!(answer.header("location"), Some(&*to));
    let answer = post("/order?x=1", &body).send().await;
    assert_eq!(answer.status(), 200);
    let seen = app.last();
    assert_eq!(
        (seen.target.as_str(), &*seen.body),
        ("/order?x=1", &b"a=1&b=2"[..])
    );
    assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
}

/// Nobody would find the way back to it.
#[tokio::test]
async fn where_the_app_has_no_way_back_nothing_is_kept() {
    let app = App::answering(app_with_login).await;
    let site = "[[site.rule]]\npath = \"/order\"\nrequire = { user = true }\n\
         [site.login]\nmethod = \"watch\"\nlogin_url = \"/in\"\n\
         login = { path = \"/in\", user_field = \"name\", success = { sets_cookie = \"app_login\" } }\n";
    let setup = Setup {
        store: "engine = \"memory\"",
        site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    let call = browser.post("/order", "a=1").header("content-type", FORM);
    let answer = call
        .header("origin", gate.origin())
        .navigating()
        .send()
        .await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.set_cookies(), [""; 0]);
}
