//! `walcat slot`: create, drop, list, advance, on every version and with everything that can be in
//! the way.

use crate::support::*;
use postgres::Client;
use rustix::process::Signal;
use serde_json::Value;

/// What a transaction does that others have to wait for.
const OPEN: &str = "BEGIN; SELECT txid_current()";

fn major(db: &Database<'_>) -> u32 {
    db.server().version() / 10_000
}

/// The slot as `slot list --format json` has it.
fn listed(db: &Database<'_>, name: &str) -> Value {
    let run = db.run(&["slot", "list", "--format", "json"]);
    let slots: Vec<Value> = serde_json::from_str(run.succeeded().text()).expect("a JSON array");
    slots
        .into_iter()
        .find(|slot| slot["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not in {}", run.text()))
}

/// The cells of the slot's row in the table, by their headings; they are where the headings are.
fn row<'r>(run: &'r Finished, name: &str) -> Vec<(&'r str, &'r str)> {
    let text = run.succeeded().text();
    let headings = text.lines().next().expect("headings");
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")))
        .unwrap_or_else(|| panic!("{text}"));
    let starts: Vec<usize> = (0..headings.len())
        .filter(|&at| {
            !headings[at..].starts_with(' ') && (at == 0 || headings[..at].ends_with("  "))
        })
        .collect();
    let cell = |text: &'r str, index: usize| {
        let end = starts
            .get(index + 1)
            .copied()
            .unwrap_or(text.len())
            .min(text.len());
        text.get(starts[index]..end).unwrap_or("").trim()
    };
    (0..starts.len())
        .map(|index| (cell(headings, index), cell(line, index)))
        .collect()
}

fn slots(db: &Database<'_>) -> String {
    db.value(
        "SELECT coalesce(string_agg(slot_name, ',' ORDER BY slot_name), '') FROM \
              pg_replication_slots",
    )
}

fn wait_until_alone(db: &Database<'_>) {
    db.wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'walcat'");
}

/// A session that holds a slot until it is dropped.
fn holder(db: &Database<'_>, slot: &str) -> (Client, i32) {
    let mut client = db.client();
    client
        .batch_execute(&format!(
            "SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput', true)"
        ))
        .unwrap();
    let pid = client
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);
    (client, pid)
}

#[test]
fn slot_create_prints_the_consistent_point() {
    let name = "slot_create_prints_the_consistent_point";
    let db = Database::create(name);
    let run = db.run(&["slot", "create", name]);
    let of_slot = |column: &str| {
        db.value(&format!(
            "SELECT {column} FROM pg_replication_slots WHERE slot_name = '{name}'"
        ))
    };
    let point = db.lsn(&format!(
        "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{name}'"
    ));
    assert_eq!(
        run.succeeded().text(),
        format!("slot {name}: plugin pgoutput, consistent point {point}\n")
    );
    assert_eq!(
        (
            &*of_slot("plugin"),
            &*of_slot("two_phase"),
            &*of_slot("temporary")
        ),
        ("pgoutput", "f", "f")
    );

    let run = db.run(&["slot", "create", name]);
    assert_eq!(
        run.exited(1).stderr,
        format!(
            "walcat: error: could not create slot \"{name}\": it already exists\ntry: walcat slot \
             create --if-not-exists {name}\n"
        )
    );
    let run = db.run(&["slot", "create", "--if-not-exists", name]);
    assert_eq!(
        run.succeeded().text(),
        format!("slot {name}: plugin pgoutput, already there, confirmed up to {point}\n")
    );
}

#[test]
fn slot_create_if_not_exists_wants_the_same_kind() {
    let name = "slot_create_if_not_exists_wants_the_same_kind";
    let db = Database::create(name);
    db.create_slot("pgoutput");
    for (option, what) in [("--two-phase", "two-phase"), ("--failover", "failover")] {
        let run = db.run(&["slot", "create", "--if-not-exists", name, option]);
        assert_eq!(
            run.exited(1).stderr,
            format!(
                "walcat: error: could not create slot \"{name}\": it already exists, with {what} \
                 off\n\
                 try: another name, or, to lose what it holds: walcat slot drop {name}\n"
            )
        );
    }
    let run = db.run(&["slot", "list", "--format", "json"]);
    let slots: Vec<Value> = serde_json::from_str(run.succeeded().text()).unwrap();
    let slot = slots.iter().find(|slot| slot["name"] == name).unwrap();
    let xmin = db.value(&format!(
        "SELECT catalog_xmin::text FROM pg_replication_slots WHERE slot_name = '{name}'"
    ));
    assert_eq!(
        (&slot["xmin"], slot["catalog_xmin"].to_string()),
        (&Value::Null, xmin)
    );
}

