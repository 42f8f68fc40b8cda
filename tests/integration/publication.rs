//! `walcat pub`: create, drop, list; what a publication keeps from being updated is compared with
//! what the server then refuses.

use crate::support::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn major(db: &Database<'_>) -> u32 {
    db.server().version() / 10_000
}

/// The publication as `pub list --format json` has it.
fn listed(db: &Database<'_>, name: &str) -> Value {
    let run = db.run(&["pub", "list", "--format", "json"]);
    let publications: Vec<Value> =
        serde_json::from_str(run.succeeded().text()).expect("a JSON array");
    publications
        .into_iter()
        .find(|publication| publication["name"] == name)
        .expect("the publication")
}

/// What `pub list` says of generated columns: nothing before 18.
fn with_generated(db: &Database<'_>, mut publication: Value) -> Value {
    if major(db) >= 18 {
        publication["generated_columns"] = "none".into();
    }
    if major(db) >= 19 {
        publication["all_sequences"] = false.into();
    }
    publication
}

#[test]
fn publication_of_all_tables() {
    let db = Database::create("publication_of_all_tables");
    let run = db.run(&[
        "pub",
        "create",
        "everything",
        "--all-tables",
        "--via-root",
        "--publish",
        "insert,truncate",
    ]);
    assert_eq!(
        run.succeeded().stderr,
        "walcat: created publication \"everything\"\n"
    );
    assert_eq!(
        listed(&db, "everything"),
        with_generated(
            &db,
            json!({
                "name": "everything", "owner": "postgres", "all_tables": true, "tables": [], "schemas": [],
                "publish": ["insert", "truncate"], "via_root": true
            })
        )
    );
    let run = db.run(&["pub", "list"]);
    let generated = if major(&db) >= 18 { "      none" } else { "" };
    assert_eq!(
        run.succeeded().text(),
        format!(
            "NAME        OWNER     PUBLISHES   OPERATIONS        VIA ROOT  GENERATED COLUMNS\n\
         everything  postgres  all tables  insert, truncate  yes {generated}\n"
        )
        .replace("yes \n", "yes\n")
    );
}

/// What came with PostgreSQL 19; older servers do not know the words.
#[test]
fn publication_of_all_sequences_or_all_tables_but_some() {
    let db = Database::create("publication_of_all_sequences");
    db.sql(
        "CREATE TABLE seen (id int PRIMARY KEY); CREATE TABLE unseen (id int PRIMARY KEY);
         CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE part PARTITION OF root FOR VALUES FROM (0) TO (9)",
    );
    let created = db.client().batch_execute(
        "CREATE PUBLICATION sequences FOR ALL SEQUENCES;
         CREATE PUBLICATION most FOR ALL TABLES EXCEPT (TABLE unseen, root), ALL SEQUENCES",
    );
    if major(&db) < 19 {
        let refusal = created.expect_err("words of the future");
        assert_eq!(refusal.code().map(|code| code.code()), Some("42601"));
        return;
    }
    created.unwrap();
    let left_out = |table: &str| json!({"schema": "public", "table": table, "except": true});
    for (name, all_tables, tables) in [
        ("sequences", false, vec![]),
        ("most", true, vec![left_out("root"), left_out("unseen")]),
    ] {
        let expected = json!({
            "name": name, "owner": "postgres", "all_tables": all_tables, "all_sequences": true, "tables": tables,
            "schemas": [], "publish": ["insert", "update", "delete", "truncate"], "via_root": false,
            "generated_columns": "none"
        });
        assert_eq!(listed(&db, name), expected);
    }
    let list = db.run(&["pub", "list"]);
    let shown: Vec<String> = list
        .text()
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        shown[1..],
        [
            "most postgres all tables insert, update, delete, truncate no none",
            "except public.root",
            "except public.unseen",
            "all sequences",
            "sequences postgres all sequences insert, update, delete, truncate no none",
        ]
    );
    let check = db.run(&["check", "--publication", "most,sequences"]);
    for line in [
        "ok    publication \"most\" has 1 table",
        "warn  publication \"sequences\" has no tables; try: walcat pub list",
    ] {
        assert!(
            check.text().lines().any(|there| there == line),
            "{}",
            check.text()
        );
    }
    let again = db.run(&["pub", "create", "most", "--all-tables", "--if-not-exists"]);
    assert_eq!(
        again.succeeded().stderr,
        "walcat: publication \"most\" is already there, of all tables, except public.root, \
         except public.unseen, all sequences\n\
         walcat: warning: publication \"most\" is other than asked for: \
         of all tables, except public.root, except public.unseen, all sequences\n"
    );
    // What is advised is what the server takes: no table can be added to either.
    let warned = |arguments: &[&str]| {
        let run = db.run(&[&["stream", "--until-now", "--publication"], arguments].concat());
        run.succeeded().stderr.clone()
    };
    assert_eq!(
        warned(&["sequences"]),
        "walcat: warning: nothing is shown: publication \"sequences\" has no table\n\
         try: another publication: walcat pub create walcat --all-tables\n"
    );
    assert_eq!(warned(&["most"]), "");
    assert_eq!(
        warned(&["most", "--table", "unseen"]),
        "walcat: warning: --table unseen shows nothing: publication \"most\" has no table \
         public.unseen\n\
         try: another publication\n"
    );
    db.create_slot("pgoutput");
    db.sql(
        "INSERT INTO seen VALUES (1); INSERT INTO unseen VALUES (2); INSERT INTO root VALUES (3)",
    );
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "most",
        "--until-now",
    ]);
    let tables: Vec<Value> = run
        .json()
        .iter()
        .map(|event| event["table"].clone())
        .collect();
    assert_eq!(tables, ["seen"]);
}

