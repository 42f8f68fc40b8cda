//! Finds the server's programs and the user that may run them.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const INSTALL: &str = "install a server (Debian and Ubuntu: apt-get install postgresql \
    postgresql-contrib \
    postgresql-15-wal2json, or the version at hand), or set PG_CONFIG, or WALCAT_TEST_PG to a \
    version or to the directory of \
    its programs; `make test` installs what is missing";

/// A directory with `initdb`, `pg_ctl` and `postgres`, and who runs them.
pub struct Installation {
    programs: PathBuf,
    /// Who runs the server when the tests run as root, which it refuses.
    owner: Option<Owner>,
}

/// A user and its group.
#[derive(Clone, Copy)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Installation {
    /// The one that `WALCAT_TEST_PG` names, else the first of `PG_CONFIG`, `PATH` and the usual
    /// places. The tests fail without.
    pub fn find() -> Installation {
        let wanted = std::env::var("WALCAT_TEST_PG").unwrap_or_default();
        let programs = if wanted.contains('/') {
            Some(PathBuf::from(&wanted)).filter(|directory| version(directory).is_some())
        } else {
            candidates().into_iter().find(|directory| {
                version(directory)
                    .is_some_and(|version| wanted.is_empty() || version.to_string() == wanted)
            })
        };
        let programs = programs.unwrap_or_else(|| match wanted.as_str() {
            "" => panic!("found no PostgreSQL server: {INSTALL}"),
            _ => panic!("found no PostgreSQL server for WALCAT_TEST_PG={wanted}: {INSTALL}"),
        });
        Installation {
            programs,
            owner: rustix::process::geteuid().is_root().then(unprivileged),
        }
    }

    /// One of the server's programs, run by who may.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        self.run_as_owner(&mut command);
        command
    }

    /// Where a client program is, of this server or another.
    pub fn client_program(&self, name: &str) -> PathBuf {
        let places = std::iter::once(self.programs.clone()).chain(candidates());
        let found = places
            .map(|directory| directory.join(name))
            .find(|program| program.exists());
        found.unwrap_or_else(|| panic!("found no {name}: {INSTALL}"))
    }

    /// Makes the command run as the server does.
    pub fn run_as_owner(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C")
            .current_dir("/");
        if let Some(owner) = self.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
    }

    /// Gives a file or directory to who runs the server.
    pub fn write_rest(&self, path: &Path) {
        if let Some(owner) = self.owner {
            std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid)).unwrap_or_else(
                |error| panic!("could not give {} to the server: {error}", path.display()),
            );
        }
    }

    /// Where the programs are.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Not where `WALCAT_TEST_WAL2JSON=no` says that it cannot be had.
    pub fn must_have_wal2json(&self) -> bool {
        std::env::var("WALCAT_TEST_WAL2JSON").as_deref() != Ok("no")
    }
}

/// The major version of the server in a directory, if there is one that can run.
fn version(programs: &Path) -> Option<u32> {
    let output = Command::new(programs.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let complete = programs.join("initdb").exists() && programs.join("pg_ctl").exists();
    let text = String::from_utf8(output.stdout).ok().filter(|_| complete)?;
    let number = text.split(' ').nth(2)?;
    number
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

fn candidates() -> Vec<PathBuf> {
    let pg_config = std::env::var_os("PG_CONFIG").and_then(|program| bindir(&program));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut packaged: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    packaged.sort_by_key(|directory| std::cmp::Reverse(version(directory)));
    let resolve = |directory: PathBuf| {
        // A program in the PATH may be a link into the directory that has them all.
        let program = directory.join("postgres").canonicalize().ok()?;
        program.parent().map(Path::to_owned)
    };
    pg_config
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(packaged)
        .filter_map(resolve)
        .collect()
}

fn bindir(pg_config: &OsStr) -> Option<PathBuf> {
    let output = Command::new(pg_config).arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn unprivileged() -> Owner {
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let find = |wanted: &str| {
        let fields: Vec<&str> = users
            .lines()
            .map(|line| line.split(':').collect())
            .find(|f: &Vec<&str>| f[0] == wanted)?;
        Some(Owner {
            uid: fields.get(2)?.parse().ok()?,
            gid: fields.get(3)?.parse().ok()?,
        })
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .expect("a user `postgres` or `nobody` to run the server as")
}
