use http::header::CONTENT_SECURITY_POLICY;

use super::*;
use crate::login::form::SecondFactor;

fn manner(over: &Over, lang: &str) -> Manner {
    let looks = Arc::new(Looks::new(over).unwrap());
    let lang = HeaderValue::from_str(lang).unwrap();
    looks.manner(&HeaderMap::from_iter([(
        http::header::ACCEPT_LANGUAGE,
        lang,
    )]))
}

fn over(file: &str, text: &str) -> Over {
    Over {
        templates: BTreeMap::from([(file.to_owned(), text.to_owned())]),
        ..Over::default()
    }
}

fn login<'a>(typed: &'a str, fault: Option<Text>, second_factor: SecondFactor) -> Page<'a> {
    Page::Login {
        second_factor,
        typed,
        return_to: "/x?a=1&b=2",
        token: "t",
        fault,
        user: (!typed.is_empty()).then_some(typed),
    }
}

#[test]
fn our_own_pages_are_all_that_they_must_be() {
    assert!(Looks::new(&Over::default()).is_ok());
    let faults = manner(&Over::default(), "en").faults();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn nothing_that_was_typed_becomes_markup() {
    let odd = "\"><script>alert(1)</script>'&";
    let ours = manner(&Over::default(), "en");
    let html = ours.html(&login(odd, Some(Text::Denied), SecondFactor::Optional));
    assert!(!html.contains("<script"), "{html}");
    assert_eq!(html.matches("&lt;script&gt;").count(), 2, "{html}");
    assert!(html.contains("id=\"code\"") && html.contains("code-note"));
}

/// Whatever a template tries.
#[test]
fn no_template_turns_escaping_off() {
    let odd = "<script>";
    for text in [
        "{{ typed }}",
        "{% autoescape false %}{{ typed }}{% endautoescape %}",
        "{% autoescape none %}{{ [typed, 'x']|join }}{% endautoescape %}",
        "{% set x %}{{ typed }}{% endset %}{{ x }}",
        "{% autoescape false %}{% set x %}{{ typed }}{% endset %}{{ x }}{% endautoescape %}",
        "{{ style|replace(style, typed) }}",
        "{{ (style ~ typed)|replace(style, '') }}",
        "{{ typed|upper }}",
        "{% filter lower %}{{ typed }}{% endfilter %}",
    ] {
        let manner = manner(&over("login.html", text), "en");
        let html = manner.html(&login(odd, None, SecondFactor::Off));
        assert!(!html.to_lowercase().contains("<script"), "{text}: {html}");
        assert!(html.to_lowercase().contains("script"), "{text}: {html}");
    }
    assert!(
        Looks::new(&over("login.html", "{{ typed|safe }}"))
            .is_err_and(|faults| { faults.iter().all(|fault| fault.line() == Some(1)) })
            || !manner(&over("login.html", "{{ typed|safe }}"), "en")
                .faults()
                .is_empty()
    );
}

#[test]
fn each_page_has_what_it_is_for() {
    let ours = manner(&Over::default(), "en");
    let html = ours.html(&login("", None, SecondFactor::Off));
    for part in [
        "<html lang=\"en\">",
        "<label for=\"user\">",
        "<label for=\"password\">",
        "type=\"password\"",
        "autocomplete=\"current-password\"",
        "name=\"return_to\" value=\"/x?a=1&amp;b=2\"",
        "prefers-color-scheme: dark",
        "name=\"viewport\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("id=\"code\"") && !html.contains("role=\"alert\""));
    let logout = ours.html(&Page::Logout {
        user: Some("alice"),
    });
    assert!(logout.contains("logged in as alice.") && logout.contains("action=\"logout\""));
    assert!(
        ours.html(&Page::LoggedOut { log_in: "login" })
            .contains("href=\"login\"")
    );
}

#[test]
fn the_visitors_language_is_spoken() {
    for (asked, lang, words) in [
        ("de-AT, en;q=0.5", "de", "Anmelden"),
        ("fr", "fr", "Se connecter"),
        ("es", "es", "Iniciar sesión"),
        ("tlh", "en", "Log in"),
    ] {
        let manner = manner(&Over::default(), asked);
        let answer = manner.answer(&login("", None, SecondFactor::Off), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_LANGUAGE], lang);
        assert_eq!(answer.headers()[VARY], "Accept-Language");
        let html = manner.html(&login("", None, SecondFactor::Off));
        assert!(html.contains(&format!("<html lang=\"{lang}\">")), "{html}");
        assert!(html.contains(&format!("<h1>{words}</h1>")), "{html}");
    }
}

