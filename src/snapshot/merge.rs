//! The rows that are there already, and the changes of the stream, in the order in which they make
//! the table.
//!
//! A chunk of rows was read by a snapshot; its position H is where the WAL ended just then. The
//! stream goes on meanwhile, and is merged like this:
//!
//! * What the snapshot sees is older than the rows, and is printed as ever.
//! * What it does not see is newer. Before it touches a row that is held, the row is printed. What
//!   the snapshot sees of that row has come by then: whoever changes a row, or the key that another
//!   has left, waits until all who did so before are seen to be done.
//! * All that the snapshot sees has committed before H. So there the rest of the rows is printed.
//!
//! A row that moves from where nobody has read yet to where all was read is in no chunk. If the
//! update does not bring all of it, as it does not bring what is TOASTed and was left alone, the
//! row is asked for once more.
//!
//! What was printed must be seen by the snapshot of the next chunk: [`Printed`] tells whether it
//! is.

use super::held::{Held, Key, key_values, write_key};
use super::table::Table;
use super::visibility::{Printed, Visibility};
use crate::event::{Body, Cell, End, Event, PerRelation, Relation, Span, Tuple};
use crate::lsn::Lsn;
use std::collections::HashSet;

/// So many rows are asked for once more at the most; if more have moved, the table is read from its
/// beginning.
const MOST_REQUESTS: usize = 5000;

/// Takes what is to be printed.
pub type Print<'p> = dyn FnMut(&Event<'_>) + 'p;

/// A row to be asked for once more, by its new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its key now.
    pub key: Key,
    /// Where it came from; `None`: it is to be asked for whatever that was.
    pub moved: Option<Moved>,
}

/// A row has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Its key before; `None`: it was to be asked for there.
    pub from: Option<Key>,
    /// It is only in no chunk if it came from behind this, and is now not behind it.
    pub past: Key,
}

/// The rows of a chunk and how they were read.
#[derive(Debug)]
pub struct Chunk {
    /// The rows.
    pub held: Held,
    /// What was seen of them.
    pub visibility: Visibility,
    /// Where the WAL ended then.
    pub end: Lsn,
    /// Where in the table they are.
    pub place: Place,
}

/// Where the rows of a chunk are in their table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind those that were read before; more are to come.
    Next,
    /// Behind those that were read before; no more are to come.
    Last,
    /// Anywhere: they were asked for once more.
    Again,
}

/// What is to be read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// The rows behind this key, or from the first on.
    After(Option<Key>),
    /// These rows, once more.
    Again(Vec<Request>),
}

/// Merges the rows of one table after the other with the stream.
#[derive(Debug, Default)]
pub struct Merge {
    printed: Printed,
    table: Option<Current>,
    chunk: Option<Chunk>,
    /// Where the key is in the tables as the stream has them.
    keys: PerRelation<Vec<usize>>,
    /// Whether the chunk's snapshot sees the transaction at hand.
    seen: bool,
    /// The memory of a chunk that was printed.
    spare: Held,
    /// The table of which all was printed.
    finished: Option<Table>,
    /// How many rows were printed.
    pub rows: u64,
}

/// The table that is read.
#[derive(Debug)]
struct Current {
    table: Table,
    relation: Relation,
    /// The rows up to this key were printed, and told to be.
    through: Option<Key>,
    /// The rows up to this key were read.
    read_to: Option<Key>,
    /// All rows were read.
    exhausted: bool,
    /// Behind `through`, these were printed already.
    done: HashSet<Key>,
    requests: Vec<Request>,
    /// What the chunk was asked for, if it is such a one.
    asked: Vec<Request>,
    /// Too many rows have moved.
    overrun: bool,
}

impl Merge {
    /// A table begins, behind this key if some of it was printed before. Its relation has a new
    /// `index`.
    pub fn begin(&mut self, table: Table, index: usize, through: Option<Key>) {
        self.chunk = None;
        self.keys = PerRelation::default();
        self.table = Some(Current {
            relation: table.relation(index),
            table,
            read_to: through.clone(),
            through,
            exhausted: false,
            done: HashSet::new(),
            requests: Vec::new(),
            asked: Vec::new(),
            overrun: false,
        });
    }

