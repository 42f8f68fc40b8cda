//! Opening a session; `connect::attempt` knows in which order servers and addresses are tried.

use super::authentication::Credentials;
use super::query::query;
use super::route::Route;
use super::socket::WaitLimit;
use super::startup::{BackendKey, Purpose, settle, start_session};
use super::wire::Wire;
use crate::connect::{Attempt, Refusal, Settings, first};
use crate::error::{CouldNot, Result};

/// A session that is ready for commands.
pub struct Opened {
    /// Its wire.
    pub wire: Wire,
    /// To cancel its commands.
    pub key: BackendKey,
    /// How to get there once more.
    pub route: Route,
    /// As `server_version_num` has it: 150018 for 15.18.
    pub server_version: u32,
}

/// Opens a session with the first server that accepts us.
pub fn open(settings: &Settings, purpose: Purpose<'_>) -> Result<Opened> {
    let limit = WaitLimit::new(settings.limit, &settings.interrupt);
    let of_host = || match settings.connect_timeout {
        Some(timeout) => limit.no_longer_than(timeout),
        None => limit.clone(),
    };
    let open = |attempt: &Attempt<'_>| open_at(attempt, purpose, of_host());
    let ask = |(wire, _, _): &mut (Wire, BackendKey, Route), question: &str| {
        *wire.limit() = of_host();
        let row = query(wire, question).could_not("ask what kind of server it is")?;
        Ok(row
            .and_then(|row| row.into_iter().next())
            .flatten()
            .unwrap_or_default())
    };
    let (mut wire, key, route) = first(settings, &limit, open, ask)?;
    *wire.limit() = limit;
    let server_version = settle(&mut wire, purpose).could_not("set up the session")?;
    Ok(Opened {
        wire,
        key,
        route,
        server_version,
    })
}

fn open_at(
    attempt: &Attempt<'_>,
    purpose: Purpose<'_>,
    limit: WaitLimit,
) -> std::result::Result<(Wire, BackendKey, Route), Refusal> {
    let settings = attempt.settings;
    let (socket, route) = Route::open(attempt, limit)?;
    let mut wire = Wire::new(socket);
    let credentials = Credentials {
        user: &settings.user,
        password: attempt.password.map(|secret| secret.0.as_str()),
        channel_binding: settings.channel_binding,
    };
    match start_session(&mut wire, settings, purpose, &credentials) {
        Ok(key) => Ok((wire, key, route)),
        // With TLS 1.3 a server refuses the client's certificate only after the handshake.
        Err(Refusal::Other(error)) if wire.tls_failed() => Err(Refusal::Tls(error)),
        Err(refusal) => Err(refusal),
    }
}
