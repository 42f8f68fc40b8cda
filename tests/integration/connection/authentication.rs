//! Passwords, how they are asked for, and what is said when they are wrong.

use super::fixture::*;
use crate::support::*;
use std::io::Write;
use std::process::Command;
use walcat::error::Kind;

#[test]
fn each_way_of_authentication_works() {
    connects(&fixture().conninfo("trusted", ""));
    for role in ["clear", "md5", "scram"] {
        for mode in ["disable", "require"] {
            connects(&fixture().with_password(role, &format!("sslmode={mode}")));
        }
    }
}

#[test]
fn wrong_passwords_are_told_with_server_and_role() {
    for role in ["clear", "md5", "scram"] {
        let errors = refused(
            &fixture().conninfo(role, "password=wrong hostaddr=127.0.0.1"),
            &[
                "could not connect to server at \"localhost\" (127.0.0.1), port ",
                &format!("password authentication failed for user \"{role}\" (SQLSTATE 28P01)"),
            ],
        );
        assert!(errors.iter().all(|error| error.kind() == Kind::Permanent));
    }
}

#[test]
fn channel_binding_is_used_as_demanded() {
    for binding in ["disable", "prefer", "require"] {
        connects(&fixture().with_password(
            "scram",
            &format!("sslmode=require channel_binding={binding}"),
        ));
    }
    connects(&fixture().with_password("scram", "sslmode=disable channel_binding=prefer"));
    refused(
        &fixture().with_password("scram", "sslmode=disable channel_binding=require"),
        &["channel binding"],
    );
    for role in ["clear", "md5"] {
        refused(
            &fixture().with_password(role, "sslmode=require channel_binding=require"),
            &["channel binding"],
        );
    }
    refused(
        &fixture().conninfo("trusted", "sslmode=require channel_binding=require"),
        &["channel binding"],
    );
}

#[test]
fn missing_rights_are_told() {
    let hba_line = "try: a line in the server's pg_hba.conf, as: host postgres rejected ";
    refused(
        &fixture().conninfo("rejected", ""),
        &["pg_hba.conf rejects", "(SQLSTATE 28000)", hba_line],
    );
    refused(
        &fixture().conninfo("nobody", ""),
        &["no pg_hba.conf entry", "\"nobody\""],
    );
    let db = Database::create("missing_rights_are_told");
    db.sql("DO $$ BEGIN CREATE ROLE may_not_log_in; EXCEPTION WHEN duplicate_object THEN END $$");
    for role in ["no_such_role", "may_not_log_in"] {
        let run = db.run(&["-U", role, "slot", "list"]);
        assert!(
            run.exited(1).stderr.contains("(SQLSTATE 28000)"),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr
                .ends_with("\ntry: -U with the name of a role that may log in\n"),
            "{}",
            run.stderr
        );
    }
    let errors = refused(
        &fixture().conninfo("trusted", "dbname=nowhere"),
        &["database \"nowhere\" does not exist (SQLSTATE 3D000)"],
    );
    assert!(errors.iter().all(|error| error.kind() == Kind::Permanent));
}

#[test]
fn without_a_password_and_a_terminal_the_ways_to_give_one_are_named() {
    for options in [&[][..], &["-w"]] {
        let run =
            run(walcat(&["-d", &fixture().conninfo("scram", ""), "slot", "list"]).args(options));
        run.exited(1);
        for words in [
            "could not connect to server",
            "asks for a password",
            "try: PGPASSWORD",
            "~/.pgpass",
        ] {
            assert!(run.stderr.contains(words), "{}", run.stderr);
        }
    }
}

