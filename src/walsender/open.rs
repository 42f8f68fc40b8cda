//! Which server to talk to: the hosts of the settings one after the other.

use super::authentication::Credentials;
use super::socket::{Patience, Socket};
use super::startup::{BackendKey, start_session};
use super::wire::{Wire, io_error};
use crate::connect::{Address, Host, Keepalives, Settings};
use crate::error::{Error, Kind, Result};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Instant;

/// A session that is ready for commands.
pub struct Opened {
    /// Its wire.
    pub wire: Wire,
    /// To cancel its commands.
    pub key: BackendKey,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// One address of a server.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// A socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp(SocketAddr, Keepalives),
}

impl Endpoint {
    /// Connects.
    pub fn connect(&self, patience: Patience<'_>) -> io::Result<Socket> {
        match self {
            Endpoint::Unix(path) => Socket::connect_unix(path),
            Endpoint::Tcp(address, keepalives) => Socket::connect_tcp(*address, keepalives, patience),
        }
    }
}

/// Opens a session with the first server that will have us.
pub fn open(settings: &Settings, timezone: &str, interrupted: &dyn Fn() -> bool) -> Result<Opened> {
    let mut failures: Vec<Error> = Vec::new();
    for host in &settings.hosts {
        let endpoints = match endpoints(host, &settings.keepalives) {
            Ok(endpoints) => endpoints,
            Err(error) => {
                failures.push(io_error(&act(host, None), &error));
                continue;
            }
        };
        for endpoint in endpoints {
            match open_at(settings, host, &endpoint, timezone, interrupted) {
                Ok(opened) => return Ok(opened),
                // As libpq: a server that is there but does not let us in ends the search.
                Err(error) if error.kind() != Kind::Transient => return Err(with_earlier(error, &failures)),
                Err(error) => failures.push(error),
            }
        }
    }
    match failures.pop() {
        Some(last) => Err(with_earlier(last, &failures)),
        None => Err(Error::new("could not connect: no host is given")),
    }
}

fn open_at(
    settings: &Settings,
    host: &Host,
    endpoint: &Endpoint,
    timezone: &str,
    interrupted: &dyn Fn() -> bool,
) -> Result<Opened> {
    let act = act(host, Some(endpoint));
    let deadline = settings.connect_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let patience = Patience { deadline, interrupted };
    let socket = endpoint.connect(patience).map_err(|error| io_error(&act, &error))?;
    let mut wire = Wire::new(socket);
    let mut password = || {
        let known = [settings.password.as_ref(), host.password.as_ref(), settings.typed.get()];
        let known = known.into_iter().flatten().next();
        known.map(|secret| secret.0.clone()).ok_or_else(|| Error::new(format!("could not {act}: no password supplied")))
    };
    let mut credentials = Credentials { user: &settings.user, password: &mut password };
    let key = start_session(&mut wire, &act, settings, timezone, &mut credentials, patience)?;
    Ok(Opened { wire, key, endpoint: endpoint.clone() })
}

fn endpoints(host: &Host, keepalives: &Keepalives) -> io::Result<Vec<Endpoint>> {
    let tcp = |address| Endpoint::Tcp(address, keepalives.clone());
    match &host.address {
        Address::Unix(directory) => Ok(vec![Endpoint::Unix(directory.join(format!(".s.PGSQL.{}", host.port)))]),
        Address::Tcp { hostaddr: Some(address), .. } => Ok(vec![tcp(SocketAddr::new(*address, host.port))]),
        Address::Tcp { name, hostaddr: None } => Ok((name.as_str(), host.port).to_socket_addrs()?.map(tcp).collect()),
    }
}

fn act(host: &Host, endpoint: Option<&Endpoint>) -> String {
    match (&host.address, endpoint) {
        (_, Some(Endpoint::Unix(path))) => format!("connect to the server on socket \"{}\"", path.display()),
        (Address::Tcp { name, .. }, Some(Endpoint::Tcp(address, _))) if *name != address.ip().to_string() => {
            format!("connect to the server at \"{name}\" ({}), port {}", address.ip(), host.port)
        }
        (Address::Tcp { name, .. }, _) => format!("connect to the server at \"{name}\", port {}", host.port),
        (Address::Unix(directory), _) => format!("connect to the server in \"{}\"", directory.display()),
    }
}

fn with_earlier(error: Error, earlier: &[Error]) -> Error {
    match earlier {
        [] => error,
        earlier => {
            let lines: Vec<String> = earlier.iter().map(Error::to_string).collect();
            error.with_detail(format!("Before that: {}", lines.join("\n")))
        }
    }
}
