//! `--format sql`: psql replays the changes in a second database, which is then the same, row by
//! row and digit by digit.

use crate::support::*;
use std::path::Path;
use std::process::Command;

pub const SCHEMA: &str = include_str!("replay/schema.sql");
pub const CHANGES: &str = include_str!("replay/changes.sql");

/// Makes the whole row the identity of every table.
pub const ALL_FULL: &str = "
    DO $$ DECLARE name regclass; BEGIN
        FOR name IN SELECT oid FROM pg_class
                    WHERE relkind IN ('r', 'p') AND relnamespace >= 16384 OR relkind IN ('r', 'p') \
                    AND relnamespace = 2200
        LOOP EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', name);
        END LOOP;
    END $$";

/// All rows of all tables as text, sorted: what EXCEPT ALL compares, and how values look besides.
pub fn contents(db: &Database<'_>) -> Vec<String> {
    let mut client = db.client();
    let names = "SELECT oid::regclass::text FROM pg_class
        WHERE relkind = 'r' AND (relnamespace >= 16384 OR relnamespace = 2200) AND oid >= 16384 \
        ORDER BY 1";
    let mut contents = Vec::new();
    for table in client.query(names, &[]).unwrap() {
        let table: String = table.get(0);
        let rows = format!("SELECT row::text FROM ONLY {table} AS row ORDER BY 1");
        for row in client.query(&rows, &[]).unwrap() {
            contents.push(format!("{table} {}", row.get::<_, String>(0)));
        }
    }
    contents
}

/// psql on this database, with options of the server's, which ends at the first error.
pub fn psql(db: &Database<'_>, options: &str) -> Command {
    let mut command = Command::new(db.server().client_program("psql"));
    command
        .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", db.name()])
        .arg("-h")
        .arg(db.server().socket_directory())
        .args(["-U", "postgres", "-p", &db.server().port().to_string()])
        .env("PGOPTIONS", options);
    command
}

/// Runs a script, which must succeed without a word.
pub fn replay(db: &Database<'_>, options: &str, script: &str) {
    let mut command = psql(db, options);
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), script).unwrap();
    let finished = run(command.arg("-f").arg(path.path()));
    finished.succeeded();
    assert_eq!((finished.text(), finished.stderr.as_str()), ("", ""));
}

/// The changes of a slot that is named like the database, as SQL.
fn stream(db: &Database<'_>, options: &[&str]) -> String {
    let publication = ["--publication", "everything"];
    let mut arguments = vec!["-q", "stream", "-S", db.name(), "--format", "sql"];
    arguments.extend(["--until-now"]);
    if !options.contains(&"wal2json") {
        arguments.extend(publication);
    }
    arguments.extend(options.iter().filter(|option| **option != "wal2json"));
    db.run(&arguments).succeeded().text().to_owned()
}

fn pair(name: &str) -> (Database<'static>, Database<'static>) {
    let (source, target) = (
        Database::create(name),
        Database::create(&format!("{name}_copy")),
    );
    source.sql(SCHEMA);
    target.sql(SCHEMA);
    (source, target)
}

/// What a session may say that reads the statements: 19 knows only standard strings.
fn odd_strings(server: &Server) -> &'static str {
    match server.version() >= 190_000 {
        true => "",
        false => "-c standard_conforming_strings=off",
    }
}

/// A publication of all tables. From 18 on a replica identity of all columns asks for the generated
/// ones too.
fn publish_everything(db: &Database<'_>, via_root: bool) {
    let generated = match db.server().version() >= 180_000 {
        true => ", publish_generated_columns = stored",
        false => "",
    };
    db.sql(&format!(
        "CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root = \
         {via_root}{generated})"
    ));
}

