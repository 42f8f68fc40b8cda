//! `--once`: what psql at the other end of the pipe applies, it applies exactly once, whoever is
//! killed.

use crate::replay::{contents, psql};
use crate::support::*;
use std::process::{Child, Stdio};

/// walcat, and psql at the other end of its pipe.
struct Pipeline {
    walcat: Child,
    psql: Child,
}

impl Pipeline {
    fn start(source: &Database<'_>, target: &Database<'_>, options: &[&str]) -> Pipeline {
        let conninfo = format!("dbname={}", target.name());
        let mut walcat = source.walcat(&[
            "-q",
            "stream",
            "-S",
            source.name(),
            "--publication",
            "everything",
        ]);
        walcat
            .args(["--format", "sql", "--once", &conninfo])
            .args(options);
        let mut walcat = walcat
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = walcat.stdout.take().unwrap();
        let psql = psql(target, "")
            .stdin(lines)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Pipeline { walcat, psql }
    }

    /// Kills one of the two; the other ends for want of it.
    fn kill(mut self, walcat: bool) {
        let victim = if walcat {
            &mut self.walcat
        } else {
            &mut self.psql
        };
        victim.kill().unwrap();
        for child in [&mut self.walcat, &mut self.psql] {
            wait_until("the end of the pipeline", || child.try_wait().unwrap());
        }
    }
}

#[test]
fn every_change_is_applied_once_whoever_is_killed() {
    let (source, target) = (
        Database::create("applied_once"),
        Database::create("applied_once_copy"),
    );
    // Without a key: what is applied twice is there twice.
    for db in [&source, &target] {
        db.sql("CREATE TABLE t (id bigint, v text)");
    }
    source.sql("CREATE PUBLICATION everything FOR TABLE t");
    source.create_slot("pgoutput");
    let mut random = Random::new(15);
    let mut written = 0;
    for round in 0..12 {
        let target_rows: u64 = target.value("SELECT count(*) FROM t").parse().unwrap();
        for _ in 0..40 {
            let rows = random.within(1..30);
            source.sql(&format!(
                "INSERT INTO t SELECT {written} + i, repeat('x', 200) FROM generate_series(1, \
                 {rows}) AS i"
            ));
            written += rows;
        }
        let pipeline = Pipeline::start(&source, &target, &[]);
        let enough = target_rows + random.within(1..200);
        target.wait_for(&format!("SELECT count(*) >= {enough} FROM t"));
        pipeline.kill(round % 2 == 0);
    }
    let mut last = Pipeline::start(&source, &target, &["--until-now"]);
    for child in [&mut last.walcat, &mut last.psql] {
        let status = wait_until("the end of the pipeline", || child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
    let counts = "SELECT count(*) || ' ' || count(DISTINCT id) FROM t";
    assert_eq!(target.value(counts), format!("{written} {written}"));
    let rows = |db: &Database<'_>| -> Vec<String> {
        let contents = contents(db).into_iter();
        contents.filter(|row| row.starts_with("t ")).collect()
    };
    assert!(rows(&target) == rows(&source));
    // All of it is confirmed, and nothing was before it was applied.
    source.wait_for(&format!(
        "SELECT confirmed_flush_lsn >= '{}'::pg_lsn FROM pg_replication_slots WHERE slot_name = \
         '{}'",
        target.value("SELECT lsn FROM walcat.replayed"),
        source.name()
    ));
}

#[test]
fn what_is_not_applied_is_not_confirmed() {
    let (source, target) = (
        Database::create("not_applied"),
        Database::create("not_applied_copy"),
    );
    source.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION everything FOR TABLE t");
    source.create_slot("pgoutput");
    source.sql("INSERT INTO t VALUES (1)");
    let conninfo = format!("dbname={}", target.name());
    let arguments = [
        "-q",
        "stream",
        "-S",
        source.name(),
        "--publication",
        "everything",
    ];
    let once = ["--format", "sql", "--once", &conninfo, "--timeout", "1"];
    // Somebody takes the lines and does nothing with them.
    let finished = run(source.walcat(&arguments).args(once));
    assert!(
        finished
            .succeeded()
            .text()
            .contains("UPDATE walcat.replayed SET lsn = CASE lsn WHEN '0/0' THEN")
    );
    let commit = finished.text().trim_end().rsplit(' ').next().unwrap();
    let confirmed = format!(
        "SELECT confirmed_flush_lsn < '{commit}' FROM pg_replication_slots WHERE slot_name = '{}'",
        source.name()
    );
    assert_eq!(source.value(&confirmed), "t", "{commit}");
    for (options, named) in [
        (&["--format", "json", "--once", &conninfo][..], "--once"),
        (
            &["--format", "sql", "--once", "dbname=x password=secret"],
            "password",
        ),
    ] {
        let finished = run(source.walcat(&arguments).args(options));
        finished.exited(2);
        assert!(
            finished.stderr.contains(named) && !finished.stderr.contains("secret"),
            "{}",
            finished.stderr
        );
    }
}
