//! Every word that our pages say to people, in the languages that we ship: one table, so that no language lacks a text.
//!
//! What programs read is English, whoever asks.

pub use super::speech::{TextFault, Texts};

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
    Sessions = "sessions": ["Your sessions", "Ihre Sitzungen", "Vos sessions", "Sus sesiones"],
    LoggedInHere = "logged_in_here": [
        "You logged in on the login page of this site, {when}.",
        "Sie haben sich {when} auf der Anmeldeseite angemeldet.",
        "Vous vous êtes connecté {when} sur la page de connexion.",
        "Inició sesión {when} en la página de inicio de sesión.",
    ],
    LoggedInApp = "logged_in_app": [
        "You logged in to the application, {when}.",
        "Sie haben sich {when} in der Anwendung angemeldet.",
        "Vous vous êtes connecté {when} dans l’application.",
        "Inició sesión {when} en la aplicación.",
    ],
    LoggedInProxy = "logged_in_proxy": [
        "A system in front of this site logged you in, {when}.",
        "Ein vorgeschaltetes System hat Sie {when} angemeldet.",
        "Un système placé devant ce site vous a connecté {when}.",
        "Un sistema situado delante de este sitio inició su sesión {when}.",
    ],
    LoggedInCertificate = "logged_in_certificate": [
        "You logged in with a certificate, {when}.",
        "Sie haben sich {when} mit einem Zertifikat angemeldet.",
        "Vous vous êtes connecté {when} avec un certificat.",
        "Inició sesión {when} con un certificado.",
    ],
    Vouched = "vouched": [
        "Whoever vouches for you may log you in again with the next page that you open.",
        "Wer für Sie bürgt, meldet Sie vielleicht mit der nächsten Seite wieder an.",
        "Le système qui répond de vous peut vous reconnecter dès la page suivante.",
        "El sistema que responde por usted puede volver a iniciar su sesión con la página siguiente.",
    ],
    ThisSession = "this_session": ["This session", "Diese Sitzung", "Cette session", "Esta sesión"],
    OtherSessions = "other_sessions": [
        "Your other sessions",
        "Ihre anderen Sitzungen",
        "Vos autres sessions",
        "Sus otras sesiones",
    ],
    Device = "device": ["Device", "Gerät", "Appareil", "Dispositivo"],
    UnknownDevice = "unknown_device": [
        "Unknown device",
        "Unbekanntes Gerät",
        "Appareil inconnu",
        "Dispositivo desconocido",
    ],
    Address = "address": ["Address", "Adresse", "Adresse", "Dirección"],
    Begun = "begun": ["Begun", "Begonnen", "Début", "Inicio"],
    LastUsed = "last_used": ["Last used", "Zuletzt benutzt", "Dernière utilisation", "Último uso"],
    EndsIdle = "ends_idle": [
        "Ends if not used",
        "Endet unbenutzt",
        "Fin si inutilisée",
        "Termina si no se usa",
    ],
    EndsLatest = "ends_latest": [
        "Ends at the latest",
        "Endet spätestens",
        "Fin au plus tard",
        "Termina como muy tarde",
    ],
    LogOutHere = "log_out_here": ["Log out here", "Hier abmelden", "Se déconnecter ici", "Cerrar sesión aquí"],
    EndSession = "end_session": ["End", "Beenden", "Terminer", "Terminar"],
    EndAndGoOn = "end_and_go_on": [
        "End and go on",
        "Beenden und weiter",
        "Terminer et continuer",
        "Terminar y continuar",
    ],
    EndOthers = "end_others": [
        "End all others",
        "Alle anderen beenden",
        "Terminer toutes les autres",
        "Terminar todas las demás",
    ],
    OthersCount = "others_count": [
        "Where else you are logged in: {count}",
        "Wo Sie sonst noch angemeldet sind: {count}",
        "Vos autres connexions\u{a0}: {count}",
        "Sus otras sesiones abiertas: {count}",
    ],
    OthersMore = "others_more": [
        "Used longer ago, and not shown: {count}.",
        "Länger nicht benutzt und nicht gezeigt: {count}.",
        "Moins récentes et non affichées\u{a0}: {count}.",
        "Menos recientes y no mostradas: {count}.",
    ],
    NoOthers = "no_others": [
        "There are no others.",
        "Es gibt keine anderen.",
        "Il n’y en a pas d’autre.",
        "No hay otras.",
    ],
    NoList = "no_list": [
        "This site keeps no list of sessions, so others can neither be shown nor ended here.",
        "Hier wird keine Liste der Sitzungen geführt: Andere lassen sich weder zeigen noch beenden.",
        "Ce site ne tient pas de liste des sessions\u{a0}: les autres ne peuvent être ni affichées ni terminées ici.",
        "Este sitio no lleva una lista de sesiones: las demás no se pueden mostrar ni terminar aquí.",
    ],
    Ended = "ended": [
        "Sessions ended: {count}.",
        "Beendete Sitzungen: {count}.",
        "Sessions terminées\u{a0}: {count}.",
        "Sesiones terminadas: {count}.",
    ],
    EndedAlready = "ended_already": [
        "That session had ended already.",
        "Diese Sitzung war schon beendet.",
        "Cette session était déjà terminée.",
        "Esa sesión ya había terminado.",
    ],
    StaleSessions = "stale_sessions": [
        "Your session has changed since this page was opened. Nothing was done; please choose again.",
        "Ihre Sitzung hat sich geändert, seit diese Seite geöffnet wurde. Nichts wurde getan; bitte wählen Sie noch einmal.",
        "Votre session a changé depuis l’ouverture de cette page. Rien n’a été fait\u{a0}; veuillez choisir à nouveau.",
        "Su sesión ha cambiado desde que se abrió esta página. No se ha hecho nada; elija de nuevo.",
    ],
    PickOne = "pick_one": [
        "You may have so many sessions at a time: {count}. Choose which of the others ends, and go on with this one.",
        "So viele Sitzungen sind zugleich erlaubt: {count}. Wählen Sie, welche andere endet, und fahren Sie mit dieser fort.",
        "Nombre de sessions permises à la fois\u{a0}: {count}. Choisissez celle qui prend fin pour continuer avec celle-ci.",
        "Número de sesiones permitidas a la vez: {count}. Elija cuál de las otras termina y continúe con esta.",
    ],
    PickRoom = "pick_room": [
        "There is room for this session now.",
        "Für diese Sitzung ist jetzt Platz.",
        "Il y a maintenant de la place pour cette session.",
        "Ahora hay sitio para esta sesión.",
    ],
    JustNow = "just_now": ["just now", "gerade eben", "à l’instant", "ahora mismo"],
    Ago = "ago": ["{span} ago", "vor {span}", "il y a {span}", "hace {span}"],
    In = "in": ["in {span}", "in {span}", "dans {span}", "dentro de {span}"],
    Minutes = "minutes": ["{count} min", "{count} Min", "{count} min", "{count} min"],
    Hours = "hours": ["{count} h", "{count} Std", "{count} h", "{count} h"],
    Days = "days": ["{count} d", "{count} Tg", "{count} j", "{count} d"],
}

/// How many there are.
pub(super) const COUNT: usize = TABLE.len();