#[test]
fn slot_create_if_not_exists_wants_the_same_slot() {
    let name = "slot_create_if_not_exists_wants_the_same_slot";
    let db = Database::create(name);
    db.create_slot("test_decoding");
    let run = db.run(&["slot", "create", "--if-not-exists", name]);
    assert_eq!(
        run.exited(1).stderr,
        format!(
            "walcat: error: could not create slot \"{name}\": it already exists, with plugin \
             test_decoding\n\
         try: another name, or, to lose what it holds: walcat slot drop {name}\n"
        )
    );
    let other = Database::create("slot_create_from_another_database");
    let run = other.run(&[
        "slot",
        "create",
        "--if-not-exists",
        "-P",
        "test_decoding",
        name,
    ]);
    assert_eq!(
        run.exited(1).stderr,
        format!(
            "walcat: error: could not create slot \"{name}\": it already exists, with database \
             {name}\n\
         try: another name, or, to lose what it holds: walcat slot drop {name}\n"
        )
    );
}

#[test]
fn slot_create_options_depend_on_the_version() {
    let db = Database::create("slot_create_options_depend_on_the_version");
    let two_phase = db.run(&["slot", "create", "with_two_phase", "-t"]);
    if major(&db) >= 15 {
        two_phase.succeeded();
        assert_eq!(
            db.value(
                "SELECT two_phase FROM pg_replication_slots WHERE slot_name = 'with_two_phase'"
            ),
            "t"
        );
    } else {
        let said = "could not create slot \"with_two_phase\": --two-phase with pgoutput needs \
                    PostgreSQL 15 or later, the server is 14.";
        assert!(
            two_phase.exited(1).stderr.contains(said),
            "{}",
            two_phase.stderr
        );
    }
    let failover = db.run(&["slot", "create", "with_failover", "--failover"]);
    if major(&db) >= 17 {
        failover.succeeded();
        assert_eq!(
            db.value("SELECT failover FROM pg_replication_slots WHERE slot_name = 'with_failover'"),
            "t"
        );
    } else {
        let said = "could not create slot \"with_failover\": --failover needs PostgreSQL 17 or \
                    later, the server is ";
        assert!(
            failover.exited(1).stderr.contains(said),
            "{}",
            failover.stderr
        );
    }
}

#[test]
fn slot_create_explains_refusals() {
    let db = Database::create("slot_create_explains_refusals");
    let run = db.run(&["slot", "create", "Bad-Name"]);
    assert!(
        run.exited(1).stderr.starts_with(
            "walcat: error: could not create slot \"Bad-Name\": replication slot name"
        )
    );
    assert!(
        run.stderr.contains("(SQLSTATE 42602)\n")
            && run
                .stderr
                .contains("HINT:  Replication slot names may only contain")
    );
    let long = "x".repeat(64);
    let run = db.run(&["slot", "create", &long]);
    assert!(
        run.exited(1)
            .stderr
            .contains(": identifier too long (SQLSTATE 42622)\n"),
        "{}",
        run.stderr
    );
    let run = db.run(&[
        "slot",
        "create",
        "slot_without_a_plugin",
        "-P",
        "no_such_plugin",
    ]);
    let listed = db.maybe_value("SELECT current_setting('output_plugin_libraries', true)");
    let (said, mend) = match listed {
        None => (
            "could not access file \"no_such_plugin\"",
            "try: install the plugin on the server, or use pgoutput\n",
        ),
        Some(_) => (
            "library \"no_such_plugin\" may not be used as an output plugin (SQLSTATE \
             42501)\nHINT:  ",
            "try: ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'test_decoding', \
             'wal2json', \
             'no_such_plugin'; SELECT pg_reload_conf(); or use pgoutput\n",
        ),
    };
    assert!(
        run.exited(1).stderr.contains(said) && run.stderr.ends_with(mend),
        "{}",
        run.stderr
    );
}

