//! What `walcat stream` says when it cannot: each failure provoked on a real server.

use crate::support::*;

/// The report on stderr, which must be all of it, and the exit status.
#[track_caller]
fn fails(run: &Finished, status: i32, parts: &[&str]) {
    run.exited(status);
    assert!(
        run.stderr.starts_with("walcat: error: could not "),
        "{}",
        run.stderr
    );
    for part in parts {
        assert!(run.stderr.contains(part), "no {part:?} in: {}", run.stderr);
    }
    assert_eq!(run.text(), "");
}

fn with_table(name: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
    db
}

#[test]
fn a_missing_slot_names_those_that_are_there() {
    let db = with_table("a_missing_slot_names_those");
    db.create_slot("pgoutput");
    let run = db.run(&[
        "stream",
        "-S",
        "nowhere",
        "--publication",
        "p",
        "--until-now",
    ]);
    fails(
        &run,
        1,
        &[
            "there is no replication slot \"nowhere\"",
            db.name(),
            "try: walcat slot create nowhere",
        ],
    );
}

#[test]
fn a_missing_publication_names_those_that_are_there() {
    let db = with_table("a_missing_publication_names_those");
    db.create_slot("pgoutput");
    db.sql("CREATE PUBLICATION \"a,b\"");
    let without = db.run(&["stream", "-S", db.name(), "--until-now"]);
    db.sql("DROP PUBLICATION \"a,b\"");
    fails(
        &without,
        1,
        &[
            "needs a publication",
            "The publications of the database are: a,b, p.",
            "try: --publication ",
        ],
    );
    let wrong = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p,q",
        "--until-now",
    ]);
    fails(
        &wrong,
        1,
        &[
            "there is no publication \"q\"",
            "The publications of the database are: p.",
        ],
    );
}

#[test]
fn the_only_publication_is_taken_and_named() {
    let db = with_table("the_only_publication_is_taken_and_named");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1)");
    let taken = db.run(&["stream", "-S", db.name(), "--until-now", "--peek"]);
    let told = "walcat: streaming the tables of publication \"p\", the only one of the database\n";
    assert_eq!(taken.succeeded().stderr, told);
    assert_eq!(taken.json().len(), 1);
    let named = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--until-now",
        "--peek",
        "-b",
        "p",
    ]);
    assert_eq!(named.succeeded().stderr, "");
    assert_eq!(named.stdout, taken.stdout);
    db.sql("DROP PUBLICATION p");
    let none = db.run(&["stream", "-S", db.name(), "--until-now"]);
    fails(&none, 1, &["needs a publication"]);
}

#[test]
fn a_publication_younger_than_the_wal_is_explained() {
    let db = Database::create("a_publication_younger_than_the_wal");
    db.sql("CREATE TABLE t (id int PRIMARY KEY)");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1)");
    db.sql("CREATE PUBLICATION late FOR ALL TABLES");
    let confirmed = format!(
        "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    );
    let before = db.value(&confirmed);
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "late",
        "--until-now",
    ]);
    // From 18 on the server would skip them, and only warns.
    let missing = match db.server().version() < 180_000 {
        true => "publication \"late\" does not exist",
        false => "a publication is younger than what waits there",
    };
    run.exited(1);
    for part in [
        "walcat: error: could not ",
        missing,
        "was not when the changes",
        "To advance the slot is to lose all that waits, also what was made since.",
        "try: a publication that is older, or, to lose what waits: walcat slot advance",
    ] {
        assert!(run.stderr.contains(part), "no {part:?} in: {}", run.stderr);
    }
    assert_eq!((run.text(), db.value(&confirmed)), ("", before));
}

