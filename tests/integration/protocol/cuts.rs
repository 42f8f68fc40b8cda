//! A stream that is cut into runs at every possible end position: together they are what one run
//! without a cut is. Whatever ends a run is confirmed only if it was delivered.

use super::consumer::Consumer;
use crate::support::*;
use fastrand::Rng;
use postgres::Client;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

/// Steps of the workload.
const STEPS: usize = 24;

/// The ids of the rows of large transactions begin here.
const LARGE: i64 = 1_000_000;

/// A server of its own: whatever the other tests write would be read for each of the many runs.
fn quiet_server() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| {
        Server::start(Options {
            settings: &[("logical_decoding_work_mem", "64kB")],
            ..Options::default()
        })
    });
    &SERVER
}

/// What is asked of walcat, and what its output is compared as.
struct Variant {
    name: &'static str,
    plugin: &'static str,
    options: Vec<&'static str>,
    compare: Compare,
    to_file: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Compare {
    /// Byte by byte.
    Bytes,
    /// As what `decode` makes of it: each run announces tables anew.
    Decoded,
    /// As what a consumer has at the end: what has not committed is sent again by each run.
    Consumed,
    /// Nothing is missing; a plugin that is not known is cut anywhere, and repeats.
    Lines,
}

#[test]
fn runs_cut_anywhere_add_up_to_one_run() {
    let two_phase = quiet_server().version() >= 150_000;
    let two_phase: &[&str] = if two_phase { &["--two-phase"] } else { &[] };
    let with =
        |more: &[&'static str]| [&["--publication", "p", "--messages"], two_phase, more].concat();
    let variant = |name, options, compare| Variant {
        name,
        plugin: "pgoutput",
        options,
        compare,
        to_file: matches!(name, "json" | "raw"),
    };
    add_up(vec![
        variant("json", with(&["--include", "transactions"]), Compare::Bytes),
        variant(
            "text",
            vec!["--publication", "p", "--format", "text"],
            Compare::Bytes,
        ),
        variant("raw", with(&["--format", "raw"]), Compare::Decoded),
        variant("streamed", with(&["--streaming", "on"]), Compare::Consumed),
        Variant {
            name: "other",
            plugin: "test_decoding",
            options: vec!["--format", "raw"],
            compare: Compare::Lines,
            to_file: false,
        },
    ]);
}

#[test]
fn runs_of_wal2json_cut_anywhere_add_up_to_one_run() {
    let raw =
        "-o format-version=2 -o include-lsn -o include-xids -o include-timestamp --format raw";
    let variant = |name, options: &'static str| Variant {
        name,
        plugin: "wal2json",
        options: options.split_ascii_whitespace().collect(),
        compare: Compare::Bytes,
        to_file: true,
    };
    add_up(vec![
        variant("w_json", "--messages --include transactions"),
        variant("w_raw", raw),
    ]);
}

fn add_up(variants: Vec<Variant>) {
    let name = format!("cuts_{}", variants[0].name);
    let db = Database::create_on(quiet_server(), &name);
    let other = Database::create_on(quiet_server(), &format!("{name}_other"));
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE unpublished (id int)");
    db.sql("CREATE PUBLICATION p FOR TABLE t");
    other.sql("CREATE TABLE t (id int)");
    for variant in &variants {
        let (name, plugin) = (variant.name, variant.plugin);
        let two_phase = variant.options.contains(&"--two-phase");
        for to in ["stdout", "file"] {
            db.sql(&format!(
                "SELECT pg_create_logical_replication_slot('{name}_{to}', '{plugin}', false, \
                 {two_phase})"
            ));
        }
    }
    work(&db, &other);
    let positions = positions(&db, &json(&whole(&db, &variants[0])));
    assert!(positions.len() > 100, "{} cuts", positions.len());
    let directory = tempfile::tempdir().unwrap();
    for variant in &variants {
        let whole = whole(&db, variant);
        check(&db, variant, &whole, &positions, None);
        if variant.to_file {
            let path = directory.path().join(variant.name);
            check(&db, variant, &whole, &positions, Some(&path));
        }
    }
}

/// Streams without a cut, and without consuming.
fn whole(db: &Database<'_>, variant: &Variant) -> Vec<u8> {
    let slot = format!("{}_stdout", variant.name);
    let mut command = db.walcat(&["stream", "-S", &slot, "--until-now", "--peek"]);
    run(command.args(&variant.options))
        .succeeded()
        .stdout
        .clone()
}

/// Streams cut at all positions, and compares.
fn check(
    db: &Database<'_>,
    variant: &Variant,
    whole: &[u8],
    positions: &[String],
    file: Option<&Path>,
) {
    let slot = format!("{}_{}", variant.name, file.map_or("stdout", |_| "file"));
    let mut parts = Vec::new();
    for position in positions {
        let mut command = db.walcat(&["stream", "-S", &slot, "--endpos", position]);
        command.args(&variant.options);
        if let Some(path) = file {
            command.arg("--file").arg(path);
        }
        parts.extend(run(&mut command).succeeded().stdout.iter());
    }
    if let Some(path) = file {
        parts = std::fs::read(path).unwrap();
    }
    let same = |parts: &[u8], whole: &[u8]| {
        let (parts, whole) = (lines(parts), lines(whole));
        assert!(
            parts == whole,
            "{slot}: {}",
            first_difference(&parts, &whole)
        );
    };
    match variant.compare {
        Compare::Bytes => same(&parts, whole),
        Compare::Decoded => same(&decoded(db, &parts), &decoded(db, whole)),
        Compare::Consumed => {
            let consumed = |bytes: &[u8]| {
                let consumer = Consumer::of(&json(bytes));
                assert_eq!(consumer.undecided(), [0; 0], "{slot}");
                consumer.committed.iter().map(row).collect::<Vec<_>>()
            };
            assert_eq!(consumed(&parts), consumed(whole), "{slot}");
        }
        Compare::Lines => {
            let set = |bytes| -> BTreeSet<String> { lines(bytes).into_iter().collect() };
            let (parts, whole) = (set(&parts), set(whole));
            let missing: Vec<&String> = whole.difference(&parts).collect();
            assert!(missing.is_empty(), "{slot}: {missing:#?}");
        }
    }
}

/// The lines, without those of prepared transactions that the server knows to be rolled back: of
/// them it sends as much as it likes.
fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let xid = |line: &str| {
        let (_, rest) = line.split_once("\"xid\":")?;
        Some(rest.split(|c: char| !c.is_ascii_digit()).next()?.to_owned())
    };
    let rolled_back = text
        .lines()
        .filter(|line| line.contains("\"rollback_prepared\""));
    let rolled_back: BTreeSet<Option<String>> = rolled_back.map(xid).collect();
    let wanted = |line: &&str| !rolled_back.contains(&xid(line));
    text.lines().filter(wanted).map(str::to_owned).collect()
}

