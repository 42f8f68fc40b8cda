//! Everything breaks at random moments, and at the end each committed row is there exactly once, in
//! the order of the commits.
//!
//! Writers commit transactions of mixed sizes, each row with its writer's running number, while
//! chance kills the program, the server, or both, rotates the file, and cuts, stalls or swallows
//! the connection. `make chaos ROUNDS=n SEED=s` lets it run for long.

use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const WRITERS: u64 = 2;

/// What chance is asked for.
fn rounds_and_seed(rounds: u64) -> (u64, u64) {
    let given = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    (
        given("WALCAT_CHAOS_ROUNDS").unwrap_or(rounds),
        given("WALCAT_CHAOS_SEED").unwrap_or(1),
    )
}

struct World {
    server: Arc<Server>,
    proxy: Proxy,
    random: Random,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<()>>,
}

impl World {
    fn new(seed: u64) -> World {
        // The server, too, must notice a dead connection soon.
        let server = Arc::new(Server::start(Options {
            settings: &[("wal_sender_timeout", "2s")],
            ..Options::default()
        }));
        let mut client = server.client("postgres");
        for setup in [
            "CREATE TABLE t (writer int, n bigint, v text, PRIMARY KEY (writer, n)); CREATE \
             PUBLICATION p FOR TABLE t",
            "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
        ] {
            client.batch_execute(setup).unwrap();
        }
        let proxy = Proxy::to(server.port());
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..WRITERS).map(|writer| {
            let (server, stop, random) = (
                Arc::clone(&server),
                Arc::clone(&stop),
                Random::new(seed ^ writer << 32),
            );
            thread::spawn(move || write(&server, writer, random, &stop))
        });
        let writers = writers.collect();
        World {
            server,
            proxy,
            random: Random::new(seed),
            stop,
            writers,
        }
    }

    fn walcat(&self, more: &[&str]) -> Running {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_walcat"));
        command
            .args([
                "stream",
                "-S",
                "s",
                "--publication",
                "p",
                "-F",
                "0.2",
                "-s",
                "0.2",
            ])
            .args(more)
            .env_clear();
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.proxy.port().to_string());
        command
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres")
            .env("HOME", self.server.home());
        spawn(&mut command)
    }

    /// Lets the writers write for a moment.
    fn moment(&mut self) {
        thread::sleep(Duration::from_millis(self.random.within(20..900)));
    }

    fn restart_server(&mut self) {
        if self.random.within(0..2) == 0 {
            self.server.kill()
        } else {
            self.server.stop(Stop::Immediate)
        }
        self.server.resume();
    }

    fn disturb_connection(&mut self) -> &'static str {
        match self.random.within(0..3) {
            0 => {
                self.proxy.cut();
                "cut"
            }
            1 => {
                self.proxy.stall();
                self.moment();
                self.proxy.pass();
                "stalled"
            }
            _ => {
                self.proxy.swallow();
                "swallowed"
            }
        }
    }

    /// Waits until what is committed now has arrived, and the server has been told so.
    fn wait_until_it_goes_on(&self) {
        let mut client = self.server.client("postgres");
        let ask = |client: &mut postgres::Client, query: &str| -> String {
            client.query_one(query, &[]).unwrap().get(0)
        };
        let now = ask(&mut client, "SELECT pg_current_wal_lsn()::text");
        let arrived = format!(
            "SELECT (count(*) > 0)::text FROM pg_stat_replication WHERE write_lsn >= '{now}'"
        );
        wait_until("the stream to go on", || {
            (ask(&mut client, &arrived) == "true").then_some(())
        });
    }

    /// Ends the writers, and tells what they committed.
    fn committed(&mut self) -> Vec<(u64, u64)> {
        self.stop.store(true, Ordering::SeqCst);
        for writer in self.writers.drain(..) {
            writer.join().unwrap();
        }
        let mut client = self.server.client("postgres");
        let rows = client
            .query("SELECT writer::bigint, n FROM t ORDER BY writer, n", &[])
            .unwrap();
        let number = |row: &postgres::Row, column| row.get::<_, i64>(column) as u64;
        rows.iter()
            .map(|row| (number(row, 0), number(row, 1)))
            .collect()
    }
}

