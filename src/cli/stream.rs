//! The options of the commands that print events: `stream` and `decode`.

// Help texts show brackets as they are.
#![allow(rustdoc::broken_intra_doc_links)]

use super::log::LogOptions;
use super::values::{self, Names, parse_limit, parse_names, parse_seconds};
use super::{ExecArgs, SlotKind};
use crate::lsn::Lsn;
use crate::plugin::{Origin, Streaming};
use crate::render::{FORMATS, Format, Include, Values};
use crate::select::Operation;
use clap::{Args, ValueHint};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `stream`
#[derive(Debug, Args)]
#[command(after_help = STREAM_LISTS)]
pub struct StreamArgs {
    /// Slot to stream from [default: a temporary one]
    ///
    /// Its plugin decides how it is decoded. A temporary slot shows what commits from now on, and
    /// is gone when the program ends.
    #[arg(short = 'S', long, value_name = "NAME")]
    pub slot: Option<String>,

    /// Create the slot if it is not there
    ///
    /// It is made of the kind that --plugin, --two-phase and --failover say.
    #[arg(long, requires = "slot")]
    pub create_slot: bool,

    #[command(flatten)]
    pub kind: SlotKind,

    /// Publications for pgoutput, comma-separated
    ///
    /// Their tables are shown. Other plugins know no publications. The option may also be repeated.
    /// A name in double quotes is taken as in SQL: it may have commas, and its own double quotes
    /// stand twice. Without it the only publication of the database is taken, if there is just one.
    #[arg(short = 'b', long, value_name = "NAME", value_parser = parse_names)]
    pub publication: Vec<Names>,

    /// Create the publication if it is not there
    ///
    /// It is made for the tables of --table, else for all tables, and for the operations of --op,
    /// and named walcat if --publication is not given. It is refused if UPDATE or DELETE would then
    /// fail on tables without a replica identity.
    #[arg(long)]
    pub create_publication: bool,

    /// Show without consuming: the slot does not move
    #[arg(long)]
    pub peek: bool,

