//! A connection for look-ups in the middle of a stream: opened when it is needed, kept only for a while.

use crate::connect::Session;
use crate::error::{Error, Kind, Result};
use postgres::Client;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a connection is kept for the next look-up. Tables tend to be announced in bursts; an older connection may be dead
/// without anyone knowing, and waiting for it would hold up the stream.
const KEPT: Duration = Duration::from_secs(5);

/// How long after a failure to connect the next attempt is made, so that a catalog that cannot be had holds up the stream
/// only now and then.
const PAUSE: Duration = Duration::from_secs(10);

/// Remembers that a look-up failed because the server is away: what needed it should wait until the server is back.
#[derive(Clone, Default)]
pub struct Outage(Rc<RefCell<Option<Error>>>);

impl Outage {
    /// The last such failure since this was asked.
    pub fn take(&self) -> Option<Error> {
        self.0.take()
    }

    fn note(&self, error: &Error) {
        if error.kind() == Kind::Transient {
            self.0.replace(Some(Error::transient(error.to_string())));
        }
    }
}

/// Opens a connection, keeps it for the next look-up, and after a permanent failure waits before it tries again.
pub(super) struct OnDemand {
    connect: Box<dyn FnMut() -> Result<Session>>,
    outage: Outage,
    /// The connection, and when it was last used.
    open: Option<(Session, Instant)>,
    /// Why it could not be opened, and when.
    failed: Option<(String, Instant)>,
}

impl OnDemand {
    /// Takes connections from `connect`.
    pub fn new(connect: impl FnMut() -> Result<Session> + 'static, outage: Outage) -> OnDemand {
        OnDemand { connect: Box::new(connect), outage, open: None, failed: None }
    }

    /// Looks something up. A connection on which that fails is given up.
    pub fn ask<T>(&mut self, look_up: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        let answer = self.take().and_then(|mut connection| {
            let answer = look_up(&mut connection)?;
            self.open = Some((connection, Instant::now()));
            Ok(answer)
        });
        answer.inspect_err(|error| self.outage.note(error))
    }

    fn take(&mut self) -> Result<Session> {
        if let Some((connection, used)) = self.open.take()
            && used.elapsed() < KEPT
            && !connection.is_closed()
        {
            return Ok(connection);
        }
        if let Some((reason, at)) = &self.failed
            && at.elapsed() < PAUSE
        {
            return Err(Error::new(reason.clone()));
        }
        let connection = (self.connect)();
        let failed = connection.as_ref().err().filter(|error| error.kind() != Kind::Transient);
        self.failed = failed.map(|error| (error.to_string(), Instant::now()));
        connection
    }
}
