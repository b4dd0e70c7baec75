//! How the page looks: one template, one style, one table of words. It works without a script, and may run none.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use http::{HeaderValue, Response, StatusCode};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::super::page::whole;
use super::words::Moment;
use crate::upstream::Body;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// Every word that the page says.
const TEXTS: &[(&str, &str)] = &[
    ("lang", "en"),
    ("log_in_again", "Log in again"),
    ("log_out", "Log out here"),
    ("go_on", "Continue"),
    ("this_session", "This session"),
    ("others", "Your other sessions"),
    ("device", "Device"),
    ("address", "Address"),
    ("begun", "Begun"),
    ("seen", "Last used"),
    ("ends", "Ends"),
    ("if_idle", "if you do nothing"),
    ("at_latest", "at the latest"),
    (
        "no_list",
        "This site keeps no list of sessions, so others cannot be shown or ended here.",
    ),
    ("no_others", "There are no others."),
    ("unknown_device", "Unknown device"),
    ("end_others", "End all others"),
];

/// One session, as it is shown.
pub(super) struct Shown {
    pub device: Option<String>,
    pub address: Option<String>,
    pub begun: Moment,
    pub seen: Moment,
}

/// What the page is for.
pub(super) enum Kind<'a> {
    /// To look at one's sessions.
    Sessions,
    /// To pick which one ends.
    Pick {
        /// How many there may be.
        most: usize,
        /// Whether there is room by now.
        has_room: bool,
        /// Where the visitor goes on.
        return_to: &'a str,
    },
}

/// The page.
pub(super) struct Sessions<'a> {
    pub kind: Kind<'a>,
    pub note: Option<String>,
    pub fault: Option<&'a str>,
    /// Who is logged in, and how they did it.
    pub who: String,
    /// What may happen to whoever logs out.
    pub again: Option<&'a str>,
    /// What ties the form to the session.
    pub token: String,
    pub own: Shown,
    /// When it ends if nobody uses it.
    pub idle_end: Moment,
    /// When it ends at the latest.
    pub end: Moment,
    /// The others with their names; `None`: there is no list.
    pub others: Option<Vec<(String, Shown)>>,
    /// How many more there are than are shown.
    pub more: usize,
}

struct Looks {
    templates: Environment<'static>,
    /// What the page may do.
    policy: HeaderValue,
}

static LOOKS: LazyLock<Looks> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let added = templates.add_template("page", TEMPLATE);
    added.unwrap_or_else(
        |error| tracing::error!(%error, "the template of a page of ours is broken"),
    );
    let style = BASE64.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy);
    Looks {
        templates,
        policy: policy.unwrap_or(HeaderValue::from_static("default-src 'none'")),
    }
});

impl Sessions<'_> {
    /// The answer that shows it.
    pub(super) fn answer(self, status: StatusCode) -> Response<Body> {
        whole(status, html(self.context()), &LOOKS.policy)
    }

    fn context(self) -> Vec<(&'static str, Value)> {
        let (title, kind, end) = match self.kind {
            Kind::Sessions => ("Your sessions", "sessions", "End"),
            Kind::Pick { .. } => ("Too many sessions", "pick", "End and go on"),
        };
        let (pick, has_room, return_to) = match self.kind {
            Kind::Sessions => (String::new(), false, ""),
            Kind::Pick {
                most,
                has_room,
                return_to,
            } => (pick(most, has_room), has_room, return_to),
        };
        let shown = self.others.as_ref().map_or(0, Vec::len);
        let all = shown + self.more;
        let caption = match all {
            1 => "1 other session, in which you are logged in elsewhere".to_owned(),
            _ => format!("{all} other sessions, in which you are logged in elsewhere"),
        };
        let more = match self.more {
            0 => String::new(),
            more => format!("{more} more, which were used longer ago, are not shown."),
        };
        let own = self.own.pairs().into_iter().chain([
            ("idle_end", self.idle_end.value()),
            ("end", self.end.value()),
        ]);
        let is_listed = self.others.is_some();
        let others = self.others.into_iter().flatten().map(|(name, shown)| {
            let named = [("name", Value::from(name))];
            Value::from_pairs(shown.pairs().into_iter().chain(named))
        });
        vec![
            ("kind", kind.into()),
            ("title", title.into()),
            ("end", end.into()),
            ("pick", pick.into()),
            ("has_room", has_room.into()),
            ("return_to", return_to.into()),
            ("note", self.note.unwrap_or_default().into()),
            ("fault", self.fault.unwrap_or_default().into()),
            ("who", self.who.into()),
            ("again", self.again.unwrap_or_default().into()),
            ("token", self.token.into()),
            ("own", Value::from_pairs(own)),
            ("is_listed", is_listed.into()),
            ("others", others.collect::<Vec<_>>().into()),
            ("caption", caption.into()),
            ("more", more.into()),
        ]
    }
}