    /// First the rows that are there already
    ///
    /// Those of all tables that are published, or of the tables that the patterns choose (as with
    /// --table, separated by commas). Then, and meanwhile, what changes: see SNAPSHOTS.
    #[arg(
        long,
        value_name = "PATTERN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "*",
        value_delimiter = ',',
        conflicts_with_all = ["startpos", "endpos", "limit"]
    )]
    pub snapshot: Vec<String>,

    /// Start no earlier than this
    ///
    /// The server does not go back behind the slot's confirmed position.
    #[arg(short = 'I', long, value_name = "LSN", allow_negative_numbers = true)]
    pub startpos: Option<Lsn>,

    /// Large transactions early: off, on, parallel
    ///
    /// Their changes then come before they commit, bear no commit_lsn, and may turn out to be void:
    /// see EVENTS. parallel (PostgreSQL 16 and later) adds the position and time of aborts.
    #[arg(
        long,
        value_parser = values::streaming(),
        value_name = "MODE",
        default_value = Streaming::Off.name(),
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub streaming: Streaming,

    /// Show logical messages
    ///
    /// Those of pg_logical_emit_message(). --op message does so too.
    #[arg(long)]
    pub messages: bool,

    /// Changes of any origin; none: made here
    ///
    /// With none those that came by replication are left out (PostgreSQL 16 and later).
    #[arg(
        long,
        value_parser = values::origin(),
        hide_short_help = true,
        value_name = "ORIGIN",
        hide_possible_values = true
    )]
    pub origin: Option<Origin>,

    /// Pass an option to the plugin
    ///
    /// It may be repeated.
    #[arg(short = 'o', long = "option", value_name = "NAME=VALUE")]
    pub option: Vec<String>,

    /// Stop once all committed up to this is written
    ///
    /// Never in the middle of a transaction.
    #[arg(
        short = 'E',
        long,
        value_name = "LSN",
        allow_negative_numbers = true,
        help_heading = "When to stop"
    )]
    pub endpos: Option<Lsn>,

    /// Stop once all committed by now is written
    ///
    /// By now: when the program started, also with synchronous_commit off. What is not yet on the
    /// server's disk is waited for.
    #[arg(long, conflicts_with = "endpos", help_heading = "When to stop")]
    pub until_now: bool,

    /// Stop after this many events
    ///
    /// At the end of a transaction, as a slot moves from one to the next: what comes behind the
    /// limit in the same transaction is still written. Exactly at the limit where the next run can
    /// go on within the transaction (a JSON file), and where the slot does not move (--peek, or a
    /// temporary slot). With --streaming, once no transaction is open of which changes were
    /// written.
    #[arg(
        long,
        value_name = "N",
        value_parser = parse_limit,
        allow_negative_numbers = true,
        help_heading = "When to stop"
    )]
    pub limit: Option<u64>,

    /// Stop after this long, as 30s or 5min
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_seconds,
        allow_negative_numbers = true,
        help_heading = "When to stop"
    )]
    pub timeout: Option<Duration>,

    /// Stop when the connection is lost
    ///
    /// Otherwise the program connects again.
    #[arg(short = 'n', long, help_heading = "When to stop")]
    pub no_loop: bool,

    #[command(flatten)]
    pub print: PrintOptions,

    /// Time zone of timestamptz values [default: UTC]
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "UTC",
        hide_default_value = true,
        help_heading = "Output"
    )]
    pub timezone: String,

    /// Write to a file instead of stdout (-)
    ///
    /// A JSON file is its own checkpoint: the next run goes on where it ends, with neither gap nor
    /// repeat. See DELIVERY.
    #[arg(
        short,
        long,
        value_name = "PATH",
        value_hint = ValueHint::FilePath,
        help_heading = "Output"
    )]
    pub file: Option<PathBuf>,

    /// Apply in this database exactly once
    ///
    /// With --format sql, for psql at the other end of the pipe: the database that it writes to, as
    /// for -d. A table there, walcat.replayed, says which transaction was the last; the statements
    /// keep it up, and nothing is confirmed to the server before it is committed there. However
    /// often walcat, psql or either server is killed, no change is lost, and none applied twice.
    #[arg(
        long,
        value_name = "DBNAME",
        requires = "slot",
        conflicts_with_all = ["file", "peek", "undo", "two_phase"],
        help_heading = "Output"
    )]
    pub once: Option<String>,

    /// Append, wherever the file ends
    ///
    /// What the file holds is not looked at.
    #[arg(long, requires = "file", help_heading = "Output")]
    pub no_resume: bool,

    /// Time between fsyncs of the file [default: 10s]
    ///
    /// It is synced at least this often, when the server asks, and at the end. What is not synced
    /// is not confirmed, so 0, with which pg_recvlogical confirms what it never synced, is refused.
    #[arg(
        short = 'F',
        long,
        value_name = "TIME",
        default_value = "10",
        hide_default_value = true,
        value_parser = parse_seconds,
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    pub fsync_interval: Duration,

    /// Time between status reports [default: 10s]
    ///
    /// It is told at least this often what is durable. 0: only when the server asks or its
    /// wal_sender_timeout requires it.
    #[arg(
        short = 's',
        long,
        value_name = "TIME",
        default_value = "10",
        hide_default_value = true,
        value_parser = parse_seconds,
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    pub status_interval: Duration,

    /// Rate, position and lag on stderr
    ///
    /// Every second, or as often as this says, with totals; on a terminal one line kept in place.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = parse_seconds,
        help_heading = "Output"
    )]
    pub stats: Option<Duration>,

    #[command(flatten)]
    pub exec: ExecArgs,

    #[command(flatten)]
    pub log: LogOptions,
}

/// Below the help of `stream`: what is too long for a line of its own.
const STREAM_LISTS: &str = "\
--op: insert, update, delete, truncate, message
--include: transactions, key, types, columns, relations, changed, origin, id
Options to connect, -q, -v: see walcat --help; examples: man walcat-stream";