#[test]
fn publication_of_tables_columns_rows_and_schemas() {
    let db = Database::create("publication_of_tables_columns_rows_and_schemas");
    db.sql(
        "CREATE SCHEMA app; CREATE TABLE app.users (id int PRIMARY KEY, name text); CREATE \
        TABLE plain (id int PRIMARY KEY);
            CREATE SCHEMA \"Odd one\"; CREATE TABLE \"Odd one\".\"T\"\"x\" (\"I d\" int PRIMARY \
                            KEY)",
    );
    db.run(&[
        "pub",
        "create",
        "two",
        "--table",
        "plain",
        "--table",
        "\"Odd one\".\"T\"\"x\"",
    ])
    .succeeded();
    let tables =
        json!([{"schema": "Odd one", "table": "T\"x"}, {"schema": "public", "table": "plain"}]);
    assert_eq!(
        listed(&db, "two"),
        with_generated(
            &db,
            json!({
                "name": "two", "owner": "postgres", "all_tables": false, "tables": tables, "schemas": [],
                "publish": ["insert", "update", "delete", "truncate"], "via_root": false
            })
        )
    );

    let partial = db.run(&[
        "pub",
        "create",
        "partial",
        "--force",
        "--table",
        "app.users (name, id) WHERE (id > 0 AND name <> ')')",
    ]);
    let schema = db.run(&[
        "pub", "create", "schemas", "--schema", "app", "--schema", "Odd one",
    ]);
    if major(&db) < 15 {
        let said = " needs PostgreSQL 15 or later, the server is 14.";
        assert!(
            partial
                .exited(1)
                .stderr
                .contains(&format!("\"partial\": a column list or row filter{said}")),
            "{}",
            partial.stderr
        );
        assert!(
            schema
                .exited(1)
                .stderr
                .contains(&format!("\"schemas\": publishing a schema{said}")),
            "{}",
            schema.stderr
        );
        return;
    }
    partial.succeeded();
    schema.succeeded();
    assert_eq!(
        listed(&db, "partial")["tables"],
        json!([
            {"schema": "app", "table": "users", "columns": ["id", "name"], "filter": "((id > 0) \
                AND (name <> ')'::text))"}
        ])
    );
    assert_eq!(listed(&db, "schemas")["schemas"], json!(["Odd one", "app"]));
    let run = db.run(&["pub", "list"]);
    let rows: Vec<Vec<&str>> = run
        .text()
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|c| !c.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        rows[1][..3],
        [
            "partial",
            "postgres",
            "app.users (id, name) WHERE ((id > 0) AND (name <> ')'::text))"
        ]
    );
    assert_eq!(
        (rows[2][2], &rows[3][..]),
        ("schema \"Odd one\"", &["schema app"][..])
    );
    assert_eq!(
        (rows[4][2], &rows[5][..]),
        ("\"Odd one\".\"T\"\"x\"", &["public.plain"][..])
    );
}

