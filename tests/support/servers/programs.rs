//! Which server programs there are, and under whom they run.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Finds all programs of a package, or says that the test is not run.
///
/// # Panics
/// Where `CI` is set and one is missing: there nothing may be left out in silence.
pub fn all_of<const N: usize>(package: &str, names: [&str; N]) -> Option<[PathBuf; N]> {
    let found = names.map(find);
    if found.iter().all(Option::is_some) {
        return Some(found.map(Option::unwrap_or_default));
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{package} is not installed"
    );
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Written past the test runner, which would keep the line of a test that passes to itself.
    let _ = writeln!(std::io::stderr(), "not run: {test} needs {package}");
    None
}

/// Looks where Debian hides servers from users, and in `PATH`. There its `psql` is a script that looks for the real one.
fn find(name: &str) -> Option<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let versions = versions.filter_map(Result::ok);
        folders.extend(versions.map(|version| version.path().join("bin")));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let mut files = folders.into_iter().map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// PostgreSQL and PgBouncer refuse to run as root, so there they run as Debian's user for them.
pub struct Servant {
    /// What comes before the program on the command line.
    pub prefix: Vec<OsString>,
    ids: Option<(u32, u32)>,
}

impl Servant {
    pub fn of_postgres() -> &'static Self {
        static SERVANT: OnceLock<Servant> = OnceLock::new();
        SERVANT.get_or_init(|| {
            if id(&["-u"]) != 0 {
                return Self {
                    prefix: Vec::new(),
                    ids: None,
                };
            }
            let (user, group) = (id(&["-u", "postgres"]), id(&["-g", "postgres"]));
            let prefix = [
                "setpriv".to_owned(),
                format!("--reuid={user}"),
                format!("--regid={group}"),
                "--clear-groups".to_owned(),
            ];
            Self {
                prefix: prefix.map(OsString::from).to_vec(),
                ids: Some((user, group)),
            }
        })
    }

    /// Gives it a file or folder.
    pub fn owns(&self, path: &Path) {
        if let Some((user, group)) = self.ids {
            std::os::unix::fs::chown(path, Some(user), Some(group)).expect("chown");
        }
    }

    /// A command of its.
    pub fn command(&self, program: &Path) -> Command {
        let mut words = self.prefix.iter().map(OsString::as_os_str);
        let Some(first) = words.next() else {
            return Command::new(program);
        };
        let mut command = Command::new(first);
        command.args(words).arg(program);
        command
    }
}

fn id(args: &[&str]) -> u32 {
    let output = Command::new("id").args(args).output().expect("id");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("id {args:?}: {output:?}"))
}