#[test]
fn a_slot_in_use_names_its_holder() {
    let db = with_table("a_slot_in_use_names_its_holder");
    db.create_slot("pgoutput");
    let mut first = spawn(
        db.walcat(&["stream", "-S", db.name(), "--publication", "p"])
            .env("PGAPPNAME", "the first one"),
    );
    db.sql("INSERT INTO t VALUES (1)");
    first.line();
    let pid = db.value(&format!(
        "SELECT active_pid::text FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
    let second = db.run(&["stream", "-S", db.name(), "--publication", "p"]);
    fails(
        &second,
        1,
        &[&format!("PID {pid}"), "the first one", "try: "],
    );
    first.interrupt().exited(0);
}

#[test]
fn a_foreign_plugin_can_only_be_raw() {
    let db = with_table("a_foreign_plugin_can_only_be_raw");
    db.create_slot("test_decoding");
    let run = db.run(&["stream", "-S", db.name(), "--until-now"]);
    fails(
        &run,
        1,
        &[
            "output plugin \"test_decoding\" can only be printed raw",
            "try: --format raw\n",
        ],
    );
}

#[test]
fn a_physical_slot_has_no_changes() {
    let db = with_table("a_physical_slot_has_no_changes");
    db.value("SELECT slot_name::text FROM pg_create_physical_replication_slot('physical_one')");
    let run = db.run(&[
        "stream",
        "-S",
        "physical_one",
        "--publication",
        "p",
        "--until-now",
    ]);
    db.value("SELECT pg_drop_replication_slot('physical_one')::text");
    fails(&run, 1, &["physical"]);
}

#[test]
fn a_slot_of_another_database_is_named() {
    let (db, other) = (
        with_table("a_slot_of_another_database"),
        with_table("the_other_database"),
    );
    other.create_slot("pgoutput");
    let run = db.run(&[
        "stream",
        "-S",
        other.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    fails(
        &run,
        1,
        &[
            "it belongs to database \"the_other_database\"",
            "try: walcat -d the_other_database check -S the_other_database\n",
        ],
    );
}

#[test]
fn wal_level_must_be_logical() {
    let server = Server::start(Options {
        settings: &[("wal_level", "replica")],
        ..Options::default()
    });
    let db = Database::create_on(&server, "d");
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    let run = db.run(&["stream", "--publication", "p", "--until-now"]);
    if server.version() >= 190_000 {
        // The first logical slot sees to it.
        run.succeeded();
        return;
    }
    fails(
        &run,
        1,
        &[
            "wal_level is \"replica\", not \"logical\"",
            "try: ALTER SYSTEM SET wal_level = logical",
        ],
    );
}

#[test]
fn slots_and_wal_senders_are_finite() {
    let settings = [("max_replication_slots", "1"), ("max_wal_senders", "1")];
    let server = Server::start(Options {
        settings: &settings,
        ..Options::default()
    });
    let db = Database::create_on(&server, "d");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    let no_slot = db.run(&["stream", "--publication", "p", "--until-now"]);
    fails(
        &no_slot,
        1,
        &[
            "all replication slots are in use",
            "SQLSTATE 53400",
            "try: drop a slot",
        ],
    );
    let mut first = spawn(&mut db.walcat(&["stream", "-S", db.name(), "--publication", "p"]));
    db.sql("INSERT INTO t VALUES (1)");
    first.line();
    let no_sender = db.run(&["stream", "--publication", "p", "--until-now"]);
    fails(&no_sender, 1, &["SQLSTATE 53300", "max_wal_senders"]);
    first.interrupt().exited(0);
}

#[test]
fn a_role_needs_replication() {
    let db = with_table("a_role_needs_replication");
    db.create_slot("pgoutput");
    db.sql(
        "DO $$ BEGIN CREATE ROLE plain_reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
    );
    let run = run(db
        .walcat(&["stream", "-S", db.name(), "--publication", "p"])
        .env("PGUSER", "plain_reader"));
    fails(
        &run,
        1,
        &[
            "SQLSTATE 42501",
            "try: as a superuser: ALTER ROLE plain_reader REPLICATION",
        ],
    );
}

#[test]
fn wal2json_options_that_change_the_shape_are_refused() {
    let db = with_table("wal2json_options_that_change_the_shape");
    db.create_slot("wal2json");
    for option in [
        "include-types=0",
        "pretty-print",
        "format-version=1",
        "include-transaction=off",
        "include-lsn=f",
    ] {
        let run = db.run(&["stream", "-S", db.name(), "--until-now", "-o", option]);
        fails(
            &run,
            2,
            &[option.split('=').next().unwrap(), "try: --format raw"],
        );
    }
    db.sql("INSERT INTO t VALUES (1)");
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--until-now",
        "-o",
        "include-not-null=1",
        "-o",
        "include-default",
    ]);
    run.succeeded();
    assert_eq!(run.json()[0]["after"]["id"], 1);
}

#[test]
fn an_unknown_option_of_the_plugin_is_the_servers_to_refuse() {
    let db = with_table("an_unknown_option_of_the_plugin");
    db.create_slot("pgoutput");
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "-o",
        "it's=\"odd\"",
    ]);
    fails(&run, 1, &["unrecognized pgoutput option: it's"]);
}

