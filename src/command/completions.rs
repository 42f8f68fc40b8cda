//! `walcat completions`: prints the script that makes a shell complete the command line.

use crate::cli::{self, CompletionsArgs};
use anyhow::{Context, Result};
use std::io::{self, ErrorKind, Write};

/// Prints the script. A reader that goes away, as `head`, has what it wanted.
pub fn run(args: &CompletionsArgs) -> Result<()> {
    match io::stdout().write_all(&cli::completions(args.shell)) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("could not write to standard output"),
    }
}
