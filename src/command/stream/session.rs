//! One connection of the stream: the loop that takes messages, writes events and reports to the
//! server.
//!
//! The loop waits in a single `poll` on the socket, on what the sink names and on the signals,
//! until the next report, or what the sink wants to do, is due. The sink hears when it is about to
//! ask the kernel for more: a quiet stream shows each row at once, a busy one makes large blocks.

use super::Ended;
use super::clock::{Clock, Silence};
use super::connections::Stream;
use super::delivery::Delivery;
use super::explanation;
use super::plan::Plan;
use super::wait::{Ready, wait_for};
use crate::error::{Error, Kind, Result};
use crate::lsn::Lsn;
use crate::sink::{Driven, Urge};
use crate::stop::Stop;
use crate::walsender::{Connection, Message, StandbyStatus};
use rustix::event::PollFlags;
use std::time::{Duration, Instant};

/// A read of less than this means that the server sends in small packets: reading a little later,
/// in larger pieces, is cheaper for both sides. Everything is handed on before the pause, so no row
/// waits for it longer than this.
const SHORT_READ: usize = 32 << 10;
const PAUSE: Duration = Duration::from_micros(200);

/// With this warning PostgreSQL 18 passes over a publication that does not exist, or did not when
/// the changes were made, where older versions end the stream: object_not_in_prerequisite_state.
const NO_PUBLICATION: &str = "55000";

/// How long the server may take to end the stream after it was asked to.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the server may take to get stuck or idle, and how often to look: see
/// [`Session::let_server_listen`].
const LISTEN_TIMEOUT: Duration = Duration::from_secs(2);
const LISTEN_CHECK: Duration = Duration::from_millis(10);

/// One connection of a stream, over which the server streams.
pub struct Session<'s, 'a> {
    connection: Connection,
    stream: &'s mut Stream<'a>,
    clock: Clock,
    /// The server asked how far we are, and waits for what is not durable yet.
    owed: bool,
    /// The last read was short: the next one waits a little.
    paused: bool,
    /// What came of the sink's file descriptors since it was driven.
    ready: PollFlags,
}

/// What became of the messages that had come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// All are taken.
    All,
    /// The output has no room for more.
    Full,
    /// One of them ended the stream.
    Ended(Ended),
}

impl<'s, 'a> Session<'s, 'a> {
    /// A session over a connection that is streaming. `timeout` is the server's
    /// `wal_sender_timeout`.
    pub fn new(
        connection: Connection,
        timeout: Option<Duration>,
        stream: &'s mut Stream<'a>,
    ) -> Session<'s, 'a> {
        let silence = &stream.server_silence;
        let interval = stream.plan.status_interval;
        Session {
            connection,
            clock: Clock::new(interval, timeout, |usual| silence.stretch(usual)),
            stream,
            owed: false,
            paused: false,
            ready: PollFlags::empty(),
        }
    }

    /// Streams until the plan, the user, the reader or a failure ends it. Everything that ends well
    /// also ends the stream with a last confirmation.
    pub fn run(mut self) -> Result<Ended> {
        let ended = self.stream().map_err(|error| self.fail(error))?;
        let nothing_to_confirm = self.stream.plan.confirms_nothing();
        match self.finish(ended) {
            Err(error) if nothing_to_confirm && error.kind() == Kind::Transient => Ok(ended),
            Err(error) => Err(self.fail(error)),
            Ok(()) => Ok(ended),
        }
    }

    /// What the sink took before it failed is still confirmed.
    fn fail(&mut self, error: Error) -> Error {
        if self.stream.delivery.sink.reports_at_once() {
            let _ = self.part();
        }
        error
    }

    fn stream(&mut self) -> Result<Ended> {
        loop {
            let taken = self.take_messages()?;
            self.heed_warning()?;
            if let Taken::Ended(ended) = taken {
                return Ok(ended);
            }
            if self.stream.delivery.drive_snapshot()? {
                self.report(true)?;
            }
            if let Some(ended) = self.do_what_is_due()? {
                return Ok(ended);
            }
            if (taken == Taken::All || !self.takes_more())
                && let Some(ended) = self.wait()?
            {
                return Ok(ended);
            }
        }
    }

    /// The server skips what it cannot send through a publication that is not there, or was not
    /// then. Nothing behind that may be confirmed before this was called.
    fn heed_warning(&mut self) -> Result<()> {
        let warning = self.connection.take_warning();
        if warning.is_some_and(|sqlstate| sqlstate == NO_PUBLICATION) {
            explanation::explain_skipped(&mut self.stream.requirements, &self.stream.plan)?;
        }
        Ok(())
    }

