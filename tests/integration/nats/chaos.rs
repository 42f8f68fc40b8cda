//! The program, the servers of the log and PostgreSQL are killed at random moments, and at the end
//! the log equals a file that was written from a slot of the same age: each event once, in order.
//! `make chaos ROUNDS=300` lets it run for long.

use super::payloads;
use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What is killed, and what writes.
struct World {
    server: Arc<Server>,
    nats: Vec<NatsServer>,
    walcats: Vec<Option<Running>>,
    random: Random,
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

fn given(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

impl World {
    /// With so many programs, each with a slot of its own.
    fn new(nats: Vec<NatsServer>, programs: usize, seed: u64) -> World {
        let server = Arc::new(Server::start(Options {
            settings: &[("wal_sender_timeout", "5s")],
            ..Options::default()
        }));
        let mut client = server.client("postgres");
        client
            .batch_execute(
                "CREATE TABLE t (id bigint PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE t",
            )
            .unwrap();
        for slot in (0..programs)
            .map(|n| format!("s{n}"))
            .chain(["file".to_owned()])
        {
            let create = format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')");
            client.batch_execute(&create).unwrap();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let writer = {
            let (server, stop, random) = (
                Arc::clone(&server),
                Arc::clone(&stop),
                Random::new(seed ^ 77),
            );
            thread::spawn(move || write(&server, random, &stop))
        };
        World {
            server,
            nats,
            walcats: (0..programs).map(|_| None).collect(),
            random: Random::new(seed),
            stop,
            writer: Some(writer),
        }
    }

    fn command(&self, slot: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_walcat"));
        command
            .args(["stream", "-S", slot, "--publication", "p", "-s", "0.2"])
            .args(more)
            .env_clear()
            .env("PGHOST", self.server.socket_directory())
            .env("PGPORT", self.server.port().to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres")
            .env("HOME", self.server.home());
        command
    }

    /// All servers, as one URL.
    fn url(&self) -> String {
        let hosts: Vec<String> = self.nats.iter().map(NatsServer::address).collect();
        format!("nats://{}/WAL", hosts.join(","))
    }

    fn stream_into_log(&self, program: usize, more: &[&str]) -> Command {
        let replicas = self.nats.len().to_string();
        let url = self.url();
        let own = [
            "--to",
            &url,
            "--create-stream",
            "--replicas",
            &replicas,
            "--confirm-delay",
            "0.2",
        ];
        self.command(&format!("s{program}"), &[&own[..], more].concat())
    }

    /// Starts what does not run. A program may have ended for want of a server.
    fn watch(&mut self) {
        for program in 0..self.walcats.len() {
            let ended = self.walcats[program]
                .as_mut()
                .is_none_or(Running::has_ended);
            if ended {
                self.end(program);
                let running = spawn(&mut self.stream_into_log(program, &[]));
                self.walcats[program] = Some(running);
            }
        }
    }

    fn end(&mut self, program: usize) {
        let Some(running) = self.walcats[program].take() else {
            return;
        };
        let finished = running.wait();
        let bearable = [
            "could not connect",
            "server closed the connection",
            "connection reset",
            "broken pipe",
            "connection closed",
            "is in use by",
            "is active for PID",
            "SQLSTATE 57P0",
            "JetStream does not answer",
            "no answer within",
            "could not create stream",
            "no suitable peers",
            "temporarily unavailable",
        ];
        let excused = finished.status.code() != Some(1)
            || bearable.iter().any(|part| finished.stderr.contains(part));
        assert!(excused, "{:?}: {}", finished.status, finished.stderr);
        assert!(!finished.stderr.contains("gap"), "{}", finished.stderr);
    }

    fn kill_program(&mut self) {
        let program = self.random.within(0..self.walcats.len() as u64) as usize;
        if let Some(running) = &mut self.walcats[program]
            && !running.has_ended()
        {
            running.signal(Signal::KILL);
        }
        self.end(program);
    }

    fn kill_nats(&mut self) {
        let one = self.random.within(0..self.nats.len() as u64) as usize;
        self.nats[one].kill();
        if self.random.within(0..2) == 0 {
            self.moment();
        }
        self.nats[one].resume();
    }

    fn moment(&mut self) {
        thread::sleep(Duration::from_millis(self.random.within(20..700)));
    }

    fn rounds(&mut self, rounds: u64) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for round in 1..=rounds {
            // What is killed too often to keep up is let alone now and then.
            if round % 20 == 0 {
                self.catch_up();
            }
            self.watch();
            self.moment();
            let what = match self.random.within(0..10) {
                0..4 => {
                    self.kill_program();
                    "walcat killed"
                }
                4..8 => {
                    self.kill_nats();
                    "NATS server killed"
                }
                8 => {
                    self.server.kill();
                    self.server.resume();
                    "PostgreSQL killed"
                }
                _ => {
                    self.kill_nats();
                    self.kill_program();
                    "NATS server and walcat killed"
                }
            };
            *counts.entry(what).or_default() += 1;
        }
        counts
    }

    /// Lets what is committed arrive, however long that takes, as long as it goes on.
    fn catch_up(&mut self) {
        let mut client = self.server.client("postgres");
        let mut ask = |query: &str| client.query_one(query, &[]).unwrap();
        let here: String = ask("SELECT pg_current_wal_lsn()::text").get(0);
        let query = format!(
            "SELECT bool_and(confirmed_flush_lsn >= '{here}'), string_agg(confirmed_flush_lsn::text, \
             ' ' ORDER BY slot_name) FROM pg_replication_slots WHERE slot_name <> 'file'"
        );
        let (mut known, mut since) = (String::new(), Instant::now());
        loop {
            self.watch();
            let row = ask(&query);
            let (arrived, confirmed): (bool, String) = (row.get(0), row.get(1));
            if arrived {
                return;
            }
            if confirmed != known {
                known = confirmed;
                since = Instant::now();
            }
            if since.elapsed() > DEADLINE {
                let programs = self.walcats.iter().flatten();
                let said: Vec<String> = programs.map(Running::stderr).collect();
                panic!("the slots do not move: {said:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets what is there arrive, and holds the log to the file.
    fn verify(mut self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.writer.take().unwrap().join().unwrap();
        self.catch_up();
        for running in self.walcats.iter_mut().filter_map(Option::take) {
            running.interrupt().succeeded();
        }
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = directory.path().join("out.json");
        let own = ["-f", path.to_str().unwrap(), "--until-now"];
        spawn(&mut self.command("file", &own)).wait().succeeded();
        let file = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<Value> = file
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let messages = payloads(&self.nats[0].client().messages("WAL"));
        assert_eq!(messages.len(), expected.len());
        for (message, event) in messages.iter().zip(&expected) {
            assert_eq!(message, event);
        }
        messages.len()
    }
}

/// Commits transactions of 1 to 5,000 rows, whatever becomes of the server.
fn write(server: &Server, mut random: Random, stop: &AtomicBool) {
    let (mut client, mut n) = (None, 0);
    while !stop.load(Ordering::SeqCst) {
        let connected = client.take().or_else(|| {
            let mut config = postgres::Config::new();
            config
                .host_path(server.socket_directory())
                .port(server.port())
                .user("postgres")
                .dbname("postgres");
            config.connect(postgres::NoTls).ok()
        });
        let Some(mut connected) = connected else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let rows = match random.within(0..30) {
            0 => random.within(2000..5000),
            1..4 => random.within(100..1000),
            _ => random.within(1..20),
        };
        let insert =
            format!("INSERT INTO t SELECT {n} + i, 'row' FROM generate_series(1, {rows}) i");
        n += rows;
        if connected.batch_execute(&insert).is_ok() {
            client = Some(connected);
        }
        // A server keeps 4 GB, and 300 kills take long.
        thread::sleep(Duration::from_millis(random.within(20..100)));
    }
}

#[test]
fn a_log_survives_chaos() {
    let (rounds, seed) = (
        given("WALCAT_CHAOS_ROUNDS", 20),
        given("WALCAT_CHAOS_SEED", 1),
    );
    let mut world = World::new(vec![NatsServer::start("")], 1, seed);
    let counts = world.rounds(rounds);
    let messages = world.verify();
    println!("one server, seed {seed}: {rounds} rounds {counts:?}, {messages} messages");
}

#[test]
fn two_that_publish_into_a_cluster_survive_chaos() {
    let (rounds, seed) = (
        given("WALCAT_CHAOS_ROUNDS", 10),
        given("WALCAT_CHAOS_SEED", 1),
    );
    let mut world = World::new(NatsServer::cluster(), 2, seed);
    let counts = world.rounds(rounds);
    let messages = world.verify();
    println!("a cluster, seed {seed}: {rounds} rounds {counts:?}, {messages} messages");
}
