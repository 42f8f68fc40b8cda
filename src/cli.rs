//! Every flag, its help text and its value parser: the one description from which the parser, the
//! man pages and the completions are made. No I/O.

// Help texts show brackets as they are.
#![allow(rustdoc::broken_intra_doc_links)]

mod complete;
mod exec;
mod log;
mod scripts;
mod secret;
mod stream;
mod values;

pub use complete::{Kind, Wanted, wanted};
pub use exec::ExecArgs;
pub use log::{AccessOptions, LogOptions, Oversize};
pub use scripts::completions;
pub use stream::{DecodeArgs, PrintOptions, StreamArgs};
pub use values::{CheckFormat, LagLimit, ListFormat, Measure, Names};

use crate::lsn::Lsn;
use crate::select::Operation;
use clap::{
    ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint,
};
use std::time::Duration;
use values::{parse_lag_limit, parse_names, parse_seconds};

/// Print the changes of a PostgreSQL database as they commit
#[derive(Debug, Parser)]
#[command(
    name = "walcat",
    version,
    disable_help_flag = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
#[command(after_help = "walcat COMMAND --help tells more, and man walcat all.")]
pub struct Cli {
    #[command(flatten)]
    pub connection: ConnectionOptions,

    #[command(flatten)]
    pub messages: MessageOptions,

    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the command line of this process. If it is wrong, or asks for help, says so and exits.
    pub fn from_command_line() -> Cli {
        let matches = command().try_get_matches().unwrap_or_else(|error| {
            let arguments: Vec<_> = std::env::args_os().skip(1).collect();
            if error.use_stderr() && secret::is_shown(&arguments, &error.render().to_string()) {
                eprintln!("walcat: error: {}", secret::INSTEAD);
                std::process::exit(error.exit_code());
            }
            if error.use_stderr() {
                eprint!("walcat: ");
            }
            error.exit()
        });
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let Command::Help(help) = &cli.command {
            let words = help.command.iter().map(String::as_str);
            let line = ["walcat"].into_iter().chain(words).chain(["--help"]);
            if let Err(help) = command().try_get_matches_from(line) {
                help.exit();
            }
        }
        cli
    }
}

/// The description of the command line, as `--help` shows it: options that every subcommand has are
/// told only once, by `walcat --help`. Man pages and completions have them everywhere: they use
/// [`Cli::command`].
pub fn command() -> clap::Command {
    let command = Cli::command();
    let shared: Vec<clap::Arg> = command
        .get_arguments()
        .filter(|option| option.is_global_set())
        .cloned()
        .collect();
    command.mut_subcommands(|sub| hide(sub, &shared))
}

/// clap hands global options down to subcommands, but not over one of the same name: the hidden
/// ones are there first.
fn hide(command: clap::Command, shared: &[clap::Arg]) -> clap::Command {
    let command = command.mut_subcommands(|sub| hide(sub, shared));
    command.args(shared.iter().cloned().map(|option| option.hide(true)))
}

/// Where and as whom to connect; the rest comes from `PG*` variables, service and password file, as
/// for psql.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Connection options")]
pub struct ConnectionOptions {
    /// Database name, conninfo string or postgresql:// URI
    #[arg(short, long, global = true, value_name = "DBNAME")]
    pub dbname: Option<String>,

    /// Server host or socket directory
    #[arg(short = 'h', long, global = true, value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub host: Option<String>,

    /// Server port
    #[arg(
        short,
        long,
        global = true,
        value_name = "PORT",
        allow_negative_numbers = true
    )]
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
pub struct MessageOptions {
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Say more (repeat for still more)
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Colour the text format and errors
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = Color::Auto,
        hide_possible_values = true
    )]
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
    /// Print the help of a command
    Help(HelpArgs),
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

    /// Give up after this long, as 30s or 5min
    #[arg(long, value_name = "TIME", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub timeout: Option<Duration>,
}

/// What kind of slot to create.
#[derive(Debug, Args)]
pub struct SlotKind {
    /// Output plugin of a new slot [default: pgoutput]
    ///
    /// pgoutput or wal2json; any other can only be streamed with --format raw. A slot that is there
    /// already has its own.
    #[arg(short = 'P', long, value_name = "PLUGIN")]
    pub plugin: Option<String>,

