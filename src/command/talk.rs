//! What the program says on stderr besides errors: progress, notices, warnings.

use crate::cli::TalkOptions;
use crate::connect::Remark;
use crate::text::printable;
use colored::Colorize;
use std::io::{self, Write};

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    quiet: bool,
    verbose: u8,
}

impl Talk {
    /// As `-q` and `-v` say.
    pub fn new(options: &TalkOptions) -> Talk {
        Talk {
            quiet: options.quiet,
            verbose: options.verbose,
        }
    }

    /// Says what the user will want to know.
    pub fn info(&self, text: &str) {
        self.relay(Remark::Notice, &printable(text));
    }

    /// Warns; `-q` silences it too.
    pub fn warning(&self, text: &str) {
        self.relay(Remark::Warning, &printable(text));
    }

    /// Says what may have several lines, of which the further ones cannot be taken for ours, and
    /// holds nothing that could move the cursor.
    pub fn relay(&self, remark: Remark, text: &str) {
        let walcat = "walcat:".bold();
        let line = match remark {
            Remark::Notice => format!("{walcat} {text}"),
            Remark::Warning => format!("{walcat} {} {text}", "warning:".yellow().bold()),
        };
        self.line(!self.quiet, &line);
    }

    /// Warns, with the command or setting that mends it on a line of its own.
    pub fn warning_with_remedy(&self, text: &str, remedy: &str) {
        let remedy = printable(remedy);
        self.warning(text);
        self.line(!self.quiet, &format!("{} {remedy}", "try:".bold()));
    }

    /// Says what only helps to find a fault; `-v` shows it.
    pub fn detail(&self, text: &str) {
        self.line(
            self.verbose > 0,
            &format!("{} {}", "walcat:".bold(), printable(text)),
        );
    }

    /// Is everything but errors silenced?
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    fn line(&self, wanted: bool, line: &str) {
        if wanted {
            // Nobody is left to be told that stderr is closed.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}
