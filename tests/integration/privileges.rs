//! Each command as the least privileged role that PostgreSQL documents for it, and what the role
//! just below is told.

use crate::support::*;

/// A database with a role that may log in and nothing else. Roles are the server's, so it is named
/// like the database.
fn with_role(name: &str) -> (Database<'static>, String) {
    let db = Database::create(name);
    let role = format!("role_{name}");
    db.sql(&format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN"
    ));
    (db, role)
}

fn run_as(db: &Database<'_>, role: &str, arguments: &[&str]) -> Finished {
    db.run(&[&["-U", role], arguments].concat())
}

/// That it failed, and with which command mends it.
#[track_caller]
fn refused(run: &Finished, message: &str, remedy: &str) {
    let stderr = &run.exited(1).stderr;
    assert!(
        stderr.starts_with(&format!("walcat: error: could not {message}")),
        "{stderr}"
    );
    assert!(stderr.contains("(SQLSTATE 42501)"), "{stderr}");
    assert!(stderr.ends_with(&format!("try: {remedy}\n")), "{stderr}");
}

#[test]
fn privileges_for_lists_and_check() {
    let (db, role) = with_role("privileges_for_lists_and_check");
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    run_as(&db, &role, &["slot", "list"]).succeeded();
    run_as(&db, &role, &["slot", "list", "--format", "json"]).succeeded();
    assert!(
        run_as(&db, &role, &["pub", "list"])
            .succeeded()
            .text()
            .contains("\np     postgres  all tables")
    );
    let replication = format!("as a superuser: ALTER ROLE {role} REPLICATION");
    let run = run_as(&db, &role, &["check", "--publication", "p"]);
    assert!(run.exited(1).text().contains(&format!(
        "fail  role \"{role}\" lacks the REPLICATION attribute; try: {replication}\n"
    )));
    db.sql(&format!("ALTER ROLE {role} REPLICATION"));
    run_as(&db, &role, &["check", "--publication", "p"]).succeeded();
    db.sql("DROP PUBLICATION p");
}

#[test]
fn privileges_for_slots() {
    let name = "privileges_for_slots";
    let (db, role) = with_role(name);
    let remedy = format!("as a superuser: ALTER ROLE {role} REPLICATION");
    db.create_slot("pgoutput");
    db.sql("CREATE TABLE t (id int)");
    refused(
        &run_as(&db, &role, &["slot", "create", "slot_of_role"]),
        "create slot \"slot_of_role\": ",
        &remedy,
    );
    refused(
        &run_as(&db, &role, &["slot", "advance", name]),
        &format!("advance slot \"{name}\": "),
        &remedy,
    );
    refused(
        &run_as(&db, &role, &["slot", "drop", name]),
        &format!("drop slot \"{name}\": "),
        &remedy,
    );
    db.sql(&format!("ALTER ROLE {role} REPLICATION"));
    run_as(&db, &role, &["slot", "create", "slot_of_role"]).succeeded();
    run_as(&db, &role, &["slot", "advance", name]).succeeded();
    run_as(&db, &role, &["slot", "drop", name, "slot_of_role"]).succeeded();
}

#[test]
fn privileges_for_dropping_by_force() {
    let name = "privileges_for_dropping_by_force";
    let (db, role) = with_role(name);
    db.sql(&format!(
        "ALTER ROLE {role} REPLICATION; DROP ROLE IF EXISTS holder_of_slot; CREATE \
                     ROLE holder_of_slot LOGIN REPLICATION"
    ));
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1)");
    let stream = &[
        "-U",
        "holder_of_slot",
        "stream",
        "-n",
        "-S",
        name,
        "--publication",
        "p",
    ];
    let mut stream = spawn(&mut db.walcat(stream));
    stream.line();
    let drop = ["slot", "drop", "--force", name];
    refused(
        &run_as(&db, &role, &drop),
        "end the session of PID ",
        &format!("as a superuser: GRANT pg_signal_backend TO {role}"),
    );
    db.sql(&format!("GRANT pg_signal_backend TO {role}"));
    let run = run_as(&db, &role, &drop);
    // Whence it comes is hidden from other roles.
    assert!(
        run.succeeded()
            .stderr
            .contains(" (application \"walcat\", role \"holder_of_slot\"), which held slot"),
        "{}",
        run.stderr
    );
    stream.wait().exited(1);
}

#[test]
fn privileges_for_publications() {
    let name = "privileges_for_publications";
    let (db, role) = with_role(name);
    db.sql("CREATE TABLE t (id int PRIMARY KEY)");
    let table = ["pub", "create", "p", "--table", "public.t"];
    let on_database =
        format!("as the owner of the database: GRANT CREATE ON DATABASE {name} TO {role}");
    refused(
        &run_as(&db, &role, &table),
        "create publication \"p\": permission denied for database",
        &on_database,
    );
    db.sql(&format!("GRANT CREATE ON DATABASE {name} TO {role}"));
    refused(
        &run_as(&db, &role, &table),
        "create publication \"p\": must be owner of table t",
        &format!("as a superuser: ALTER TABLE t OWNER TO {role}"),
    );
    db.sql(&format!("ALTER TABLE t OWNER TO {role}"));
    run_as(&db, &role, &table).succeeded();

    let superuser = "as a superuser, or name the tables with --table";
    refused(
        &run_as(&db, &role, &["pub", "create", "q", "--all-tables"]),
        "create publication \"q\": ",
        superuser,
    );
    if db.server().version() >= 150_000 {
        refused(
            &run_as(&db, &role, &["pub", "create", "q", "--schema", "public"]),
            "create publication \"q\": ",
            superuser,
        );
    }
    db.sql("CREATE PUBLICATION q");
    let run = run_as(&db, &role, &["pub", "drop", "p", "q"]);
    refused(
        &run,
        "drop publications p, q: must be owner of publication q",
        &format!("as a superuser: ALTER PUBLICATION q OWNER TO {role}"),
    );
    run_as(&db, &role, &["pub", "drop", "p"]).succeeded();
    db.sql(&format!(
        "REVOKE ALL ON DATABASE {name} FROM {role}; DROP TABLE t"
    ));
}

#[test]
fn privileges_for_stream() {
    let name = "privileges_for_stream";
    let (db, role) = with_role(name);
    db.sql("CREATE TABLE t (id int PRIMARY KEY, tags text[]); CREATE PUBLICATION p FOR TABLE t");
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1, '{a,b}')");
    let stream = [
        "stream",
        "-n",
        "-S",
        name,
        "--publication",
        "p",
        "--until-now",
    ];
    let run = run_as(&db, &role, &stream);
    let stderr = &run.exited(1).stderr;
    assert!(stderr.contains("(SQLSTATE 42501)"), "{stderr}");
    assert!(
        stderr.ends_with(&format!(
            "try: as a superuser: ALTER ROLE {role} REPLICATION\n"
        )),
        "{stderr}"
    );
    db.sql(&format!("ALTER ROLE {role} REPLICATION"));
    // Not even SELECT on the table is needed.
    assert_eq!(
        db.value(&format!(
            "SELECT has_table_privilege('{role}', 't', 'SELECT')"
        )),
        "f"
    );
    let run = run_as(&db, &role, &stream);
    assert_eq!(
        run.succeeded().json()[0]["after"]["tags"],
        serde_json::json!(["a", "b"])
    );
}