/// The style is allowed by its hash, which must be that of what stands between the tags, and so is the script.
#[test]
fn the_policy_allows_style_and_script_by_hash_and_nothing_else() {
    let over = Over {
        style: Some("p { color: red }".to_owned()),
        ..Over::default()
    };
    for over in [Over::default(), over] {
        let manner = manner(&over, "en");
        let page = Page::Resend {
            action: "/x",
            fields: &[],
            request_id: "i",
        };
        let html = manner.html(&page);
        let answer = manner.answer(&page, StatusCode::OK);
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        for tag in ["style", "script"] {
            let (_, rest) = html.split_once(&format!("<{tag}>")).unwrap();
            let (text, _) = rest.split_once(&format!("</{tag}>")).unwrap();
            let hash = BASE64.encode(digest(&SHA256, text.as_bytes()).as_ref());
            assert!(
                policy.contains(&format!("{tag}-src 'sha256-{hash}'")),
                "{policy}"
            );
        }
        let policy = manner.policy(Kind::Login).to_str().unwrap();
        for part in [
            "default-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"));
    }
}

#[test]
fn a_page_that_nobody_could_log_in_with_is_a_fault() {
    let whole = TEMPLATES[1].1;
    for (file, text, words) in [
        (
            "login.html",
            "{{ nobody }}".to_owned(),
            "undefined value of login.html, line 1",
        ),
        (
            "login.html",
            "x".to_owned(),
            "lacks <form method=\"post\" action=\"login\">",
        ),
        (
            "login.html",
            whole.replace("name=\"token\"", "name=\"tokn\""),
            "lacks <input type=\"hidden\" name=\"token\" value=\"{{ token }}\">",
        ),
        (
            "login.html",
            whole.replace("{{ return_to }}", "/"),
            "lacks <input type=\"hidden\" name=\"return_to\"",
        ),
        (
            "login.html",
            whole.replace("type=\"password\"", "type=\"text\""),
            "<input name=\"password\" type=\"password\">",
        ),
        (
            "login.html",
            whole.replace("id=\"code\" name=\"code\"", ""),
            "<input name=\"code\">",
        ),
        (
            "login.html",
            whole.replace("method=\"post\"", ""),
            "lacks <form",
        ),
        (
            "login.html",
            whole.replace("value=\"{{ typed }}\"", "value={{ typed }}"),
            "without quotes",
        ),
        (
            "login.html",
            whole.replace("type=\"submit\"", "type=\"button\""),
            "lacks a <button>",
        ),
        (
            "login.html",
            whole.replace("<form", "<style>p {}</style><form"),
            "a <style> of its own",
        ),
        (
            "logout.html",
            "<script>x</script>".to_owned(),
            "a <script> stands there",
        ),
        (
            "sessions.html",
            "x".to_owned(),
            "lacks <form method=\"post\" action=\"session\">",
        ),
        (
            "sessions.html",
            TEMPLATES[4].1.replace("{{ other.deed }}", "end"),
            "a <button> in its form for the deed of each of others",
        ),
        (
            "denied.html",
            "x".to_owned(),
            "lacks <a href=\"{{ link }}\">",
        ),
        (
            "resume.html",
            "x".to_owned(),
            "lacks <form method=\"post\" action=\"{{ action }}\">",
        ),
        (
            "resend.html",
            TEMPLATES[6].1.replace("{{ field.value }}", "x"),
            "a hidden <input> in its form for each of fields",
        ),
        (
            "logout.html",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"
                .to_owned(),
            "engine ran out of fuel",
        ),
        (
            "logout.html",
            "{% include 'gone.html' %}".to_owned(),
            "template not found",
        ),
    ] {
        let faults = manner(&over(file, &text), "en").faults();
        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        assert!(
            told.contains(words) && told.contains(file),
            "{words}: {told}"
        );
    }
    let broken = Looks::new(&over("login.html", "a\n{% if %}"))
        .err()
        .unwrap();
    assert_eq!(broken.first().and_then(Error::line), Some(2));
}

/// What the judge could not foresee does not lock anybody out.
#[test]
fn ours_takes_the_place_of_a_template_that_fails() {
    let text = "{% if typed == 'bob' %}{{ nobody }}{% endif %}x";
    let manner = manner(&over("login.html", text), "de");
    assert_eq!(manner.html(&login("alice", None, SecondFactor::Off)), "x");
    let html = manner.html(&login("bob", None, SecondFactor::Off));
    assert!(
        html.contains("name=\"token\"") && html.contains("Anmelden"),
        "{html}"
    );
}