#[test]
fn what_a_version_lacks_is_explained() {
    let db = with_table("what_a_version_lacks_is_explained");
    db.create_slot("pgoutput");
    let stream = [
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ];
    for (major, option) in [
        (16, &["--streaming", "parallel"]),
        (16, &["--origin", "none"]),
    ] {
        let run = db.run(&[&stream[..], option].concat());
        if db.server().version() / 10_000 < major {
            fails(&run, 1, &[&format!("needs PostgreSQL {major}")]);
        } else {
            run.succeeded();
        }
    }
}

#[test]
fn two_phase_is_the_slots_property() {
    let db = with_table("two_phase_is_the_slots_property");
    db.create_slot("pgoutput");
    for two_phase in [
        &["--two-phase"][..],
        &["-o", "two_phase=on", "-o", "proto_version=3"],
        &["-o", "two_phase"],
    ] {
        let stream = [
            "stream",
            "-S",
            db.name(),
            "--publication",
            "p",
            "--until-now",
        ];
        let run = db.run(&[&stream[..], two_phase].concat());
        fails(
            &run,
            1,
            &[
                "it does not decode transactions when they are prepared",
                "try: walcat slot create --two-phase",
            ],
        );
    }
}

#[test]
fn a_slot_keeps_its_plugin() {
    let db = with_table("a_slot_keeps_its_plugin");
    db.create_slot("pgoutput");
    for create in [&[][..], &["--create-slot"]] {
        let stream = [
            "stream",
            "-S",
            db.name(),
            "--publication",
            "p",
            "--until-now",
            "-P",
            "wal2json",
        ];
        let run = db.run(&[&stream[..], create].concat());
        fails(
            &run,
            1,
            &[
                "its plugin is pgoutput, not wal2json",
                "try: --slot a_slot_keeps_its_plugin without",
            ],
        );
    }
    db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "-P",
        "pgoutput",
    ])
    .succeeded();
}

#[test]
fn failover_is_the_slots_property() {
    let db = with_table("failover_is_the_slots_property");
    let run = db.run(&["stream", "--publication", "p", "--until-now", "--failover"]);
    fails(
        &run,
        2,
        &[
            "a temporary slot goes with its connection",
            "try: --slot NAME --create-slot",
        ],
    );
    let name = db.name();
    let stream = [
        "stream",
        "-S",
        name,
        "--create-slot",
        "--create-publication",
        "--until-now",
        "--failover",
    ];
    let old = db.server().version() < 170_000;
    let run = db.run(&stream);
    if old {
        fails(&run, 1, &["--failover needs PostgreSQL 17 or later"]);
        assert_eq!(
            db.value("SELECT count(*) FROM pg_publication"),
            "1",
            "nothing is touched"
        );
    } else {
        run.succeeded();
        db.run(&["slot", "drop", name]).succeeded();
    }
    db.create_slot("pgoutput");
    let run = db.run(&stream);
    fails(
        &run,
        1,
        &[if old {
            "--failover needs PostgreSQL 17 or later"
        } else {
            "standbys do not take it over"
        }],
    );
}

#[test]
fn wal2json_knows_no_publications() {
    let db = with_table("wal2json_knows_no_publications");
    db.create_slot("wal2json");
    for option in [&["--publication", "nope"][..], &["--create-publication"]] {
        let run = db.run(&[&["stream", "-S", db.name(), "--until-now"], option].concat());
        fails(
            &run,
            2,
            &[
                "could not use publications: wal2json sends changes of every table",
                "try: --table",
            ],
        );
    }
}