#[test]
fn slot_create_needs_logical_wal_and_a_free_slot() {
    let server = Server::start(Options {
        settings: &[("max_replication_slots", "1")],
        ..Options::default()
    });
    let db = Database::create_on(&server, "full");
    db.run(&["slot", "create", "one"]).succeeded();
    let run = db.run(&["slot", "create", "two"]);
    assert!(run.exited(1).stderr.contains(
        "could not create slot \"two\": all replication slots are in use (SQLSTATE 53400)\n"
    ));
    assert!(run.stderr.contains("HINT:  Free one or increase") && run.stderr.ends_with(
        "try: drop a slot that nobody needs (walcat slot list), or raise max_replication_slots and \
         restart the server\n"
    ), "{}", run.stderr);
    db.run(&["slot", "drop", "one"]).succeeded();

    server.stop(Stop::Fast);
    server.append_settings(&[("wal_level", "replica")]);
    server.resume();
    db.reconnect();
    let run = db.run(&["slot", "create", "one"]);
    if server.version() >= 190_000 {
        // The first logical slot sees to it.
        run.succeeded();
        return;
    }
    assert_eq!(
        run.exited(1).stderr,
        "walcat: error: could not create slot \"one\": wal_level is \"replica\", not \"logical\"\n\
         try: ALTER SYSTEM SET wal_level = logical, then restart the server\n"
    );
}

#[test]
fn slot_create_names_the_transaction_it_waits_for() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "waiting");
    let mut blocker = db.client();
    blocker.batch_execute(OPEN).unwrap();
    let pid: i32 = blocker
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);
    let waits = |slot: &str| {
        format!(
            "walcat: slot \"{slot}\" waits for the transaction of PID {pid} (application \"test\", \
             role \"postgres\""
        )
    };
    db.sql("CREATE ROLE replicator LOGIN REPLICATION");

    let patient = spawn(&mut db.walcat(&["slot", "create", "patient"]));
    let limited = spawn(&mut db.walcat(&[
        "-U",
        "replicator",
        "slot",
        "create",
        "limited",
        "--timeout",
        "20",
    ]));
    patient.wait_for_stderr(&format!("{}, address local socket), ", waits("patient")));
    patient.wait_for_stderr(" s old, its last query begun 20");
    limited.wait_for_stderr(&format!(
        "{}); its age is hidden from a role without pg_read_all_stats\n",
        waits("limited")
    ));
    let limited = limited.wait();
    assert!(
        limited
            .exited(1)
            .stderr
            .contains("could not create slot \"limited\": gave up after 20 s"),
        "{}",
        limited.stderr
    );
    assert_eq!(slots(&db), "patient");
    blocker.batch_execute("COMMIT").unwrap();
    assert!(
        patient
            .wait()
            .succeeded()
            .text()
            .starts_with("slot patient: plugin pgoutput, consistent point ")
    );

    blocker
        .batch_execute(&format!("{OPEN}; PREPARE TRANSACTION 'it''s ready'"))
        .unwrap();
    let run = db.run(&["slot", "create", "prepared", "--timeout", "0.2"]);
    assert!(
        run.exited(1).stderr.contains(
            "DETAIL:  It waited for the prepared transaction \"it's ready\" of role \"postgres\", "
        ) && run.stderr.contains(" s old.\n"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.ends_with(
            "try: end it: COMMIT PREPARED 'it''s ready' or ROLLBACK PREPARED 'it''s ready'\n"
        ),
        "{}",
        run.stderr
    );
    blocker
        .batch_execute("ROLLBACK PREPARED 'it''s ready'")
        .unwrap();
}

