//! How far a snapshot is, for people.

use crate::snapshot::Table;
use crate::text::human_size;
use std::time::{Duration, Instant};

/// How often to tell where nobody asked for statistics.
const EVERY: Duration = Duration::from_secs(10);

/// Counts what was read.
pub struct Totals {
    since: Instant,
    told: Instant,
    /// How many tables there are.
    pub tables: usize,
    /// How many of them are done.
    done: usize,
    /// How many bytes were read.
    pub bytes: u64,
    table: String,
    /// About how many rows the table has, and how many were printed before it.
    rows: f64,
    before: u64,
}

impl Totals {
    /// So many tables are to be read.
    pub fn new(tables: usize) -> Totals {
        let now = Instant::now();
        Totals {
            since: now,
            told: now,
            tables,
            done: 0,
            bytes: 0,
            table: String::new(),
            rows: -1.0,
            before: 0,
        }
    }

    /// A table begins, when so many rows were printed.
    pub fn begin(&mut self, table: &Table, rows: u64) {
        (self.table, self.rows, self.before) = (table.sql(), table.rows, rows);
    }

    /// A table is done.
    pub fn finished(&mut self, table: &Table) -> String {
        self.done += 1;
        format!(
            "snapshot: all rows of {} are there, {} of {}",
            table.sql(),
            self.done,
            count(self.tables as u64, "table")
        )
    }

    /// Returns `true` if it is time to tell.
    pub fn is_due(&mut self) -> bool {
        let due = self.told.elapsed() >= EVERY;
        if due {
            self.told = Instant::now();
        }
        due
    }

    /// How far it is, when so many rows were printed and the stream is so many bytes `behind` them.
    pub fn describe(&self, rows: u64, behind: u64) -> String {
        let about = match self.rows {
            rows if rows > 0.0 => format!(" of about {rows:.0}"),
            _ => String::new(),
        };
        let size = |bytes: u64| human_size(bytes.try_into().unwrap_or(i64::MAX));
        let seconds = self.since.elapsed().as_secs_f64().max(1e-3);
        format!(
            "snapshot: table {} of {}, {}: {}{about} rows, {:.1} MB/s, stream {} behind",
            (self.done + 1).min(self.tables),
            self.tables,
            self.table,
            rows.saturating_sub(self.before),
            self.bytes as f64 / 1e6 / seconds,
            size(behind),
        )
    }

    /// All is done, and so many rows were printed.
    pub fn complete(&self, rows: u64) -> String {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-3);
        format!(
            "snapshot: complete: {} of {} in {seconds:.1} s, {:.1} MB/s",
            count(rows, "row"),
            count(self.tables as u64, "table"),
            self.bytes as f64 / 1e6 / seconds,
        )
    }
}

/// `1 row`, `2 rows`
fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}
