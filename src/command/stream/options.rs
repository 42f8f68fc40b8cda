//! The options that an output plugin gets: ours, and what the user passes with `-o`.

use super::Plugin;
use crate::catalog::server::Version;
use crate::cli::{Origin, StreamArgs, Streaming};
use crate::error::{Error, Result};
use crate::render::Include;

/// Options of the output plugin, by name; `None` is an option without value.
pub type Options = Vec<(String, Option<String>)>;

/// Refuses options that make no sense together, before a server is asked for anything.
pub fn check(args: &StreamArgs) -> Result<()> {
    for option in &args.option {
        parse(option)?;
    }
    if args.fsync_interval.is_zero() {
        return Err(Error::usage(
            "could not use --fsync-interval 0: what is confirmed must be on the disk",
        )
        .with_detail("pg_recvlogical then confirms what a crash of the machine can lose.")
        .with_remedy("a longer interval, as --fsync-interval 60"));
    }
    if args.kind.failover && args.slot.is_none() {
        return Err(Error::usage(
            "could not use --failover: a temporary slot goes with its connection",
        )
        .with_remedy("--slot NAME --create-slot"));
    }
    let resumes = args.file.is_some() && !args.no_resume && args.print.format.lines().is_some();
    if args.streaming != Streaming::Off && resumes {
        return Err(Error::usage(
            "could not use --streaming with --file: what has not committed has no place to go on \
             from",
        )
        .with_remedy("--no-resume, which appends without going on where the file ends"));
    }
    Ok(())
}

/// The options for the plugin on this server. The user's own win, except those with which the
/// decoder could not work.
pub fn compose(
    args: &StreamArgs,
    plugin: &Plugin,
    publications: &[String],
    version: &Version,
) -> Result<Options> {
    let own: Options = args
        .option
        .iter()
        .map(|option| parse(option))
        .collect::<Result<_>>()?;
    let mut options = match plugin {
        Plugin::Pgoutput => pgoutput(args, publications, version)?,
        Plugin::Wal2json => wal2json(args, &own)?,
        Plugin::Other(_) => Vec::new(),
    };
    options.retain(|(name, _)| !own.iter().any(|(other, _)| other == name));
    options.extend(own);
    Ok(options)
}

/// Is the plugin to send what is prepared? An option of the user's says so as well, and on a slot
/// that was not made for it the server would turn that on for good.
pub fn two_phase(args: &StreamArgs) -> bool {
    let own = args.option.iter().filter_map(|option| parse(option).ok());
    args.kind.two_phase
        || own
            .into_iter()
            .any(|(name, value)| name == "two_phase" && value.as_deref().is_none_or(is_true))
}

fn parse(option: &str) -> Result<(String, Option<String>)> {
    let (name, value) = match option.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (option, None),
    };
    if name.is_empty() {
        return Err(Error::usage(format!(
            "could not use --option \"{option}\": it has no name"
        )));
    }
    Ok((name.to_owned(), value))
}

/// Manual section 55.5.1.
fn pgoutput(args: &StreamArgs, publications: &[String], version: &Version) -> Result<Options> {
    let require = |major: u32, what: &str| match version.major() >= major {
        true => Ok(()),
        false => Err(Error::new(format!(
            "could not stream: {what} needs PostgreSQL {major}, and the server is {version}"
        ))),
    };
    let mut protocol = 1;
    let mut options = Vec::new();
    match args.streaming {
        Streaming::Off => {}
        Streaming::On => {
            protocol = 2;
            options.push(("streaming", "on".to_owned()));
        }
        Streaming::Parallel => {
            require(16, "--streaming parallel")?;
            protocol = 4;
            options.push(("streaming", "parallel".to_owned()));
        }
    }
    if args.kind.two_phase {
        require(15, "--two-phase")?;
        protocol = protocol.max(3);
        options.push(("two_phase", "on".to_owned()));
    }
    if let Some(origin) = args.origin {
        require(16, "--origin")?;
        options.push((
            "origin",
            if origin == Origin::None {
                "none"
            } else {
                "any"
            }
            .to_owned(),
        ));
    }
    // Messages count in `seq`, shown or not: an event bears the same name in every run. Raw output
    // is what was asked for.
    if args.messages || !args.print.format.is_raw() {
        options.push(("messages", "on".to_owned()));
    }
    options.push(("proto_version", protocol.to_string()));
    options.push((
        "publication_names",
        publications
            .iter()
            .map(|name| quote(name))
            .collect::<Vec<_>>()
            .join(","),
    ));
    Ok(options
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Some(value)))
        .collect())
}

