//! Everything that pgoutput may send, at each protocol level of the server: streamed, aborted,
//! prepared and interleaved transactions.
//!
//! Each scenario runs live, so that transactions are streamed while they are open, and is then read
//! once more from the slot. Both times a consumer that does what walcat-events(7) says must end
//! with the rows that the tables hold.

mod consumer;
mod cuts;
mod events;
mod interruptions;
mod origins;
mod publications;
mod random;
mod raw;
mod scenarios;

use crate::support::*;
use consumer::Consumer;
use postgres::Client;
use serde_json::Value;
use std::sync::LazyLock;

/// A server that streams whatever does not fit in 64 kB.
pub fn streaming_server() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| {
        let settings = &[
            ("logical_decoding_work_mem", "64kB"),
            ("wal_writer_delay", "10ms"),
        ];
        Server::start(Options {
            settings,
            ..Options::default()
        })
    });
    &SERVER
}

/// What walcat is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// For the name of its database.
    pub name: &'static str,
    options: &'static [&'static str],
    /// Is what is not committed sent?
    pub streams: bool,
    /// Do aborts tell where they lie?
    pub parallel: bool,
    /// Is what is prepared sent?
    pub two_phase: bool,
}

/// All that this version has.
pub fn levels() -> Vec<Level> {
    let level = |name, options: &'static [&'static str]| Level {
        name,
        options,
        streams: options.contains(&"--streaming"),
        parallel: options.contains(&"parallel"),
        two_phase: options.contains(&"--two-phase"),
    };
    let all = [
        (14, level("p1", &[])),
        (14, level("p2", &["--streaming", "on"])),
        (15, level("p3", &["--two-phase"])),
        (15, level("p3s", &["--streaming", "on", "--two-phase"])),
        (16, level("p4", &["--streaming", "parallel"])),
        (
            16,
            level("p4t", &["--streaming", "parallel", "--two-phase"]),
        ),
    ];
    let version = streaming_server().version() / 10_000;
    all.into_iter()
        .filter(|(since, _)| version >= *since)
        .map(|(_, level)| level)
        .collect()
}

/// A database with a slot, and walcat at work on it.
pub struct Live {
    pub db: Database<'static>,
    pub level: Level,
    more: Vec<&'static str>,
    stream: Running,
    seen: Vec<Value>,
}

impl Live {
    /// Makes tables by `schema`, then starts to stream without consuming.
    pub fn start(name: &str, level: Level, schema: &str, more: &[&'static str]) -> Live {
        let db = Database::create_on(streaming_server(), &format!("{name}_{}", level.name));
        db.sql(schema);
        db.sql("CREATE TABLE the_end (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
        db.sql(&format!(
            "SELECT pg_create_logical_replication_slot('{}', 'pgoutput', false, {})",
            db.name(),
            level.two_phase
        ));
        let arguments = [
            &["stream", "-S", db.name(), "--publication", "p", "--peek"],
            level.options,
            more,
        ]
        .concat();
        let stream = spawn(&mut db.walcat(&arguments));
        db.wait_for(&format!(
            "SELECT active FROM pg_replication_slots WHERE slot_name = '{}'",
            db.name()
        ));
        Live {
            db,
            level,
            more: more.to_vec(),
            stream,
            seen: Vec::new(),
        }
    }

    /// One more connection.
    pub fn session(&self) -> Client {
        self.db.client()
    }

    /// Waits, where transactions are streamed, until a change of this one has come that `wanted`
    /// accepts.
    pub fn streamed(&mut self, xid: u64, wanted: impl Fn(&Value) -> bool) {
        if self.level.streams {
            self.wait_for(|event| {
                event["xid"] == xid && event.get("commit_lsn").is_none() && wanted(event)
            });
        }
    }

    fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) {
        if self.seen.iter().any(&wanted) {
            return;
        }
        loop {
            let event = self.stream.json();
            let found = wanted(&event);
            self.seen.push(event);
            if found {
                return;
            }
        }
    }

    /// Ends the stream, reads all once more from the slot, and compares what a consumer makes of
    /// either with the tables. Returns the live stream and the other.
    pub fn finish(mut self, tables: &[&str]) -> [Finished; 2] {
        self.db.sql("INSERT INTO the_end VALUES (1)");
        self.wait_for(|event| event["table"] == "the_end");
        let Live {
            db,
            level,
            more,
            stream,
            ..
        } = self;
        let live = stream.interrupt();
        live.succeeded();
        let arguments = [
            "stream",
            "-S",
            db.name(),
            "--publication",
            "p",
            "--until-now",
        ];
        let late = db.run(&[&arguments, level.options, &more].concat());
        late.succeeded();
        for (what, run) in [("live", &live), ("late", &late)] {
            events::check(level, run);
            let consumer = Consumer::of(&run.json());
            for table in tables {
                let query = format!(
                    "SELECT coalesce(json_agg(row_to_json(t) ORDER BY id), '[]')::text FROM \
                     {table} t"
                );
                let held: Value = serde_json::from_str(&db.value(&query)).unwrap();
                assert!(
                    consumer.table(table) == consumer::rows(&held),
                    "{what} {}: {table}",
                    level.name
                );
            }
            assert_eq!(consumer.undecided(), [0; 0], "{what} {}", level.name);
        }
        [live, late]
    }
}

/// The xid of the session's open transaction.
pub fn xid(session: &mut Client) -> u64 {
    let row = session
        .query_one("SELECT pg_current_xact_id()::text", &[])
        .unwrap();
    row.get::<_, String>(0).parse().unwrap()
}
