//! How our pages look and which language they speak: templates, a style and words, ours or those of an operator over ours.
//!
//! A template has no way to write what a visitor typed as markup: all that is put in is escaped by the formatter, which
//! no template can turn off. The pages work without a script. One that an operator broke is judged before it is used
//! ([`judge`]); should it fail all the same, ours takes its place, so that people can log in.

pub mod texts;

mod speech;

pub mod moment;

pub mod sessions;

pub mod pages;

pub mod judge;

mod tags;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use http::header::{CONTENT_LANGUAGE, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value};

use self::pages::{Kind, Page};
use self::texts::{Text, Texts};
use super::page::{Escaped, whole};
use crate::headers::accept_language::choose;
use crate::upstream::Body;

/// Our templates by the names of their files.
pub const TEMPLATES: [(&str, &str); 8] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("login.html", include_str!("templates/login.html")),
    ("logout.html", include_str!("templates/logout.html")),
    ("logged-out.html", include_str!("templates/logged-out.html")),
    ("sessions.html", include_str!("templates/sessions.html")),
    ("denied.html", include_str!("templates/denied.html")),
    ("resend.html", include_str!("templates/resend.html")),
    ("resume.html", include_str!("templates/resume.html")),
];
/// The file of our style.
pub const STYLE: (&str, &str) = ("style.css", include_str!("templates/style.css"));

/// Posts a form. A field may be called `submit`, and then that is what `form.submit` is.
const SCRIPT: &str = "HTMLFormElement.prototype.submit.call(document.forms[0])";
/// So many steps a template may take. A page of ours with a thousand fields takes some twenty thousand.
const FUEL: u64 = 500_000;
/// So deep may blocks, loops and includes stand in each other. A page is made on a thread that serves sockets, whose stack is
/// none too large.
const DEPTH_MAX: usize = 100;

/// What an operator puts over ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Over {
    /// Templates, by the names of their files.
    pub templates: BTreeMap<String, String>,
    /// The style, in the place of ours.
    pub style: Option<String>,
    /// The languages that are spoken; the first is spoken to whoever asks for none of them. Empty: those that we ship.
    pub languages: Vec<Texts>,
}

/// How pages look, whole.
pub struct Looks {
    templates: Environment<'static>,
    style: Value,
    policies: Policies,
    languages: Vec<Texts>,
    /// Whether nothing of it is an operator's.
    is_ours: bool,
}

/// What pages may do.
struct Policies {
    /// Those that log in and out.
    form: HeaderValue,
    /// Those that say why something is not shown, which may be within a frame.
    denied: HeaderValue,
    /// A form that goes where the app wants it. Where it may go is not limited: browsers hold redirects to that as well,
    /// and an app may answer with one to elsewhere.
    free: HeaderValue,
    /// The same, and it posts itself.
    resend: HeaderValue,
}

/// The looks for one visitor.
#[derive(Clone)]
pub struct Manner {
    looks: Arc<Looks>,
    /// Which of the languages.
    lang: usize,
}

static OURS: LazyLock<Arc<Looks>> = LazyLock::new(|| {
    let looks = Looks::with(&Over::default(), |fault| {
        tracing::error!(error = %fault, "a template of our pages is broken");
    });
    Arc::new(looks)
});

impl Looks {
    /// As we ship them.
    pub fn ours() -> Arc<Self> {
        Arc::clone(&OURS)
    }

    /// As we ship them, with what the operator puts over it.
    ///
    /// # Errors
    /// The templates that cannot be read as such.
    pub fn new(over: &Over) -> Result<Self, Vec<Error>> {
        let mut faults = Vec::new();
        let looks = Self::with(over, |fault| faults.push(fault));
        if faults.is_empty() {
            Ok(looks)
        } else {
            Err(faults)
        }
    }

    fn with(over: &Over, mut note: impl FnMut(Error)) -> Self {
        let mut templates = Environment::new();
        templates.set_auto_escape_callback(|_| AutoEscape::Html);
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_fuel(Some(FUEL));
        templates.set_recursion_limit(DEPTH_MAX);
        templates.remove_filter("safe");
        // In the place of the usual one, which `{% autoescape %}` can turn off.
        templates.set_formatter(|out, _, value| {
            let written = match value.as_str() {
                Some(safe) if value.is_safe() => out.write_str(safe),
                Some(text) => write!(out, "{}", Escaped(text)),
                None => write!(out, "{}", Escaped(&value.to_string())),
            };
            written.map_err(Error::from)
        });
        let ours = TEMPLATES.into_iter();
        let ours = ours.filter(|(name, _)| !over.templates.contains_key(*name));
        for (name, text) in ours {
            templates.add_template(name, text).unwrap_or_else(&mut note);
        }
        for (name, text) in &over.templates {
            let added = templates.add_template_owned(name.clone(), text.clone());
            added.unwrap_or_else(&mut note);
        }
        let style = over.style.as_deref().unwrap_or(STYLE.1);
        let languages = match &*over.languages {
            [] => Texts::shipped(),
            chosen => chosen.to_vec(),
        };
        Self {
            templates,
            policies: Policies::of(style),
            // It goes in as it is: its hash is what the policy allows.
            style: Value::from_safe_string(style.to_owned()),
            languages,
            is_ours: over.templates.is_empty() && over.style.is_none(),
        }
    }

