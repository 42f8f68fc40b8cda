//! Throwaway servers: made by `initdb`, gone with the test process, however that ends.

use super::installation::Installation;
use super::port::free_port;
use super::wait_until;
use postgres::{Client, NoTls};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, OnceLock};

/// The superuser of every server.
pub const SUPERUSER: &str = "postgres";

/// What the watcher does: it has its end of a pipe as stdin, which closes when the test process
/// ends, also by `kill -9`.
const WATCH: &str =
    r#"cat >/dev/null; "$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1; rm -rf "$2""#;

/// The server that all tests share, started by the first that asks.
pub fn server() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(Options::default()));
    &SHARED
}

/// How a server differs from the shared one.
#[derive(Default)]
pub struct Options<'a> {
    /// Settings for postgresql.conf.
    pub settings: &'a [(&'a str, &'a str)],
    /// All of pg_hba.conf, instead of trust for everyone.
    pub hba: Option<&'a str>,
    /// Files for the data directory, readable by the server alone: its certificate and key.
    pub files: &'a [(&'a str, &'a [u8])],
    /// Environment variables of the server.
    pub environment: &'a [(&'a str, &'a str)],
    /// Does it fsync? Only needed where the machine itself may crash, or to measure.
    pub durable: bool,
}

/// How a server is stopped (`pg_ctl stop -m`).
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// In good order, after the WAL senders have sent everything.
    Fast,
    /// As by a crash: the next start recovers.
    Immediate,
}

/// A throwaway server. Dropped, it is stopped and removed.
pub struct Server {
    directory: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
    version: OnceLock<u32>,
    wal2json: OnceLock<bool>,
    watcher: Child,
}

