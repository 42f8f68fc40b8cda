//! `walcat completions`: prints the script that makes a shell complete the command line.

use crate::cli::{self, CompletionsArgs};
use crate::error::{Error, Result};
use std::io::{self, ErrorKind, Write};

/// Prints the script. A reader that goes away, as `head`, has what it wanted.
pub fn run(args: &CompletionsArgs) -> Result<()> {
    match io::stdout().write_all(&cli::completions(args.shell)) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::new(format!(
            "could not write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}
