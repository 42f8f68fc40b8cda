//! `walcat slot create`: waits for the running transactions, and says for which.

use crate::catalog::publications;
use crate::catalog::refusal;
use crate::catalog::server::Server;
use crate::catalog::sessions::{self, Awaited};
use crate::catalog::slots::{self, NewSlot, Slot};
use crate::cli::SlotCreateArgs;
use crate::command::answer;
use crate::command::publication::creation;
use crate::connect::invocation::walcat;
use crate::connect::{self, Client, Settings};
use crate::error::{CouldNot, Error, Result};
use crate::lsn::Lsn;
use crate::plugin::{self, Support};
use crate::shell;
use crate::stop::Stop;
use log::{info, warn};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// When to say first what the server waits for; then again after twice that time, and so on.
const SILENCE: Duration = Duration::from_secs(5);

/// How often to look for Ctrl-C while the server works.
const TICK: Duration = Duration::from_millis(50);

/// How long a server may take to tell what it waits for, and to stop it.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Prints the slot and its consistent point.
pub fn run(args: &SlotCreateArgs, settings: &Settings, stop: &Stop) -> anyhow::Result<()> {
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    let plugin = args.kind.plugin.as_deref().unwrap_or(plugin::DEFAULT.name);
    let new = NewSlot {
        name: &args.name,
        plugin,
        two_phase: args.kind.two_phase,
        failover: args.kind.failover,
    };
    if let Some(there) = slots::find(&mut session, new.name)? {
        return keep(&there, &new, &server, args.if_not_exists);
    }
    require(&server, &new)?;
    let first = missing_publication(&mut session, &server, &new)?;
    match create(session, settings, &new, args.timeout, stop) {
        Ok(lsn) => {
            let name = new.name;
            if let Some(remedy) = first {
                warn!(
                    remedy = remedy.as_str();
                    "the database has no publication, and slot \"{name}\" cannot send what is \
                     written before there is one"
                );
            }
            answer::tell(&format!(
                "slot {name}: plugin {plugin}, consistent point {lsn}"
            ))
        }
        // Another client created it meanwhile.
        Err(error) if error.sqlstate() == "42710" && args.if_not_exists => {
            let there = slots::find(&mut connect::sql(settings)?, new.name)?;
            there.map_or(Err(error.into()), |there| keep(&there, &new, &server, true))
        }
        Err(error) => Err(refusal::explain(error, &server.user).into()),
    }
}

/// What creates a publication, if the slot needs one and there is none: it cannot send through a
/// publication what is written before that is there.
fn missing_publication(
    session: &mut Client,
    server: &Server,
    new: &NewSlot<'_>,
) -> Result<Option<String>> {
    let has_publications = plugin::find(new.plugin).is_some_and(|plugin| plugin.has_publications);
    if !has_publications || !publications::names(session)?.is_empty() {
        return Ok(None);
    }
    creation(session, server, publications::DEFAULT_NAME).map(Some)
}

/// The slot is there already, which is fine if it is the one that was wanted.
fn keep(
    there: &Slot,
    new: &NewSlot<'_>,
    server: &Server,
    if_not_exists: bool,
) -> anyhow::Result<()> {
    let name = new.name;
    let differs = |what: &str, there: &Option<String>| {
        let there = there.as_deref().unwrap_or("none");
        Err(Error::new(format!(
            "could not create slot \"{name}\": it already exists, with {what} {there}"
        ))
        .with_remedy(format!(
            "another name, or, to lose what it holds: {}",
            walcat(format_args!("slot drop {}", shell::word(name)))
        ))
        .into())
    };
    if there.plugin.as_deref() != Some(new.plugin) {
        return differs("plugin", &there.plugin);
    }
    if there.database.as_deref() != Some(&server.database) {
        return differs("database", &there.database);
    }
    if if_not_exists && new.two_phase && !there.two_phase {
        return differs("two-phase", &Some("off".to_owned()));
    }
    if if_not_exists && new.failover && there.failover != Some(true) {
        return differs("failover", &Some("off".to_owned()));
    }
    if !if_not_exists {
        return Err(Error::new(format!(
            "could not create slot \"{name}\": it already exists"
        ))
        .with_remedy(walcat(format_args!(
            "slot create --if-not-exists {}{}",
            shell::word(name),
            kind_options(new)
        )))
        .into());
    }
    let confirmed = there.confirmed_flush_lsn.unwrap_or(Lsn::INVALID);
    let plugin = new.plugin;
    answer::tell(&format!(
        "slot {name}: plugin {plugin}, already there, confirmed up to {confirmed}"
    ))
}

