//! Parses the command line, runs the command, turns its result into an exit status.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use walcat::cli::{Cli, Command, ConnectionOptions, SlotCommand};
use walcat::command::{self, ask, is_colored, logger};
use walcat::connect::invocation::{self, Typed};
use walcat::connect::{Arguments, AskPassword, Prompt, Settings, hide_login, hide_password};
use walcat::stop::{self, Manner, Stop};

fn main() -> ExitCode {
    stop::outlive_file_size_limit();
    if let Some(form) = asks_to_complete() {
        command::complete::run(&form);
        return ExitCode::SUCCESS;
    }
    let cli = Cli::from_command_line();
    cli.connection.dbname.as_deref().map(hide_password);
    invocation::remember(typed(&cli.connection));
    match &cli.command {
        Command::Stream(args) => args.log.to.as_deref().map(hide_login),
        Command::Check(args) => args.to.as_deref().map(hide_login),
        _ => None,
    };
    colored::control::set_override(is_colored(&cli.messages, io::stderr().is_terminal()));
    logger::install(&cli.messages);
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// What a completion script calls: `walcat complete line`. Nobody else does, so that it is in no
/// help.
fn asks_to_complete() -> Option<String> {
    let mut arguments = std::env::args_os().skip(1);
    let form = (arguments.next()? == "complete").then(|| arguments.next())?;
    form?.into_string().ok()
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let manner = match &cli.command {
        Command::Completions(args) => return command::completions::run(args),
        Command::Help(_) => return Ok(()),
        Command::Decode(args) => return command::decode::run(args, &cli.messages),
        Command::Stream(args) if args.named_file().is_some() => Manner::ReopeningFile,
        Command::Stream(_) | Command::Slot(SlotCommand::Create(_)) => Manner::Cleanly,
        _ => Manner::AtOnce,
    };
    // Before the password is asked for and the first connection is made.
    let stop = Stop::install(manner)?;
    let settings = Settings::resolve(&arguments(&cli.connection, &stop))?;
    let settings = settings.until({
        let stop = stop.clone();
        move || stop.requested()
    });
    match &cli.command {
        Command::Stream(args) => command::stream::run(args, &cli.messages, &settings, &stop),
        Command::Slot(command) => command::slot::run(command, &settings, &stop),
        Command::Pub(command) => command::publication::run(command, &settings),
        Command::Check(args) => command::check::run(args, &settings),
        Command::Completions(_) | Command::Decode(_) | Command::Help(_) => Ok(()),
    }
}

/// What the command line says of the connection.
fn arguments(options: &ConnectionOptions, stop: &Stop) -> Arguments {
    let prompt = match (options.no_password, options.password) {
        (true, _) => Prompt::Never,
        (_, true) => Prompt::Always,
        _ => Prompt::IfNeeded,
    };
    let stop = stop.clone();
    Arguments {
        dbname: options.dbname.clone(),
        host: options.host.clone(),
        port: options.port.clone(),
        user: options.username.clone(),
        prompt,
        ask_password: AskPassword::new(move |question| ask(&stop, question)),
    }
}

/// The connection options, as commands that are proposed repeat them.
fn typed(options: &ConnectionOptions) -> Typed {
    let valued = [
        ("-h", &options.host),
        ("-p", &options.port),
        ("-U", &options.username),
    ];
    let valued = valued
        .into_iter()
        .filter_map(|(letter, value)| Some([letter.to_owned(), value.clone()?]));
    let flags = [("-w", options.no_password), ("-W", options.password)];
    let flags = flags.into_iter().filter(|(_, typed)| *typed);
    Typed {
        dbname: options.dbname.clone(),
        others: valued
            .flatten()
            .chain(flags.map(|(letter, _)| letter.to_owned()))
            .collect(),
    }
}

/// Tells the user, and says it in the exit status too.
fn report(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to be told that stderr is closed.
    let _ = writeln!(io::stderr(), "{}", command::report(error));
    ExitCode::from(command::exit_status(error))
}
