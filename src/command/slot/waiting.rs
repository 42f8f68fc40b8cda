//! Creating a slot, which waits for the running transactions: says for which, and gives up in time.

use crate::catalog::sessions::{self, Awaited};
use crate::catalog::slots::{self, NewSlot};
use crate::connect::{self, Client, Interrupt, Settings};
use crate::error::{Error, Result};
use crate::lsn::Lsn;
use crate::stop::Stop;
use log::info;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When to say first what the server waits for; then again after twice that time, and so on.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a server may take to tell what it waits for, and to stop it.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Creates the slot. When the user or the time ends that, the query is cancelled, and the server
/// has taken the slot back when this returns.
pub fn create(
    mut session: Client,
    settings: &Settings,
    new: &NewSlot<'_>,
    timeout: Option<Duration>,
    stop: &Stop,
) -> Result<Lsn> {
    let creation = Arc::new(Mutex::new(Creation {
        watch: Watch::new(settings, new.name),
        pid: sessions::own_pid(&mut session)?,
        timeout,
        stop: stop.clone(),
        given_up: None,
    }));
    session.wait_until({
        let creation = Arc::clone(&creation);
        Interrupt::new(move || lock(&creation).is_over())
    });
    sessions::end_with_client(&mut session);
    let created = slots::create(&mut session, new);
    let given_up = lock(&creation).given_up.take();
    match given_up {
        Some(given_up) => given_up.judge(created, new.name),
        None => created,
    }
}

fn lock(creation: &Mutex<Creation>) -> std::sync::MutexGuard<'_, Creation> {
    creation.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A slot that is being created.
struct Creation {
    watch: Watch,
    /// The server's process that creates it.
    pid: i32,
    timeout: Option<Duration>,
    stop: Stop,
    given_up: Option<GivenUp>,
}

/// The query was cancelled.
struct GivenUp {
    at: Instant,
    reason: String,
    /// What the server waited for.
    awaited: Option<Awaited>,
    /// Why it could not be cancelled.
    failure: Option<Error>,
}

impl Creation {
    /// Asked several times a second while the server works. Returns `true` once there is nothing
    /// more to wait for.
    fn is_over(&mut self) -> bool {
        if let Some(given_up) = &self.given_up {
            return given_up.failure.is_some() || given_up.at.elapsed() >= CANCEL_TIMEOUT;
        }
        match self.reason_to_give_up() {
            Some(reason) => self.given_up = Some(self.cancel(reason)),
            None => self.watch.tick(),
        }
        false
    }

    fn reason_to_give_up(&self) -> Option<String> {
        if self.stop.requested() {
            return Some("interrupted".to_owned());
        }
        let elapsed = self.watch.start.elapsed();
        let timeout = self.timeout.filter(|&timeout| elapsed >= timeout)?;
        Some(format!(
            "gave up after {} s, as it waits for running transactions",
            timeout.as_secs_f64()
        ))
    }

    /// Cancels the query. It may succeed just before: then the slot stays.
    fn cancel(&self, reason: String) -> GivenUp {
        // Also when the user wants to stop, this is still to be done.
        let settings = &self.watch.settings;
        let settings = settings.with_limit(CANCEL_TIMEOUT).until(|| false);
        let awaited = ask(&settings).ok().flatten();
        let cancelled = connect::sql(&settings)
            .and_then(|mut session| sessions::cancel(&mut session, self.pid));
        GivenUp {
            at: Instant::now(),
            reason,
            awaited,
            failure: cancelled.err(),
        }
    }
}

impl GivenUp {
    /// What came of the creation all the same.
    fn judge(self, created: Result<Lsn>, name: &str) -> Result<Lsn> {
        let error = Error::new(format!("could not create slot \"{name}\": {}", self.reason));
        match (created, self.failure, self.awaited) {
            (Ok(lsn), ..) => Ok(lsn),
            (Err(_), Some(failure), _) => Err(failure),
            // query_canceled
            (Err(other), _, Some(awaited)) if other.sqlstate() == "57014" => Err(error
                .with_detail(format!("It waited for {awaited}."))
                .with_remedy(awaited.remedy())),
            (Err(other), ..) if !matches!(other.sqlstate(), "" | "57014") => Err(other),
            _ => Err(error),
        }
    }
}

/// Watches the creation of a slot, and says what it waits for if that takes long.
pub struct Watch {
    settings: Settings,
    name: String,
    start: Instant,
    next_report: Duration,
}

impl Watch {
    /// The creation of the slot `name` begins.
    pub fn new(settings: &Settings, name: &str) -> Watch {
        Watch {
            settings: settings.clone(),
            name: name.to_owned(),
            start: Instant::now(),
            next_report: SILENCE,
        }
    }

    /// Says what it waits for, if that is due.
    pub fn tick(&mut self) {
        let elapsed = self.start.elapsed();
        if elapsed >= self.next_report {
            self.next_report = elapsed * 2;
            self.report();
        }
    }

    /// Names what the server waits for, if that can be found out.
    fn report(&self) {
        let what = match ask(&self.settings.with_limit(CANCEL_TIMEOUT)) {
            Ok(Some(awaited)) => awaited.to_string(),
            Ok(None) => "the server".to_owned(),
            Err(error) => format!("running transactions ({error})"),
        };
        info!("slot \"{}\" waits for {what}", self.name);
    }
}

fn ask(settings: &Settings) -> Result<Option<Awaited>> {
    sessions::awaited(&mut connect::sql(settings)?)
}
