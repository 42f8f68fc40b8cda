//! `walcat decode`: prints what `pg_recvlogical` or `stream --format raw` captured, without a
//! server.

use super::{is_colored, print_settings};
use crate::cli::{DecodeArgs, MessageOptions};
use crate::decode::capture::{Capture, CaptureError, Step};
use crate::error::Error;
use crate::event::Body;
use crate::plugin;
use crate::printer::Printer;
use crate::sink::Spool;
use crate::value::{NoCatalog, Types};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::path::Path;

/// Lines are written in blocks of this size, and before waiting for input.
const BLOCK: usize = 256 << 10;

/// Prints the events of the capture. On damaged input what stands before the damage is printed.
pub fn run(args: &DecodeArgs, options: &MessageOptions) -> Result<()> {
    let stdout = io::stdout();
    let to_terminal = stdout.is_terminal();
    let colored = is_colored(options, to_terminal);
    let settings = print_settings(&args.print, true, colored, to_terminal)?;
    let Some(printer) = Printer::new(settings, Types::new(Box::new(NoCatalog))) else {
        let reason = "--format raw makes no sense here: the capture is what it would print";
        return Err(Error::usage(reason).into());
    };
    let input = open(args.file.as_deref())?;
    if args.print.undo {
        return undo(input, printer, stdout.lock()).or_else(Ended::into_result);
    }
    let mut lines = Lines {
        waiting: Vec::with_capacity(BLOCK),
        stdout: stdout.lock(),
    };
    match print_all(input, printer, &mut lines) {
        Err(Ended::Error(error)) => {
            lines.write().or_else(Ended::into_result)?;
            Err(error)
        }
        result => result.or_else(Ended::into_result),
    }
}

/// Prints the lines from the last to the first, once all are there.
fn undo(input: impl Read, printer: Printer, stdout: impl Write) -> std::result::Result<(), Ended> {
    let mut held = Lines {
        waiting: Vec::with_capacity(BLOCK),
        stdout: Spooled(Spool::new()?),
    };
    print_all(input, printer, &mut held)?;
    let Spooled(mut spool) = held.stdout;
    let mut lines = Lines {
        waiting: held.waiting,
        stdout,
    };
    while spool.read_back(&mut lines.waiting)? {
        lines.write()?;
    }
    Ok(())
}

/// Lines that are held back.
struct Spooled(Spool);

impl Write for Spooled {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.buffer().extend_from_slice(lines);
        self.0.keep().map_err(io::Error::other)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Ended {
        Ended::Error(error.into())
    }
}

/// Why printing ends before the capture does.
enum Ended {
    Error(anyhow::Error),
    /// The reader of stdout went away: it has what it wanted.
    ReaderGone,
}

impl Ended {
    fn into_result(self) -> Result<()> {
        match self {
            Ended::Error(error) => Err(error),
            Ended::ReaderGone => Ok(()),
        }
    }
}

/// Lines on their way to stdout.
struct Lines<W> {
    waiting: Vec<u8>,
    stdout: W,
}

impl<W: Write> Lines<W> {
    fn write(&mut self) -> std::result::Result<(), Ended> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let result = self
            .stdout
            .write_all(&self.waiting)
            .and_then(|()| self.stdout.flush());
        self.waiting.clear();
        result.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Ended::ReaderGone,
            _ => Ended::Error(
                anyhow::Error::from(error).context("could not write to standard output"),
            ),
        })
    }
}

fn open(path: Option<&Path>) -> Result<Box<dyn Read>> {
    match path {
        None => Ok(Box::new(io::stdin().lock())),
        Some(path) if path == Path::new("-") => Ok(Box::new(io::stdin().lock())),
        Some(path) => {
            let file = File::open(path)
                .with_context(|| format!("could not open file \"{}\"", path.display()))?;
            Ok(Box::new(file))
        }
    }
}

fn print_all<W: Write>(
    input: impl Read,
    mut printer: Printer,
    lines: &mut Lines<W>,
) -> std::result::Result<(), Ended> {
    let printed = print_each(input, &mut printer, lines);
    printer.finish(&mut lines.waiting);
    printed.and_then(|()| lines.write())
}

fn print_each<W: Write>(
    input: impl Read,
    printer: &mut Printer,
    lines: &mut Lines<W>,
) -> std::result::Result<(), Ended> {
    let mut capture = Capture::new(input, plugin::decoder_of_capture);
    let (mut decoded, mut undecodable) = (false, 0_u64);
    let mut untold = None;
    loop {
        let step = capture.decode(|event| {
            match event.body {
                Body::Undecodable { .. } => undecodable += 1,
                _ => decoded = true,
            }
            if untold.is_none() {
                untold = printer.print(event, &mut lines.waiting).err();
            }
        });
        if let Some(untold) = untold {
            return Err(untold.into());
        }
        match step? {
            Step::Message if lines.waiting.len() < BLOCK => {}
            Step::Message => lines.write()?,
            Step::MustRead => {
                lines.write()?;
                capture.read()?;
            }
            Step::End if undecodable > 0 && !decoded => {
                lines.write()?;
                return Err(Ended::Error(nothing_decoded(undecodable).into()));
            }
            Step::End => return lines.write(),
        }
    }
}

