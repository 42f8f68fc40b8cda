//! From a connected socket to a session that is ready for commands (manual section 55.2.1).

use super::authentication::{Credentials, authenticate};
use super::message::Reader;
use super::socket::Patience;
use super::wire::{Wire, io_error, unexpected};
use crate::connect::{Refusal, Settings};
use crate::error::Result;
use bytes::BytesMut;
use postgres_protocol::message::frontend;

/// What the server needs to be told to cancel a command of this session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendKey {
    /// The process that serves us.
    pub pid: u32,
    /// Proves that it is ours.
    pub secret: i32,
}

/// Settings of the session that decide how values are printed. Sent in the startup packet they win over those of the role,
/// the database and `PGOPTIONS`, so that the same change always prints the same.
const PINNED: &[(&str, &str)] = &[
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("quote_all_identifiers", "off"),
    ("search_path", ""),
];

/// Sends the startup packet, authenticates, and waits until the server is ready.
pub fn start_session(
    wire: &mut Wire,
    act: &str,
    settings: &Settings,
    timezone: &str,
    credentials: &Credentials<'_>,
    patience: Patience<'_>,
) -> std::result::Result<BackendKey, Refusal> {
    let mut message = BytesMut::new();
    frontend::startup_message(parameters(settings, timezone), &mut message).map_err(|error| io_error(act, &error))?;
    wire.send(&message).map_err(|error| io_error(act, &error))?;
    authenticate(wire, act, credentials, patience)?;
    Ok(wait_until_ready(wire, act, patience)?)
}

fn parameters<'a>(settings: &'a Settings, timezone: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let own = [
        ("user", settings.user.as_str()),
        ("database", &settings.dbname),
        ("replication", "database"),
        ("application_name", &settings.application_name),
        ("timezone", timezone),
    ];
    let options = settings.options.as_deref().map(|options| ("options", options));
    own.into_iter().chain(options).chain(PINNED.iter().copied())
}

fn wait_until_ready(wire: &mut Wire, act: &str, patience: Patience<'_>) -> Result<BackendKey> {
    let mut key = BackendKey::default();
    loop {
        let frame = wire.wait_frame(act, patience)?;
        match frame.tag {
            b'K' => key = parse_backend_key(wire.body(&frame))?,
            b'Z' => return Ok(key),
            _ => return Err(unexpected(act, &frame)),
        }
    }
}

// pid: u32 | secret: i32
fn parse_backend_key(body: &[u8]) -> Result<BackendKey> {
    let mut reader = Reader::new("BackendKeyData", body);
    let key = BackendKey { pid: reader.u32("process number")?, secret: reader.u32("secret key")? as i32 };
    reader.finish()?;
    Ok(key)
}
