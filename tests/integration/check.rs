//! `walcat check`: one line for each thing that streaming needs, with what mends it.

use crate::support::*;

fn major(db: &Database<'_>) -> u32 {
    db.server().version() / 10_000
}

#[track_caller]
fn has(run: &Finished, line: &str) {
    assert!(
        run.text().lines().any(|there| there == line),
        "no line {line:?} in\n{}{}",
        run.text(),
        run.stderr
    );
}

#[test]
fn check_of_a_healthy_server() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "healthy");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    db.create_slot("pgoutput");
    let run = db.run(&["check", "--slot", "healthy", "--publication", "p"]);
    run.succeeded();
    assert!(
        run.text().lines().all(|line| line.starts_with("ok    ")),
        "{}",
        run.text()
    );
    let version = db.value("SHOW server_version");
    let version = version.split(' ').next().unwrap();
    has(&run, &format!("ok    the server is PostgreSQL {version}"));
    has(&run, "ok    wal_level is logical");
    has(&run, "ok    role \"postgres\" may replicate");
    has(&run, "ok    1 of 100 replication slots are in use");
    has(&run, "ok    0 of 100 WAL senders are in use");
    has(&run, "ok    a replication connection can be opened");
    has(&run, "ok    wal_sender_timeout is 1min");
    has(
        &run,
        "ok    max_slot_wal_keep_size is -1: slots are never lost, and one that nobody reads fills \
         the disk",
    );
    has(&run, "ok    publication \"p\" has 1 table");
    let plugin = match db.maybe_value("SELECT current_setting('output_plugin_libraries', true)") {
        Some(_) => "ok    output_plugin_libraries lists pgoutput",
        None => {
            "ok    output plugin pgoutput is part of the server, which takes any plugin that it has"
        }
    };
    has(&run, plugin);
    assert!(
        run.text().contains("\nok    slot \"healthy\" is "),
        "{}",
        run.text()
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn check_of_a_server_that_cannot_decode() {
    let settings = &[
        ("wal_level", "replica"),
        ("max_wal_senders", "1"),
        ("max_replication_slots", "1"),
        ("wal_sender_timeout", "0"),
        ("max_slot_wal_keep_size", "2GB"),
    ];
    let server = Server::start(Options {
        settings,
        ..Options::default()
    });
    let db = Database::create_on(&server, "unfit");
    db.sql("SELECT pg_create_physical_replication_slot('physical', true)");
    let run = db.run(&["check"]);
    // From 19 on the first logical slot sees to the WAL by itself.
    let (failed, wal_level) = match major(&db) {
        ..19 => (
            3,
            "fail  wal_level is replica, not logical; try: ALTER SYSTEM SET wal_level = logical, \
             then restart the server",
        ),
        19.. => (2, "ok    wal_level is replica"),
    };
    assert_eq!(
        run.exited(1).stderr,
        format!("walcat: error: {failed} of 11 checks failed\n")
    );
    has(&run, wal_level);
    has(
        &run,
        "fail  1 of 1 replication slots are in use; try: raise max_replication_slots and restart \
         the server, or free one",
    );
    has(
        &run,
        "warn  0 of 1 WAL senders are in use; try: raise max_wal_senders and restart the server, \
         or free one",
    );
    has(
        &run,
        "warn  wal_sender_timeout is 0: a client that vanished holds its slot for long; \
         try: ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf()",
    );
    has(
        &run,
        "ok    max_slot_wal_keep_size is 2GB: a slot that falls further behind is lost",
    );
    has(
        &run,
        "fail  the database has no publication, and pgoutput needs one; try: walcat pub create \
         walcat --all-tables",
    );
    let run = db.run(&["check", "--slot", "physical"]);
    run.exited(1);
    has(
        &run,
        "fail  could not stream from slot \"physical\": it is a physical slot; try: walcat slot \
         create NAME",
    );
}

#[test]
fn check_of_slots_and_publications() {
    let name = "check_of_slots_and_publications";
    let db = Database::create(name);
    db.sql(
        "CREATE TABLE bare (id int); CREATE PUBLICATION empty; CREATE PUBLICATION p FOR TABLE bare",
    );
    let run = db.run(&[
        "check",
        "--slot",
        "missing_slot",
        "--publication",
        "p,missing",
    ]);
    assert!(run.exited(1).stderr.ends_with(" checks failed\n"));
    has(
        &run,
        "fail  there is no replication slot \"missing_slot\"; try: walcat slot create missing_slot",
    );
    has(
        &run,
        "fail  there is no publication \"missing\"; try: walcat pub create missing --all-tables",
    );
    has(
        &run,
        "warn  publication \"p\": UPDATE and DELETE fail on table public.bare: it has no replica \
         identity; \
         try: ALTER TABLE public.bare REPLICA IDENTITY FULL",
    );
    let run = db.run(&["check"]);
    run.succeeded();
    has(&run, "ok    the database has no slots yet");
    has(
        &run,
        "warn  publication \"empty\" has no tables; try: walcat pub list",
    );

    db.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{name}', 'test_decoding')"
    ));
    let other = Database::create("check_from_another_database");
    let run = other.run(&["check", "--slot", name]);
    run.exited(1);
    has(
        &run,
        &format!(
            "fail  could not stream from slot \"{name}\": it belongs to database \"{name}\"; try: \
             walcat -d {name} check -S {name}"
        ),
    );
    let run = db.run(&["check", "--slot", name]);
    run.exited(1);
    has(
        &run,
        &format!(
            "fail  slot \"{name}\" has plugin test_decoding, which walcat cannot decode; try: \
             walcat stream --format raw -S {name}"
        ),
    );
    assert!(
        !run.text().contains("publication \""),
        "test_decoding needs none: {}",
        run.text()
    );
}

