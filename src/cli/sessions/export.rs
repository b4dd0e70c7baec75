//! Writes every session whole, a line each. That is all that apps and visitors trust us with, so nobody else may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::cli::access::{Access, Refusal};
use crate::cli::complain;
use crate::session::{Session, stored};

/// What was written.
pub(super) struct Exported {
    pub(super) sessions: usize,
    pub(super) unreadable: usize,
}

/// Writes the sessions and tombstones to a new file, or to standard output.
pub(super) async fn export(access: &Access, output: Option<&Path>) -> Result<Exported, Refusal> {
    let Some(path) = output else {
        let out = io::stdout();
        if out.is_terminal() {
            complain(
                "warning: this shows cookies that log in to the apps; --output FILE writes them to a file instead",
            );
        }
        return write_to(access, &mut BufWriter::new(out.lock()))
            .await
            .map_err(no_file);
    };
    let refuse = |error: Trouble| match error {
        Trouble::Refusal(refusal) => refusal,
        Trouble::Io(error) => {
            Refusal::Failed(format!("{} cannot be written: {error}", path.display()))
        }
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| refuse(error.into()))?;
    let written = write_file(access, &file).await;
    if written.is_err() {
        // Half a backup would pass for a whole one.
        let _ = fs::remove_file(path);
    }
    written.map_err(refuse)
}

async fn write_file(access: &Access, file: &File) -> Result<Exported, Trouble> {
    let exported = write_to(access, &mut BufWriter::new(file)).await?;
    file.sync_all()?;
    Ok(exported)
}

async fn write_to(access: &Access, out: &mut impl Write) -> Result<Exported, Trouble> {
    let (mut sessions, mut fault) = (0, None);
    let unreadable = access
        .walk(async |page| {
            sessions += page.len();
            let mut page = page.iter();
            page.try_for_each(|session| write_one(session, out))
                .map_err(|error| {
                    let refusal = Refusal::Failed(error.to_string());
                    fault = Some(error);
                    refusal
                })
        })
        .await;
    match fault {
        Some(error) => return Err(error.into()),
        None => out.flush()?,
    }
    Ok(Exported {
        sessions,
        unreadable: unreadable?,
    })
}

fn write_one(session: &Session, out: &mut impl Write) -> io::Result<()> {
    let text = stored::write(session).map_err(io::Error::other)?;
    writeln!(out, "{text}")
}

/// Why nothing was exported.
enum Trouble {
    Refusal(Refusal),
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

fn no_file(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Refusal(refusal) => refusal,
        Trouble::Io(error) => Refusal::Failed(format!("cannot write: {error}")),
    }
}
