//! An operator's templates, style and texts over ours, and the languages of the pages.

use std::fs;
use std::path::Path;

use crate::support::{self, Gate};
use crate::{Club, PASSWORD};

const LAYOUT: &str = "<!DOCTYPE html><html lang=\"{{ lang }}\"><head><title>{{ title }}</title>\
     {% block head %}{% endblock %}<style>{{ style }}</style></head><body><b>Brand</b>\
     {% block content %}{% endblock %}</body></html>";

/// A club whose pages are made of these files.
async fn dressed(files: &[(&str, &str)], login: &str) -> (Club, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let dir = folder.path().display();
    let club = Club::with("", &format!("templates_dir = \"{dir}\"\n{login}"), "").await;
    (club, folder)
}

/// What `cloakroom check` says of pages made of these files.
fn judged(files: &[(&str, &str)], login: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let looks = folder.path().join("looks");
    fs::create_dir(&looks).unwrap();
    for (name, text) in files {
        fs::write(looks.join(name), text).unwrap();
    }
    checked(
        folder.path(),
        &format!("templates_dir = \"looks\"\n{login}"),
    )
}

fn checked(folder: &Path, login: &str) -> (i32, String) {
    let text = format!(
        "[[tls.certificate]]\ncert_file = \"c.pem\"\nkey_file = \"k.pem\"\n[[site]]\nname = \"a\"\nhosts = [\"a.test\"]\n\
         upstream = [\"http://127.0.0.1:1\"]\n[site.login]\nmethod = \"form\"\nusers_file = \"users.toml\"\n{login}\n"
    );
    fs::write(folder.join("cloakroom.toml"), text).unwrap();
    let mut command = support::cloakroom(folder, &["check", "--config", "cloakroom.toml"]);
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(told).unwrap(),
    )
}

#[tokio::test]
async fn an_operators_files_go_over_ours_and_the_rest_stays() {
    let files = [
        ("layout.html", LAYOUT),
        ("style.css", "body { color: teal }"),
        ("messages.en.toml", "log_in = \"Come in\""),
    ];
    let (club, _folder) = dressed(&files, "").await;
    let browser = club.gate.browser();
    let page = club.form(&browser, "").await;
    let html = page.text();
    assert!(html.contains("<b>Brand</b>") && html.contains("<h1>") || html.contains("Come in"));
    assert!(
        html.contains("<style>body { color: teal }</style>"),
        "{html}"
    );
    assert!(
        html.contains("autocomplete=\"current-password\""),
        "our form within it: {html}"
    );
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "style-src 'sha256-",
        "img-src 'self' data:",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("script-src"),
        "{policy}"
    );
    let answer = club.log_in(&browser, "alice", PASSWORD).await;
    assert_eq!(answer.status(), 303);
}

#[tokio::test]
async fn what_was_typed_is_text_in_an_operators_template_too() {
    let login = "{% autoescape false %}<form method=post action=login><input name=user value=\"{{ typed }}\">\
         <p>{{ note }} {{ fault }} {{ typed }}</p><input name=password type=password>\
         {% if code != 'off' %}<input name=code>{% endif %}\
         <input type=hidden name=\"return_to\" value=\"{{ return_to }}\"><input type=hidden name=\"token\" value=\"{{ token }}\">\
         <button>x</button></form>{% endautoescape %}";
    let (club, _folder) = dressed(&[("login.html", login)], "").await;
    let browser = club.gate.browser();
    let answer = club
        .log_in(&browser, "\"><script>alert(1)</script>", PASSWORD)
        .await;
    assert_eq!(answer.status(), 401);
    let html = answer.text();
    assert!(
        !html.contains("<script") && html.contains("&lt;script&gt;"),
        "{html}"
    );
}

#[tokio::test]
async fn new_files_are_taken_at_a_reload_and_broken_ones_are_not() {
    let (club, folder) = dressed(&[("layout.html", LAYOUT)], "").await;
    let browser = club.gate.browser();
    let layout = folder.path().join("layout.html");
    fs::write(&layout, LAYOUT.replace("Brand", "Second")).unwrap();
    assert!(club.form(&browser, "").await.text().contains("Brand"));
    club.gate.signal("HUP");
    support::eventually("the new layout", async || {
        let html = club.form(&browser, "").await.text();
        html.contains("Second").then_some(())
    })
    .await;
    fs::write(&layout, "\n{% block content %}").unwrap();
    club.gate.signal("HUP");
    club.gate.says("layout.html, line").await;
    assert!(club.form(&browser, "").await.text().contains("Second"));
}

