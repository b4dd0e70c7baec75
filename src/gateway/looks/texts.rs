//! Every word that our pages say to people, in the languages that we ship: one table, so that no language lacks a text.
//!
//! What programs read is English, whoever asks.

use std::borrow::Cow;

/// The languages of the table, in the order of its columns. The first is spoken where nothing else is asked for.
pub const SHIPPED: [&str; 4] = ["en", "de", "fr", "es"];

macro_rules! texts {
    ($($text:ident = $name:literal: $words:expr,)+) => {
        /// A text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Text {
            $(#[doc = concat!("`", $name, "`.")] $text,)+
        }

        /// All of them: the name by which templates and operators know it, and its words in [`SHIPPED`].
        pub(super) const TABLE: &[(&str, [&str; SHIPPED.len()])] = &[$(($name, $words),)+];
    };
}

texts! {
    LogIn = "log_in": [
        "Log in",
        "Anmelden",
        "Se connecter",
        "Iniciar sesión",
    ],
    LogOut = "log_out": [
        "Log out",
        "Abmelden",
        "Se déconnecter",
        "Cerrar sesión",
    ],
    LogOutTitle = "log_out_title": [
        "Log out?",
        "Abmelden?",
        "Se déconnecter\u{a0}?",
        "¿Cerrar sesión?",
    ],
    LoggedOut = "logged_out": [
        "You are logged out",
        "Sie sind abgemeldet",
        "Vous êtes déconnecté",
        "Ha cerrado la sesión",
    ],
    LogInAgain = "log_in_again": [
        "Log in again",
        "Wieder anmelden",
        "Se reconnecter",
        "Iniciar sesión de nuevo",
    ],
    User = "user": [
        "User name",
        "Benutzername",
        "Nom d’utilisateur",
        "Nombre de usuario",
    ],
    Password = "password": [
        "Password",
        "Passwort",
        "Mot de passe",
        "Contraseña",
    ],
    Code = "code": [
        "Code of your authenticator app",
        "Code Ihrer Authenticator-App",
        "Code de votre application d’authentification",
        "Código de su aplicación de autenticación",
    ],
    CodeNote = "code_note": [
        "Leave it empty if you have not set one up.",
        "Lassen Sie das Feld leer, wenn Sie keine eingerichtet haben.",
        "Laissez ce champ vide si vous n’en avez pas configuré.",
        "Déjelo vacío si no ha configurado ninguna.",
    ],
    Denied = "denied": [
        "That did not work. Check what you typed, and try again.",
        "Das hat nicht geklappt. Prüfen Sie Ihre Eingaben und versuchen Sie es noch einmal.",
        "La connexion a échoué. Vérifiez votre saisie et réessayez.",
        "No ha funcionado. Compruebe lo que ha escrito e inténtelo de nuevo.",
    ],
    Stale = "stale": [
        "Your session has changed since this page was opened. Please log in again.",
        "Ihre Sitzung hat sich geändert, seit diese Seite geöffnet wurde. Bitte melden Sie sich noch einmal an.",
        "Votre session a changé depuis l’ouverture de cette page. Veuillez vous reconnecter.",
        "Su sesión ha cambiado desde que se abrió esta página. Inicie sesión de nuevo.",
    ],
    LoggedInAs = "logged_in_as": [
        "You are logged in as {user}.",
        "Sie sind als {user} angemeldet.",
        "Vous êtes connecté en tant que {user}.",
        "Ha iniciado sesión como {user}.",
    ],
    LoginRequired = "login_required": [
        "Please log in",
        "Bitte melden Sie sich an",
        "Veuillez vous connecter",
        "Inicie sesión",
    ],
    Forbidden = "forbidden": [
        "You may not see this page",
        "Diese Seite ist für Sie nicht zugänglich",
        "Vous n’avez pas accès à cette page",
        "No tiene acceso a esta página",
    ],
    TooManySessions = "too_many_sessions": [
        "Too many sessions",
        "Zu viele Sitzungen",
        "Trop de sessions",
        "Demasiadas sesiones",
    ],
    LacksLogin = "lacks_login": [
        "This address is for visitors who are logged in.",
        "Diese Adresse ist angemeldeten Besuchern vorbehalten.",
        "Cette adresse est réservée aux visiteurs connectés.",
        "Esta dirección es solo para visitantes que han iniciado sesión.",
    ],
    LacksRecentLogin = "lacks_recent_login": [
        "This address asks for a login that is more recent than yours.",
        "Diese Adresse verlangt, dass Sie sich vor kürzerer Zeit angemeldet haben.",
        "Cette adresse demande une connexion plus récente que la vôtre.",
        "Esta dirección exige un inicio de sesión más reciente que el suyo.",
    ],
    LacksGroup = "lacks_group": [
        "This address is for members of a group that you are not in.",
        "Diese Adresse ist Mitgliedern einer Gruppe vorbehalten, zu der Sie nicht gehören.",
        "Cette adresse est réservée aux membres d’un groupe dont vous ne faites pas partie.",
        "Esta dirección es solo para miembros de un grupo al que usted no pertenece.",
    ],
    LacksNetwork = "lacks_network": [
        "This address is not served to your network.",
        "Diese Adresse ist aus Ihrem Netz nicht erreichbar.",
        "Cette adresse n’est pas accessible depuis votre réseau.",
        "Esta dirección no está disponible desde su red.",
    ],
    LacksMethod = "lacks_method": [
        "This address is not served by this method.",
        "Diese Adresse lässt sich mit dieser Methode nicht aufrufen.",
        "Cette adresse n’accepte pas cette méthode.",
        "Esta dirección no admite este método.",
    ],
    LacksConsent = "lacks_consent": [
        "The login service does not let you have this address.",
        "Der Anmeldedienst gibt Ihnen diese Adresse nicht frei.",
        "Le service de connexion ne vous autorise pas à consulter cette adresse.",
        "El servicio de inicio de sesión no le permite acceder a esta dirección.",
    ],
    LacksPick = "lacks_pick": [
        "You have more sessions than you may: pick one that ends, and go on.",
        "Sie haben mehr Sitzungen, als erlaubt sind: Wählen Sie eine aus, die endet, und machen Sie dann weiter.",
        "Vous avez plus de sessions que permis\u{a0}: choisissez-en une à fermer, puis continuez.",
        "Tiene más sesiones de las permitidas: elija una para cerrarla y continúe.",
    ],
    InCircles = "in_circles": [
        "You were sent to log in and came back several times, and no login was seen here: log out of the application, or delete its cookies, and log in again.",
        "Sie wurden mehrmals zur Anmeldung geschickt und kamen zurück, ohne dass hier eine Anmeldung zu sehen war: Melden Sie sich bei der Anwendung ab oder löschen Sie ihre Cookies, und melden Sie sich dann wieder an.",
        "Vous avez été envoyé plusieurs fois à la page de connexion et en êtes revenu sans qu’aucune connexion n’ait été vue ici\u{a0}: déconnectez-vous de l’application, ou supprimez ses cookies, puis reconnectez-vous.",
        "Se le ha enviado varias veces a iniciar sesión y ha vuelto sin que aquí se viera ningún inicio de sesión: cierre la sesión de la aplicación, o borre sus cookies, e inicie sesión de nuevo.",
    ],
    Continue = "continue": [
        "Continue",
        "Weiter",
        "Continuer",
        "Continuar",
    ],
    RequestId = "request_id": [
        "Request id: {id}",
        "Anfrage-Nummer: {id}",
        "Numéro de requête\u{a0}: {id}",
        "Número de solicitud: {id}",
    ],
    OneMoment = "one_moment": [
        "One moment",
        "Einen Moment",
        "Un instant",
        "Un momento",
    ],
    FromAnotherSite = "from_another_site": [
        "You come back from another site.",
        "Sie kommen von einer anderen Website zurück.",
        "Vous revenez d’un autre site.",
        "Vuelve usted de otro sitio web.",
    ],
    ResumeTitle = "resume_title": [
        "Send your form now?",
        "Formular jetzt absenden?",
        "Envoyer votre formulaire maintenant\u{a0}?",
        "¿Enviar ahora su formulario?",
    ],
    ResumeNote = "resume_note": [
        "You had to log in when you sent this form, so it was kept for you. It has not been sent yet.",
        "Als Sie dieses Formular abgeschickt haben, mussten Sie sich erst anmelden; es wurde für Sie aufbewahrt. Gesendet ist es noch nicht.",
        "Vous avez dû vous connecter en envoyant ce formulaire\u{a0}; il a été conservé pour vous. Il n’est pas encore envoyé.",
        "Tuvo que iniciar sesión al enviar este formulario, así que se ha guardado. Todavía no se ha enviado.",
    ],
    ResumeTo = "resume_to": [
        "It goes to {path}",
        "Es geht an {path}",
        "Il sera envoyé à {path}",
        "Se enviará a {path}",
    ],
    ResumeFields = "resume_fields": [
        "What it holds",
        "Was darin steht",
        "Ce qu’il contient",
        "Lo que contiene",
    ],
    ResumeHidden = "resume_hidden": [
        "not shown",
        "nicht angezeigt",
        "masqué",
        "no se muestra",
    ],
    ResumeMore = "resume_more": [
        "Further fields that are not shown: {count}",
        "Weitere Felder, die nicht angezeigt werden: {count}",
        "Autres champs qui ne sont pas affichés\u{a0}: {count}",
        "Otros campos que no se muestran: {count}",
    ],
    ResumeSend = "resume_send": [
        "Send the form",
        "Formular absenden",
        "Envoyer le formulaire",
        "Enviar el formulario",
    ],
    ResumeLeave = "resume_leave": [
        "Go on without it",
        "Ohne das Formular weiter",
        "Continuer sans l’envoyer",
        "Continuar sin enviarlo",
    ],
    ResumeGoneTitle = "resume_gone_title": [
        "There is no form here",
        "Hier ist kein Formular",
        "Il n’y a pas de formulaire ici",
        "Aquí no hay ningún formulario",
    ],
    ResumeGone = "resume_gone": [
        "It was sent already, has waited too long, or was kept in another browser. Look there whether it was sent before you fill it in again.",
        "Es wurde schon abgesendet, hat zu lange gewartet oder wurde in einem anderen Browser aufbewahrt. Sehen Sie nach, ob es angekommen ist, bevor Sie es noch einmal ausfüllen.",
        "Il a déjà été envoyé, a attendu trop longtemps ou a été conservé dans un autre navigateur. Vérifiez s’il est arrivé avant de le remplir à nouveau.",
        "Ya se ha enviado, ha esperado demasiado o se guardó en otro navegador. Compruebe si ha llegado antes de rellenarlo de nuevo.",
    ],
}

