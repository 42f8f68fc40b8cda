//! `walcat stream --table`: the warning that a table will show nothing, and when there is none.

use crate::support::*;

/// What a stream of what is there now says on stderr.
fn said(db: &Database<'_>, arguments: &[&str]) -> String {
    let run = db.run(&[&["stream", "--until-now"], arguments].concat());
    run.succeeded().stderr.clone()
}

fn prepared(name: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql(
        "CREATE TABLE t1 (id int PRIMARY KEY); CREATE TABLE t2 (id int PRIMARY KEY);
         CREATE PUBLICATION walcat FOR TABLE t1; CREATE PUBLICATION everything FOR ALL TABLES",
    );
    db
}

#[test]
fn a_table_outside_the_publication_is_warned_of() {
    let db = prepared("a_table_outside_the_publication");
    let warning = "walcat: warning: --table t2 shows nothing: publication \"walcat\" has no table \
        public.t2\n\
                   try: ALTER PUBLICATION walcat ADD TABLE public.t2, or another publication\n";
    assert_eq!(
        said(&db, &["--create-publication", "--table", "t2"]),
        warning
    );
    assert_eq!(
        said(
            &db,
            &["--publication", "walcat", "--table", "t2", "--table", "t1"]
        ),
        warning
    );
    assert_eq!(
        said(&db, &["-q", "--publication", "walcat", "--table", "t2"]),
        ""
    );
    for fine in [
        &["t1"][..],
        &["public.t1:insert"],
        &["t*"],
        &["!t2"],
        &["t1", "other_*"],
    ] {
        let patterns: Vec<&str> = fine
            .iter()
            .flat_map(|pattern| ["--table", pattern])
            .collect();
        assert_eq!(
            said(&db, &[&["--publication", "walcat"], &patterns[..]].concat()),
            "",
            "{fine:?}"
        );
    }
    assert_eq!(
        said(
            &db,
            &["--publication", "walcat,everything", "--table", "t2"]
        ),
        ""
    );
    assert_eq!(
        said(
            &db,
            &[
                "--publication",
                "walcat",
                "--op",
                "message",
                "--table",
                "t2"
            ]
        ),
        ""
    );
    db.sql("ALTER PUBLICATION walcat ADD TABLE public.t2");
    assert_eq!(said(&db, &["--publication", "walcat", "--table", "t2"]), "");
}

#[test]
fn a_table_that_is_not_there_yet_is_warned_of() {
    let db = prepared("a_table_that_is_not_there_yet");
    assert_eq!(
        said(&db, &["--publication", "everything", "--table", "nosuch"]),
        "walcat: warning: --table nosuch shows nothing: there is no such table yet, \
         publication \"everything\" has no table of that name\n\
         try: --table with one of public.t1, public.t2\n"
    );
    let case = said(&db, &["--publication", "everything", "--table", "T2"]);
    assert!(case.ends_with("try: --table public.t2\n"), "{case}");
    let none = said(&db, &["--publication", "walcat", "--table", "x*"]);
    assert_eq!(
        none,
        "walcat: warning: nothing is shown: publication \"walcat\" has no table that --table \
         chooses\ntry: --table public.t1\n"
    );
    // The stream waits for it all the same.
    let mut waiting = spawn(&mut db.walcat(&[
        "stream",
        "--publication",
        "everything",
        "--table",
        "nosuch",
        "-v",
    ]));
    waiting.wait_for_stderr("streaming from slot");
    db.sql("CREATE TABLE nosuch (id int PRIMARY KEY); INSERT INTO nosuch VALUES (7)");
    assert_eq!(waiting.json()["after"]["id"], 7);
    waiting.interrupt().succeeded();
}

#[test]
fn publications_without_tables_are_warned_of() {
    let db = Database::create("publications_without_tables");
    db.sql("CREATE PUBLICATION nothing; CREATE PUBLICATION everything FOR ALL TABLES");
    assert_eq!(
        said(&db, &["--publication", "nothing"]),
        "walcat: warning: nothing is shown: publication \"nothing\" has no table\ntry: ALTER \
         PUBLICATION nothing ADD TABLE ...\n"
    );
    assert_eq!(said(&db, &["--publication", "everything"]), "");
    assert_eq!(said(&db, &["--publication", "everything,nothing"]), "");
    assert_eq!(
        said(&db, &["--publication", "everything", "--table", "t"]),
        "walcat: warning: --table t shows nothing: there is no such table yet, \
         publication \"everything\" has no table of that name\n\
         try: -d with the name of the database that has it\n"
    );
}