    /// The table is another now, with the same key: goes on with it where the old one was.
    pub fn redefine(&mut self, table: Table, index: usize) {
        self.drop_chunk();
        self.keys = PerRelation::default();
        if let Some(current) = &mut self.table {
            current.relation = table.relation(index);
            current.table = table;
        }
    }

    /// The table is gone.
    pub fn abandon(&mut self) {
        (self.table, self.chunk) = (None, None);
    }

    /// The table that is read.
    pub fn table(&self) -> Option<&Table> {
        self.table.as_ref().map(|current| &current.table)
    }

    /// The same, as renderers know it.
    pub fn relation(&self) -> Option<&Relation> {
        self.table.as_ref().map(|current| &current.relation)
    }

    /// Rows that an earlier run asks for.
    pub fn request(&mut self, requests: Vec<Request>) {
        if let Some(current) = &mut self.table {
            requests
                .into_iter()
                .for_each(|request| current.request(request));
        }
    }

    /// A transaction was printed by an earlier run.
    pub fn was_printed(&mut self, xid: u32) {
        self.printed.add(xid);
    }

    /// What is to be read next; `None` as long as there is a chunk, and if no table is read.
    pub fn want(&self) -> Option<Want> {
        let current = self.table.as_ref().filter(|_| self.chunk.is_none())?;
        Some(current.want())
    }

    /// What is to be read once the chunk is printed, if it is not changed by then.
    pub fn want_next(&self) -> Option<Want> {
        let (current, chunk) = (self.table.as_ref()?, self.chunk.as_ref()?);
        let goes_on = chunk.place == Place::Next && current.requests.is_empty();
        goes_on.then(|| Want::After(current.read_to.clone()))
    }

    /// Takes a chunk. Returns it if it must be read anew, because its snapshot does not see all
    /// that was printed.
    pub fn take(&mut self, chunk: Chunk) -> Option<Chunk> {
        let Some(current) = &mut self.table else {
            return Some(chunk);
        };
        if !self.printed.are_seen_by(&chunk.visibility) {
            return Some(chunk);
        }
        let last = chunk.held.len().checked_sub(1);
        match chunk.place {
            Place::Again => {
                current.asked = std::mem::take(&mut current.requests);
            }
            Place::Next | Place::Last => {
                current.exhausted = chunk.place == Place::Last;
                current.read_to = last
                    .map(|last| chunk.held.key_of(last))
                    .or(current.read_to.take());
            }
        }
        self.chunk = Some(chunk);
        None
    }

    /// Where the stream has to come so that the rest of the chunk can be printed.
    pub fn end(&self) -> Option<Lsn> {
        self.chunk.as_ref().map(|chunk| chunk.end)
    }

    /// The chunk was read from a server that may be another now: what was not printed of it is read
    /// again.
    pub fn drop_chunk(&mut self) {
        let (Some(chunk), Some(current)) = (self.chunk.take(), &mut self.table) else {
            return;
        };
        match chunk.place {
            Place::Again => {
                let printed: HashSet<Key> = chunk.held.keys(true).collect();
                for request in std::mem::take(&mut current.asked) {
                    if !printed.contains(&request.key) {
                        current.request(request);
                    }
                }
            }
            Place::Next | Place::Last => {
                current.done.extend(chunk.held.keys(true));
                let read_to = std::mem::replace(&mut current.read_to, current.through.clone());
                current.ask_up_to(read_to);
                current.exhausted = false;
            }
        }
        self.spare = chunk.held;
    }

    /// Memory for the next chunk.
    pub fn take_spare(&mut self) -> Held {
        std::mem::take(&mut self.spare)
    }

    /// The table of which all was printed since this was asked.
    pub fn take_finished(&mut self) -> Option<Table> {
        self.finished.take()
    }

    /// Called with every event before it is printed. Prints the rows that have to come first.
    pub fn before(&mut self, event: &Event<'_>, print: &mut Print<'_>) {
        if let (None, Some(_), Some(lsn)) = (event.transaction, event.id(), event.lsn) {
            // What is outside transactions comes when all that committed before it has come.
            self.reach(lsn, print);
        }
        match event.body {
            Body::Begin => {
                let transaction = event.transaction;
                let end = transaction.map(|transaction| transaction.end);
                if let Some(End::Commit { lsn: Some(lsn), .. }) = end {
                    self.reach(lsn, print);
                }
                self.begin_transaction(transaction.and_then(|transaction| transaction.xid));
            }
            Body::Relation { relation, .. } => self.look_for_key(relation),
            Body::Insert { relation, new } => self.touch(relation, None, Some(&new), print),
            Body::Update { relation, old, new } => {
                self.touch(relation, old.as_ref(), Some(&new), print)
            }
            Body::Delete { relation, old } => self.touch(relation, Some(&old), None, print),
            Body::Truncate { relation, .. } if self.is_about(relation) && !self.seen => {
                // Nobody else could do anything to the table until it was done.
                self.print_all(print);
            }
            _ => (),
        }
    }

