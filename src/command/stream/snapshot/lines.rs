//! The lines that a snapshot makes: rows that an earlier run has printed are left out, and what
//! says how far a table is goes into every new file.

use crate::command::stream::delivery::Output;
use crate::event::{Body, Event};
use crate::lsn::Lsn;
use crate::sink::Sink;
use crate::snapshot::{Effect, Line, Table, Told};
use std::collections::BTreeMap;

/// What stands before the position in a line that says how far a table is, and behind it.
const POSITION: &[u8] = b",\"lsn\":\"";

/// After so many rows, more than a chunk has, those that were printed before and did not come are
/// gone without a word, as those of a partition that was detached are.
const ENOUGH: usize = 100_000;

/// Prints the rows of a table.
#[derive(Default)]
pub struct Lines {
    /// The rows that an earlier run printed, and that are still to come.
    told: Told,
    key_names: Vec<String>,
    /// How many rows have come since.
    rows: usize,
    line: Vec<u8>,
    /// The last line that says how far a table is, by schema and name.
    marks: BTreeMap<(String, String), Vec<u8>>,
    /// They are to be written into a new file.
    retells: bool,
}

impl Lines {
    /// Tables of which an earlier run has told how far they are; `rotated`: in another file.
    pub fn told_before(
        &mut self,
        marks: impl Iterator<Item = ((String, String), Vec<u8>)>,
        rotated: bool,
    ) {
        self.marks.extend(marks);
        self.retells = rotated;
    }

    /// A table begins, of which these rows were printed before.
    pub fn begin(&mut self, table: &Table, told: Told) {
        self.told = told;
        self.key_names = table.key_names().map(str::to_owned).collect();
        self.rows = 0;
    }

    /// Returns `true` if there are rows that were printed before.
    pub fn skips(&self) -> bool {
        !self.told.is_empty()
    }

    /// A change of the table was printed, as the last line of `lines`.
    pub fn follow(&mut self, lines: &[u8]) {
        match effect(lines, &self.key_names) {
            Some(effect) => self.told.follow(&effect),
            // Perhaps another row has now the key of one that was printed.
            None => self.told.clear(),
        }
    }

    /// Prints what the snapshot says. The formats that have snapshots can tell every event, so what
    /// printing returns says nothing.
    pub fn print(&mut self, event: &Event<'_>, out: &mut Output<'_>) {
        self.line.clear();
        match event.body {
            Body::Snapshot { .. } if self.skips() => {
                let _ = out.printer.print(event, &mut self.line);
                if !self.was_told() {
                    self.append(event, out);
                }
            }
            // Only up to here the next run would know what was printed.
            Body::SnapshotProgress { .. } if self.skips() && self.rows < ENOUGH => {}
            Body::SnapshotProgress { relation, .. } | Body::SnapshotDone { relation } => {
                self.told.clear();
                let _ = out.printer.print(event, &mut self.line);
                self.append(event, out);
                let table = (relation.schema.clone(), relation.table.clone());
                self.marks.insert(table, self.line.clone());
            }
            _ => {
                let _ = out.printer.print(event, out.sink);
            }
        }
    }

    /// Says in a new file how far the tables are; all that committed before `position` has come.
    pub fn tell_again(&mut self, position: Lsn, sink: &mut dyn Sink) {
        self.retells = false;
        if !sink.resumes() {
            return;
        }
        for line in self.marks.values() {
            let found = memchr::memmem::find(line, POSITION);
            let Some((before, rest)) = found.and_then(|at| line.split_at_checked(at)) else {
                continue;
            };
            let end = rest.get(POSITION.len()..).unwrap_or_default();
            let end = end.iter().skip_while(|byte| **byte != b'"');
            let buffer = sink.buffer();
            buffer.extend_from_slice(before);
            buffer.extend_from_slice(POSITION);
            position.append_to(buffer);
            buffer.extend(end);
            sink.append(None);
        }
    }

    /// The same, if that is still to be done.
    pub fn tell_again_once(&mut self, position: Lsn, sink: &mut dyn Sink) {
        if self.retells && position.is_valid() {
            self.tell_again(position, sink);
        }
    }

    fn append(&self, event: &Event<'_>, out: &mut Output<'_>) {
        out.sink.buffer().extend_from_slice(&self.line);
        out.sink.append(Some(event));
    }

    fn was_told(&mut self) -> bool {
        self.rows += 1;
        match effect(&self.line, &self.key_names) {
            Some(Effect::Told(key)) => self.told.take(&key),
            _ => false,
        }
    }
}

/// What the last of these lines does; `None` if that cannot be told.
fn effect(lines: &[u8], key_names: &[String]) -> Option<Effect> {
    // Before it may stand what says what the table looks like.
    let last = lines
        .trim_ascii_end()
        .rsplit(|byte| *byte == b'\n')
        .next()?;
    Line::parse(last)?.effect(key_names)
}
