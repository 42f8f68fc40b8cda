//! Every flag, its help text and its value parser: the one description from which the parser, the man pages and the
//! completions are made. No I/O.

use crate::lsn::Lsn;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Print the changes of a PostgreSQL database as they commit
#[derive(Debug, Parser)]
#[command(name = "walcat", version, disable_help_flag = true, disable_help_subcommand = true, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub connection: ConnectionOptions,

    #[command(flatten)]
    pub talk: TalkOptions,

    #[command(subcommand)]
    pub command: Command,
}

/// Where and as whom to connect; the rest comes from `PG*` variables, service and password file, as for psql.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection options")]
pub struct ConnectionOptions {
    /// Database name, conninfo string or postgresql:// URI
    #[arg(short, long, global = true, value_name = "DBNAME")]
    pub dbname: Option<String>,

    /// Server host or socket directory
    #[arg(short = 'h', long, global = true, value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub host: Option<String>,

    /// Server port
    #[arg(short, long, global = true, value_name = "PORT")]
    pub port: Option<String>,

    /// Role to connect as
    #[arg(short = 'U', long, global = true, value_name = "NAME", value_hint = ValueHint::Username)]
    pub username: Option<String>,

    /// Never prompt for a password
    #[arg(short = 'w', long, global = true, conflicts_with = "password")]
    pub no_password: bool,

    /// Prompt for a password before connecting
    #[arg(short = 'W', long, global = true)]
    pub password: bool,
}

/// What goes to stderr, and colours.
#[derive(Debug, Args)]
#[command(next_help_heading = "General options")]
pub struct TalkOptions {
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Say more (repeat for still more)
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Colour the text format and errors
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto, hide_possible_values = true)]
    pub color: Color,

    /// Print help
    #[arg(long, short = '?', global = true, action = ArgAction::HelpShort)]
    pub help: Option<bool>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the changes of a slot as they commit
    Stream(Box<StreamArgs>),
    /// Manage replication slots
    #[command(subcommand)]
    Slot(SlotCommand),
    /// Manage publications
    #[command(subcommand)]
    Pub(PublicationCommand),
    /// Look at all that streaming needs
    Check(CheckArgs),
    /// Print what pg_recvlogical or `stream --format raw` captured
    Decode(DecodeArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
}

/// Manage replication slots.
#[derive(Debug, Subcommand)]
pub enum SlotCommand {
    /// Create a logical replication slot
    Create(SlotCreateArgs),
    /// Drop replication slots
    Drop(SlotDropArgs),
    /// List replication slots
    List(SlotListArgs),
    /// Move a slot forward without reading it
    Advance(SlotAdvanceArgs),
}

/// Manage publications.
#[derive(Debug, Subcommand)]
pub enum PublicationCommand {
    /// Create a publication
    Create(PublicationCreateArgs),
    /// Drop publications
    Drop(PublicationDropArgs),
    /// List publications
    List(PublicationListArgs),
}

/// `slot create`
#[derive(Debug, Args)]
pub struct SlotCreateArgs {
    /// Name of the slot
    pub name: String,

    #[command(flatten)]
    pub kind: SlotKind,

    /// Succeed if such a slot is already there
    #[arg(long)]
    pub if_not_exists: bool,

    /// Give up after this long
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,
}

/// What kind of slot to create.
#[derive(Debug, Args)]
pub struct SlotKind {
    /// Output plugin of the new slot [default: pgoutput]
    #[arg(short = 'P', long, value_name = "PLUGIN")]
    pub plugin: Option<String>,

    /// Decode prepared transactions when they are prepared
    #[arg(short = 't', long, visible_alias = "enable-two-phase")]
    pub two_phase: bool,

    /// Let standbys take the slot over (PostgreSQL 17)
    #[arg(long, visible_alias = "enable-failover")]
    pub failover: bool,
}

/// `slot drop`
#[derive(Debug, Args)]
pub struct SlotDropArgs {
    /// Names of the slots
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,

    /// Say nothing of slots that are not there
    #[arg(long)]
    pub if_exists: bool,

    /// End the session that holds the slot first
    #[arg(long)]
    pub force: bool,
}

/// `slot list`
#[derive(Debug, Args)]
pub struct SlotListArgs {
    /// How to print the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub format: ListFormat,

    /// Exit with 1 if a slot retains more WAL than this, as 512MB or 10GB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_lag: Option<u64>,
}

/// `slot advance`
#[derive(Debug, Args)]
pub struct SlotAdvanceArgs {
    /// Name of the slot
    pub name: String,

    /// Where to move it [default: the current WAL position]
    #[arg(long, value_name = "LSN")]
    pub to: Option<Lsn>,
}

/// `pub create`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub struct PublicationCreateArgs {
    /// Name of the publication
    pub name: String,

    /// Publish all tables, also those yet to come
    #[arg(long, group = "what", conflicts_with_all = ["table", "schema"])]
    pub all_tables: bool,

    /// Publish a table, written as in SQL: [schema.]table [(columns)] [WHERE (filter)]
    #[arg(long, group = "what", value_name = "TABLE")]
    pub table: Vec<String>,

    /// Publish all tables of a schema
    #[arg(long, group = "what", value_name = "SCHEMA")]
    pub schema: Vec<String>,

    /// Operations to publish, as insert,update [default: all]
    #[arg(long, value_name = "OPS", value_delimiter = ',', value_enum)]
    pub publish: Vec<PublishedOperation>,

    /// Publish changes of partitions as those of their root
    #[arg(long)]
    pub via_root: bool,

    /// Succeed if the publication is already there
    #[arg(long)]
    pub if_not_exists: bool,
}

/// `pub drop`
#[derive(Debug, Args)]
pub struct PublicationDropArgs {
    /// Names of the publications
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,

