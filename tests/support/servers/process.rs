//! A server process that never outlives the test process.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::until;

/// Becomes the server, after leaving a guard behind that waits at a pipe of the test process. When the pipe closes
/// without a word, nobody is left to end the server: the guard ends it and its children and removes the folder.
/// The guard is nobody's child, so that no server wonders about a child that it never had. It does not hear what the
/// system tells a group that holds a paused server and has lost its parent.
const GUARDED: &str = r#"
folder=$1
signal=$2
shift 2
ulimit -c 0
exec 3<&0
(
    (
        trap '' HUP INT TERM
        read -r word <&3 && exit
        all="$$ $(cat /proc/$$/task/$$/children)"
        kill -CONT $all
        kill -$signal $$
        for round in $(seq 50); do
            case $(cat /proc/$$/stat) in '' | *') Z '*) break ;; esac
            sleep 0.1
        done
        kill -9 $all
        rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
    ) 2>/dev/null &
)
exec "$@" </dev/null >>"$folder/log" 2>&1 3<&-
"#;

/// One server: a folder, a command that runs it in the foreground, and the process once it is started.
pub struct Process {
    folder: TempDir,
    words: Vec<OsString>,
    last: &'static str,
    running: Mutex<Option<Running>>,
}

struct Running {
    child: Child,
    to_guard: ChildStdin,
    from_guard: ChildStdout,
}

impl Process {
    /// Not started yet. The server's output goes into `log` in the folder. `last` is the signal that ends it quickly
    /// and leaves nothing behind, even after harm was done to it.
    pub fn new(folder: TempDir, words: Vec<OsString>, last: &'static str) -> Self {
        Self {
            folder,
            words,
            last,
            running: Mutex::new(None),
        }
    }

    /// Starts it and waits until it is `ready`; false when it ended before it was.
    pub fn start(&self, mut ready: impl FnMut(u32) -> bool) -> bool {
        let log = self.folder().join("log");
        File::options()
            .append(true)
            .create(true)
            .open(&log)
            .expect("the log");
        let mut child = Command::new("sh")
            .args(["-c", GUARDED, "sh"])
            .arg(self.folder())
            .arg(self.last)
            .args(&self.words)
            .current_dir(self.folder())
            // A key press that ends the tests must not reach it before the guard does.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let pid = child.id();
        let to_guard = child.stdin.take().expect("stdin");
        let from_guard = child.stdout.take().expect("stdout");
        *self.running() = Some(Running {
            child,
            to_guard,
            from_guard,
        });
        let started = until("the server is ready", || {
            if ready(pid) {
                return Some(true);
            }
            let mut running = self.running();
            let child = &mut running.as_mut().expect("just started").child;
            let ended = child.try_wait().expect("the process").is_some();
            ended.then_some(false)
        });
        if !started {
            self.kill9();
        }
        started
    }

    /// Starts it again on the same folder. It may need more than one go, since what is left of its last life goes only
    /// after a while.
    pub fn restart(&self, mut ready: impl FnMut(u32) -> bool) {
        assert!(self.running().is_none(), "it still runs");
        let started = (0..100).any(|_| self.start(&mut ready));
        assert!(started, "it does not start again:\n{}", self.log());
    }

    /// Ends it and its children as a power cut would. Does nothing when it has ended.
    pub fn kill9(&self) {
        let Some(running) = self.running().take() else {
            return;
        };
        let pid = running.child.id();
        // Stopped first, it has no further children.
        signal("STOP", &[pid]);
        signal("KILL", &children(pid));
        signal("KILL", &[pid]);
        running.collect();
    }

    fn quit(&self) {
        let Some(running) = self.running().take() else {
            return;
        };
        let pid = running.child.id();
        signal("CONT", &children(pid));
        signal("CONT", &[pid]);
        signal(self.last, &[pid]);
        running.collect();
    }

    /// Holds it and its children: connections stay open, and no answer comes.
    pub fn pause(&self) {
        let pid = self.pid();
        assert!(signal("STOP", &[pid]), "kill -STOP {pid}");
        signal("STOP", &children(pid));
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        let pid = self.pid();
        signal("CONT", &children(pid));
        assert!(signal("CONT", &[pid]), "kill -CONT {pid}");
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.running().as_ref().expect("it runs").child.id()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything it printed.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        // A test that failed meanwhile must not keep its server from being ended.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Waits for its end for a second, and then ends it.
    fn collect(mut self) {
        let pid = self.child.id();
        let mut rounds = 0..200;
        while !has_ended(pid) && rounds.next().is_some() {
            std::thread::sleep(Duration::from_millis(5));
        }
        signal("KILL", &children(pid));
        // Only now may the guard go, and now it must: it would kill whoever gets this number later.
        let _ = self.to_guard.write_all(b"rest\n");
        let _ = self.child.kill();
        self.child.wait().expect("the process");
        // The guard has gone when nobody can write any more.
        let _ = self.from_guard.read_to_end(&mut Vec::new());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(20)..].join("\n");
            let program = self.words.iter().map(OsString::as_os_str);
            let program: Vec<&OsStr> = program.collect();
            eprintln!("--- {program:?} printed at last:\n{last}\n---");
        }
        self.quit();
    }
}

/// A folder that only we, and whoever we give it to, may enter.
pub fn folder() -> TempDir {
    let for_us_alone = fs::Permissions::from_mode(0o700);
    let mut folder = tempfile::Builder::new();
    let folder = folder.prefix("cloakroom-").permissions(for_us_alone);
    folder.tempdir().expect("a folder")
}

/// Starts a server on ports until one is really free: `make` gets the port.
pub fn on_free_port<T>(mut make: impl FnMut(u16) -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..10 {
        match make(free_port()) {
            Ok(server) => return server,
            Err(log) => last = log,
        }
    }
    panic!("the server does not start:\n{last}");
}

/// A port that is free now, as is the one 10000 above it (the bus of a Redis cluster). Both lie below the ports that
/// the system hands out by itself, so a server that is down for a while finds its port free when it comes back.
fn free_port() -> u16 {
    const FIRST: u32 = 10_200;
    const COUNT: u32 = 9_700;
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    // Other test binaries count too, from elsewhere.
    let next = NEXT.get_or_init(|| {
        let random = RandomState::new().hash_one("port") % u64::from(COUNT);
        AtomicU32::new(u32::try_from(random).expect("small"))
    });
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..COUNT {
        let step = next.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = u16::try_from(FIRST + step).expect("below 2^16");
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
    panic!("no port is free");
}

/// That port on this machine.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The output of a command that must not take long, or what it complained about.
pub fn output(command: &mut Command) -> Result<String, String> {
    // A server that hangs hangs its clients too.
    let mut limited = Command::new("timeout");
    limited.arg("30").arg(command.get_program());
    limited.args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    let output = limited.stdin(Stdio::null()).output().expect("timeout");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let status = output.status;
    let said = [text(&output.stdout), text(&output.stderr)].join("\n");
    Err(format!("{status}: {}", said.trim()))
}

/// False when one of them is not there.
fn signal(name: &str, pids: &[u32]) -> bool {
    if pids.is_empty() {
        return true;
    }
    // The shell's own kill: a bare machine has no other.
    let mut command = Command::new("sh");
    command.args(["-c", r#"kill "$@""#, "sh", &format!("-{name}")]);
    command.args(pids.iter().map(u32::to_string));
    let status = command.stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether it is no more than a number that waits to be collected.
fn has_ended(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| status.contains("State:\tZ"))
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace();
    pids.filter_map(|pid| pid.parse().ok()).collect()
}
