//! What cannot be read is named before anything is made.

use crate::support::*;

#[track_caller]
fn refused(finished: &Finished, code: i32, parts: &[&str]) {
    finished.exited(code);
    for part in parts {
        assert!(
            finished.stderr.contains(part),
            "no {part:?} in: {}",
            finished.stderr
        );
    }
}

const SNAPSHOT: [&str; 6] = [
    "stream",
    "--publication",
    "p",
    "--snapshot",
    "--until-now",
    "-S",
];

#[test]
fn tables_without_a_key_are_named_on_a_slot_that_is_there() {
    let db = Database::create("snapshot_refusals");
    db.sql(
        "CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE loose (id int);
         CREATE TABLE nullable (id int UNIQUE); CREATE TABLE partial (id int NOT NULL);
         CREATE UNIQUE INDEX ON partial (id) WHERE id > 0;
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    let running = [&SNAPSHOT[..], &[db.name()]].concat();
    refused(
        &db.run(&running),
        1,
        &[
            "could not read the rows of public.loose, public.nullable, public.partial: no key",
            "when the slot is created",
            "ADD PRIMARY KEY",
        ],
    );
    let mut keyed = running;
    keyed.retain(|argument| *argument != "--snapshot");
    keyed.push("--snapshot=keyed");
    db.run(&keyed).succeeded();
}

#[test]
fn a_name_that_no_table_has_is_told() {
    let db = Database::create("snapshot_slip");
    db.sql("CREATE TABLE users (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    let slip = |tables: &str| {
        let mut arguments = SNAPSHOT.map(str::to_owned);
        arguments[3] = format!("--snapshot={tables}");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        db.run(&[&arguments[..], &[db.name()]].concat())
    };
    let said = "could not read the rows of user: no table of that name is streamed\ntry: ";
    refused(&slip("users,user"), 1, &[said, "pub list"]);
    slip("users,u*,x*").succeeded();
}

#[test]
fn privileges_are_asked_for_on_all_tables_first() {
    let db = Database::create("snapshot_privileges");
    db.sql(
        "CREATE ROLE snapshot_reader LOGIN REPLICATION;
         CREATE TABLE mine (id int PRIMARY KEY, secret text); CREATE TABLE yours (id int PRIMARY \
         KEY);
         CREATE TABLE theirs (id int PRIMARY KEY); GRANT SELECT ON mine TO snapshot_reader;
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    let create = [&SNAPSHOT[..], &["snapshot_privileges", "--create-slot"]].concat();
    let run = |arguments: &[&str]| run(db.walcat(arguments).env("PGUSER", "snapshot_reader"));
    refused(
        &run(&create),
        1,
        &[
            "could not read the rows of public.theirs, public.yours: role \"snapshot_reader\" may \
             not",
            "GRANT SELECT ON public.theirs, public.yours TO snapshot_reader",
        ],
    );
    db.sql(
        "GRANT SELECT ON yours, theirs TO snapshot_reader; ALTER TABLE yours ENABLE ROW LEVEL \
         SECURITY",
    );
    refused(&run(&create), 1, &["public.yours: row security may hide"]);
    db.sql("ALTER TABLE yours DISABLE ROW LEVEL SECURITY");
    run(&create).succeeded();
    db.sql("DROP OWNED BY snapshot_reader; DROP ROLE snapshot_reader");
}

#[test]
fn foreign_partitions_are_named() {
    let db = Database::create("snapshot_foreign");
    db.sql(
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
         CREATE TABLE measures (id int NOT NULL, v text) PARTITION BY RANGE (id);
         CREATE TABLE measures_1 PARTITION OF measures (PRIMARY KEY (id)) FOR VALUES FROM (0) TO \
         (10);
         CREATE TABLE keyed (id int PRIMARY KEY);
         CREATE FOREIGN TABLE measures_2 PARTITION OF measures FOR VALUES FROM (10) TO (20) SERVER \
         s;",
    );
    let create = "CREATE PUBLICATION p FOR TABLE measures, keyed WITH (publish_via_partition_root)";
    if db.client().batch_execute(create).is_err() {
        // Newer servers refuse it themselves.
        return db.sql("CREATE TABLE never_published (id int PRIMARY KEY)");
    }
    let finished = db.run(&[&SNAPSHOT[..], &["snapshot_foreign", "--create-slot"]].concat());
    refused(&finished, 1, &["public.measures", "foreign tables"]);
}

#[test]
fn what_cannot_be_merged_is_a_usage_error() {
    let db = Database::create("snapshot_usage");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
    let create = [&SNAPSHOT[..], &["snapshot_usage", "--create-slot"]].concat();
    for (more, part) in [
        (&["--format", "raw"][..], "no form for rows"),
        (&["--streaming", "on"], "has not committed"),
        (&["--limit", "3"], "cannot be used with"),
        (&["--endpos", "0/1"], "cannot be used with"),
        (&["--startpos", "0/1"], "cannot be used with"),
        (&["--snapshot=a.b.c"], "a.b.c"),
    ] {
        refused(&db.run(&[&create[..], more].concat()), 2, &[part]);
    }
    if db.server().version() >= 150_000 {
        let two_phase = [&create[..], &["--two-phase"]].concat();
        refused(
            &db.run(&two_phase),
            2,
            &["decodes transactions when they are prepared"],
        );
    }
}

#[test]
fn wal2json_prints_keys_in_its_own_way() {
    let db = Database::create("snapshot_wal2json");
    db.sql("CREATE TABLE t (id int PRIMARY KEY)");
    db.create_slot("wal2json");
    let finished = db.run(&["stream", "-S", db.name(), "--snapshot", "--until-now"]);
    refused(
        &finished,
        2,
        &[
            "the plugin is wal2json",
            "try: a slot with the plugin pgoutput",
        ],
    );
}