#[test]
fn slot_create_gives_up_without_a_trace() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "giving_up");
    let mut blocker = db.client();
    blocker.batch_execute(OPEN).unwrap();
    let pid: i32 = blocker
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);

    let run = db.run(&["slot", "create", "s", "--timeout", "0.3"]);
    let said = "walcat: error: could not create slot \"s\": gave up after 0.3 s, as it waits for \
        running transactions\n\
                DETAIL:  It waited for the transaction of PID ";
    assert!(run.exited(1).stderr.starts_with(said), "{}", run.stderr);
    assert!(
        run.stderr.ends_with(&format!(
            "try: end it: SELECT pg_terminate_backend({pid})\n"
        )),
        "{}",
        run.stderr
    );
    assert_eq!((&*slots(&db), run.text()), ("", ""));
    wait_until_alone(&db);

    let waiting = "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'walcat' AND \
                   wait_event_type = 'Lock'";
    for signal in [Signal::INT, Signal::TERM] {
        let running = spawn(&mut db.walcat(&["slot", "create", "s"]));
        db.wait_for(waiting);
        running.signal(signal);
        let run = running.wait();
        assert!(
            run.exited(1)
                .stderr
                .starts_with("walcat: error: could not create slot \"s\": interrupted\n"),
            "{}",
            run.stderr
        );
        assert_eq!(slots(&db), "");
        wait_until_alone(&db);
    }

    // The server sees by itself that nobody is there to be told.
    let running = spawn(&mut db.walcat(&["slot", "create", "s"]));
    db.wait_for(waiting);
    running.signal(Signal::KILL);
    wait_until_alone(&db);
    assert_eq!(slots(&db), "");
}

#[test]
fn slot_drop_is_all_or_nothing() {
    let db = Database::create("slot_drop_is_all_or_nothing");
    db.run(&["slot", "create", "droppable_1"]).succeeded();
    db.run(&["slot", "create", "droppable_2"]).succeeded();
    let run = db.run(&["slot", "drop", "droppable_1", "missing_slot"]);
    let said = "walcat: error: could not drop slot \"missing_slot\": there is no replication slot \
        \"missing_slot\"\n\
                DETAIL:  The logical replication slots are: ";
    assert!(run.exited(1).stderr.starts_with(said), "{}", run.stderr);
    assert!(
        run.stderr.contains("droppable_1, droppable_2")
            && run.stderr.ends_with("try: walcat slot list\n"),
        "{}",
        run.stderr
    );
    let run = db.run(&[
        "slot",
        "drop",
        "--if-exists",
        "droppable_1",
        "missing_slot",
        "droppable_2",
    ]);
    assert_eq!(
        run.succeeded().stderr,
        "walcat: dropped slot \"droppable_1\"\nwalcat: dropped slot \"droppable_2\"\n"
    );
    assert!(!slots(&db).contains("droppable"));
    assert_eq!(
        db.run(&["-q", "slot", "drop", "--if-exists", "droppable_1"])
            .succeeded()
            .stderr,
        ""
    );
}

#[test]
fn slot_drop_force_ends_a_stream() {
    let name = "slot_drop_force_ends_a_stream";
    let db = Database::create(name);
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1)");
    let mut stream = spawn(&mut db.walcat(&["stream", "-n", "-S", name, "--publication", "p"]));
    stream.line();
    let run = db.run(&["slot", "drop", name]);
    let said = format!("walcat: error: could not drop slot \"{name}\": it is in use by PID ");
    assert!(run.exited(1).stderr.starts_with(&said), "{}", run.stderr);
    assert!(
        run.stderr.ends_with(&format!(
            " (application \"walcat\", role \"postgres\", address local socket)\ntry: walcat slot \
             drop --force {name}\n"
        )),
        "{}",
        run.stderr
    );
    let run = db.run(&["slot", "drop", "--force", name]);
    assert!(
        run.succeeded().stderr.starts_with("walcat: ended PID "),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.ends_with(&format!(
            ", which held slot \"{name}\"\nwalcat: dropped slot \"{name}\"\n"
        )),
        "{}",
        run.stderr
    );
    assert!(!slots(&db).contains(name));
    stream.wait().exited(1);
}

