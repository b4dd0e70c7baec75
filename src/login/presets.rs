//! What login and logout look like in apps that many people run.
//!
//! Django, WordPress, Tomcat and Jupyter are driven as they are by the tests (`tests/django_admin.rs` and its
//! neighbours). phpMyAdmin, MediaWiki and DokuWiki are not: what stands here was read in their sources, of the versions
//! named there.

use super::normalise::Normalise;
use super::told::Told;

/// A ready rule. Paths count from the folder of the app.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The path of the login; POST.
    pub login_path: &'static str,
    /// Whether a login is known by its field alone.
    pub shared_path: bool,
    /// Who logs in.
    pub who: PresetWho,
    /// Which cookie of a success names the user, and how.
    pub told: Option<(&'static str, Told)>,
    /// By what a login succeeded.
    pub success: PresetSigns,
    /// The logout, if it is the same wherever the app runs.
    pub logout: Option<PresetLogout>,
}

/// Who logs in.
#[derive(Clone, Copy, Debug)]
pub enum PresetWho {
    /// Whom a field of the form names.
    Field(&'static str, Normalise),
    /// The one user there is.
    Fixed(&'static str),
}

/// The logout.
#[derive(Clone, Copy, Debug)]
pub struct PresetLogout {
    /// Whether it is a GET; else a POST.
    pub is_get: bool,
    /// Its path.
    pub path: &'static str,
    /// A pair of its query.
    pub query: Option<&'static str>,
    /// By what it succeeded.
    pub success: PresetSigns,
}

/// By what the app's answer is known.
#[derive(Clone, Copy, Debug)]
pub struct PresetSigns {
    /// Any of these statuses; empty: whatever it is.
    pub status: &'static [u32],
    /// Such a cookie is set.
    pub sets_cookie: Option<&'static str>,
    /// Such a cookie is deleted.
    pub deletes_cookie: Option<&'static str>,
}

const fn signs(status: &'static [u32], sets_cookie: Option<&'static str>) -> PresetSigns {
    PresetSigns {
        status,
        sets_cookie,
        deletes_cookie: None,
    }
}

/// All of them.
pub const PRESETS: &[Preset] = &[
    // The admin, at its usual place. A failure answers 200. Names differ by case, and the form takes blanks off the ends.
    Preset {
        name: "django",
        login_path: "/admin/login/",
        shared_path: false,
        who: PresetWho::Field("username", Normalise::Trim),
        told: None,
        success: signs(&[302], Some("sessionid")),
        logout: Some(PresetLogout {
            is_get: false,
            path: "/admin/logout/",
            query: None,
            success: signs(&[200, 302], None),
        }),
    },
    // The cookie alone tells: the login in a dialogue (interim-login) answers 200. Names are the same in either case. A
    // logout without its nonce answers 403.
    Preset {
        name: "wordpress",
        login_path: "/wp-login.php",
        shared_path: false,
        who: PresetWho::Field("log", Normalise::TrimLowercase),
        told: Some(("wordpress_logged_in_*", Told::WordPress)),
        success: signs(&[], Some("wordpress_logged_in_*")),
        logout: Some(PresetLogout {
            is_get: true,
            path: "/wp-login.php",
            query: Some("action=logout"),
            success: signs(&[302], None),
        }),
    },
    // FORM logins, which Tomcat takes at any path of the app that ends so. A success answers 303 over HTTP/1.1; what an app's
    // error page answers is its own affair, but sendRedirect says 302. How people log out is the app's own affair too.
    Preset {
        name: "tomcat",
        login_path: "/*/j_security_check",
        shared_path: false,
        who: PresetWho::Field("j_username", Normalise::None),
        told: None,
        success: signs(&[303], Some("JSESSIONID")),
        logout: None,
    },
    // A password for the one user there is. A failure answers 401.
    Preset {
        name: "jupyter",
        login_path: "/login",
        shared_path: false,
        who: PresetWho::Fixed("jupyter"),
        told: None,
        success: signs(&[302], Some("username-*")),
        logout: Some(PresetLogout {
            is_get: true,
            path: "/logout",
            query: None,
            success: signs(&[200], None),
        }),
    },
    // 5.2.1, AuthenticationCookie.php: any POST with pma_username is a login; pmaAuth-N (with _https at its end over TLS)
    // is set anew in every answer to whoever is in, and deleted by a login that fails, so the field has to tell a login
    // from the rest. The logout (LogoutController) is a POST of route=/logout. Names are those of the database, of one
    // server: with several, or AllowArbitraryServer, root is not one user.
    Preset {
        name: "phpmyadmin",
        login_path: "/index.php",
        shared_path: true,
        who: PresetWho::Field("pma_username", Normalise::None),
        told: None,
        success: signs(&[], Some("pmaAuth-*")),
        logout: Some(PresetLogout {
            is_get: false,
            path: "/index.php",
            query: Some("route=/logout"),
            success: signs(&[302], None),
        }),
    },
    // 1.39, LoginSignupSpecialPage.php: the form posts to Special:UserLogin by index.php in one of its spellings; success
    // redirects, failure answers 200. CookieSessionProvider sets PREFIXUserID, and deletes it when nobody is in. The
    // logout of the skins is a call of api.php by script. With short URLs, write login.path = "/wiki/*".
    Preset {
        name: "mediawiki",
        login_path: "/index.php",
        shared_path: true,
        who: PresetWho::Field("wpName", Normalise::MediaWiki),
        told: Some(("*UserName", Told::MediaWiki)),
        success: signs(&[302], Some("*UserID")),
        logout: Some(PresetLogout {
            is_get: false,
            path: "/api.php",
            query: None,
            success: PresetSigns {
                status: &[200],
                sets_cookie: None,
                deletes_cookie: Some("*UserID"),
            },
        }),
    },
    // 2022-07-31, auth.php: whatever request brings u is a login; a right one sets DW and a hash, a wrong one deletes it
    // and answers 403. A login that was remembered sets it too, without u. With userewrite = 1, write path = "/*".
    Preset {
        name: "dokuwiki",
        login_path: "/doku.php",
        shared_path: true,
        who: PresetWho::Field("u", Normalise::DokuWiki),
        told: Some(("DW*", Told::DokuWiki)),
        success: signs(&[], Some("DW*")),
        logout: Some(PresetLogout {
            is_get: true,
            path: "/doku.php",
            query: Some("do=logout"),
            success: signs(&[302], None),
        }),
    },
];

/// The preset of this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
