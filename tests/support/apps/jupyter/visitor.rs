//! Somebody at a browser who uses Jupyter, and what its pages' scripts do for them.

use serde_json::{Value, json};

use super::super::super::{Answer, Browser, Gate, WebSocket, forms};
use super::super::{PASSWORD, send};

/// Somebody at a browser.
pub struct JupyterVisitor<'a> {
    gate: &'a Gate,
    pub browser: Browser,
    may_hold: &'a [&'a str],
}

impl<'a> JupyterVisitor<'a> {
    pub fn new(gate: &'a Gate, may_hold: &'a [&'a str]) -> Self {
        Self {
            gate,
            browser: gate.browser(),
            may_hold,
        }
    }

    /// Follows a link.
    pub async fn open(&self, target: &str) -> Answer {
        let call = self.browser.get(target).navigating();
        send(call, &self.browser, self.may_hold).await
    }

    /// Fills in the form of the login page and sees that it is let in.
    pub async fn log_in(&self, page: &Answer) {
        let token = forms::hidden(&page.text(), "_xsrf").expect("a form of Jupyter's");
        let fields = [("_xsrf", &*token), ("password", PASSWORD)];
        let target = "/login?next=%2Fapi%2Fcontents";
        let call = self.browser.post(target, forms::encode(&fields));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let call = call.header("origin", self.gate.origin()).navigating();
        let answer = send(call, &self.browser, self.may_hold).await;
        assert_eq!(answer.status(), 302, "{}", answer.text());
        assert_eq!(answer.header("location"), Some("/api/contents"));

        let listing = self.open("/api/contents").await;
        assert_eq!(listing.status(), 200, "{}", listing.text());
        assert_eq!(read(&listing.text())["type"], "directory");
    }

    /// A script makes a folder, with the token that it can read.
    pub async fn make_folder(&self) -> Answer {
        let token = self.browser.script_reads("_xsrf");
        self.make_folder_with(token.as_deref()).await
    }

    /// The same with another token.
    pub async fn make_folder_with(&self, token: Option<&str>) -> Answer {
        let body = json!({ "type": "directory" });
        self.post("/api/contents", &body, token).await
    }

    /// A script opens a terminal. Returns the address of its WebSocket too.
    pub async fn open_terminal(&self) -> (Terminal, String) {
        let token = self.browser.script_reads("_xsrf");
        let nothing = json!({});
        let made = self.post("/api/terminals", &nothing, token.as_deref());
        let made = made.await;
        assert_eq!(made.status(), 200, "{}", made.text());
        let made = read(&made.text());
        let name = made["name"].as_str().expect("its name");
        let target = format!("/terminals/websocket/{name}");
        let socket = WebSocket::open(self.gate, &self.browser, &target).await;
        let socket = socket.unwrap_or_else(|head| panic!("no terminal: {head}"));
        (Terminal(socket), target)
    }

    /// Follows the link that logs out.
    pub async fn log_out(&self) {
        let answer = self.open("/logout").await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let text = answer.text();
        assert!(text.contains("Successfully logged out"), "{text}");
    }

    /// Whoever holds just `cookies` is a stranger to Jupyter.
    pub async fn opens_nothing(&self, cookies: &str) {
        let call = self.browser.get("/api/contents").navigating();
        let answer = call.holding(cookies).send().await;
        assert_eq!(answer.status(), 403, "{}", answer.text());
    }

    async fn post(&self, target: &str, body: &Value, token: Option<&str>) -> Answer {
        let call = self.browser.post(target, body.to_string()).fetching();
        let call = call.header("content-type", "application/json");
        let call = call.header("origin", self.gate.origin());
        let call = call.header("referer", format!("{}/", self.gate.origin()));
        let call = match token {
            Some(token) => call.header("x-xsrftoken", token),
            None => call,
        };
        send(call, &self.browser, self.may_hold).await
    }
}

/// A shell in the browser.
pub struct Terminal(WebSocket);

impl Terminal {
    /// Types a line and waits until the shell has printed `wanted`.
    pub async fn run(&mut self, line: &str, wanted: &str) {
        let typed = json!(["stdin", format!("{line}\r")]);
        self.0.send(&typed.to_string()).await;
        let mut printed = String::new();
        while !printed.contains(wanted) {
            let message = self.0.receive().await.expect("the terminal is open");
            let message = read(&message);
            if message[0] == "stdout" {
                printed.push_str(message[1].as_str().expect("text"));
            }
        }
    }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