/// A name in a list that `SplitIdentifierString` takes apart.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// With it wal2json 2.6 and later sends NaN and infinities as they are; earlier versions do not know
/// it, and refuse it.
const SPECIAL_NUMBERS: &str = "numeric-data-types-as-string";

/// Takes the option back that the plugin has refused, unless it is the user's. Returns `false` if
/// it refused something else.
pub fn withdraw(args: &StreamArgs, options: &mut Options, refusal: &Error) -> bool {
    // invalid_parameter_value
    let refused = refusal.sqlstate() == "22023"
        && refusal
            .server()
            .is_some_and(|server| server.message.contains(SPECIAL_NUMBERS));
    let own = args.option.iter().filter_map(|option| parse(option).ok());
    let before = options.len();
    if refused && !own.into_iter().any(|(name, _)| name == SPECIAL_NUMBERS) {
        options.retain(|(name, _)| name != SPECIAL_NUMBERS);
    }
    options.len() < before
}

/// What the decoder of format version 2 needs, or makes use of.
const WAL2JSON: [(&str, &str); 8] = [
    ("format-version", "2"),
    ("include-xids", "true"),
    ("include-timestamp", "true"),
    ("include-lsn", "true"),
    ("include-types", "true"),
    ("include-type-oids", "true"),
    ("include-pk", "true"),
    (SPECIAL_NUMBERS, "true"),
];

fn wal2json(args: &StreamArgs, own: &Options) -> Result<Options> {
    if args.streaming != Streaming::Off {
        return Err(Error::usage(
            "could not use --streaming: wal2json sends transactions when they commit",
        ));
    }
    if args.kind.two_phase {
        return Err(Error::usage(
            "could not use --two-phase: wal2json sends transactions when they commit",
        ));
    }
    if args.origin.is_some() {
        return Err(Error::usage(
            "could not use --origin: wal2json sends changes of every origin",
        ));
    }
    if args.print.format.is_raw() {
        // What decode needs, unless another format is asked for.
        let other = |(name, value): &(String, Option<String>)| {
            name == "format-version" && value.as_deref() != Some("2")
        };
        return Ok(match own.iter().any(other) {
            true => Vec::new(),
            false => with_values(&WAL2JSON),
        });
    }
    let mut needed: Vec<(&str, &str)> = WAL2JSON
        .into_iter()
        .filter(|(name, _)| *name != SPECIAL_NUMBERS)
        .collect();
    needed.extend([("include-schemas", "true"), ("include-transaction", "true")]);
    for (name, value) in own {
        let value = value.as_deref().unwrap_or(if name == "format-version" {
            "2"
        } else {
            "true"
        });
        let wanted = needed
            .iter()
            .find(|(needed, _)| needed == name)
            .map(|(_, wanted)| *wanted);
        let reshapes = match wanted {
            Some("2") => value != "2",
            Some(_) => !is_true(value),
            None => matches!(name.as_str(), "pretty-print" | "write-in-chunks") && is_true(value),
        };
        if reshapes {
            return Err(Error::usage(format!(
                "could not use --option {name}={value}: events could not be decoded"
            ))
            .with_remedy("--format raw, which prints what the plugin sends"));
        }
    }
    let mut options = with_values(&WAL2JSON);
    if args.print.include.contains(&Include::Origin) {
        options.extend(with_values(&[("include-origin", "true")]));
    }
    Ok(options)
}

fn with_values(options: &[(&str, &str)]) -> Options {
    options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect()
}

/// As `parse_bool` reads it.
fn is_true(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(value.as_str(), "1" | "on")
        || (!value.is_empty() && ("true".starts_with(&value) || "yes".starts_with(&value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_servers_splitting() {
        assert_eq!(quote("a\"b,c"), "\"a\"\"b,c\"");
    }

    #[test]
    fn reads_booleans_as_the_server() {
        for yes in ["1", "on", "t", "TRUE", "y", "yes"] {
            assert!(is_true(yes), "{yes}");
        }
        for no in ["", "0", "off", "f", "no", "tx"] {
            assert!(!is_true(no), "{no}");
        }
    }

    #[test]
    fn options_have_names() {
        assert_eq!(
            parse("a=b=c").unwrap(),
            ("a".to_owned(), Some("b=c".to_owned()))
        );
        assert_eq!(parse("a").unwrap(), ("a".to_owned(), None));
        assert_eq!(parse("a=").unwrap(), ("a".to_owned(), Some(String::new())));
        assert!(parse("=b").is_err());
    }
}
