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
    let held = |who: &str| {
        let run = run_as(&db, &role, &["slot", "advance", name]);
        let proposed = format!("\ntry: {who}: SELECT pg_terminate_backend(");
        assert!(run.exited(1).stderr.contains(&proposed), "{}", run.stderr);
    };
    held("as a superuser");
    db.sql(&format!("GRANT pg_signal_backend TO {role}"));
    held("end that session");
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
    let superuser = "as a superuser: CREATE PUBLICATION \"p\" FOR TABLE public.t";
    refused(
        &run_as(&db, &role, &table),
        "create publication \"p\": permission denied for database",
        superuser,
    );
    db.sql(&format!("GRANT CREATE ON DATABASE {name} TO {role}"));
    refused(
        &run_as(&db, &role, &table),
        "create publication \"p\": must be owner of table t",
        superuser,
    );
    db.sql(&format!(
        "REVOKE CREATE ON DATABASE {name} FROM {role}; ALTER TABLE t OWNER TO {role}"
    ));
    refused(
        &run_as(&db, &role, &table),
        "create publication \"p\": permission denied for database",
        &format!("as the owner of the database: GRANT CREATE ON DATABASE {name} TO {role}"),
    );
    db.sql(&format!("GRANT CREATE ON DATABASE {name} TO {role}"));
    run_as(&db, &role, &table).succeeded();

    refused(
        &run_as(&db, &role, &["pub", "create", "q", "--all-tables"]),
        "create publication \"q\": ",
        "as a superuser: CREATE PUBLICATION \"q\" FOR ALL TABLES",
    );
    if db.server().version() >= 150_000 {
        refused(
            &run_as(&db, &role, &["pub", "create", "q", "--schema", "public"]),
            "create publication \"q\": ",
            "as a superuser: CREATE PUBLICATION \"q\" FOR TABLES IN SCHEMA \"public\"",
        );
    }
    db.sql("CREATE PUBLICATION q");
    let run = run_as(&db, &role, &["pub", "drop", "p", "q"]);
    refused(
        &run,
        "drop publications p, q: must be owner of publication q",
        "as its owner or a superuser: DROP PUBLICATION q",
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

/// A role that lacks several things learns of all at once, and what an administrator runs mends
/// them.
#[test]
fn privileges_that_lack_are_told_at_once() {
    let name = "privileges_that_lack_are_told";
    let (db, role) = with_role(name);
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE bare (id int);
         INSERT INTO bare VALUES (1)",
    );
    let replication = format!("as a superuser: ALTER ROLE {role} REPLICATION");
    let all_tables = "as a superuser: ALTER TABLE public.bare REPLICA IDENTITY FULL; \
                      CREATE PUBLICATION \"walcat\" FOR ALL TABLES";
    let proposals = |run: &Finished| -> Vec<String> {
        let lines = run.stderr.lines();
        lines
            .filter_map(|line| line.strip_prefix("try: "))
            .map(str::to_owned)
            .collect()
    };
    let stream = ["stream", "--create-publication", "--until-now"];
    let run = run_as(&db, &role, &stream);
    assert_eq!(
        proposals(run.exited(1)),
        [&replication, all_tables],
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains(&format!(
            "Role \"{role}\" lacks the REPLICATION attribute, and may not create a publication of \
             all tables."
        )),
        "{}",
        run.stderr
    );
    let run = run_as(&db, &role, &[&stream[..], &["--table", "t"]].concat());
    let one_table = "as a superuser: CREATE PUBLICATION \"walcat\" FOR TABLE \"public\".\"t\" WITH \
                     (publish_via_partition_root = true)";
    assert_eq!(
        proposals(run.exited(1)),
        [&replication, one_table],
        "{}",
        run.stderr
    );
    assert_eq!(db.value("SELECT count(*) FROM pg_publication"), "0");
    // As the administrator does what was said, the role gets further; what it may do itself it is
    // told to do itself.
    db.sql(&format!("ALTER ROLE {role} REPLICATION"));
    let run = run_as(&db, &role, &stream);
    assert_eq!(proposals(run.exited(1)), [all_tables], "{}", run.stderr);
    db.sql(&format!(
        "CREATE TABLE own (id int PRIMARY KEY); ALTER TABLE own OWNER TO {role}"
    ));
    let run = run_as(&db, &role, &[&stream[..], &["--table", "own"]].concat());
    assert_eq!(
        proposals(run.exited(1)),
        [format!(
            "as the owner of the database: GRANT CREATE ON DATABASE {name} TO {role}"
        )],
        "{}",
        run.stderr
    );
    db.sql(all_tables.strip_prefix("as a superuser: ").unwrap());
    run_as(&db, &role, &stream).succeeded();
    db.sql("UPDATE bare SET id = 2");
    db.sql("DROP TABLE own; DROP PUBLICATION walcat");
}

