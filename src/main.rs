//! Parses the command line, runs the command, turns its result into an exit status.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use walcat::cli::{Cli, Command, ConnectionOptions};
use walcat::command::{self, Talk, is_colored};
use walcat::connect::{Given, Prompt, Remark, Settings, Voice, hide_password};
use walcat::error::{Error, Kind, Result};
use walcat::stop;

fn main() -> ExitCode {
    stop::outlive_file_size_limit();
    let cli = Cli::from_command_line();
    cli.connection.dbname.as_deref().map(hide_password);
    colored::control::set_override(is_colored(&cli.talk, io::stderr().is_terminal()));
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn run(cli: &Cli) -> Result<()> {
    let talk = Talk::new(&cli.talk);
    let color = is_colored(&cli.talk, io::stdout().is_terminal());
    let settings = || Settings::resolve(&given(&cli.connection, talk));
    match &cli.command {
        Command::Completions(args) => command::completions::run(args),
        Command::Stream(args) => command::stream::run(args, &Arc::new(settings()?), talk, color),
        Command::Slot(command) => command::slot::run(command, &settings()?, &talk),
        Command::Pub(command) => command::publication::run(command, &settings()?, &talk),
        Command::Check(args) => command::check::run(args, &settings()?),
        Command::Decode(args) => command::decode::run(args, &cli.talk),
    }
}

/// What the command line says of the connection.
fn given(options: &ConnectionOptions, talk: Talk) -> Given {
    let prompt = match (options.no_password, options.password) {
        (true, _) => Prompt::Never,
        (_, true) => Prompt::Always,
        _ => Prompt::IfNeeded,
    };
    let voice = Voice::new(move |remark, text| match remark {
        Remark::Warning => talk.warning(text),
        Remark::Notice => talk.info(text),
    });
    Given {
        dbname: options.dbname.clone(),
        host: options.host.clone(),
        port: options.port.clone(),
        user: options.username.clone(),
        prompt,
        voice,
    }
}

/// Tells the user, and says it in the exit status too.
fn report(error: &Error) -> ExitCode {
    // Nobody is left to be told that stderr is closed.
    let _ = writeln!(io::stderr(), "{}", error.report());
    ExitCode::from(if error.kind() == Kind::Usage { 2 } else { 1 })
}