#[test]
fn hostile_rows_come_out_the_same() {
    for (case, root, full, settings) in [
        ("key", false, false, odd_strings(server())),
        ("root", true, false, "-c client_encoding=LATIN1"),
        (
            "full",
            false,
            true,
            "-c datestyle=SQL,DMY -c intervalstyle=sql_standard -c timezone=Asia/Kolkata \
             -c extra_float_digits=-5 -c bytea_output=escape",
        ),
    ] {
        let (source, target) = pair(&format!("hostile_rows_{case}"));
        if full {
            source.sql(ALL_FULL);
        }
        publish_everything(&source, root);
        source.create_slot("pgoutput");
        replay(&source, "", CHANGES);
        replay(&target, settings, &stream(&source, &[]));
        let (expected, found) = (contents(&source), contents(&target));
        assert!(expected.len() > 40, "{}", expected.len());
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn a_workload_between_changes_of_the_schema_comes_out_the_same() {
    let (source, target) = (
        Database::create("replayed_workload"),
        Database::create("replayed_workload_copy"),
    );
    source.sql("CREATE PUBLICATION everything FOR ALL TABLES");
    source.create_slot("pgoutput");
    for block in [
        "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int REFERENCES a, s \
         serial);
         CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)",
        "INSERT INTO a VALUES (1, 'one'), (2, 'two'); INSERT INTO b VALUES (1); INSERT INTO c (v) \
         VALUES ('x'), ('y')",
        "ALTER TABLE a ADD w numeric(8, 2) DEFAULT 1.5; ALTER TABLE a RENAME v TO \"V\"; ALTER \
         TABLE b ADD PRIMARY KEY (s)",
        "UPDATE a SET w = 2.50; UPDATE a SET \"V\" = NULL WHERE id = 2; UPDATE b SET id = 2; \
         DELETE FROM c WHERE v = 'x'",
        "ALTER TABLE a ALTER w TYPE text; ALTER TABLE a DROP \"V\"",
        "INSERT INTO a VALUES (3, 'three'); DELETE FROM a WHERE id = 1; UPDATE a SET id = 4 WHERE \
         id = 3",
        // Emptied together: neither could be without the other.
        "BEGIN; TRUNCATE a, b RESTART IDENTITY; INSERT INTO a VALUES (9, 'nine'); INSERT INTO b \
         VALUES (9); COMMIT",
        "TRUNCATE a CASCADE; INSERT INTO c (v) VALUES ('z')",
    ] {
        source.sql(block);
        if block.starts_with("CREATE") || block.starts_with("ALTER") {
            target.sql(block);
            target.sql("SELECT setval('b_s_seq', 50)");
        }
        replay(&target, "", &stream(&source, &[]));
        assert_eq!(contents(&target), contents(&source), "{block}");
    }
    target.sql("INSERT INTO a VALUES (1, '1'); INSERT INTO b VALUES (1)");
    assert_eq!(target.value("SELECT s FROM b"), "1", "RESTART IDENTITY");
}

#[test]
fn changes_are_taken_back_newest_first() {
    let (source, target) = pair("taken_back");
    for db in [&source, &target] {
        db.sql(ALL_FULL);
        replay(db, "", CHANGES);
    }
    publish_everything(&source, false);
    source.create_slot("pgoutput");
    let start = contents(&source);
    for change in [
        "UPDATE kinds SET text = 'later', doc = NULL, small = small + 1, feeling = 'sad'; DELETE \
         FROM kinds WHERE id < 20",
        "UPDATE full_kinds SET id = id + 1, raw = '\\x00', while = NULL; DELETE FROM full_kinds \
         WHERE id > 30",
        "INSERT INTO equals SELECT 1, 1.0, NULL, '{}' FROM generate_series(1, 3); DELETE FROM \
         equals WHERE a = 0; UPDATE equals SET b = 2.50",
        "UPDATE always SET text = 'x', number = number + 1; DELETE FROM always WHERE id = 77; \
         INSERT INTO always (number) VALUES (5)",
        "UPDATE toasted SET other = 'y'; DELETE FROM toasted_full; UPDATE parts SET kind = 'a' \
         WHERE kind = 'b'; UPDATE by_pair SET key = '(9,z)'",
        "DELETE FROM without_columns; UPDATE keywords SET \"select\" = 'k'; UPDATE wide SET c5 = \
         5; INSERT INTO parent VALUES (7)",
    ] {
        source.sql(change);
    }
    let (redo, undo) = (
        stream(&source, &["--peek"]),
        stream(&source, &["--peek", "--undo"]),
    );
    replay(&target, "", &redo);
    assert_eq!(contents(&target), contents(&source));
    assert_ne!(contents(&target), start);
    replay(&target, odd_strings(server()), &undo);
    assert_eq!(contents(&target), start);
    // What decode makes of the same.
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("capture");
    let raw = [
        "-q",
        "stream",
        "-S",
        source.name(),
        "--publication",
        "everything",
        "--until-now",
        "--format",
        "raw",
        "-f",
    ];
    run(source.walcat(&raw).arg(&capture)).succeeded();
    let decode = [
        "-q", "decode", "--format", "sql", "--table", "equals", "--table", "parent", "--undo",
    ];
    let decoded = run(source.walcat(&decode).arg(&capture));
    let of_equals = |script: &str| -> Vec<String> {
        let lines = script
            .lines()
            .filter(|line| line.contains("public.equals") || line.contains("public.parent"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(of_equals(decoded.succeeded().text()), of_equals(&undo));
    assert!(of_equals(&undo).len() > 10);
}

#[test]
fn what_cannot_be_taken_back_is_refused() {
    let db = Database::create("not_taken_back");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION everything FOR TABLE t",
    );
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1, 'x'); UPDATE t SET v = 'y'");
    let arguments = [
        "stream",
        "-S",
        db.name(),
        "--publication",
        "everything",
        "--format",
        "sql",
        "--undo",
    ];
    let finished = run(db.walcat(&arguments).args(["--until-now", "--peek"]));
    finished.exited(1);
    assert_eq!(finished.text(), "");
    assert!(
        finished.stderr.contains("could not take back"),
        "{}",
        finished.stderr
    );
    assert!(
        finished
            .stderr
            .contains("ALTER TABLE public.t REPLICA IDENTITY FULL"),
        "{}",
        finished.stderr
    );
    for more in [
        &["--until-now"][..],
        &["--peek"],
        &["--peek", "--until-now", "-f", "x"],
    ] {
        run(db.walcat(&arguments).args(more)).exited(2);
    }
    run(db.walcat(&["decode", "--undo"]).arg("/dev/null")).exited(2);
}

#[test]
fn tpc_b_comes_out_the_same() {
    let (source, target) = (
        Database::create("replayed_tpc_b"),
        Database::create("replayed_tpc_b_copy"),
    );
    let pgbench = |db: &Database<'_>, options: &[&str]| {
        let mut command = Command::new(db.server().client_program("pgbench"));
        command
            .args(options)
            .arg("-h")
            .arg(db.server().socket_directory())
            .args(["-U", "postgres", "-p", &db.server().port().to_string()])
            .arg(db.name());
        run(&mut command).succeeded();
    };
    pgbench(&source, &["-iq"]);
    pgbench(&target, &["-iq"]);
    source.sql("CREATE PUBLICATION everything FOR ALL TABLES");
    source.create_slot("pgoutput");
    pgbench(&source, &["-n", "-c", "4", "-t", "250"]);
    let script = stream(&source, &[]);
    assert_eq!(script.matches("\nCOMMIT; -- ").count(), 1000);
    replay(&target, "", &script);
    assert_eq!(target.value("SELECT count(*) FROM pgbench_history"), "1000");
    assert_eq!(contents(&target), contents(&source));
}

#[test]
fn rows_of_wal2json_come_out_the_same() {
    let (source, target) = (
        Database::create("replayed_wal2json"),
        Database::create("replayed_wal2json_copy"),
    );
    for db in [&source, &target] {
        db.sql(
            "CREATE TYPE pair AS (a int, b text);
             CREATE TABLE t (id int PRIMARY KEY, v text, p pair, n numeric(8, 2)); CREATE TABLE f \
             (id int, v text, j json);
             ALTER TABLE f REPLICA IDENTITY FULL",
        );
    }
    source.create_slot("wal2json");
    source.sql(
        r#"INSERT INTO t VALUES (1, E'it''s \\ \n', '(1,"x "" y")', 1.5), (2, NULL, NULL, NULL); UPDATE t SET v = 'ä' WHERE id = 2;
           UPDATE t SET id = 3 WHERE id = 1; INSERT INTO f SELECT 1, '\', '{"a" : 1}' FROM generate_series(1, 3);
           DELETE FROM f WHERE ctid = (SELECT min(ctid) FROM f); UPDATE f SET v = 'x' WHERE ctid = (SELECT min(ctid) FROM f)"#,
    );
    replay(&target, "", &stream(&source, &["wal2json"]));
    assert_eq!(contents(&target), contents(&source));
}

#[test]
fn a_file_of_sql_is_resumed_by_whole_transactions() {
    let db = Database::create("resumed_sql");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES");
    db.create_slot("pgoutput");
    is_resumed_at_every_cut(&db, "sql", 6);
}

/// The lines, without the time at which they were written (Debezium's second `ts_ms`).
fn timeless(lines: &[u8]) -> Vec<String> {
    let lines = String::from_utf8_lossy(lines).into_owned();
    let timeless = |line: &str| {
        line.split("},\"transaction\":null")
            .next()
            .unwrap()
            .to_owned()
    };
    lines.split_inclusive('\n').map(timeless).collect()
}

/// Cuts a file of this format where a kill may have left it, and compares what a run makes of it
/// with the whole.
pub fn is_resumed_at_every_cut(db: &Database<'_>, format: &str, lines_each: usize) {
    for number in 0..3 {
        db.sql(&format!(
            "INSERT INTO t SELECT {number} * 10 + i FROM generate_series(1, 3) AS i; UPDATE t SET \
             id = -id WHERE id = {number} * 10 + 1"
        ));
    }
    let stream = |path: &Path| {
        let mut command = db.walcat(&["-q", "stream", "--peek", "--publication", "everything"]);
        command.args(["--until-now", "--format", format, "-S", db.name(), "-f"]);
        run(command.arg(path)).succeeded();
    };
    let directory = tempfile::tempdir().unwrap();
    let (whole, cut) = (directory.path().join("whole"), directory.path().join("cut"));
    stream(&whole);
    let expected = std::fs::read(&whole).unwrap();
    let lines = expected.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(
        lines,
        3 * lines_each,
        "{}",
        String::from_utf8_lossy(&expected)
    );
    let mut random = Random::new(15);
    let mut ends = vec![0, 1, expected.len() - 1, expected.len()];
    ends.extend((0..12).map(|_| random.within(0..expected.len() as u64) as usize));
    for end in ends {
        std::fs::write(&cut, &expected[..end]).unwrap();
        stream(&cut);
        let found = std::fs::read(&cut).unwrap();
        assert_eq!(timeless(&found), timeless(&expected), "cut at {end}");
    }
    // What is not walcat's is not touched.
    for foreign in [
        "SELECT 1;\n",
        "INSERT INTO t VALUES (1);\n",
        "{\"a\":1}\n",
        "INSERT INTO t",
    ] {
        std::fs::write(&cut, foreign).unwrap();
        let mut command = db.walcat(&["stream", "--peek", "--publication", "everything"]);
        command.args(["--until-now", "--format", format, "-S", db.name(), "-f"]);
        let finished = run(command.arg(&cut));
        finished.exited(1);
        assert!(
            finished.stderr.contains("is no event of walcat's"),
            "{}",
            finished.stderr
        );
        assert_eq!(std::fs::read_to_string(&cut).unwrap(), foreign);
    }
}

#[test]
fn rows_that_nothing_identifies_are_refused() {
    let db = Database::create("unidentified_rows");
    db.sql(
        "CREATE TABLE \"T\" (id int, v text); CREATE PUBLICATION everything FOR TABLE \"T\" \
        WITH (publish = 'insert')",
    );
    db.create_slot("pgoutput");
    // When it was made no publication had it, but the slot sends it now.
    db.sql("INSERT INTO \"T\" VALUES (1, 'x')");
    let script = stream(&db, &["--peek"]);
    assert!(
        script
            .contains("INSERT INTO public.\"T\" (id, v) OVERRIDING SYSTEM VALUE VALUES (1, 'x');"),
        "{script}"
    );
    for (options, named) in [
        (&["--streaming", "on"][..], "--streaming"),
        (&["--undo"], "--undo"),
    ] {
        let mut arguments = vec![
            "stream",
            "-S",
            db.name(),
            "--publication",
            "everything",
            "--format",
            "sql",
        ];
        arguments.extend(options);
        let finished = db.run(&arguments);
        finished.exited(2);
        assert!(finished.stderr.contains(named), "{}", finished.stderr);
    }
}
