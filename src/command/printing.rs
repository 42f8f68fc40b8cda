//! What `stream` and `decode` print: from the options to the settings of the printer.

use crate::cli::{Color, MessageOptions, PrintOptions};
use crate::error::{Error, Result};
use crate::printer::PrintSettings;
use crate::render::{FORMATS, Format, Include, Screen, Settings, Values};
use crate::select::{Filter, Operation, Operations};
use rustix::stdio::stdout;
use rustix::termios::tcgetwinsize;

/// The settings of the printer. Options that would change nothing are usage errors. `messages` says
/// whether logical messages are shown where `--op` says nothing, `color` is for formats that have
/// colours, and `to_terminal` says whether somebody looks at the output itself.
pub fn print_settings(
    options: &PrintOptions,
    messages: bool,
    color: bool,
    to_terminal: bool,
) -> Result<PrintSettings> {
    let operations = match options.op.as_slice() {
        [] if messages => Operations::ALL,
        [] => Operation::ALL
            .into_iter()
            .filter(|operation| *operation != Operation::Message)
            .collect(),
        chosen => chosen.iter().copied().collect(),
    };
    let filter = Filter::new(&options.table, operations)?;
    refuse_what_changes_nothing(options)?;
    Ok(PrintSettings {
        format: options.format,
        settings: Settings {
            values: options.values,
            includes: options.include.iter().copied().collect(),
            color,
            screen: to_terminal.then(|| screen(options)).flatten(),
            undo: options.undo,
            ..Settings::default()
        },
        filter,
    })
}

/// The terminal that records are laid out for, unless they are to be as elsewhere.
fn screen(options: &PrintOptions) -> Option<Screen> {
    let max_width = match options.full {
        true if options.expanded => Some(usize::MAX),
        true => return None,
        false => options.max_width,
    };
    Some(Screen {
        columns: columns_of_stdout,
        clock: None,
        max_width,
        expanded: options.expanded,
    })
}

fn columns_of_stdout() -> usize {
    let size = tcgetwinsize(stdout()).ok();
    let columns = size.map(|size| usize::from(size.ws_col));
    columns.filter(|columns| *columns > 0).unwrap_or(80)
}

/// Returns `true` if the text format is coloured. `auto` means on a terminal that can, unless
/// `NO_COLOR` is set to something (no-color.org).
pub fn is_colored(options: &MessageOptions, to_terminal: bool) -> bool {
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

fn refuse_what_changes_nothing(options: &PrintOptions) -> Result<()> {
    let format = options.format;
    if format.is_raw() {
        return refuse_all(options);
    }
    if options.values != Values::default() && !format.has_values() {
        return Err(Error::usage(format!(
            "--values applies only to --format {}",
            formats_with(Format::has_values)
        )));
    }
    let laid_out = [
        ("--expanded", options.expanded),
        ("--full", options.full),
        ("--max-width", options.max_width.is_some()),
    ];
    if let Some((name, _)) = laid_out.iter().find(|(_, given)| *given)
        && format != Format::TEXT
    {
        return Err(Error::usage(format!(
            "{name} applies only to --format text"
        )));
    }
    if options.undo && format != Format::SQL {
        return Err(Error::usage(format!(
            "could not use --undo with --format {}: only statements can take changes back",
            format.name()
        ))
        .with_remedy("--format sql --undo"));
    }
    let unfit = |include: &&Include| !format.includes().contains(include);
    if let Some(unfit) = options.include.iter().find(unfit) {
        let taken: Vec<&str> = format.includes().iter().map(|one| one.name()).collect();
        return Err(Error::usage(format!(
            "with --format {}, --include takes only {}; {} applies to --format {}",
            format.name(),
            taken.join(" and "),
            unfit.name(),
            formats_with(|format| format.includes().contains(unfit)),
        )));
    }
    Ok(())
}

/// The names of the formats of which this is true.
fn formats_with(fits: impl Fn(Format) -> bool) -> String {
    let fitting = FORMATS.iter().filter(|format| fits(**format));
    let names: Vec<&str> = fitting.map(|format| format.name()).collect();
    names.join(", ")
}

fn refuse_all(options: &PrintOptions) -> Result<()> {
    let given = [
        ("--undo", options.undo),
        ("--table", !options.table.is_empty()),
        ("--op", !options.op.is_empty()),
        ("--include", !options.include.is_empty()),
        ("--values", options.values != Values::default()),
        ("--expanded", options.expanded),
        ("--full", options.full),
        ("--max-width", options.max_width.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Error::usage(format!(
            "{name} cannot be used with --format raw, which passes on every byte of the plugin's"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::error::Kind;
    use clap::Parser;

    fn settings(arguments: &[&str]) -> Result<PrintSettings> {
        let command = ["walcat", "decode"].iter().chain(arguments);
        match Cli::try_parse_from(command).unwrap().command {
            Command::Decode(args) => print_settings(&args.print, true, true, false),
            _ => unreachable!("decode was asked for"),
        }
    }

    #[test]
    fn options_become_settings() {
        let json = ["--op", "insert", "--include", "key,origin", "--values=text"];
        let json = settings(&json).unwrap();
        let expected = Settings {
            values: Values::Text,
            includes: [Include::Key, Include::Origin].into_iter().collect(),
            color: true,
            ..Settings::default()
        };
        assert_eq!((json.format, json.settings), (Format::JSON, expected));
        assert_eq!(
            json.filter.operations_of("public", "users"),
            [Operation::Insert].into_iter().collect()
        );
        let text = settings(&["--format", "text", "--include", "relations"]).unwrap();
        assert_eq!(text.format, Format::TEXT);
        assert!(settings(&["--format", "raw"]).unwrap().format.is_raw());
    }

    #[test]
    fn options_that_change_nothing_are_refused() {
        for arguments in [
            ["--format", "text", "--include", "key"],
            ["--format", "text", "--values", "text"],
            ["--format", "raw", "--table", "users"],
            ["--format", "raw", "--op", "insert"],
            ["--format", "json", "--max-width", "80"],
            ["--format", "sql", "--expanded", "--op=insert"],
            ["--format", "raw", "--full", "--op=insert"],
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