/// What a change did, without where it lay: that differs for what is streamed.
fn row(change: &Value) -> (Value, Value, Value) {
    let [op, after, content] = ["op", "after", "content"].map(|key| change[key].clone());
    (op, after, content)
}

fn json(bytes: &[u8]) -> Vec<Value> {
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn decoded(db: &Database<'_>, raw: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("raw");
    std::fs::write(&path, raw).unwrap();
    db.run(&["decode", path.to_str().unwrap()])
        .succeeded()
        .stdout
        .clone()
}

fn first_difference(parts: &[String], whole: &[String]) -> String {
    let at = parts
        .iter()
        .zip(whole)
        .take_while(|(part, whole)| part == whole)
        .count();
    let [part, whole] = [parts, whole].map(|lines| lines.get(at));
    format!("line {at}: {part:.300?} instead of {whole:.300?}")
}

/// Where records of the WAL begin and end, as far as the events tell, and just before and behind
/// these places; the last is the end of the WAL.
fn positions(db: &Database<'_>, events: &[Value]) -> Vec<String> {
    let number = |text: &str| {
        let (high, low) = text.split_once('/')?;
        Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
    };
    let end = number(&db.wal_position()).unwrap();
    let mut positions = BTreeSet::from([end]);
    let mut rows = 0;
    for event in events {
        let large = event["after"]["id"].as_i64() > Some(LARGE);
        rows += usize::from(large);
        // Of the rows of large transactions a few will do.
        if large && rows % 50 != 0 {
            continue;
        }
        for key in [
            "lsn",
            "commit_lsn",
            "prepare_lsn",
            "prepare_end_lsn",
            "end_lsn",
        ] {
            if let Some(lsn) = event[key].as_str().and_then(number) {
                positions.extend([lsn - 1, lsn, lsn + 1].into_iter().filter(|lsn| *lsn < end));
            }
        }
    }
    let text = |lsn: &u64| format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF);
    positions.iter().map(text).collect()
}

