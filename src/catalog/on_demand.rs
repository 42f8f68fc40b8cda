//! Look-ups in the middle of a stream, on connections that are opened when they are needed and kept
//! only for a while.
//!
//! Each is made on a thread of its own, so that no server that is slow, stuck or out of reach can
//! hold the stream up for longer than [`LookUps::limit`] says.

use crate::connect::Session;
use crate::error::{Error, Kind, Result};
use postgres::Client;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a connection is kept for the next look-up. Tables tend to be announced in bursts; an
/// older connection may be dead without anyone knowing, and waiting for it would hold up the
/// stream.
const KEPT: Duration = Duration::from_secs(5);

/// How long after a failure the next attempt is made, so that a catalog that cannot be had holds up
/// the stream only now and then.
const PAUSE: Duration = Duration::from_secs(10);

/// How long a look-up may take if nothing asks for less.
const LONGEST: Duration = Duration::from_secs(10);

/// How often to see whether the program is to end.
const TICK: Duration = Duration::from_millis(50);

/// What the look-ups of a stream have in common.
#[derive(Clone)]
pub struct LookUps(Rc<Shared>);

struct Shared {
    connect: Arc<Connect>,
    interrupted: Box<dyn Fn() -> bool>,
    limit: Cell<Duration>,
    /// Why the last look-up failed, and when.
    failed: RefCell<Option<(String, Instant)>>,
    /// The server is away, or the look-up was interrupted.
    broken_off: RefCell<Option<Error>>,
}

/// Connects; neither that nor a statement shall go on for much longer than this.
type Connect = dyn Fn(Duration) -> Result<Session> + Send + Sync;

impl LookUps {
    /// Takes connections from `connect`, and breaks off what is under way when `interrupted` says
    /// so.
    pub fn new(
        connect: impl Fn(Duration) -> Result<Session> + Send + Sync + 'static,
        interrupted: impl Fn() -> bool + 'static,
    ) -> LookUps {
        LookUps(Rc::new(Shared {
            connect: Arc::new(connect),
            interrupted: Box::new(interrupted),
            limit: Cell::new(LONGEST),
            failed: RefCell::default(),
            broken_off: RefCell::default(),
        }))
    }

    /// From now on a look-up may take no longer than this.
    pub fn limit(&self, limit: Duration) {
        self.0.limit.set(limit.min(LONGEST));
    }

    /// Why the last look-up since this was asked came to nothing, if what it was for had better
    /// wait: until the server is back, or for the next run of the program.
    pub fn take_broken_off(&self) -> Option<Error> {
        self.0.broken_off.take()
    }

    fn break_off(&self, error: Error) -> Error {
        self.0
            .broken_off
            .replace(Some(Error::transient(error.to_string())));
        error
    }

    /// Waits for an answer that comes from another thread.
    fn wait<T>(&self, answer: &Receiver<Result<T>>) -> Result<T> {
        let limit = self.0.limit.get();
        let start = Instant::now();
        loop {
            let left = limit.saturating_sub(start.elapsed());
            match answer.recv_timeout(left.min(TICK)) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new("could not ask the catalog: no answer"));
                }
                Err(RecvTimeoutError::Timeout) if (self.0.interrupted)() => {
                    return Err(
                        self.break_off(Error::transient("could not ask the catalog: interrupted"))
                    );
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    let reason = format!(
                        "could not look up types and tables: no answer within {:.1} s",
                        limit.as_secs_f64()
                    );
                    return Err(Error::new(reason));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Opens a connection, keeps it for the next look-up, and after a permanent failure waits before it
/// tries again.
pub(super) struct OnDemand {
    common: LookUps,
    /// The connection, and when it was last used.
    open: Option<(Session, Instant)>,
    /// The server seemed to be away the last time, and the stream has stood again since.
    suspicious: bool,
}

impl OnDemand {
    /// No connection yet.
    pub fn new(common: &LookUps) -> OnDemand {
        OnDemand {
            common: common.clone(),
            open: None,
            suspicious: false,
        }
    }

    /// Looks something up. A connection on which that fails is given up. A transient error has
    /// broken off what it was for.
    pub fn ask<T: Send + 'static>(
        &mut self,
        look_up: impl FnOnce(&mut Client) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Shared {
            connect,
            limit,
            failed,
            ..
        } = &*self.common.0;
        if let Some((reason, _)) = failed
            .borrow()
            .as_ref()
            .filter(|(_, at)| at.elapsed() < PAUSE)
        {
            return Err(Error::new(reason.clone()));
        }
        let kept = self
            .open
            .take()
            .filter(|(session, used)| used.elapsed() < KEPT && !session.is_closed());
        let (connect, limit) = (Arc::clone(connect), limit.get());
        let (sender, answer) = sync_channel(1);
        thread::spawn(move || {
            let session = kept.map_or_else(|| connect(limit * 2), |(session, _)| Ok(session));
            let answer = session.and_then(|mut session| Ok((look_up(&mut session)?, session)));
            // Nobody waits any more if it took too long; what is left behind ends soon, by the
            // timeouts of the session.
            let _ = sender.send(answer);
        });
        match self.common.wait(&answer) {
            Ok((found, session)) => {
                self.open = Some((session, Instant::now()));
                self.suspicious = false;
                Ok(found)
            }
            Err(error) => Err(self.judge(error)),
        }
    }

    /// Is the server away, or is it only that the look-up cannot be had?
    fn judge(&mut self, error: Error) -> Error {
        if self.common.0.broken_off.borrow().is_some() {
            return error;
        }
        // Where the stream can be had again and the look-up fails as before, it would for ever.
        if is_outage(&error) && !std::mem::replace(&mut self.suspicious, true) {
            return self.common.break_off(error);
        }
        self.common
            .0
            .failed
            .replace(Some((error.to_string(), Instant::now())));
        error.with_kind(Kind::Permanent)
    }
}

/// Does it look as if the server were away? One that has no connection left (class 53) goes on
/// streaming all the same.
fn is_outage(error: &Error) -> bool {
    error.kind() == Kind::Transient && !matches!(error.sqlstate().get(..2), Some("53" | "55"))
}
