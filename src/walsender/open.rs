//! Opening a session at one address of one server; in which order they are tried is `connect`'s to know.

use super::authentication::Credentials;
use super::command;
use super::socket::{Patience, Socket, is_interruption};
use super::startup::{BackendKey, start_session};
use super::wire::{Wire, io_error};
use crate::connect::{self, Attempt, Endpoint, Refusal, Settings};
use crate::error::Result;
use std::io;
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

/// Opens a session with the first server that will have us.
pub fn open(settings: &Settings, timezone: &str, interrupted: &dyn Fn() -> bool) -> Result<Opened> {
    let ask = |opened: &mut Opened, query: &str| {
        let patience = patience(settings, interrupted);
        let row = command::query(&mut opened.wire, "ask what kind of server it is", query, patience)?;
        Ok(row.and_then(|row| row.into_iter().next()).flatten().unwrap_or_default())
    };
    connect::first(settings, |attempt| open_at(attempt, timezone, interrupted), ask)
}

/// Connects a socket, without TLS.
pub fn connect(endpoint: &Endpoint, patience: Patience<'_>) -> io::Result<Socket> {
    match endpoint {
        Endpoint::Unix(path) => Socket::connect_unix(path),
        Endpoint::Tcp(address) => Socket::connect_tcp(*address, patience),
    }
}

fn open_at(
    attempt: &Attempt<'_>,
    timezone: &str,
    interrupted: &dyn Fn() -> bool,
) -> std::result::Result<Opened, Refusal> {
    let settings = attempt.settings;
    let act = attempt.act();
    let patience = patience(settings, interrupted);
    let socket = connect(&attempt.endpoint, patience).map_err(|error| {
        // That the user wants to stop is nothing that the next address could mend.
        if is_interruption(&error) { io_error(&act, &error) } else { attempt.unreachable(&error) }
    })?;
    if let Endpoint::Tcp(_) = attempt.endpoint {
        socket.keep_alive(&settings.keepalives).map_err(|error| io_error(&act, &error))?;
    }
    let mut wire = Wire::new(socket, settings.voice.clone());
    let password = attempt.password.map(|secret| secret.0.as_str());
    let credentials = Credentials { user: &settings.user, password, channel_binding: settings.channel_binding };
    let key = start_session(&mut wire, &act, settings, timezone, &credentials, patience)?;
    Ok(Opened { wire, key, endpoint: attempt.endpoint.clone() })
}

fn patience<'a>(settings: &Settings, interrupted: &'a dyn Fn() -> bool) -> Patience<'a> {
    let deadline = settings.connect_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    Patience { deadline, interrupted }
}
