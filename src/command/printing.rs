//! What `stream` and `decode` print: from the options to the settings of the printer.

use crate::cli::{self, Color, PrintOptions, TalkOptions};
use crate::error::{Error, Result};
use crate::filter::{Filter, Operation, Operations};
use crate::render::{Format, Include, PrintSettings, Values};

/// The settings of the printer; `None` for `--format raw`, which needs no printer. Options that
/// would change nothing are usage errors. `messages`: are logical messages shown where `--op` says
/// nothing? `colored` is for the text format.
pub fn print_settings(
    options: &PrintOptions,
    messages: bool,
    colored: bool,
) -> Result<Option<PrintSettings>> {
    let include = |wanted| options.include.contains(&wanted);
    let include = Include {
        transactions: include(cli::Include::Transactions),
        key: include(cli::Include::Key),
        types: include(cli::Include::Types),
        columns: include(cli::Include::Columns),
        relations: include(cli::Include::Relations),
        changed: include(cli::Include::Changed),
        origin: include(cli::Include::Origin),
    };
    let operations = match options.op.as_slice() {
        [] if messages => Operations::ALL,
        [] => [
            Operation::Insert,
            Operation::Update,
            Operation::Delete,
            Operation::Truncate,
        ]
        .into_iter()
        .collect(),
        chosen => chosen.iter().copied().map(operation).collect(),
    };
    let filter = Filter::new(&options.table, operations)?;
    let values = match options.values {
        cli::Values::Json => Values::Json,
        cli::Values::Text => Values::Text,
    };
    let format = match options.format {
        cli::Format::Json => Format::Json,
        cli::Format::Text => {
            refuse_json_options(options)?;
            Format::Text { color: colored }
        }
        cli::Format::Raw => {
            refuse_all_options(options)?;
            return Ok(None);
        }
    };
    Ok(Some(PrintSettings {
        format,
        values,
        include,
        filter,
    }))
}

/// Is the text format coloured? `auto` means on a terminal that can, unless `NO_COLOR` is set to
/// something (no-color.org).
pub fn is_colored(options: &TalkOptions, to_terminal: bool) -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    match options.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            to_terminal
                && unset("NO_COLOR")
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Text has a fixed form: it can only have more lines.
fn refuse_json_options(options: &PrintOptions) -> Result<()> {
    let fits = |include: &cli::Include| {
        matches!(
            include,
            cli::Include::Transactions | cli::Include::Relations
        )
    };
    if options.values != cli::Values::Json {
        return Err(Error::usage("--values applies only to --format json"));
    }
    if !options.include.iter().all(fits) {
        return Err(Error::usage(
            "with --format text, --include takes only transactions and relations; the others apply \
             to --format json",
        ));
    }
    Ok(())
}

fn refuse_all_options(options: &PrintOptions) -> Result<()> {
    let given = [
        ("--table", !options.table.is_empty()),
        ("--op", !options.op.is_empty()),
        ("--include", !options.include.is_empty()),
        ("--values", options.values != cli::Values::Json),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Error::usage(format!(
            "{name} cannot be used with --format raw, which passes on every byte of the plugin's"
        ))),
        None => Ok(()),
    }
}

fn operation(operation: cli::Operation) -> Operation {
    match operation {
        cli::Operation::Insert => Operation::Insert,
        cli::Operation::Update => Operation::Update,
        cli::Operation::Delete => Operation::Delete,
        cli::Operation::Truncate => Operation::Truncate,
        cli::Operation::Message => Operation::Message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::error::Kind;
    use clap::Parser;

    fn settings(arguments: &[&str]) -> Result<Option<PrintSettings>> {
        let command = ["walcat", "decode"].iter().chain(arguments);
        match Cli::try_parse_from(command).unwrap().command {
            Command::Decode(args) => print_settings(&args.print, true, true),
            _ => unreachable!("decode was asked for"),
        }
    }

    #[test]
    fn options_become_settings() {
        let json = settings(&[
            "--op",
            "insert",
            "--include",
            "key,origin",
            "--values",
            "text",
        ])
        .unwrap()
        .unwrap();
        assert_eq!((json.format, json.values), (Format::Json, Values::Text));
        assert_eq!(
            json.include,
            Include {
                key: true,
                origin: true,
                ..Include::default()
            }
        );
        assert_eq!(
            json.filter.operations_of("public", "users"),
            [Operation::Insert].into_iter().collect()
        );
        let text = settings(&["--format", "text", "--include", "relations"])
            .unwrap()
            .unwrap();
        assert_eq!(text.format, Format::Text { color: true });
        assert!(settings(&["--format", "raw"]).unwrap().is_none());
    }

    #[test]
    fn options_that_change_nothing_are_refused() {
        for arguments in [
            ["--format", "text", "--include", "key"],
            ["--format", "text", "--values", "text"],
            ["--format", "raw", "--table", "users"],
            ["--format", "raw", "--op", "insert"],
            ["--format", "raw", "--include", "transactions"],
            ["--format", "json", "--table", "a.b.c"],
        ] {
            assert_eq!(
                settings(&arguments).unwrap_err().kind(),
                Kind::Usage,
                "{arguments:?}"
            );
        }
    }
}
