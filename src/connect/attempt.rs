//! The order in which servers, addresses and kinds of encryption are tried, for the SQL and for the
//! replication connection. The caller's [`open`](first) opens one.

use super::password;
use super::protocol::WaitLimit;
use super::{Address, Host, Prompt, Secret, Settings, SslMode, TargetSessionAttrs};
use crate::error::{CouldNot, Error, Kind, Result};
use log::warn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;

/// The SQLSTATE of a server whose pg_hba.conf does not let us in this way: with or without
/// encryption it may.
const INVALID_AUTHORIZATION: &str = "28000";
/// The SQLSTATE of a wrong password.
const INVALID_PASSWORD: &str = "28P01";
/// The SQLSTATE of a database that is not there.
const UNKNOWN_DATABASE: &str = "3D000";

/// One try to open a connection.
pub struct Attempt<'a> {
    /// All about the connection that does not depend on the try.
    pub settings: &'a Settings,
    /// The server.
    pub host: &'a Host,
    /// One of its addresses.
    pub endpoint: Endpoint,
    /// Whether to use TLS.
    pub encryption: Encryption,
    /// The password to answer with, if one is known.
    pub password: Option<&'a Secret>,
}

/// Where the socket of a try leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// This socket file.
    Unix(PathBuf),
    /// This address and port.
    Tcp(SocketAddr),
}

/// Whether a try uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Do not ask for it.
    Off,
    /// Ask, and go on without if the server says that it has none.
    IfOffered,
    /// Fail without it.
    Required,
}

/// Why a try did not end in a connection.
#[derive(Debug)]
pub enum Refusal {
    /// The server asks for a password, and [`Attempt::password`] was empty.
    PasswordNeeded,
    /// TLS could not be set up: under `sslmode=prefer` the next try does without.
    Tls(Error),
    /// Anything else. Where it is transient, the next address may be better.
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Other(error)
    }
}

impl Refusal {
    /// Adds to an error what was being done: see [`Error::could_not`].
    pub fn could_not(self, action: &str) -> Refusal {
        match self {
            Refusal::PasswordNeeded => Refusal::PasswordNeeded,
            Refusal::Tls(error) => Refusal::Tls(error.could_not(action)),
            Refusal::Other(error) => Refusal::Other(error.could_not(action)),
        }
    }
}

impl Attempt<'_> {
    /// The name that the server's certificate must bear.
    pub fn server_name(&self) -> &str {
        match &self.host.address {
            Address::Tcp { name, .. } => name,
            Address::Unix(_) => "localhost",
        }
    }

    /// The error for a socket that could not be connected.
    pub fn unreachable(&self, reason: &io::Error) -> Error {
        let error = Error::because(plain(reason)).with_kind(Kind::Transient);
        match &self.endpoint {
            Endpoint::Unix(_) => error.with_detail(
                "Is the server running locally and accepting connections on that socket?",
            ),
            Endpoint::Tcp(_) => error.with_detail(
                "Is the server running on that host and accepting TCP/IP connections?",
            ),
        }
    }
}

