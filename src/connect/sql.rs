//! The SQL connection, by the `postgres` crate.

use super::attempt::{Attempt, Endpoint, Refusal, first, plain};
use super::{ChannelBinding, Remark, Settings, Voice};
use crate::error::{Error, Result, ServerError};
use postgres::error::{DbError, Severity};
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use std::error::Error as _;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::mpsc;
use std::thread;

/// Settings that make names and values read the same whatever the role, the database or `PGOPTIONS` sets.
const PINNED: &str = "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex \
                      -c quote_all_identifiers=off -c search_path= -c timezone=UTC";

/// A session for SQL: a [`postgres::Client`] whose settings are pinned.
pub struct Session(Client);

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.0
    }
}

/// Opens an SQL connection to the first server that will do.
pub fn sql(settings: &Settings) -> Result<Session> {
    first(settings, open, ask).map(Session)
}

/// What the server, or the way to it, said to `act`: `could not <act>: ...`.
pub fn server_error(act: &str, error: &postgres::Error) -> Error {
    if let Some(error) = error.as_db_error() {
        return Error::from_server(act, fields(error));
    }
    if error.is_closed() {
        return Error::transient(format!("could not {act}: the server closed the connection unexpectedly"));
    }
    match error.source() {
        Some(source) => match source.downcast_ref::<io::Error>() {
            Some(reason) => Error::transient(format!("could not {act}: {}", plain(reason))),
            None => Error::new(format!("could not {act}: {error}: {source}")),
        },
        None => Error::new(format!("could not {act}: {error}")),
    }
}

fn fields(error: &DbError) -> ServerError {
    ServerError {
        sqlstate: error.code().code().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
    }
}

/// The first value of the first row.
fn ask(client: &mut Client, query: &str) -> Result<String> {
    let rows = client.simple_query(query).map_err(|error| server_error("ask what kind of server it is", &error))?;
    let value = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(value.unwrap_or_default().to_owned())
}

fn open(attempt: &Attempt<'_>) -> std::result::Result<Client, Refusal> {
    let config = config(attempt);
    connect(attempt, move || config.connect(NoTls))?.map_err(|error| refusal(attempt, &error))
}

fn config(attempt: &Attempt<'_>) -> Config {
    let settings = attempt.settings;
    let mut config = Config::new();
    config.user(&settings.user).dbname(&settings.dbname).application_name(&settings.application_name);
    match &settings.options {
        Some(options) => config.options(&format!("{options} {PINNED}")),
        None => config.options(PINNED),
    };
    if let Some(password) = attempt.password {
        config.password(&password.0);
    }
    match &attempt.endpoint {
        Endpoint::Unix(path) => config.host_path(path.parent().unwrap_or(path)).port(attempt.host.port),
        Endpoint::Tcp(address) => config.host(attempt.server_name()).hostaddr(address.ip()).port(address.port()),
    };
    config.ssl_mode(postgres::config::SslMode::Disable);
    config.channel_binding(match settings.channel_binding {
        ChannelBinding::Disable => postgres::config::ChannelBinding::Disable,
        ChannelBinding::Prefer => postgres::config::ChannelBinding::Prefer,
        ChannelBinding::Require => postgres::config::ChannelBinding::Require,
    });
    let keepalives = &settings.keepalives;
    config.keepalives(keepalives.enabled);
    keepalives.idle.map(|idle| config.keepalives_idle(idle));
    keepalives.interval.map(|interval| config.keepalives_interval(interval));
    keepalives.count.map(|count| config.keepalives_retries(count));
    keepalives.tcp_user_timeout.map(|timeout| config.tcp_user_timeout(timeout));
    settings.connect_timeout.map(|timeout| config.connect_timeout(timeout));
    let voice = settings.voice.clone();
    config.notice_callback(move |notice| say(&voice, &notice));
    config
}

fn say(voice: &Voice, notice: &DbError) {
    let remark = match notice.parsed_severity() {
        Some(Severity::Notice | Severity::Info | Severity::Log | Severity::Debug) => Remark::Notice,
        _ => Remark::Warning,
    };
    voice.say(remark, notice.message());
}

/// Connects within `connect_timeout`. The `postgres` crate applies it to the socket alone, while a stuck server accepts and
/// then says nothing; so with a timeout a thread connects, and is left behind if it takes too long.
fn connect(
    attempt: &Attempt<'_>,
    connect: impl FnOnce() -> std::result::Result<Client, postgres::Error> + Send + 'static,
) -> Result<std::result::Result<Client, postgres::Error>> {
    let Some(timeout) = attempt.settings.connect_timeout else { return Ok(connect()) };
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        // Nobody waits any more if it took too long: the connection is closed again.
        let _ = sender.send(connect());
    });
    receiver.recv_timeout(timeout).map_err(|_| attempt.transient("timeout expired"))
}

fn refusal(attempt: &Attempt<'_>, error: &postgres::Error) -> Refusal {
    let source = error.source();
    let reason = source.map(ToString::to_string).unwrap_or_default();
    if reason == "password missing" {
        return Refusal::PasswordNeeded;
    }
    if let Some(io) = source.and_then(|source| source.downcast_ref::<io::Error>())
        && error.to_string() == "error connecting to server"
    {
        return Refusal::Other(attempt.unreachable(io));
    }
    Refusal::Other(server_error(&attempt.act(), error))
}
