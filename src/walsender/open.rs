//! Opening a session at one address of one server; `connect` knows in which order they are tried.

use super::authentication::Credentials;
use super::command;
use super::encryption::Route;
use super::socket::Patience;
use super::startup::{BackendKey, start_session};
use super::wire::Wire;
use crate::connect::{self, Attempt, Refusal, Settings};
use crate::error::{Kind, Result};
use std::time::Instant;

/// A session that is ready for commands.
pub struct Opened {
    /// Its wire.
    pub wire: Wire,
    /// To cancel its commands.
    pub key: BackendKey,
    /// How to get there once more.
    pub route: Route,
}

/// Opens a session with the first server that accepts us.
pub fn open(settings: &Settings, timezone: &str, interrupted: &dyn Fn() -> bool) -> Result<Opened> {
    let ask = |opened: &mut Opened, query: &str| {
        let patience = patience(settings, interrupted);
        let row = command::query(
            &mut opened.wire,
            "ask what kind of server it is",
            query,
            patience,
        )?;
        Ok(row
            .and_then(|row| row.into_iter().next())
            .flatten()
            .unwrap_or_default())
    };
    connect::first(
        settings,
        |attempt| open_at(attempt, timezone, interrupted),
        ask,
    )
}

fn open_at(
    attempt: &Attempt<'_>,
    timezone: &str,
    interrupted: &dyn Fn() -> bool,
) -> std::result::Result<Opened, Refusal> {
    let settings = attempt.settings;
    let patience = patience(settings, interrupted);
    let (socket, route) = Route::open(attempt, patience)
        .map_err(|refusal| unless_interrupted(refusal, interrupted))?;
    let mut wire = Wire::new(socket, settings.voice.clone());
    let credentials = Credentials {
        user: &settings.user,
        password: attempt.password.map(|secret| secret.0.as_str()),
        channel_binding: settings.channel_binding,
    };
    match start_session(
        &mut wire,
        &attempt.act(),
        settings,
        timezone,
        &credentials,
        patience,
    ) {
        Ok(key) => Ok(Opened { wire, key, route }),
        // With TLS 1.3 a server refuses the client's certificate only after the handshake.
        Err(Refusal::Other(error)) if wire.tls_failed() => Err(Refusal::Tls(error)),
        Err(refusal) => Err(refusal),
    }
}

/// When the user wants to stop, the next address must not be tried.
fn unless_interrupted(refusal: Refusal, interrupted: &dyn Fn() -> bool) -> Refusal {
    match refusal {
        Refusal::Tls(error) | Refusal::Other(error) if interrupted() => {
            Refusal::Other(error.with_kind(Kind::Permanent))
        }
        refusal => refusal,
    }
}

fn patience<'a>(settings: &Settings, interrupted: &'a dyn Fn() -> bool) -> Patience<'a> {
    let deadline = settings
        .connect_timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    Patience {
        deadline,
        interrupted,
    }
}