#[test]
fn check_of_a_slot_in_use() {
    let db = Database::create("check_of_a_slot_in_use");
    let mut holder = db.client();
    holder
        .batch_execute(
            "SELECT pg_create_logical_replication_slot('check_in_use', 'pgoutput', true)",
        )
        .unwrap();
    let pid: i32 = holder
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);
    let run = db.run(&["check", "--slot", "check_in_use"]);
    run.exited(1);
    has(
        &run,
        &format!(
            "fail  could not stream from slot \"check_in_use\": it is in use by PID {pid} \
             (application \"test\", \
             role \"postgres\", address local socket); try: end that session: SELECT \
                    pg_terminate_backend({pid})"
        ),
    );
}

#[test]
fn check_of_a_way_that_is_barred() {
    let hba = "local all replicator trust\nlocal all all trust\nhost all all 127.0.0.1/32 trust\n";
    let server = Server::start(Options {
        hba: Some(hba),
        ..Options::default()
    });
    let db = Database::create_on(&server, "barred");
    db.sql("CREATE ROLE plain LOGIN; CREATE PUBLICATION p");
    let run = db.run(&["-U", "plain", "check"]);
    assert!(
        run.exited(1).stderr.starts_with("walcat: error: 1 of "),
        "{}",
        run.stderr
    );
    let mend = "try: as a superuser: ALTER ROLE plain REPLICATION";
    has(
        &run,
        &format!("fail  role \"plain\" lacks the REPLICATION attribute; {mend}"),
    );
}

#[test]
fn check_of_a_standby() {
    let primary = Server::start(Options::default());
    let db = Database::create_on(&primary, "with_standby");
    db.sql("CREATE PUBLICATION p");
    let standby = primary.standby(&[]);
    db.reconnect();
    let mut command = db.walcat(&["check"]);
    let run = run(command
        .env("PGHOST", standby.socket_directory())
        .env("PGPORT", standby.port().to_string()));
    let version = db.value("SHOW server_version");
    let version = version.split(' ').next().unwrap();
    if major(&db) >= 16 {
        has(
            run.succeeded(),
            &format!("ok    the server is PostgreSQL {version}, a standby"),
        );
        has(
            &run,
            "warn  hot_standby_feedback is off: slots of this standby may be invalidated; \
             try: ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf()",
        );
    } else {
        has(
            run.exited(1),
            &format!(
                "fail  the server is PostgreSQL {version}, a standby; \
                 try: the primary: standbys can decode from version 16 on"
            ),
        );
    }
}

#[test]
fn check_of_wal2json() {
    let db = Database::create("check_of_wal2json");
    db.create_slot("wal2json");
    db.sql(
        "DO $$ BEGIN CREATE ROLE check_replicator LOGIN REPLICATION; EXCEPTION WHEN \
            duplicate_object THEN END $$",
    );
    let listed = db
        .maybe_value("SELECT current_setting('output_plugin_libraries', true)")
        .is_some();
    for (role, of_list, of_library) in [
        (
            "postgres",
            "ok    output_plugin_libraries lists wal2json",
            "ok    output plugin wal2json is installed, and the server takes any that is",
        ),
        (
            "check_replicator",
            "warn  output_plugin_libraries is not for this role to see, so it may lack wal2json; \
             try: as a superuser: SHOW output_plugin_libraries",
            "ok    the server takes any output plugin that is installed, as wal2json was for the \
             slot",
        ),
    ] {
        let run = db.run(&["-U", role, "check", "--slot", db.name()]);
        let lines: Vec<&str> = run
            .succeeded()
            .text()
            .lines()
            .filter(|line| line.contains("wal2json"))
            .collect();
        // One for the slot, whose name has the word in it, and one for the plugin.
        assert_eq!(lines.len(), 2, "{lines:?}");
        let line = if listed { of_list } else { of_library };
        assert!(lines.contains(&line), "{lines:?}");
    }
}