/// How many there are.
pub(super) const COUNT: usize = TABLE.len();

/// All texts in one language.
#[derive(Clone, Debug, PartialEq)]
pub struct Texts {
    /// The tag of the language, as in `lang="de"`.
    pub lang: Cow<'static, str>,
    words: [Cow<'static, str>; COUNT],
}

/// Why a text of an operator is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// There is none of this name.
    #[error("there is no text of this name")]
    Unknown,
    /// It leaves something out that the pages put in, or names what they do not.
    #[error("must hold {}, and nothing else in braces", if .0.is_empty() { "no {…}".to_owned() } else { .0.join(" and ") })]
    Placeholders(Vec<String>),
    /// It says nothing, or too much.
    #[error("must have 1 to {TEXT_BYTES_MAX} bytes, without control characters")]
    Length,
}

/// The longest text of an operator, in bytes.
pub const TEXT_BYTES_MAX: usize = 1000;

impl Texts {
    /// Those that we ship in the language at `column` of [`SHIPPED`].
    fn shipped_at(column: usize) -> Self {
        Self {
            lang: SHIPPED.get(column).copied().unwrap_or("en").into(),
            words: std::array::from_fn(|at| {
                let words = TABLE.get(at).and_then(|(_, words)| words.get(column));
                Cow::Borrowed(words.copied().unwrap_or_default())
            }),
        }
    }