#[test]
fn privileges_are_never_proposed_to_be_taken() {
    let name = "privileges_are_never_proposed";
    let (db, role) = with_role(name);
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION q");
    for arguments in [
        &["pub", "create", "p", "--table", "t"][..],
        &["pub", "create", "p", "--all-tables"],
        &["pub", "drop", "q"],
        &["stream", "--create-publication", "--table", "t"],
        &["check"],
        &["check", "--publication", "nosuch"],
        &["check", "-S", "nosuch"],
    ] {
        let run = run_as(&db, &role, arguments);
        let said = format!("{}{}", run.exited(1).text(), run.stderr);
        assert!(!said.contains("OWNER TO"), "{arguments:?}: {said}");
        let own = said.lines().filter_map(|line| line.split_once("try: "));
        for (_, own) in own.filter(|(_, own)| !own.contains(" list") && !own.contains("psql")) {
            assert!(
                own.starts_with("as "),
                "{arguments:?}: the role may not: {own}"
            );
        }
    }
}

#[test]
fn check_fails_where_the_stream_does() {
    let name = "check_fails_where_the_stream_does";
    let (db, role) = with_role(name);
    let check = |arguments: &[&str], status: i32| {
        let stream = [&["stream", "-n", "--until-now", "--peek"], arguments].concat();
        let (check, stream) = (db.run(&[&["check"], arguments].concat()), db.run(&stream));
        let said = format!(
            "{arguments:?}\n{}{}{}",
            check.text(),
            check.stderr,
            stream.stderr
        );
        let code = |run: &Finished| run.status.code().map(|code| code.min(1));
        assert_eq!(
            (code(&check), code(&stream)),
            (Some(status), Some(status)),
            "{said}"
        );
    };
    // No publication.
    check(&[], 1);
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    check(&["--publication", "p"], 0);
    check(&["--publication", "p,q"], 1);
    db.create_slot("pgoutput");
    check(&["-S", name, "--publication", "p"], 0);
    let holder = spawn(&mut db.walcat(&["stream", "-v", "-S", name, "--publication", "p"]));
    holder.wait_for_stderr("streaming from slot");
    check(&["-S", name, "--publication", "p"], 1);
    holder.interrupt().succeeded();
    db.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{name}_raw', 'test_decoding')"
    ));
    check(&["-S", &format!("{name}_raw")], 1);
    check(&["-U", &role, "--publication", "p"], 1);
    db.sql(&format!("ALTER ROLE {role} REPLICATION"));
    check(&["-U", &role, "--publication", "p"], 0);
}

#[test]
fn check_fails_where_the_stream_of_wal2json_does() {
    let name = "check_fails_where_wal2json_does";
    let db = Database::create(name);
    db.sql("CREATE PUBLICATION p");
    db.create_slot("wal2json");
    db.run(&["check", "-S", name]).succeeded();
    let run = db.run(&["check", "-S", name, "--publication", "p"]);
    assert!(
        run.exited(1)
            .text()
            .contains("\nfail  plugin wal2json knows no publications"),
        "{}",
        run.text()
    );
    let db = Database::create_with(
        server(),
        "check_of_wal2json_in_latin1",
        "ENCODING 'LATIN1' LOCALE 'C'",
    );
    db.create_slot("wal2json");
    let run = db.run(&["check", "-S", db.name()]);
    assert!(
        run.exited(1)
            .text()
            .contains("wal2json does not convert from LATIN1"),
        "{}",
        run.text()
    );
}
