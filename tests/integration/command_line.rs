//! The command line: help, version, mistakes, and what happens when nobody reads the output.

use crate::support::*;
use std::process::{Command, Stdio};
use walcat::cli;

const COMMANDS: [&str; 14] = [
    "stream",
    "slot",
    "slot create",
    "slot drop",
    "slot list",
    "slot advance",
    "pub",
    "pub create",
    "pub drop",
    "pub list",
    "check",
    "decode",
    "completions",
    "help",
];

/// The program without a server and with nothing in its environment.
fn walcat(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walcat"));
    command.args(arguments.split_whitespace()).env_clear();
    command
}

#[test]
fn help_of_every_command_fits_a_screen() {
    let mut command = cli::command();
    command.build();
    for name in COMMANDS {
        let mut sub = &mut command;
        for part in name.split(' ') {
            sub = sub.find_subcommand_mut(part).unwrap();
        }
        let help = sub.clone().term_width(80).render_help().to_string();
        let screen = if name == "stream" { 50 } else { 24 };
        assert!(help.lines().count() <= screen, "{name}:\n{help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "{name}:\n{help}"
        );
    }
    assert!(
        command
            .term_width(80)
            .render_help()
            .to_string()
            .lines()
            .count()
            <= 32
    );
}

#[test]
fn help_is_a_command_too() {
    for name in ["", "stream", "slot list", "help"] {
        let asked = run(&mut walcat(&format!("help {name}")));
        let option = run(&mut walcat(&format!("{name} --help")));
        assert_eq!(
            asked.succeeded().text(),
            option.succeeded().text(),
            "{name}"
        );
        assert!(asked.text().contains("Usage: walcat"), "{name}");
    }
    run(&mut walcat("help nosuch")).exited(2);
}

#[test]
fn help_and_version_are_asked_for_in_the_usual_ways() {
    for name in COMMANDS.iter().chain(&[""]) {
        let long = run(&mut walcat(&format!("{name} --help")));
        let short = run(&mut walcat(&format!("{name} -?")));
        assert!(
            long.succeeded()
                .text()
                .contains(&format!("Usage: walcat {name}")),
            "{}",
            long.text()
        );
        assert_eq!((long.text(), &*long.stderr), (short.succeeded().text(), ""));
    }
    assert_eq!(
        run(&mut walcat("--version")).succeeded().text(),
        format!("walcat {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn mistakes_are_named_and_end_with_2() {
    for (line, message) in [
        ("", "Usage: walcat"),
        ("strem", "a similar subcommand exists: 'stream'"),
        (
            "stream --publicaton p",
            "a similar argument exists: '--publication'",
        ),
        ("slot", "Usage: walcat slot"),
        ("slot creat x", "a similar subcommand exists: 'create'"),
        ("slot create", "<NAME>"),
        ("slot drop", "<NAME>..."),
        (
            "slot list --max-lag 10XB",
            "the unit must be B, kB, MB, GB or TB",
        ),
        (
            "slot advance s --to here",
            "a WAL position has the form X/Y",
        ),
        ("pub create p", "--all-tables"),
        ("pub create p --all-tables --table t", "cannot be used with"),
        (
            "pub create p --all-tables --publish select",
            "[possible values: insert, update, delete, truncate]",
        ),
        (
            "stream --op selekt",
            "[possible values: insert, update, delete, truncate, message]",
        ),
        ("stream --op updat", "a similar value exists: 'update'"),
        ("stream --endpos 0", "a WAL position has the form X/Y"),
        ("stream --endpos 0/1 --until-now", "cannot be used with"),
        ("stream --limit 0", "invalid value '0' for '--limit <N>'"),
        ("stream --timeout soon", "not a time, as 10, 30s or 5min"),
        ("stream --timeout -1", "not a time, as 10, 30s or 5min"),
        ("stream --startpos -1", "a WAL position has the form X/Y"),
        ("stream --limit -1", "not a number of events, 1 or more"),
        ("stream -F -1", "not a time, as 10, 30s or 5min"),
        (
            "stream -F 0",
            "could not use --fsync-interval 0: what is confirmed must be on the disk",
        ),
        ("stream --publication a,", "a name is missing"),
        ("slot list --max-lag -1", "not a size, as 512MB or 10GB"),
        (
            "stream --format xml",
            "[possible values: json, text, raw, sql, debezium, wal2json]",
        ),
        (
            "stream --format sql --streaming on",
            "could not use --streaming with --format sql",
        ),
        (
            "stream --format debezium -t",
            "could not use --two-phase with --format debezium",
        ),
        ("stream --once copy --format sql", "--slot <NAME>"),
        ("stream --create-slot", "--slot <NAME>"),
        ("stream --no-resume", "--file <PATH>"),
        ("stream -w -W", "cannot be used with"),
        ("stream extra", "unexpected argument 'extra'"),
        ("completions csh", "[possible values: bash"),
    ] {
        let finished = run(&mut walcat(line));
        finished.exited(2);
        assert!(
            finished.stderr.contains(message),
            "walcat {line}: {}",
            finished.stderr
        );
        assert_eq!(finished.text(), "", "walcat {line}");
    }
}

#[test]
fn a_password_on_the_command_line_is_not_repeated() {
    for arguments in [
        "--password=s3cret slot list",
        "-W s3cret slot list",
        "-Ws3cret slot list",
        "pub list -W s3cret",
    ] {
        let run = run(&mut walcat(arguments));
        let stderr = &run.exited(2).stderr;
        let said = "walcat: error: could not read the command line: -W, --password takes no value";
        assert!(stderr.starts_with(said), "{stderr}");
        assert!(!stderr.contains("s3cret"), "{stderr}");
    }
}

#[test]
fn completions_are_printed() {
    for (shell, file) in [
        ("bash", "walcat.bash"),
        ("zsh", "_walcat"),
        ("fish", "walcat.fish"),
    ] {
        let committed =
            std::fs::read_to_string(format!("{}/completions/{file}", env!("CARGO_MANIFEST_DIR")))
                .unwrap();
        assert!(
            run(&mut walcat(&format!("completions {shell}")))
                .succeeded()
                .text()
                == committed,
            "{shell}"
        );
    }
}

#[test]
fn completions_without_a_reader_are_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = walcat("completions bash")
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = walcat("completions bash")
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let message = "walcat: error: could not write to standard output: No space left on device (os \
                   error 28)\n";
    assert_eq!(
        (
            output.status.code(),
            &*String::from_utf8_lossy(&output.stderr)
        ),
        (Some(1), message)
    );
}

#[test]
fn a_limit_on_the_size_of_files_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("completions");
    let walcat = walcat("completions bash");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -f 1; exec \"$@\"", "sh"])
        .arg(walcat.get_program())
        .args(walcat.get_args());
    let output = shell
        .stdout(std::fs::File::create(path).unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let message =
        "walcat: error: could not write to standard output: File too large (os error 27)\n";
    assert_eq!(
        (
            output.status.code(),
            &*String::from_utf8_lossy(&output.stderr)
        ),
        (Some(1), message)
    );
}