/// Commits, and now and then rolls back, transactions of 1 to 15,000 rows, whatever becomes of the
/// server.
fn write(server: &Server, writer: u64, mut random: Random, stop: &AtomicBool) {
    let mut client = None;
    let mut n = 0;
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
        let rows = match random.within(0..40) {
            0 => random.within(10_000..15_000),
            1..4 => random.within(100..2000),
            _ => random.within(1..20),
        };
        let end = if random.within(0..10) == 0 {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        // Texts that need care in JSON, too.
        let insert = format!(
            "BEGIN; INSERT INTO t SELECT {writer}, {n} + i, repeat(E'\\n\"\\\\ä', (i % 7)::int) \
             FROM generate_series(1, {rows}) i; {end}"
        );
        // Without an answer nobody knows whether it was committed; the table does.
        n += rows;
        if connected.batch_execute(&insert).is_ok() {
            client = Some(connected);
        }
        thread::sleep(Duration::from_millis(random.within(0..30)));
    }
}

/// Holds the lines to what was committed: each row once, transactions whole and in the order of
/// their commits.
fn verify(lines: &[u8], committed: &[(u64, u64)]) {
    assert!(
        lines.is_empty() || lines.ends_with(b"\n"),
        "the last line is incomplete"
    );
    let (mut rows, mut repeats) = (HashSet::new(), 0);
    let (mut last, mut last_of) = ((0, 0), [0; WRITERS as usize]);
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        let event: Value = serde_json::from_slice(line).expect("a line of JSON");
        let lsn = event["commit_lsn"]
            .as_str()
            .unwrap()
            .parse::<walcat::lsn::Lsn>()
            .unwrap();
        let place = (lsn.0, event["seq"].as_u64().unwrap());
        let follows = if place.0 == last.0 {
            place.1 == last.1 + 1
        } else {
            place.0 > last.0 && place.1 == 0
        };
        assert!(follows, "{place:?} after {last:?}");
        last = place;
        let row = (
            event["after"]["writer"].as_u64().unwrap(),
            event["after"]["n"].as_u64().unwrap(),
        );
        repeats += usize::from(!rows.insert(row));
        let before = &mut last_of[row.0 as usize];
        assert!(row.1 > *before, "row {row:?} after {before}");
        *before = row.1;
    }
    let lost = committed.iter().filter(|row| !rows.contains(row)).count();
    println!(
        "{} rows committed, {repeats} repeats, {lost} losses",
        committed.len()
    );
    assert_eq!((repeats, lost, rows.len()), (0, 0, committed.len()));
}

/// The program under supervision, as systemd would have it, with its output file and those that
/// were rotated away.
struct Supervised {
    running: Option<Running>,
    directory: tempfile::TempDir,
    rotated: Vec<PathBuf>,
    starts: usize,
}

impl Supervised {
    fn new() -> Supervised {
        // On a disk: not every file system in memory has extended attributes.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Supervised {
            running: None,
            directory,
            rotated: Vec::new(),
            starts: 0,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("out.json")
    }

    /// Starts it if it is not at work. It may have failed for what may well fail: there was no
    /// server, or the slot was still held.
    fn watch(&mut self, world: &World) {
        if let Some(running) = &mut self.running {
            if !running.has_ended() {
                return;
            }
            self.end();
        }
        self.starts += 1;
        self.running = Some(world.walcat(&["-f", self.path().to_str().unwrap()]));
    }

    fn end(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let finished = running.wait();
        assert!(!finished.stderr.contains("a gap"), "{}", finished.stderr);
        let bearable = [
            "could not connect",
            "server closed the connection",
            "broken pipe",
            "connection reset",
            "connection closed",
            "is in use by",
            "is active for PID",
            "SQLSTATE 57P0",
        ];
        let excused = finished.status.code() != Some(1)
            || bearable.iter().any(|part| finished.stderr.contains(part));
        assert!(excused, "{:?}: {}", finished.status, finished.stderr);
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(running) = &mut self.running
            && !running.has_ended()
        {
            running.signal(signal);
            self.end();
        }
    }

    /// As logrotate does it.
    fn rotate(&mut self) {
        let (path, old) = (
            self.path(),
            self.directory
                .path()
                .join(format!("out.json.{}", self.rotated.len())),
        );
        if let Some(running) = &mut self.running
            && !running.has_ended()
            && path.exists()
            && running.stderr().is_empty()
        {
            fs::rename(&path, &old).unwrap();
            self.rotated.push(old);
            running.signal(Signal::HUP);
            wait_until("the new file", || {
                (path.exists() || running.has_ended()).then_some(())
            });
        }
    }

