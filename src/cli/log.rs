//! The options of a log as destination: `stream --to`, `check --to`.

// Help texts show brackets as they are.
#![allow(rustdoc::broken_intra_doc_links)]

use super::values::parse_seconds;
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Into a log
#[derive(Debug, Args)]
#[command(next_help_heading = "Into a log")]
pub struct LogOptions {
    /// Publish into a log: nats://HOST[,HOST]/STREAM
    ///
    /// A stream of NATS JetStream, which is its own checkpoint: each event is in it exactly once
    /// and in the order of the commits. tls:// requires TLS. See INTO A LOG.
    #[arg(long, value_name = "URL", help_heading = "Output", requires = "slot",
          conflicts_with_all = ["file", "peek", "consumer", "once", "undo"])]
    pub to: Option<String>,

    /// Subjects of the messages [default: wal.{schema}.{table}]
    ///
    /// With {database}, {schema}, {table} and {op}. In names every byte but A-Z, a-z, 0-9, _ and -
    /// is percent-encoded. What has no table goes to subjects behind the first words, as
    /// wal.@begin, wal.@commit and wal.@message.PREFIX.
    #[arg(
        long,
        value_name = "TEMPLATE",
        default_value = "wal.{schema}.{table}",
        hide_default_value = true,
        hide_short_help = true,
        requires = "to"
    )]
    pub subject: String,

    /// Create the stream if it is not there
    #[arg(long, hide_short_help = true, requires = "to")]
    pub create_stream: bool,

    /// Replicas of a stream that is created [default: 1]
    #[arg(
        long,
        value_name = "N",
        hide_short_help = true,
        requires = "create_stream",
        value_parser = clap::value_parser!(u8).range(1..=5),
        allow_negative_numbers = true
    )]
    pub replicas: Option<u8>,

    /// Confirm this many seconds later [default: 130]
    ///
    /// JetStream acknowledges before it syncs, every two minutes. What it loses in a crash is
    /// published again, as long as PostgreSQL still has it. 0 is for servers with sync_interval:
    /// always.
    #[arg(
        long,
        value_name = "S",
        default_value = "130",
        hide_default_value = true,
        value_parser = parse_seconds,
        allow_negative_numbers = true,
        hide_short_help = true,
        requires = "to"
    )]
    pub confirm_delay: Duration,

    /// Too large events: fail, stub [default: fail]
    ///
    /// fail: the stream ends before it. stub: the event is sent without its rows, with
    /// "oversize":true.
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value_t = Oversize::Fail,
        hide_possible_values = true,
        hide_default_value = true,
        hide_short_help = true,
        requires = "to"
    )]
    pub oversize: Oversize,

    /// Keep transactions together, in atomic batches
    ///
    /// For servers from version 2.12 on and streams with allow_atomic, as --create-stream then
    /// makes them. Several small transactions come in a batch of up to 1,000 messages; a larger one
    /// arrives in order, but not at once.
    #[arg(long, hide_short_help = true, requires = "to")]
    pub atomic: bool,

    /// Be one of two: follow the other, take over when it is gone
    ///
    /// Each has a slot of its own and publishes into the same stream. The one that comes too late
    /// follows, confirms to its own slot what the other has published, and takes over when the
    /// other ends or has nothing more to say.
    #[arg(long, hide_short_help = true, requires = "to")]
    pub standby: bool,

    /// Seconds of silence before a standby takes over [default: 10]
    #[arg(
        long,
        value_name = "S",
        default_value = "10",
        hide_default_value = true,
        value_parser = parse_seconds,
        allow_negative_numbers = true,
        hide_short_help = true,
        requires = "standby"
    )]
    pub standby_after: Duration,

    #[command(flatten)]
    pub access: AccessOptions,
}

/// What proves who we are, beside user and password in the URL.
#[derive(Debug, Args)]
#[command(next_help_heading = "Into a log")]
pub struct AccessOptions {
    /// File with NATS credentials (JWT and seed)
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_CREDS",
        hide_env = true,
        hide_short_help = true,
        value_hint = ValueHint::FilePath
    )]
    pub nats_creds: Option<PathBuf>,

    /// File with the seed of a NATS user key
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_NKEY",
        hide_env = true,
        hide_short_help = true,
        value_hint = ValueHint::FilePath
    )]
    pub nats_nkey: Option<PathBuf>,

    /// File with CA certificates [default: the system's]
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_CA",
        hide_env = true,
        hide_short_help = true,
        value_hint = ValueHint::FilePath
    )]
    pub nats_ca: Option<PathBuf>,

    /// File with a client certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_CERT",
        hide_env = true,
        hide_short_help = true,
        value_hint = ValueHint::FilePath
    )]
    pub nats_cert: Option<PathBuf>,

    /// File with the key of the client certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_KEY",
        hide_env = true,
        hide_short_help = true,
        value_hint = ValueHint::FilePath
    )]
    pub nats_key: Option<PathBuf>,
}

/// What becomes of an event that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Oversize {
    /// It ends the stream.
    Fail,
    /// It is sent without its rows.
    Stub,
}
