//! Promise: `cloakroom demo` runs on a machine that has nothing but curl, and the lines that it prints do what they
//! say, over HTTP/1.1 and HTTP/2.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The demo in an empty folder. It is killed when dropped.
struct Demo {
    child: Child,
    folder: TempDir,
    /// The printed commands, by the number of the recipe.
    recipes: BTreeMap<u32, Vec<String>>,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["demo", "--port", "0"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the demo starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut recipes: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let mut number = 0;
        for line in stdout.lines().map(|line| line.expect("text")) {
            if let Some(title) = line.strip_prefix("  # ") {
                let digits = title.split('.').next().unwrap_or_default();
                number = digits.parse().expect("a recipe has a number");
            } else if let Some(command) = line.strip_prefix("  ").filter(|_| number > 0) {
                recipes.entry(number).or_default().push(command.to_owned());
            } else if line.starts_with("Stop it") {
                // Whoever stops reading here must not stop the demo: its log goes on.
                break;
            }
        }
        Self {
            child,
            folder,
            recipes,
        }
    }

    /// What the commands of a recipe print, with `flag` for every curl.
    fn follow(&self, recipe: u32, flag: &str) -> String {
        let commands = self.recipes[&recipe].join("\n");
        let output = Command::new("sh")
            .args(["-c", &commands.replace("curl ", &format!("curl {flag} "))])
            .current_dir(self.folder.path())
            .output()
            .expect("sh");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_printed_lines_do_what_they_say() {
    let demo = Demo::start();
    assert_eq!(
        demo.recipes.keys().copied().collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    for flag in ["--http1.1", "--http2"] {
        let cookie = demo.follow(1, flag);
        assert_eq!(cookie.lines().count(), 1, "{flag}: {cookie}");
        assert!(
            cookie
                .to_ascii_lowercase()
                .starts_with("set-cookie: __host-session=")
        );
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(cookie.contains(attribute), "{flag}: {cookie}");
        }

        let seen = demo.follow(2, flag);
        for header in ["x-session-user: demo", "x-session-id: ", "LEGACYSESSID="] {
            assert!(seen.contains(header), "{flag}: {header}: {seen}");
        }
        assert!(!seen.contains("__Host-session"), "{flag}: {seen}");

        let held = demo.follow(3, flag);
        assert!(
            held.contains("__Host-session") && held.contains("theme"),
            "{flag}: {held}"
        );
        assert!(
            !held.contains("LEGACYSESSID") && !held.contains("_ga"),
            "{flag}: {held}"
        );

        assert_eq!(demo.follow(4, flag).trim(), "0", "{flag}");
        assert_eq!(demo.follow(5, flag).trim(), "0", "{flag}");
    }
}

#[test]
fn nothing_private_can_be_committed() {
    let demo = Demo::start();
    let folder = demo.folder.path();
    for file in [
        "certs/localhost-key.pem",
        "demo-data/session.keys",
        "demo-data/sessions.db",
    ] {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&metadata(&folder.join(file)).permissions());
        assert_eq!(mode & 0o077, 0, "{file} is for nobody else");
        let ignored = Command::new("git")
            .args(["check-ignore", "--quiet", file])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("git");
        assert!(ignored.success(), "git ignores {file}");
    }
}

fn metadata(file: &Path) -> std::fs::Metadata {
    std::fs::metadata(file).expect("the file is there")
}