#[test]
fn check_tells_every_fault_with_file_and_line() {
    let large = "x".repeat(65 << 10);
    for (file, text, login, words) in [
        ("login.html", "a\n\n{% if %}", "", "login.html, line 3"),
        ("login.html", "a\n{{ usr }}", "", "login.html, line 2"),
        (
            "login.html",
            "<form method=post action=login></form>",
            "",
            "the page lacks <input type=\"hidden\" name=\"token\"",
        ),
        ("denied.html", "{{ why|safe }}", "", "denied.html, line 1"),
        ("style.css", &large, "", "style.css is larger than 64 KiB"),
        (
            "messages.de.toml",
            "\nlogged_in_as = \"Hallo\"",
            "",
            "messages.de.toml, line 2: logged_in_as: must hold {user}",
        ),
        (
            "style.css",
            "",
            "languages = [\"nl\"]",
            "there are no texts in \"nl\"",
        ),
        ("style.css", "", "languages = [\"d\"]", "is no language"),
        (
            "style.css",
            "",
            "languages = [\"de\", \"DE\"]",
            "stands there twice",
        ),
        (
            "style.css",
            "",
            "preserve_post = \"17KiB\"",
            "write at most \"16KiB\"",
        ),
    ] {
        let (code, told) = judged(&[(file, text)], login);
        assert_eq!(code, 78, "{words}: {told}");
        assert!(told.contains(words), "{words}: {told}");
        let of_line = ["templates_dir", "languages", "preserve_post"];
        assert!(of_line.iter().any(|key| told.contains(key)), "{told}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = checked(folder.path(), "templates_dir = \"gone\"");
    assert_eq!(code, 0, "absent files are warnings: {told}");
    assert!(told.contains("gone is no folder"), "{told}");
}

/// The folder that the documentation points at.
#[tokio::test]
async fn the_example_is_sound_and_shown() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/looks");
    let login = format!("templates_dir = \"{}\"", dir.display());
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = checked(folder.path(), &login);
    assert_eq!(code, 0, "{told}");
    let club = Club::with("", &login, "").await;
    let browser = club.gate.browser();
    let html = club.form(&browser, "").await.text();
    assert!(
        html.contains("Example Ltd") && html.contains("Staff number") && html.contains("mailto:"),
        "{html}"
    );
    let call = browser.get("/.cloakroom/login").navigating();
    let dutch = call.header("accept-language", "nl-BE").send().await.text();
    assert!(
        dutch.contains("<html lang=\"nl\">") && dutch.contains("Inloggen"),
        "{dutch}"
    );
}

#[tokio::test]
async fn pages_speak_the_language_that_the_browser_asks_for() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    for (asked, lang, words) in [
        ("de-CH, en;q=0.9", "de", "Benutzername"),
        ("fr", "fr", "Mot de passe"),
        ("es-419;q=0.9, it", "es", "Contraseña"),
        ("en-GB", "en", "Password"),
        ("ja", "en", "Password"),
        ("de;q=0, *;q=0.1", "en", "Password"),
        (&"de,".repeat(1000), "de", "Benutzername"),
    ] {
        let call = browser.get("/.cloakroom/login").navigating();
        let page = call.header("accept-language", asked).send().await;
        assert!(
            page.text().contains(&format!("<html lang=\"{lang}\">")),
            "{asked}"
        );
        assert!(page.text().contains(words), "{asked}");
        assert_eq!(page.header("content-language"), Some(lang));
        let vary = page.all("vary").join(", ");
        assert!(vary.contains("Accept-Language"), "{vary}");
    }
}

#[tokio::test]
async fn the_first_language_is_spoken_to_who_reads_none() {
    let club = Club::with("", "languages = [\"fr\", \"de\"]", "").await;
    let browser = club.gate.browser();
    for (asked, lang) in [("en", "fr"), ("de", "de"), ("es", "fr")] {
        let call = browser.get("/.cloakroom/login").navigating();
        let page = call.header("accept-language", asked).send().await;
        assert_eq!(page.header("content-language"), Some(lang), "{asked}");
    }
}

/// People are told in their language, programs in English.
#[tokio::test]
async fn whoever_may_not_is_told_in_their_language() {
    let app = crate::App::plain().await;
    let site = "trust_directives = true\n[[site.rule]]\npath = \"/x\"\nrequire = { user = true }\n\
         [[site.rule]]\npath = \"/saml\"\ncross_site = \"resend\"\n";
    let setup = crate::Setup {
        site,
        ..crate::Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    let told = browser
        .get("/x")
        .navigating()
        .header("accept-language", "de")
        .send()
        .await;
    assert_eq!(told.status(), 401);
    assert!(
        told.text().contains("angemeldeten Besuchern"),
        "{}",
        told.text()
    );
    assert!(told.text().contains("<html lang=\"de\">"));
    let vary = told.all("vary").join(", ");
    assert!(
        vary.contains("Accept-Language") && vary.contains("Cookie"),
        "{vary}"
    );
    let program = browser
        .get("/x")
        .fetching()
        .header("accept-language", "de")
        .send()
        .await;
    assert_eq!(
        program.header("content-type"),
        Some("application/problem+json")
    );
    assert!(
        program
            .text()
            .contains("this address is for visitors who are logged in")
    );
    assert_eq!(program.header("content-language"), None);
    let resent = browser
        .post("/saml", "a=1")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "https://idp.test")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("accept-language", "es")
        .send()
        .await;
    assert_eq!(resent.status(), 200);
    assert!(resent.text().contains("Vuelve usted"), "{}", resent.text());
}