    /// As a rotation that nobody tells walcat of, which may be starting, about to be killed, or not
    /// running at all.
    fn rename(&mut self, random: &mut Random) {
        let path = self.path();
        let old = format!("out.json.{}", self.rotated.len());
        let old = self.directory.path().join(old);
        if fs::rename(&path, &old).is_err() {
            return;
        }
        self.rotated.push(old);
        // `create` of logrotate, unless walcat was faster.
        if random.within(0..2) == 0 {
            let _ = File::options().append(true).create(true).open(&path);
        }
        let chance = random.within(0..3);
        if chance == 0 {
            self.signal(Signal::KILL);
        } else if chance == 1
            && let Some(running) = &mut self.running
            && !running.has_ended()
        {
            running.signal(Signal::HUP);
        }
    }

    fn lines(&self) -> Vec<u8> {
        let files = self.rotated.iter().cloned().chain([self.path()]);
        files.flat_map(|path| fs::read(path).unwrap()).collect()
    }
}

#[test]
fn a_file_survives_chaos() {
    let (rounds, seed) = rounds_and_seed(20);
    let mut world = World::new(seed);
    let mut walcat = Supervised::new();
    let mut counts = BTreeMap::<&str, u64>::new();
    for _ in 0..rounds {
        walcat.watch(&world);
        world.moment();
        let what = match world.random.within(0..14) {
            10..12 => {
                walcat.rename(&mut world.random);
                "file renamed"
            }
            12..14 => {
                walcat.signal(Signal::KILL);
                if world.random.within(0..2) == 0 {
                    walcat.watch(&world);
                }
                walcat.rename(&mut world.random);
                "file renamed at a start"
            }
            0..3 => {
                walcat.signal(Signal::KILL);
                "walcat killed"
            }
            3 => {
                world.restart_server();
                "server killed"
            }
            4 => {
                walcat.signal(Signal::KILL);
                world.restart_server();
                "both killed"
            }
            5 => {
                world.server.kill();
                walcat.signal(Signal::KILL);
                world.server.resume();
                "both killed"
            }
            6 => {
                walcat.signal(Signal::TERM);
                "walcat stopped"
            }
            7 => {
                walcat.rotate();
                "file rotated"
            }
            8 => {
                // What the server has safely noted is any age.
                world
                    .server
                    .client("postgres")
                    .batch_execute("CHECKPOINT")
                    .unwrap();
                "checkpoint"
            }
            _ => world.disturb_connection(),
        };
        *counts.entry(what).or_default() += 1;
    }
    let committed = world.committed();
    walcat.signal(Signal::KILL);
    wait_until("a last run that ends well", || {
        let last = world
            .walcat(&["-f", walcat.path().to_str().unwrap(), "--until-now"])
            .wait();
        last.status.success().then_some(())
    });
    println!(
        "file, seed {seed}: {rounds} rounds {counts:?}, {} starts, {} files",
        walcat.starts,
        walcat.rotated.len() + 1
    );
    verify(&walcat.lines(), &committed);
}

#[test]
fn stdout_survives_lost_connections() {
    let (rounds, seed) = rounds_and_seed(8);
    let mut world = World::new(seed);
    let mut running = world.walcat(&[]);
    let mut slowest = Duration::ZERO;
    let mut counts = BTreeMap::<&str, u64>::new();
    for _ in 0..rounds {
        world.moment();
        let what = match world.random.within(0..4) {
            0 => {
                world.restart_server();
                "server killed"
            }
            1 => {
                world
                    .server
                    .client("postgres")
                    .batch_execute(
                        "SELECT pg_terminate_backend(active_pid) FROM
                    pg_replication_slots WHERE active",
                    )
                    .unwrap();
                "session ended"
            }
            _ => world.disturb_connection(),
        };
        *counts.entry(what).or_default() += 1;
        let start = Instant::now();
        world.wait_until_it_goes_on();
        slowest = slowest.max(start.elapsed());
    }
    let committed = world.committed();
    let mut count = 0;
    while count < committed.len() {
        running.bytes();
        count += 1;
    }
    let finished = running.interrupt();
    let losses = finished.stderr.matches("trying again").count();
    println!(
        "stdout, seed {seed}: {rounds} rounds {counts:?}, {losses} tries, at most {slowest:.1?} \
         until it went on"
    );
    verify(&finished.succeeded().stdout, &committed);
}
