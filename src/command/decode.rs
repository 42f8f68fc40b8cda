//! `walcat decode`: prints what `pg_recvlogical` or `stream --format raw` captured, without a server.

use super::{Talk, is_colored, print_settings};
use crate::cli::{DecodeArgs, TalkOptions};
use crate::decode::capture::{Capture, CaptureError, Plugin};
use crate::decode::{self, DecodeError, Decoder};
use crate::error::{Error, Result};
use crate::render::Printer;
use crate::value::{NoCatalog, Types};
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

/// Lines are written when so much has come together, or when the input makes wait.
const BLOCK: usize = 256 << 10;

/// Prints the events of the capture. On damaged input what stands before the damage is printed.
pub fn run(args: &DecodeArgs, talk: &TalkOptions) -> Result<()> {
    let stdout = io::stdout();
    let colored = is_colored(talk, stdout.is_terminal());
    let Some(settings) = print_settings(&args.print, true, colored)? else {
        return Err(Error::usage("--format raw makes no sense here: the capture is what it would print"));
    };
    let input = open(args.file.as_deref())?;
    let printer = Printer::new(settings, Types::new(Box::new(NoCatalog)));
    let mut lines = Lines { waiting: Vec::with_capacity(BLOCK), stdout: stdout.lock() };
    match print_all(input, printer, &mut lines, Talk::new(talk)) {
        Err(Ended::Error(error)) => {
            lines.write().or_else(Ended::into_result)?;
            Err(error)
        }
        result => result.or_else(Ended::into_result),
    }
}

/// Why printing ends before the capture does.
enum Ended {
    Error(Error),
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
        let result = self.stdout.write_all(&self.waiting).and_then(|()| self.stdout.flush());
        self.waiting.clear();
        result.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Ended::ReaderGone,
            _ => Ended::Error(Error::new(format!("could not write to standard output: {error}"))),
        })
    }
}

fn open(path: Option<&Path>) -> Result<Box<dyn Read>> {
    match path {
        None => Ok(Box::new(io::stdin().lock())),
        Some(path) if path == Path::new("-") => Ok(Box::new(io::stdin().lock())),
        Some(path) => match File::open(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(Error::new(format!("could not open file \"{}\": {error}", path.display()))),
        },
    }
}

fn print_all<W: Write>(
    input: impl Read,
    mut printer: Printer,
    lines: &mut Lines<W>,
    talk: Talk,
) -> std::result::Result<(), Ended> {
    let mut capture = Capture::new(input);
    let mut decoder = match capture.plugin()? {
        None => return Ok(()),
        Some(Plugin::Pgoutput) => Decoder::pgoutput(),
        Some(Plugin::Wal2json) => Decoder::wal2json(Box::new(decode::NoCatalog)),
    };
    loop {
        if lines.waiting.len() >= BLOCK || capture.must_read() && !lines.waiting.is_empty() {
            lines.write()?;
        }
        let Some(message) = capture.next_message()? else {
            return lines.write();
        };
        let decoded = decoder.decode(None, message, |event| {
            printer.print(event, &mut lines.waiting);
            ControlFlow::Continue(())
        });
        // Only the first rows of a type and what cannot be decoded have warnings.
        printer.take_warnings().iter().for_each(|warning| talk.warning(warning));
        if let Err(error) = decoded {
            return Err(error.shifted(capture.message_offset()).into());
        }
    }
}

impl From<CaptureError> for Ended {
    fn from(error: CaptureError) -> Ended {
        Ended::Error(Error::new(error.to_string()))
    }
}

impl From<DecodeError> for Ended {
    fn from(error: DecodeError) -> Ended {
        Ended::Error(Error::new(error.to_string()))
    }
}
