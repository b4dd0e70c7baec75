//! `cloakroom learn` as a process, which watches a site of a running gateway until it is asked for what it has learned.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::{DEADLINE, Gate, cloakroom, eventually};

/// A watch. It is killed when dropped.
pub struct Learner {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Learner {
    /// Watches the site `app` of this gateway, which has a `server.admin` that can be found. Returns when it does.
    pub async fn of(gate: &Gate) -> Self {
        let args = ["learn", "--config", "cloakroom.toml", "--site", "app"];
        let mut child = cloakroom(gate.folder(), &args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut pipe = child.stdout.take().expect("stdout");
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).expect("text");
            text
        });
        let pipe = BufReader::new(child.stderr.take().expect("stderr"));
        let (heard, watching) = mpsc::channel();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            for line in pipe.lines().map_while(Result::ok) {
                text += &(line + "\n");
                if text.contains("watching") {
                    // Nobody listens after the first time.
                    let _ = heard.send(());
                }
            }
            text
        });
        let learner = Self {
            child,
            stdout,
            stderr,
        };
        let watching = tokio::task::spawn_blocking(move || watching.recv_timeout(DEADLINE));
        let watching = watching.await.expect("a thread");
        watching.expect("cloakroom learn watches");
        learner
    }

    /// Ends the watch as somebody at a terminal does. Returns what it printed: the block.
    pub async fn block(mut self) -> String {
        let pid = self.child.id().to_string();
        // The shell's own kill: a bare machine has no other.
        let killed = Command::new("sh")
            .args(["-c", "kill -INT $0", &pid])
            .status();
        assert!(killed.is_ok_and(|status| status.success()), "kill -INT");
        let status = eventually("cloakroom learn ends", async || {
            self.child.try_wait().expect("the process")
        });
        let status = status.await;
        let block = self.stdout.join().expect("what it printed");
        let told = self.stderr.join().expect("what it told");
        assert!(status.success(), "{status}: {told}");
        block
    }
}