    /// Say nothing of publications that are not there
    #[arg(long)]
    pub if_exists: bool,
}

/// `pub list`
#[derive(Debug, Args)]
pub struct PublicationListArgs {
    /// How to print the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Slot to look at
    #[arg(short = 'S', long, value_name = "NAME")]
    pub slot: Option<String>,

    /// Publications to look at
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub publication: Vec<String>,
}

/// `decode`
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// The capture; - or none: standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub print: PrintOptions,
}

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `stream`
#[derive(Debug, Args)]
pub struct StreamArgs {
    /// Slot to stream from [default: a temporary one]
    #[arg(short = 'S', long, value_name = "NAME")]
    pub slot: Option<String>,

    /// Create the slot first if it is not there
    #[arg(long, requires = "slot")]
    pub create_slot: bool,

    #[command(flatten)]
    pub kind: SlotKind,

    /// Publications for pgoutput (repeat, or separate with commas)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub publication: Vec<String>,

    /// Create the publication first if it is not there
    #[arg(long)]
    pub create_publication: bool,

    /// Write to a file instead of stdout (-)
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Append to the file without going on where it ends
    #[arg(long, requires = "file")]
    pub no_resume: bool,

    /// Start no earlier than this
    #[arg(short = 'I', long, value_name = "LSN")]
    pub startpos: Option<Lsn>,

    /// Stop once all that committed up to this is written
    #[arg(short = 'E', long, value_name = "LSN")]
    pub endpos: Option<Lsn>,

    /// Stop once all that had committed by now is written
    #[arg(long, conflicts_with = "endpos")]
    pub until_now: bool,

    /// Stop after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,

    /// Stop after this long
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,

    /// Do not reconnect
    #[arg(short = 'n', long)]
    pub no_loop: bool,

    /// Files: fsync at least this often; 0 only at the end
    #[arg(short = 'F', long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub fsync_interval: Duration,

    /// Report to the server at least this often; 0 only when asked
    #[arg(short = 's', long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub status_interval: Duration,

    /// Pass an option to the plugin
    #[arg(short = 'o', long = "option", value_name = "NAME[=VALUE]")]
    pub option: Vec<String>,

    /// Show large transactions before they commit
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Streaming::Off)]
    pub streaming: Streaming,

    /// Show logical messages
    #[arg(long)]
    pub messages: bool,

    /// Changes of which origin: any, or none for local ones only
    #[arg(long, value_enum, value_name = "ORIGIN", hide_possible_values = true)]
    pub origin: Option<Origin>,

    /// Show without consuming: the slot does not move
    #[arg(long)]
    pub peek: bool,

    /// Time zone of timestamptz values
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: String,

    /// Rate, totals, position and lag on stderr
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "1",
          value_parser = parse_seconds)]
    pub stats: Option<Duration>,

    #[command(flatten)]
    pub print: PrintOptions,
}

/// What to print, and how.
#[derive(Debug, Args)]
pub struct PrintOptions {
    /// How to print events
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Json)]
    pub format: Format,

    /// Only these tables, as 'public.*' or public.users:insert,update; ! in front excludes
    #[arg(long, value_name = "PATTERN[:OPS]", allow_hyphen_values = true)]
    pub table: Vec<String>,

    /// Only these: insert,update,delete,truncate,message
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub op: Vec<Operation>,

    /// Add to events: transactions,key,types,columns,relations,changed,origin
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub include: Vec<Include>,

    /// Values as JSON, or each as the text that the server sent
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Values::Json)]
    pub values: Values,
}

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Json,
    /// One readable line a change
    Text,
    /// The plugin's bytes
    Raw,
}

/// How values are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Values {
    /// As row_to_json prints them
    Json,
    /// As strings
    Text,
}

/// How lists are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Aligned columns
    Table,
    /// A JSON array
    Json,
}

/// What `--op` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    Insert,
    Update,
    Delete,
    Truncate,
    Message,
}

/// What `--publish` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PublishedOperation {
    Insert,
    Update,
    Delete,
    Truncate,
}

/// What `--include` adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Include {
    Transactions,
    Key,
    Types,
    Columns,
    Relations,
    Changed,
    Origin,
}

/// What `--streaming` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Streaming {
    /// Transactions arrive when they commit
    Off,
    /// Large ones arrive before
    On,
    /// As `on`, with the position of aborts (PostgreSQL 16)
    Parallel,
}

/// What `--origin` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Origin {
    /// All changes
    Any,
    /// Changes made here
    None,
}

/// Seconds, perhaps with a fraction.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a number of seconds".to_owned())
}

/// A size as in postgresql.conf: a number, perhaps with a fraction, and `B`, `kB`, `MB`, `GB` or `TB` (powers of 1024).
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        "t" | "tb" => 40,
        _ => return Err("the unit must be B, kB, MB, GB or TB".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "not a size, as 512MB or 10GB".to_owned())?;
    let bytes = number * (1u64 << shift) as f64;
    if bytes > i64::MAX as f64 { Err("the size is too large".to_owned()) } else { Ok(bytes as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn connection_options_stand_on_either_side() {
        for line in ["walcat -d x -h y stream -S s", "walcat stream -S s -d x -h y"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!((cli.connection.dbname.as_deref(), cli.connection.host.as_deref()), (Some("x"), Some("y")));
        }
    }

    #[test]
    fn reads_sizes_and_seconds() {
        assert_eq!(parse_size("512MB"), Ok(512 << 20));
        assert_eq!(parse_size("1.5 kB"), Ok(1536));
        assert_eq!(parse_size("7"), Ok(7));
        for bad in ["", "MB", "1XB", "-1", "1..2", "99999999999TB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "-1", "NaN", "inf", "x", "1e300"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
