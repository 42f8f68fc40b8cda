//! A database for each test.

use super::program::{Finished, run};
use super::server::{SUPERUSER, Server, server};
use super::wait_until;
use postgres::{Client, SimpleQueryMessage};
use std::cell::RefCell;
use std::process::Command;

/// A database of its own, and a connection to it. Dropped, it is removed together with its slots.
pub struct Database<'s> {
    server: &'s Server,
    name: String,
    client: RefCell<Client>,
}

impl Database<'static> {
    /// [`Database::shop_on`] the shared server.
    pub fn shop(name: &str) -> Database<'static> {
        Database::shop_on(server(), name)
    }

    /// A UTF8 database on the shared server. The name is the test's, which no other test has.
    pub fn create(name: &str) -> Database<'static> {
        Database::create_on(server(), name)
    }
}

impl<'s> Database<'s> {
    /// A database on this server with tables `t` and `u` of an `id` and a `v`, publication `p` of
    /// both, and a slot of pgoutput.
    pub fn shop_on(server: &'s Server, name: &str) -> Database<'s> {
        let db = Database::create_on(server, name);
        db.sql(
            "CREATE TABLE t (id int PRIMARY KEY, v text);
             CREATE TABLE u (id int PRIMARY KEY, v text);
             CREATE PUBLICATION p FOR TABLE t, u",
        );
        db.create_slot("pgoutput");
        db
    }

    /// A UTF8 database on this server.
    pub fn create_on(server: &'s Server, name: &str) -> Database<'s> {
        Database::create_with(server, name, "")
    }

    /// A database on this server with options of CREATE DATABASE, as `ENCODING 'SQL_ASCII'`.
    pub fn create_with(server: &'s Server, name: &str, options: &str) -> Database<'s> {
        assert!(
            name.len() < 64 && !name.contains('"'),
            "not a name for a database: {name}"
        );
        let create = format!("CREATE DATABASE \"{name}\" TEMPLATE template0 {options}");
        server
            .client("postgres")
            .batch_execute(&create)
            .unwrap_or_else(|error| panic!("{create}: {error:?}"));
        let client = RefCell::new(server.client(name));
        Database {
            server,
            name: name.to_owned(),
            client,
        }
    }

    /// Its name; by custom also that of its slot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub fn server(&self) -> &'s Server {
        self.server
    }

    /// Runs statements, as one transaction unless they say otherwise.
    pub fn sql(&self, statements: &str) {
        self.client
            .borrow_mut()
            .batch_execute(statements)
            .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// The single value that a query returns, as text.
    pub fn value(&self, query: &str) -> String {
        self.maybe_value(query)
            .unwrap_or_else(|| panic!("{query}: no row, or null"))
    }

    /// As [`Database::value`]; `None` if there is no row, or null.
    pub fn maybe_value(&self, query: &str) -> Option<String> {
        let messages = self
            .client
            .borrow_mut()
            .simple_query(query)
            .unwrap_or_else(|error| panic!("{query}: {error:?}"));
        messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    }

    /// Waits until a query returns true.
    pub fn wait_for(&self, query: &str) {
        wait_until(query, || {
            (self.maybe_value(query).as_deref() == Some("t")).then_some(())
        });
    }

    /// One more connection to it.
    pub fn client(&self) -> Client {
        self.server.client(&self.name)
    }

    /// After a restart of the server: a new connection instead of the one that broke.
    pub fn reconnect(&self) {
        self.client.replace(self.client());
    }

    /// Creates a slot named like the database.
    pub fn create_slot(&self, plugin: &str) {
        self.sql(&format!(
            "SELECT pg_create_logical_replication_slot('{}', '{plugin}')",
            self.name
        ));
    }

    /// The single position that a query returns, as walcat prints it: PostgreSQL 19 fills its lower
    /// half up with zeros.
    pub fn lsn(&self, query: &str) -> String {
        let padded = self.value(query);
        let (high, low) = padded.split_once('/').expect("a position");
        let low = low.trim_start_matches('0');
        format!("{high}/{}", if low.is_empty() { "0" } else { low })
    }

    /// The current end of the WAL, as `X/Y`.
    pub fn wal_position(&self) -> String {
        self.lsn("SELECT pg_current_wal_lsn()")
    }

    /// The program, connected to this database by `PG*` variables, with nothing else in its
    /// environment.
    pub fn walcat(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_walcat"));
        command.args(arguments).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.server.home());
        command
            .env("PGHOST", self.server.socket_directory())
            .env("PGPORT", self.server.port().to_string());
        command
            .env("PGUSER", SUPERUSER)
            .env("PGDATABASE", &self.name);
        command
    }

    /// `walcat stream` from the slot named like the database, through publication `p`.
    pub fn stream(&self, more: &[&str]) -> Command {
        self.stream_of("pgoutput", more)
    }

    /// The same from a slot with this plugin: only pgoutput has publications.
    pub fn stream_of(&self, plugin: &str, more: &[&str]) -> Command {
        let mut command = self.walcat(&["stream", "-S", self.name()]);
        if plugin == "pgoutput" {
            command.args(["--publication", "p"]);
        }
        command.args(more);
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        run(&mut self.walcat(arguments))
    }
}

impl Drop for Database<'_> {
    /// Slots hold WAL and are few: a test that failed must not take the others down with it.
    fn drop(&mut self) {
        let drop_slots = format!(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = \
             '{0}' AND active;
             DO $$ DECLARE slot name; BEGIN
               FOR slot IN SELECT slot_name FROM pg_replication_slots WHERE database = '{0}' AND \
               NOT temporary LOOP
                 FOR i IN 1..100 LOOP
                   BEGIN
                     PERFORM pg_drop_replication_slot(slot);
                     EXIT;
                   EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.05);
                   END;
                 END LOOP;
               END LOOP;
             END $$",
            self.name
        );
        let mut config = postgres::Config::new();
        config
            .host_path(self.server.socket_directory())
            .port(self.server.port())
            .user(SUPERUSER)
            .dbname("postgres");
        // A test may have stopped its server.
        if let Ok(mut client) = config.connect(postgres::NoTls) {
            let _ = client.batch_execute(&drop_slots);
            let _ = client.batch_execute(&format!("DROP DATABASE \"{}\" WITH (FORCE)", self.name));
        }
    }
}
