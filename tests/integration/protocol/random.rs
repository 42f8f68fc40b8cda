//! Sessions that do anything at any time, the same in every run: what no scenario thought of.

use super::consumer::{self, Consumer};
use super::{levels, streaming_server};
use crate::support::*;
use fastrand::Rng;
use postgres::Client;

/// Sessions that work at the same time, each on rows of its own.
const SESSIONS: i32 = 3;
const STEPS: usize = 400;

#[test]
fn whatever_sessions_do_adds_up_to_the_table() {
    let db = Database::create_on(streaming_server(), "whatever_sessions_do");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY, n int, body text); CREATE PUBLICATION p FOR ALL \
            TABLES",
    );
    let slot = |name| format!("{}_{name}", db.name());
    for level in levels() {
        let (slot, two_phase) = (slot(level.name), level.two_phase);
        db.sql(&format!(
            "SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput', false, {two_phase})"
        ));
    }
    work(&db);
    // A rollback reaches the disk, and so the stream, only with the next commit.
    db.sql("INSERT INTO t VALUES (1000000)");
    let held = db.value("SELECT json_agg(t ORDER BY id)::text FROM t");
    let expected = consumer::rows(&serde_json::from_str(&held).unwrap());
    assert!(expected.len() > 100, "{} rows", expected.len());
    for level in levels() {
        let slot = slot(level.name);
        let run = db.run(
            &[
                &["stream", "-S", &slot, "--publication", "p", "--until-now"],
                level.options,
            ]
            .concat(),
        );
        run.succeeded();
        let events = run.json();
        let consumer = Consumer::of(&events);
        assert!(
            consumer.table("t") == expected,
            "{level:?}: the rows differ"
        );
        assert_eq!(consumer.undecided(), [0; 0], "{level:?}");
        let seen = |op: &str| events.iter().any(|event| event["op"] == op);
        for (op, wanted) in [
            ("stream_commit", level.streams),
            ("stream_prepare", level.streams && level.two_phase),
            ("prepare", level.two_phase),
            ("commit_prepared", level.two_phase),
        ] {
            assert_eq!(seen(op), wanted, "{level:?}: {op}");
        }
        // From PostgreSQL 18 on the server leaves out what it knows to be rolled back.
        if db.server().version() < 180_000 {
            assert_eq!(seen("stream_abort"), level.streams, "{level:?}");
            assert_eq!(seen("rollback_prepared"), level.two_phase, "{level:?}");
        }
    }
}

/// Inserts, updates and deletes in transactions of all sizes, with savepoints, some of them
/// prepared, at random but always the same.
fn work(db: &Database<'_>) {
    let mut random = Rng::with_seed(5);
    let mut sessions: Vec<Session> = (0..SESSIONS)
        .map(|number| Session {
            number,
            client: db.client(),
            state: State::Idle,
        })
        .collect();
    for _ in 0..STEPS {
        let session = random.usize(..sessions.len());
        sessions[session].step(&mut random);
    }
    for session in &mut sessions {
        session.finish();
    }
}

struct Session {
    number: i32,
    client: Client,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Open { savepoints: usize },
    Prepared,
}

impl Session {
    fn step(&mut self, random: &mut Rng) {
        let gid = format!("gid {}", self.number);
        match (self.state, random.u8(..12)) {
            (State::Idle, _) => self.go("BEGIN", State::Open { savepoints: 0 }),
            (State::Open { .. }, 0..=4) => self.change(random),
            (State::Open { savepoints }, 5..=6) => {
                self.go(
                    &format!("SAVEPOINT s{savepoints}"),
                    State::Open {
                        savepoints: savepoints + 1,
                    },
                );
                self.change(random);
            }
            (
                State::Open {
                    savepoints: left @ 1..,
                },
                7,
            ) => {
                self.go(
                    &format!("ROLLBACK TO s{0}; RELEASE s{0}", left - 1),
                    State::Open {
                        savepoints: left - 1,
                    },
                );
            }
            (
                State::Open {
                    savepoints: left @ 1..,
                },
                8,
            ) => {
                self.go(
                    &format!("RELEASE s{}", left - 1),
                    State::Open {
                        savepoints: left - 1,
                    },
                );
            }
            (State::Open { .. }, 9) => {
                self.go(&format!("PREPARE TRANSACTION '{gid}'"), State::Prepared)
            }
            (State::Open { .. }, 10) => self.go("ROLLBACK", State::Idle),
            (State::Open { .. }, _) => self.go("COMMIT", State::Idle),
            (State::Prepared, 0..=3) => self.go(&format!("ROLLBACK PREPARED '{gid}'"), State::Idle),
            (State::Prepared, _) => self.go(&format!("COMMIT PREPARED '{gid}'"), State::Idle),
        }
    }

    /// A few rows, or as many as do not fit into `logical_decoding_work_mem`.
    fn change(&mut self, random: &mut Rng) {
        let count = if random.bool() {
            random.i32(1..4)
        } else {
            random.i32(150..400)
        };
        let first = random.i32(0..400);
        let (number, value) = (self.number, random.i32(..));
        let ids = format!(
            "SELECT i * {SESSIONS} + {number} FROM generate_series({first}, {first} + {count} - 1) \
             AS i"
        );
        let statement = match random.u8(..6) {
            0..=2 => format!(
                "INSERT INTO t SELECT id, {value}, repeat(md5(id::text), 8) FROM ({ids}) AS new \
                 (id) ON CONFLICT DO NOTHING"
            ),
            3 => format!("UPDATE t SET n = {value} WHERE id IN ({ids})"),
            // Into ids that no session inserts, and only if nobody is there.
            4 => format!(
                "UPDATE t SET id = -id WHERE id > 0 AND id IN ({ids}) AND NOT EXISTS (SELECT FROM \
                 t AS o WHERE o.id = -t.id)"
            ),
            _ => format!("DELETE FROM t WHERE id IN ({ids})"),
        };
        self.client.batch_execute(&statement).unwrap();
    }

    fn finish(&mut self) {
        match self.state {
            State::Idle => {}
            State::Open { .. } => self.go("COMMIT", State::Idle),
            State::Prepared => self.go(
                &format!("COMMIT PREPARED 'gid {}'", self.number),
                State::Idle,
            ),
        }
    }

    fn go(&mut self, statements: &str, state: State) {
        self.client.batch_execute(statements).unwrap();
        self.state = state;
    }
}
