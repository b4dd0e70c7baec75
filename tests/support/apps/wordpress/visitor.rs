//! Somebody at a browser who writes a WordPress blog, and what its pages' scripts do for them.

use super::super::super::{Answer, Browser, Gate, forms};
use super::super::{PASSWORD, send};

/// Somebody at a browser.
pub struct WordPressVisitor<'a> {
    gate: &'a Gate,
    pub browser: Browser,
    may_hold: &'a [&'a str],
}

impl<'a> WordPressVisitor<'a> {
    pub fn new(gate: &'a Gate, browser: Browser, may_hold: &'a [&'a str]) -> Self {
        Self {
            gate,
            browser,
            may_hold,
        }
    }

    /// Follows a link.
    pub async fn open(&self, target: &str) -> Answer {
        let call = self.browser.get(target).navigating();
        send(call, &self.browser, self.may_hold).await
    }

    /// Fills in the login form, wherever it is to be sent.
    pub async fn try_to_log_in(&self, target: &str, password: &str) -> Answer {
        let fields = [
            ("log", "admin"),
            ("pwd", password),
            ("wp-submit", "Log In"),
            ("redirect_to", "/wp-admin/"),
            ("testcookie", "1"),
        ];
        self.submit(target, &fields).await
    }

    /// Logs in.
    pub async fn log_in(&self) {
        let answer = self.try_to_log_in("/wp-login.php", PASSWORD).await;
        assert_eq!(answer.status(), 302, "{}", answer.text());
        assert_eq!(answer.header("location"), Some("/wp-admin/"));
    }

    /// Saves a form of the settings, which a nonce guards.
    pub async fn rename_the_blog(&self, name: &str) {
        let page = self.open("/wp-admin/options-general.php").await;
        let nonce = forms::hidden(&page.text(), "_wpnonce").expect("a form of WordPress's");
        let fields = [
            ("option_page", "general"),
            ("action", "update"),
            ("_wpnonce", &*nonce),
            ("_wp_http_referer", "/wp-admin/options-general.php"),
            ("blogname", name),
        ];
        let answer = self.submit("/wp-admin/options.php", &fields).await;
        assert_eq!(answer.status(), 302, "{}", answer.text());
        let page = self.open("/wp-admin/options-general.php").await;
        assert!(page.text().contains(name), "{}", page.text());
    }

    /// Writes a post as the editor's script does: JSON, with a nonce in a header.
    pub async fn publish_a_post(&self) {
        let nonce = self.open("/wp-admin/admin-ajax.php?action=rest-nonce");
        let nonce = nonce.await.text();
        let body = r#"{"title":"One ticket","content":"Keep it.","status":"publish"}"#;
        let call = self
            .browser
            .post("/index.php?rest_route=/wp/v2/posts", body);
        let call = call.header("content-type", "application/json");
        let call = call.header("x-wp-nonce", nonce.trim());
        let call = call.header("origin", self.gate.origin()).fetching();
        let answer = send(call, &self.browser, self.may_hold).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
        let list = self.open("/wp-admin/edit.php").await;
        assert!(list.text().contains("One ticket"), "{}", list.text());
    }

    /// A script of the dashboard writes a preference into a cookie, and WordPress gets to see it.
    pub async fn choose_the_html_editor(&self) {
        let browser = &self.browser;
        let since = browser.script_reads("wp-settings-time-1");
        let since: Option<u64> = since.and_then(|time| time.parse().ok());
        // Later than what WordPress holds, or it would not believe it.
        let later = since.expect("the dashboard tells the time of the preferences") + 60;
        let page = "/wp-admin/";
        browser.script_writes(page, "wp-settings-1=editor%3Dhtml; path=/; secure");
        browser.script_writes(page, &format!("wp-settings-time-1={later}; path=/; secure"));
        self.open(page).await;
    }

    /// Follows the link of this page of the dashboard that logs out.
    pub async fn log_out(&self, dashboard: &Answer) {
        let link = link_with(&dashboard.text(), "action=logout");
        let answer = self.open(&link).await;
        assert_eq!(answer.status(), 302, "{}", answer.text());
        let to = answer.header("location").unwrap_or_default();
        assert!(to.contains("/wp-login.php?loggedout=true"), "{to}");
    }

    /// Whoever holds just `cookies` is a stranger to WordPress.
    pub async fn opens_nothing(&self, cookies: &str) {
        let call = self.browser.get("/wp-admin/").navigating();
        let answer = call.holding(cookies).send().await;
        assert_eq!(answer.status(), 302, "{answer:?}");
        let to = answer.header("location").unwrap_or_default();
        assert!(to.contains("/wp-login.php?redirect_to="), "{to}");
    }

    async fn submit(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let call = self.browser.post(target, forms::encode(fields));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let call = call.header("origin", self.gate.origin()).navigating();
        send(call, &self.browser, self.may_hold).await
    }
}

/// The path and query of the first link that holds `part`.
fn link_with(html: &str, part: &str) -> String {
    let links = html.split("href='").skip(1);
    let mut links = links.filter_map(|rest| rest.split_once('\''));
    let link = links.find(|(link, _)| link.contains(part));
    let (link, _) = link.expect("a link");
    let link = link.replace("&#038;", "&").replace("&amp;", "&");
    // WordPress writes whole addresses.
    let at = link.find("/wp-").expect("a path of WordPress's");
    link[at..].to_owned()
}
