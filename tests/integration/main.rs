//! Tests of the real program against real servers, and of what only a look at the whole tree can
//! tell.
//!
//! One binary, so that all tests of a run share one server. To write a test:
//!
//! ```ignore
//! use crate::support::*;
//!
//! #[test]
//! fn inserts_arrive() {
//! let db = Database::create("inserts_arrive");           // its own database on the shared server
//!     db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
//! db.create_slot("pgoutput");                            // slots are the server's, so it is named
//! like the database
//!     db.sql("INSERT INTO t VALUES (1)");
//!     let run = db.run(&["stream", "-S", db.name(), "--publication", "p", "--until-now"]);
//!     run.succeeded();
//!     assert_eq!(run.json()[0]["after"]["id"], 1);
//! }
//! ```
//!
//! * `db.walcat(&[..])` is the `Command`, to add to; [`run`](support::run) runs one to its end,
//!   [`spawn`](support::spawn) returns at once, to read lines as they come and to send signals.
//!   Both have a deadline that kills and fails.
//! * A test that holds a transaction open (nobody else could create a slot), makes much WAL (every
//!   slot reads all of it), restarts, stops or kills the server, or needs other settings starts its
//!   own with `Server::start(Options { .. })`.
//! * Instead of sleeping, wait: `db.wait_for("SELECT ...")` until it is true, `running.line()`,
//!   `running.wait_for_stderr("...")`.
//! * Tests that need wal2json have `wal2json` in their names; tests of both plugins loop over
//!   [`plugins`](support::plugins). Where a server cannot have wal2json
//!   (`WALCAT_TEST_WAL2JSON=no`), `make test-all` leaves them out by name, so cargo counts them as
//!   filtered out. No test may return early instead: what an older server lacks is a case to test.
//! * In the same way tests that need a file system of their own have `failing_disk` in their names:
//!   only root can mount one.
//!
//! `WALCAT_TEST_PG` chooses the server: a version (`16`) or the directory of its programs.

#![forbid(unsafe_code)]

mod support;

mod as_debezium;
mod as_wal2json;
mod chaos;
mod check;
mod chosen;
mod command_line;
mod completion;
mod connection;
mod decode;
mod decoding;
mod delivery;
mod documentation;
mod exec;
mod failing_disk;
mod file_attributes;
mod files;
mod forgery;
mod generated;
mod golden;
mod harm;
mod harness;
mod hints;
mod hostile;
mod imports;
mod look_ups;
mod manners;
mod monitoring;
mod nats;
mod once;
mod output_plugins;
mod picture;
mod privileges;
mod protocol;
mod publication;
mod recipes;
mod reconnect;
mod replay;
mod settings;
mod slot;
mod slow_reader;
mod snapshot;
mod standby;
mod stream;
mod stream_errors;
mod terminal;
mod troubleshooting;
mod values;
mod wal2json;
mod walsender;
