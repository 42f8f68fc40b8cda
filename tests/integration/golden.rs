//! What the program prints of the scripts in tests/sql and the captures in tests/captures, line by
//! line.
//!
//! The expected lines lie in tests/golden and were read by a human beside the script. Only what
//! differs from run to run is replaced: transaction numbers by 1, 2, 3 in their order, positions by
//! `X/Y`, times by `TIME`, numbers of user-made types and tables by `OID`. Where a change is
//! intended, `WALCAT_TEST_WRITE_GOLDEN=1` writes the files anew, to be read in the diff.

use crate::support::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn scripts_as_pgoutput_sends_them() {
    let publication = ["--publication", "everything", "--messages"];
    each_script("pgoutput", &publication, |script, stream| {
        compare(
            script,
            "pgoutput.ndjson",
            stream(&["--include", "transactions,relations,key,changed"]),
            normalized_json,
        );
        compare(
            script,
            "pgoutput.text",
            stream(&["--format", "text", "--include", "relations"]),
            normalized_text,
        );
        compare(
            script,
            "pgoutput.sql",
            stream(&["--format", "sql"]),
            normalized_sql,
        );
        for format in ["debezium", "wal2json"] {
            compare(
                script,
                &format!("pgoutput.{format}"),
                stream(&["--format", format]),
                normalized_json,
            );
        }
    });
}

#[test]
fn scripts_as_wal2json_sends_them() {
    each_script("wal2json", &["--messages"], |script, stream| {
        compare(
            script,
            "wal2json.ndjson",
            stream(&["--include", "transactions,relations,key,changed"]),
            normalized_json,
        );
        compare(
            script,
            "wal2json.text",
            stream(&["--format", "text", "--include", "relations"]),
            normalized_text,
        );
    });
}

#[test]
fn captures() {
    for name in [
        "pgoutput-1",
        "pgoutput-2",
        "pgoutput-3",
        "pgoutput-4",
        "wal2json",
        "wal2json-plain",
    ] {
        let decode = |options: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_walcat"));
            let capture = tests().join("captures").join(name).with_extension("bin");
            let finished = run(command.args(["-q", "decode"]).arg(capture).args(options));
            finished.succeeded().text().to_owned()
        };
        compare(
            name,
            "ndjson",
            decode(&["--include", "transactions,relations,origin"]),
            str::to_owned,
        );
        compare(name, "text", decode(&["--format", "text"]), str::to_owned);
    }
}

/// Runs each script in a database of its own, and hands over what streams its changes with more
/// options.
fn each_script(plugin: &str, options: &[&str], check: impl Fn(&str, &dyn Fn(&[&str]) -> String)) {
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(tests().join("sql"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for path in scripts {
        let script = path.file_stem().unwrap().to_str().unwrap();
        let db = Database::create(&format!("golden_{plugin}_{script}"));
        db.sql("CREATE PUBLICATION everything FOR ALL TABLES");
        db.create_slot(plugin);
        // Its statements are separate transactions unless it says otherwise.
        std::fs::read_to_string(&path)
            .unwrap()
            .split(";\n")
            .for_each(|statement| db.sql(statement));
        check(script, &|more| {
            let arguments = [
                &["stream", "-S", db.name(), "--peek", "--until-now"],
                options,
                more,
            ]
            .concat();
            db.run(&arguments).succeeded().text().to_owned()
        });
    }
}

#[track_caller]
fn compare(name: &str, kind: &str, printed: String, normalize: impl Fn(&str) -> String) {
    let path = tests().join("golden").join(format!("{name}.{kind}"));
    let printed = normalize(&printed);
    if std::env::var_os("WALCAT_TEST_WRITE_GOLDEN").is_some() {
        return std::fs::write(&path, printed).unwrap();
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!expected.is_empty(), "{} is empty", path.display());
    let lines = expected.lines().zip(printed.lines()).enumerate();
    for (number, (expected, printed)) in lines {
        assert_eq!(printed, expected, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(
        printed.lines().count(),
        expected.lines().count(),
        "lines of {}",
        path.display()
    );
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Numbers for transactions in the order in which they appear.
#[derive(Default)]
struct Transactions(HashMap<String, usize>);

impl Transactions {
    fn number(&mut self, xid: &str) -> String {
        let next = self.0.len() + 1;
        self.0.entry(xid.to_owned()).or_insert(next).to_string()
    }
}

fn normalized_json(lines: &str) -> String {
    let mut transactions = Transactions::default();
    let mut normal = String::new();
    let mut rest = lines;
    while let Some((before, behind)) = rest.split_once("\":") {
        let key = before.rsplit('"').next().unwrap_or_default();
        let end = match key {
            "sequence" => behind.find("]\"").map(|at| at + 2),
            _ => behind.find([',', '}', '\n']),
        };
        let end = end.unwrap_or(behind.len());
        let value = &behind[..end];
        let replaced = match key {
            "xid" | "subxid" | "txId" if value != "null" => transactions.number(value),
            "lsn" | "commit_lsn" | "end_lsn" | "nextlsn" | "sequence" => "\"X/Y\"".to_owned(),
            "commit_time" | "timestamp" | "ts_ms" | "ts_us" | "ts_ns" => "\"TIME\"".to_owned(),
            "oid" if value.parse().is_ok_and(|oid: u32| oid >= 16384) => "\"OID\"".to_owned(),
            _ => {
                normal += &rest[..before.len() + 2];
                rest = behind;
                continue;
            }
        };
        normal += &format!("{before}\":{replaced}");
        rest = &behind[end..];
    }
    normal + rest
}

fn normalized_sql(lines: &str) -> String {
    let mut transactions = Transactions::default();
    let mut normal = String::new();
    for line in lines.lines() {
        let begin = line.strip_prefix("BEGIN; -- walcat: transaction ");
        let end = line.rsplit_once("; -- ");
        normal += &match (begin.and_then(|begin| begin.split_once(", ")), end) {
            (Some((xid, _)), _) => {
                let number = transactions.number(xid);
                format!("BEGIN; -- walcat: transaction {number}, TIME\n")
            }
            (None, Some((statement, position))) if position.contains('/') => {
                format!("{statement}; -- X/Y\n")
            }
            _ => format!("{line}\n"),
        };
    }
    normal
}

fn normalized_text(lines: &str) -> String {
    let mut transactions = Transactions::default();
    let mut normal = String::new();
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["BEGIN", xid, "", ..] => {
                normal += &format!("BEGIN {}  TIME\n", transactions.number(xid))
            }
            ["COMMIT", xid, "", _] => {
                normal += &format!("COMMIT {}  X/Y\n", transactions.number(xid))
            }
            _ => normal += &format!("{line}\n"),
        }
    }
    normal
}