#[test]
fn slot_drop_force_ends_a_temporary_slot() {
    let db = Database::create("slot_drop_force_ends_a_temporary_slot");
    let (mut client, pid) = holder(&db, "temporary_slot");
    assert_eq!(listed(&db, "temporary_slot")["temporary"], true);
    assert_eq!(listed(&db, "temporary_slot")["active_pid"], pid);
    let run = db.run(&["slot", "drop", "--force", "temporary_slot"]);
    assert!(
        run.succeeded()
            .stderr
            .contains(&format!("ended PID {pid} (application \"test\"")),
        "{}",
        run.stderr
    );
    assert!(client.query_one("SELECT 1", &[]).is_err());
}

#[test]
fn slot_list_has_what_the_version_has() {
    let name = "slot_list_has_what_the_version_has";
    let db = Database::create(name);
    db.create_slot("pgoutput");
    let slot = listed(&db, name);
    let keys: Vec<&str> = slot
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = vec![
        "name",
        "slot_type",
        "plugin",
        "database",
        "temporary",
        "active",
        "active_pid",
        "xmin",
        "catalog_xmin",
        "restart_lsn",
        "confirmed_flush_lsn",
        "lag_bytes",
        "retained_bytes",
        "wal_status",
        "safe_wal_size",
        "two_phase",
        "lag",
        "retained",
    ];
    for (since, more) in [
        (16, &["conflicting"][..]),
        (
            17,
            &[
                "failover",
                "synced",
                "invalidation_reason",
                "inactive_since",
            ],
        ),
        (18, &["two_phase_at"]),
        (19, &["slotsync_skip_reason"]),
    ] {
        expected.extend(if major(&db) >= since { more } else { &[] });
    }
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(
        (&slot["plugin"], &slot["database"], &slot["active_pid"]),
        (&"pgoutput".into(), &name.into(), &Value::Null)
    );
    let of_slot = |column: &str| {
        db.value(&format!(
            "SELECT {column} FROM pg_replication_slots WHERE slot_name = '{name}'"
        ))
    };
    let lsn_of_slot = |column: &str| {
        db.lsn(&format!(
            "SELECT {column} FROM pg_replication_slots WHERE slot_name = '{name}'"
        ))
    };
    assert_eq!(slot["restart_lsn"], lsn_of_slot("restart_lsn"));
    assert_eq!(
        slot["confirmed_flush_lsn"],
        lsn_of_slot("confirmed_flush_lsn")
    );
    if major(&db) >= 17 {
        assert_eq!(
            slot["inactive_since"],
            of_slot("to_json(inactive_since AT TIME ZONE 'UTC')#>>'{}'") + "+00:00"
        );
    }

    let run = db.run(&["slot", "list"]);
    let row = row(&run, name);
    let cell = |heading: &str| {
        row.iter()
            .find(|(there, _)| *there == heading)
            .unwrap_or_else(|| panic!("{row:?}"))
            .1
    };
    assert_eq!(
        (cell("TYPE"), cell("PLUGIN"), cell("DATABASE"), cell("PID")),
        ("logical", "pgoutput", name, "")
    );
    assert_eq!(cell("RESTART"), lsn_of_slot("restart_lsn"));
    assert_eq!(cell("FAILOVER"), if major(&db) >= 17 { "no" } else { "" });
    assert_eq!(
        (cell("TWO-PHASE"), cell("WAL STATUS"), cell("INVALID")),
        ("no", "reserved", "")
    );
}

