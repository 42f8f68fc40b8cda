//! Passwords where `-W` takes none: an error must not repeat them.

use std::ffi::OsString;

/// What is said instead of an error that would show a password.
pub(super) const INSTEAD: &str = "could not read the command line: -W, --password takes no value, \
    as the password is asked for on the terminal\n\
    try: -W alone, PGPASSWORD, or a password file (~/.pgpass)";

/// Flags that may stand behind `-W` in one argument.
const FLAGS: &str = "qvwtn?W";

/// Returns `true` if a message on a wrong command line shows what may be a password.
pub(super) fn is_shown(arguments: &[OsString], message: &str) -> bool {
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .collect();
    let shows = |value: &str| message.contains(&format!("'{value}'"));
    let next = arguments.iter().skip(1).map(Some).chain([None]);
    arguments.iter().zip(next).any(|(argument, next)| {
        if let Some(value) = argument.strip_prefix("--password=") {
            return shows(value);
        }
        if *argument == "--password" || is_flags(argument) {
            return next.is_some_and(|next| is_value(next) && shows(next));
        }
        // Something else behind -W: the message may show any part of it.
        argument.starts_with('-') && !argument.starts_with("--") && argument.contains('W')
    })
}

/// Returns `true` for `-W`, perhaps with other flags.
fn is_flags(argument: &str) -> bool {
    argument
        .strip_prefix('-')
        .is_some_and(|flags| flags.contains('W') && flags.chars().all(|c| FLAGS.contains(c)))
}

/// Returns `true` if it might be a password. Not where it is an option or a subcommand.
fn is_value(argument: &str) -> bool {
    fn names(command: &clap::Command, argument: &str) -> bool {
        command
            .get_subcommands()
            .any(|sub| sub.get_name() == argument || names(sub, argument))
    }
    !argument.starts_with('-') && !names(&super::command(), argument)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    /// What the user gets to see.
    fn said(line: &str) -> String {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words = ["walcat".into()].into_iter().chain(arguments.clone());
        let error = command().try_get_matches_from(words).unwrap_err();
        let message = error.render().to_string();
        if is_shown(&arguments, &message) {
            INSTEAD.to_owned()
        } else {
            message
        }
    }

    #[test]
    fn no_password_is_repeated() {
        for line in [
            "--password=s3cret slot list",
            "slot list --password=s3cret",
            "-W s3cret slot list",
            "-W s3cret",
            "-qW s3cret slot list",
            "pub list -W s3cret",
            "slot -W s3cret list",
            "pub list --password s3cret",
            "-Ws3cret slot list",
            "-W=s3cret slot list",
            "slot list -qWs3cret",
        ] {
            assert_eq!(said(line), INSTEAD, "{line}");
        }
    }

    #[test]
    fn other_errors_are_told() {
        for (line, part) in [
            ("-W slot lst", "'lst'"),
            ("-W slot list --bogus", "'--bogus'"),
            ("slot create -W s --bogus", "'--bogus'"),
            ("-Wq slot list --bogus", "'--bogus'"),
            ("slot list -h", "'--host <HOST>'"),
        ] {
            let said = said(line);
            assert!(said.contains(part), "{line}: {said}");
        }
    }
}
