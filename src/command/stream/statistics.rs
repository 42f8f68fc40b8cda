//! `--stats`: rate, totals, position and lag on stderr; on a terminal one line kept in place.

use crate::command::answer::human_size;
use crate::lsn::Lsn;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Counts what passes and shows it every now and then.
pub struct Statistics {
    every: Duration,
    /// Whether anything is confirmed at all.
    confirms: bool,
    due: Instant,
    since: Instant,
    messages: u64,
    messages_before: u64,
    bytes: u64,
    position: Lsn,
    /// The end of the server's WAL, as far as known.
    server: Lsn,
    in_place: bool,
}

impl Statistics {
    /// Shows the statistics at the interval `every`, but at most ten times a second. With `--peek`
    /// nothing is confirmed, and the slot's lag stays what it is.
    pub fn new(every: Duration, peek: bool) -> Statistics {
        let every = every.max(Duration::from_millis(100));
        let now = Instant::now();
        Statistics {
            every,
            confirms: !peek,
            due: now + every,
            since: now,
            messages: 0,
            messages_before: 0,
            bytes: 0,
            position: Lsn::INVALID,
            server: Lsn::INVALID,
            in_place: io::stderr().is_terminal(),
        }
    }

    /// A message came.
    pub fn count(&mut self, start: Lsn, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
        self.position(start);
    }

    /// The stream is at this position.
    pub fn position(&mut self, position: Lsn) {
        self.position = self.position.max(position);
        self.server = self.server.max(position);
    }

    /// The server's WAL reaches up to here.
    pub fn server_at(&mut self, end: Lsn) {
        self.server = self.server.max(end);
    }

    /// When it is time to show.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Shows if it is time. `confirmed` is what the server was told, `written` the bytes of output
    /// so far.
    pub fn show(&mut self, now: Instant, confirmed: Lsn, written: u64) {
        if now < self.due {
            return;
        }
        let seconds = (now - self.due + self.every).as_secs_f64();
        let rate = (self.messages - self.messages_before) as f64 / seconds;
        self.messages_before = self.messages;
        self.due = now + self.every;
        self.print(rate, confirmed, written, false);
    }

    /// Shows the totals for the last time.
    pub fn end(&mut self, confirmed: Lsn, written: u64) {
        let rate = self.messages as f64 / self.since.elapsed().as_secs_f64().max(1e-3);
        self.print(rate, confirmed, written, true);
    }

    fn print(&self, rate: f64, confirmed: Lsn, written: u64, last: bool) {
        let size = |bytes: u64| human_size(bytes.try_into().unwrap_or(i64::MAX));
        let confirmed = match self.confirms {
            true => format!(
                "confirmed {confirmed}, lag {}",
                size(self.server.0.saturating_sub(confirmed.0))
            ),
            false => "nothing confirmed".to_owned(),
        };
        let text = format!(
            "{rate:.0} messages/s, {} messages, {} in, {} out, at {}, {confirmed}",
            self.messages,
            size(self.bytes),
            size(written),
            self.position,
        );
        let line = match (self.in_place, last) {
            (true, false) => format!("\r\x1b[K{text}"),
            (true, true) => format!("\r\x1b[K{text}\n"),
            (false, _) => format!("walcat: {text}\n"),
        };
        // Nobody is left to be told that stderr is closed.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}