fn nothing_decoded(messages: u64) -> Error {
    let which = match messages {
        1 => "its only message is not".to_owned(),
        several => format!("none of its {several} messages is"),
    };
    Error::new(format!(
        "could not decode the capture: {which} of pgoutput or of wal2json with format-version 2"
    ))
    .with_remedy(
        "a capture by walcat stream --format raw, or by pg_recvlogical -o format-version=2",
    )
}

impl From<CaptureError> for Ended {
    fn from(error: CaptureError) -> Ended {
        Ended::Error(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use serde_json::Value;

    const PGOUTPUT: &[u8] = include_bytes!("../../tests/captures/pgoutput-1.bin");
    const STREAMED: &[u8] = include_bytes!("../../tests/captures/pgoutput-2.bin");
    const WAL2JSON: &[u8] = include_bytes!("../../tests/captures/wal2json.bin");

    /// What `walcat decode` with these options prints of the capture, and the error that ends it.
    fn decode(capture: &[u8], options: &[&str]) -> (String, Option<String>) {
        let cli = Cli::try_parse_from(["walcat", "decode"].iter().chain(options)).unwrap();
        let Command::Decode(args) = cli.command else {
            unreachable!("decode was asked for")
        };
        let settings = print_settings(&args.print, true, false, false).unwrap();
        let printer = Printer::new(settings, Types::new(Box::new(NoCatalog))).unwrap();
        let mut lines = Lines {
            waiting: Vec::new(),
            stdout: Vec::new(),
        };
        let error = match print_all(capture, printer, &mut lines) {
            Err(Ended::Error(error)) => Some(error.to_string()),
            _ => None,
        };
        assert!(lines.write().is_ok());
        (String::from_utf8(lines.stdout).unwrap(), error)
    }

    fn events(capture: &[u8], options: &[&str]) -> Vec<Value> {
        let (lines, error) = decode(capture, options);
        assert_eq!(error, None);
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn both_plugins_tell_the_same() {
        // What wal2json does not say is in the README: truncate's flags, NaN, TOASTed values left
        // alone; and one row it spoils.
        let comparable = |event: &Value| {
            let text = event.to_string();
            let spoilt = event["table"] == "a \"quoted\" table" || event["op"] == "undecodable";
            !spoilt
                && !text.contains("everything_kept")
                && event["op"] != "truncate"
                && event.get("unchanged").is_none()
        };
        let changes = |capture| {
            let mut events = events(capture, &[]);
            events.retain(|event| comparable(event) && event["after"]["full_name"] != "longest");
            // Only the connection knows where a change of pgoutput lies.
            events
                .iter_mut()
                .for_each(|event| drop(event.as_object_mut().unwrap().remove("lsn")));
            events
        };
        let of_pgoutput = changes(PGOUTPUT);
        assert_eq!(of_pgoutput.len(), 31);
        assert_eq!(of_pgoutput, changes(WAL2JSON));
    }

    #[test]
    fn filters_choose() {
        let chosen = events(
            PGOUTPUT,
            &[
                "--table",
                "public.users:update,delete",
                "--table",
                "by_*",
                "--op",
                "delete,insert",
            ],
        );
        let chosen: Vec<String> = chosen
            .iter()
            .map(|event| format!("{} {}", event["op"], event["table"]))
            .collect();
        assert_eq!(
            chosen,
            [
                "\"delete\" \"users\"",
                "\"insert\" \"by_index\"",
                "\"delete\" \"by_index\"",
                "\"delete\" \"users\""
            ]
        );
        let messages = events(PGOUTPUT, &["--op", "message"]);
        let messages: Vec<&Value> = messages.iter().map(|event| &event["content"]).collect();
        assert_eq!(messages, ["with\"out\nend", "within", ""]);
    }

    #[test]
    fn damage_ends_what_was_good_until_then() {
        let (json, text) = (&["--include", "transactions"], &["--format", "text"]);
        for (capture, options, step) in [
            (PGOUTPUT, json, 7),
            (STREAMED, text, 7),
            (WAL2JSON, json, 31),
        ] {
            let (whole, error) = decode(capture, options);
            assert_eq!(error, None);
            for end in (0..capture.len()).step_by(step) {
                let (lines, error) = decode(&capture[..end], options);
                // Where the last message lacks no more than its end can be doubtful; only what is
                // before it must be right.
                let last = lines.trim_end().rfind('\n').map_or(0, |end| end + 1);
                let sure = if error.is_some() { lines.len() } else { last };
                assert!(whole.starts_with(&lines[..sure]), "cut at {end}");
                let offset = error.as_ref().and_then(|error| {
                    error
                        .split("at byte ")
                        .nth(1)?
                        .split(':')
                        .next()?
                        .parse()
                        .ok()
                });
                assert!(
                    error.is_none() || offset.is_some_and(|offset: usize| offset <= end),
                    "cut at {end}: {error:?}"
                );
            }
        }
    }

    #[test]
    fn an_empty_capture_has_no_events() {
        assert_eq!(decode(b"", &[]), (String::new(), None));
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut lines = Lines {
            waiting: b"{}\n".to_vec(),
            stdout: Gone,
        };
        assert!(lines.write().or_else(Ended::into_result).is_ok());
    }
}
