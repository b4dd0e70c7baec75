//! The pages, and what the template of each is told. docs/LOGIN.md names the same for operators.

use minijinja::Value;

use super::sessions::Sessions;
use super::texts::{Text, Texts};
use crate::login::form::SecondFactor;

/// Which page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The form that logs in.
    Login,
    /// The button that logs out.
    Logout,
    /// It is done.
    LoggedOut,
    /// A visitor's sessions.
    Sessions,
    /// Why something is not shown.
    Denied,
    /// The form of another site, sent again.
    Resend,
    /// The form that was kept over a login.
    Resume,
}

impl Kind {
    /// The file of its template.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Login => "login.html",
            Self::Logout => "logout.html",
            Self::LoggedOut => "logged-out.html",
            Self::Sessions => "sessions.html",
            Self::Denied => "denied.html",
            Self::Resend => "resend.html",
            Self::Resume => "resume.html",
        }
    }
}

/// A field of a form: its name, and its value.
pub type Field = (String, String);

/// A page, with what it is told.
pub enum Page<'a> {
    /// The form that logs in.
    Login {
        /// Whether a code is asked for.
        second_factor: SecondFactor,
        /// What was typed for a user before.
        typed: &'a str,
        /// Where the visitor goes on.
        return_to: &'a str,
        /// What ties the form to the visitor's session.
        token: &'a str,
        /// What did not work.
        fault: Option<Text>,
        /// Who is logged in now.
        user: Option<&'a str>,
    },
    /// The button that logs out.
    Logout {
        /// Who is logged in now.
        user: Option<&'a str>,
    },
    /// It is done.
    LoggedOut {
        /// Where to log in again; empty: nobody knows.
        log_in: &'a str,
    },
    /// A visitor's sessions.
    Sessions(&'a Sessions<'a>),
    /// Why something is not shown.
    Denied {
        /// What it comes to.
        title: Text,
        /// Why.
        why: Text,
        /// Where to go from here, and how that is called.
        link: Option<(&'a str, Text)>,
        /// Where the browser goes by itself.
        refresh: Option<&'a str>,
        /// The request's.
        request_id: &'a str,
    },
    /// The form of another site, sent again.
    Resend {
        /// Where it goes.
        action: &'a str,
        /// All fields.
        fields: &'a [Field],
        /// The request's.
        request_id: &'a str,
    },
    /// The form that was kept over a login.
    Resume {
        /// The form; none: there is none any more.
        form: Option<Kept<'a>>,
        /// Where the visitor goes who does not want it.
        leave: &'a str,
    },
}

/// A form that was kept over a login.
pub struct Kept<'a> {
    /// Where the button goes.
    pub action: &'a str,
    /// Where the form goes, for people.
    pub path: &'a str,
    /// All fields.
    pub fields: &'a [Field],
    /// What people see of them; no value is not to be shown.
    pub shown: Vec<(&'a str, Option<String>)>,
    /// How many are not shown at all.
    pub more: usize,
}

impl Page<'_> {
    /// Which one it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Login { .. } => Kind::Login,
            Self::Logout { .. } => Kind::Logout,
            Self::LoggedOut { .. } => Kind::LoggedOut,
            Self::Sessions(_) => Kind::Sessions,
            Self::Denied { .. } => Kind::Denied,
            Self::Resend { .. } => Kind::Resend,
            Self::Resume { .. } => Kind::Resume,
        }
    }

    /// What its template is told, beside what every template is.
    pub(super) fn context(&self, texts: &Texts) -> Vec<(&'static str, Value)> {
        let note = |user: &Option<&str>| match user {
            Some(user) => texts.with(Text::LoggedInAs, user),
            None => String::new(),
        };
        let request = |id: &str| ("request", texts.with(Text::RequestId, id).into());
        let title = |text: Text| ("title", Value::from(texts.of(text)));
        match self {
            Self::Login {
                second_factor,
                typed,
                return_to,
                token,
                fault,
                user,
            } => vec![
                title(Text::LogIn),
                ("note", note(user).into()),
                ("fault", fault.map_or("", |fault| texts.of(fault)).into()),
                ("code", code(*second_factor).into()),
                ("typed", (*typed).into()),
                ("return_to", (*return_to).into()),
                ("token", (*token).into()),
            ],
            Self::Logout { user } => vec![title(Text::LogOutTitle), ("note", note(user).into())],
            Self::LoggedOut { log_in } => {
                vec![title(Text::LoggedOut), ("log_in", (*log_in).into())]
            }
            Self::Sessions(sessions) => sessions.context(texts),
            Self::Denied {
                title: what,
                why,
                link,
                refresh,
                request_id,
            } => vec![
                title(*what),
                ("why", texts.of(*why).into()),
                ("link", link.map_or("", |(to, _)| to).into()),
                (
                    "link_text",
                    link.map_or("", |(_, called)| texts.of(called)).into(),
                ),
                ("refresh", refresh.unwrap_or_default().into()),
                request(request_id),
            ],
            Self::Resend {
                action,
                fields,
                request_id,
            } => vec![
                title(Text::OneMoment),
                ("action", (*action).into()),
                ("fields", all(fields)),
                request(request_id),
            ],
            Self::Resume { form, leave } => {
                let mut context = vec![("leave", Value::from(*leave))];
                context.extend(kept(form.as_ref(), texts));
                context
            }
        }
    }
}

fn kept(form: Option<&Kept<'_>>, texts: &Texts) -> [(&'static str, Value); 6] {
    let title = match form {
        Some(_) => Text::ResumeTitle,
        None => Text::ResumeGoneTitle,
    };
    let shown = form.into_iter().flat_map(|form| &form.shown);
    let shown = shown.map(|(name, value)| {
        Value::from_pairs([
            ("name", Value::from(*name)),
            ("hidden", value.is_none().into()),
            ("value", value.as_deref().unwrap_or_default().into()),
        ])
    });
    let more = form.map(|form| form.more).filter(|more| *more > 0);
    let more = more.map(|more| texts.with(Text::ResumeMore, &more.to_string()));
    let to = form.map(|form| texts.with(Text::ResumeTo, form.path));
    [
        ("title", texts.of(title).into()),
        ("action", form.map_or("", |form| form.action).into()),
        ("to", to.unwrap_or_default().into()),
        ("fields", all(form.map_or(&[], |form| form.fields))),
        ("shown", shown.collect::<Vec<_>>().into()),
        ("more", more.unwrap_or_default().into()),
    ]
}

fn all(fields: &[Field]) -> Value {
    let fields = fields.iter().map(|(name, value)| {
        Value::from_pairs([("name", name.as_str()), ("value", value.as_str())])
    });
    fields.collect::<Vec<_>>().into()
}

const fn code(second_factor: SecondFactor) -> &'static str {
    match second_factor {
        SecondFactor::Off => "off",
        SecondFactor::Optional => "optional",
        SecondFactor::Required => "required",
    }
}
