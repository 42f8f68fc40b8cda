//! Throwaway NATS servers, and a client of our own that shares nothing with the program's.

use super::port::free_port;
use super::{DEADLINE, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long one answer of JetStream may take before it is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills the server when its stdin is closed: when the test process ends, however that may be.
const WATCH: &str = r#"cat >/dev/null; kill -9 "$1" 2>/dev/null"#;

/// A throwaway server with JetStream, on 127.0.0.1. Dropped, it is killed and removed.
pub struct NatsServer {
    directory: tempfile::TempDir,
    port: u16,
    running: Option<(Child, Child)>,
}

impl NatsServer {
    /// Starts a server with these lines in its configuration.
    pub fn start(configuration: &str) -> NatsServer {
        let mut server = NatsServer::new();
        server.configure(configuration);
        server.resume();
        server
    }

    /// A server that has no streams.
    pub fn without_jetstream() -> NatsServer {
        let mut server = NatsServer::new();
        let listen = format!("listen: \"{}\"\n", server.address());
        std::fs::write(server.path().join("configuration"), listen).unwrap();
        server.resume();
        server
    }

    /// Three servers that are one cluster.
    pub fn cluster() -> Vec<NatsServer> {
        let mut servers: Vec<NatsServer> = (0..3).map(|_| NatsServer::new()).collect();
        let ports: Vec<u16> = servers.iter().map(|_| free_port()).collect();
        let routes: Vec<String> = ports
            .iter()
            .map(|port| format!("nats-route://127.0.0.1:{port}"))
            .collect();
        for (server, port) in servers.iter_mut().zip(&ports) {
            server.configure(&format!(
                "server_name: n{port}\ncluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: \
                 [{}] }}",
                routes.join(", ")
            ));
            server.spawn();
        }
        wait_until("the cluster to have a leader", || {
            let mut client = NatsClient::try_connect(servers[0].port)?;
            // Without a leader there may be no answer at all.
            let wait = Some(Duration::from_secs(1));
            client.reader.get_ref().set_read_timeout(wait).unwrap();
            let info = client.request("$JS.API.INFO", b"")?;
            info.get("error").is_none().then_some(())
        });
        servers
    }

    fn new() -> NatsServer {
        NatsServer {
            directory: tempfile::Builder::new()
                .prefix("walcat-nats-")
                .tempdir()
                .expect("a temporary directory"),
            port: free_port(),
            running: None,
        }
    }

    /// Writes the configuration, which counts from the next start on.
    pub fn configure(&self, configuration: &str) {
        let text = format!(
            "listen: \"{}\"\njetstream {{ store_dir: {:?}, max_file_store: 4GB }}\n{configuration}",
            self.address(),
            self.path().join("store"),
        );
        std::fs::write(self.path().join("configuration"), text).unwrap();
    }

    /// Starts it again, and waits until it takes connections.
    pub fn resume(&mut self) {
        self.spawn();
        wait_until("the NATS server to start", || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    fn spawn(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path().join("log"))
            .unwrap();
        let server = Command::new(program())
            .arg("-c")
            .arg(self.path().join("configuration"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("could not run nats-server");
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "sh", &server.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("could not run sh");
        self.running = Some((server, watcher));
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some((mut server, mut watcher)) = self.running.take() {
            server.kill().expect("could not kill the server");
            server.wait().unwrap();
            drop(watcher.stdin.take());
            watcher.wait().unwrap();
        }
    }

    /// `nats://127.0.0.1:PORT/STREAM`
    pub fn url(&self, stream: &str) -> String {
        format!("nats://{}/{stream}", self.address())
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory: `configuration`, `store`, `log`.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A connection to it, without a login.
    pub fn client(&self) -> NatsClient {
        wait_until("a connection to the NATS server", || {
            NatsClient::try_connect(self.port)
        })
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    let named = std::env::var_os("WALCAT_TEST_NATS").map(PathBuf::from);
    named.unwrap_or_else(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/nats-server");
        let output = Command::new(script)
            .output()
            .expect("could not run scripts/nats-server");
        assert!(
            output.status.success(),
            "found no nats-server: set WALCAT_TEST_NATS to its path; {}",
            String::from_utf8_lossy(&output.stderr)
        );
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// A message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsMessage {
    pub subject: String,
    pub headers: BTreeMap<String, String>,
    pub payload: Vec<u8>,
    reply: String,
}

impl NatsMessage {
    /// Its payload as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("a payload of JSON")
    }
}

/// A client that knows just what tests need of the protocol.
pub struct NatsClient {
    reader: BufReader<TcpStream>,
}

impl NatsClient {
    fn try_connect(port: u16) -> Option<NatsClient> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        let mut client = NatsClient {
            reader: BufReader::new(stream),
        };
        client.wait_for_answers(DEADLINE);
        client.line()?;
        client.send(
            b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB \
            test.inbox 1\r\nPING\r\n",
        );
        while client.line()? != "PONG" {}
        Some(client)
    }

    fn wait_for_answers(&self, limit: Duration) {
        self.reader.get_ref().set_read_timeout(Some(limit)).unwrap();
    }

    /// Asks; the answer is JSON. `None` if nobody answers.
    pub fn request(&mut self, subject: &str, body: &[u8]) -> Option<Value> {
        self.publish(subject, body);
        let answer = self.message()?;
        serde_json::from_slice(&answer.payload).ok()
    }

    /// Asks JetStream, which must do it. A cluster whose leader changes forgets to answer; an
    /// answer that comes late after all is left to the old connection.
    #[track_caller]
    pub fn api(&mut self, what: &str, body: &Value) -> Value {
        let body = body.to_string();
        let answer = wait_until(what, || {
            self.wait_for_answers(PATIENCE);
            let answer = self.request(&format!("$JS.API.{what}"), body.as_bytes());
            if answer.is_none()
                && let Ok(address) = self.reader.get_ref().peer_addr()
                && let Some(client) = NatsClient::try_connect(address.port())
            {
                *self = client;
            }
            answer
        });
        self.wait_for_answers(DEADLINE);
        assert!(answer.get("error").is_none(), "{what}: {answer}");
        answer
    }

    /// Publishes a message; the answer, if there is one, comes next.
    pub fn publish(&mut self, subject: &str, body: &[u8]) {
        self.send(format!("PUB {subject} test.inbox {}\r\n", body.len()).as_bytes());
        self.send(body);
        self.send(b"\r\n");
    }

    /// Creates a stream of these subjects with more in its configuration.
    #[track_caller]
    pub fn create_stream(&mut self, name: &str, subjects: &[&str], more: Value) {
        let mut config = json!({ "name": name, "subjects": subjects, "storage": "file" });
        let Value::Object(more) = more else {
            panic!("no object: {more}")
        };
        config.as_object_mut().unwrap().extend(more);
        self.api(&format!("STREAM.CREATE.{name}"), &config);
    }

    /// All messages of a stream, in its order.
    #[track_caller]
    pub fn messages(&mut self, stream: &str) -> Vec<NatsMessage> {
        let state = self.api(&format!("STREAM.INFO.{stream}"), &json!({}));
        let count = state["state"]["messages"].as_u64().unwrap() as usize;
        let consumer = self.api(
            &format!("CONSUMER.CREATE.{stream}"),
            &json!({ "stream_name": stream,
                     "config": { "ack_policy": "none", "deliver_policy": "all", "mem_storage": true } }),
        );
        let consumer = consumer["name"].as_str().unwrap().to_owned();
        let mut messages = Vec::new();
        while messages.len() < count {
            let wanted = (count - messages.len()).min(500);
            let body = json!({ "batch": wanted, "expires": 30_000_000_000_u64 }).to_string();
            self.publish(
                &format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
                body.as_bytes(),
            );
            for _ in 0..wanted {
                let message = self.message().expect("a message");
                assert!(message.reply.starts_with("$JS.ACK."), "{message:?}");
                messages.push(message);
            }
        }
        messages
    }

    /// The next message; `None` if the connection ended.
    fn message(&mut self) -> Option<NatsMessage> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').collect();
            let number = |from_end: usize| words[words.len() - from_end].parse::<usize>().unwrap();
            match words[0] {
                "PING" => self.send(b"PONG\r\n"),
                "MSG" | "HMSG" => {
                    let headers = if words[0] == "HMSG" { number(2) } else { 0 };
                    let mut bytes = vec![0; number(1) + 2];
                    self.reader.read_exact(&mut bytes).ok()?;
                    bytes.truncate(bytes.len() - 2);
                    let payload = bytes.split_off(headers);
                    let fixed = if words[0] == "HMSG" { 5 } else { 4 };
                    return Some(NatsMessage {
                        subject: words[1].to_owned(),
                        headers: read_headers(&bytes),
                        payload,
                        reply: words[3..words.len() - (fixed - 3)].concat(),
                    });
                }
                "-ERR" => panic!("the NATS server says {line}"),
                _ => {}
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader
            .read_line(&mut line)
            .ok()
            .filter(|count| *count > 0)?;
        Some(line.trim_end().to_owned())
    }

    fn send(&mut self, bytes: &[u8]) {
        // A connection that broke shows when the answer is read.
        let _ = self.reader.get_mut().write_all(bytes);
    }
}

fn read_headers(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split("\r\n").filter_map(|line| line.split_once(": "));
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
