//! What the tests stand on: throwaway servers, a database for each test, the program as a child
//! with a deadline.

mod database;
mod disk;
mod installation;
mod meddler;
mod nats;
mod port;
mod program;
mod proxy;
mod random;
mod server;
mod terminal;

pub use database::Database;
pub use disk::Disk;
pub use meddler::{Act, Heard, Meddler, message, report};
pub use nats::{NatsClient, NatsMessage, NatsServer};
pub use port::RefusingPort;
pub use program::{Finished, Running, run, spawn};
pub use proxy::Proxy;
pub use random::Random;
pub use server::{Options, Server, Stop, server};
pub use terminal::{Terminal, without_colors};

use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The output plugins that the server has.
pub fn plugins() -> &'static [&'static str] {
    if server().has_wal2json() {
        &["pgoutput", "wal2json"]
    } else {
        &["pgoutput"]
    }
}

/// Asks again and again until there is an answer; fails after [`DEADLINE`].
pub fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
