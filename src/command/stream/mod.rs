//! `walcat stream`: prints the changes of a slot as they commit.
//!
//! [`run`] looks at all that is needed (`preparation`), opens the output, and streams over one connection after the other
//! (`session`) until the bounds, the user or a failure that cannot heal end it. `delivery` is what outlives a connection.

mod bounds;
mod delivery;
mod options;
mod preparation;
mod reconnect;
mod session;
mod statistics;

use crate::catalog::relations::SqlRelations;
use crate::catalog::types::SqlTypes;
use crate::cli::{Format, StreamArgs};
use crate::command::{Talk, print_settings};
use crate::connect::{self, Settings};
use crate::decode::Decoder;
use crate::error::{Error, Kind, Result};
use crate::event::Position;
use crate::lsn::Lsn;
use crate::output::{Existing, Output};
use crate::render::{PrintSettings, Printer};
use crate::stop::Stop;
use crate::value::Types;
use crate::walsender::{Connection, SessionSettings};
use bounds::{Bounds, Until};
use delivery::{Delivery, Form};
use preparation::Preparation;
use reconnect::Backoff;
use session::Session;
use statistics::Statistics;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What the stream does over every connection, decided before it starts.
struct Plan {
    slot: String,
    /// The slot is made by the connection and goes with it.
    temporary: bool,
    plugin: Plugin,
    /// The output plugin's options.
    options: Vec<(String, Option<String>)>,
    /// Nothing before this is wanted.
    start: Lsn,
    peek: bool,
    status_interval: Duration,
    fsync_interval: Duration,
    deadline: Option<Instant>,
}

/// What decodes the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plugin {
    Pgoutput,
    Wal2json,
    /// Nothing here: its bytes can only be passed on.
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

/// Streams as the command line says.
pub fn run(args: &StreamArgs, settings: &Rc<Settings>, talk: Talk, color: bool) -> Result<()> {
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let print = print_settings(&args.print, args.messages, color)?;
    options::check(args)?;
    let mut preparation = Preparation::new(args, settings, talk)?;
    let stop = Stop::install()?;
    preparation.check()?;
    let (output, resume) = open_output(args)?;
    preparation.create(&stop)?;
    if stop.requested() {
        return Ok(());
    }
    let plan = preparation.plan(deadline)?;
    let delivery = deliver(args, settings, &plan, print, (output, resume), talk)?;
    Stream { args, settings, preparation, plan, stop, talk, delivery, resume }.run()
}

/// Opens what is written to, and finds where it ends.
fn open_output(args: &StreamArgs) -> Result<(Output, Option<Position>)> {
    let existing = match (args.print.format, args.no_resume) {
        (Format::Json, false) => Existing::Resume,
        (Format::Json, true) | (Format::Text, _) => Existing::Append,
        (Format::Raw, _) => Existing::AppendBytes,
    };
    match args.file.as_deref().filter(|&path| path != Path::new("-")) {
        Some(path) => Output::open(path, existing),
        None => Ok((Output::stdout()?, None)),
    }
}

/// Puts the way of the messages together.
fn deliver(
    args: &StreamArgs,
    settings: &Rc<Settings>,
    plan: &Plan,
    print: Option<PrintSettings>,
    (output, resume): (Output, Option<Position>),
    talk: Talk,
) -> Result<Delivery> {
    let decoder = match plan.plugin {
        Plugin::Pgoutput => Some(Decoder::pgoutput()),
        Plugin::Wal2json => {
            let relations = SqlRelations::new(connector(settings), move |text| talk.warning(text));
            Some(Decoder::wal2json(Box::new(relations)))
        }
        Plugin::Other(_) => None,
    };
    let form = match (print, decoder) {
        (None, decoder) => Form::Raw { decoder, last: None, resume_after: None },
        (_, None) => {
            return Err(Error::new(format!("could not stream from slot \"{}\": no decoder for it", plan.slot)));
        }
        (Some(print), Some(decoder)) => {
            let types = Types::new(Box::new(SqlTypes::new(connector(settings))));
            let mut printer = Printer::new(print, types);
            printer.resume_after(resume);
            Form::Events { decoder, printer: Box::new(printer) }
        }
    };
    let until = args.endpos.map(|lsn| Until { lsn, inclusive: true });
    let statistics = args.stats.filter(|_| !talk.is_quiet()).map(Statistics::new);
    Ok(Delivery::new(form, output, Bounds::new(until, args.limit), statistics, talk))
}

