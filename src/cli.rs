//! Every flag, its help text and its value parser: the one description from which the parser, the man pages and the
//! completions are made. No I/O.

// Help texts show brackets as they are.
#![allow(rustdoc::broken_intra_doc_links)]

use crate::lsn::Lsn;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Print the changes of a PostgreSQL database as they commit
#[derive(Debug, Parser)]
#[command(name = "walcat", version, disable_help_flag = true, disable_help_subcommand = true, max_term_width = 110)]
#[command(after_help = "walcat COMMAND --help tells more, and man walcat all.")]
pub struct Cli {
    #[command(flatten)]
    pub connection: ConnectionOptions,

    #[command(flatten)]
    pub talk: TalkOptions,

    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the command line of this process. If it is wrong, or asks for help, says so and exits.
    pub fn from_command_line() -> Cli {
        let matches = command().try_get_matches().unwrap_or_else(|error| {
            if error.use_stderr() {
                eprint!("walcat: ");
            }
            error.exit()
        });
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The description of the command line, as `--help` shows it: options that every subcommand has are told only once, by
/// `walcat --help`. Man pages and completions have them everywhere: they use [`Cli::command`].
pub fn command() -> clap::Command {
    let command = Cli::command();
    let shared: Vec<clap::Arg> = command.get_arguments().filter(|option| option.is_global_set()).cloned().collect();
    command.mut_subcommands(|sub| hide(sub, &shared))
}

/// The script that makes a shell complete the command line.
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut without_file_names(Cli::command()), "walcat", &mut script);
    script
}

/// Shells offer the names of files for every value of which they do not know that it is none.
fn without_file_names(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|option| match option.get_value_hint() {
        ValueHint::Unknown if option.get_action().takes_values() => option.value_hint(ValueHint::Other),
        _ => option,
    });
    command.mut_subcommands(without_file_names)
}

/// clap hands global options down to subcommands, but not over one of the same name: the hidden ones are there first.
fn hide(command: clap::Command, shared: &[clap::Arg]) -> clap::Command {
    let command = command.mut_subcommands(|sub| hide(sub, shared));
    command.args(shared.iter().cloned().map(|option| option.hide(true)))
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
    #[arg(short, long, global = true, value_name = "PORT", allow_negative_numbers = true)]
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
    /// Print what pg_recvlogical or stream --format raw captured
    Decode(DecodeArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
}

/// Below the help of every subcommand.
const SEE_ALSO: &str = "Options to connect, -q, -v, --color: see walcat --help";

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
#[command(after_help = SEE_ALSO)]
pub struct SlotCreateArgs {
    /// Name of the slot
    pub name: String,

    #[command(flatten)]
    pub kind: SlotKind,

    /// Succeed if such a slot is already there
    #[arg(long)]
    pub if_not_exists: bool,

    /// Give up after this long
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub timeout: Option<Duration>,
}

/// What kind of slot to create.
#[derive(Debug, Args)]
pub struct SlotKind {
    /// Output plugin of a new slot [default: pgoutput]
    ///
    /// pgoutput or wal2json; any other can only be streamed with --format raw. A slot that is there already has its own.
    #[arg(short = 'P', long, value_name = "PLUGIN")]
    pub plugin: Option<String>,

    /// Decode transactions when they are prepared
    ///
    /// Otherwise they are decoded when they are committed. It is a property of the slot, given when it is created.
    /// --enable-two-phase is the same.
    #[arg(short = 't', long, alias = "enable-two-phase")]
    pub two_phase: bool,

    /// Let standbys take the slot over (17+)
    ///
    /// They keep a copy of it that can be used after a fail-over (PostgreSQL 17 and later). --enable-failover is the same.
    #[arg(long, alias = "enable-failover")]
    pub failover: bool,
}

/// `slot drop`
#[derive(Debug, Args)]
#[command(after_help = SEE_ALSO)]
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
#[command(after_help = SEE_ALSO)]
pub struct SlotListArgs {
    /// How to print the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub format: ListFormat,

    /// Exit with 1 if a slot is lost or retains more WAL than this, as 512MB or 10GB
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_negative_numbers = true)]
    pub max_lag: Option<u64>,
}

/// `slot advance`
#[derive(Debug, Args)]
#[command(after_help = SEE_ALSO)]
pub struct SlotAdvanceArgs {
    /// Name of the slot
    pub name: String,

    /// Where to move it [default: the current WAL position]
    #[arg(long, value_name = "LSN", allow_negative_numbers = true)]
    pub to: Option<Lsn>,
}

/// `pub create`
#[derive(Debug, Args)]
#[command(
    after_help = SEE_ALSO,
    override_usage = "walcat pub create [OPTIONS] <NAME> {--all-tables|--table T|--schema S}"
)]
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
#[command(after_help = SEE_ALSO)]
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
#[command(after_help = SEE_ALSO)]
pub struct PublicationListArgs {
    /// How to print the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// `check`
#[derive(Debug, Args)]
#[command(after_help = SEE_ALSO)]
pub struct CheckArgs {
    /// Slot to look at
    #[arg(short = 'S', long, value_name = "NAME")]
    pub slot: Option<String>,

