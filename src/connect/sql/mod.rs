//! The SQL connection: the client of the `tokio-postgres` crate over a session of our own.
//!
//! The crate's blocking sister `postgres` cannot be interrupted, waits without limit and takes
//! whatever a server sends. Here nothing runs in the background: a statement is driven until its
//! answer is there, and whenever the socket has to be waited for, the time and the user's wish to
//! stop count.

mod stream;

use super::protocol::{Purpose, WaitLimit, open};
use super::{Interrupt, Settings, plain};
use crate::error::{Error, Kind, Result, ServerError};
use std::error::Error as _;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use stream::{Link, Stream};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Connection, NoTls, Row};

/// A session for SQL. Dropped, it ends.
pub struct Client {
    client: tokio_postgres::Client,
    driver: Driver,
}

/// Makes the session go on.
struct Driver {
    connection: Connection<Stream, NoTlsStream>,
    link: Link,
    limit: Option<Duration>,
    interrupt: Interrupt,
}

/// Why a statement came to nothing.
#[derive(Debug)]
pub enum SqlError {
    /// The server refused it.
    Refused(ServerError),
    /// The session is of no further use.
    Failed(Failure),
    /// The answer is not what was asked for.
    Unfit(tokio_postgres::Error),
}

/// Why a session is of no further use.
#[derive(Clone, Debug)]
pub struct Failure {
    reason: String,
    kind: Kind,
}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> SqlError {
        SqlError::Unfit(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure {
            reason: error.to_string(),
            kind: error.kind(),
        }
    }
}

/// Opens an SQL connection to the first server that will do.
pub fn sql(settings: &Settings) -> Result<Client> {
    let link = Link::new(open(settings, Purpose::Sql)?.wire);
    let mut config = tokio_postgres::Config::new();
    config
        .user(&settings.user)
        .ssl_mode(tokio_postgres::config::SslMode::Disable);
    let mut start = pin!(config.connect_raw(link.stream(), NoTls));
    let mut context = Context::from_waker(Waker::noop());
    // What it waits for is there already.
    let Poll::Ready(Ok((client, connection))) = start.as_mut().poll(&mut context) else {
        return Err(Error::new("could not set up the session"));
    };
    Ok(Client {
        client,
        driver: Driver {
            connection,
            link,
            limit: settings.limit,
            interrupt: settings.interrupt.clone(),
        },
    })
}

/// The reason alone.
impl From<SqlError> for Error {
    fn from(error: SqlError) -> Error {
        match error {
            SqlError::Refused(refusal) => Error::from_server(refusal),
            SqlError::Failed(Failure { reason, kind }) => Error::because(reason).with_kind(kind),
            SqlError::Unfit(error) => {
                let reason = match error.source() {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
                Error::because(format!("the server's answer makes no sense: {reason}"))
            }
        }
    }
}

type Parameters<'a> = [&'a (dyn ToSql + Sync)];

impl Client {
    /// The rows that a query brings.
    pub fn query(
        &mut self,
        query: &str,
        parameters: &Parameters<'_>,
    ) -> std::result::Result<Vec<Row>, SqlError> {
        self.driver.drive(self.client.query(query, parameters))
    }

    /// The only row that a query brings.
    pub fn query_one(
        &mut self,
        query: &str,
        parameters: &Parameters<'_>,
    ) -> std::result::Result<Row, SqlError> {
        self.driver.drive(self.client.query_one(query, parameters))
    }

    /// The row that a query brings, if any.
    pub fn query_opt(
        &mut self,
        query: &str,
        parameters: &Parameters<'_>,
    ) -> std::result::Result<Option<Row>, SqlError> {
        self.driver.drive(self.client.query_opt(query, parameters))
    }

    /// Runs one statement, and returns how many rows it changed.
    pub fn execute(
        &mut self,
        statement: &str,
        parameters: &Parameters<'_>,
    ) -> std::result::Result<u64, SqlError> {
        self.driver
            .drive(self.client.execute(statement, parameters))
    }

    /// Runs statements separated by semicolons.
    pub fn batch_execute(&mut self, statements: &str) -> std::result::Result<(), SqlError> {
        self.driver.drive(self.client.batch_execute(statements))
    }

    /// Does some work in a transaction that is committed if the work succeeds.
    pub fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        self.batch_execute("BEGIN")?;
        let done = work(self);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.batch_execute(end);
        done.and_then(|done| Ok(ended.map(|()| done)?))
    }

    /// From now on a statement may take no longer than this.
    pub fn limit(&mut self, limit: Duration) {
        self.driver.limit = Some(limit);
    }

    /// From now on waits however long it takes, until `interrupt` says that it is enough.
    pub fn wait_until(&mut self, interrupt: Interrupt) {
        self.driver.limit = None;
        self.driver.interrupt = interrupt;
    }

    /// Returns `true` if it is of no further use.
    pub fn is_closed(&self) -> bool {
        self.driver.link.failure().is_some() || self.client.is_closed()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.link.terminate();
    }
}

impl Driver {
    /// Goes on until the future has come to its end.
    fn drive<T>(
        &mut self,
        future: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> std::result::Result<T, SqlError> {
        if let Some(failure) = self.link.failure() {
            return Err(SqlError::Failed(failure));
        }
        self.link.begin(WaitLimit::new(self.limit, &self.interrupt));
        let mut future = pin!(future);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut context = Context::from_waker(&waker);
        loop {
            let broken = match self.connection.poll_message(&mut context) {
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(error))) => Some(error),
                Poll::Ready(None) | Poll::Pending => None,
            };
            let polled = future.as_mut().poll(&mut context);
            match (polled, broken) {
                (Poll::Ready(Ok(done)), _) => return Ok(done),
                (Poll::Ready(Err(error)), _) | (Poll::Pending, Some(error)) => {
                    return Err(self.judge(error));
                }
                (Poll::Pending, None) if bell.rang() => {}
                (Poll::Pending, None) => {
                    if let Err(reason) = self.link.wait() {
                        self.link.fail(Failure {
                            reason: plain(&reason),
                            kind: Kind::Transient,
                        });
                    }
                }
            }
        }
    }

    /// Finds out why a statement came to nothing. Unless the server refused it, or sent a row that
    /// does not fit, the session is out of step.
    fn judge(&self, error: tokio_postgres::Error) -> SqlError {
        if let Some(refusal) = self.link.take_refusal() {
            return SqlError::Refused(refusal);
        }
        if let Some(failure) = self.link.failure() {
            return SqlError::Failed(failure);
        }
        if error.is_closed() {
            return SqlError::Failed(Failure {
                reason: "server closed the connection unexpectedly".to_owned(),
                kind: Kind::Transient,
            });
        }
        self.link.fail(Failure {
            reason: "the session is out of step".to_owned(),
            kind: Kind::Permanent,
        });
        SqlError::Unfit(error)
    }
}

/// Whether something was done that lets another part go on.
#[derive(Default)]
struct Bell(AtomicBool);

impl Bell {
    fn rang(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