    /// Decode transactions when they are prepared
    ///
    /// Otherwise they are decoded when they are committed. It is a property of the slot, given when
    /// it is created. --enable-two-phase is the same.
    #[arg(short = 't', long, alias = "enable-two-phase")]
    pub two_phase: bool,

    /// Let standbys take the slot over (17+)
    ///
    /// They keep a copy of it that can be used after a fail-over (PostgreSQL 17 and later).
    /// --enable-failover is the same.
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
    /// Only these slots [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// How to print the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub format: ListFormat,

    /// Exit with 3 if a slot is lost or retains more WAL than this, as 512MB or 10GB
    ///
    /// What is compared is RETAINED: the WAL that the slot makes the server keep, which is what
    /// fills the disk. With confirmed: in front, as confirmed:1GB, it is LAG: how far the position
    /// that the consumer has confirmed is behind.
    #[arg(
        long,
        value_name = "[confirmed:]SIZE",
        value_parser = parse_lag_limit,
        allow_negative_numbers = true
    )]
    pub max_lag: Option<LagLimit>,
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
    #[arg(
        long,
        value_name = "OPS",
        value_delimiter = ',',
        value_parser = values::published_operation()
    )]
    pub publish: Vec<Operation>,

    /// Publish changes of partitions as those of their root
    #[arg(long)]
    pub via_root: bool,

    /// Create it even if UPDATE or DELETE then fails on tables
    ///
    /// They fail on tables without a replica identity as long as a publication publishes them.
    /// Without this option nothing is created then, and the tables are named.
    #[arg(long)]
    pub force: bool,

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
    #[arg(short = 'b', long, value_name = "NAME", value_parser = parse_names)]
    pub publication: Vec<Names>,

    /// How to print what was found
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,

    /// Log to look at: nats://HOST[,HOST]/STREAM
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,

    /// Subjects of its messages [default: wal.{schema}.{table}]
    #[arg(
        long,
        value_name = "TEMPLATE",
        default_value = "wal.{schema}.{table}",
        hide_default_value = true,
        hide_short_help = true,
        requires = "to"
    )]
    pub subject: String,

    #[command(flatten)]
    pub access: AccessOptions,
}

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `help`
#[derive(Debug, Args)]
pub struct HelpArgs {
    /// The command, as slot list; without it the help of walcat
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
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
        for line in [
            "walcat -d x -h y stream -S s",
            "walcat stream -S s -d x -h y",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(
                (
                    cli.connection.dbname.as_deref(),
                    cli.connection.host.as_deref()
                ),
                (Some("x"), Some("y"))
            );
        }
    }

    #[test]
    fn reads_names_as_sql_does() {
        let names = |text: &str| parse_names(text).map(|names| names.0);
        assert_eq!(
            names("a, b,C d"),
            Ok(vec!["a".to_owned(), "b".to_owned(), "C d".to_owned()])
        );
        assert_eq!(
            names("\"a,b\" ,c,\"d\"\"e\""),
            Ok(vec!["a,b".to_owned(), "c".to_owned(), "d\"e".to_owned()])
        );
        for bad in ["", "a,", ",a", "\"a", "\"a\"b", "\"\""] {
            assert!(names(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_sizes_and_seconds() {
        use values::parse_size;
        assert_eq!(parse_size("512MB"), Ok(512 << 20));
        assert_eq!(parse_size("1.5 kB"), Ok(1536));
        assert_eq!(parse_size("7"), Ok(7));
        for bad in ["", "MB", "1XB", "-1", "1..2", "99999999999TB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for (text, seconds) in [
            ("10", 10.0),
            ("10s", 10.0),
            ("1.5 min", 90.0),
            ("2h", 7200.0),
            ("1d", 86_400.0),
            ("250ms", 0.25),
            ("100us", 0.0001),
        ] {
            let duration = Duration::from_secs_f64(seconds);
            assert_eq!(parse_seconds(text), Ok(duration), "{text}");
        }
        for bad in [
            "", "-1", "NaN", "inf", "x", "1e19", "1e300", "s", "10x", "1h30min", "-1s", "NaNs",
            "infs", "1e9d", "1 2s",
        ] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
