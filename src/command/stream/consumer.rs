//! `--exec`: a command that takes batches of transactions.

use crate::cli::StreamArgs;
use crate::error::{Error, Result};
use crate::plugin::Streaming;
use crate::sink::{Consumer, ExecSink, Group, Sink};
use crate::stop::Stop;
use std::ffi::OsString;

/// Refuses what makes no sense together, before a server is asked for anything.
pub fn check(args: &StreamArgs) -> Result<()> {
    if !args.exec.is_given() {
        return Ok(());
    }
    let words = args.exec.words();
    let says_something = |word: &OsString| !word.to_string_lossy().trim().is_empty();
    if !words.first().is_some_and(says_something) {
        return Err(Error::usage("could not use --exec: there is no command")
            .with_remedy("--exec 'COMMAND ...', or --exec -- COMMAND [ARGUMENT]..."));
    }
    if args.streaming != Streaming::Off {
        return Err(Error::usage(
            "could not use --streaming with --exec: a batch has whole transactions only",
        ));
    }
    of(args).map_or(Ok(()), |consumer| consumer.look_for_program())
}

/// The command, if one is to take the output.
pub fn of(args: &StreamArgs) -> Option<Consumer> {
    let exec = &args.exec;
    let shell = exec.has_command_line();
    let line = exec.words();
    let words = match shell {
        true => ["/bin/sh", "-c"]
            .map(OsString::from)
            .into_iter()
            .chain(line)
            .collect(),
        false => line,
    };
    exec.is_given().then(|| Consumer {
        words,
        shell,
        slot: args.slot.clone(),
        rows: exec.batch_rows,
        interval: exec.batch_interval,
        retries: exec.retries,
    })
}

/// What the records go to. A second Ctrl-C kills the command.
pub fn open(consumer: Consumer, stop: &Stop) -> Box<dyn Sink> {
    let group = Group::default();
    let sink = ExecSink::new(consumer, group.clone());
    stop.before_exit(move || group.kill());
    Box::new(sink)
}