/// The answer to whoever has logged out; `log_in` is where they can log in again.
pub(super) fn logged_out(log_in: Option<&str>) -> Response<Body> {
    let context = vec![
        ("kind", "logged-out".into()),
        ("title", "You are logged out".into()),
        ("note", "".into()),
        ("fault", "".into()),
        ("log_in", log_in.unwrap_or_default().into()),
    ];
    whole(StatusCode::OK, html(context), &LOOKS.policy)
}

fn pick(most: usize, has_room: bool) -> String {
    let may = match most {
        1 => "You may have one session at a time".to_owned(),
        _ => format!("You may have {most} sessions at a time"),
    };
    if has_room {
        format!("{may}, and there is room for this one now.")
    } else {
        format!("{may}. Choose which of the others ends, so that you can go on with this one.")
    }
}

fn html(context: Vec<(&'static str, Value)>) -> String {
    let text = TEXTS.iter().map(|(name, text)| (*name, Value::from(*text)));
    // The style goes in as it is: its hash is what the policy allows.
    let style = Value::from_safe_string(STYLE.to_owned());
    let rest = [("text", Value::from_pairs(text)), ("style", style)];
    let context = Value::from_pairs(context.into_iter().chain(rest));
    let page = LOOKS.templates.get_template("page");
    let html = page.and_then(|page| page.render(context));
    html.unwrap_or_else(|error| {
        tracing::error!(%error, "a page of ours cannot be made");
        String::new()
    })
}

impl Shown {
    fn pairs(self) -> Vec<(&'static str, Value)> {
        vec![
            ("device", self.device.unwrap_or_default().into()),
            ("address", self.address.unwrap_or_default().into()),
            ("begun", self.begun.value()),
            ("seen", self.seen.value()),
        ]
    }
}

impl Moment {
    fn value(self) -> Value {
        Value::from_pairs([
            ("machine", self.machine),
            ("utc", self.utc),
            ("distance", self.distance),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;

    fn moment() -> Moment {
        Moment::seen(Time::from_secs(1_000), Time::from_secs(2_000))
    }

    fn shown(device: Option<&str>) -> Shown {
        Shown {
            device: device.map(str::to_owned),
            address: device.map(str::to_owned),
            begun: moment(),
            seen: moment(),
        }
    }

    fn page(kind: Kind<'_>, others: Option<Vec<(String, Shown)>>) -> String {
        let page = Sessions {
            kind,
            note: Some("<note>".into()),
            fault: Some("<fault>"),
            who: "You are <alice>".into(),
            again: None,
            token: "t".into(),
            own: shown(Some("<own>")),
            idle_end: moment(),
            end: moment(),
            others,
            more: 3,
        };
        html(page.context())
    }

    #[test]
    fn it_shows_what_it_is_told_and_none_of_it_becomes_markup() {
        let others = vec![
            ("n1".to_owned(), shown(Some("\"><script>"))),
            ("n2".to_owned(), shown(None)),
        ];
        let html = page(Kind::Sessions, Some(others));
        for part in [
            "<html lang=\"en\">",
            "<main>",
            "<caption>5 other sessions",
            "<th scope=\"row\" id=\"s1\">",
            "Unknown device",
            "value=\"end n1\"",
            "value=\"end n2\"",
            "value=\"end-others\"",
            "value=\"log-out\"",
            "3 more",
            "role=\"alert\">&lt;fault&gt;",
            "role=\"status\">&lt;note&gt;",
            "<time datetime=\"1970-01-01T00:16:40Z\">1970-01-01 00:16 UTC</time> (16 minutes ago)",
            "prefers-color-scheme: dark",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("<script") && !html.contains("<own>") && !html.contains("<alice>"));
        assert!(!html.contains("value=\"go-on\"") && !html.contains("return_to"));
    }

    #[test]
    fn whoever_has_too_many_picks_or_goes_on() {
        for has_room in [false, true] {
            let kind = Kind::Pick {
                most: 2,
                has_room,
                return_to: "/x?a=1&b=2",
            };
            let html = page(kind, Some(vec![("n1".to_owned(), shown(None))]));
            assert!(html.contains("You may have 2 sessions"), "{html}");
            assert!(html.contains("End and go on"));
            assert!(html.contains("name=\"return_to\" value=\"&#x2f;x?a=1&amp;b=2\""));
            assert_eq!(html.contains("value=\"go-on\""), has_room);
        }
    }

    #[test]
    fn without_a_list_it_says_so() {
        let html = page(Kind::Sessions, None);
        assert!(html.contains("keeps no list") && !html.contains("<table"));
        let html = page(Kind::Sessions, Some(Vec::new()));
        assert!(html.contains("There are no others.") && !html.contains("<table"));
    }

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let answer = logged_out(Some("/login?a=1&b=2"));
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        let page = html(vec![
            ("kind", "logged-out".into()),
            ("title", "t".into()),
            ("note", "".into()),
            ("fault", "".into()),
            ("log_in", "/l".into()),
        ]);
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = BASE64.encode(digest(&SHA256, style.as_bytes()).as_ref());
        assert!(
            policy.contains(&format!("style-src 'sha256-{hash}';")),
            "{policy}"
        );
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    }
}
