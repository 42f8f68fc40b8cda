//! What messages propose: it can be pasted as it stands, and never leads into loss.

use crate::support::*;
use std::path::Path;
use std::process::Command;

/// The lines `try: ...` of what was said.
fn proposals(stderr: &str) -> Vec<&str> {
    stderr
        .lines()
        .filter_map(|line| line.strip_prefix("try: "))
        .collect()
}

/// Types a line into a shell that knows nothing of the server but what the line says.
fn paste(line: &str) -> Finished {
    let program = Path::new(env!("CARGO_BIN_EXE_walcat"));
    let path = std::env::var("PATH").unwrap_or_default();
    let directory = program.parent().unwrap().display();
    run(Command::new("bash")
        .args(["-c", line])
        .env_clear()
        .env("PATH", format!("{directory}:{path}")))
}

/// The same program, with the connection in options and none of it in the environment.
fn typed(db: &Database<'_>, connection: &[&str], arguments: &[&str]) -> Finished {
    run(db
        .walcat(&[connection, arguments].concat())
        .env_remove("PGHOST")
        .env_remove("PGPORT")
        .env_remove("PGUSER")
        .env_remove("PGDATABASE"))
}

#[test]
fn what_is_proposed_repeats_the_connection() {
    let db = Database::create("what's proposed $(here)");
    let directory = db.server().socket_directory().display().to_string();
    let port = db.server().port().to_string();
    let connection = [
        "-d",
        db.name(),
        "-h",
        &directory,
        "-p",
        &port,
        "-U",
        "postgres",
    ];
    db.sql("CREATE PUBLICATION p");
    let stream = ["stream", "-S", "hints_nowhere", "--publication", "p"];
    let run = typed(&db, &connection, &stream);
    let proposed = proposals(&run.exited(1).stderr);
    let create = proposed.last().expect("a proposal");
    assert!(create.contains(" -U postgres slot create "), "{create}");
    let pasted = paste(create);
    assert_eq!(
        db.value(
            "SELECT database::text FROM pg_replication_slots WHERE slot_name = 'hints_nowhere'"
        ),
        db.name(),
        "{}",
        pasted.stderr
    );
    // Wherever they stood, and from every command.
    let created = typed(
        &db,
        &[],
        &[&["slot", "create", "hints_nowhere"], &connection[..]].concat(),
    );
    let again = proposals(&created.exited(1).stderr)[0].to_owned();
    paste(&again).succeeded();
    let dropped = typed(&db, &connection, &["slot", "drop", "hints_missing"]);
    let list = proposals(&dropped.exited(1).stderr)[0].to_owned();
    assert!(paste(&list).succeeded().text().contains("hints_nowhere"));
    // And from the warnings and the findings.
    let check = typed(&db, &connection, &["check", "-S", "hints_missing"]);
    let line = check
        .exited(1)
        .text()
        .lines()
        .find(|line| line.contains("hints_missing"));
    let create = line.and_then(|line| line.split_once("; try: ")).unwrap().1;
    paste(create).succeeded();
    assert!(paste(&list).text().contains("hints_missing"));
}

#[test]
fn what_is_proposed_shows_no_password() {
    let db = Database::create("what_is_proposed_shows_no_password");
    let (directory, port) = (db.server().socket_directory(), db.server().port());
    let directory = directory.display();
    for conninfo in [
        format!(
            "host='{directory}' port={port} user=postgres dbname={} password=s3cret",
            db.name()
        ),
        format!(
            "postgresql://postgres:s3cret@/{}?host={directory}&port={port}",
            db.name()
        ),
        format!(
            "host='{directory}' port={port} user=postgres dbname={} sslpassword=s3cret",
            db.name()
        ),
    ] {
        let run = typed(&db, &["-d", &conninfo], &["slot", "drop", "missing"]);
        assert!(!run.exited(1).stderr.contains("s3cret"), "{}", run.stderr);
        let proposed = proposals(&run.stderr);
        paste(proposed[0]).succeeded();
    }
}

#[test]
fn a_slot_of_another_database_is_reached_by_the_same_way() {
    let (db, other) = (
        Database::create("hints_here"),
        Database::create("hints_over there"),
    );
    other.sql("SELECT pg_create_logical_replication_slot('hints_over_there', 'pgoutput')");
    let (directory, port) = (db.server().socket_directory(), db.server().port());
    let directory = directory.display();
    let conninfo = format!(
        "host='{directory}' port={port} user=postgres dbname={}",
        db.name()
    );
    let run = typed(
        &db,
        &["-d", &conninfo],
        &["slot", "advance", "hints_over_there"],
    );
    let proposed = proposals(&run.exited(1).stderr)[0].to_owned();
    let check = paste(&proposed);
    assert!(
        check.text().contains("slot \"hints_over_there\" is "),
        "{proposed}: {}{}",
        check.text(),
        check.stderr
    );
}

#[test]
fn slots_of_this_database_come_first() {
    let (db, other) = (Database::create("hints_zz"), Database::create("hints_aa"));
    for (database, slot) in [
        (&other, "hints_aa_1"),
        (&db, "hints_zz_1"),
        (&db, "hints_zz_2"),
    ] {
        database.sql(&format!(
            "SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"
        ));
    }
    let run = db.run(&["slot", "advance", "hints_none"]);
    let stderr = &run.exited(1).stderr;
    let first = "The logical replication slots are: hints_zz_1, hints_zz_2";
    assert!(stderr.contains(first), "{stderr}");
    assert!(
        stderr.contains("hints_aa_1 (database \"hints_aa\")"),
        "{stderr}"
    );
}

