//! The options of `stream` that contradict each other, and those that the output plugin gets.

use super::requirements::SlotPlugin;
use crate::cli::StreamArgs;
use crate::error::{Error, Result};
use crate::plugin::{Options, Request, Streaming, is_true};
use crate::render::{FORMATS, Format, Include};
use crate::version::Version;

/// Refuses options that make no sense together, before a server is asked for anything.
pub fn check(args: &StreamArgs) -> Result<()> {
    own(args)?;
    if args.fsync_interval.is_zero() {
        return Err(Error::usage(
            "could not use --fsync-interval 0: what is confirmed must be on the disk",
        )
        .with_detail("pg_recvlogical then confirms what a crash of the machine can lose.")
        .with_remedy("a longer interval, as --fsync-interval 60"));
    }
    if args.kind.failover && args.slot.is_none() {
        return Err(Error::usage(
            "could not use --failover: a temporary slot goes with its connection",
        )
        .with_remedy("--slot NAME --create-slot"));
    }
    check_transactions(args)?;
    check_statements(args)?;
    if !args.snapshot.is_empty() {
        check_snapshot(args)?;
    }
    let resumes = resumes(args);
    if args.streaming != Streaming::Off && resumes {
        return Err(Error::usage(
            "could not use --streaming with --file: what has not committed has no place to go on \
             from",
        )
        .with_remedy("--no-resume, which appends without going on where the file ends"));
    }
    super::into_log::check(args)
}

/// Returns `true` if a file is to be gone on with where it ends.
fn resumes(args: &StreamArgs) -> bool {
    args.file.is_some() && !args.no_resume && args.print.format.lines().is_some()
}

/// Refuses what makes no sense for statements, or without them.
fn check_statements(args: &StreamArgs) -> Result<()> {
    if args.once.is_some() && args.print.format != Format::SQL {
        return Err(Error::usage(format!(
            "could not use --once with --format {}: only statements can be applied",
            args.print.format.name()
        ))
        .with_remedy("--format sql --once DBNAME"));
    }
    if !args.print.undo {
        return Ok(());
    }
    if args.file.is_some() {
        return Err(Error::usage(
            "could not use --undo with --file: a file goes on where it ends, and an undo begins \
             there",
        )
        .with_remedy("standard output, as in: walcat stream --undo ... >FILE"));
    }
    let ends = args.until_now || args.endpos.is_some();
    if !ends || !args.peek {
        return Err(Error::usage(
            "could not use --undo: what is newest is known only at an end, and the slot must not \
             move",
        )
        .with_remedy("--undo --until-now --peek"));
    }
    Ok(())
}

/// Refuses transactions that the format cannot tell.
fn check_transactions(args: &StreamArgs) -> Result<()> {
    let format = args.print.format;
    let other = |fits: fn(Format) -> bool| {
        let fitting = FORMATS.iter().filter(|format| fits(**format));
        let names: Vec<&str> = fitting.map(|format| format.name()).collect();
        format!("--format {}", names.join(", "))
    };
    if args.streaming != Streaming::Off && !format.has_streamed() {
        return Err(Error::usage(format!(
            "could not use --streaming with --format {}: a transaction that has not committed may \
             turn out to be void",
            format.name()
        ))
        .with_remedy(other(Format::has_streamed)));
    }
    if two_phase(args) && !format.has_prepared() {
        return Err(Error::usage(format!(
            "could not use --two-phase with --format {}: a prepared transaction may be rolled back",
            format.name()
        ))
        .with_remedy(other(Format::has_prepared)));
    }
    Ok(())
}

fn check_snapshot(args: &StreamArgs) -> Result<()> {
    let format = args.print.format;
    if !format.has_snapshots() {
        return Err(Error::usage(format!(
            "could not use --snapshot with --format {}: it has no form for rows that are there \
             already",
            format.name()
        ))
        .with_remedy("--format json"));
    }
    if resumes(args) && !format.has_snapshot_progress() {
        return Err(Error::usage(format!(
            "could not use --snapshot with --file and --format {}: its lines do not say how far the \
             tables are, so that the next run could not go on with them",
            format.name()
        ))
        .with_remedy("--no-resume, with which each run appends all rows, or --format json"));
    }
    if args.streaming != Streaming::Off {
        return Err(Error::usage(
            "could not use --snapshot with --streaming: what has not committed cannot be put in \
             order with what is there",
        )
        .with_remedy("--streaming off"));
    }
    let elsewhere = [
        (args.exec.is_given(), "--exec"),
        (args.log.to.is_some(), "--to"),
        (args.once.is_some(), "--once"),
    ];
    if let Some((_, option)) = elsewhere.iter().find(|(given, _)| *given) {
        return Err(Error::usage(format!(
            "could not use --snapshot with {option}: only a file says how far the tables are"
        ))
        .with_remedy("--file, which goes on where it ends"));
    }
    Ok(())
}

/// The options for the plugin on a server of this version.
pub fn of_plugin(
    args: &StreamArgs,
    plugin: &SlotPlugin,
    publications: &[String],
    version: &Version,
) -> Result<Options> {
    let own = own(args)?;
    let SlotPlugin::Known(plugin) = plugin else {
        return Ok(own);
    };
    let include = &args.print.include;
    let of_types = [Include::Types, Include::Columns, Include::Relations];
    let request = Request {
        publications,
        streaming: args.streaming,
        two_phase: args.kind.two_phase,
        origin: args.origin,
        messages: args.messages,
        shows_origin: include.contains(&Include::Origin),
        shows_types: args.print.format != Format::JSON
            || of_types.iter().any(|types| include.contains(types)),
        raw: args.print.format.is_raw(),
        own: &own,
    };
    plugin.options(&request, version)
}

/// Takes the options back that the plugin has refused and that can be done without. Returns `false`
/// if there are none.
pub fn withdraw(
    args: &StreamArgs,
    plugin: &SlotPlugin,
    options: &mut Options,
    refusal: &Error,
) -> Result<bool> {
    Ok(match plugin {
        SlotPlugin::Known(plugin) => plugin.withdraw(refusal, &own(args)?, options),
        SlotPlugin::Other(_) => false,
    })
}

/// Returns `true` if the plugin is to send what is prepared. An option of the user's says so as
/// well, and on a slot that was not made for it the server would turn that on for good.
pub fn two_phase(args: &StreamArgs) -> bool {
    let own = args.option.iter().filter_map(|option| parse(option).ok());
    args.kind.two_phase
        || own
            .into_iter()
            .any(|(name, value)| name == "two_phase" && value.as_deref().is_none_or(is_true))
}

/// The user's own options.
fn own(args: &StreamArgs) -> Result<Options> {
    args.option.iter().map(|option| parse(option)).collect()
}

fn parse(option: &str) -> Result<(String, Option<String>)> {
    let (name, value) = match option.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (option, None),
    };
    if name.is_empty() {
        return Err(Error::usage(format!(
            "could not use --option \"{option}\": it has no name"
        )));
    }
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_names() {
        assert_eq!(
            parse("a=b=c").unwrap(),
            ("a".to_owned(), Some("b=c".to_owned()))
        );
        assert_eq!(parse("a").unwrap(), ("a".to_owned(), None));
        assert_eq!(parse("a=").unwrap(), ("a".to_owned(), Some(String::new())));
        assert!(parse("=b").is_err());
    }
}
