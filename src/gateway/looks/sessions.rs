//! The page of a visitor's sessions: what its template is told.

use minijinja::Value;

use super::moment::Moment;
use super::pages::Page;
use super::texts::{Text, Texts};
use crate::base::clock::Time;

/// A visitor's sessions.
pub struct Sessions<'a> {
    /// There: the visitor has too many, and picks which one ends.
    pub pick: Option<Pick<'a>>,
    /// What was done; a number goes into it.
    pub note: Option<(Text, usize)>,
    /// Why nothing was done.
    pub fault: Option<Text>,
    /// Who is logged in.
    pub user: &'a str,
    /// How they logged in, and when.
    pub how: (Text, Moment),
    /// Whether somebody else decides whether they are.
    pub is_vouched: bool,
    /// What ties the form to the session.
    pub token: &'a str,
    /// This session.
    pub own: Shown,
    /// When it ends if nobody uses it.
    pub idle_end: Moment,
    /// When it ends at the latest.
    pub end: Moment,
    /// The others, each with what its button asks for; `None`: there is no list.
    pub others: Option<Vec<(String, Shown)>>,
    /// How many more there are than are shown.
    pub more: usize,
}

/// What a visitor has to pick.
pub struct Pick<'a> {
    /// How many sessions they may have.
    pub most: usize,
    /// Whether there is room by now.
    pub has_room: bool,
    /// Where the visitor goes on.
    pub return_to: &'a str,
}

/// One session.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What the device may be called.
    pub device: Option<String>,
    /// Where the login came from.
    pub address: Option<String>,
    /// When it began.
    pub begun: Moment,
    /// When it was last used.
    pub seen: Moment,
}

impl Sessions<'_> {
    /// What its template is told, beside what every template is.
    pub(super) fn context(&self, texts: &Texts) -> Vec<(&'static str, Value)> {
        let title = match self.pick {
            Some(_) => Text::TooManySessions,
            None => Text::Sessions,
        };
        let pick = self.pick.as_ref().map(|pick| match pick.has_room {
            true => texts.of(Text::PickRoom).to_owned(),
            false => texts.with(Text::PickOne, &pick.most.to_string()),
        });
        let note = self
            .note
            .map(|(note, count)| texts.with(note, &count.to_string()));
        let others = self.others.as_deref().unwrap_or_default();
        let caption = texts.with(Text::OthersCount, &(others.len() + self.more).to_string());
        let more = texts.with(Text::OthersMore, &self.more.to_string());
        let others = others.iter().map(|(deed, shown)| {
            let deed = [("deed", Value::from(deed.as_str()))];
            Value::from_pairs(shown.pairs(texts).into_iter().chain(deed))
        });
        let again = self.is_vouched.then(|| texts.of(Text::Vouched));
        let (how, when) = self.how;
        vec![
            ("title", texts.of(title).into()),
            ("picks", self.pick.is_some().into()),
            ("pick", pick.unwrap_or_default().into()),
            (
                "has_room",
                self.pick.as_ref().is_some_and(|pick| pick.has_room).into(),
            ),
            (
                "return_to",
                self.pick.as_ref().map_or("", |pick| pick.return_to).into(),
            ),
            ("note", note.unwrap_or_default().into()),
            (
                "fault",
                self.fault.map_or("", |fault| texts.of(fault)).into(),
            ),
            ("who", texts.with(Text::LoggedInAs, self.user).into()),
            ("how", texts.with(how, &when.distance(texts)).into()),
            ("again", again.unwrap_or_default().into()),
            ("token", self.token.into()),
            ("own", Value::from_pairs(self.own.pairs(texts))),
            ("idle_end", self.idle_end.value(texts)),
            ("end", self.end.value(texts)),
            ("is_listed", self.others.is_some().into()),
            ("others", others.collect::<Vec<_>>().into()),
            ("caption", caption.into()),
            (
                "more",
                if self.more > 0 {
                    more.into()
                } else {
                    "".into()
                },
            ),
        ]
    }
}

impl Shown {
    fn pairs(&self, texts: &Texts) -> [(&'static str, Value); 4] {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        [
            ("device", text(&self.device)),
            ("address", text(&self.address)),
            ("begun", self.begun.value(texts)),
            ("seen", self.seen.value(texts)),
        ]
    }
}