#[test]
fn the_password_is_asked_for_on_the_terminal_once_and_without_echo() {
    for options in ["", "-W"] {
        let finished = on_a_terminal(
            &format!("{options} slot list"),
            &fixture().conninfo("scram", ""),
            PASSWORD,
        );
        let shown = finished.succeeded().text();
        assert_eq!(
            shown.matches("Password for user scram:").count(),
            1,
            "{shown}"
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn both_connections_of_a_stream_share_what_is_typed() {
    fixture()
        .server
        .client("postgres")
        .batch_execute("CREATE PUBLICATION typed")
        .unwrap();
    let finished = on_a_terminal(
        "stream --publication typed --until-now",
        &fixture().conninfo("scram", ""),
        PASSWORD,
    );
    let shown = finished.succeeded().text();
    assert_eq!(
        shown.matches("Password for user scram:").count(),
        1,
        "{shown}"
    );
}

#[test]
fn the_list_of_processes_shows_no_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for dbname in [
        format!("postgresql://u:s3cret@127.0.0.1:{port}/d"),
        format!("host=127.0.0.1 port={port} password=s3cret"),
    ] {
        let mut command = walcat(&["slot", "list"]);
        let running = spawn(command.arg(format!("--dbname={dbname}")).env("PGUSER", "u"));
        // Nobody answers, so it stays as it is. The connection may be a stranger's who mistakes the
        // port for an old one.
        let _connection = listener.accept().unwrap();
        wait_until("the password to be hidden", || {
            let seen = std::fs::read(format!("/proc/{}/cmdline", running.pid())).unwrap();
            let seen = String::from_utf8_lossy(&seen);
            (seen.contains("127.0.0.1") && !seen.contains("s3cret")).then_some(())
        });
    }
    run(&mut walcat(&[
        "-d",
        &fixture().with_password("scram", ""),
        "slot",
        "list",
    ]))
    .succeeded();
}

#[test]
fn what_is_typed_wrong_is_told() {
    let finished = on_a_terminal("slot list", &fixture().conninfo("scram", ""), "wrong");
    assert!(
        finished
            .exited(1)
            .text()
            .contains("password authentication failed for user \"scram\""),
        "{}",
        finished.text()
    );
}

#[test]
fn nobody_is_asked_where_a_password_is_known_or_unwanted() {
    let finished = on_a_terminal("slot list", &fixture().with_password("scram", ""), "");
    assert!(
        !finished.succeeded().text().contains("Password for"),
        "{}",
        finished.text()
    );
    let finished = on_a_terminal("-w slot list", &fixture().conninfo("scram", ""), "");
    assert!(
        !finished.exited(1).text().contains("Password for"),
        "{}",
        finished.text()
    );
    // With -W the typed one wins over that of the conninfo string.
    let finished = on_a_terminal(
        "-W slot list",
        &fixture().conninfo("scram", "password=wrong"),
        PASSWORD,
    );
    assert!(
        finished.succeeded().text().contains("Password for"),
        "{}",
        finished.text()
    );
}

#[test]
fn a_signal_at_the_prompt_leaves_the_terminal_as_it_was() {
    // What Ctrl-C sends, and signals from elsewhere. As a child of the shell that would mend the
    // terminal by itself if it were interactive, which it is not.
    for (command, status) in [("stream -S s", 0), ("slot create s", 0), ("slot list", 130)] {
        let finished = after_the_prompt(command, "\u{3}");
        assert_prompted_and_mended(&finished, status, command);
    }
    for (command, status) in [("stream -S s", 0), ("slot list", 143)] {
        let script = format!(
            "{command} & child=$!; while stty -a | grep -q ' echo '; do sleep 0.05; done; \
             kill -TERM $child; wait $child"
        );
        let finished = after_the_prompt(&script, "");
        assert_prompted_and_mended(&finished, status, command);
    }
}

/// Runs a command that asks for the password, types this, and then prints the exit status and how
/// the terminal is.
fn after_the_prompt(command: &str, typed: &str) -> Finished {
    let command = format!("{command}; echo \"status $?\"; stty -a");
    on_a_terminal_by(
        |program| format!("{program} -W -d \"$CONNINFO\" {command}"),
        &fixture().conninfo("scram", ""),
        typed,
    )
}

fn assert_prompted_and_mended(finished: &Finished, status: i32, what: &str) {
    let text = finished.text();
    for part in [
        "Password for user",
        &format!("status {status}\r\n"),
        "\nisig icanon iexten echo ",
    ] {
        assert!(text.contains(part), "{what}: no {part:?} in {text}");
    }
}

/// Runs the program on a terminal of its own and types a line as soon as nothing that is typed is
/// shown; an empty one is not typed.
fn on_a_terminal(arguments: &str, conninfo: &str, typed: &str) -> Finished {
    on_a_terminal_by(
        |program| format!("exec {program} -d \"$CONNINFO\" {arguments}"),
        conninfo,
        typed,
    )
}

/// The same for a script that runs the program.
fn on_a_terminal_by(script: impl Fn(&str) -> String, conninfo: &str, typed: &str) -> Finished {
    let command_line = format!("tty; {}", script(env!("CARGO_BIN_EXE_walcat")));
    let mut script = Command::new("script");
    script
        .args([
            "--quiet",
            "--return",
            "--command",
            &command_line,
            "/dev/null",
        ])
        .env_clear();
    script.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    script
        .env("HOME", "/nonexistent")
        .env("SHELL", "/bin/sh")
        .env("CONNINFO", conninfo);
    let mut running = spawn(&mut script);
    let mut stdin = running.take_stdin();
    let terminal = running.line();
    if !typed.is_empty() {
        wait_until("the echo to be off", || {
            let stty = Command::new("stty")
                .args(["-F", terminal.trim(), "-a"])
                .output()
                .unwrap();
            String::from_utf8_lossy(&stty.stdout)
                .contains("-echo ")
                .then_some(())
        });
        writeln!(stdin, "{typed}").unwrap();
    }
    running.wait()
}