    /// Publications to look at
    ///
    /// Separated by commas; a name in double quotes is taken as in SQL.
    #[arg(long, value_name = "NAME", value_parser = parse_names)]
    pub publication: Vec<Names>,
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

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `stream`
#[derive(Debug, Args)]
#[command(after_help = STREAM_LISTS)]
pub struct StreamArgs {
    /// Slot to stream from [default: a temporary one]
    ///
    /// Its plugin decides how it is decoded. A temporary slot shows what commits from now on, and is gone when the program
    /// ends.
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
    /// Their tables are shown. Other plugins know no publications. The option may also be repeated. A name in double quotes is
    /// taken as in SQL: it may have commas, and its own double quotes stand twice.
    #[arg(long, value_name = "NAME", value_parser = parse_names)]
    pub publication: Vec<Names>,

    /// Create the publication if it is not there
    ///
    /// It is made for the tables of --table, else for all tables, and named walcat if --publication is not given. It is
    /// refused if UPDATE or DELETE would then fail on tables without a replica identity.
    #[arg(long)]
    pub create_publication: bool,

    /// Show without consuming: the slot does not move
    #[arg(long)]
    pub peek: bool,

    /// Start no earlier than this
    ///
    /// The server does not go back behind the slot's confirmed position.
    #[arg(short = 'I', long, value_name = "LSN", allow_negative_numbers = true)]
    pub startpos: Option<Lsn>,

    /// Large transactions early: off, on, parallel
    ///
    /// Their changes then come before they commit, bear no commit_lsn, and may turn out to be void: see EVENTS. parallel
    /// (PostgreSQL 16 and later) adds the position and time of aborts.
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Streaming::Off, hide_possible_values = true,
          hide_default_value = true)]
    pub streaming: Streaming,

    /// Show logical messages
    ///
    /// Those of pg_logical_emit_message(). --op message does so too.
    #[arg(long)]
    pub messages: bool,

    /// Changes of any origin; none: made here
    ///
    /// With none those that came by replication are left out (PostgreSQL 16 and later).
    #[arg(long, value_enum, value_name = "ORIGIN", hide_possible_values = true)]
    pub origin: Option<Origin>,

    /// Pass an option to the plugin
    ///
    /// It may be repeated.
    #[arg(short = 'o', long = "option", value_name = "NAME=VALUE")]
    pub option: Vec<String>,

    /// Stop once all committed up to this is written
    ///
    /// Never in the middle of a transaction.
    #[arg(short = 'E', long, value_name = "LSN", allow_negative_numbers = true, help_heading = "When to stop")]
    pub endpos: Option<Lsn>,

    /// Stop once all committed by now is written
    ///
    /// By now: when the program started.
    #[arg(long, conflicts_with = "endpos", help_heading = "When to stop")]
    pub until_now: bool,

    /// Stop after this many events
    ///
    /// A slot moves from commit to commit: a transaction that the limit cuts comes again, as a whole, in the next run. With
    /// --file what is in the file already is dropped then.
    #[arg(long, value_name = "N", value_parser = parse_limit, allow_negative_numbers = true, help_heading = "When to stop")]
    pub limit: Option<u64>,

    /// Stop after this many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds, allow_negative_numbers = true, help_heading = "When to stop")]
    pub timeout: Option<Duration>,

    /// Stop when the connection is lost
    ///
    /// Otherwise the program connects again.
    #[arg(short = 'n', long, help_heading = "When to stop")]
    pub no_loop: bool,

    #[command(flatten)]
    pub print: PrintOptions,

    /// Time zone of timestamptz values [default: UTC]
    #[arg(long, value_name = "ZONE", default_value = "UTC", hide_default_value = true, help_heading = "Output")]
    pub timezone: String,

    /// Write to a file instead of stdout (-)
    ///
    /// A JSON file is its own checkpoint: the next run goes on where it ends, with neither gap nor repeat. See DELIVERY.
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub file: Option<PathBuf>,

    /// Append, wherever the file ends
    ///
    /// What the file holds is not looked at.
    #[arg(long, requires = "file", help_heading = "Output")]
    pub no_resume: bool,

    /// Seconds between fsyncs of the file [default: 10]
    ///
    /// It is synced at least this often. 0: not at intervals, only when the server asks and at the end.
    #[arg(short = 'F', long, value_name = "S", default_value = "10", hide_default_value = true, value_parser = parse_seconds,
          allow_negative_numbers = true, help_heading = "Output")]
    pub fsync_interval: Duration,

    /// Seconds between reports to the server [default: 10]
    ///
    /// It is told at least this often what is durable. 0: only when the server asks or its wal_sender_timeout requires it.
    #[arg(short = 's', long, value_name = "S", default_value = "10", hide_default_value = true, value_parser = parse_seconds,
          allow_negative_numbers = true, help_heading = "Output")]
    pub status_interval: Duration,

    /// Rate, position and lag on stderr
    ///
    /// Every second or every so many seconds, with totals; on a terminal one line kept in place.
    #[arg(long, value_name = "S", num_args = 0..=1, require_equals = true, default_missing_value = "1",
          value_parser = parse_seconds, help_heading = "Output")]
    pub stats: Option<Duration>,
}