    /// Those that we ship in English.
    pub fn english() -> Self {
        Self::shipped_at(0)
    }

    /// Those that we ship, in the order of [`SHIPPED`].
    pub fn shipped() -> Vec<Self> {
        (0..SHIPPED.len()).map(Self::shipped_at).collect()
    }

    /// A language of the operator's that speaks like this one as long as nothing else is said.
    #[must_use]
    pub fn renamed(&self, lang: String) -> Self {
        Self {
            lang: lang.into(),
            ..self.clone()
        }
    }

    /// Puts an operator's words in the place of ours.
    ///
    /// # Errors
    /// Why they cannot stand there.
    pub fn say(&mut self, name: &str, words: String) -> Result<(), TextFault> {
        let at = TABLE.iter().position(|(known, _)| *known == name);
        let (Some(place), Some((_, [english, ..]))) = (
            at.and_then(|at| self.words.get_mut(at)),
            at.and_then(|at| TABLE.get(at)),
        ) else {
            return Err(TextFault::Unknown);
        };
        if words.is_empty() || words.len() > TEXT_BYTES_MAX || words.chars().any(char::is_control) {
            return Err(TextFault::Length);
        }
        let wanted = placeholders(english);
        if placeholders(&words) != wanted {
            let named = wanted.into_iter().map(str::to_owned).collect();
            return Err(TextFault::Placeholders(named));
        }
        *place = words.into();
        Ok(())
    }

