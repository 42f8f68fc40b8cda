//! Publications that would make UPDATE or DELETE fail: refused before they are there, with ways out
//! that work.

use crate::support::*;

fn with_tables(name: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql(
        "CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE bare (id int);
         CREATE TABLE \"Odd one\" (id int);
         INSERT INTO bare VALUES (1); INSERT INTO \"Odd one\" VALUES (1)",
    );
    db
}

/// Writes go on as before.
fn writes_work(db: &Database<'_>) {
    db.sql("UPDATE bare SET id = id + 1; DELETE FROM \"Odd one\" WHERE id < 0");
}

fn proposals(run: &Finished) -> Vec<String> {
    let lines = run.exited(1).stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("try: "))
        .map(str::to_owned)
        .collect()
}

/// Runs what was proposed as a shell would.
fn paste(db: &Database<'_>, line: &str) -> Finished {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_walcat"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = std::process::Command::new("bash");
    command.args(["-c", line]).env_clear().env(
        "PATH",
        format!("{}:{path}", program.parent().unwrap().display()),
    );
    for (name, value) in db.walcat(&[]).get_envs() {
        if let (Some("PGHOST" | "PGPORT" | "PGUSER" | "PGDATABASE"), Some(value)) =
            (name.to_str(), value)
        {
            command.env(name, value);
        }
    }
    run(&mut command)
}

#[test]
fn a_publication_that_breaks_writes_is_refused() {
    let db = with_tables("a_publication_that_breaks_writes");
    let create = ["pub", "create", "p", "--all-tables"];
    let run = db.run(&create);
    assert!(
        run.exited(1).stderr.starts_with(
            "walcat: error: could not create publication \"p\": UPDATE and DELETE would fail on \
             public.\"Odd one\", public.bare\n"
        ),
        "{}",
        run.stderr
    );
    assert_eq!(db.value("SELECT count(*) FROM pg_publication"), "0");
    writes_work(&db);
    let proposed = proposals(&run);
    assert_eq!(
        proposed,
        [
            "ALTER TABLE public.\"Odd one\" REPLICA IDENTITY FULL; \
             ALTER TABLE public.bare REPLICA IDENTITY FULL",
            "walcat pub create p --table public.keyed",
            "walcat pub create p --all-tables --publish insert,truncate",
            "walcat pub create p --all-tables --force",
        ]
    );
    // Each is a way out.
    for line in &proposed[1..3] {
        paste(&db, line).succeeded();
        writes_work(&db);
        db.sql("DROP PUBLICATION p");
    }
    let forced = paste(&db, &proposed[3]);
    assert!(
        forced
            .succeeded()
            .stderr
            .contains("UPDATE and DELETE fail on table public.bare"),
        "{}",
        forced.stderr
    );
    db.sql("DROP PUBLICATION p");
    db.sql(&proposed[0]);
    assert_eq!(
        db.run(&create).succeeded().stderr,
        "walcat: created publication \"p\"\n"
    );
    writes_work(&db);
}

#[test]
fn named_tables_and_their_operations_are_looked_at_too() {
    let db = with_tables("named_tables_and_their_operations");
    let run = db.run(&[
        "pub",
        "create",
        "p",
        "--table",
        "bare",
        "--table",
        "keyed",
        "--publish",
        "insert,update",
    ]);
    assert_eq!(
        proposals(&run),
        [
            "ALTER TABLE public.bare REPLICA IDENTITY FULL",
            "walcat pub create p --table public.keyed --publish insert,update",
            "walcat pub create p --table bare --table keyed --publish insert",
            "walcat pub create p --table bare --table keyed --publish insert,update --force",
        ]
    );
    // Nothing but what breaks writes is wanted: that leaves fewer ways out.
    let run = db.run(&[
        "pub",
        "create",
        "p",
        "--table",
        "bare",
        "--publish",
        "update",
    ]);
    assert_eq!(
        proposals(&run),
        [
            "ALTER TABLE public.bare REPLICA IDENTITY FULL",
            "walcat pub create p --table bare --publish update --force",
        ]
    );
    assert_eq!(db.value("SELECT count(*) FROM pg_publication"), "0");
    db.run(&[
        "pub",
        "create",
        "p",
        "--table",
        "bare",
        "--publish",
        "insert",
    ])
    .succeeded();
    // One that is there already has done its harm.
    db.run(&["pub", "create", "q", "--all-tables", "--force"])
        .succeeded();
    db.run(&["pub", "create", "q", "--all-tables", "--if-not-exists"])
        .succeeded();
}

#[test]
fn the_stream_that_makes_a_publication_looks_too() {
    let db = with_tables("the_stream_that_makes_a_publication");
    let stream = ["stream", "--create-publication", "--until-now"];
    let run = db.run(&stream);
    let proposed = proposals(&run);
    assert_eq!(
        proposed,
        [
            "ALTER TABLE public.\"Odd one\" REPLICA IDENTITY FULL; \
             ALTER TABLE public.bare REPLICA IDENTITY FULL",
            "--table '*' --table '!public.\"Odd one\"' --table '!public.bare'",
            "--op insert,truncate",
            "walcat pub create walcat --all-tables --force",
        ]
    );
    for words in [
        &[
            "--table",
            "*",
            "--table",
            "!public.\"Odd one\"",
            "--table",
            "!public.bare",
        ][..],
        &["--op", "insert,truncate"],
        &["--op", "insert"],
        &["--table", "bare:insert"],
    ] {
        let run = db.run(&[&stream[..], words].concat());
        run.succeeded();
        writes_work(&db);
        db.sql("DROP PUBLICATION walcat");
    }
}

#[test]
fn a_publication_of_fewer_operations_is_told_of() {
    let db = with_tables("a_publication_of_fewer_operations");
    let stream = ["stream", "--create-publication", "--until-now"];
    db.run(&[&stream[..], &["--op", "insert"]].concat())
        .succeeded();
    let run = db.run(&stream);
    assert!(
        run.succeeded().stderr.contains(
            "walcat: warning: publication \"walcat\" is there already, and publishes insert only\n"
        ),
        "{}",
        run.stderr
    );
    let run = db.run(&[&stream[..], &["--op", "insert"]].concat());
    assert_eq!(run.succeeded().stderr, "");
}
