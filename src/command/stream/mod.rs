//! `walcat stream`: prints the changes of a slot as they commit.
//!
//! [`run`] looks at all that is needed (`preparation`), opens the output, and streams over one connection after the other
//! (`session`) until the bounds, the user or a failure that cannot heal end it. `delivery` is what
//! outlives a connection.

mod chosen;
mod delivery;
mod options;
mod preparation;
mod reconnect;
mod session;
mod statistics;
mod until_now;
mod wait;

use crate::catalog::LookUps;
use crate::catalog::relations::SqlRelations;
use crate::catalog::types::SqlTypes;
use crate::cli::StreamArgs;
use crate::command::{Talk, print_settings};
use crate::connect::Settings;
use crate::decode::Decoder;
use crate::error::{Error, Kind, Result};
use crate::lsn::Lsn;
use crate::printer::{PrintSettings, Printer};
use crate::select::bounds::{Bound, Bounds, Limit, Until};
use crate::sink::{self, Destination, Existing, Sink};
use crate::stop::Stop;
use crate::value::Types;
use crate::walsender::{Connection, SystemIdentification};
use delivery::{Delivery, Form};
use preparation::Preparation;
use reconnect::{Backoff, ServerSilence};
use session::Session;
use statistics::Statistics;
use std::time::{Duration, Instant};

/// How long a new connection may take from the first packet to the stream.
const SETUP: Duration = Duration::from_secs(30);

/// Why the WAL of a server may not be that which was received.
const SET_BACK: &str = "The server was set back, or a standby has taken its place that lacks what was received: \
                        what it has instead cannot be told apart from it.";

/// What the stream does over every connection, decided before it starts.
struct Plan {
    slot: String,
    /// Is the slot created by the connection, and dropped with it?
    temporary: bool,
    plugin: Plugin,
    /// The output plugin's options.
    options: Vec<(String, Option<String>)>,
    /// Nothing before this is wanted.
    start: Lsn,
    peek: bool,
    status_interval: Duration,
    deadline: Option<Instant>,
}

/// What decodes the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plugin {
    Pgoutput,
    Wal2json,
    /// Not known here: its bytes can only be passed on.
    Other(String),
}

/// Why a stream ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// `--endpos` or `--until-now`
    AtPosition,
    /// `--limit`
    AtLimit,
    /// `--timeout`
    TimedOut,
    /// A signal.
    Interrupted,
    /// Nobody reads the output any more.
    ReaderGone,
}

impl From<Bound> for Ended {
    fn from(bound: Bound) -> Ended {
        match bound {
            Bound::EndPosition => Ended::AtPosition,
            Bound::Limit => Ended::AtLimit,
        }
    }
}

/// Streams as the command line says.
pub fn run(
    args: &StreamArgs,
    settings: &Settings,
    stop: &Stop,
    talk: Talk,
    color: bool,
) -> Result<()> {
    match start(args, settings, stop, talk, color) {
        // Nothing has begun yet: what was under way was broken off.
        Err(error) if stop.requested() && error.kind() != Kind::Usage => Ok(()),
        Err(error) => Err(error),
        Ok(None) => Ok(()),
        Ok(Some(stream)) => stream.run(),
    }
}