/// The page in every way that matters, with `odd` for every value.
pub(super) fn for_each_sample(odd: &str, look: &mut impl FnMut(&Page<'_>)) {
    let moment = Moment {
        at: Time::from_secs(1_000),
        now: Time::from_secs(2_000),
    };
    let text = |is_there: bool| is_there.then(|| odd.to_owned());
    let shown = |is_told| Shown {
        device: text(is_told),
        address: text(is_told),
        begun: moment,
        seen: moment,
    };
    for (nth, others) in [None, Some(0), Some(1), Some(2)].into_iter().enumerate() {
        for has_room in [None, Some(false), Some(true)] {
            let others = others.map(|many| (0..many).map(|_| (odd.to_owned(), shown(nth == 3))));
            look(&Page::Sessions(&Sessions {
                pick: has_room.map(|has_room| Pick {
                    most: 1,
                    has_room,
                    return_to: odd,
                }),
                note: has_room.map(|_| (Text::Ended, nth)),
                fault: has_room.map(|_| Text::StaleSessions),
                user: odd,
                how: (Text::LoggedInApp, moment),
                is_vouched: nth == 0,
                token: odd,
                own: shown(nth > 0),
                idle_end: moment,
                end: moment,
                others: others.map(Iterator::collect),
                more: nth,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::Looks;
    use super::*;

    fn moment() -> Moment {
        Moment {
            at: Time::from_secs(1_000),
            now: Time::from_secs(2_000),
        }
    }

    fn shown(device: Option<&str>) -> Shown {
        Shown {
            device: device.map(str::to_owned),
            address: device.map(str::to_owned),
            begun: moment(),
            seen: moment(),
        }
    }

    fn html(pick: Option<Pick<'_>>, others: Option<Vec<(String, Shown)>>, lang: &str) -> String {
        let page = Sessions {
            pick,
            note: Some((Text::Ended, 4)),
            fault: Some(Text::StaleSessions),
            user: "<alice>",
            how: (Text::LoggedInHere, moment()),
            is_vouched: true,
            token: "t",
            own: shown(Some("<own>")),
            idle_end: moment(),
            end: moment(),
            others,
            more: 3,
        };
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", lang.parse().unwrap());
        Looks::ours().manner(&headers).html(&Page::Sessions(&page))
    }

    #[test]
    fn it_shows_what_it_is_told_and_none_of_it_becomes_markup() {
        let odd = shown(Some("\"><script>"));
        let others = vec![("end 1".to_owned(), odd), ("end 2".to_owned(), shown(None))];
        let html = html(None, Some(others), "en");
        for part in [
            "<html lang=\"en\">",
            "<main class=\"wide\">",
            "<caption>Where else you are logged in: 5</caption>",
            "<th scope=\"row\" id=\"s1\">",
            "Unknown device",
            "name=\"deed\" value=\"end 1\"",
            "name=\"deed\" value=\"end 2\"",
            "value=\"end-others\"",
            "value=\"log-out\"",
            "not shown: 3.",
            "role=\"alert\">Your session has changed",
            "role=\"status\">Sessions ended: 4.",
            "<time datetime=\"1970-01-01T00:16:40Z\">1970-01-01 00:16 UTC</time> (16 min ago)",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("<script") && !html.contains("<own>") && !html.contains("<alice>"));
        assert!(!html.contains("value=\"go-on\"") && !html.contains("return_to"));
    }

    #[test]
    fn whoever_has_too_many_picks_or_goes_on() {
        for has_room in [false, true] {
            let pick = Pick {
                most: 2,
                has_room,
                return_to: "/x?a=1&b=2",
            };
            let html = html(
                Some(pick),
                Some(vec![("end 1".to_owned(), shown(None))]),
                "de",
            );
            assert!(html.contains("<h1>Zu viele Sitzungen</h1>"), "{html}");
            assert!(html.contains("Beenden und weiter"), "{html}");
            assert!(html.contains("name=\"return_to\" value=\"/x?a=1&amp;b=2\""));
            assert_eq!(html.contains("erlaubt: 2."), !has_room, "{html}");
            assert_eq!(html.contains("value=\"go-on\""), has_room);
        }
    }

    #[test]
    fn without_a_list_it_says_so() {
        let none = html(None, None, "fr");
        assert!(none.contains("ne tient pas de liste") && !none.contains("<table"));
        let empty = html(None, Some(Vec::new()), "es");
        assert!(empty.contains("No hay otras.") && !empty.contains("<table"));
    }
}