    /// Called in its stead with every event that was printed before.
    pub fn repeated(&mut self, event: &Event<'_>) {
        if let Body::Begin = event.body {
            self.begin_transaction(event.transaction.and_then(|transaction| transaction.xid));
        }
    }

    /// All that committed before `position` has come. Prints the rest of the chunk if that was
    /// waited for.
    pub fn reach(&mut self, position: Lsn, print: &mut Print<'_>) {
        if self.chunk.as_ref().is_none_or(|chunk| position < chunk.end) {
            return;
        }
        self.print_all(print);
        let (Some(chunk), Some(current)) = (self.chunk.take(), &mut self.table) else {
            return;
        };
        self.spare = chunk.held;
        current.asked.clear();
        if current.overrun {
            current.restart();
        }
        let mut event = Event {
            lsn: Some(chunk.end),
            transaction: None,
            subxid: None,
            seq: None,
            body: Body::SnapshotDone {
                relation: &current.relation,
            },
        };
        if !current.requests.is_empty() || !current.exhausted && current.read_to.is_none() {
            // Only when they have come, too, is nothing lost with a kill.
            return;
        }
        if current.exhausted {
            print(&event);
            self.finished = self.table.take().map(|current| current.table);
            return;
        }
        if current.through == current.read_to {
            // It was told already; what was printed behind it still counts.
            return;
        }
        current.done.clear();
        current.through = current.read_to.clone();
        let (mut data, mut spans) = (Vec::new(), Vec::new());
        event.body = Body::SnapshotProgress {
            relation: &current.relation,
            through: current.through_row(&mut data, &mut spans),
        };
        print(&event);
    }

    fn begin_transaction(&mut self, xid: Option<u32>) {
        let Some(xid) = xid else {
            return;
        };
        let chunk = self.chunk.as_ref();
        self.seen = chunk.is_some_and(|chunk| chunk.visibility.sees(xid));
        // What this snapshot sees the next ones see, too.
        if !self.seen {
            self.printed.add(xid);
        }
    }

    fn is_about(&self, relation: &Relation) -> bool {
        self.table
            .as_ref()
            .is_some_and(|current| current.table.oid == relation.oid)
    }

    fn look_for_key(&mut self, relation: &Relation) {
        let Some(current) = self.table.as_ref() else {
            return;
        };
        if current.table.oid != relation.oid {
            return;
        }
        let place = |name: &str| {
            relation
                .columns
                .iter()
                .position(|column| column.name == name)
        };
        let places = current.table.key_names().map(place);
        // Where one is missing no key is found, and `touch` sees that.
        let places = places.map(|place| place.unwrap_or(usize::MAX)).collect();
        self.keys.set(relation, places);
    }

