//! A stream over one connection after the other.

use super::delivery::Delivery;
use super::plan::Plan;
use super::reconnect::{self, Backoff, ServerSilence};
use super::requirements::Requirements;
use super::session::Session;
use super::snapshot::read_whole_tables;
use super::waiting::Waiting;
use super::{Ended, creation, explanation, history, options, until_now};
use crate::error::{CouldNot, Error, Kind, Result};
use crate::lsn::Lsn;
use crate::select::bounds::Until;
use crate::stop::Stop;
use crate::walsender::{Connection, SystemIdentification};
use log::{debug, info};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How long a new connection may take from the first packet to the stream.
const SETUP: Duration = Duration::from_secs(30);

/// A stream over one connection after the other.
pub struct Stream<'a> {
    pub(super) requirements: Requirements<'a>,
    pub(super) plan: Plan,
    pub(super) stop: Stop,
    pub(super) delivery: Delivery,
    pub(super) server_silence: ServerSilence,
    pub(super) waiting: Waiting,
    phase: Phase,
    /// Rows were read by the snapshot of the temporary slot: no other will do.
    reads_by_slot: bool,
}

/// A connection over which the server streams, and its `wal_sender_timeout`.
type Streaming = (Connection, Option<Duration>);

/// How far a stream has come.
enum Phase {
    /// Nothing has been streamed yet: what fails now is an error.
    Starting,
    /// It has been streamed from this server, on this timeline if that is known: what fails now may
    /// heal.
    Started(SystemIdentification, Option<u32>),
}

/// A connection that came to nothing more.
enum Lost {
    /// Before the server streamed over it.
    BeforeStream(Error),
    /// While it streamed.
    WhileStreaming(Error),
}