/// Below the help of `stream`: what is too long for a line of its own.
const STREAM_LISTS: &str = "\
LIST of --op: insert, update, delete, truncate, message
LIST of --include: transactions, key, types, columns, relations, changed, origin
Options to connect, -q, -v, --color: see walcat --help; examples: man walcat-stream";

/// Below the help of `decode`.
const DECODE_LISTS: &str = "\
LIST of --op: insert, update, delete, truncate, message
LIST of --include: transactions, key, types, columns, relations, changed, origin";

/// What to print, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct PrintOptions {
    /// json, text or raw [default: json]
    ///
    /// How to print events. json: one object a line. text: one line a change, made to be read. raw: the plugin's own bytes,
    /// as pg_recvlogical writes them.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Json, hide_possible_values = true,
          hide_default_value = true)]
    pub format: Format,

    /// Only these tables, as 'app.*' or users:delete
    ///
    /// schema.table, or a table in any schema, perhaps followed by a colon and operations, as in 'public.*' or
    /// public.users:insert,update. * stands for any text and ? for any character; ! in front excludes. The option may be
    /// repeated.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub table: Vec<String>,

    /// Only these operations
    ///
    /// insert, update, delete, truncate, message; separated by commas.
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub op: Vec<Operation>,

    /// What to add to events
    ///
    /// Separated by commas: transactions (begin and commit), key (the identity's columns), types
    /// (column to type), columns (their definitions), relations (an event for each table's shape), changed (columns that
    /// differ, where the old row is known), origin.
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub include: Vec<Include>,

    /// Values as json or text [default: json]
    ///
    /// As JSON they are what row_to_json() prints, as text the strings that the server sent. See VALUES.
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Values::Json, hide_possible_values = true,
          hide_default_value = true)]
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
    /// Events for the begin and the end of transactions
    Transactions,
    /// The names of the identity columns
    Key,
    /// The type of each column
    Types,
    /// The definition of each column
    Columns,
    /// An event for each table and each new shape of it
    Relations,
    /// The names of the columns that an update changed
    Changed,
    /// The replication origin
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

/// Names that were given together, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

/// Names separated by commas. In double quotes a name is as in SQL, else it is taken as it is.
fn parse_names(text: &str) -> Result<Names, String> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, behind) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => parse_quoted(quoted)?,
            None => {
                let (name, behind) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                (name.trim().to_owned(), behind)
            }
        };
        if name.is_empty() {
            return Err("a name is missing".to_owned());
        }
        names.push(name);
        rest = match behind.trim_start() {
            "" => return Ok(Names(names)),
            more => more.strip_prefix(',').ok_or("expected a comma behind the name in double quotes")?,
        };
    }
}

/// A name up to the double quote that ends it, and what stands behind that.
fn parse_quoted(text: &str) -> Result<(String, &str), String> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, behind) = rest.split_once('"').ok_or("a double quote is not closed")?;
        name += part;
        match behind.strip_prefix('"') {
            Some(behind) => {
                name.push('"');
                rest = behind;
            }
            None => return Ok((name, behind)),
        }
    }
}

/// How many events, at the least one.
fn parse_limit(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|&limit| limit > 0).ok_or_else(|| "not a number of events, 1 or more".to_owned())
}

/// Seconds, perhaps with a fraction.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        // Beyond any life of a program, but within the clock's reach.
        Ok(duration) if seconds < 1e10 => Ok(duration),
        _ => Err("not a number of seconds".to_owned()),
    }
}

/// A size as in postgresql.conf: a number, perhaps with a fraction, and `B`, `kB`, `MB`, `GB` or `TB` (powers of 1024).
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| "not a size, as 512MB or 10GB".to_owned())?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        "t" | "tb" => 40,
        _ => return Err("the unit must be B, kB, MB, GB or TB".to_owned()),
    };
    let bytes = number * (1u64 << shift) as f64;
    if bytes > i64::MAX as f64 { Err("the size is too large".to_owned()) } else { Ok(bytes as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn reads_names_as_sql_does() {
        let names = |text: &str| parse_names(text).map(|names| names.0);
        assert_eq!(names("a, b,C d"), Ok(vec!["a".to_owned(), "b".to_owned(), "C d".to_owned()]));
        assert_eq!(names("\"a,b\" ,c,\"d\"\"e\""), Ok(vec!["a,b".to_owned(), "c".to_owned(), "d\"e".to_owned()]));
        for bad in ["", "a,", ",a", "\"a", "\"a\"b", "\"\""] {
            assert!(names(bad).is_err(), "{bad}");
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
        for bad in ["", "-1", "NaN", "inf", "x", "1e19", "1e300"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