impl Server {
    /// Makes and starts a server, and waits until it takes connections.
    pub fn start(options: Options<'_>) -> Server {
        let mut server = Server::new();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        server.environment = options.environment.iter().map(own).collect();
        let initdb = installation()
            .program("initdb")
            .args([
                "--no-sync",
                "--username",
                SUPERUSER,
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "-D",
            ])
            .arg(server.data())
            .output();
        let output = initdb.expect("could not run initdb");
        assert!(
            output.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        server.configure(&options);
        server.resume();
        server
    }

    /// Its standby, made from a copy, streaming from it. The server is stopped for the copy and
    /// started again.
    pub fn standby(&self, settings: &[(&str, &str)]) -> Server {
        let standby = Server::new();
        self.stop(Stop::Fast);
        let mut copy = Command::new("cp");
        installation().run_as_owner(copy.arg("-a").arg(self.data()).arg(standby.data()));
        assert!(
            copy.status().expect("could not run cp").success(),
            "could not copy the data directory"
        );
        self.resume();
        standby.write_file("standby.signal", b"");
        let primary = format!(
            "host={} port={} user={SUPERUSER}",
            self.socket_directory().display(),
            self.port
        );
        let port = standby.port.to_string();
        let sockets = standby.socket_directory();
        let own = [
            ("port", &*port),
            ("unix_socket_directories", sockets.to_str().unwrap()),
            ("primary_conninfo", &primary),
        ];
        standby.append_settings(&[&own, settings].concat());
        standby.resume();
        standby
    }

    fn new() -> Server {
        let directory = tempfile::Builder::new()
            .prefix("walcat-test-")
            .tempdir()
            .expect("a temporary directory")
            .keep();
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::create_dir(directory.join("home")).unwrap();
        installation().write_rest(&directory);
        let mut watcher = Command::new("sh");
        watcher
            .args(["-c", WATCH, "sh"])
            .arg(installation().programs())
            .arg(&directory);
        installation().run_as_owner(&mut watcher);
        watcher
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        Server {
            directory,
            port: free_port(),
            environment: Vec::new(),
            version: OnceLock::new(),
            wal2json: OnceLock::new(),
            watcher: watcher.spawn().expect("could not run sh"),
        }
    }

    fn configure(&self, options: &Options<'_>) {
        let port = self.port.to_string();
        let sockets = self.socket_directory();
        let mut settings = vec![
            ("port", &*port),
            ("unix_socket_directories", sockets.to_str().unwrap()),
            ("listen_addresses", "127.0.0.1"),
            ("wal_level", "logical"),
            ("max_replication_slots", "100"),
            ("max_wal_senders", "100"),
            ("max_connections", "200"),
            ("max_prepared_transactions", "20"),
            ("shared_buffers", "64MB"),
            ("autovacuum", "off"),
            ("log_replication_commands", "on"),
        ];
        if !options.durable {
            settings.push(("fsync", "off"));
        }
        if self.knows_setting("output_plugin_libraries") {
            settings.push((
                "output_plugin_libraries",
                "pgoutput, test_decoding, wal2json",
            ));
        }
        settings.extend(options.settings);
        self.append_settings(&settings);
        for (name, content) in options.files {
            self.write_file(name, content);
        }
        if let Some(hba) = options.hba {
            self.write_file("pg_hba.conf", hba.as_bytes());
        }
    }

    fn knows_setting(&self, name: &str) -> bool {
        let output = installation()
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-C", name])
            .output();
        output.expect("could not run postgres").status.success()
    }

    /// Adds settings to postgresql.conf; they count from the next start or reload on.
    pub fn append_settings(&self, settings: &[(&str, &str)]) {
        let path = self.data().join("postgresql.conf");
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (name, value) in settings {
            text += &format!("{name} = '{}'\n", value.replace('\'', "''"));
        }
        std::fs::write(path, text).unwrap();
    }

    /// Writes a file into the data directory, readable by the server alone.
    pub fn write_file(&self, name: &str, content: &[u8]) {
        let path = self.data().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        installation().write_rest(&path);
    }

    /// Makes the server read its configuration again.
    pub fn reload(&self) {
        self.control(&["reload"]);
    }

    /// Stops the server.
    pub fn stop(&self, stop: Stop) {
        let mode = match stop {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        self.control(&["stop", "-m", mode]);
    }

    /// Ends the postmaster with SIGKILL: no process of the server gets to say goodbye.
    pub fn kill(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
            .expect("could not kill the server");
        wait_until("the death of the server", || {
            rustix::process::test_kill_process(pid)
                .is_err()
                .then_some(())
        });
    }

    /// Starts the server again after [`Server::stop`] or [`Server::kill`], and waits until it takes
    /// connections.
    pub fn resume(&self) {
        let start = || {
            let output = installation()
                .program("pg_ctl")
                .arg("-D")
                .arg(self.data())
                .arg("-l")
                .arg(self.log_file())
                .args(["-w", "-t", "60", "start"])
                .envs(self.environment.clone())
                .stdout(Stdio::null())
                .output();
            output.expect("could not run pg_ctl").status.success()
        };
        // After a kill, processes of the old server may still be about to notice.
        wait_until("the server to start", || {
            start().then_some(()).or_else(|| {
                let log = self.log();
                assert!(
                    log.contains("shared memory block"),
                    "the server does not start:\n{log}"
                );
                None
            })
        });
    }

    fn control(&self, arguments: &[&str]) {
        let output = installation()
            .program("pg_ctl")
            .arg("-D")
            .arg(self.data())
            .args(arguments)
            .output();
        let output = output.expect("could not run pg_ctl");
        assert!(
            output.status.success(),
            "pg_ctl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The postmaster's process.
    pub fn pid(&self) -> i32 {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"))
            .expect("the server's pid file");
        file.lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("a pid")
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read(self.log_file())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// `server_version_num`, as 150019.
    pub fn version(&self) -> u32 {
        *self.version.get_or_init(|| {
            let row = self
                .client("postgres")
                .query_one("SELECT current_setting('server_version_num')::int", &[])
                .unwrap();
            row.get::<_, i32>(0) as u32
        })
    }

    /// Does it have wal2json? It must, unless `WALCAT_TEST_WAL2JSON=no`.
    pub fn has_wal2json(&self) -> bool {
        *self.wal2json.get_or_init(|| {
            let there = self
                .client("postgres")
                .batch_execute("LOAD 'wal2json'")
                .is_ok();
            let version = self.version() / 10000;
            assert!(
                there || !installation().must_have_wal2json(),
                "the server has no wal2json: install it (Debian and Ubuntu: apt-get install \
                 postgresql-{version}-wal2json), \
                 or set WALCAT_TEST_WAL2JSON=no where it cannot be had"
            );
            there
        })
    }

    /// A connection to one of its databases, as superuser through the socket.
    pub fn client(&self, dbname: &str) -> Client {
        let mut config = postgres::Config::new();
        config
            .host_path(self.socket_directory())
            .port(self.port)
            .user(SUPERUSER)
            .dbname(dbname);
        config.application_name("test");
        config.connect(NoTls).unwrap_or_else(|error| {
            panic!("could not connect to {dbname}: {error:?}\n{}", self.log())
        })
    }

    /// Where its socket lies: `PGHOST`.
    pub fn socket_directory(&self) -> PathBuf {
        self.directory.clone()
    }

    /// Its port, for the socket's name and on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// An empty directory to be `HOME`.
    pub fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// A client program: the server's own, or, as not every package has them, of another server on
    /// this machine.
    pub fn client_program(&self, name: &str) -> PathBuf {
        installation().client_program(name)
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

fn installation() -> &'static Installation {
    static INSTALLATION: LazyLock<Installation> = LazyLock::new(Installation::find);
    &INSTALLATION
}
