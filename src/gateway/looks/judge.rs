//! Whether pages made of an operator's templates can be used: each is made once in every way that matters, from odd
//! values, and looked at as a browser would. What a page lacks that nobody can log in without is a fault.

use std::sync::Arc;

use minijinja::Error;

use super::pages::{Field, Kept, Kind, Page};
use super::sessions;
use super::tags::{Tag, tags};
use super::texts::Text;
use super::{Looks, Manner, SCRIPT};
use crate::login::form::SecondFactor;

/// Why a page cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PageFault {
    /// A template fails.
    #[error("{} of {}, line {}", words(source), source.name().unwrap_or_default(), source.line().unwrap_or_default())]
    Template {
        /// With its file and line.
        #[from]
        source: Error,
    },
    /// The page lacks something.
    #[error("{file}: the page lacks {what}")]
    Lacks {
        /// The file of its template.
        file: &'static str,
        /// What.
        what: String,
    },
    /// A value ends up outside of quotes.
    #[error(
        "{file}: a value stands in an attribute without quotes around it, or outside of all: write name=\"{{{{ value }}}}\""
    )]
    Unquoted {
        /// The file of its template.
        file: &'static str,
    },
    /// What the policy of our pages does not let happen.
    #[error("{file}: {what}, which the pages' Content-Security-Policy does not allow; {way_out}")]
    Forbidden {
        /// The file of its template.
        file: &'static str,
        /// What.
        what: &'static str,
        /// What to do instead.
        way_out: &'static str,
    },
}