#[test]
fn slot_list_measures_lag() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "lagging");
    db.create_slot("pgoutput");
    db.sql("SELECT pg_create_physical_replication_slot('unused')");
    db.run(&["slot", "list", "--max-lag", "1MB"]).succeeded();
    db.sql("SELECT pg_create_physical_replication_slot('reserved', true)");
    db.sql("SELECT pg_logical_emit_message(true, 'test', repeat('x', 3000000))");
    let slot = listed(&db, "lagging");
    let behind = |column: &str| {
        let query =
            "SELECT pg_current_wal_lsn() - $ FROM pg_replication_slots WHERE slot_name = 'lagging'";
        db.value(&query.replace('$', column))
            .parse::<i64>()
            .unwrap()
    };
    let (lag, retained) = (
        slot["lag_bytes"].as_i64().unwrap(),
        slot["retained_bytes"].as_i64().unwrap(),
    );
    assert!(
        (3_000_000..=behind("confirmed_flush_lsn")).contains(&lag),
        "{slot}"
    );
    assert!((lag..=behind("restart_lsn")).contains(&retained), "{slot}");
    assert_eq!(
        (&slot["lag"], &slot["retained"]),
        (&"2.9 MB".into(), &"2.9 MB".into())
    );
    let unused = listed(&db, "unused");
    assert_eq!(
        (
            &unused["slot_type"],
            &unused["retained_bytes"],
            &unused["lag"]
        ),
        (&"physical".into(), &Value::Null, &Value::Null)
    );
    assert!(listed(&db, "reserved")["retained_bytes"].as_i64().unwrap() > 3_000_000);

    let run = db.run(&["slot", "list", "--max-lag", "1MB"]);
    assert!(
        run.exited(3).text().contains("lagging"),
        "the list is printed all the same"
    );
    assert!(
        run.stderr.starts_with(
            "walcat: error: slots retain more than 1.0 MB of WAL: lagging (2.9 MB), reserved ("
        ),
        "{}",
        run.stderr
    );
    db.run(&["slot", "list", "--max-lag", "1GB"]).succeeded();
}

#[test]
fn slot_list_works_on_a_standby() {
    let primary = Server::start(Options::default());
    let on_primary = Database::create_on(&primary, "standby_slots");
    let standby = primary.standby(&[("hot_standby_feedback", "on")]);
    on_primary.reconnect();
    let mut command = on_primary.walcat(&["slot", "list", "--format", "json"]);
    command
        .env("PGHOST", standby.socket_directory())
        .env("PGPORT", standby.port().to_string());
    assert_eq!(run(&mut command).succeeded().text(), "[]\n");

    let mut command = on_primary.walcat(&["slot", "create", "on_standby"]);
    command
        .env("PGHOST", standby.socket_directory())
        .env("PGPORT", standby.port().to_string());
    if primary.version() < 160_000 {
        let run = run(&mut command);
        assert!(
            run.exited(1)
                .stderr
                .contains("a logical slot on a standby needs PostgreSQL 16 or later"),
            "{}",
            run.stderr
        );
        return;
    }
    let mut impatient = on_primary.walcat(&["slot", "create", "impatient", "--timeout", "0.3"]);
    impatient
        .env("PGHOST", standby.socket_directory())
        .env("PGPORT", standby.port().to_string());
    let impatient = run(&mut impatient);
    let said = "DETAIL:  It waited for the primary to log which transactions run there.\n\
                try: on the primary: SELECT pg_log_standby_snapshot()\n";
    assert!(
        impatient.exited(1).stderr.ends_with(said),
        "{}",
        impatient.stderr
    );
    let mut running = spawn(&mut command);
    // The standby waits for the primary to log what runs there.
    wait_until("the slot on the standby", || {
        on_primary.sql("SELECT pg_log_standby_snapshot()");
        running.has_ended().then_some(())
    });
    assert!(
        running
            .wait()
            .succeeded()
            .text()
            .starts_with("slot on_standby: plugin pgoutput, consistent point ")
    );
    on_primary
        .sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 3000000)); CHECKPOINT");
    let end = on_primary.wal_position();
    let mut client = standby.client("standby_slots");
    wait_until("the standby to replay", || {
        let query = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn");
        client
            .query_one(&query, &[])
            .unwrap()
            .get::<_, bool>(0)
            .then_some(())
    });
    let walcat = |arguments: &[&str]| {
        let mut command = on_primary.walcat(arguments);
        command
            .env("PGHOST", standby.socket_directory())
            .env("PGPORT", standby.port().to_string());
        run(&mut command)
    };
    let list = walcat(&["slot", "list", "--format", "json"]);
    let slots: Value = serde_json::from_str(list.succeeded().text()).unwrap();
    assert!(
        slots[0]["lag_bytes"].as_i64().unwrap() > 3_000_000,
        "{slots}"
    );
    assert!(
        walcat(&["slot", "advance", "on_standby"])
            .succeeded()
            .text()
            .starts_with("slot on_standby: advanced from ")
    );
    walcat(&["slot", "drop", "on_standby"]).succeeded();
}

