//! A real browser without a window: Debian's `chromium`, driven over WebDriver (W3C), which is JSON over HTTP.
//!
//! Each has a `chromedriver` and a profile of its own, and both are gone when it is dropped. Whatever is asked for is
//! awaited: a page may take its time on a slow machine. Where the programs are not installed the tests are not run;
//! where `CI` is set they panic instead.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream as BlockingStream};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::servers::process::{Process, folder};
use super::servers::programs::all_of;
use super::{DEADLINE, eventually};

/// Under this key WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long one command may take: a page is loaded in it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Nothing that would ask another machine. As root there is no sandbox; containers have little shared memory.
const ARGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,900",
    "--host-resolver-rules=MAP * 127.0.0.1",
];

/// A browser of one person.
pub struct Chromium {
    process: Process,
    at: SocketAddr,
    session: String,
}

impl Chromium {
    /// One that runs scripts, or `None` where it is not installed.
    pub async fn open() -> Option<Self> {
        Self::with(&json!({})).await
    }

    /// One whose owner has turned scripts off.
    pub async fn without_scripts() -> Option<Self> {
        Self::with(&json!({ "profile.managed_default_content_settings.javascript": 2 })).await
    }

    async fn with(prefs: &Value) -> Option<Self> {
        let programs = all_of("chromium and chromium-driver", ["chromium", "chromedriver"]);
        let [program, driver] = programs?;
        let folder = folder();
        let home = folder.path().as_os_str().to_owned();
        let mut words: Vec<OsString> = vec!["env".into()];
        words.extend(
            ["TMPDIR", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"].map(|name| {
                let mut word = OsString::from(format!("{name}="));
                word.push(&home);
                word
            }),
        );
        words.extend([driver.into(), "--port=0".into()]);
        let process = Process::new(folder, words, "TERM");
        let port = || {
            let log = process.log();
            let (_, rest) = log.split_once("started successfully on port ")?;
            rest.split_once('.')?.0.parse::<u16>().ok()
        };
        assert!(process.start(|_| port().is_some()), "{}", process.log());
        let at = (Ipv4Addr::LOCALHOST, port()?).into();
        let mut chromium = Self {
            process,
            at,
            session: String::new(),
        };
        let options = json!({ "binary": program, "args": ARGS, "prefs": prefs });
        let wanted = json!({ "acceptInsecureCerts": true, "goog:chromeOptions": options });
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let begun = chromium.ask(Method::POST, "/session", Some(body)).await;
        let begun = begun.expect("a session of the browser");
        chromium.session = begun["sessionId"].as_str().expect("its id").to_owned();
        Some(chromium)
    }

    /// Types an address, and waits until the page is there.
    pub async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Where it is.
    pub async fn url(&self) -> String {
        word(self.get("url").await)
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        word(self.get("title").await)
    }

    /// Goes to the first thing that the keyboard reaches, and presses it.
    pub async fn press_tab_and_enter(&self) {
        let press = |key: &str| {
            let (down, up) = (
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            );
            [down, up]
        };
        let presses = [press("\u{e004}"), press("\u{e007}")].concat();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        self.post("actions", json!({ "actions": [keyboard] })).await;
    }

    /// Waits until it is at an address that ends so.
    pub async fn arrives(&self, end: &str) {
        eventually(&format!("the browser is at …{end}"), async || {
            self.url().await.ends_with(end).then_some(())
        })
        .await;
    }

    /// Clicks on the first element that matches `css`, and waits until the next page is there, if that leads to one.
    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        self.post(&format!("element/{element}/click"), json!({}))
            .await;
    }

    /// Types into a field.
    pub async fn fill(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.post(&format!("element/{element}/value"), json!({ "text": text }))
            .await;
    }

    /// The text that people see, once there is such an element.
    pub async fn text(&self, css: &str) -> String {
        self.of(css, "text").await
    }

    /// What a screen reader calls it.
    pub async fn label(&self, css: &str) -> String {
        self.of(css, "computedlabel").await
    }

    /// What a screen reader says that it is.
    pub async fn role(&self, css: &str) -> String {
        self.of(css, "computedrole").await
    }

    /// A property of its looks.
    pub async fn style(&self, css: &str, property: &str) -> String {
        self.of(css, &format!("css/{property}")).await
    }

    /// How many elements match now.
    pub async fn count(&self, css: &str) -> usize {
        let body = json!({ "using": "css selector", "value": css });
        let found = self.post("elements", body).await;
        found.as_array().expect("a list").len()
    }

    /// Runs a script of the page's, which calls its last argument with what it finds.
    pub async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.post("execute/async", body).await
    }

    /// A cookie as the browser keeps it, with its attributes.
    pub async fn cookie(&self, name: &str) -> Option<Value> {
        self.ask(Method::GET, &self.path(&format!("cookie/{name}")), None)
            .await
            .ok()
    }

    /// Whether its owner prefers dark pages.
    pub async fn prefers(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        let params = json!({ "features": [feature] });
        self.devtools("Emulation.setEmulatedMedia", params).await;
    }

    /// A command of the DevTools protocol, for what WebDriver has no word.
    async fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        self.post("goog/cdp/execute", body).await
    }

    /// Makes the window so wide.
    pub async fn resize(&self, width: u32, height: u32) {
        self.post("window/rect", json!({ "width": width, "height": height }))
            .await;
    }

    /// Keeps a picture of the whole page, in `browser` among the temporary files of the build.
    pub async fn picture(&self, name: &str) {
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let mut clip = metrics["cssContentSize"].clone();
        clip["scale"] = 1.into();
        let params = json!({ "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", params).await;
        let picture = picture["data"].as_str().expect("a picture");
        let picture = BASE64.decode(picture.as_bytes()).expect("base64");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a file");
    }

    /// The first element that matches, once there is one.
    async fn find(&self, css: &str) -> String {
        let body = json!({ "using": "css selector", "value": css });
        eventually(&format!("an element {css}"), async || {
            let path = self.path("element");
            let found = self.ask(Method::POST, &path, Some(body.clone())).await;
            Some(found.ok()?[ELEMENT].as_str()?.to_owned())
        })
        .await
    }

    /// Something of an element. The page may be another by the time that it is asked: then it is looked for again.
    async fn of(&self, css: &str, what: &str) -> String {
        eventually(&format!("{what} of {css}"), async || {
            let element = self.find(css).await;
            let path = self.path(&format!("element/{element}/{what}"));
            self.ask(Method::GET, &path, None).await.ok().map(word)
        })
        .await
    }

    async fn get(&self, what: &str) -> Value {
        let done = self.ask(Method::GET, &self.path(what), None).await;
        done.unwrap_or_else(|fault| panic!("{what}: {fault}"))
    }

    async fn post(&self, what: &str, body: Value) -> Value {
        let done = self.ask(Method::POST, &self.path(what), Some(body)).await;
        done.unwrap_or_else(|fault| panic!("{what}: {fault}"))
    }

    fn path(&self, what: &str) -> String {
        format!("/session/{}/{what}", self.session)
    }

    /// One command: what it brings, or what the driver says against it.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let asked = async {
            let stream = TcpStream::connect(self.at).await.expect("the driver");
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
            let (mut sender, connection) = handshake.await.expect("HTTP");
            tokio::spawn(connection);
            let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
            let request = Request::builder().method(method).uri(path);
            let request = request.header("host", "localhost");
            let request = request.header("content-type", "application/json");
            let request = request.body(Full::new(body)).expect("a request");
            let answer = sender.send_request(request).await.expect("an answer");
            let status = answer.status();
            let text = answer
                .into_body()
                .collect()
                .await
                .expect("the whole answer");
            let text = text.to_bytes();
            let said: Value = serde_json::from_slice(&text).expect("JSON");
            if status.is_success() {
                Ok(said["value"].clone())
            } else {
                Err(said["value"].to_string())
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        asked.unwrap_or_else(|_| panic!("the browser does not answer: {path}"))
    }
}

impl Drop for Chromium {
    /// Closes the browser, so that it leaves nothing behind, and then the driver ends.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the driver printed:\n{}\n---", self.process.log());
        }
        let Ok(mut driver) = BlockingStream::connect_timeout(&self.at, DEADLINE) else {
            return;
        };
        let session = &self.session;
        let request = format!(
            "DELETE /session/{session} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        );
        let _ = driver.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = driver.write_all(request.as_bytes());
        // The driver keeps the connection open, whatever it is told.
        let (mut said, mut piece) = (Vec::new(), [0; 1024]);
        while let Ok(count @ 1..) = driver.read(&mut piece) {
            said.extend_from_slice(&piece[..count]);
            if said.ends_with(b"}") {
                break;
            }
        }
    }
}

fn word(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
