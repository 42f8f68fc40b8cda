//! `--stats`: rate, totals, position and lag on stderr; on a terminal one line kept in place.

use crate::command::status_line;
use crate::lsn::Lsn;
use crate::text::human_size;
use crate::time::PgTime;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Counts what passes and shows it every now and then.
pub struct Statistics {
    every: Duration,
    /// Whether anything is confirmed at all.
    confirms: bool,
    /// Whether the output goes to the terminal too.
    shares_terminal: bool,
    due: Instant,
    since: Instant,
    rows: u64,
    rows_before: u64,
    /// Bytes of messages.
    received: u64,
    /// Bytes of records.
    output: u64,
    position: Lsn,
    /// The end of the server's WAL, as far as known.
    server: Lsn,
    /// When the last transaction committed that has come.
    committed: Option<PgTime>,
    /// The server has said since that it has nothing more.
    idle: bool,
}

impl Statistics {
    /// Shows the statistics at the interval `every`, but at most ten times a second. With `--peek`
    /// nothing is confirmed, and the slot's lag stays what it is.
    pub fn new(every: Duration, peek: bool, to_stdout: bool) -> Statistics {
        let every = every.max(Duration::from_millis(100));
        let now = Instant::now();
        Statistics {
            every,
            confirms: !peek,
            shares_terminal: to_stdout && io::stdout().is_terminal(),
            due: now + every,
            since: now,
            rows: 0,
            rows_before: 0,
            received: 0,
            output: 0,
            position: Lsn::INVALID,
            server: Lsn::INVALID,
            committed: None,
            idle: false,
        }
    }

    /// A row, or a message, was shown.
    pub fn row(&mut self) {
        self.rows += 1;
    }

    /// A transaction comes that committed then.
    pub fn committed(&mut self, time: PgTime) {
        self.committed = Some(time);
    }

    /// A message of so many bytes came, and made records of so many.
    pub fn message(&mut self, start: Lsn, received: usize, output: usize) {
        self.received += received as u64;
        self.output += output as u64;
        self.idle = false;
        self.position(start);
    }

    /// The server has nothing more that committed before this position.
    pub fn idle_at(&mut self, position: Lsn) {
        self.idle = true;
        self.position(position);
    }

    /// The server's WAL reaches up to here.
    pub fn server_at(&mut self, end: Lsn) {
        self.server = self.server.max(end);
    }

    fn position(&mut self, position: Lsn) {
        self.position = self.position.max(position);
        self.server = self.server.max(position);
    }

    /// When it is time to show.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether the line and the output go to the same terminal.
    pub fn shares_terminal(&self) -> bool {
        self.shares_terminal && status_line::is_possible()
    }

    /// Makes room on the terminal, where one takes the output too.
    pub fn make_room(&self) {
        if self.shares_terminal {
            status_line::clear();
        }
    }

    /// Shows if it is time, and returns whether it was. `confirmed` is what the server was told.
    pub fn show(&mut self, now: Instant, confirmed: Lsn) -> bool {
        if now < self.due {
            return false;
        }
        let seconds = (now - self.due + self.every).as_secs_f64();
        let rate = (self.rows - self.rows_before) as f64 / seconds;
        self.rows_before = self.rows;
        self.due = now + self.every;
        let text = self.text(rate, confirmed);
        match status_line::is_possible() {
            true => status_line::show(&text),
            false => self.write(&text),
        }
        true
    }

    /// Shows the totals for the last time.
    pub fn end(&mut self, confirmed: Lsn) {
        let rate = self.rows as f64 / self.since.elapsed().as_secs_f64().max(1e-3);
        status_line::clear();
        self.write(&self.text(rate, confirmed));
    }

    fn text(&self, rate: f64, confirmed: Lsn) -> String {
        let size = |bytes: u64| human_size(bytes.try_into().unwrap_or(i64::MAX));
        let behind = self.behind(PgTime::now());
        let confirmed = match self.confirms {
            true => format!(
                "confirmed {confirmed}, lag {}",
                size(self.server.0.saturating_sub(confirmed.0))
            ),
            false => "nothing confirmed".to_owned(),
        };
        format!(
            "{rate:.0} rows/s, {} rows, {} in, {} out, at {}, {behind} s behind, {confirmed}",
            self.rows,
            size(self.received),
            size(self.output),
            self.position,
        )
    }

    /// For how many seconds what is to come next has waited at least: as long ago the last commit
    /// was that has come, unless nothing has come since but the word that there is nothing more.
    fn behind(&self, now: PgTime) -> i64 {
        let since = self.committed.filter(|_| !self.idle);
        since.map_or(0, |time| (now.0.saturating_sub(time.0) / 1_000_000).max(0))
    }

    fn write(&self, text: &str) {
        // Nobody is left to be told that stderr is closed.
        let _ = writeln!(io::stderr(), "walcat: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_everything_is_not_behind() {
        let mut statistics = Statistics::new(Duration::from_secs(1), false, false);
        let second = 1_000_000;
        assert_eq!(statistics.behind(PgTime(5 * second)), 0);
        statistics.committed(PgTime(2 * second));
        statistics.message(Lsn(10), 1, 1);
        assert_eq!(statistics.behind(PgTime(5 * second)), 3);
        assert_eq!(statistics.behind(PgTime(second)), 0, "clocks differ");
        statistics.idle_at(Lsn(20));
        assert_eq!(statistics.behind(PgTime(5 * second)), 0);
        statistics.message(Lsn(30), 1, 1);
        assert_eq!(statistics.behind(PgTime(5 * second)), 3);
    }
}
