//! A connection for look-ups in the middle of a stream: opened when it is needed, kept only for a while.

use crate::error::{Error, Result};
use postgres::Client;
use std::ops::DerefMut;
use std::time::{Duration, Instant};

/// How long a connection is kept for the next look-up. Tables tend to be announced in bursts; an older connection may be dead
/// without anyone knowing, and waiting for it would hold up the stream.
const KEPT: Duration = Duration::from_secs(5);

/// How long after a failure to connect the next attempt is made, so that a catalog that cannot be had holds up the stream
/// only now and then.
const PAUSE: Duration = Duration::from_secs(10);

/// Opens a connection, keeps it for the next look-up, and does not try again at once what has just failed.
pub(super) struct OnDemand<C> {
    connect: Box<dyn FnMut() -> Result<C>>,
    /// The connection, and when it was last of use.
    open: Option<(C, Instant)>,
    /// Why it could not be opened, and when.
    failed: Option<(String, Instant)>,
}

impl<C: DerefMut<Target = Client>> OnDemand<C> {
    /// Takes connections from `connect`.
    pub fn new(connect: impl FnMut() -> Result<C> + 'static) -> OnDemand<C> {
        OnDemand { connect: Box::new(connect), open: None, failed: None }
    }

    /// A connection, which the caller gives back if it still is of use.
    pub fn take(&mut self) -> Result<C> {
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
        self.failed = connection.as_ref().err().map(|error| (error.to_string(), Instant::now()));
        connection
    }

    /// Gives a connection back.
    pub fn keep(&mut self, connection: C) {
        self.open = Some((connection, Instant::now()));
    }
}
