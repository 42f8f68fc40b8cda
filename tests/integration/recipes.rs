//! walcat-recipes(7), copied and pasted: with the real SQLite, DuckDB, jq, less, tee, logrotate and
//! systemd, which `scripts/test` installs.

use crate::documentation::{block, section};
use crate::support::*;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: &str = include_str!("../../man/walcat-recipes.7.md");

/// The database of the page, and a directory to work in.
struct Kitchen<'s> {
    db: Database<'s>,
    directory: tempfile::TempDir,
}

impl<'s> Kitchen<'s> {
    /// With a user and an order that were there before anybody looked.
    fn open(server: &'s Server) -> Kitchen<'s> {
        let db = Database::create_on(server, "shop");
        db.sql(
            "CREATE TABLE users (id bigint PRIMARY KEY, name text);
             CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, total numeric);
             INSERT INTO users VALUES (1, 'Ada O''Hara'), (2, NULL);
             INSERT INTO orders VALUES (1, 1, 19.90)",
        );
        let kitchen = Kitchen {
            db,
            directory: tempfile::tempdir().unwrap(),
        };
        kitchen.shell(&block(&section(PAGE, "Description"), "sh", "pub create"));
        kitchen
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A shell that finds walcat and the server's programs.
    fn sh(&self, script: &str) -> Command {
        let walcat = Path::new(env!("CARGO_BIN_EXE_walcat"));
        let programs = self.db.server().client_program("psql");
        let mut path = vec![walcat.parent().unwrap().to_owned()];
        path.push(programs.parent().unwrap().to_owned());
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let walcat = self.db.walcat(&[]);
        let mut command = Command::new("sh");
        command.args(["-ec", script]).env_clear();
        let own = walcat.get_envs();
        command.envs(own.filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", std::env::join_paths(path).unwrap());
        command.current_dir(&self.directory);
        command
    }

    fn shell(&self, script: &str) -> Finished {
        let finished = run(&mut self.sh(script));
        assert!(
            finished.status.success(),
            "{script}: {}{}",
            finished.text(),
            finished.stderr
        );
        finished
    }

    /// What happens in the shop: rows come, change, get other keys, and go.
    fn trade(&self) {
        self.db
            .sql("INSERT INTO users VALUES (3, 'x'), (4, E'\\u00e9\"\\\\''\\n'), (5, 'gone')");
        self.db.sql("UPDATE users SET name = 'Ada' WHERE id = 1");
        self.db.sql("UPDATE orders SET total = 20.5 WHERE id = 1");
        self.db.sql("DELETE FROM users WHERE id = 5");
        self.db.sql(
            "BEGIN; DELETE FROM users WHERE id = 3; INSERT INTO users VALUES (3, 'y'); COMMIT",
        );
    }

    /// Rows of a table as JSON, to compare.
    fn rows(&self, table: &str) -> Vec<serde_json::Value> {
        let query =
            format!("SELECT coalesce(json_agg(row_to_json(r) ORDER BY id), '[]') FROM {table} r");
        serde_json::from_str(&self.db.value(&query)).unwrap()
    }
}

#[test]
fn sqlite_follows() {
    let server = Server::start(Options::default());
    let kitchen = Kitchen::open(&server);
    let text = section(PAGE, "SQLite");
    kitchen.shell(&block(&text, "sh", "CREATE TABLE"));
    kitchen.write("to-sqlite.jq", &block(&text, "jq", ""));
    kitchen.write("to-sqlite", &block(&text, "sh", "#!/bin/sh"));
    let steps = block(&text, "sh", "chmod +x");
    let (first, follow) = steps.rsplit_once("walcat -d shop").unwrap();
    kitchen.shell(first);
    let tables = || {
        let dump = "sqlite3 -json -cmd '.timeout 10000' shop.db \
                    'SELECT id, name FROM users ORDER BY id' \
                    'SELECT id, customer, total FROM orders ORDER BY id'";
        let text = kitchen.shell(dump).text().to_owned();
        let tables = serde_json::Deserializer::from_str(&text).into_iter();
        tables
            .map(Result::unwrap)
            .collect::<Vec<Vec<serde_json::Value>>>()
    };
    let expected = || vec![kitchen.rows("users"), kitchen.rows("orders")];
    assert_eq!(tables(), expected());
    kitchen.trade();
    kitchen.db.sql("UPDATE users SET id = 9 WHERE id = 4");
    let running = spawn(&mut kitchen.sh(&format!("exec walcat -d shop{follow}")));
    wait_until("SQLite to follow", || {
        (tables() == expected()).then_some(())
    });
    kitchen
        .db
        .sql("TRUNCATE orders; INSERT INTO orders VALUES (2, NULL, 0.5)");
    wait_until("SQLite to follow", || {
        (tables() == expected()).then_some(())
    });
    running.interrupt().succeeded();
}

#[test]
fn duckdb_follows() {
    let server = Server::start(Options::default());
    let kitchen = Kitchen::open(&server);
    let text = section(PAGE, "DuckDB");
    let found = run(Command::new("scripts/duckdb").current_dir(env!("CARGO_MANIFEST_DIR")));
    let python = found.succeeded().text().trim_end().to_owned();
    let ask = |query: &str| {
        let script = "import duckdb, json, sys
db = duckdb.connect(sys.argv[1])
\
                      print(json.dumps(db.sql(sys.argv[2]).fetchall()))";
        let mut command = Command::new(&python);
        let mut command = command.args(["-c", script, "shop.duckdb", query]);
        command = command.current_dir(&kitchen.directory);
        serde_json::from_str::<serde_json::Value>(run(command).succeeded().text()).unwrap()
    };
    let read = block(&text, "sh", "--file changes.json");
    kitchen.shell(&read);
    let script = block(&text, "python", "");
    let (_, program) = script.split_once('\n').unwrap();
    kitchen.write("to-duckdb", &format!("#!{python}\n{program}"));
    let steps = block(&text, "sh", "--exec");
    kitchen.shell(&steps);
    kitchen.trade();
    kitchen.shell(&read);
    assert_eq!(
        ask(&block(&text, "sql", "")),
        serde_json::json!([
            ["orders", "update", 1],
            ["users", "delete", 2],
            ["users", "insert", 4],
            ["users", "update", 1]
        ])
    );
    kitchen.shell(&steps);
    let is_new = "SELECT count(*) FROM users";
    let rows = kitchen.rows("users");
    // Row 2 was there before the slot.
    assert_eq!(ask(is_new), serde_json::json!([[rows.len() - 1]]));
    kitchen.db.sql("UPDATE users SET name = 'Bob' WHERE id = 2");
    kitchen.shell(&steps);
    let expected: Vec<_> = kitchen.rows("users");
    let expected: Vec<_> = expected
        .iter()
        .map(|row| [&row["id"], &row["name"]])
        .collect();
    assert_eq!(ask("FROM users ORDER BY id"), serde_json::json!(expected));
}

#[test]
fn jq_makes_files_tables_and_histories() {
    let server = Server::start(Options::default());
    let kitchen = Kitchen::open(&server);
    let csv = block(&section(PAGE, "A CSV file for each table"), "sh", "");
    kitchen.db.sql("DELETE FROM users; DELETE FROM orders");
    kitchen.db.create_slot("pgoutput");
    kitchen.db.sql(
        "SELECT pg_create_logical_replication_slot('archive', 'pgoutput');
         INSERT INTO users VALUES (1, 'Ada'), (2, 'a \"b\", c')",
    );
    kitchen.db.sql("INSERT INTO orders VALUES (10, 1, 19.5)");
    kitchen.shell(&csv);
    let read = |name: &str| std::fs::read_to_string(kitchen.path(name)).unwrap();
    assert_eq!(
        read("users.csv"),
        "\"id\",\"name\"\n1,\"Ada\"\n2,\"a \"\"b\"\", c\"\n"
    );
    assert_eq!(
        read("orders.csv"),
        "\"id\",\"customer\",\"total\"\n10,1,19.5\n"
    );

    kitchen.db.sql("DELETE FROM users WHERE id = 2");
    kitchen.trade();
    kitchen.db.sql("UPDATE users SET id = 8 WHERE id = 4");
    kitchen.shell(&csv);
    let now = kitchen.shell(&block(&section(PAGE, "A table as it is now"), "sh", ""));
    let mut rows = now.json();
    rows.sort_by_key(|row| row["id"].as_i64());
    assert_eq!(rows, kitchen.rows("users"));

    kitchen.db.sql("DELETE FROM users WHERE id = 1");
    kitchen.shell(&csv);
    let life = section(PAGE, "The life of one row");
    let told = kitchen.shell(&block(&life, "sh", "changes.json")).json();
    let told: Vec<_> = told.iter().map(|event| (&event[1], &event[3])).collect();
    let null = serde_json::Value::Null;
    assert_eq!(
        told,
        [
            (&"insert".into(), &"Ada".into()),
            (&"update".into(), &"Ada".into()),
            (&"delete".into(), &null)
        ]
    );
    // While it happens: in place of an hour, until the first line.
    let mut follow = spawn(
        &mut kitchen.sh(&block(&life, "sh", "--timeout").replace("jq -c", "jq --unbuffered -c")),
    );
    kitchen
        .db
        .wait_for("SELECT count(*) = 1 FROM pg_replication_slots WHERE temporary AND active");
    kitchen.db.sql("INSERT INTO users VALUES (6, 'other')");
    kitchen.db.sql("INSERT INTO users VALUES (1, 'again')");
    assert_eq!(follow.json()["after"]["name"], "again");
}

#[test]
fn less_and_tee_show_it() {
    let server = Server::start(Options::default());
    let kitchen = Kitchen::open(&server);
    kitchen
        .db
        .sql("SELECT pg_create_logical_replication_slot('archive', 'pgoutput')");
    kitchen.db.sql("INSERT INTO users VALUES (3, 'Grace')");
    let shown = kitchen.shell(&block(&section(PAGE, "less and tee"), "sh", ""));
    let tee = std::fs::read_to_string(kitchen.path("today.txt")).unwrap();
    assert!(
        tee.contains("INSERT public.users") && tee.contains("'Grace'"),
        "{tee}"
    );
    let (less, rest) = shown.text().split_at(shown.text().len() - tee.len());
    assert_eq!(rest, tee);
    assert!(less.contains("\x1b[") && less.contains("'Grace'"), "{less}");
}

#[test]
fn systemd_takes_the_units() {
    let directory = tempfile::tempdir().unwrap();
    let of_the_page = block(&section(PAGE, "A service"), "ini", "");
    let of_the_package = std::fs::read_to_string("dist/walcat@.service").unwrap();
    for (name, unit) in [
        ("walcat.service", of_the_page),
        ("walcat@.service", of_the_package),
    ] {
        let program = ["/usr/local/bin/walcat", "/usr/bin/walcat"];
        let at = program
            .iter()
            .find(|path| unit.contains(*path))
            .expect("the program");
        // Only what is installed is taken, and users that exist.
        let unit = unit.replace(at, env!("CARGO_BIN_EXE_walcat"));
        let path = directory.path().join(name);
        std::fs::write(&path, unit.replace("User=walcat", "User=daemon")).unwrap();
        let finished = run(Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&path));
        let about_it = |line: &&str| line.contains("walcat");
        let complaints: Vec<_> = finished.stderr.lines().filter(about_it).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        finished.succeeded();
    }
}

#[test]
fn logrotate_loses_and_repeats_nothing() {
    let server = Server::start(Options::default());
    let kitchen = Kitchen::open(&server);
    kitchen
        .db
        .sql("SELECT pg_create_logical_replication_slot('archive', 'pgoutput')");
    let file = kitchen.path("changes.json");
    let stream =
        "exec walcat -d shop stream -S archive --publication everything --file changes.json";
    let running = spawn(&mut kitchen.sh(stream));
    let configuration = block(&section(PAGE, "Log rotation"), "", "rotate");
    let configuration = configuration
        .replace("/var/log/walcat/changes.json", file.to_str().unwrap())
        .replace(
            "systemctl reload walcat",
            &format!("kill -HUP {}", running.pid()),
        );
    kitchen.write("logrotate.conf", &configuration);
    // It takes neither files nor directories that others can write to.
    for (name, mode) in [("", 0o755), ("logrotate.conf", 0o644)] {
        std::fs::set_permissions(kitchen.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let has = |path: &Path, name: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.contains(&format!("\"name\":\"{name}\"")).then_some(())
    };
    for round in 1..=3 {
        kitchen.db.sql(&format!(
            "INSERT INTO users VALUES ({round}0, 'round {round}')"
        ));
        wait_until("the row", || has(&file, &format!("round {round}")));
        kitchen.shell("PATH=$PATH:/usr/sbin logrotate -f -s state logrotate.conf");
        wait_until("the new file", || file.exists().then_some(()));
    }
    kitchen.db.sql("INSERT INTO users VALUES (40, 'round 4')");
    wait_until("the last row", || has(&file, "round 4"));
    running.signal(Signal::TERM);
    running.wait().succeeded();
    let all = "for old in changes.json.*.gz; do gunzip -kf $old; done
        ls changes.json.? | sort -r | xargs cat; cat changes.json";
    let names = kitchen.shell(all).json();
    let names: Vec<_> = names
        .iter()
        .map(|event| event["after"]["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["round 1", "round 2", "round 3", "round 4"].map(Some)
    );
}
