//! The SQL connection, by the `postgres` crate.

mod negotiation;

use super::attempt::{Attempt, Encryption, Endpoint, Refusal, first, plain};
use super::{ChannelBinding, PINNED, Remark, Settings, Voice, authentication, tls};
use crate::error::{Error, Result, ServerError};
use negotiation::{Heard, Negotiator, NotPostgres};
use postgres::error::{DbError, Severity};
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use std::error::Error as _;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::mpsc;
use std::thread;

/// What is pinned beside [`PINNED`]. No query on catalogs is worth compiling, which would take
/// seconds.
const PINNED_FOR_SQL: [(&str, &str); 2] = [("timezone", "UTC"), ("jit", "off")];

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
    let mut client = first(settings, open, ask)?;
    // Pinned only now, so that the default is still the role's own: what the user writes in SQL is
    // read with that.
    client
        .batch_execute("SET search_path TO ''")
        .map_err(|error| server_error("set up the session", &error))?;
    Ok(Session(client))
}

/// What the server, or the way to it, said to `act`: `could not <act>: ...`.
pub fn server_error(act: &str, error: &postgres::Error) -> Error {
    if let Some(error) = error.as_db_error() {
        return Error::from_server(act, fields(error));
    }
    if error.is_closed() {
        return Error::transient(format!(
            "could not {act}: the server closed the connection unexpectedly"
        ));
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
        routine: error.routine().map(str::to_owned),
    }
}

/// The first value of the first row.
fn ask(client: &mut Client, query: &str) -> Result<String> {
    let rows = client
        .simple_query(query)
        .map_err(|error| server_error("ask what kind of server it is", &error))?;
    let value = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(value.unwrap_or_default().to_owned())
}

fn open(attempt: &Attempt<'_>) -> std::result::Result<Client, Refusal> {
    let config = config(attempt);
    if let Endpoint::Unix(_) = attempt.endpoint {
        return connect(attempt, move || config.connect(NoTls))?
            .map_err(|error| refusal(attempt, &error, None));
    }
    let client = if attempt.encryption == Encryption::Off {
        None
    } else {
        Some(tls::client(attempt)?)
    };
    let negotiator = Negotiator::new(attempt.encryption, attempt.settings.tls.direct, client);
    let heard = negotiator.heard();
    connect(attempt, move || config.connect(negotiator))?
        .map_err(|error| refusal(attempt, &error, Some(&heard)))
}

fn config(attempt: &Attempt<'_>) -> Config {
    let settings = attempt.settings;
    let mut config = Config::new();
    config
        .user(&settings.user)
        .dbname(&settings.dbname)
        .application_name(&settings.application_name);
    let pinned = PINNED
        .iter()
        .chain(&PINNED_FOR_SQL)
        .map(|(name, value)| format!("-c {name}={value}"));
    config.options(
        &settings
            .options
            .iter()
            .cloned()
            .chain(pinned)
            .collect::<Vec<_>>()
            .join(" "),
    );
    if let Some(password) = attempt.password {
        config.password(&password.0);
    }
    match &attempt.endpoint {
        Endpoint::Unix(path) => config
            .host_path(path.parent().unwrap_or(path))
            .port(attempt.host.port)
            .ssl_mode(postgres::config::SslMode::Disable),
        // The negotiator finds out whether there will be TLS.
        Endpoint::Tcp(address) => config
            .host(attempt.server_name())
            .hostaddr(address.ip())
            .port(address.port())
            .ssl_mode(postgres::config::SslMode::Require)
            .ssl_negotiation(postgres::config::SslNegotiation::Direct),
    };
    config.channel_binding(match settings.channel_binding {
        ChannelBinding::Disable => postgres::config::ChannelBinding::Disable,
        ChannelBinding::Prefer => postgres::config::ChannelBinding::Prefer,
        ChannelBinding::Require => postgres::config::ChannelBinding::Require,
    });
    let keepalives = &settings.keepalives;
    config.keepalives(keepalives.enabled);
    keepalives.idle.map(|idle| config.keepalives_idle(idle));
    keepalives
        .interval
        .map(|interval| config.keepalives_interval(interval));
    keepalives
        .count
        .map(|count| config.keepalives_retries(count));
    keepalives
        .tcp_user_timeout
        .map(|timeout| config.tcp_user_timeout(timeout));
    settings
        .connect_timeout
        .map(|timeout| config.connect_timeout(timeout));
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

/// Connects within `connect_timeout`. The `postgres` crate applies it to the socket alone, while a
/// stuck server accepts and then says nothing; so with a timeout a thread connects, and is left
/// behind if it takes too long.
fn connect(
    attempt: &Attempt<'_>,
    connect: impl FnOnce() -> std::result::Result<Client, postgres::Error> + Send + 'static,
) -> Result<std::result::Result<Client, postgres::Error>> {
    let Some(timeout) = attempt.settings.connect_timeout else {
        return Ok(connect());
    };
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        // If it took too long nobody receives it, and the connection is closed again.
        let _ = sender.send(connect());
    });
    receiver
        .recv_timeout(timeout)
        .map_err(|_| attempt.transient("timeout expired"))
}

/// Finds out why there is no session. The kinds of errors are private in the `postgres` crate, so
/// their texts must tell.
fn refusal(attempt: &Attempt<'_>, error: &postgres::Error, heard: Option<&Heard>) -> Refusal {
    if error.as_db_error().is_some() {
        return Refusal::Other(server_error(&attempt.act(), error));
    }
    let what = error.to_string();
    let source = error.source();
    if let Some(error) = source.and_then(|source| source.downcast_ref::<io::Error>()) {
        return match what.as_str() {
            "error connecting to server" => Refusal::Other(attempt.unreachable(error)),
            "error performing TLS handshake" => match reason::<tls::NoOffer>(error) {
                Some(no_offer) => no_offer.refusal(attempt),
                None => tls::refusal(attempt, error),
            },
            _ => broken(attempt, error),
        };
    }
    let why = source.map(ToString::to_string).unwrap_or_default();
    Refusal::Other(match why.as_str() {
        "password missing" => return Refusal::PasswordNeeded,
        "unsupported authentication method" | "unsupported SASL mechanism" => {
            let method = heard.and_then(Heard::unsupported_authentication);
            attempt.permanent(authentication::unsupported(
                method.as_deref().unwrap_or("a way of"),
            ))
        }
        "server did not use channel binding" => {
            attempt.permanent("channel binding is required, but the server did not use it")
        }
        _ if error.is_closed() => attempt.transient("server closed the connection unexpectedly"),
        _ => server_error(&attempt.act(), error),
    })
}

/// The connection broke after the handshake. With TLS 1.3 only then does the server refuse a
/// client's certificate.
fn broken(attempt: &Attempt<'_>, error: &io::Error) -> Refusal {
    match (reason::<NotPostgres>(error), tls::reason(error)) {
        (Some(not_postgres), _) => attempt.permanent(not_postgres).into(),
        (None, Some(_)) => tls::refusal(attempt, error),
        (None, None) => attempt.lost(error).into(),
    }
}

/// The error inside an I/O error, if it is of this kind.
fn reason<E: std::error::Error + 'static>(error: &io::Error) -> Option<&E> {
    error.get_ref()?.downcast_ref()
}