#[test]
fn an_exclusion_alone_warns_of_nothing() {
    let db = Database::create("an_exclusion_alone_warns");
    db.sql(
        "CREATE SCHEMA truth; CREATE TABLE truth.log (id int PRIMARY KEY);
         CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION one FOR TABLE truth.log;
         CREATE PUBLICATION nothing",
    );
    for publication in ["everything", "one"] {
        for excluded in [
            "!truth.*",
            "!truth.log",
            "!truth.log:insert",
            "!*",
            "!nosuch",
        ] {
            let arguments = ["--publication", publication, "--table", excluded];
            assert_eq!(said(&db, &arguments), "", "{arguments:?}");
        }
    }
    // What else is wrong is told all the same.
    assert_eq!(
        said(&db, &["--publication", "nothing", "--table", "!truth.*"]),
        "walcat: warning: nothing is shown: publication \"nothing\" has no table\ntry: ALTER \
         PUBLICATION nothing ADD TABLE ...\n"
    );
    // A table may be yet to come.
    let mut running = spawn(&mut db.walcat(&[
        "stream",
        "--publication",
        "everything",
        "--table",
        "!truth.*",
        "-v",
    ]));
    running.wait_for_stderr("streaming from slot");
    db.sql(
        "INSERT INTO truth.log VALUES (1); CREATE TABLE later (id int); INSERT INTO later \
        VALUES (2)",
    );
    assert_eq!(running.json()["table"], "later");
    running.interrupt().succeeded();
}

#[test]
fn partitions_are_chosen_by_the_name_they_are_shown_with() {
    let db = Database::create("partitions_are_chosen_by_the_name");
    db.sql(
        "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10);
         CREATE PUBLICATION leaves FOR TABLE parted;
         CREATE PUBLICATION roots FOR TABLE parted WITH (publish_via_partition_root)",
    );
    assert_eq!(
        said(&db, &["--publication", "leaves", "--table", "part"]),
        ""
    );
    assert_eq!(
        said(&db, &["--publication", "roots", "--table", "parted"]),
        ""
    );
    assert_eq!(
        said(&db, &["--publication", "roots", "--table", "part"]),
        "walcat: warning: --table part shows nothing: \
         changes of public.part are shown as those of public.parted, of which it is a partition\n\
         try: --table public.parted\n"
    );
    assert_eq!(
        said(&db, &["--publication", "leaves", "--table", "parted"]),
        "walcat: warning: --table parted shows nothing: \
         changes of public.parted are shown as those of its partitions, as public.part\n\
         try: a publication with publish_via_partition_root = true\n"
    );
    // A publication that is made for a table shows it as that table.
    let mut running =
        spawn(&mut db.walcat(&["stream", "--create-publication", "--table", "parted", "-v"]));
    running.wait_for_stderr("streaming from slot");
    db.sql("INSERT INTO parted VALUES (1)");
    assert_eq!(running.json()["table"], "parted");
    let run = running.interrupt();
    assert!(
        !run.succeeded().stderr.contains("warning"),
        "{}",
        run.stderr
    );
}

/// How far the slot that is named like the database is confirmed.
fn confirmed(db: &Database<'_>) -> String {
    db.value(&format!(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ))
}