#[test]
fn a_start_beyond_the_wal_is_refused() {
    let db = with_table("a_start_beyond_the_wal_is_refused");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1)");
    let stream = [
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ];
    let run = db.run(&[&stream[..], &["-I", "FF/0"]].concat());
    fails(&run, 1, &["from FF/0 on: the WAL ends at "]);
    assert_eq!(
        db.run(&stream).succeeded().json().len(),
        1,
        "what waits is still there"
    );
}

#[test]
fn an_unknown_time_zone_is_refused_before_anything_is_made() {
    let db = Database::create("an_unknown_time_zone");
    db.sql("CREATE TABLE t (id int PRIMARY KEY)");
    let run = db.run(&[
        "stream",
        "--create-publication",
        "--until-now",
        "--timezone",
        "Europe/Atlantis",
    ]);
    fails(
        &run,
        1,
        &[
            "could not use --timezone Europe/Atlantis",
            "SQLSTATE 22023",
            "try: one of SELECT name FROM pg_timezone",
        ],
    );
    assert_eq!(db.value("SELECT count(*) FROM pg_publication"), "0");
    db.run(&[
        "stream",
        "--create-publication",
        "--until-now",
        "--timezone",
        "Europe/Berlin",
    ])
    .succeeded();
}

#[test]
fn publications_may_have_any_name() {
    let db = Database::create("publications_may_have_any_name");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION \"a,\"\"b\" FOR TABLE t");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1)");
    let stream = ["stream", "-S", db.name(), "--until-now"];
    let run = db.run(&[&stream[..], &["--publication", "a"]].concat());
    fails(&run, 1, &["try: --publication '\"a,\"\"b\"'\n"]);
    let run = db.run(&[&stream[..], &["--publication", "\"a,\"\"b\""]].concat());
    assert_eq!(run.succeeded().json().len(), 1);
    assert_eq!(run.stderr, "");
    let check = db.run(&["check", "--publication", "\"a,\"\"b\""]);
    assert!(
        check
            .succeeded()
            .text()
            .contains("ok    publication \"a,\"b\" has 1 table"),
        "{}",
        check.text()
    );
}

#[test]
fn verbose_says_what_is_streamed_from_where() {
    let db = with_table("verbose_says_what_is_streamed");
    db.create_slot("pgoutput");
    let confirmed = db.lsn(&format!(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
    let run = db.run(&[
        "-v",
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    let version = db.value("SHOW server_version");
    let version = version.split(' ').next().unwrap();
    let directory = db.server().socket_directory();
    let said = format!(
        "walcat: server {} port {} (PostgreSQL {version}), database {name}, role postgres, slot \
         {name}, plugin pgoutput, \
         publications p, from {confirmed} on\n",
        directory.display(),
        db.server().port(),
        name = db.name(),
    );
    assert!(
        run.succeeded().stderr.starts_with(&said),
        "{said}{}",
        run.stderr
    );
}

#[test]
fn words_that_do_not_fit_together_are_usage_errors() {
    let db = Database::create("words_that_do_not_fit_together");
    for words in [
        &["stream", "--limit", "0"][..],
        &["stream", "--endpos", "x"],
        &["stream", "--endpos", "0/1", "--until-now"],
        &["stream", "--create-slot"],
        &["stream", "--no-resume"],
        &["stream", "--table", "a.b.c"],
        &["stream", "--op", "upsert"],
        &["stream", "-o", "=1"],
        &["stream", "--format", "raw", "--op", "insert"],
        &["stream", "--streaming", "on", "-f", "x.jsonl"],
    ] {
        let run = db.run(words);
        assert_eq!(
            (run.text(), run.status.code()),
            ("", Some(2)),
            "{words:?}: {}",
            run.stderr
        );
        assert!(
            run.stderr.starts_with("walcat: error: "),
            "{words:?}: {}",
            run.stderr
        );
    }
}
