//! `--to`: what it contradicts, and where it leads.

use super::requirements::Requirements;
use crate::cli::{Oversize, StreamArgs};
#[cfg(feature = "nats")]
use crate::command::log_destination::destination;
use crate::error::{Error, Result};
use crate::plugin::Streaming;
use crate::render::{Format, Include};
use crate::sink::Sink;
use crate::stop::Stop;

/// Refuses options that make no sense with a log, before a server is asked for anything.
pub fn check(args: &StreamArgs) -> Result<()> {
    let Some(to) = &args.log.to else {
        return Ok(());
    };
    if args.print.format.lines().is_none() {
        return Err(Error::usage(format!(
            "could not use --to with --format {}: its lines are no messages that name their event",
            args.print.format.name()
        ))
        .with_remedy("--format json"));
    }
    if args.print.include.contains(&Include::Relations) {
        return Err(Error::usage(
            "could not use --to with --include relations: they come again with each run, and a \
             log holds each event once",
        )
        .with_remedy("--include columns"));
    }
    if args.streaming != Streaming::Off {
        return Err(Error::usage(
            "could not use --streaming with --to: what has not committed has no place in a log",
        ));
    }
    if args.log.oversize == Oversize::Stub && args.print.format != Format::JSON {
        return Err(Error::usage(format!(
            "could not use --oversize stub with --format {}: its lines always have their rows",
            args.print.format.name()
        )));
    }
    check_address(to, args)
}

#[cfg(feature = "nats")]
fn check_address(to: &str, args: &StreamArgs) -> Result<()> {
    use crate::sink::nats::{LogUrl, Template};
    LogUrl::parse(to)?;
    // The database is not known yet.
    Template::parse(&args.log.subject, "database").map(drop)
}

#[cfg(not(feature = "nats"))]
fn check_address(_: &str, _: &StreamArgs) -> Result<()> {
    Err(
        Error::usage("could not use --to: this walcat was built without the feature \"nats\"")
            .with_remedy("cargo install walcat"),
    )
}

/// Opens the log, and finds out what it holds.
#[cfg(feature = "nats")]
pub fn open(requirements: &mut Requirements<'_>, stop: &Stop) -> Result<Box<dyn Sink>> {
    use crate::sink::nats;
    let args = requirements.args;
    let source = requirements.source()?;
    let to = args.log.to.as_deref().unwrap_or_default();
    let mut to = destination(to, &args.log.subject, &args.log.access, source)?;
    let create = args.log.create_stream;
    to.create = create.then(|| args.log.replicas.unwrap_or(1).into());
    to.confirm_delay = args.log.confirm_delay;
    to.atomic = args.log.atomic;
    to.standby = args.log.standby.then_some(args.log.standby_after);
    if args.log.oversize == Oversize::Stub {
        to.stub = args.print.format.lines();
    }
    let sink = nats::open(to, &|time| {
        stop.wait(time);
        stop.requested()
    })?;
    for (text, remedy) in sink.warnings() {
        log::warn!(remedy = remedy.as_str(); "{text}");
    }
    Ok(Box::new(sink))
}

#[cfg(not(feature = "nats"))]
pub fn open(requirements: &mut Requirements<'_>, _: &Stop) -> Result<Box<dyn Sink>> {
    check(requirements.args)?;
    Err(Error::usage("could not use --to: it names no log"))
}