#[test]
fn slot_advance_says_from_where_to_where() {
    let name = "slot_advance_says_from_where_to_where";
    let db = Database::create(name);
    db.create_slot("pgoutput");
    let confirmed = || {
        db.lsn(&format!(
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{name}'"
        ))
    };
    let from = confirmed();
    db.sql("CREATE TABLE t (id int)");
    let to = db.wal_position();
    let run = db.run(&["slot", "advance", name, "--to", &to]);
    let passed = db.value(&format!("SELECT ('{to}'::pg_lsn - '{from}'::pg_lsn)::text"));
    let said = format!("slot {name}: advanced from {from} to {to}, past {passed} (");
    assert!(
        run.succeeded().text().starts_with(&said) && run.text().ends_with(") of WAL\n"),
        "{said}: {}",
        run.text()
    );
    assert_eq!(confirmed(), to);
    let run = db.run(&["slot", "advance", name, "--to", &to]);
    assert_eq!(
        run.succeeded().text(),
        format!("slot {name}: already at {to}\n")
    );
    let run = db.run(&["slot", "advance", name, "--to", &from]);
    assert_eq!(
        run.exited(1).stderr,
        format!(
            "walcat: error: could not advance slot \"{name}\" to {from}: it is at {to} already, \
             and slots do not move backwards\n"
        )
    );
    let run = db.run(&["slot", "advance", name, "--to", "FFFFFF/0"]);
    assert!(run.exited(1).stderr.starts_with(&format!(
        "walcat: error: could not advance slot \"{name}\" to FFFFFF/0: the WAL ends at "
    )));
    db.sql("DROP TABLE t");
    let end = db.wal_position();
    assert!(
        db.run(&["slot", "advance", name])
            .succeeded()
            .text()
            .starts_with(&format!("slot {name}: advanced from {to} to "))
    );
    assert_eq!(
        db.value(&format!("SELECT '{}'::pg_lsn >= '{end}'", confirmed())),
        "t"
    );
}

#[test]
fn slot_advance_explains_refusals() {
    let name = "slot_advance_explains_refusals";
    let db = Database::create(name);
    let run = db.run(&["slot", "advance", "missing_slot"]);
    assert!(run.exited(1).stderr.starts_with(
        "walcat: error: could not advance slot \"missing_slot\": there is no replication slot \
         \"missing_slot\"\n"
    ));
    assert!(
        run.stderr
            .ends_with("try: walcat slot create missing_slot\n")
    );
    db.create_slot("pgoutput");
    let other = Database::create("slot_advance_elsewhere");
    assert_eq!(
        other.run(&["slot", "advance", name]).exited(1).stderr,
        format!(
            "walcat: error: could not advance slot \"{name}\": it belongs to database \"{name}\"\n\
         DETAIL:  This session is connected to database \"slot_advance_elsewhere\".\ntry: walcat \
         -d {name} check -S {name}\n"
        )
    );
    let (_client, pid) = holder(&db, "held_slot");
    let run = db.run(&["slot", "advance", "held_slot"]);
    assert_eq!(
        run.exited(1).stderr,
        format!(
            "walcat: error: could not advance slot \"held_slot\": it is in use by PID {pid} \
             (application \"test\", role \"postgres\", \
         address local socket)\ntry: end that session: SELECT pg_terminate_backend({pid})\n"
        )
    );
    db.sql("SELECT pg_create_physical_replication_slot('advance_physical')");
    let run = db.run(&["slot", "advance", "advance_physical"]);
    assert!(
        run.exited(1)
            .stderr
            .contains("could not advance slot \"advance_physical\": it has no position yet\n")
    );
    db.sql(
        "SELECT pg_drop_replication_slot('advance_physical'), \
            pg_create_physical_replication_slot('advance_physical', true)",
    );
    db.sql("SELECT pg_logical_emit_message(true, 'test', 'x')");
    let run = db.run(&["slot", "advance", "advance_physical"]);
    db.sql("SELECT pg_drop_replication_slot('advance_physical')");
    assert!(
        run.succeeded()
            .text()
            .starts_with("slot advance_physical: advanced from "),
        "{}",
        run.text()
    );
}