    fn touch(
        &mut self,
        relation: &Relation,
        old: Option<&Tuple<'_>>,
        new: Option<&Tuple<'_>>,
        print: &mut Print<'_>,
    ) {
        if !self.is_about(relation) {
            return;
        }
        if self.keys.get(relation).is_none() {
            self.look_for_key(relation);
        }
        let Some(columns) = self.keys.get(relation) else {
            return;
        };
        let key = |row: Option<&Tuple<'_>>| {
            let mut key = Key::new();
            row.filter(|row| write_key(row, columns, &mut key))
                .is_some()
                .then_some(key)
        };
        let (from, to) = (key(old), key(new));
        let unknown = match (old, new) {
            (Some(_), None) => from.is_none(),
            _ => to.is_none(),
        };
        if unknown && !self.seen {
            // Which row it is cannot be told: it is read again, with what is done to it now.
            self.drop_chunk();
        }
        let mut held = false;
        if !self.seen {
            held = from.as_ref().is_some_and(|key| self.print_one(key, print));
            if let Some(key) = &to {
                // It may have been another row's.
                self.print_one(key, print);
            }
        }
        if let (Some(from), Some(to), Some(new)) = (from, to, new)
            && from != to
            && new.cells().any(|cell| cell == Cell::Unchanged)
        {
            self.moved(from, to, held);
        }
    }

    /// A row has moved, and not all of it came with the update.
    fn moved(&mut self, from: Key, to: Key, held: bool) {
        let (seen, chunk) = (self.seen, self.chunk.as_ref());
        let Some(current) = &mut self.table else {
            return;
        };
        // It is another row than the one that was printed there, if one was.
        current.done.remove(&to);
        let is_for = |request: &Request| request.key == from;
        // It is not where it was asked for.
        let asked =
            !held && current.asked.iter().any(is_for) || current.requests.iter().any(is_for);
        let past = match chunk.map(|chunk| chunk.place) {
            // It was printed just now, before it moved.
            _ if held => None,
            Some(Place::Next | Place::Last) if seen => current.through.clone(),
            _ if current.exhausted => None,
            _ => current.read_to.clone(),
        };
        let from = (!asked).then_some(from);
        let moved = past.map(|past| Moved { from, past });
        if asked || moved.is_some() {
            current.request(Request { key: to, moved });
        }
    }

    /// Prints the row with this key if it is held; returns `true` if there is one, printed or not.
    fn print_one(&mut self, key: &[u8], print: &mut Print<'_>) -> bool {
        let found = self.chunk.as_mut().and_then(|chunk| chunk.held.find(key));
        if let Some(number) = found {
            self.print(number, &mut Vec::new(), print);
        }
        found.is_some()
    }

    fn print_all(&mut self, print: &mut Print<'_>) {
        let mut spans = Vec::new();
        let count = self.chunk.as_ref().map_or(0, |chunk| chunk.held.len());
        (0..count).for_each(|number| self.print(number, &mut spans, print));
    }

    fn print(&mut self, number: usize, spans: &mut Vec<Span>, print: &mut Print<'_>) {
        let (Some(chunk), Some(current)) = (&mut self.chunk, &self.table) else {
            return;
        };
        if !chunk.held.take(number) {
            return;
        }
        let again = chunk.place == Place::Again;
        if !again && !current.done.is_empty() && current.done.contains(&chunk.held.key_of(number)) {
            return;
        }
        self.rows += 1;
        print(&Event {
            lsn: Some(chunk.end),
            transaction: None,
            subxid: None,
            seq: None,
            body: Body::Snapshot {
                relation: &current.relation,
                row: chunk.held.row(number, spans),
            },
        });
    }
}

impl Current {
    fn want(&self) -> Want {
        match self.requests.is_empty() {
            true => Want::After(self.read_to.clone()),
            false => Want::Again(self.requests.clone()),
        }
    }

    fn request(&mut self, request: Request) {
        match self.requests.len() < MOST_REQUESTS {
            true => self.requests.push(request),
            false => self.overrun = true,
        }
    }

    /// What was read up to there, and not told to be, is read again: there nothing is to be asked
    /// for.
    fn ask_up_to(&mut self, read_to: Option<Key>) {
        let through = &self.through;
        self.requests
            .retain_mut(|request| match &mut request.moved {
                Some(moved) if Some(&moved.past) == read_to.as_ref() => match through {
                    Some(through) => {
                        moved.past.clone_from(through);
                        true
                    }
                    None => false,
                },
                _ => true,
            });
    }

    /// Reads the table from its beginning.
    fn restart(&mut self) {
        self.requests.clear();
        self.done.clear();
        (self.through, self.read_to) = (None, None);
        (self.exhausted, self.overrun) = (false, false);
    }

    /// The columns of `through`, and nothing of the others.
    fn through_row<'a>(&self, data: &'a mut Vec<u8>, spans: &'a mut Vec<Span>) -> Tuple<'a> {
        spans.resize(self.relation.columns.len(), Span::Absent);
        let key = self.through.as_deref().unwrap_or_default();
        for (column, value) in self.table.key_columns().into_iter().zip(key_values(key)) {
            let start = data.len();
            data.extend_from_slice(value);
            let end = data.len();
            if let Some(span) = spans.get_mut(column) {
                *span = Span::Text { start, end };
            }
        }
        Tuple::new(data, spans)
    }
}

#[cfg(test)]
mod tests;
