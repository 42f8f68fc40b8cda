//! Look-ups in the middle of a stream, on connections that are opened when they are needed and kept
//! only for a while.
//!
//! No server that is slow, stuck or out of reach can hold the stream up for longer than
//! [`LookUps::limit`] says.

use crate::connect::{Client, Interrupt, Settings, sql};
use crate::error::{Error, Kind, Result};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
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

/// What the look-ups of a stream have in common.
#[derive(Clone)]
pub struct LookUps(Rc<Shared>);

struct Shared {
    connect: Box<Connect>,
    interrupt: Interrupt,
    limit: Cell<Duration>,
    /// Why the last look-up failed, and when.
    failed: RefCell<Option<(String, Instant)>>,
    /// The server is away, or the look-up was interrupted.
    broken_off: RefCell<Option<Error>>,
}

/// Connects; neither that nor a statement shall go on for longer than this.
type Connect = dyn Fn(Duration) -> Result<Client>;

impl LookUps {
    /// Connects with these settings, whose `interrupt` breaks off what is under way.
    pub fn new(settings: Settings) -> LookUps {
        let interrupt = settings.interrupt.clone();
        LookUps::with(move |limit| sql(&settings.with_limit(limit)), interrupt)
    }

    pub(super) fn with(
        connect: impl Fn(Duration) -> Result<Client> + 'static,
        interrupt: Interrupt,
    ) -> LookUps {
        LookUps(Rc::new(Shared {
            connect: Box::new(connect),
            interrupt,
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
}

/// Opens a connection, keeps it for the next look-up, and after a permanent failure waits before it
/// tries again.
pub(super) struct OnDemand {
    common: LookUps,
    /// The connection, and when it was last used.
    open: Option<(Client, Instant)>,
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
    pub fn ask<T>(&mut self, look_up: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        let shared = &*self.common.0;
        if let Some((reason, _)) = shared
            .failed
            .borrow()
            .as_ref()
            .filter(|(_, at)| at.elapsed() < PAUSE)
        {
            return Err(Error::new(reason.clone()));
        }
        let (start, limit) = (Instant::now(), shared.limit.get());
        let kept = self
            .open
            .take()
            .filter(|(client, used)| used.elapsed() < KEPT && !client.is_closed());
        let client = kept.map_or_else(|| (shared.connect)(limit), |(client, _)| Ok(client));
        let answer = client.and_then(|mut client| {
            client.limit(limit.saturating_sub(start.elapsed()));
            Ok((look_up(&mut client)?, client))
        });
        match answer {
            Ok((found, client)) => {
                self.open = Some((client, Instant::now()));
                self.suspicious = false;
                Ok(found)
            }
            Err(error) => Err(self.judge(error, start.elapsed() >= limit)),
        }
    }

    /// Decides whether the server is away, or only this look-up cannot be had.
    fn judge(&mut self, error: Error, is_late: bool) -> Error {
        let shared = &*self.common.0;
        if shared.interrupt.is_wanted() {
            let interrupted = Error::transient("could not ask the catalog: interrupted");
            return self.common.break_off(interrupted);
        }
        let error = match is_late {
            true => Error::new(format!(
                "could not look up types and tables: no answer within {:.1} s",
                shared.limit.get().as_secs_f64()
            )),
            false => error,
        };
        // Where the stream can be had again and the look-up fails as before, it would for ever.
        if is_outage(&error) && !std::mem::replace(&mut self.suspicious, true) {
            return self.common.break_off(error);
        }
        shared
            .failed
            .replace(Some((error.to_string(), Instant::now())));
        error.with_kind(Kind::Permanent)
    }
}

/// Returns `true` if it looks as if the server were away. One that has no connection left (class
/// 53) goes on streaming all the same.
fn is_outage(error: &Error) -> bool {
    error.kind() == Kind::Transient && !matches!(error.sqlstate().get(..2), Some("53" | "55"))
}