/// Opens the first connection that can be had: tries the servers and their addresses in order, each
/// with and without TLS as `sslmode` says, asks the user for the password if need be, and passes
/// over servers that are not what `target_session_attrs` wants.
///
/// `open` makes one try; `ask` runs a query that gives one value on what it opened. Names are
/// translated within `limit`, after which no further try is made either.
pub fn first<S>(
    settings: &Settings,
    limit: &WaitLimit,
    mut open: impl FnMut(&Attempt<'_>) -> std::result::Result<S, Refusal>,
    mut ask: impl FnMut(&mut S, &str) -> Result<String>,
) -> Result<S> {
    if settings.prompt == Prompt::Always {
        password::typed(settings)?;
    }
    if settings.target_session_attrs == TargetSessionAttrs::PreferStandby {
        let standby = TargetSessionAttrs::Standby;
        match first_of_kind(settings, limit, standby, &mut open, &mut ask) {
            Err(error) if error.kind() == Kind::Transient => {}
            done => return done,
        }
    }
    let wanted = settings.target_session_attrs;
    first_of_kind(settings, limit, wanted, &mut open, &mut ask)
}

fn first_of_kind<S>(
    settings: &Settings,
    limit: &WaitLimit,
    wanted: TargetSessionAttrs,
    open: &mut impl FnMut(&Attempt<'_>) -> std::result::Result<S, Refusal>,
    ask: &mut impl FnMut(&mut S, &str) -> Result<String>,
) -> Result<S> {
    let mut failures = Vec::new();
    for host in shuffled(settings, settings.hosts.iter().collect()) {
        let endpoints = match endpoints(host, limit) {
            Ok(endpoints) => shuffled(settings, endpoints),
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        for endpoint in endpoints {
            if let Err(reason) = limit.check() {
                let error = Error::because(plain(&reason)).with_kind(Kind::Transient);
                return Err(error.could_not(connect_to(host, &endpoint)).after(failures));
            }
            let opened =
                encrypted_or_not(settings, host, &endpoint, open).and_then(|mut session| {
                    match unsuited(wanted, |query| ask(&mut session, query))? {
                        None => Ok(session),
                        Some(reason) => Err(Error::because(reason).with_kind(Kind::Transient)),
                    }
                });
            match opened.could_not(connect_to(host, &endpoint)) {
                Ok(session) => return Ok(session),
                Err(error) if error.kind() == Kind::Transient => failures.push(error),
                Err(error) => return Err(error.after(failures)),
            }
        }
    }
    let last = failures
        .pop()
        .unwrap_or_else(|| Error::new("could not connect: no server is named"));
    Err(last.after(failures))
}

/// Goes through the kinds of encryption that `sslmode` allows at one address.
fn encrypted_or_not<S>(
    settings: &Settings,
    host: &Host,
    endpoint: &Endpoint,
    open: &mut impl FnMut(&Attempt<'_>) -> std::result::Result<S, Refusal>,
) -> Result<S> {
    let kinds: &[Encryption] = match (endpoint, settings.tls.mode) {
        (Endpoint::Unix(_), _) | (_, SslMode::Disable) => &[Encryption::Off],
        (_, SslMode::Allow) => &[Encryption::Off, Encryption::Required],
        (_, SslMode::Prefer) => &[Encryption::IfOffered, Encryption::Off],
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[Encryption::Required],
    };
    let mut open = |attempt: &Attempt<'_>| {
        open(attempt).map_err(|refusal| refusal.could_not(&connect_to(host, endpoint)))
    };
    let mut failures = Vec::new();
    let mut tls_failure: Option<String> = None;
    for encryption in kinds {
        let mut attempt = Attempt {
            settings,
            host,
            endpoint: endpoint.clone(),
            encryption: *encryption,
            password: None,
        };
        attempt.password = password::known(settings, host);
        let mut opened = open(&attempt);
        if let Err(Refusal::PasswordNeeded) = opened {
            attempt.password = Some(password::asked_for(settings)?);
            opened = open(&attempt);
        }
        let error = match opened {
            Ok(session) => {
                if let Some(reason) = tls_failure {
                    warn_of_plain_text(settings, &reason);
                }
                return Ok(session);
            }
            Err(Refusal::PasswordNeeded) => return Err(Error::because("no password supplied")),
            Err(Refusal::Tls(error)) if *encryption == Encryption::IfOffered => {
                tls_failure = Some(error.to_string());
                error
            }
            Err(Refusal::Other(error)) if error.sqlstate() == INVALID_AUTHORIZATION => error,
            Err(Refusal::Tls(error) | Refusal::Other(error)) => {
                return Err(explained(&attempt, error).after(failures));
            }
        };
        if failures
            .last()
            .is_none_or(|last: &Error| last.to_string() != error.to_string())
        {
            failures.push(error);
        }
    }
    let last = failures
        .pop()
        .unwrap_or_else(|| Error::because("no way of encryption is left to try"));
    let remedy = authorization_remedy(settings, endpoint, &last);
    Err(last.with_remedy(remedy).after(failures))
}

/// Says once why the connections are not encrypted, though the server has TLS.
fn warn_of_plain_text(settings: &Settings, reason: &str) {
    if settings.warned_of_plain_text.set(()).is_ok() {
        warn!("the connection is not encrypted, as sslmode is prefer: {reason}");
    }
}

/// Adds what the user may not know about a refusal by the server.
fn explained(attempt: &Attempt<'_>, error: Error) -> Error {
    let Attempt {
        settings,
        host,
        password,
        ..
    } = attempt;
    match error.sqlstate() {
        INVALID_PASSWORD if password.is_some() && *password == host.password.as_ref() => {
            error.with_detail("The password comes from the password file.")
        }
        INVALID_PASSWORD if password.is_some() && *password == settings.password.as_ref() => error
            .with_detail(format!(
                "The password comes from {}.",
                settings.password_source
            )),
        UNKNOWN_DATABASE => error.with_remedy("-d with the name of a database that is there"),
        _ => error,
    }
}

/// What mends it that the server does not let the role in: either there is no such role that may
/// log in, or pg_hba.conf bars it.
fn authorization_remedy(settings: &Settings, endpoint: &Endpoint, error: &Error) -> String {
    match error.server().and_then(|server| server.routine.as_deref()) {
        Some("InitializeSessionUserId") => "-U with the name of a role that may log in".to_owned(),
        Some("ClientAuthentication" | "auth_failed") => hba_remedy(settings, endpoint),
        _ => format!(
            "-U with the name of a role that may log in, or {}",
            hba_remedy(settings, endpoint)
        ),
    }
}

/// Also replication connections of the logical kind go by the database's name: the keyword
/// `replication` does not let them in.
fn hba_remedy(settings: &Settings, endpoint: &Endpoint) -> String {
    let (kind, from) = match endpoint {
        Endpoint::Unix(_) => ("local", ""),
        Endpoint::Tcp(_) => ("host", " YOUR-ADDRESS/32"),
    };
    let (dbname, user) = (hba_word(&settings.dbname), hba_word(&settings.user));
    format!("a line in the server's pg_hba.conf, as: {kind} {dbname} {user}{from} scram-sha-256")
}

/// A name as pg_hba.conf has it.
fn hba_word(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let keyword = ["all", "sameuser", "samerole", "samegroup", "replication"].contains(&name);
    if !name.is_empty() && name.chars().all(plain) && !keyword {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Why the server is not of the kind that is wanted; `None` if it is.
fn unsuited(
    wanted: TargetSessionAttrs,
    mut ask: impl FnMut(&str) -> Result<String>,
) -> Result<Option<&'static str>> {
    let (query, suitable, reason) = match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => return Ok(None),
        TargetSessionAttrs::ReadWrite => {
            ("SHOW transaction_read_only", "off", "session is read-only")
        }
        TargetSessionAttrs::ReadOnly => (
            "SHOW transaction_read_only",
            "on",
            "session is not read-only",
        ),
        TargetSessionAttrs::Primary => (
            "SELECT pg_catalog.pg_is_in_recovery()",
            "f",
            "server is in hot standby mode",
        ),
        TargetSessionAttrs::Standby => (
            "SELECT pg_catalog.pg_is_in_recovery()",
            "t",
            "server is not in hot standby mode",
        ),
    };
    Ok((ask(query)? != suitable).then_some(reason))
}

/// The error for a connection that broke while it was being set up.
pub fn lost(reason: &io::Error) -> Error {
    let reason = match reason.kind() {
        io::ErrorKind::UnexpectedEof => "server closed the connection unexpectedly".to_owned(),
        _ => plain(reason),
    };
    Error::because(reason).with_kind(Kind::Transient)
}

/// All addresses of a server.
fn endpoints(host: &Host, limit: &WaitLimit) -> Result<Vec<Endpoint>> {
    match &host.address {
        Address::Unix(directory) => Ok(vec![Endpoint::Unix(
            directory.join(format!(".s.PGSQL.{}", host.port)),
        )]),
        Address::Tcp {
            hostaddr: Some(address),
            ..
        } => Ok(vec![Endpoint::Tcp((*address, host.port).into())]),
        Address::Tcp {
            name,
            hostaddr: None,
        } => {
            let found = addresses(name, host.port, limit).map_err(|error| {
                let reason = plain(&error);
                let reason = reason
                    .strip_prefix("failed to lookup address information: ")
                    .unwrap_or(&reason);
                Error::transient(format!(
                    "could not translate host name \"{name}\" to address: {reason}"
                ))
            })?;
            Ok(found.into_iter().map(Endpoint::Tcp).collect())
        }
    }
}

/// Translates a name. On a thread of its own, which is left behind if it takes too long: the
/// system's resolver cannot be interrupted.
fn addresses(name: &str, port: u16, limit: &WaitLimit) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, answer) = sync_channel(1);
    let name = name.to_owned();
    thread::spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // Nobody may be waiting any more.
        let _ = sender.send(found.map(Iterator::collect));
    });
    loop {
        match answer.recv_timeout(limit.pause()?) {
            Ok(found) => return found,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("no answer")),
        }
    }
}