    /// Takes all complete messages that are here, as far as the output has room.
    fn take_messages(&mut self) -> Result<Taken> {
        while self.takes_more() {
            let Some(message) = self.connection.next_message()? else {
                return Ok(Taken::All);
            };
            let asked = match message {
                Message::XLogData { start, payload, .. } => {
                    match self.stream.delivery.take(start, payload) {
                        Ok(None) => false,
                        Ok(Some(ended)) => return Ok(Taken::Ended(ended)),
                        // What it did not wait for comes again with the next start.
                        Err(error) if error.kind() == Kind::Transient => {
                            return self.interruption().map(Taken::Ended).ok_or(error);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Message::Keepalive {
                    end,
                    reply_requested,
                    ..
                } => {
                    if let Some(ended) = self.stream.delivery.idle_at(end) {
                        return Ok(Taken::Ended(ended));
                    }
                    reply_requested
                }
                Message::CopyDone => {
                    return Err(Error::transient(
                        "could not stream: the server ended the stream",
                    ));
                }
            };
            if asked {
                self.heed_warning()?;
                self.answer()?;
            }
            if self.stream.delivery.reopen_is_due(&self.stream.stop) {
                self.heed_warning()?;
                self.rotate()?;
            }
        }
        Ok(Taken::Full)
    }

    /// Returns `true` if messages can be taken now.
    fn takes_more(&self) -> bool {
        self.stream.delivery.sink.has_room() && !self.stream.delivery.is_reading()
    }

    /// Does what is due.
    fn do_what_is_due(&mut self) -> Result<Option<Ended>> {
        // Where there is nothing to open anew, SIGHUP says that the terminal is gone.
        if !self.stream.delivery.sink.reopens() && self.stream.stop.take_hang_up() {
            return Ok(Some(Ended::Interrupted));
        }
        if let Some(ended) = self.interruption() {
            return Ok(Some(ended));
        }
        let driven = self.drive(match self.owed {
            true => Urge::Durable,
            false => Urge::More,
        })?;
        if driven == Driven::ReaderGone {
            return Ok(Some(Ended::ReaderGone));
        }
        if self.stream.delivery.reopen_is_due(&self.stream.stop) {
            self.rotate()?;
        }
        let now = Instant::now();
        let answer = self.owed && driven == Driven::Settled;
        if answer || wants_report(&self.clock, &self.stream.delivery) {
            self.owed &= !answer;
            self.report(false)?;
        }
        self.listen_for_life(now)?;
        self.stream.delivery.show_statistics(now);
        let has_shown = self.stream.delivery.sink.appended() > 0;
        self.stream.waiting.tell(now, has_shown);
        Ok(None)
    }

    fn drive(&mut self, urge: Urge) -> Result<Driven> {
        let ready = std::mem::replace(&mut self.ready, PollFlags::empty());
        self.stream.delivery.drive(urge, ready)
    }

    /// Why the user wants it to end, now or by the time that was set.
    fn interruption(&mut self) -> Option<Ended> {
        if self.stream.plan.is_over() {
            return Some(Ended::TimedOut);
        }
        let interrupted = self.stream.stop.requested() && !self.stream.delivery.sink.needs_rest();
        interrupted.then_some(Ended::Interrupted)
    }

    /// Waits for the server, for the sink, for a signal, or until something is due; then reads
    /// once.
    fn wait(&mut self) -> Result<Option<Ended>> {
        let takes_more = self.takes_more();
        if self.paused && takes_more {
            self.paused = false;
            let now = Instant::now();
            if self.poll(false, Some(now + PAUSE))?.signal {
                return Ok(None);
            }
            if self.poll(true, Some(now))?.socket {
                return self.receive();
            }
        }
        if self.drive(Urge::Quiet)? == Driven::ReaderGone {
            return Ok(Some(Ended::ReaderGone));
        }
        if wants_report(&self.clock, &self.stream.delivery) {
            self.report(false)?;
        }
        let ready = self.poll(takes_more, self.next_due())?;
        if ready.socket {
            self.receive()
        } else {
            Ok(None)
        }
    }

    fn receive(&mut self) -> Result<Option<Ended>> {
        let count = self.connection.receive()?;
        self.clock.heard(Instant::now());
        self.paused = count < SHORT_READ;
        Ok(None)
    }

    fn poll(&mut self, socket: bool, until: Option<Instant>) -> Result<Ready> {
        let connection = socket.then_some(&self.connection);
        let stream = &*self.stream;
        let reader = stream.delivery.snapshot.as_ref();
        let reader = reader.and_then(|snapshot| snapshot.fd());
        let ready = wait_for(
            connection,
            reader,
            &*stream.delivery.sink,
            &stream.stop,
            until,
        )?;
        self.ready |= ready.sink;
        Ok(ready)
    }

    /// Tells the server what is durable; `reply_requested` asks for a sign of life.
    fn report(&mut self, reply_requested: bool) -> Result<()> {
        let (connection, clock) = (&mut self.connection, &mut self.clock);
        let Stream { plan, delivery, .. } = &mut *self.stream;
        report(connection, clock, plan, delivery, reply_requested)
    }

    /// The server asks for a sign of life, or wants to shut down and waits until we have
    /// everything.
    fn answer(&mut self) -> Result<()> {
        self.owed = self.drive(Urge::Durable)? == Driven::Busy;
        self.report(false)?;
        // Then it asks again and again, as fast as it is answered.
        let progress = self.stream.delivery.progress();
        let waits = !self.owed && progress.durable_position() < progress.received_position();
        match self.clock.answered(Instant::now()) && waits {
            true => Err(Error::transient(
                "could not stream: the server shuts down, and waits for what is confirmed later",
            )),
            false => Ok(()),
        }
    }

    /// Waits until all is durable, or there is nobody to take it; meanwhile the server hears from
    /// us.
    fn settle(&mut self, urge: impl Fn(&Stop) -> Urge) -> Result<()> {
        let (connection, clock) = (&mut self.connection, &mut self.clock);
        let Stream {
            plan,
            stop,
            delivery,
            ..
        } = &mut *self.stream;
        delivery.settle(
            stop,
            || match plan.is_over() {
                true => Urge::Overdue,
                false => urge(stop),
            },
            |delivery| {
                if wants_report(clock, delivery) {
                    report(connection, clock, plan, delivery, false)?;
                }
                let deadline = plan.deadline.filter(|_| !plan.is_over());
                Ok(clock.status_due().into_iter().chain(deadline).min())
            },
        )
    }

    /// Log rotation: everything so far is safe in the old file and confirmed before the new one is
    /// opened.
    fn rotate(&mut self) -> Result<()> {
        self.settle(|_| Urge::Durable)?;
        self.report(false)?;
        self.stream.delivery.reopen()
    }

    /// A connection on which nothing comes may be dead without telling: ask, and give up if no
    /// answer comes.
    fn listen_for_life(&mut self, now: Instant) -> Result<()> {
        if !self.takes_more() {
            // We are not reading, so silence means nothing.
            self.clock.heard(now);
            return Ok(());
        }
        match self.clock.silence(now) {
            Silence::Short => Ok(()),
            Silence::Long => self.report(true),
            Silence::TooLong(silent) => {
                let received = self.stream.delivery.progress().received_position();
                self.stream.server_silence.ran_out(received);
                Err(Error::transient(format!(
                    "could not stream: no sign of life from the server for {:.1} s",
                    silent.as_secs_f64()
                )))
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        [
            self.clock.status_due(),
            Some(self.clock.silence_due()),
            self.stream.plan.deadline,
            self.stream.delivery.statistics_due(),
            self.stream.waiting.due(),
            self.stream.delivery.snapshot_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Ends the stream: the sink gets the rest, the server the last confirmation.
    fn finish(&mut self, ended: Ended) -> Result<()> {
        if ended != Ended::ReaderGone {
            self.stream.delivery.end();
            let stops = matches!(ended, Ended::Interrupted | Ended::TimedOut);
            self.settle(|stop| match stops || stop.requested() {
                true => Urge::Stop,
                false => Urge::End,
            })?;
        }
        self.part()
    }

    /// Ends the stream, with the last confirmation.
    fn part(&mut self) -> Result<()> {
        self.report(false)?;
        self.let_server_listen()?;
        self.connection.finish(END_TIMEOUT)
    }

    /// A server that has much to send reads our report only when it cannot send. So nothing is read
    /// until no more comes: then its buffer is full, or it is idle, and it has read the report.
    fn let_server_listen(&mut self) -> Result<()> {
        let waiting = |session: &Self| rustix::io::ioctl_fionread(&session.connection).unwrap_or(0);
        let since = Instant::now();
        let mut before = waiting(self);
        if before == 0 && !self.connection.buffered() && self.stream.delivery.at_boundary() {
            return Ok(());
        }
        while since.elapsed() < LISTEN_TIMEOUT {
            self.poll(false, Some(Instant::now() + LISTEN_CHECK))?;
            let now = waiting(self);
            if now == before {
                break;
            }
            before = now;
        }
        Ok(())
    }
}

/// Whether the server is to hear from us now.
fn wants_report(clock: &Clock, delivery: &Delivery) -> bool {
    let due = clock.status_due().is_some_and(|due| Instant::now() >= due);
    due || delivery.has_news()
}

/// Tells the server what is durable.
fn report(
    connection: &mut Connection,
    clock: &mut Clock,
    plan: &Plan,
    delivery: &mut Delivery,
    reply_requested: bool,
) -> Result<()> {
    let progress = delivery.progress();
    let (written, durable) = (progress.written_position(), progress.durable_position());
    let confirmed = if plan.peek { Lsn::INVALID } else { durable };
    delivery.sink.confirm(confirmed)?;
    clock.reported();
    delivery.reported(durable);
    connection.send_status(&StandbyStatus {
        written,
        flushed: confirmed,
        reply_requested,
    })
}