#[test]
fn a_slip_in_a_filter_consumes_nothing() {
    let db = Database::create("a_slip_in_a_filter");
    db.sql(
        "CREATE TABLE customers (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY);
         CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION few FOR TABLE orders",
    );
    db.create_slot("pgoutput");
    db.sql("INSERT INTO customers VALUES (1)");
    let before = confirmed(&db);
    let stream = ["-q", "stream", "-S", db.name(), "--until-now"];
    let slip = |arguments: &[&str]| db.run(&[&stream[..], arguments].concat());
    let run = slip(&["--publication", "everything", "--table", "custmers"]);
    assert_eq!(
        run.exited(1).stderr,
        format!(
            "walcat: error: could not stream from slot \"{}\": --table custmers shows nothing: \
             there is no such table yet, publication \"everything\" has no table of that name; \
             did you mean public.customers?\n\
             DETAIL:  What --table hides is consumed like the rest.\n\
             try: --table public.customers\ntry: --peek, which consumes nothing\n",
            db.name()
        )
    );
    for arguments in [
        &["--publication", "everything", "--table", "public.custmers"][..],
        &["--publication", "everything", "--table", "app.customers"],
        &[
            "--publication",
            "everything",
            "--table",
            "custmers:insert",
            "--table",
            "orders",
        ],
        &[
            "--publication",
            "everything",
            "--create-publication",
            "--table",
            "Customers",
        ],
        &["--publication", "few", "--table", "customers"],
        &[
            "--publication",
            "few,new",
            "--create-publication",
            "--table",
            "orders",
            "--table",
            "custmers",
        ],
    ] {
        let run = slip(arguments);
        assert_eq!(run.exited(1).text(), "", "{arguments:?}");
        assert!(
            run.stderr.contains("shows nothing: "),
            "{arguments:?}: {}",
            run.stderr
        );
    }
    assert_eq!(
        db.value("SELECT count(*) FROM pg_publication"),
        "2",
        "nothing is made"
    );
    assert_eq!(confirmed(&db), before);
    // A slot that does not move loses nothing.
    slip(&[
        "--publication",
        "everything",
        "--table",
        "custmers",
        "--peek",
    ])
    .succeeded();
    assert_eq!(confirmed(&db), before);
    let run = slip(&["--publication", "everything", "--table", "customers"]);
    assert_eq!(run.succeeded().json().len(), 1);
}

#[test]
fn a_slip_in_a_filter_makes_no_slot() {
    let db = prepared("a_slip_in_a_filter_makes_no_slot");
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--create-slot",
        "--publication",
        "everything",
        "--table",
        "t3",
    ]);
    assert!(
        run.exited(1)
            .stderr
            .contains("did you mean public.t1 or public.t2?"),
        "{}",
        run.stderr
    );
    assert_eq!(
        db.value("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"),
        "0"
    );
}

#[test]
fn a_slip_in_a_filter_of_wal2json_consumes_nothing() {
    let db = prepared("a_slip_in_a_filter_of_wal2json");
    db.create_slot("wal2json");
    db.sql("INSERT INTO t1 VALUES (1)");
    let before = confirmed(&db);
    let run = db.run(&["stream", "-S", db.name(), "--until-now", "--table", "t3"]);
    assert_eq!(
        run.exited(1).stderr,
        format!(
            "walcat: error: could not stream from slot \"{}\": --table t3 shows nothing: \
             there is no such table yet; did you mean public.t1 or public.t2?\n\
             DETAIL:  What --table hides is consumed like the rest.\n\
             try: --table public.t1\ntry: --peek, which consumes nothing\n",
            db.name()
        )
    );
    assert_eq!(confirmed(&db), before);
    let run = db.run(&["stream", "-S", db.name(), "--until-now", "--table", "t1"]);
    assert_eq!(run.succeeded().json().len(), 1);
}

#[test]
fn a_wildcard_that_chooses_nothing_is_warned_of_even_quietly() {
    let db = prepared("a_wildcard_that_chooses_nothing");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t1 VALUES (1)");
    let stream = [
        "-q",
        "stream",
        "-S",
        db.name(),
        "--publication",
        "everything",
        "--until-now",
    ];
    let run = db.run(&[&stream[..], &["--table", "x*", "--peek"]].concat());
    assert_eq!(run.succeeded().stderr, "");
    let warning = "walcat: warning: --table 'x*' shows nothing, and what it hides is consumed: \
        publication \
                   \"everything\" has no table that it chooses\n\
                   try: --table with one of public.t1, public.t2\ntry: --peek, which consumes \
                   nothing\n";
    let run = db.run(&[&stream[..], &["--table", "x*", "--table", "t1"]].concat());
    assert_eq!(run.succeeded().json().len(), 1);
    assert_eq!(run.stderr, warning);
    let run = db.run(&[&stream[..], &["--table", "x*"]].concat());
    assert_eq!(run.succeeded().stderr, warning);
    let run = db.run(&[&stream[..], &["--table", "t*", "--table", "!x*"]].concat());
    assert_eq!(run.succeeded().stderr, "");
}
