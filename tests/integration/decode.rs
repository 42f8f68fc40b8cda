//! `walcat decode`: captures from files and stdin, without a server. What it prints of whole
//! captures is in `golden`.

use crate::support::*;
use std::io::Write;
use std::path::Path;
use std::process::Command;

fn decode(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walcat"));
    command.arg("decode").args(arguments).env_clear();
    command
}

fn capture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/captures")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn stdin_is_read_like_a_file_and_shown_as_it_comes() {
    let path = capture("pgoutput-1.bin");
    let file = run(&mut decode(&["-q", &path]));
    let bytes = std::fs::read(&path).unwrap();
    for arguments in [&["-q"][..], &["-q", "-"]] {
        let mut running = spawn(&mut decode(arguments));
        let mut stdin = running.take_stdin();
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        stdin.write_all(first).unwrap();
        assert_eq!(
            running.json()["after"]["name"],
            "Ada",
            "while the rest is still to come"
        );
        stdin.write_all(rest).unwrap();
        drop(stdin);
        assert_eq!(running.wait().succeeded().text(), file.text());
    }
}

#[test]
fn damage_is_told_with_its_place_after_all_that_was_good() {
    let bytes = std::fs::read(capture("pgoutput-1.bin")).unwrap();
    let whole = run(&mut decode(&["-q", &capture("pgoutput-1.bin")]));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.bin");
    std::fs::write(&path, &bytes[..3000]).unwrap();
    let cut = run(&mut decode(&["-q", path.to_str().unwrap()]));
    cut.exited(1);
    assert!(!cut.stdout.is_empty() && whole.stdout.starts_with(&cut.stdout));
    let (_, place) = cut
        .stderr
        .split_once("at byte ")
        .expect("the place of the damage");
    let offset: usize = place.split(':').next().unwrap().parse().unwrap();
    // The cut goes through a value of 3200 bytes.
    assert!(
        (1..3000).contains(&offset) && cut.stderr.contains(": 3200 bytes expected, "),
        "{}",
        cut.stderr
    );
    assert!(
        cut.stderr.starts_with("walcat: error: could not decode "),
        "{}",
        cut.stderr
    );
}

#[test]
fn what_is_no_capture_is_refused() {
    let missing = run(&mut decode(&["/nowhere/at/all"]));
    assert!(
        missing
            .exited(1)
            .stderr
            .starts_with("walcat: error: could not open file \"/nowhere/at/all\": ")
    );
    let directory = run(&mut decode(&[env!("CARGO_MANIFEST_DIR")]));
    assert!(
        directory
            .exited(1)
            .stderr
            .starts_with("walcat: error: could not read "),
        "{}",
        directory.stderr
    );
    let text = run(&mut decode(&[&capture("schema.sql")]));
    assert!(
        text.exited(1).stderr.contains("at byte 0"),
        "{}",
        text.stderr
    );
    assert!(text.stdout.is_empty());
}