#[test]
fn publication_tables_are_found_as_in_psql() {
    let db = Database::create("publication_tables_are_found_as_in_psql");
    db.sql(
        "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY); CREATE TABLE public.t (id int \
         PRIMARY KEY);
            ALTER DATABASE publication_tables_are_found_as_in_psql SET search_path = app, public",
    );
    db.run(&["pub", "create", "p", "--table", "t"]).succeeded();
    assert_eq!(
        listed(&db, "p")["tables"],
        json!([{"schema": "app", "table": "t"}])
    );
    let mut command = db.walcat(&["pub", "create", "q", "--table", "t"]);
    run(command.env("PGOPTIONS", "-c search_path=public")).succeeded();
    assert_eq!(
        listed(&db, "q")["tables"],
        json!([{"schema": "public", "table": "t"}])
    );
    let run = db.run(&["pub", "create", "r", "--table", "missing"]);
    assert_eq!(
        run.exited(1).stderr,
        "walcat: error: could not create publication \"r\": relation \"missing\" does not exist \
         (SQLSTATE 42P01)\n\
         try: its name with the schema, as app.users; upper case and odd names in double quotes, \
         as '\"Users\"'\n"
    );
}

#[test]
fn publication_text_cannot_smuggle_sql() {
    let db = Database::create("publication_text_cannot_smuggle_sql");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)");
    for table in [
        "t; DROP TABLE u",
        "t, u",
        "t WITH (publish = 'insert')",
        "t WHERE (true); DROP TABLE u; --",
        "t WHERE (true)) --",
        "t (id); DROP TABLE u",
        "t WHERE (id = '1) OR true); DROP TABLE u",
        "",
        "t -- u",
    ] {
        let run = db.run(&["pub", "create", "p", "--table", table]);
        assert!(
            run.exited(2).stderr.starts_with(&format!(
                "walcat: error: could not read table \"{table}\": "
            )),
            "{}",
            run.stderr
        );
    }
    let name = "p\"; DROP TABLE u; --";
    db.run(&["pub", "create", name, "--table", "t"]).succeeded();
    assert_eq!(
        listed(&db, name)["tables"],
        json!([{"schema": "public", "table": "t"}])
    );
    db.run(&["pub", "drop", name]).succeeded();
    // The server would just cut it off.
    let run = db.run(&["pub", "create", &"x".repeat(64), "--table", "t"]);
    assert!(
        run.exited(1)
            .stderr
            .contains(": identifier too long (SQLSTATE 42622)\n"),
        "{}",
        run.stderr
    );
    if major(&db) >= 15 {
        let run = db.run(&["pub", "create", "p", "--schema", "public; DROP TABLE u"]);
        assert!(
            run.exited(1)
                .stderr
                .contains("schema \"public; DROP TABLE u\" does not exist"),
            "{}",
            run.stderr
        );
    }
    assert_eq!(db.value("SELECT count(*) FROM pg_publication"), "0");
    assert_eq!(db.value("SELECT to_regclass('u')"), "u");
}

#[test]
fn publication_that_exists() {
    let db = Database::create("publication_that_exists");
    db.run(&["pub", "create", "p", "--all-tables"]).succeeded();
    let run = db.run(&["pub", "create", "p", "--all-tables"]);
    assert_eq!(
        run.exited(1).stderr,
        "walcat: error: could not create publication \"p\": it already exists\ntry: another name, \
         or the option --if-not-exists\n"
    );
    let run = db.run(&["pub", "create", "p", "--all-tables", "--if-not-exists"]);
    assert_eq!(
        run.succeeded().stderr,
        "walcat: publication \"p\" is already there\n"
    );

    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION one FOR TABLE t WITH (publish \
            = 'insert')",
    );
    let run = db.run(&["pub", "create", "p", "--table", "t", "--if-not-exists"]);
    assert_eq!(
        run.succeeded().stderr,
        "walcat: publication \"p\" is already there\n\
         walcat: warning: publication \"p\" is other than asked for: of all tables\n"
    );
    let run = db.run(&[
        "pub",
        "create",
        "one",
        "--table",
        "t",
        "--publish",
        "insert",
        "--if-not-exists",
    ]);
    assert_eq!(
        run.succeeded().stderr,
        "walcat: publication \"one\" is already there, of public.t\n"
    );
    let run = db.run(&[
        "pub",
        "create",
        "one",
        "--all-tables",
        "--via-root",
        "--if-not-exists",
    ]);
    assert_eq!(
        run.succeeded().stderr,
        "walcat: publication \"one\" is already there, of public.t\n\
         walcat: warning: publication \"one\" is other than asked for: \
         of public.t; publishing insert; without --via-root\n"
    );
}

