//! From a plugin's message to bytes in the output, and what is known about them: what may be
//! confirmed, where to go on after a lost connection, and whether the stream has come to its end.

use super::Ended;
use super::plan::Plan;
use super::snapshot::Snapshot;
use super::statistics::Statistics;
use super::wait::wait_for;
use crate::catalog::LookUps;
use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::event::{Body, End, Event, EventId, Place, Relation};
use crate::lsn::Lsn;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::select::Repeats;
use crate::select::bounds::{Bounds, Taken, Until};
use crate::sink::{Driven, Moment, Sink, Urge};
use crate::stop::Stop;
use log::{info, trace};
use rustix::event::PollFlags;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Takes messages, and makes records of them for the sink.
pub struct Delivery {
    /// Where the records go.
    pub sink: Box<dyn Sink>,
    form: Form,
    progress: Progress,
    repeats: Repeats,
    bounds: Bounds,
    statistics: Option<Statistics>,
    /// What the server was told last.
    reported: Lsn,
    /// The rows that are there already.
    pub snapshot: Option<Box<Snapshot>>,
}

/// What takes events.
pub struct Output<'a> {
    /// Makes records of them.
    pub printer: &'a mut Printer,
    /// Takes the records.
    pub sink: &'a mut dyn Sink,
    look_ups: &'a LookUps,
}

impl Output<'_> {
    /// A table is about to be printed of which the stream says nothing. Returns why that has to
    /// wait, if it has to.
    pub fn prepare(&mut self, relation: &Relation) -> Option<Error> {
        self.printer.prepare(relation);
        self.look_ups.take_broken_off()
    }
}

/// What is made of a message.
pub enum Form {
    /// Lines of events.
    Events {
        decoder: Decoder,
        printer: Box<Printer>,
        /// How decoder and printer ask about tables and types.
        look_ups: LookUps,
    },
    /// The plugin's bytes and a line end; the decoder only watches where they lie.
    Raw { decoder: Option<Decoder> },
}

impl Delivery {
    /// Nothing delivered yet, except what the sink holds.
    pub fn new(
        form: Form,
        sink: Box<dyn Sink>,
        mut bounds: Bounds,
        statistics: Option<Statistics>,
    ) -> Delivery {
        let mut repeats = Repeats::default();
        if let Some(last) = sink.held().last {
            repeats.resume_after(Some(last));
            bounds.resume_within();
        }
        Delivery {
            sink,
            form,
            progress: Progress::new(),
            repeats,
            bounds,
            statistics,
            reported: Lsn::INVALID,
            snapshot: None,
        }
    }