fn words(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// A value that stands in one attribute as a whole, or shows that it does not.
const ODD: &str = "odd cloakroom-odd=1 \"cloakroom-odd='>&<i>";
/// An attribute that no template writes.
const PROOF: &str = "cloakroom-odd";

/// All that is wrong with the pages as these looks make them.
pub fn faults(looks: &Arc<Looks>) -> Vec<PageFault> {
    let mut found = Vec::new();
    for_each_sample(|page| {
        let texts = looks.languages.first();
        let Some(texts) = texts else { return };
        match looks.render(page, texts) {
            Ok(html) => found.extend(look_at(page, &tags(&html), looks)),
            Err(source) => found.push(source.into()),
        }
    });
    let mut told = Vec::new();
    // One fault shows in many samples.
    found.retain(|fault| {
        let text = fault.to_string();
        let is_new = !told.contains(&text);
        told.push(text);
        is_new
    });
    found
}

fn look_at(page: &Page<'_>, tags: &[Tag], looks: &Arc<Looks>) -> Vec<PageFault> {
    let file = page.kind().file();
    let mut found: Vec<_> = missing(page, tags)
        .into_iter()
        .map(|what| PageFault::Lacks { file, what })
        .collect();
    let mut attributes = tags.iter().flat_map(|tag| &tag.attributes);
    if attributes.any(|(name, _)| name.contains(PROOF)) {
        found.push(PageFault::Unquoted { file });
    }
    let style = looks.style.as_str().unwrap_or_default();
    let mut forbid = |is_there: bool, what, way_out| {
        if is_there {
            found.push(PageFault::Forbidden {
                file,
                what,
                way_out,
            });
        }
    };
    let has = |name: &str, is_it: &dyn Fn(&Tag) -> bool| {
        tags.iter().any(|tag| tag.name == name && is_it(tag))
    };
    forbid(
        has("style", &|tag| tag.raw != style),
        "a <style> of its own stands there",
        "write it into style.css, and <style>{{ style }}</style>",
    );
    let scripts = page.kind() == Kind::Resend;
    forbid(
        has("script", &|tag| !scripts || tag.raw != SCRIPT),
        "a <script> stands there",
        "take it out: the pages work without",
    );
    let mut attributes = tags.iter().flat_map(|tag| &tag.attributes);
    let by_event = |name: &str| name.starts_with("on") || name == "style";
    forbid(
        attributes.any(|(name, _)| by_event(name)),
        "an attribute like onclick or style stands there",
        "write classes, and what they look like into style.css",
    );
    forbid(
        has("base", &|_| true),
        "a <base> stands there",
        "write whole addresses",
    );
    forbid(
        has("link", &|tag| {
            tag.value("rel")
                .is_some_and(|rel| rel.contains("stylesheet"))
        }),
        "a stylesheet is linked to",
        "write it into style.css",
    );
    found
}

/// What a page lacks that it is nothing without.
fn missing(page: &Page<'_>, tags: &[Tag]) -> Vec<String> {
    let links_to = |to: &str| {
        let mut links = tags.iter().filter(|tag| tag.name == "a");
        links.any(|link| link.value("href") == Some(to))
    };
    let link = |to: &str, name: &str| {
        let lacks = !to.is_empty() && !links_to(to);
        lacks.then(|| format!("<a href=\"{{{{ {name} }}}}\">"))
    };
    match page {
        Page::Login {
            second_factor,
            return_to,
            token,
            ..
        } => {
            let typed = |name: &str, kind: &str| Wanted::Typed(name.to_owned(), kind.to_owned());
            let hidden =
                |name: &str, value: &str| Wanted::Hidden(name.to_owned(), value.to_owned());
            let mut wanted = vec![
                typed("user", ""),
                typed("password", "password"),
                hidden("return_to", return_to),
                hidden("token", token),
            ];
            if *second_factor != SecondFactor::Off {
                wanted.push(typed("code", ""));
            }
            form(tags, "login", wanted)
        }
        Page::Logout { .. } => form(tags, "logout", Vec::new()),
        Page::LoggedOut { .. } => Vec::new(),
        Page::Sessions(sessions) => {
            let hidden =
                |name: &str, value: &str| Wanted::Hidden(name.to_owned(), value.to_owned());
            let mut wanted = vec![hidden("token", sessions.token)];
            let deed = |deed: &str| Wanted::Deed(deed.to_owned());
            wanted.push(deed("log-out"));
            if let Some(pick) = &sessions.pick {
                wanted.push(hidden("return_to", pick.return_to));
                wanted.extend(pick.has_room.then(|| deed("go-on")));
            }
            for (other, _) in sessions.others.iter().flatten() {
                wanted.extend([deed(other), deed("end-others")]);
            }
            form(tags, "session", wanted)
        }
        Page::Denied { link: to, .. } => {
            let to = to.map_or("", |(to, _)| to);
            link(to, "link").into_iter().collect()
        }
        Page::Resend { action, fields, .. } => form(tags, action, all(fields)),
        Page::Resume { form: kept, leave } => {
            let kept = kept.iter();
            let mut lacks: Vec<_> = kept
                .flat_map(|kept| form(tags, kept.action, all(kept.fields)))
                .collect();
            lacks.extend(link(leave, "leave"));
            lacks
        }
    }
}

/// A field that a form needs.
enum Wanted {
    /// The visitor fills it in; of this type, if one is named.
    Typed(String, String),
    /// It brings this value.
    Hidden(String, String),
    /// A button, and what it asks for.
    Deed(String),
}

fn all(fields: &[Field]) -> Vec<Wanted> {
    let fields = fields.iter().cloned();
    fields
        .map(|(name, value)| Wanted::Hidden(name, value))
        .collect()
}

/// What is missing from the form that goes to `action`.
fn form(tags: &[Tag], action: &str, wanted: Vec<Wanted>) -> Vec<String> {
    let is_it = |tag: &Tag| {
        let posts = tag
            .value("method")
            .is_some_and(|m| m.eq_ignore_ascii_case("post"));
        tag.name == "form" && posts && tag.value("action") == Some(action)
    };
    let Some(start) = tags.iter().position(is_it) else {
        let action = if action.contains(PROOF) {
            "{{ action }}"
        } else {
            action
        };
        return vec![format!("<form method=\"post\" action=\"{action}\">")];
    };
    let inside = tags.iter().skip(start + 1);
    let inside: Vec<_> = inside.take_while(|tag| tag.name != "/form").collect();
    let has = |wanted: &Wanted| {
        let mut inputs = inside.iter().filter(|tag| match wanted {
            Wanted::Typed(..) | Wanted::Hidden(..) => tag.name == "input",
            Wanted::Deed(_) => tag.name == "button",
        });
        inputs.any(|input| match wanted {
            Wanted::Deed(deed) => {
                input.value("name") == Some("deed") && input.value("value") == Some(deed)
            }
            Wanted::Typed(name, kind) => {
                let is_kind = kind.is_empty() || input.value("type") == Some(kind);
                input.value("name") == Some(name) && is_kind
            }
            Wanted::Hidden(name, value) => {
                input.value("name") == Some(name) && input.value("value") == Some(value)
            }
        })
    };
    let lacks = wanted.iter().filter(|wanted| !has(wanted));
    let mut lacks: Vec<_> = lacks
        .map(|wanted| match wanted {
            Wanted::Typed(name, _) if name == "password" => {
                "<input name=\"password\" type=\"password\"> in its form".to_owned()
            }
            Wanted::Typed(name, _) => format!("<input name=\"{name}\"> in its form"),
            Wanted::Deed(deed) if deed.contains(PROOF) => {
                "a <button> in its form for the deed of each of others".to_owned()
            }
            Wanted::Deed(deed) => {
                format!("<button name=\"deed\" value=\"{deed}\"> in its form")
            }
            Wanted::Hidden(name, _) if name.contains(PROOF) => {
                "a hidden <input> in its form for each of fields".to_owned()
            }
            Wanted::Hidden(name, _) => {
                format!(
                    "<input type=\"hidden\" name=\"{name}\" value=\"{{{{ {name} }}}}\"> in its form"
                )
            }
        })
        .collect();
    let sends = |tag: &&Tag| match &*tag.name {
        "button" => tag.value("type").is_none_or(|kind| kind == "submit"),
        "input" => tag.value("type") == Some("submit"),
        _ => false,
    };
    if !inside.iter().any(sends) {
        lacks.push("a <button> in its form".to_owned());
    }
    lacks
}

/// Each page in every way that matters.
fn for_each_sample(mut look: impl FnMut(&Page<'_>)) {
    use SecondFactor::{Off, Optional, Required};
    for second_factor in [Off, Optional, Required] {
        for (typed, fault, user) in [
            ("", None, None),
            (ODD, Some(Text::Denied), Some(ODD)),
            (ODD, None, Some(ODD)),
            ("", Some(Text::Stale), None),
        ] {
            look(&Page::Login {
                second_factor,
                typed,
                return_to: ODD,
                token: ODD,
                fault,
                user,
            });
        }
    }
    look(&Page::Logout { user: None });
    look(&Page::Logout { user: Some(ODD) });
    look(&Page::LoggedOut { log_in: "" });
    look(&Page::LoggedOut { log_in: ODD });
    sessions::for_each_sample(ODD, &mut look);
    for (link, refresh) in [
        (None, None),
        (Some((ODD, Text::LogIn)), None),
        (Some((ODD, Text::Continue)), Some(ODD)),
    ] {
        look(&Page::Denied {
            title: Text::LoginRequired,
            why: Text::LacksLogin,
            link,
            refresh,
            request_id: ODD,
        });
    }
    let fields = [(ODD.to_owned(), ODD.to_owned())];
    for fields in [&fields[..], &[]] {
        look(&Page::Resend {
            action: ODD,
            fields,
            request_id: ODD,
        });
        for (shown, more) in [
            (vec![(ODD, Some(ODD.to_owned()))], 0),
            (vec![(ODD, None)], 7),
        ] {
            let form = Some(Kept {
                action: ODD,
                path: ODD,
                fields,
                shown,
                more,
            });
            look(&Page::Resume { form, leave: ODD });
        }
    }
    look(&Page::Resume {
        form: None,
        leave: ODD,
    });
}

impl Manner {
    /// Whether all its pages can be used.
    #[cfg(test)]
    pub(super) fn faults(&self) -> Vec<PageFault> {
        faults(&self.looks)
    }
}