/// Transactions that are committed, rolled back, prepared, large, empty or of another database, and
/// messages, at random but always the same.
fn work(db: &Database<'_>, other: &Database<'_>) {
    let mut random = Rng::with_seed(11);
    let [mut one, mut two] = [db.client(), db.client()];
    let mut id = 0;
    let mut next = || {
        id += 1;
        id
    };
    let batch = |client: &mut Client, statements: &str| {
        client
            .batch_execute(statements)
            .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    };
    for step in 0..STEPS {
        let end = if random.u8(..4) == 0 {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        match step % 8 {
            0 => {
                let rows = format!("INSERT INTO t VALUES ({}, 'a'), ({}, 'b')", next(), next());
                batch(&mut one, &rows);
            }
            1 => batch(
                &mut one,
                "SELECT pg_logical_emit_message(false, 'p', 'outside')",
            ),
            2 => {
                batch(
                    &mut one,
                    &format!("BEGIN; INSERT INTO t VALUES ({}, 'one')", next()),
                );
                batch(
                    &mut two,
                    &format!("BEGIN; INSERT INTO t VALUES ({}, 'two')", next()),
                );
                batch(
                    &mut two,
                    "SELECT pg_logical_emit_message(true, 'p', 'within'); COMMIT",
                );
                batch(&mut one, end);
            }
            3 => {
                let gid = format!("{} {step}", db.name());
                batch(
                    &mut one,
                    &format!("BEGIN; INSERT INTO t VALUES ({}, 'prepared')", next()),
                );
                batch(&mut one, &format!("PREPARE TRANSACTION '{gid}'"));
                batch(
                    &mut two,
                    &format!("INSERT INTO t VALUES ({}, 'between')", next()),
                );
                batch(&mut one, &format!("{end} PREPARED '{gid}'"));
                if random.bool() {
                    batch(
                        &mut two,
                        "SELECT pg_logical_emit_message(false, 'p', 'behind it')",
                    );
                }
            }
            4 => {
                let from = LARGE as usize + 1000 * step;
                batch(
                    &mut one,
                    &format!(
                        "BEGIN; INSERT INTO t SELECT g, repeat('x', 500) FROM \
                         generate_series({from}, {}) g",
                        from + 300
                    ),
                );
                if random.bool() {
                    batch(
                        &mut two,
                        "SELECT pg_logical_emit_message(false, 'p', 'meanwhile')",
                    );
                }
                batch(&mut one, end);
            }
            5 => batch(&mut one, "INSERT INTO unpublished VALUES (1)"),
            6 => other.sql("INSERT INTO t VALUES (1)"),
            _ => batch(
                &mut one,
                &format!("UPDATE t SET v = 'new' WHERE id = {}", next() - 1),
            ),
        }
    }
    batch(&mut one, "INSERT INTO t VALUES (0, 'the end')");
}