/// Below the help of `decode`.
const DECODE_LISTS: &str = "\
--op: insert, update, delete, truncate, message
--include: transactions, key, types, columns, relations, changed, origin, id";

/// What to print, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct PrintOptions {
    /// How to print events.
    #[arg(long, value_parser = values::format(), value_name = "FORMAT",
          default_value = Format::JSON.name(), hide_possible_values = true,
          hide_default_value = true, help = formats(), long_help = formats_at_length())]
    pub format: Format,

    /// What takes the changes back, newest first
    ///
    /// With --format sql: the statements that make the tables be what they were before. The old
    /// rows of updates and deletes are needed, as tables send them with REPLICA IDENTITY FULL.
    /// stream needs --until-now (or --endpos) and --peek with it.
    #[arg(long)]
    pub undo: bool,

    /// Only these tables, as 'app.*' or users:delete
    ///
    /// schema.table, or a table in any schema, perhaps followed by a colon and operations, as in
    /// 'public.*' or public.users:insert,update. * stands for any text and ? for any character; !
    /// in front excludes. The option may be repeated. What it hides is consumed like the rest: see
    /// --peek.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub table: Vec<String>,

    /// Only these operations
    ///
    /// insert, update, delete, truncate, message; separated by commas.
    #[arg(
        long,
        value_name = "LIST",
        value_parser = values::operation(),
        value_delimiter = ',',
        hide_possible_values = true
    )]
    pub op: Vec<Operation>,

    /// What to add to events
    ///
    /// Separated by commas: transactions (begin and commit), key (the identity's columns), types
    /// (column to type), columns (their definitions), relations (an event for each table's shape),
    /// changed (columns that differ, where the old row is known), origin, id (one string that names
    /// the event and sorts as the stream does: see EVENTS).
    #[arg(
        long,
        value_name = "LIST",
        value_parser = values::include(),
        value_delimiter = ',',
        hide_possible_values = true
    )]
    pub include: Vec<Include>,

    /// Text on a terminal: one column a line
    ///
    /// As psql's \x does, with the old and the new value of what an update changed. Where the
    /// output is no terminal it has no effect, as --full and --max-width.
    #[arg(short = 'x', long)]
    pub expanded: bool,

    /// Text on a terminal: whole values
    ///
    /// Just what is written where the output is no terminal: one line a change, with nothing
    /// shortened, folded or put in order. With --expanded only values are whole.
    #[arg(long, conflicts_with = "max_width", hide_short_help = true)]
    pub full: bool,

    /// Text on a terminal: shorten values that take more columns
    ///
    /// Their beginning is shown, and their full size. By default as many columns as leave a row
    /// readable in a window of this width.
    #[arg(
        long,
        value_name = "COLUMNS",
        value_parser = values::parse_columns,
        hide_short_help = true
    )]
    pub max_width: Option<usize>,

    /// Values as json or text [default: json]
    ///
    /// As JSON they are what row_to_json() prints, as text the strings that the server sent. See
    /// VALUES.
    #[arg(long, value_parser = values::values(), value_name = "FORM",
          default_value = Values::Json.name(), hide_possible_values = true,
          hide_default_value = true)]
    pub values: Values,
}

impl StreamArgs {
    /// The file to write to, where one is named.
    pub fn named_file(&self) -> Option<&Path> {
        let file = self.file.as_deref();
        file.filter(|&path| path != Path::new("-"))
    }
}

/// `decode`
#[derive(Debug, Args)]
#[command(after_help = DECODE_LISTS)]
pub struct DecodeArgs {
    /// The capture; - or none: standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub print: PrintOptions,
}

/// For the help: `json, text or raw [default: json]`.
fn formats() -> String {
    let names = values::names(&FORMATS, Format::name);
    format!("{names} [default: {}]", Format::JSON.name())
}

/// The same, with what each looks like.
fn formats_at_length() -> String {
    let each = FORMATS.map(|format| format!("\n  {}: {}", format.name(), format.about()));
    format!("{}\n\nHow to print events:{}", formats(), each.concat())
}
