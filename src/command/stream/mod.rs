//! `walcat stream`: prints the changes of a slot as they commit.
//!
//! [`run`] reads top-down: what the options contradict (`options`), what must be there
//! (`requirements`) or is created (`creation`), where the lines go, what is done over every
//! connection (`plan`); then the stream, over one connection after the other (`connections`), each
//! with its loop (`session`), until the bounds, the user or a failure that cannot heal end it.
//! `delivery` is what outlives a connection.

mod catalog_connection;
mod chosen;
mod clock;
mod connections;
mod consumer;
mod creation;
mod delivery;
mod explanation;
mod history;
mod into_log;
mod options;
mod plan;
mod publish;
mod reconnect;
mod requirements;
mod session;
mod snapshot;
mod statistics;
mod target;
mod until_now;
mod wait;
mod waiting;

use crate::catalog::LookUps;
use crate::catalog::relations::SqlRelations;
use crate::catalog::types::SqlTypes;
use crate::cli::{MessageOptions, StreamArgs};
use crate::command::{is_colored, print_settings};
use crate::connect::Settings;
use crate::error::{Error, Kind, Result};
use crate::printer::{PrintSettings, Printer};
use crate::render::Once;
use crate::select::bounds::{Bound, Bounds, Limit};
use crate::sink::{self, Destination, Existing, ReplayedSink, ReversedSink, Sink};
use crate::stop::Stop;
use crate::value::Types;
use connections::Stream;
use delivery::{Delivery, Form};
use log::{Level, debug, log_enabled, warn};
use plan::Plan;
use requirements::{Requirements, SlotPlugin};
use snapshot::{Snapshot, TablesToRead};
use statistics::Statistics;
use std::io::{self, IsTerminal};
use std::time::Instant;
use target::Target;

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
    messages: &MessageOptions,
    settings: &Settings,
    stop: &Stop,
) -> anyhow::Result<()> {
    match start(args, messages, settings, stop) {
        // Nothing has begun yet: what was under way was broken off.
        Err(error) if stop.requested() && error.kind() != Kind::Usage => Ok(()),
        Err(error) => Err(error.into()),
        Ok(None) => Ok(()),
        Ok(Some(stream)) => Ok(stream.run()?),
    }
}

/// Gets everything ready; `None` if the user asked for a stop meanwhile.
fn start<'a>(
    args: &'a StreamArgs,
    messages: &MessageOptions,
    settings: &'a Settings,
    stop: &Stop,
) -> Result<Option<Stream<'a>>> {
    let deadline = args
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    let to_stdout = !args.exec.is_given() && args.log.to.is_none() && args.named_file().is_none();
    let to_terminal = to_stdout && io::stdout().is_terminal();
    let color = is_colored(messages, to_terminal) && (to_stdout || args.named_file().is_some());
    let mut print = print_settings(&args.print, args.messages, color, to_terminal)?;
    if let Some(screen) = &mut print.settings.screen {
        screen.clock = Some(Instant::now);
    }
    options::check(args)?;
    consumer::check(args)?;
    let mut requirements = Requirements::check(args, settings, stop)?;
    let tables = TablesToRead::check(&mut requirements, &print.filter)?;
    let mut sink = open_sink(&mut requirements, stop)?;
    if let Some(conninfo) = &args.once {
        (sink, print.settings.once) = apply_once(conninfo, sink, &mut requirements)?;
    }
    let last = sink.held().last;
    if let Some(last) = last {
        requirements.check_end_of(sink.held().name, last)?;
    }
    print.settings.database = requirements.source()?.database;
    creation::create_publications(&mut requirements)?;
    let whole = match &tables {
        Some(tables) if requirements.slot.is_none() => tables.have_no_key(&mut requirements)?,
        _ => false,
    };
    // Together with their rows, where they need it.
    let created = !whole && creation::create_slot(&requirements, stop)?;
    if stop.requested() {
        return Ok(None);
    }
    let snapshot = match tables {
        Some(tables) => Some(Snapshot::new(
            &mut requirements,
            tables,
            whole,
            &*sink,
            stop,
        )?),
        None => None,
    };
    let plan = Plan::new(&requirements, deadline)?;
    requirements.catalog.close();
    debug!("{}", requirements.describe(&plan));
    for gap in sink.gaps(requirements.confirmed()) {
        warn!("{gap}");
    }
    if let Some(last) = last.filter(|_| created || plan.temporary) {
        warn!(
            "the slot is new: whatever committed between the end of {}, {}, and now is missing \
             from it",
            sink.held().name,
            last.lsn
        );
    }
    let look_ups = LookUps::new(settings.until({
        let (stop, deadline) = (stop.clone(), plan.deadline);
        move || stop.requested() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }));
    let mut delivery = deliver(&requirements, look_ups, &plan, print, sink)?;
    delivery.snapshot = snapshot.map(Box::new);
    let stop = stop.clone();
    Ok(Some(Stream::new(requirements, plan, stop, delivery)))
}

/// Opens what the records go to, and finds out what it holds.
fn open_sink(requirements: &mut Requirements<'_>, stop: &Stop) -> Result<Box<dyn Sink>> {
    let args = requirements.args;
    let confirms = args.slot.is_some() && !args.peek;
    if let Some(consumer) = consumer::of(args) {
        return Ok(consumer::open(consumer, stop));
    }
    if args.log.to.is_some() {
        return into_log::open(requirements, stop);
    }
    let Some(path) = args.named_file() else {
        let stdout = sink::stdout(confirms, args.fsync_interval)?;
        return Ok(match args.print.undo {
            true => Box::new(ReversedSink::new(stdout)?),
            false => stdout,
        });
    };
    let to = Destination {
        path: path.to_owned(),
        existing: match args.print.format.lines() {
            Some(lines) if !args.no_resume => Existing::Resume(lines),
            _ if args.print.format.is_raw() => Existing::AppendBytes,
            _ => Existing::Append,
        },
        source: requirements.source()?,
        confirms,
    };
    sink::file(&to, args.fsync_interval, &|time| {
        stop.wait(time);
        stop.requested()
    })
}

/// Makes the target, where psql applies the changes, say what is durable.
fn apply_once(
    conninfo: &str,
    sink: Box<dyn Sink>,
    requirements: &mut Requirements<'_>,
) -> Result<(Box<dyn Sink>, Option<Once>)> {
    let (target, last) = Target::open(conninfo, &requirements.source()?)?;
    let once = target.once(last);
    let sink = ReplayedSink::new(sink, Box::new(target), Target::event(last));
    Ok((Box::new(sink), Some(once)))
}

/// Makes what turns messages into records.
fn deliver(
    requirements: &Requirements<'_>,
    look_ups: LookUps,
    plan: &Plan,
    print: PrintSettings,
    sink: Box<dyn Sink>,
) -> Result<Delivery> {
    let args = requirements.args;
    let decoder = match requirements.plugin {
        SlotPlugin::Known(plugin) => {
            let relations = SqlRelations::new(&look_ups);
            Some(plugin.decoder(Box::new(relations)))
        }
        SlotPlugin::Other(_) => None,
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
        .filter(|_| log_enabled!(Level::Info))
        .map(|every| {
            let to_stdout = args.named_file().is_none() && !args.exec.is_given();
            Statistics::new(every, plan.peek, to_stdout)
        });
    let resumable = plan.confirms_nothing() || sink.resumes();
    let within_transactions = resumable && !args.print.format.is_whole();
    let limit = args
        .limit
        .map(|changes| Limit::new(changes, within_transactions));
    Ok(Delivery::new(form, sink, Bounds::new(limit), statistics))
}
