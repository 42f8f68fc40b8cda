//! Settings of a role that are not walcat's to obey, and those that are.

use crate::support::*;
use std::process::Command;

/// A server with a database and a role whose sessions are to end soon whatever they do.
fn hasty<'s>(server: &'s Server, name: &str) -> Database<'s> {
    let db = Database::create_on(server, name);
    db.sql(
        "CREATE ROLE hasty LOGIN SUPERUSER;
         ALTER ROLE hasty SET statement_timeout = '1s'; ALTER ROLE hasty SET lock_timeout = '1s';
         ALTER ROLE hasty SET idle_in_transaction_session_timeout = '1s';
         ALTER ROLE hasty SET idle_session_timeout = '1s';
         CREATE TYPE mood AS ENUM ('calm'); CREATE TYPE taste AS ENUM ('sweet');
         CREATE TABLE m (id int PRIMARY KEY, v mood[]); CREATE TABLE n (id int PRIMARY KEY, v \
         taste[]);
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    if server.version() >= 17_00_00 {
        db.sql("ALTER ROLE hasty SET transaction_timeout = '1s'");
    }
    db
}

fn as_hasty(db: &Database<'_>, arguments: &[&str]) -> Command {
    let mut command = db.walcat(arguments);
    command.env("PGUSER", "hasty");
    command.env("PGOPTIONS", "-c statement_timeout=1s -c lock_timeout=1s");
    command
}

#[test]
fn a_slot_waits_longer_than_a_role_likes() {
    let server = Server::start(Options::default());
    let db = hasty(&server, "waiting");
    for (arguments, backend) in [
        (&["slot", "create", "s"][..], "client backend"),
        (
            &["stream", "--publication", "p", "--until-now"],
            "walsender",
        ),
    ] {
        let mut open = db.client();
        open.batch_execute("BEGIN; SELECT txid_current()").unwrap();
        let running = spawn(&mut as_hasty(&db, arguments));
        db.wait_for(&format!(
            "SELECT bool_or(clock_timestamp() - query_start > '1.5 s') FROM pg_stat_activity
             WHERE application_name = 'walcat' AND backend_type = '{backend}' AND state = 'active'"
        ));
        open.batch_execute("COMMIT").unwrap();
        running.wait().succeeded();
    }
}

#[test]
fn a_stream_idles_longer_than_a_role_likes() {
    let server = Server::start(Options::default());
    let db = hasty(&server, "idling");
    db.create_slot("pgoutput");
    let arguments = ["stream", "-S", "idling", "--publication", "p", "-v"];
    let mut running = spawn(&mut as_hasty(&db, &arguments));
    db.sql("INSERT INTO m VALUES (1, '{calm}')");
    assert_eq!(running.json()["after"]["v"][0], "calm");
    // The session that looked the type up is kept for the next.
    for backend in ["client backend", "walsender"] {
        db.wait_for(&format!(
            "SELECT bool_or(clock_timestamp() - state_change > '1.5 s') FROM pg_stat_activity
             WHERE application_name = 'walcat' AND backend_type = '{backend}'"
        ));
    }
    db.sql("INSERT INTO n VALUES (2, '{sweet}')");
    assert_eq!(running.json()["after"]["v"][0], "sweet");
    let finished = running.interrupt();
    assert!(
        !finished.succeeded().stderr.contains("trying again"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_role_that_may_not_write_is_obeyed() {
    let db = Database::create("read_only_role");
    db.sql(
        "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN SUPERUSER;
         ALTER ROLE reader SET default_transaction_read_only = on; CREATE TABLE t (id int PRIMARY \
         KEY)",
    );
    let create = ["pub", "create", "p", "--all-tables"];
    let refused = run(db.walcat(&create).env("PGUSER", "reader"));
    assert_eq!(
        refused.exited(1).stderr,
        "walcat: error: could not create publication \"p\": cannot execute CREATE PUBLICATION in a \
         read-only transaction (SQLSTATE 25006)\n\
         try: PGOPTIONS='-c default_transaction_read_only=off', if the role is to write\n"
    );
    let mut command = db.walcat(&create);
    command
        .env("PGUSER", "reader")
        .env("PGOPTIONS", "-c default_transaction_read_only=off");
    run(&mut command).succeeded();
}

#[test]
fn a_role_that_acts_as_another_is_obeyed() {
    let db = Database::create("acting_role");
    db.sql(
        "DROP ROLE IF EXISTS actor; DROP ROLE IF EXISTS owner_of_all;
         CREATE ROLE owner_of_all; CREATE ROLE actor LOGIN IN ROLE owner_of_all;
         ALTER ROLE actor SET role = 'owner_of_all';
         GRANT CREATE ON DATABASE acting_role TO owner_of_all;
         CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO owner_of_all",
    );
    let create = ["pub", "create", "p", "--table", "public.t"];
    run(db.walcat(&create).env("PGUSER", "actor")).succeeded();
    assert_eq!(
        db.value("SELECT pubowner::regrole FROM pg_publication"),
        "owner_of_all"
    );
    db.sql(
        "REVOKE CREATE ON DATABASE acting_role FROM owner_of_all; DROP OWNED BY owner_of_all \
        CASCADE",
    );
    db.sql("DROP ROLE actor; DROP ROLE owner_of_all");
}