#[test]
fn publication_drop_is_all_or_nothing() {
    let db = Database::create("publication_drop_is_all_or_nothing");
    let run = db.run(&["pub", "drop", "p"]);
    assert_eq!(
        run.exited(1).stderr,
        "walcat: error: could not drop publication \"p\": there is no publication \"p\"\n\
         DETAIL:  The database has no publications.\ntry: walcat pub list\n"
    );
    db.sql("CREATE PUBLICATION one; CREATE PUBLICATION two");
    let run = db.run(&["pub", "drop", "one", "three", "four"]);
    assert_eq!(
        run.exited(1).stderr,
        "walcat: error: could not drop publications one, three, four: there are no publications \
         \"three\", \"four\"\n\
         DETAIL:  The publications of the database are: one, two.\ntry: walcat pub list\n"
    );
    let run = db.run(&["pub", "drop", "one", "three", "two", "--if-exists"]);
    assert_eq!(
        run.succeeded().stderr,
        "walcat: dropped publication \"one\"\nwalcat: dropped publication \"two\"\n"
    );
    assert_eq!(db.value("SELECT count(*) FROM pg_publication"), "0");
    assert_eq!(
        db.run(&["pub", "list", "--format", "json"])
            .succeeded()
            .text(),
        "[]\n"
    );
}

