//! The connection to the servers of a log.

use super::destination::{Access, LogDestination};
use crate::error::Error;
use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, RequestErrorKind, ServerAddr, ServerError,
};
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How long a server may take to let us in, and to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait between two tries to connect again.
const AGAIN: Duration = Duration::from_secs(1);

/// What may wait for being written. All that is in flight fits in, so that publishing never waits.
const CAPACITY: usize = 4 * super::publisher::WINDOW as usize;

/// Why something did not work.
#[derive(Debug)]
pub enum Trouble {
    /// It may work the next time.
    Passing(String),
    /// It never will.
    Lasting(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Lasting(error)
    }
}

/// What happened to the connection.
#[derive(Debug)]
pub enum Happened {
    /// It is gone.
    Lost,
    /// It is there again.
    Back,
    /// The server does not allow something.
    Refused(Error),
}

/// A connection that connects again by itself.
pub struct Link {
    /// The client.
    pub client: Client,
    /// What messages call the log.
    pub name: String,
    user: String,
    events: UnboundedReceiver<Event>,
}

impl Link {
    /// Connects to the first server that can be reached.
    pub async fn open(to: &LogDestination) -> Result<Link, Error> {
        let name = to.url.to_string();
        let (sender, events) = unbounded_channel();
        let options = ConnectOptions::new()
            .name("walcat")
            .event_callback(move |event| {
                // Nobody hears it any more when the thread ends.
                let _ = sender.send(event);
                std::future::ready(())
            })
            .connection_timeout(TIMEOUT)
            .request_timeout(Some(TIMEOUT))
            .client_capacity(CAPACITY)
            .subscription_capacity(CAPACITY)
            .reconnect_delay_callback(|attempts| match attempts {
                0 | 1 => Duration::from_millis(50),
                _ => AGAIN,
            })
            .require_tls(to.url.tls);
        let (options, user) = identify(options, to).await?;
        let servers = to.url.hosts.iter().map(|host| {
            let scheme = if to.url.tls { "tls" } else { "nats" };
            format!("{scheme}://{host}").parse::<ServerAddr>()
        });
        let servers: Vec<ServerAddr> = servers
            .collect::<Result<_, _>>()
            .map_err(|error| Error::usage(format!("could not use --to: {error}")))?;
        let client = options.connect(servers).await.map_err(|error| {
            let reason = match std::error::Error::source(&error) {
                Some(source) => source.to_string(),
                None => error.kind().to_string(),
            };
            match error.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                    not_let_in(&name, &user)
                }
                _ => Error::new(format!("could not connect to {name}: {reason}")),
            }
        })?;
        Ok(Link {
            client,
            name,
            user,
            events,
        })
    }

    /// Waits for what happens to the connection.
    pub async fn happens(&mut self) -> Happened {
        loop {
            // The client holds the other end.
            let Some(event) = self.events.recv().await else {
                return std::future::pending().await;
            };
            match event {
                Event::Connected => return Happened::Back,
                Event::Disconnected | Event::Closed => return Happened::Lost,
                Event::ServerError(ServerError::AuthorizationViolation) => {
                    return Happened::Refused(not_let_in(&self.name, &self.user));
                }
                Event::ServerError(ServerError::Other(text)) => {
                    if let Some(error) = self.not_allowed(&text) {
                        return Happened::Refused(error);
                    }
                }
                _ => {}
            }
        }
    }

    /// Asks JetStream; the answer is JSON.
    pub async fn ask(&mut self, what: &str, body: Vec<u8>) -> Result<Bytes, Trouble> {
        let client = self.client.clone();
        let answer = client.request(format!("$JS.API.{what}"), Bytes::from(body));
        tokio::pin!(answer);
        let answer = loop {
            // A request that is not allowed is never answered.
            tokio::select! {
                answer = &mut answer => break answer,
                happened = self.happens() => if let Happened::Refused(error) = happened {
                    return Err(Trouble::Lasting(error));
                },
            }
        };
        match answer {
            Ok(message) => Ok(message.payload),
            Err(error) => Err(Trouble::Passing(match error.kind() {
                RequestErrorKind::NoResponders => {
                    "JetStream does not answer: it is not enabled, or has no leader".to_owned()
                }
                RequestErrorKind::TimedOut => format!("no answer within {} s", TIMEOUT.as_secs()),
                _ => error.to_string(),
            })),
        }
    }

    /// As `Permissions Violation for Publish to "wal.public.t"`.
    fn not_allowed(&self, text: &str) -> Option<Error> {
        let lower = text.to_ascii_lowercase();
        let rest = lower.strip_prefix("permissions violation for ")?;
        let act = match rest.starts_with("subscription") {
            true => "subscribe to",
            false => "publish to",
        };
        let subject = text.split('"').nth(1).unwrap_or("?");
        // The last word of an inbox differs each time.
        let subject = match subject.starts_with("_INBOX.") {
            true => "_INBOX.>",
            false => subject,
        };
        Some(
            Error::new(format!(
                "could not publish to {}: {} may not {act} \"{subject}\"",
                self.name, self.user
            ))
            .with_remedy(format!(
                "give the user the right to {act} \"{subject}\" in the server's configuration"
            )),
        )
    }
}

fn not_let_in(name: &str, user: &str) -> Error {
    Error::new(format!(
        "could not connect to {name}: the server does not let {user} in"
    ))
    .with_remedy(
        "nats://USER:PASSWORD@HOST/STREAM, NATS_USER and NATS_PASSWORD, --nats-creds or \
         --nats-nkey",
    )
}

/// Adds what proves who we are; the second says who that is.
async fn identify(
    mut options: ConnectOptions,
    to: &LogDestination,
) -> Result<(ConnectOptions, String), Error> {
    let Access {
        user,
        credentials,
        nkey,
        root_certificates,
        certificate,
    } = &to.access;
    if let Some(path) = root_certificates {
        readable(path)?;
        options = options.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = certificate {
        readable(certificate)?;
        readable(key)?;
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    let login = match &to.url.login {
        Some((name, Some(password))) => Some((name.clone(), password.clone())),
        Some((token, None)) if user.is_none() => {
            return Ok((options.token(token.clone()), "the token".to_owned()));
        }
        _ => user.clone(),
    };
    if let Some(path) = credentials {
        let text = readable(path)?;
        let options = options.credentials(&text).map_err(|_| {
            Error::new(format!(
                "could not use {}: it is no credentials file",
                path.display()
            ))
        })?;
        return Ok((options, format!("the user of {}", path.display())));
    }
    if let Some(path) = nkey {
        let text = readable(path)?;
        let seed = text
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with("SU"));
        let seed = seed.ok_or_else(|| {
            Error::new(format!(
                "could not use {}: it has no seed of a user's key",
                path.display()
            ))
        })?;
        let user = format!("the key of {}", path.display());
        return Ok((options.nkey(seed.to_owned()), user));
    }
    Ok(match login {
        Some((name, password)) => {
            let user = format!("user \"{name}\"");
            (options.user_and_password(name, password), user)
        }
        None => (options, "a user without a name".to_owned()),
    })
}

fn readable(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::new(format!("could not read {}: {error}", path.display())))
}