/// In random order, if that is wanted.
fn shuffled<T>(settings: &Settings, mut items: Vec<T>) -> Vec<T> {
    if settings.load_balance {
        let mut random = RandomState::new().build_hasher();
        for end in (2..=items.len()).rev() {
            random.write_usize(end);
            let chosen = random.finish() % end as u64;
            items.swap(end - 1, usize::try_from(chosen).unwrap_or(0));
        }
    }
    items
}

/// Names the server as libpq does, with the address where it says more than the name.
fn connect_to(host: &Host, endpoint: &Endpoint) -> String {
    match (&host.address, endpoint) {
        (_, Endpoint::Unix(path)) => {
            format!("connect to server on socket \"{}\"", path.display())
        }
        (Address::Tcp { name, .. }, Endpoint::Tcp(address))
            if address.ip().to_string() != *name =>
        {
            format!(
                "connect to server at \"{name}\" ({}), port {}",
                address.ip(),
                host.port
            )
        }
        (Address::Tcp { name, .. }, _) => {
            format!("connect to server at \"{name}\", port {}", host.port)
        }
        (Address::Unix(directory), _) => {
            format!(
                "connect to server in \"{}\", port {}",
                directory.display(),
                host.port
            )
        }
    }
}

/// The words of an operating system error, without its number, as the middle of a sentence.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}
