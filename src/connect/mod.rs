//! Where and how to connect: one [`Settings`] from which both connections are made, the one for SQL
//! here and the one for replication in `walsender`.

mod attempt;
mod conninfo;
mod environment;
pub mod invocation;
mod parameter;
mod passfile;
mod password;
mod process_title;
pub mod protocol;
mod resolve;
mod service;
mod sql;
pub mod tls;

pub use attempt::{Attempt, Encryption, Endpoint, Refusal, first, lost, plain};
pub use environment::Environment;
pub use password::AskPassword;
pub use process_title::{hide_login, hide_password, revealed, shows_password};
pub use resolve::Arguments;
pub use sql::{Client, SqlError, sql};

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Everything needed to connect, from the command line, the environment, the service file and the
/// defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers to try, in order.
    pub hosts: Vec<Host>,
    /// Shuffle them, and the addresses of each, before every connection.
    pub load_balance: bool,
    /// The role.
    pub user: String,
    /// The database.
    pub dbname: String,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Command-line options for the server (`PGOPTIONS`), if any.
    pub options: Option<String>,
    /// How long each host may take; `None`: for ever.
    pub connect_timeout: Option<Duration>,
    /// How long connecting, and then each SQL statement, may take at the most; `None`: for ever.
    pub limit: Option<Duration>,
    /// Whether the user wants to stop.
    pub interrupt: Interrupt,
    /// TCP keepalives.
    pub keepalives: Keepalives,
    /// What kind of server is wanted.
    pub target_session_attrs: TargetSessionAttrs,
    /// TLS: whether, and what is verified.
    pub tls: TlsSettings,
    /// Whether SCRAM must be bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// The password given by conninfo or `PGPASSWORD`; wins over those of the password file.
    pub password: Option<Secret>,
    /// Where that password comes from, as the end of a sentence.
    pub password_source: &'static str,
    /// Whether the user may be asked.
    pub prompt: Prompt,
    /// The password the user typed: asked once, good for every connection of this run.
    pub typed: Arc<OnceLock<Secret>>,
    /// Set when the user was told that `sslmode=prefer` went on without encryption.
    pub warned_of_plain_text: Arc<OnceLock<()>>,
    /// Asks the user for the password.
    pub ask_password: AskPassword,
}

impl Settings {
    /// The same for a session that others wait for: neither connecting nor a statement may take
    /// longer than that.
    pub fn with_limit(&self, limit: Duration) -> Settings {
        Settings {
            limit: Some(limit),
            ..self.clone()
        }
    }

    /// The same, given up as soon as `is_wanted` says so.
    pub fn until(&self, is_wanted: impl Fn() -> bool + Send + Sync + 'static) -> Settings {
        Settings {
            interrupt: Interrupt::new(is_wanted),
            ..self.clone()
        }
    }
}

/// Whether the user wants to stop: asked again and again while a server is waited for.
#[derive(Clone)]
pub struct Interrupt(Arc<dyn Fn() -> bool + Send + Sync>);

impl Interrupt {
    /// When this function says so.
    pub fn new(is_wanted: impl Fn() -> bool + Send + Sync + 'static) -> Interrupt {
        Interrupt(Arc::new(is_wanted))
    }

    /// Returns `true` if it is time to stop.
    pub fn is_wanted(&self) -> bool {
        (self.0)()
    }
}

/// Never.
impl Default for Interrupt {
    fn default() -> Interrupt {
        Interrupt::new(|| false)
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupt")
    }
}

/// A server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it listens.
    pub address: Address,
    /// Its port; for a socket directory the number in the socket's name.
    pub port: u16,
    /// What the password file holds for it.
    pub password: Option<Secret>,
}

/// For people: `localhost port 5432`.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Unix(directory) => write!(f, "{} port {}", directory.display(), self.port),
            Address::Tcp { name, .. } => write!(f, "{name} port {}", self.port),
        }
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// In this socket directory.
    Unix(PathBuf),
    /// At this name; `hostaddr` spares the look-up while the name is still what certificates must
    /// bear.
    Tcp {
        /// Name or address as the user wrote it.
        name: String,
        /// The numeric address, if it was given.
        hostaddr: Option<IpAddr>,
    },
}

/// A password. It is never shown, not even by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// When to ask for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// `-w`
    Never,
    /// If the server asks for one, none is known, and there is a terminal.
    IfNeeded,
    /// `-W`
    Always,
}

/// TCP keepalives as libpq has them; `None`: the system's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepalives {
    /// `keepalives`
    pub enabled: bool,
    /// `keepalives_idle`
    pub idle: Option<Duration>,
    /// `keepalives_interval`
    pub interval: Option<Duration>,
    /// `keepalives_count`
    pub count: Option<u32>,
    /// `tcp_user_timeout`
    pub tcp_user_timeout: Option<Duration>,
}

/// `target_session_attrs`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any server.
    Any,
    /// One whose sessions can write by default.
    ReadWrite,
    /// One whose sessions cannot write by default.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// A standby if there is one, else any server.
    PreferStandby,
}

/// TLS: whether, and what is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// `sslmode`
    pub mode: SslMode,
    /// `sslnegotiation=direct`: no SSLRequest first (PostgreSQL 17).
    pub direct: bool,
    /// `sslrootcert`
    pub roots: Roots,
    /// The client's certificate and its key: `sslcert` and `sslkey`, or the files that libpq looks
    /// for.
    pub client: Option<(PathBuf, PathBuf)>,
    /// `sslcrl`
    pub revoked: Option<PathBuf>,
    /// `sslsni`
    pub sni: bool,
    /// What `ssl_min_protocol_version` and `ssl_max_protocol_version` allow.
    pub versions: TlsVersions,
}

/// Which protocol versions may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsVersions {
    /// TLS 1.2
    pub tls12: bool,
    /// TLS 1.3
    pub tls13: bool,
}

/// `sslmode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server refuses a connection without.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS, whoever the server is; with `sslrootcert` as `verify-ca`.
    Require,
    /// TLS, with a certificate that a trusted authority has signed.
    VerifyCa,
    /// TLS, with such a certificate for the name of the host.
    VerifyFull,
}

/// `sslrootcert`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// None there: nothing can be verified.
    None,
    /// This file of certificates.
    File(PathBuf),
    /// Those that the system trusts.
    System,
}

/// `channel_binding`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never bind.
    Disable,
    /// Bind if the server can.
    Prefer,
    /// Fail if the server cannot bind.
    Require,
}