#[test]
fn a_stream_without_publications_is_told_to_make_one_first() {
    let db = Database::create("without_publications_first");
    db.sql("CREATE TABLE t (id int PRIMARY KEY)");
    let run = db.run(&["stream", "--until-now"]);
    let proposed = proposals(&run.exited(1).stderr);
    assert_eq!(proposed[0], "--create-publication", "{}", run.stderr);
    // Neither the slot nor the publication is there: the slot must not come first.
    let run = db.run(&["stream", "-S", db.name(), "--until-now"]);
    let proposed = proposals(&run.exited(1).stderr);
    assert_eq!(
        proposed,
        ["--create-publication --create-slot"],
        "{}",
        run.stderr
    );
    db.run(&[
        "stream",
        "-S",
        db.name(),
        "--create-publication",
        "--create-slot",
        "--until-now",
    ])
    .succeeded();
    db.sql("INSERT INTO t VALUES (1)");
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "walcat",
        "--until-now",
    ]);
    assert_eq!(run.succeeded().json().len(), 1);
}

#[test]
fn wal2json_is_offered_where_it_is_there() {
    let db = Database::create("wal2json_is_offered");
    db.sql("CREATE TABLE t (id int PRIMARY KEY)");
    db.sql("DROP ROLE IF EXISTS hints_replicator; CREATE ROLE hints_replicator LOGIN REPLICATION");
    for role in ["postgres", "hints_replicator"] {
        let run = db.run(&["-U", role, "stream", "--until-now"]);
        let proposed = proposals(&run.exited(1).stderr);
        assert_eq!(
            proposed.last(),
            Some(&"-P wal2json"),
            "{role}: {}",
            run.stderr
        );
        db.run(&["-U", role, "stream", "--until-now", "-P", "wal2json"])
            .succeeded();
    }
    // A slot has its plugin already.
    db.create_slot("pgoutput");
    let run = db.run(&["stream", "-S", db.name(), "--until-now"]);
    assert!(
        !run.exited(1).stderr.contains("wal2json\n"),
        "{}",
        run.stderr
    );
    assert_eq!(
        db.value(
            "SELECT count(*) FROM pg_replication_slots
             WHERE temporary AND database = current_database()"
        ),
        "0"
    );
}

#[test]
fn a_slot_before_any_publication_is_warned_of() {
    let db = Database::create("slot_before_any_publication");
    let run = db.run(&["slot", "create", db.name()]);
    assert_eq!(
        run.succeeded().stderr,
        format!(
            "walcat: warning: the database has no publication, and slot \"{}\" cannot send what is \
             written before there is one\ntry: walcat pub create walcat --all-tables\n",
            db.name()
        )
    );
    db.run(&["slot", "drop", db.name()]).succeeded();
    db.run(&["pub", "create", "p", "--all-tables"]).succeeded();
    assert_eq!(
        db.run(&["slot", "create", db.name()]).succeeded().stderr,
        ""
    );
}

#[test]
fn a_wal2json_slot_needs_no_publication() {
    let db = Database::create("a_wal2json_slot_needs_none");
    let run = db.run(&["slot", "create", db.name(), "-P", "wal2json"]);
    assert_eq!(run.succeeded().stderr, "");
}

/// A publication that the slot's own history cannot see.
#[test]
fn a_publication_younger_than_what_waits_is_found_by_check() {
    let db = Database::create("found_by_check");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION early FOR ALL TABLES");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1)");
    db.sql("CREATE PUBLICATION later FOR ALL TABLES");
    let position = || {
        db.value(&format!(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{}'",
            db.name()
        ))
    };
    let before = position();
    let check =
        |publication: &str| db.run(&["check", "-S", db.name(), "--publication", publication]);
    let run = check("later");
    let found = run
        .exited(1)
        .text()
        .lines()
        .find(|line| line.contains("younger"))
        .unwrap_or_default();
    assert!(
        found.starts_with(&format!(
            "fail  publication \"later\" is younger than what waits in slot \"{}\"",
            db.name()
        )),
        "{}",
        run.text()
    );
    assert!(
        !found.contains("slot advance") || found.contains("lose"),
        "{found}"
    );
    assert!(!check("early").succeeded().text().contains("younger"));
    assert_eq!(before, position(), "looking moves nothing");
    // The stream says the same, with every version, and consumes nothing.
    let stream = [
        "stream",
        "-S",
        db.name(),
        "--publication",
        "later",
        "--until-now",
    ];
    let run = db.run(&stream);
    assert!(
        run.exited(1)
            .stderr
            .contains("was not when the changes were made"),
        "{}",
        run.stderr
    );
    assert_eq!(before, position());
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "early",
        "--until-now",
    ]);
    assert_eq!(run.succeeded().json().len(), 1);
    assert!(!check("later").succeeded().text().contains("younger"));
}

/// What a shell would do with each `try:` line of a walk that once lost changes.
#[test]
fn following_the_proposals_loses_nothing() {
    let db = Database::create("following_the_proposals");
    db.sql("CREATE TABLE t (id int PRIMARY KEY)");
    db.run(&["slot", "create", db.name()]).succeeded();
    db.sql("INSERT INTO t VALUES (1)");
    db.run(&["pub", "create", "p", "--all-tables"]).succeeded();
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    for proposed in proposals(&run.exited(1).stderr) {
        assert!(
            !proposed.contains("slot advance") || proposed.contains("lose"),
            "{}",
            run.stderr
        );
    }
    let run = db.run(&["check", "-S", db.name()]);
    assert!(
        !run.text().contains("slot advance") || run.text().contains("lose"),
        "{}",
        run.text()
    );
}