/// Gets everything ready; `None` if the user asked for a stop meanwhile.
fn start<'a>(
    args: &'a StreamArgs,
    settings: &'a Settings,
    stop: &Stop,
    talk: Talk,
    color: bool,
) -> Result<Option<Stream<'a>>> {
    let deadline = args
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    let print = print_settings(&args.print, args.messages, color)?;
    options::check(args)?;
    let mut preparation = Preparation::new(args, settings, talk)?;
    preparation.check(stop)?;
    let sink = open_sink(args, &mut preparation, stop)?;
    let last = sink.held().last;
    if let Some(last) = last {
        preparation.check_end_of(sink.held().name, last)?;
    }
    let created = preparation.create(stop)?;
    preparation.warn_of_tables()?;
    if stop.requested() {
        return Ok(None);
    }
    let plan = preparation.plan(deadline)?;
    talk.detail(&preparation.describe(&plan));
    for gap in sink.gaps(preparation.confirmed()) {
        talk.warning(&gap);
    }
    if let Some(last) = last.filter(|_| created || plan.temporary) {
        talk.warning(&format!(
            "the slot is new: whatever committed between the end of the file, {}, and now is \
             missing from it",
            last.lsn
        ));
    }
    let look_ups = LookUps::new(settings.until({
        let stop = stop.clone();
        move || stop.requested() || is_over(deadline)
    }));
    let delivery = deliver(args, look_ups, &plan, print, sink, talk)?;
    Ok(Some(Stream {
        args,
        settings,
        preparation,
        plan,
        stop: stop.clone(),
        talk,
        delivery,
        server_silence: ServerSilence::new(),
        system: None,
    }))
}

/// Opens what the records go to, and finds out what it holds.
fn open_sink(
    args: &StreamArgs,
    preparation: &mut Preparation<'_>,
    stop: &Stop,
) -> Result<Box<dyn Sink>> {
    let confirms = args.slot.is_some() && !args.peek;
    let Some(path) = args.named_file() else {
        return sink::stdout(confirms, args.fsync_interval);
    };
    let to = Destination {
        path: path.to_owned(),
        existing: match args.print.format.lines() {
            Some(lines) if !args.no_resume => Existing::Resume(lines),
            _ if args.print.format.is_raw() => Existing::AppendBytes,
            _ => Existing::Append,
        },
        source: preparation.source()?,
        confirms,
    };
    sink::file(&to, args.fsync_interval, &|time| {
        stop.wait(time);
        stop.requested()
    })
}

/// Makes what turns messages into records.
fn deliver(
    args: &StreamArgs,
    look_ups: LookUps,
    plan: &Plan,
    print: PrintSettings,
    sink: Box<dyn Sink>,
    talk: Talk,
) -> Result<Delivery> {
    let decoder = match plan.plugin {
        Plugin::Pgoutput => Some(Decoder::pgoutput()),
        Plugin::Wal2json => {
            let relations = SqlRelations::new(&look_ups, move |text| talk.warning(text));
            Some(Decoder::wal2json(Box::new(relations)))
        }
        Plugin::Other(_) => None,
    };
    let types = Types::new(Box::new(SqlTypes::new(&look_ups)));
    let form = match (Printer::new(print, types), decoder) {
        (None, decoder) => Form::Raw { decoder },
        (_, None) => {
            return Err(Error::new(format!(
                "could not stream from slot \"{}\": no decoder for it",
                plan.slot
            )));
        }
        (Some(printer), Some(decoder)) => Form::Events {
            decoder,
            printer: Box::new(printer),
            look_ups,
        },
    };
    let statistics = args
        .stats
        .filter(|_| !talk.is_quiet())
        .map(|every| Statistics::new(every, plan.peek));
    let within_transactions = plan.peek || plan.temporary || sink.resumes();
    let limit = args
        .limit
        .map(|changes| Limit::new(changes, within_transactions));
    Ok(Delivery::new(
        form,
        sink,
        Bounds::new(limit),
        statistics,
        talk,
    ))
}

/// A stream over one connection after the other.
struct Stream<'a> {
    args: &'a StreamArgs,
    settings: &'a Settings,
    preparation: Preparation<'a>,
    plan: Plan,
    stop: Stop,
    talk: Talk,
    delivery: Delivery,
    server_silence: ServerSilence,
    /// What the last server was.
    system: Option<SystemIdentification>,
}