#[test]
fn slot_that_lost_its_wal_is_shown_and_explained() {
    let settings = &[
        ("max_slot_wal_keep_size", "1MB"),
        ("min_wal_size", "32MB"),
        ("max_wal_size", "32MB"),
    ];
    let server = Server::start(Options {
        settings,
        ..Options::default()
    });
    let db = Database::create_on(&server, "lost");
    db.create_slot("pgoutput");
    assert!(listed(&db, "lost")["safe_wal_size"].as_i64().unwrap() > 0);
    for _ in 0..4 {
        db.sql("SELECT pg_logical_emit_message(true, 'test', 'x')");
        db.sql("SELECT pg_switch_wal()");
    }
    db.sql("CHECKPOINT");
    db.wait_for("SELECT wal_status = 'lost' FROM pg_replication_slots");
    let slot = listed(&db, "lost");
    assert_eq!(
        (&slot["wal_status"], &slot["restart_lsn"]),
        (&"lost".into(), &Value::Null)
    );
    let reason = if major(&db) >= 17 {
        "wal_removed"
    } else {
        "the WAL it needs was removed"
    };
    if major(&db) >= 17 {
        assert_eq!(slot["invalidation_reason"], reason);
    }
    let run = db.run(&["slot", "list"]);
    assert!(
        row(&run, "lost").contains(&("INVALID", reason)),
        "{}",
        run.text()
    );
    let run = db.run(&["slot", "list", "--max-lag", "1GB"]);
    assert_eq!(
        run.exited(3).stderr,
        "walcat: error: slots are invalidated: lost\n"
    );
    let explained = format!(
        ": it is invalidated ({reason})\nDETAIL:  The server no longer has what the slot had not \
         yet delivered.\n\
         try: walcat slot drop lost && walcat slot create lost\n"
    );
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    for arguments in [
        &["slot", "advance", "lost"][..],
        &["stream", "-S", "lost", "--publication", "p"],
    ] {
        let run = db.run(arguments);
        assert!(
            run.exited(1)
                .stderr
                .starts_with("walcat: error: could not "),
            "{}",
            run.stderr
        );
        assert!(run.stderr.ends_with(&explained), "{}", run.stderr);
        assert_eq!(run.text(), "");
    }
    db.run(&["slot", "drop", "lost"]).succeeded();
}

#[test]
fn slot_that_was_idle_for_too_long_is_shown() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "idle");
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    if major(&db) < 18 {
        // No older server gives slots up for that.
        assert_eq!(
            db.maybe_value("SELECT current_setting('idle_replication_slot_timeout', true)"),
            None
        );
        db.run(&["stream", "-S", "idle", "--publication", "p", "--until-now"])
            .succeeded();
        return;
    }
    db.sql("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'");
    server.reload();
    wait_until("the slot to be given up", || {
        // Only a checkpoint looks.
        db.sql("SELECT pg_logical_emit_message(true, 'test', 'x')");
        db.sql("CHECKPOINT");
        db.maybe_value("SELECT invalidation_reason FROM pg_replication_slots")
    });
    assert_eq!(listed(&db, "idle")["invalidation_reason"], "idle_timeout");
    let run = db.run(&["stream", "-S", "idle", "--publication", "p", "--until-now"]);
    let said = "it is invalidated (idle_timeout)";
    assert!(
        run.exited(1).stderr.contains(said) && run.stderr.contains("try: walcat slot drop idle"),
        "{}",
        run.stderr
    );
    let run = db.run(&["check", "--slot", "idle"]);
    let said = "fail  could not stream from slot \"idle\": it is invalidated (idle_timeout); \
                try: walcat slot drop idle && walcat slot create idle\n";
    assert!(run.exited(1).text().contains(said), "{}", run.text());
    assert!(
        run.text().contains(
            "\nok    idle_replication_slot_timeout is 1s: a slot idle for longer is lost\n"
        ),
        "{}",
        run.text()
    );
}