/// The options that ask for a slot of this kind.
pub fn kind_options(new: &NewSlot<'_>) -> String {
    let plugin = Some(new.plugin).filter(|&plugin| plugin != "pgoutput");
    let plugin = plugin.map(|plugin| format!(" -P {}", shell::word(plugin)));
    let two_phase = if new.two_phase { " --two-phase" } else { "" };
    let failover = if new.failover { " --failover" } else { "" };
    plugin.unwrap_or_default() + two_phase + failover
}

/// Refuses what the server would refuse with a syntax error, or understand differently.
pub fn require(server: &Server, new: &NewSlot<'_>) -> Result<()> {
    require_all(server, new).could_not(format!("create slot \"{}\"", new.name))
}

fn require_all(server: &Server, new: &NewSlot<'_>) -> Result<()> {
    server.require_version(14, "walcat")?;
    server.require_decoding()?;
    if server.in_recovery {
        server.require_version(16, "a logical slot on a standby")?;
    }
    if new.failover {
        server.require_version(17, "--failover")?;
    }
    if let Some(Support::Since(major)) = plugin::find(new.plugin).map(|plugin| plugin.two_phase)
        && new.two_phase
    {
        let what = format!("--two-phase with {}", new.plugin);
        server.require_version(major, &what)?;
    }
    Ok(())
}

/// Creates the slot on a thread of its own, while this one watches the time and the signals. When
/// it gives up, the query is cancelled, and the server has taken the slot back when this returns.
pub fn create(
    mut session: Client,
    settings: &Settings,
    new: &NewSlot<'_>,
    timeout: Option<Duration>,
    stop: &Stop,
) -> Result<Lsn> {
    let pid = sessions::own_pid(&mut session)?;
    session.wait_for_ever();
    sessions::end_with_client(&mut session);
    let (sender, done) = channel();
    let (name, plugin) = (new.name.to_owned(), new.plugin.to_owned());
    let NewSlot {
        two_phase,
        failover,
        ..
    } = *new;
    // Not a scoped thread: if the query cannot even be cancelled, this must not wait for it.
    thread::spawn(move || {
        let new = NewSlot {
            name: &name,
            plugin: &plugin,
            two_phase,
            failover,
        };
        // Nobody is left to be told that it took too long.
        let _ = sender.send(slots::create(&mut session, &new));
    });
    Watch::new(settings, new.name).until_done(&done, timeout, stop, pid)
}

/// Watches the creation of a slot, and says what it waits for if that takes long.
pub struct Watch<'a> {
    settings: &'a Settings,
    name: &'a str,
    start: Instant,
    next_report: Duration,
}

impl<'a> Watch<'a> {
    /// The creation of the slot `name` begins.
    pub fn new(settings: &'a Settings, name: &'a str) -> Watch<'a> {
        Watch {
            settings,
            name,
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

    fn until_done(
        &mut self,
        done: &Receiver<Result<Lsn>>,
        timeout: Option<Duration>,
        stop: &Stop,
        pid: i32,
    ) -> Result<Lsn> {
        loop {
            match done.recv_timeout(TICK) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.error("the connection was lost"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let elapsed = self.start.elapsed();
            if stop.requested() {
                return self.give_up(done, pid, "interrupted");
            }
            if let Some(timeout) = timeout.filter(|&timeout| elapsed >= timeout) {
                let reason = format!(
                    "gave up after {} s, as it waits for running transactions",
                    timeout.as_secs_f64()
                );
                return self.give_up(done, pid, &reason);
            }
            self.tick();
        }
    }

    /// Cancels the creation. It may succeed just before: then the slot stays.
    fn give_up(&self, done: &Receiver<Result<Lsn>>, pid: i32, reason: &str) -> Result<Lsn> {
        // Also when the user wants to stop, this is still to be done.
        let settings = self.settings.with_limit(CANCEL_TIMEOUT).until(|| false);
        let awaited = ask(&settings).ok().flatten();
        sessions::cancel(&mut connect::sql(&settings)?, pid)?;
        match done.recv_timeout(CANCEL_TIMEOUT) {
            Ok(Ok(lsn)) => Ok(lsn),
            // query_canceled
            Ok(Err(error)) if error.sqlstate() == "57014" => {
                let error = self.error(reason);
                Err(match awaited {
                    Some(awaited) => error
                        .with_detail(format!("It waited for {awaited}."))
                        .with_remedy(awaited.remedy()),
                    None => error,
                })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.error(reason)),
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

    fn error(&self, reason: &str) -> Error {
        Error::new(format!("could not create slot \"{}\": {reason}", self.name))
    }
}

fn ask(settings: &Settings) -> Result<Option<Awaited>> {
    sessions::awaited(&mut connect::sql(settings)?)
}