impl Stream<'_> {
    fn run(mut self) -> Result<()> {
        let ended = self.stream();
        if ended.is_err() {
            // The failure that ended the stream is the one to tell; without confirmation nothing is
            // lost by another.
            let _ = self.delivery.hand_over(&self.stop);
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
        self.talk.detail(&format!(
            "ended: {reason}; received up to {received}, durable up to {durable}"
        ));
        Ok(())
    }

    /// Streams over one connection after the other. If the first fails that is an error; later ones
    /// are tried again.
    fn stream(&mut self) -> Result<Ended> {
        let mut backoff = Backoff::new();
        let mut first = true;
        loop {
            let mut streamed = false;
            let limit = self.limit(first);
            let error = match self.stream_once(first, limit, &mut streamed) {
                Ok(ended) => return Ok(ended),
                Err(error) => error,
            };
            let bearable = !streamed || error.kind() == Kind::Transient;
            if bearable && self.stop.requested() {
                return self.part(Ended::Interrupted);
            }
            if bearable && is_over(self.plan.deadline) {
                return self.part(Ended::TimedOut);
            }
            let error = if streamed || !is_over(limit) {
                error
            } else {
                unanswered()
            };
            if streamed {
                backoff = Backoff::new();
                first = false;
            }
            if first || error.kind() != Kind::Transient {
                return Err(self.preparation.explain(&self.plan, error));
            }
            if self.plan.temporary {
                return Err(error
                    .with_kind(Kind::Permanent)
                    .with_detail(
                        "The temporary slot went with the connection: it cannot be told \
                                  where to go on.",
                    )
                    .with_remedy("walcat stream --slot NAME --create-slot ..."));
            }
            if self.args.no_loop {
                return Err(error);
            }
            let delay = backoff.next();
            self.talk.info(&format!(
                "{error}; trying again in {:.1} s",
                delay.as_secs_f64()
            ));
            if let Some(ended) = reconnect::wait(delay, &self.plan, &self.stop, &mut self.delivery)?
            {
                return self.part(ended);
            }
            self.delivery.reconnected();
        }
    }

    /// Ends well while there is no connection.
    fn part(&mut self, ended: Ended) -> Result<Ended> {
        self.delivery.end();
        self.delivery.hand_over(&self.stop)?;
        Ok(ended)
    }

    /// When to give up connecting. Connecting again is limited in time: a network may drop packets
    /// without an error.
    fn limit(&self, first: bool) -> Option<Instant> {
        let limit = (!first).then(|| Instant::now() + SETUP);
        limit.into_iter().chain(self.plan.deadline).min()
    }

    /// Streams over one connection. `streamed` tells whether it came to that.
    fn stream_once(
        &mut self,
        first: bool,
        limit: Option<Instant>,
        streamed: &mut bool,
    ) -> Result<Ended> {
        let settings = self.settings.until({
            let stop = self.stop.clone();
            move || stop.requested() || is_over(limit)
        });
        let mut connection = Connection::open(&settings, &self.args.timezone)?;
        let system = connection.identify_system()?;
        self.check_history(&mut connection, &system)?;
        if first {
            self.settle(&mut connection, system.flushed)?;
            let confirmed = self.preparation.confirmed();
            self.delivery.sink.begin(system.timeline, confirmed)?;
        } else {
            self.delivery.sink.on_timeline(system.timeline);
            self.preparation.check_again(&mut connection)?;
        }
        self.delivery.server_at(system.flushed);
        self.system = Some(system);
        if self.plan.temporary {
            self.preparation
                .create_temporary(&mut connection, &self.plan, &self.stop)?;
        }
        let timeout = preparation::wal_sender_timeout(&mut connection)?;
        if let Some(timeout) = timeout {
            // The last report may be as old as a third of it, and columns and types are asked for
            // one after the other.
            self.delivery.limit_look_ups(timeout / 4);
        }
        let start = self.plan.start.max(self.delivery.start());
        if first && self.delivery.is_done_at(start) {
            return Ok(Ended::AtPosition);
        }
        while let Err(error) =
            connection.start_replication(&self.plan.slot, start, &self.plan.options)
        {
            if !options::withdraw(self.args, &mut self.plan.options, &error) {
                return Err(error);
            }
            // With an error a session loses its temporary slots.
            if self.plan.temporary {
                self.preparation
                    .create_temporary(&mut connection, &self.plan, &self.stop)?;
            }
        }
        *streamed = true;
        let again = if first { "" } else { " again" };
        let text = match start {
            Lsn::INVALID => format!("streaming{again} from slot \"{}\"", self.plan.slot),
            start => format!(
                "streaming{again} from slot \"{}\", from {start} on",
                self.plan.slot
            ),
        };
        if first {
            self.talk.detail(&text)
        } else {
            self.talk.info(&text)
        }
        let (plan, stop, preparation) = (&self.plan, &self.stop, &mut self.preparation);
        let mut check = || preparation.require_publications();
        Session::new(
            connection,
            timeout,
            plan,
            stop,
            &mut self.delivery,
            &mut self.server_silence,
            &mut check,
        )
        .run()
    }

    /// Decides what needs to know how far the server's WAL goes.
    fn settle(&mut self, connection: &mut Connection, flushed: Lsn) -> Result<()> {
        if self.args.until_now {
            self.delivery.end_at(Until {
                lsn: until_now::committed_by_now(connection, flushed, &self.stop)?,
                inclusive: false,
                passed: false,
            });
        } else if let Some(lsn) = self.args.endpos {
            self.delivery.end_at(Until {
                lsn,
                inclusive: true,
                passed: flushed > lsn,
            });
        }
        Ok(())
    }

    /// Fails unless it is still the same server, with all that was received, over another
    /// connection or by an earlier run.
    fn check_history(
        &self,
        connection: &mut Connection,
        system: &SystemIdentification,
    ) -> Result<()> {
        let received = self.delivery.start();
        let Some(known) = &self.system else {
            let held = self.delivery.sink.held();
            return match held.timeline.filter(|_| received.is_valid()) {
                Some(timeline) => {
                    let act = format!("go on in {}", held.name);
                    check_timeline(connection, system.timeline, timeline, received, &act)
                }
                None => Ok(()),
            };
        };
        if known.system_id != system.system_id {
            return Err(Error::new(
                "could not go on: another server has taken the place of the one that the stream \
                 came from",
            )
            .with_detail(
                "The system identifiers differ: WAL positions of one mean nothing to the other.",
            ));
        }
        if received > system.flushed {
            let error = Error::new(format!(
                "could not go on: the server's WAL ends at {}, but was received up to {received}",
                system.flushed
            ));
            let standby = connection.parameter("in_hot_standby") == Some("on");
            return Err(if standby {
                error.with_kind(Kind::Transient)
            } else {
                error.with_detail(SET_BACK)
            });
        }
        check_timeline(
            connection,
            system.timeline,
            known.timeline,
            received,
            "go on",
        )
    }
}

/// Fails if the server left the timeline on which all up to `received` came before that.
fn check_timeline(
    connection: &mut Connection,
    new: u32,
    known: u32,
    received: Lsn,
    act: &str,
) -> Result<()> {
    if new == known {
        return Ok(());
    }
    let reason = match connection.switch_point(known, new)? {
        Some(point) if received <= point => return Ok(()),
        Some(point) => format!("was left at {point}, but was received up to {received}"),
        None => "is not among those that it comes from".to_owned(),
    };
    Err(Error::new(format!(
        "could not {act}: the server is on timeline {new}, and timeline {known} {reason}"
    ))
    .with_detail(SET_BACK))
}

/// A server that does not answer.
fn unanswered() -> Error {
    Error::transient(format!(
        "could not connect again: no answer within {} s",
        SETUP.as_secs()
    ))
}

fn is_over(limit: Option<Instant>) -> bool {
    limit.is_some_and(|limit| Instant::now() >= limit)
}