    /// The words of a text.
    pub fn of(&self, text: Text) -> &str {
        self.words.get(text as usize).map_or("", |words| words)
    }

    /// The same with `value` in its one placeholder.
    pub fn with(&self, text: Text, value: &str) -> String {
        let words = self.of(text);
        match words.split_once('{').zip(words.split_once('}')) {
            Some(((before, _), (_, after))) => [before, value, after].concat(),
            None => words.to_owned(),
        }
    }

    /// Names and words of all.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names = TABLE.iter().map(|(name, _)| *name);
        names.zip(self.words.iter().map(|words| &**words))
    }
}

/// What stands in braces, with them, in order.
fn placeholders(words: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = words;
    while let Some(start) = rest.find(['{', '}']) {
        let (_, from) = rest.split_at(start);
        let end = from.find('}').map_or(from.len(), |end| end + 1);
        let (placeholder, after) = from.split_at(end);
        found.push(placeholder);
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_text_with_the_same_placeholders() {
        for (name, words) in TABLE {
            let [english, ..] = words;
            let wanted = placeholders(english);
            assert!(wanted.len() <= 1, "{name}: one place for one value");
            for (lang, text) in SHIPPED.iter().zip(words) {
                assert!(!text.trim().is_empty(), "{name} in {lang}");
                assert_eq!(text.trim(), *text, "{name} in {lang}");
                assert_eq!(placeholders(text), wanted, "{name} in {lang}");
                assert!(text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control));
                let ends = text.ends_with(['.', '?']);
                assert_eq!(ends, english.ends_with(['.', '?']), "{name} in {lang}");
            }
            let twice = TABLE.iter().filter(|(other, _)| other == name).count();
            assert_eq!(twice, 1, "{name}");
        }
    }

    #[test]
    fn the_table_is_read_by_the_texts_own_names() {
        let [english, german, ..] = &*Texts::shipped() else {
            panic!("languages");
        };
        assert_eq!(english.of(Text::LogIn), "Log in");
        assert_eq!(german.of(Text::LogIn), "Anmelden");
        let with = german.with(Text::LoggedInAs, "{user} & <b>");
        assert_eq!(with, "Sie sind als {user} & <b> angemeldet.");
        assert_eq!(english.with(Text::RequestId, "x"), "Request id: x");
        assert_eq!(english.with(Text::LogIn, "x"), "Log in");
        assert_eq!(english.all().count(), COUNT);
        assert!(german.all().any(|pair| pair == ("password", "Passwort")));
    }

    #[test]
    fn an_operators_words_say_what_ours_do() {
        let mut texts = Texts::shipped_at(0).renamed("nl".to_owned());
        assert_eq!(texts.say("log_in", "Inloggen".to_owned()), Ok(()));
        assert_eq!(texts.of(Text::LogIn), "Inloggen");
        let as_user = "U bent {user}.".to_owned();
        assert_eq!(texts.say("logged_in_as", as_user), Ok(()));
        for (name, words, fault) in [
            ("login", "x", TextFault::Unknown),
            ("log_in", "", TextFault::Length),
            ("log_in", "a\nb", TextFault::Length),
            ("log_in", "{user}", TextFault::Placeholders(vec![])),
            ("log_in", "}", TextFault::Placeholders(vec![])),
            (
                "logged_in_as",
                "U bent.",
                TextFault::Placeholders(vec!["{user}".to_owned()]),
            ),
            (
                "logged_in_as",
                "U bent {user} of {user",
                TextFault::Placeholders(vec!["{user}".to_owned()]),
            ),
        ] {
            assert_eq!(
                texts.say(name, words.to_owned()),
                Err(fault),
                "{name} {words}"
            );
        }
        assert_eq!(texts.of(Text::LogIn), "Inloggen");
    }
}