    /// The looks for a visitor who asks with these headers.
    pub fn manner(self: &Arc<Self>, headers: &HeaderMap) -> Manner {
        let lang = match &*self.languages {
            [_] => 0,
            several => choose(headers, several).unwrap_or_default(),
        };
        Manner {
            looks: Arc::clone(self),
            lang,
        }
    }

    fn render(&self, page: &Page<'_>, texts: &Texts) -> Result<String, Error> {
        let text = texts.all().map(|(name, words)| (name, Value::from(words)));
        let rest = [
            ("lang", Value::from(&*texts.lang)),
            ("text", Value::from_pairs(text)),
            ("style", self.style.clone()),
            ("script", Value::from_safe_string(SCRIPT.to_owned())),
        ];
        let context = page.context(texts).into_iter().chain(rest);
        let template = self.templates.get_template(page.kind().file())?;
        template.render(Value::from_pairs(context))
    }
}

impl AsRef<str> for Texts {
    fn as_ref(&self) -> &str {
        &self.lang
    }
}

impl Manner {
    /// The words for the visitor.
    pub fn texts(&self) -> &Texts {
        static ENGLISH: LazyLock<Texts> = LazyLock::new(Texts::english);
        // There is always one.
        self.looks.languages.get(self.lang).unwrap_or(&ENGLISH)
    }

    /// The words of a text.
    pub fn text(&self, text: Text) -> &str {
        self.texts().of(text)
    }

    /// The page in HTML.
    pub fn html(&self, page: &Page<'_>) -> String {
        let html = self.looks.render(page, self.texts());
        let html = match html {
            Err(error) if !self.looks.is_ours => {
                let file = page.kind().file();
                tracing::error!(%error, file, "a template of templates_dir failed: ours takes its place");
                OURS.render(page, self.texts())
            }
            html => html,
        };
        html.unwrap_or_else(|error| {
            tracing::error!(%error, "a page of ours cannot be made");
            String::new()
        })
    }

    /// The answer that shows the page.
    pub fn answer(&self, page: &Page<'_>, status: StatusCode) -> Response<Body> {
        let mut answer = whole(status, self.html(page), self.policy(page.kind()));
        self.dress(answer.headers_mut());
        answer
    }

    /// What a page may do.
    pub fn policy(&self, kind: Kind) -> &HeaderValue {
        let policies = &self.looks.policies;
        match kind {
            Kind::Login | Kind::Logout | Kind::LoggedOut | Kind::Sessions => &policies.form,
            Kind::Denied => &policies.denied,
            Kind::Resend => &policies.resend,
            Kind::Resume => &policies.free,
        }
    }

    /// Adds in which language a page is, and that another visitor may get it in another.
    pub fn dress(&self, headers: &mut HeaderMap) {
        let lang = HeaderValue::from_str(&self.texts().lang);
        headers.extend(lang.map(|lang| (CONTENT_LANGUAGE, lang)));
        if self.looks.languages.len() > 1 {
            headers.append(VARY, HeaderValue::from_static("Accept-Language"));
        }
    }
}

impl fmt::Debug for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Manner").field(&self.texts().lang).finish()
    }
}

impl Policies {
    /// A style is allowed by its hash, pictures from the site itself and within the page, and nothing else.
    fn of(style: &str) -> Self {
        let hash = |text: &str| BASE64.encode(digest(&SHA256, text.as_bytes()).as_ref());
        let (style, script) = (hash(style), hash(SCRIPT));
        let policy = |more: &str| {
            let policy = format!(
                "default-src 'none'; style-src 'sha256-{style}'; img-src 'self' data:; base-uri 'none'; {more}"
            );
            HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
        };
        Self {
            form: policy("form-action 'self'; frame-ancestors 'none'"),
            denied: policy("form-action 'none'; frame-ancestors 'self'"),
            free: policy("frame-ancestors 'none'"),
            resend: policy(&format!(
                "frame-ancestors 'none'; script-src 'sha256-{script}'"
            )),
        }
    }
}

#[cfg(test)]
mod tests;