/// Tables with every kind of replica identity there is.
const TABLES: &str = "
    CREATE TABLE none (a int, b int);
    CREATE TABLE keyed (a int PRIMARY KEY, b int);
    CREATE TABLE late_key (a int PRIMARY KEY DEFERRABLE, b int);
    CREATE TABLE of_all (a int, b int); ALTER TABLE of_all REPLICA IDENTITY FULL;
    CREATE TABLE nothing (a int PRIMARY KEY, b int); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
    CREATE TABLE unique_only (a int NOT NULL UNIQUE, b int);
    CREATE TABLE of_index (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX of_index_b ON \
    of_index (b) INCLUDE (a);
    ALTER TABLE of_index REPLICA IDENTITY USING INDEX of_index_b;
    CREATE TABLE lost_index (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX lost_index_b ON \
    lost_index (b);
    ALTER TABLE lost_index REPLICA IDENTITY USING INDEX lost_index_b; DROP INDEX lost_index_b;
    CREATE TABLE dropped_column (gone int, a int PRIMARY KEY, b int); ALTER TABLE dropped_column \
    DROP COLUMN gone;
    CREATE UNLOGGED TABLE unlogged (a int, b int);
    CREATE TABLE \"Quoted Name\" (a int, b int);
    CREATE TABLE parent (a int, b int); CREATE TABLE child (c int) INHERITS (parent);
    CREATE TABLE parted (a int, b int) PARTITION BY RANGE (a);
    CREATE TABLE part_none PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE part_keyed PARTITION OF parted FOR VALUES FROM (10) TO (20); ALTER TABLE \
    part_keyed ADD PRIMARY KEY (a);
    CREATE TABLE other_order (b int, a int); ALTER TABLE parted ATTACH PARTITION other_order FOR \
    VALUES FROM (20) TO (30);
    ALTER TABLE other_order ADD PRIMARY KEY (a);
    CREATE TABLE generated (a int NOT NULL, b int, g int GENERATED ALWAYS AS (a + 1) STORED NOT \
    NULL);
    CREATE UNIQUE INDEX generated_g ON generated (g); ALTER TABLE generated REPLICA IDENTITY USING \
    INDEX generated_g;
    CREATE TABLE generated_full (a int, b int, g int GENERATED ALWAYS AS (a + 1) STORED);
    ALTER TABLE generated_full REPLICA IDENTITY FULL;
    CREATE SCHEMA app; CREATE TABLE app.none (a int, b int); CREATE TABLE app.keyed (a int PRIMARY \
    KEY, b int);
";

/// Which statements the warnings say will fail, as `UPDATE public.none`.
fn warned(run: &Finished) -> BTreeSet<String> {
    let warnings = run
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("walcat: warning: "));
    let warnings = warnings.filter(|line| line.contains(" on table "));
    warnings
        .flat_map(|line| {
            let (statements, rest) = line.split_once(" on table ").unwrap();
            let table = rest.split_once(": ").unwrap().0;
            assert!(rest.contains("; try: "), "{line}");
            let both: Vec<&str> = statements
                .split(' ')
                .filter(|word| ["UPDATE", "DELETE"].contains(word))
                .collect();
            both.into_iter()
                .map(|statement| format!("{statement} {table}"))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Which statements the server refuses.
fn refused(db: &Database<'_>) -> BTreeSet<String> {
    let mut client = db.client();
    let query =
        "SELECT format('%I.%I', n.nspname, relname) FROM pg_class c JOIN pg_namespace n ON \
        n.oid = relnamespace
                 WHERE relkind = 'r' AND n.nspname IN ('public', 'app')";
    let tables: Vec<String> = client
        .query(query, &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let mut refused = BTreeSet::new();
    for table in tables {
        for (name, statement) in [
            (
                "UPDATE",
                format!("UPDATE ONLY {table} SET b = b WHERE false"),
            ),
            ("DELETE", format!("DELETE FROM ONLY {table} WHERE false")),
        ] {
            if let Err(error) = client.batch_execute(&statement) {
                let message = error
                    .as_db_error()
                    .expect("an error of the server")
                    .message()
                    .to_owned();
                assert!(
                    message.contains("cannot update table")
                        || message.contains("cannot delete from table"),
                    "{message}"
                );
                refused.insert(format!("{name} {table}"));
            }
        }
    }
    refused
}

#[test]
fn publication_warns_of_just_the_tables_that_cannot_be_updated() {
    let db = Database::create("publication_warns_of_just_the_tables_that_cannot_be_updated");
    db.sql(TABLES);
    let mut publications = vec![
        vec!["--all-tables"],
        vec!["--all-tables", "--via-root"],
        vec!["--all-tables", "--publish", "update"],
        vec!["--all-tables", "--publish", "insert,delete"],
        vec!["--all-tables", "--publish", "insert,truncate"],
        vec!["--table", "none", "--table", "parted", "--table", "keyed"],
        vec!["--table", "parted", "--via-root"],
        vec!["--table", "ONLY parent"],
        vec!["--table", "parent", "--table", "\"Quoted Name\""],
    ];
    if major(&db) >= 15 {
        publications.extend([
            vec!["--schema", "app"],
            vec!["--schema", "public", "--table", "app.none", "--via-root"],
            vec![
                "--table",
                "keyed (a)",
                "--table",
                "of_index (a, b)",
                "--table",
                "of_all",
            ],
            vec![
                "--table",
                "keyed (b)",
                "--table",
                "of_index (a)",
                "--table",
                "dropped_column (a)",
            ],
            vec!["--table", "of_all (a, b)", "--table", "nothing (a)"],
            vec![
                "--table",
                "keyed WHERE (a > 0)",
                "--table",
                "of_index WHERE (a > 0)",
                "--table",
                "of_all WHERE (b > 0)",
            ],
            vec![
                "--table",
                "keyed (a, b) WHERE (a > 0 AND b > 0)",
                "--table",
                "dropped_column WHERE (a > 0)",
            ],
            vec!["--table", "keyed (b) WHERE (a > 0)", "--publish", "insert"],
            vec!["--table", "parted (a)", "--via-root"],
            vec!["--table", "parted (b)", "--via-root"],
            vec!["--table", "parted WHERE (a > 0)", "--via-root"],
            vec!["--table", "parted WHERE (b > 0)", "--via-root"],
            vec![
                "--table",
                "part_keyed (a)",
                "--table",
                "other_order WHERE (b > 0)",
            ],
            vec![
                "--table",
                "parted (a)",
                "--table",
                "part_keyed (a)",
                "--via-root",
            ],
            vec!["--table", "generated (a, b)", "--publish", "update"],
        ]);
    }
    for arguments in publications {
        let run = db.run(&[&["pub", "create", "p", "--force"], &arguments[..]].concat());
        let (warned, refused) = (warned(run.succeeded()), refused(&db));
        assert_eq!(
            warned, refused,
            "{arguments:?}: warned of the first, the second fails\n{}",
            run.stderr
        );
        db.run(&["pub", "drop", "p"]).succeeded();
    }
}

#[test]
fn publications_of_the_readme_leave_update_working() {
    let db = Database::create("publications_of_the_readme_leave_update_working");
    db.sql(
        "CREATE SCHEMA app; CREATE TABLE users (id int PRIMARY KEY);
            CREATE TABLE app.orders (id int PRIMARY KEY, total numeric, draft bool NOT NULL \
            DEFAULT true)",
    );
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let commands: Vec<&str> = readme
        .lines()
        .filter(|line| line.starts_with("walcat -d shop pub create "))
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        let command = command.replacen("walcat -d shop", "exec \"$0\"", 1);
        let program = db.walcat(&[]);
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", &command])
            .arg(program.get_program())
            .env_clear();
        shell.envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let run = run(&mut shell);
        if major(&db) < 15
            && [" WHERE (", " --schema "]
                .iter()
                .any(|part| command.contains(part))
        {
            assert!(
                run.exited(1)
                    .stderr
                    .contains(" needs PostgreSQL 15 or later"),
                "{command}: {}",
                run.stderr
            );
            continue;
        }
        assert!(
            !run.succeeded().stderr.contains("warning"),
            "{command}: {}",
            run.stderr
        );
    }
    db.sql(
        "INSERT INTO app.orders VALUES (1); UPDATE app.orders SET draft = false; DELETE FROM \
            app.orders; UPDATE users SET id = id",
    );
}

#[test]
fn publication_remedies_know_of_column_lists() {
    let db = Database::create("publication_remedies_know_of_column_lists");
    db.sql(
        "CREATE TABLE keyed (a int PRIMARY KEY, b int NOT NULL); CREATE TABLE bare (a int NOT \
         NULL, b int NOT NULL)",
    );
    for (create, remedy, mend) in [
        (
            "keyed (a, b) WHERE (b > 0)",
            "publish it without the column list, then ALTER TABLE public.keyed REPLICA IDENTITY \
             FULL",
            "ALTER PUBLICATION p DROP TABLE keyed; ALTER PUBLICATION p ADD TABLE keyed WHERE (b > \
             0);
             ALTER TABLE public.keyed REPLICA IDENTITY FULL",
        ),
        // What it is now; then the same table with a list.
        (
            "keyed (a, b)",
            "publish public.keyed without a column list",
            "ALTER PUBLICATION p SET \
                                                                        TABLE keyed",
        ),
        (
            "bare (a, b) WHERE (b > 0)",
            "a primary key for public.bare within the column list and with the columns of any row \
             filter",
            "ALTER TABLE bare ADD PRIMARY KEY (a, b)",
        ),
    ] {
        let run = db.run(&["pub", "create", "p", "--force", "--table", create]);
        if major(&db) < 15 {
            assert!(
                run.exited(1).stderr.contains(
                    "a column list or row filter needs PostgreSQL \
                                                   15"
                ),
                "{}",
                run.stderr
            );
            continue;
        }
        assert!(
            run.succeeded()
                .stderr
                .contains(&format!("; try: {remedy}\n")),
            "{create}: \
            {}",
            run.stderr
        );
        assert!(!refused(&db).is_empty());
        db.sql(mend);
        assert_eq!(
            refused(&db),
            BTreeSet::new(),
            "{create}: what was advised does not help"
        );
        let check = db.run(&["check", "--publication", "p"]);
        assert!(
            !check.succeeded().text().contains("fails on table"),
            "{}",
            check.text()
        );
        db.run(&["pub", "drop", "p"]).succeeded();
    }
}

#[test]
fn publication_warnings_are_bounded() {
    let db = Database::create("publication_warnings_are_bounded");
    db.sql(
        "DO $$ BEGIN FOR i IN 1..25 LOOP EXECUTE format('CREATE TABLE t%s (a int)', i); END \
            LOOP; END $$",
    );
    let run = db.run(&["pub", "create", "p", "--all-tables", "--force"]);
    assert_eq!(run.succeeded().stderr.lines().count(), 22);
    assert!(
        run.stderr.contains(
            "\nwalcat: warning: UPDATE and DELETE fail on table public.t1: it has no replica \
             identity; \
         try: ALTER TABLE public.t1 REPLICA IDENTITY FULL\n"
        ),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr
            .ends_with("walcat: warning: UPDATE or DELETE fails on 5 more tables\n"),
        "{}",
        run.stderr
    );
    assert_eq!(
        db.run(&["-q", "pub", "create", "q", "--all-tables", "--force"])
            .succeeded()
            .stderr,
        ""
    );
}