    /// A new connection begins: the server sends everything from `last` on again, and what was
    /// delivered is dropped.
    pub fn reconnected(&mut self) {
        self.bounds.reconnected();
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.reconnected();
        }
        self.repeats.resume_after(self.repeats.last());
        let decoder = match &mut self.form {
            Form::Events {
                decoder, printer, ..
            } => {
                printer.end_connection(&mut *self.sink);
                Some(decoder)
            }
            Form::Raw { decoder } => decoder.as_mut(),
        };
        if let Some(decoder) = decoder {
            decoder.reset();
        }
    }

    /// The sink has dropped what was not durable, if it says so: the next connection starts before
    /// that. Returns `true` if it did.
    pub fn rewind(&mut self) -> bool {
        let Some(rewound) = self.sink.take_rewound() else {
            return false;
        };
        self.progress.rewind();
        let last = self.repeats.last();
        self.bounds
            .rewind(last.filter(|last| Some(*last) > rewound.last));
        self.repeats.rewind(rewound.last);
        if let Form::Events { printer, .. } = &mut self.form {
            printer.announce_again();
        }
        true
    }

    /// Nothing more comes over this connection, nor over another.
    pub fn end(&mut self) {
        if let Form::Events { printer, .. } = &mut self.form {
            printer.end_connection(&mut *self.sink);
            printer.finish(&mut *self.sink);
        }
    }

    /// The last position delivered, where a new connection goes on.
    pub fn last(&self) -> Option<EventId> {
        self.repeats.last()
    }

    /// Where the server is to start so that it sends what comes after the last position delivered.
    pub fn start(&self) -> Lsn {
        // Behind the end of a transaction: or it would come again, also what its COMMIT PREPARED
        // brings late.
        let last = self
            .last()
            .map_or(Lsn::INVALID, |position| match position.place {
                Place::End => Lsn(position.lsn.0.saturating_add(1)),
                Place::Begin | Place::Change(_) => position.lsn,
            });
        // A transaction can only be sent again from its beginning.
        if self.bounds.at_boundary() {
            last.max(self.progress.received_position())
        } else {
            last
        }
    }

    /// Everything up to there is wanted, and no more.
    pub fn end_at(&mut self, until: Until) {
        match &mut self.snapshot {
            Some(snapshot) => snapshot.end_at(until),
            None => self.bounds.end_at(until),
        }
    }

    /// Returns `true` if all that is wanted is before the position where the stream would start.
    pub fn is_done_at(&self, start: Lsn) -> bool {
        self.bounds.until().is_some_and(|until| start > until.lsn)
    }

    /// The server's WAL reaches up to here.
    pub fn server_at(&mut self, end: Lsn) {
        if let Some(statistics) = &mut self.statistics {
            statistics.server_at(end);
        }
    }

    /// Returns `true` if stream and output are between transactions.
    pub fn at_boundary(&self) -> bool {
        self.bounds.at_boundary()
    }

    /// Nothing that is asked about tables and types may hold up the stream for longer than this.
    pub fn limit_look_ups(&self, limit: Duration) {
        if let Form::Events { look_ups, .. } = &self.form {
            look_ups.limit(limit);
        }
    }

    /// Takes one message, which lies at `start`. Returns why the stream ends with it, if it does. A
    /// transient error means that it could not be understood for now.
    pub fn take(&mut self, start: Lsn, payload: &[u8]) -> Result<Option<Ended>> {
        trace!(
            "received at {start} {} bytes{}",
            payload.len(),
            kind(payload)
        );
        let before = self.sink.buffer().len();
        let taken = match self.form {
            Form::Events { .. } => self.take_events(start, payload)?,
            Form::Raw { .. } => self.take_raw(start, payload),
        };
        if let Taken::Refused(bound) = taken {
            return Ok(Some(bound.into()));
        }
        if let Some(statistics) = &mut self.statistics {
            let output = self.sink.buffer().len().saturating_sub(before);
            statistics.message(start, payload.len(), output);
        }
        self.progress.received(start, self.sink.appended());
        if self.bounds.at_boundary() {
            self.sink.end_transaction(self.repeats.last());
        }
        Ok(match taken {
            Taken::Last(bound) => Some(bound.into()),
            _ => None,
        })
    }

    fn take_events(&mut self, start: Lsn, payload: &[u8]) -> Result<Taken> {
        let Form::Events {
            decoder,
            printer,
            look_ups,
        } = &mut self.form
        else {
            return Ok(Taken::Whole);
        };
        let (bounds, repeats, sink) = (&mut self.bounds, &mut self.repeats, &mut *self.sink);
        let statistics = &mut self.statistics;
        let mut snapshot = self.snapshot.as_deref_mut();
        let mut out = Output {
            printer,
            sink,
            look_ups,
        };
        let (mut taken, mut unknown, mut untold) = (Taken::Whole, None, None);
        let decoded = decoder.decode(Some(start), payload, |event| {
            taken = match bounds.before(event) {
                Some(bound) => Taken::Refused(bound),
                None => {
                    let shown = match repeats.take(event) {
                        None => {
                            if let Some(snapshot) = &mut snapshot {
                                snapshot.before(event, &mut out);
                            }
                            let start = out.sink.buffer().len();
                            let shown = out.printer.print(event, out.sink);
                            if let Some(snapshot) = &mut snapshot
                                && snapshot.follows(event)
                            {
                                let printed = out.sink.buffer().get(start..);
                                snapshot.after(printed.unwrap_or_default());
                            }
                            shown.unwrap_or_else(|error| {
                                untold = Some(error);
                                false
                            })
                        }
                        Some(after) => {
                            if let Some(snapshot) = &mut snapshot {
                                snapshot.repeated(event);
                            }
                            out.printer.skip(event, after);
                            false
                        }
                    };
                    if let Some(statistics) = statistics {
                        count(event, shown, statistics);
                    }
                    bounds.after(event, shown).map_or(Taken::Whole, Taken::Last)
                }
            };
            if let Body::Relation { .. } = event.body {
                // No row of the table is shown yet: all of them come again with the next
                // connection.
                unknown = look_ups.take_broken_off();
            }
            if taken != Taken::Whole || unknown.is_some() || untold.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if let Err(error) = decoded {
            return Err(Error::new(format!(
                "could not decode the message at {start}: {error}"
            )));
        }
        if let Some(error) = unknown.or(untold) {
            return Err(error);
        }
        Ok(taken)
    }

    /// Goes on with the rows that are there already. Returns `true` if the server is to be asked
    /// how far the stream is.
    pub fn drive_snapshot(&mut self) -> Result<bool> {
        let received = self.progress.received_position();
        let received = self.at_boundary().then_some(received);
        let Some((snapshot, mut out)) = self.snapshot_and_output() else {
            return Ok(false);
        };
        let asks = snapshot.drive(received, &mut out)?;
        if let Some(until) = snapshot.take_until() {
            self.bounds.end_at(until);
            return Ok(true);
        }
        Ok(asks)
    }

    /// The rows that are there already, and what takes them.
    pub fn snapshot_and_output(&mut self) -> Option<(&mut Snapshot, Output<'_>)> {
        let Form::Events {
            printer, look_ups, ..
        } = &mut self.form
        else {
            return None;
        };
        let out = Output {
            printer,
            sink: &mut *self.sink,
            look_ups,
        };
        Some((self.snapshot.as_deref_mut()?, out))
    }

    /// Returns `true` if the stream has to wait for rows that are there already.
    pub fn is_reading(&self) -> bool {
        self.snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.is_reading())
    }

    fn take_raw(&mut self, start: Lsn, payload: &[u8]) -> Taken {
        let Form::Raw { decoder } = &mut self.form else {
            return Taken::Whole;
        };
        let (bounds, repeats) = (&mut self.bounds, &mut self.repeats);
        let statistics = &mut self.statistics;
        let (mut taken, mut first, mut repeated) = (Taken::Whole, true, false);
        let watched = decoder.as_mut().map(|decoder| {
            decoder.decode(Some(start), payload, |event| {
                // A message is passed on as a whole: its first event decides on the others.
                if let Some(bound) = bounds.before(event).filter(|_| first) {
                    taken = Taken::Refused(bound);
                    return ControlFlow::Break(());
                }
                first = false;
                repeated = repeats.take(event).is_some();
                let counts = !repeated && event.body.is_change();
                if let Some(statistics) = statistics {
                    count(event, counts, statistics);
                }
                if let Some(bound) = bounds.after(event, counts) {
                    taken = Taken::Last(bound);
                }
                ControlFlow::Continue(())
            })
        });
        if !matches!(watched, Some(Ok(_))) {
            // Another plugin, or options of the user's that change the shape: the position of the
            // message is all there is.
            taken = bounds.opaque(start);
        }
        if !matches!(taken, Taken::Refused(_)) && !repeated {
            let buffer = self.sink.buffer();
            buffer.extend_from_slice(payload);
            buffer.push(b'\n');
            self.sink.append(None);
        }
        taken
    }

    /// The server says that it has nothing to send that committed before `end`.
    pub fn idle_at(&mut self, end: Lsn) -> Option<Ended> {
        trace!("received a keepalive: the server is at {end}");
        self.progress.received(end, self.sink.appended());
        if self.last().is_none_or(|last| end > last.lsn) {
            self.bounds.passed_cut();
        }
        if let Some(statistics) = &mut self.statistics {
            statistics.idle_at(end);
        }
        self.bounds.idle_at(end).map(Ended::from)
    }

    /// Drives the sink, of whose file descriptors came what `ready` says.
    pub fn drive(&mut self, urge: Urge, ready: PollFlags) -> Result<Driven> {
        if let Some(statistics) = &self.statistics
            && self.sink.appended() > self.sink.written()
        {
            statistics.make_room();
        }
        let driven = self.sink.drive(&Moment {
            now: Instant::now(),
            urge,
            ready,
            received: self.progress.received_position(),
            last: self.repeats.last(),
            at_boundary: self.bounds.at_boundary(),
        });
        self.progress.written(self.sink.written());
        self.progress.durable(self.sink.durable());
        driven
    }

    /// Drives the sink until all is durable, or there is nobody to take it: more and more as `urge`
    /// says. `meanwhile` is called again and again, and says when it wants to be called at the
    /// latest.
    pub fn settle(
        &mut self,
        stop: &Stop,
        urge: impl Fn() -> Urge,
        mut meanwhile: impl FnMut(&mut Delivery) -> Result<Option<Instant>>,
    ) -> Result<()> {
        let mut ready = PollFlags::empty();
        while self.drive(urge(), ready)? == Driven::Busy {
            let due = meanwhile(self)?;
            ready = wait_for(None, None, &*self.sink, stop, due)?.sink;
        }
        Ok(())
    }

    /// Whether the server is to be told at once what has become durable since it was told last.
    pub fn has_news(&self) -> bool {
        self.progress.durable_position() > self.reported && self.sink.reports_at_once()
    }

    /// The server was told that all before this is durable.
    pub fn reported(&mut self, durable: Lsn) {
        trace!("reported that all before {durable} is durable");
        self.reported = durable;
    }

    /// How far everything has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// After the end of a connection: hands on what came before it, as long as it is taken.
    pub fn write_rest(&mut self, stop: &Stop, plan: &Plan) -> Result<()> {
        if let Form::Events { printer, .. } = &mut self.form {
            printer.finish(&mut *self.sink);
        }
        let urge = || match plan.is_over() {
            true => Urge::Overdue,
            false => Urge::Stop,
        };
        self.settle(stop, urge, |_| {
            Ok(plan.deadline.filter(|_| !plan.is_over()))
        })
    }

    /// Returns `true` if the sink is to be opened anew, and can be now.
    pub fn reopen_is_due(&self, stop: &Stop) -> bool {
        self.sink.reopens() && self.at_boundary() && stop.take_reopen()
    }

    /// Opens the sink by its name again; all of it is durable.
    pub fn reopen(&mut self) -> Result<()> {
        self.sink.reopen(self.repeats.last())?;
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.reopened(self.progress.received_position(), &mut *self.sink);
        }
        info!("reopened the output file");
        Ok(())
    }

    /// When the rows that are there already are to be looked after at the latest.
    pub fn snapshot_due(&self) -> Option<Instant> {
        let snapshot = self.snapshot.as_ref()?;
        match snapshot.is_held_up() {
            true => self.sink.has_room().then(Instant::now),
            false => snapshot.due(),
        }
    }

    /// When the statistics are due next.
    pub fn statistics_due(&self) -> Option<Instant> {
        self.statistics.as_ref().map(Statistics::due)
    }

    /// Shows the statistics if they are due.
    pub fn show_statistics(&mut self, now: Instant) {
        if let Some(statistics) = &mut self.statistics {
            // A line of the output may be there in part.
            let whole = self.sink.written() == self.sink.appended();
            if (whole || !statistics.shares_terminal())
                && statistics.show(now, self.progress.durable_position())
                && let Some(snapshot) = &self.snapshot
                && let Some(text) = snapshot.progress(self.progress.received_position())
            {
                info!("{text}");
            }
        }
    }

    /// Shows the statistics for the last time.
    pub fn end_statistics(&mut self) {
        if let Some(statistics) = &mut self.statistics {
            statistics.end(self.progress.durable_position());
        }
    }
}

/// What the statistics count of an event.
fn count(event: &Event<'_>, shown: bool, statistics: &mut Statistics) {
    if shown {
        statistics.row();
    }
    if let (Body::Begin | Body::StreamCommit { .. }, Some(transaction)) =
        (event.body, event.transaction)
        && let End::Commit {
            time: Some(time), ..
        } = transaction.end
    {
        statistics.committed(time);
    }
}

/// The kind of a message of pgoutput, which is its first byte; what is JSON has none.
fn kind(payload: &[u8]) -> String {
    let letter = payload.first().filter(|byte| byte.is_ascii_alphabetic());
    letter.map_or(String::new(), |&kind| {
        format!(", kind {}", char::from(kind))
    })
}