/// Opens SQL connections for look-ups in the catalog while the stream runs.
fn connector(settings: &Rc<Settings>) -> impl FnMut() -> Result<connect::Session> + use<> {
    let settings = Rc::clone(settings);
    move || connect::sql(&settings)
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
    resume: Option<Position>,
}

impl Stream<'_> {
    fn run(mut self) -> Result<()> {
        let ended = self.stream();
        if ended.is_err() {
            self.delivery.hand_over();
        }
        self.delivery.end_statistics();
        let reason = match ended? {
            Ended::AtPosition => "reached the end position",
            Ended::AtLimit => "reached the limit",
            Ended::TimedOut => "the time is over",
            Ended::Interrupted => "interrupted",
            Ended::ReaderGone => "nobody reads the output any more",
        };
        let (received, durable) = self.delivery.positions();
        self.talk.detail(&format!("ended: {reason}; received up to {received}, durable up to {durable}"));
        Ok(())
    }

    /// Goes from connection to connection. The first must stand; a later one that fails may be tried again.
    fn stream(&mut self) -> Result<Ended> {
        let mut backoff = Backoff::new();
        let mut first = true;
        loop {
            let mut streamed = false;
            let error = match self.stream_once(first, &mut streamed) {
                Ok(ended) => return Ok(ended),
                Err(_) if self.stop.requested() => return Ok(Ended::Interrupted),
                Err(error) => error,
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
                    .with_detail("The temporary slot went with the connection: it cannot be told where to go on.")
                    .with_remedy("walcat stream --slot NAME --create-slot ..."));
            }
            if self.args.no_loop {
                return Err(error);
            }
            let delay = backoff.next();
            self.talk.info(&format!("{error}; trying again in {:.1} s", delay.as_secs_f64()));
            if let Some(ended) = reconnect::wait(delay, &self.plan, &self.stop, &mut self.delivery)? {
                return Ok(ended);
            }
            self.delivery.reconnected();
        }
    }

    /// Streams over one connection. `streamed` tells whether it came to that.
    fn stream_once(&mut self, first: bool, streamed: &mut bool) -> Result<Ended> {
        if !first {
            self.preparation.check_again()?;
        }
        let stop = self.stop.clone();
        let session =
            SessionSettings { timezone: self.args.timezone.clone(), interrupted: Rc::new(move || stop.requested()) };
        let mut connection = Connection::open(self.settings, &session)?;
        let system = connection.identify_system()?;
        if first {
            self.settle(system.flushed)?;
        }
        self.delivery.server_at(system.flushed);
        if self.plan.temporary {
            self.preparation.create_temporary(&mut connection, &self.plan, &self.stop)?;
        }
        let timeout = preparation::wal_sender_timeout(&mut connection)?;
        let last = self.delivery.last().map_or(Lsn::INVALID, |position| position.lsn);
        let start = self.plan.start.max(last);
        if self.delivery.is_done_at(start) {
            return Ok(Ended::AtPosition);
        }
        connection.start_replication(&self.plan.slot, start, &self.plan.options)?;
        *streamed = true;
        self.talk.detail(&match start {
            Lsn::INVALID => format!("streaming from slot \"{}\"", self.plan.slot),
            start => format!("streaming from slot \"{}\", from {start} on", self.plan.slot),
        });
        Session::new(connection, timeout, &self.plan, &self.stop, &mut self.delivery).run()
    }

    /// Decides what needs to know how far the server's WAL goes.
    fn settle(&mut self, flushed: Lsn) -> Result<()> {
        if self.args.until_now {
            self.delivery.end_at(Until { lsn: flushed, inclusive: false });
        }
        if let Some(beyond) = self.resume.filter(|position| position.lsn > flushed) {
            return Err(Error::new(format!(
                "could not go on in the file: it ends at {}, but the server's WAL already at {flushed}",
                beyond.lsn
            ))
            .with_detail("The file comes from another server, or the server was set back.")
            .with_remedy("another file, or --no-resume to append to this one"));
        }
        Ok(())
    }
}
