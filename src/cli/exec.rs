//! The options of `stream` that make a command its consumer.

// Help texts show brackets as they are.
#![allow(rustdoc::broken_intra_doc_links)]

use super::values::{parse_count, parse_limit, parse_seconds};
use clap::{Args, ValueHint};
use std::ffi::OsString;
use std::time::Duration;

/// A command that takes the output.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output to a command")]
#[command(
    group = clap::ArgGroup::new("consumer").multiple(true).conflicts_with_all(["file", "peek"])
)]
pub struct ExecArgs {
    /// Give transactions to a command, in batches
    ///
    /// sh -c runs it for each batch, which it gets on its standard input. The slot moves on only if
    /// it exits with 0: see COMMANDS. With arguments behind -- there is no shell.
    #[arg(
        long,
        value_name = "COMMAND",
        num_args = 0..=1,
        group = "consumer",
        value_hint = ValueHint::CommandString
    )]
    pub exec: Option<Option<OsString>>,

    /// A command that is run without a shell
    ///
    /// Its arguments are passed on as they are.
    #[arg(
        last = true,
        hide_short_help = true,
        value_name = "COMMAND",
        group = "consumer",
        value_hint = ValueHint::CommandWithArguments
    )]
    pub arguments: Vec<OsString>,

    /// End a batch after this many events [default: 5000]
    ///
    /// With the transaction that brings the last of them: none is split.
    #[arg(
        long,
        value_name = "N",
        default_value = "5000",
        hide_default_value = true,
        hide_short_help = true,
        value_parser = parse_limit,
        allow_negative_numbers = true,
        requires = "consumer"
    )]
    pub batch_rows: u64,

    /// End a batch so long after its start [default: 1]
    ///
    /// In seconds from its first event on, and at the end of a transaction. With 0 each transaction
    /// is a batch, unless more of them come at once.
    #[arg(
        long,
        value_name = "S",
        default_value = "1",
        hide_default_value = true,
        hide_short_help = true,
        value_parser = parse_seconds,
        allow_negative_numbers = true,
        requires = "consumer"
    )]
    pub batch_interval: Duration,

    /// Give a failed batch again so often [default: 0]
    ///
    /// Before walcat ends with status 1, after pauses of 1, 2, 4, ... up to 60 seconds.
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        hide_default_value = true,
        hide_short_help = true,
        value_parser = parse_count,
        allow_negative_numbers = true,
        requires = "consumer"
    )]
    pub retries: u32,
}

impl ExecArgs {
    /// Returns `true` if a command is to take the output.
    pub fn is_given(&self) -> bool {
        self.exec.is_some() || !self.arguments.is_empty()
    }

    /// Returns `true` if it is for a shell to read.
    pub fn has_command_line(&self) -> bool {
        self.arguments.is_empty()
    }

    /// The command and its arguments, or the one line for the shell.
    pub fn words(&self) -> Vec<OsString> {
        let command = self.exec.iter().flatten();
        command.chain(&self.arguments).cloned().collect()
    }
}