impl<'a> Stream<'a> {
    /// A stream that has not begun.
    pub fn new(
        requirements: Requirements<'a>,
        plan: Plan,
        stop: Stop,
        delivery: Delivery,
    ) -> Stream<'a> {
        Stream {
            waiting: Waiting::new(&requirements),
            requirements,
            plan,
            stop,
            delivery,
            server_silence: ServerSilence::new(),
            phase: Phase::Starting,
            reads_by_slot: false,
        }
    }

    /// Streams until the bounds, the user or a failure that cannot heal end it.
    pub fn run(mut self) -> Result<()> {
        let ended = self.stream();
        if ended.is_err() {
            // The failure that ended the stream is the one to tell; without confirmation nothing is
            // lost by another.
            let _ = self.delivery.write_rest(&self.stop, &self.plan);
        }
        self.delivery.end_statistics();
        let reason = match ended? {
            Ended::AtPosition => "reached the end position",
            Ended::AtLimit => "reached the limit",
            Ended::TimedOut => "the time is over",
            Ended::Interrupted => "interrupted",
            Ended::ReaderGone => "nobody reads the output any more",
        };
        let progress = self.delivery.progress();
        let (received, durable) = (progress.received_position(), progress.durable_position());
        debug!("ended: {reason}; received up to {received}, durable up to {durable}");
        Ok(())
    }

    fn stream(&mut self) -> Result<Ended> {
        let mut backoff = Backoff::new();
        loop {
            let lost = match self.stream_once() {
                Ok(ended) => return Ok(ended),
                Err(lost) => lost,
            };
            if let Some(ended) = self.ended_without_connection(&lost) {
                return self.end_without_connection(ended);
            }
            let error = match lost {
                Lost::BeforeStream(error) => error,
                Lost::WhileStreaming(error) => {
                    backoff = Backoff::new();
                    error
                }
            };
            let error = self.require_another_try(error)?;
            let delay = backoff.next();
            info!("{error}; trying again in {:.1} s", delay.as_secs_f64());
            let (plan, stop) = (&self.plan, &self.stop);
            if let Some(ended) = reconnect::wait(delay, plan, stop, &mut self.delivery)? {
                return self.end_without_connection(ended);
            }
            self.delivery.reconnected();
        }
    }

    /// Streams over one connection.
    fn stream_once(&mut self) -> std::result::Result<Ended, Lost> {
        let limit = self.connect_limit();
        match self.open(limit) {
            Ok(ControlFlow::Break(ended)) => self
                .end_without_connection(ended)
                .map_err(Lost::WhileStreaming),
            Ok(ControlFlow::Continue((connection, timeout))) => {
                Session::new(connection, timeout, self)
                    .run()
                    .map_err(Lost::WhileStreaming)
            }
            Err(_) if limit.is_some_and(|limit| Instant::now() >= limit) => {
                Err(Lost::BeforeStream(unanswered()))
            }
            Err(error) => Err(Lost::BeforeStream(error)),
        }
    }

    /// Why the stream ends well although the connection was lost, if it does. What cannot heal
    /// while the server streams is told all the same.
    fn ended_without_connection(&self, lost: &Lost) -> Option<Ended> {
        let is_to_tell =
            matches!(lost, Lost::WhileStreaming(error) if error.kind() != Kind::Transient);
        if is_to_tell {
            None
        } else if self.stop.requested() {
            Some(Ended::Interrupted)
        } else {
            self.plan.is_over().then_some(Ended::TimedOut)
        }
    }

    /// Ends well while there is no connection.
    fn end_without_connection(&mut self, ended: Ended) -> Result<Ended> {
        self.delivery.end();
        self.delivery.write_rest(&self.stop, &self.plan)?;
        Ok(ended)
    }

    /// Fails with `error` unless another connection may do better.
    fn require_another_try(&mut self, error: Error) -> Result<Error> {
        let starting = matches!(self.phase, Phase::Starting);
        if starting || error.kind() != Kind::Transient {
            return Err(explanation::explain(
                &mut self.requirements,
                &self.plan,
                error,
            ));
        }
        if self.plan.temporary {
            return Err(error
                .with_kind(Kind::Permanent)
                .with_detail(
                    "The temporary slot went with the connection: it cannot be told where to go \
                     on.",
                )
                .with_remedy("--slot NAME --create-slot, which can go on"));
        }
        if !self.delivery.rewind() && self.requirements.args.no_loop {
            return Err(error);
        }
        Ok(error)
    }

    /// When to give up connecting. Connecting again is limited in time: a network may drop packets
    /// without an error.
    fn connect_limit(&self) -> Option<Instant> {
        let again = matches!(self.phase, Phase::Started(..));
        let limit = again.then(|| Instant::now() + SETUP);
        limit.into_iter().chain(self.plan.deadline).min()
    }

    /// Connects, and lets the server stream; returns its `wal_sender_timeout` too, or why the
    /// stream ends before that.
    fn open(&mut self, limit: Option<Instant>) -> Result<ControlFlow<Ended, Streaming>> {
        let settings = self.requirements.settings.until({
            let stop = self.stop.clone();
            move || stop.requested() || limit.is_some_and(|limit| Instant::now() >= limit)
        });
        let mut connection = Connection::open(&settings, &self.requirements.args.timezone)?;
        let system = connection.identify_system()?;
        self.take_up(&mut connection, &system)?;
        self.delivery.server_at(system.flushed);
        let snapshot = self.delivery.snapshot.as_ref();
        if snapshot.is_some_and(|snapshot| snapshot.reads_whole_tables()) {
            if let ControlFlow::Break(ended) = read_whole_tables(self, &mut connection)? {
                return Ok(ControlFlow::Break(ended));
            }
            self.reads_by_slot = self.plan.temporary;
        } else {
            self.create_temporary_slot(&mut connection)?;
        }
        let timeout = wal_sender_timeout(&mut connection)?;
        if let Some(timeout) = timeout {
            // The last report may be as old as a third of it, and columns and types are asked for
            // one after the other.
            self.delivery.limit_look_ups(timeout / 4);
        }
        let start = self.plan.start.max(self.delivery.start());
        let starting = matches!(self.phase, Phase::Starting);
        if starting && self.delivery.is_done_at(start) {
            return Ok(ControlFlow::Break(Ended::AtPosition));
        }
        self.start_replication(&mut connection, start)?;
        self.tell_start(start);
        let timeline = history::lasting_timeline(&connection, &system);
        self.phase = Phase::Started(system, timeline);
        Ok(ControlFlow::Continue((connection, timeout)))
    }

    /// Looks whether the stream can begin, or go on, on this server, and decides what needs to know
    /// how far its WAL goes.
    fn take_up(
        &mut self,
        connection: &mut Connection,
        system: &SystemIdentification,
    ) -> Result<()> {
        let received = self.delivery.start();
        let timeline = history::lasting_timeline(connection, system);
        match &self.phase {
            Phase::Starting => {
                let held = self.delivery.sink.held();
                history::require_that_of_sink(connection, system, &held, received)?;
                self.decide_end(connection, system.flushed)?;
                let confirmed = self.requirements.confirmed();
                self.delivery.sink.begin(timeline, confirmed)
            }
            Phase::Started(known, old) => {
                history::require_same(connection, system, known, *old, received)?;
                self.delivery.sink.on_timeline(timeline);
                self.requirements.check_again(connection)
            }
        }
    }

    fn decide_end(&mut self, connection: &mut Connection, flushed: Lsn) -> Result<()> {
        let args = self.requirements.args;
        if args.until_now {
            self.delivery.end_at(Until {
                lsn: until_now::committed_by_now(connection, flushed, &self.stop)?,
                inclusive: false,
                passed: false,
            });
        } else if let Some(lsn) = args.endpos {
            self.delivery.end_at(Until {
                lsn,
                inclusive: true,
                passed: flushed > lsn,
            });
        }
        Ok(())
    }

    fn create_temporary_slot(&self, connection: &mut Connection) -> Result<()> {
        if !self.plan.temporary {
            return Ok(());
        }
        let (requirements, slot) = (&self.requirements, &self.plan.slot);
        creation::create_temporary_slot(requirements, connection, slot, &self.stop)
    }

    fn start_replication(&mut self, connection: &mut Connection, start: Lsn) -> Result<()> {
        loop {
            let plan = &mut self.plan;
            let Err(error) = connection.start_replication(&plan.slot, start, &plan.options) else {
                return Ok(());
            };
            let requirements = &self.requirements;
            let (args, plugin) = (requirements.args, &requirements.plugin);
            let again = options::withdraw(args, plugin, &mut plan.options, &error)?;
            if !again || self.reads_by_slot {
                return Err(error);
            }
            // With an error a session loses its temporary slots.
            self.create_temporary_slot(connection)?;
        }
    }

    fn tell_start(&self, start: Lsn) {
        let slot = &self.plan.slot;
        let from = match start {
            Lsn::INVALID => String::new(),
            start => format!(", from {start} on"),
        };
        match self.phase {
            Phase::Starting => debug!("streaming from slot \"{slot}\"{from}"),
            Phase::Started(..) => info!("streaming again from slot \"{slot}\"{from}"),
        }
    }
}

/// A server that does not answer.
fn unanswered() -> Error {
    Error::transient(format!(
        "could not connect again: no answer within {} s",
        SETUP.as_secs()
    ))
}

/// The server's `wal_sender_timeout`; `None` where it does not give up silent clients.
fn wal_sender_timeout(connection: &mut Connection) -> Result<Option<Duration>> {
    let query = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
    let milliseconds = connection
        .ask(query)
        .could_not("read the setting \"wal_sender_timeout\"")?;
    let milliseconds = milliseconds.and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Some(Duration::from_millis(milliseconds)).filter(|timeout| !timeout.is_zero()))
}
