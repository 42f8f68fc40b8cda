//! The lines that a snapshot makes: rows that an earlier run has printed are left out, and what
//! says how far a table is goes into every new file.

use crate::command::stream::delivery::Output;
use crate::event::{Body, Event};
use crate::lsn::Lsn;
use crate::sink::Sink;
use crate::snapshot::{Table, key_texts};
use std::collections::{BTreeMap, HashSet};

/// What stands before the position in a line that says how far a table is, and behind it.
const POSITION: &[u8] = b",\"lsn\":\"";

/// Prints the rows of a table.
#[derive(Default)]
pub struct Lines {
    /// The keys, as lines have them, of the rows that were printed before.
    printed: HashSet<Vec<String>>,
    key_names: Vec<String>,
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

    /// A table begins, of which rows with these keys were printed before.
    pub fn begin(&mut self, table: &Table, printed: HashSet<Vec<String>>) {
        self.printed = printed;
        self.key_names = table.key_names().map(str::to_owned).collect();
    }

    /// Returns `true` if there are rows that were printed before.
    pub fn skips(&self) -> bool {
        !self.printed.is_empty()
    }

    /// No row was printed before.
    pub fn skip_nothing(&mut self) {
        self.printed.clear();
    }

    /// Prints what the snapshot says. The formats that have snapshots can tell every event, so what
    /// printing returns says nothing.
    pub fn print(&mut self, event: &Event<'_>, out: &mut Output<'_>) {
        self.line.clear();
        match event.body {
            Body::Snapshot { .. } if self.skips() => {
                let _ = out.printer.print(event, &mut self.line);
                if !self.was_printed() {
                    self.append(event, out);
                }
            }
            Body::SnapshotProgress { relation, .. } | Body::SnapshotDone { relation } => {
                self.printed.clear();
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

    fn was_printed(&self) -> bool {
        let names = self.key_names.iter().map(String::as_str);
        // Before it may stand what says what the table looks like.
        let lines = self.line.trim_ascii_end().rsplit(|byte| *byte == b'\n');
        let key = lines
            .take(1)
            .find_map(|line| key_texts(line, names.clone()));
        key.is_some_and(|key| self.printed.contains(&key))
    }
}