#[test]
fn raw_and_options_that_change_nothing_are_wrong_usage() {
    for (arguments, message) in [
        (&["--format", "raw"][..], "--format raw makes no sense here"),
        (
            &["--format", "text", "--values", "text"],
            "--values applies only to --format json",
        ),
        (
            &["--format", "text", "--include", "key"],
            "--include takes only transactions and relations",
        ),
        (&["--table", "a.b.c"], "more than two names"),
    ] {
        let refused = run(decode(arguments).arg(capture("pgoutput-1.bin")));
        assert!(
            refused.exited(2).stderr.contains(message),
            "{}",
            refused.stderr
        );
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_well() {
    let script =
        "while cat \"$1\"; do :; done 2>&- | { \"$0\" -q decode; echo $? >&2; } | head -n 1";
    let arguments = [
        "-c",
        script,
        env!("CARGO_BIN_EXE_walcat"),
        &capture("pgoutput-1.bin"),
    ];
    let piped = run(Command::new("sh").args(arguments));
    assert_eq!(piped.succeeded().json()[0]["after"]["name"], "Ada");
    assert_eq!(piped.stderr, "0\n");
}

#[test]
fn colours_only_where_they_are_asked_for() {
    let path = capture("pgoutput-1.bin");
    let colored = |arguments: &[&str]| {
        let finished = run(decode(&["-q", "--format", "text"])
            .args(arguments)
            .arg(&path));
        finished.succeeded().text().contains('\x1b')
    };
    assert!(colored(&["--color", "always"]));
    assert!(!colored(&["--color", "never"]) && !colored(&[]));
}

/// How many tables there are, with ten columns each.
const TABLES: u32 = 20_000;

/// The beginning of the names of the columns of a table: half of the tables have the same.
fn column(table: u32, round: u32) -> String {
    match table % 2 {
        0 => "column".to_owned(),
        // Some change their shape.
        1 if table % 10 == 1 => format!("column_{table}_{round}"),
        _ => format!("column_{table}"),
    }
}

/// Rows of many tables, one after the other, in three rounds.
fn rows_of_pgoutput() -> Vec<u8> {
    let mut capture = Vec::new();
    for round in 0..3u32 {
        let lsn = u64::from(round) << 12;
        capture.extend(
            [
                &b"B"[..],
                &lsn.to_be_bytes(),
                &[0; 8],
                &round.to_be_bytes(),
                b"\n",
            ]
            .concat(),
        );
        for table in 0..TABLES {
            if round == 0 || table % 10 == 1 {
                capture.push(b'R');
                capture.extend(table.to_be_bytes());
                capture.extend(format!("public\0t{table}\0d\0\x0a").bytes());
                for number in 0..10 {
                    capture.push(u8::from(number == 0));
                    capture.extend(format!("{}_{number}\0", column(table, round)).bytes());
                    capture.extend([23u32.to_be_bytes(), u32::MAX.to_be_bytes()].concat());
                }
                capture.push(b'\n');
            }
            capture.push(b'I');
            capture.extend(table.to_be_bytes());
            capture.extend(b"N\0\x0a");
            for _ in 0..10 {
                capture.extend(b"t\0\0\0\x017");
            }
            capture.push(b'\n');
        }
        capture.extend(
            [
                &b"C\0"[..],
                &lsn.to_be_bytes(),
                &lsn.to_be_bytes(),
                &[0; 8],
                b"\n",
            ]
            .concat(),
        );
    }
    capture
}

/// The same as wal2json has them.
fn rows_of_wal2json() -> Vec<u8> {
    let mut capture = String::new();
    for round in 0..3 {
        capture += &format!("{{\"action\":\"B\",\"xid\":{round},\"lsn\":\"0/{round}00\"}}\n");
        for table in 0..TABLES {
            let columns: Vec<String> = (0..10)
                .map(|number| {
                    let name = format!("{}_{number}", column(table, round));
                    format!(
                        "{{\"name\":\"{name}\",\"type\":\"integer\",\"typeoid\":23,\"value\":7}}"
                    )
                })
                .collect();
            capture += &format!(
                "{{\"action\":\"I\",\"schema\":\"public\",\"table\":\"t{table}\",\"columns\":[{}]}}\n",
                columns.join(",")
            );
        }
        capture += &format!("{{\"action\":\"C\",\"xid\":{round},\"lsn\":\"0/{round}00\"}}\n");
    }
    capture.into_bytes()
}

#[test]
fn thousands_of_tables_cost_little_memory_and_nothing_is_mixed_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture");
    for (plugin, capture) in [
        ("pgoutput", rows_of_pgoutput()),
        ("wal2json", rows_of_wal2json()),
    ] {
        std::fs::write(&path, capture).unwrap();
        let path = path.to_str().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -d 25000 && exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_walcat"))
            .args(["decode", "-q", "--include", "relations", path]);
        let finished = run(&mut command);
        let mut events = finished.succeeded().json().into_iter();
        for round in 0..3 {
            for table in 0..TABLES {
                let mut event = events.next().unwrap();
                if round == 0 || table % 10 == 1 {
                    assert_eq!(event["op"], "relation", "{plugin} {round} {table}");
                    assert_eq!(event["table"], format!("t{table}"));
                    assert_eq!(
                        event["columns"][9]["name"],
                        format!("{}_9", column(table, round))
                    );
                    event = events.next().unwrap();
                }
                assert_eq!(event["op"], "insert", "{plugin} {round} {table}");
                assert_eq!(event["table"], format!("t{table}"));
                assert_eq!(event["after"][format!("{}_9", column(table, round))], 7);
            }
        }
        assert!(events.next().is_none());
    }
}
