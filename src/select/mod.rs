//! Which events are shown, and with what around them: [`Selection`] stands between the decoder and
//! the renderer. [`Repeats`] and [`Bounds`], which the stream asks first, drop what was delivered
//! before and end the stream where it was to end.

pub mod bounds;
pub mod filter;
mod repeats;
#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use filter::{Filter, Operation, Operations, pattern};
pub use repeats::Repeats;

use crate::event::{Body, Event, EventId, PerRelation, Place, Relation, Transaction};
use crate::lsn::Lsn;
use std::collections::{BTreeSet, HashSet};

/// Takes what is shown.
pub trait Chosen {
    /// Called before the first event of a table's rows, again where it was not used for long, and
    /// when its shape, or a type of it, may have changed (`anew`).
    fn prepare(&mut self, relation: &Relation, anew: bool);

    /// The next event that is shown.
    fn event(&mut self, event: &Event<'_>);
}

/// What is shown around changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// `begin` and `commit` of transactions that come in one piece. Streamed and two-phase
    /// transactions have theirs in any case: their changes mean nothing without their end.
    pub transactions: bool,
    /// A `relation` before the first change of a table that is shown, and after it has changed its
    /// shape.
    pub relations: bool,
}

/// Chooses events by the filter, and holds the begin of a transaction back until the first of its
/// changes that is shown, so that empty transactions show nothing.
pub struct Selection {
    filter: Filter,
    frames: Frames,
    tables: PerRelation<Operations>,
    /// How many tables were announced.
    announced: usize,
    /// The tables whose `relation` must still be shown, by their indexes.
    pending: HashSet<usize>,
    frame: Frame,
    /// The transaction that `frame` tells of, if its end is known.
    frame_end: Option<Lsn>,
    held: Held,
    /// Streamed transactions that are still open and had something shown.
    streamed: BTreeSet<Option<u32>>,
    /// Prepared transactions, by `gid`, of which nothing was shown, so that their end is not
    /// either.
    unshown: HashSet<Vec<u8>>,
}

/// How far the current transaction, or block of a streamed one, is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// Between transactions.
    Outside,
    /// Its begin waits for a change.
    Held,
    /// Its begin is shown, so its end will be.
    Shown,
}

/// The last begin, which waits for a change if the frame says so.
#[derive(Debug, Default)]
struct Held {
    lsn: Option<Lsn>,
    transaction: Option<Transaction>,
    kind: Begin,
    /// Of a prepared transaction.
    gid: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begin {
    #[default]
    Transaction,
    Prepared,
    Block,
}

impl Selection {
    /// Shows what `filter` lets through, with `frames` around it.
    pub fn new(filter: Filter, frames: Frames) -> Selection {
        Selection {
            filter,
            frames,
            tables: PerRelation::default(),
            announced: 0,
            pending: HashSet::new(),
            frame: Frame::Outside,
            frame_end: None,
            held: Held::default(),
            streamed: BTreeSet::new(),
            unshown: HashSet::new(),
        }
    }

    /// Takes the next event and hands on what is to be shown: nothing, the event, or also what has
    /// waited for it. Returns `true` if it is a change or a message that is shown.
    pub fn take(&mut self, event: &Event<'_>, chosen: &mut impl Chosen) -> bool {
        let operation = match event.body {
            Body::Insert { .. } => Operation::Insert,
            Body::Update { .. } => Operation::Update,
            Body::Delete { .. } => Operation::Delete,
            Body::Truncate { .. } => Operation::Truncate,
            Body::Message { .. } if self.filter.shows_messages() => {
                return self.show(event, chosen);
            }
            Body::Message { .. } => return false,
            // No filter hides it, as nobody knows what it would have been.
            Body::Undecodable { .. } => return self.show(event, chosen),
            Body::Relation { relation, changed } => {
                self.announce(relation, changed, chosen);
                return false;
            }
            Body::Type { .. } => return false,
            Body::Snapshot { relation, .. }
            | Body::SnapshotProgress { relation, .. }
            | Body::SnapshotDone { relation } => return self.existing(event, relation, chosen),
            _ => {
                self.bound(event, chosen);
                return false;
            }
        };
        event
            .body
            .relation()
            .is_some_and(|relation| self.change(event, relation, operation, chosen))
    }

    /// Takes an event that was shown before, as was all up to `after`. Where that lies within a
    /// transaction its begin has been shown, unless it is known here to be still held.
    pub fn skip(&mut self, event: &Event<'_>, after: EventId) {
        let (Body::Begin | Body::BeginPrepare { .. }) = event.body else {
            return;
        };
        let end = event.id().map(|position| position.lsn);
        if end == Some(after.lsn) && after.place != Place::End && self.frame_end != end {
            self.frame = Frame::Shown;
            self.frame_end = end;
        }
    }

    /// What was shown of the shapes of tables is to be shown again.
    pub fn announce_again(&mut self) {
        if self.frames.relations {
            self.pending.extend(0..self.announced);
        }
    }

    /// The connection has ended: the next one knows nothing of the streamed transactions that are
    /// still open, and whichever of them commits comes once more as a whole. So an abort is shown
    /// for what was shown of them.
    pub fn abort_streamed(&mut self, chosen: &mut impl Chosen) {
        if self.held.kind == Begin::Block {
            if let (Frame::Shown, Some(block)) = (self.frame, &self.held.transaction) {
                chosen.event(&bound_of(block, Body::StreamStop));
            }
            self.frame = Frame::Outside;
        }
        for xid in std::mem::take(&mut self.streamed) {
            let transaction = Transaction {
                xid,
                ..Transaction::default()
            };
            let abort = Body::StreamAbort {
                abort_lsn: None,
                abort_time: None,
            };
            chosen.event(&bound_of(&transaction, abort));
        }
    }

    fn change(
        &mut self,
        event: &Event<'_>,
        relation: &Relation,
        operation: Operation,
        chosen: &mut impl Chosen,
    ) -> bool {
        let operations = match self.tables.get(relation) {
            Some(operations) => *operations,
            None => self.prepare(relation, false, chosen),
        };
        if !operations.contains(operation) {
            return false;
        }
        self.open(event, chosen);
        if !self.pending.is_empty() && self.pending.remove(&relation.index) {
            self.show_relation(event, relation, chosen);
        }
        chosen.event(event);
        true
    }

    /// Gets ready for a table whose rows come without being announced.
    pub fn existing_table(&mut self, relation: &Relation, chosen: &mut impl Chosen) -> Operations {
        if self.frames.relations {
            self.pending.insert(relation.index);
        }
        self.prepare(relation, true, chosen)
    }

    /// What is told of a table beside the stream: it opens no transaction.
    fn existing(
        &mut self,
        event: &Event<'_>,
        relation: &Relation,
        chosen: &mut impl Chosen,
    ) -> bool {
        let operations = match self.tables.get(relation) {
            Some(operations) => *operations,
            None => self.existing_table(relation, chosen),
        };
        if operations.has_no_table_operation() {
            return false;
        }
        let is_row = matches!(event.body, Body::Snapshot { .. });
        if is_row && !self.pending.is_empty() && self.pending.remove(&relation.index) {
            self.show_relation(event, relation, chosen);
        }
        chosen.event(event);
        is_row
    }

    /// A change that is no table's.
    fn show(&mut self, event: &Event<'_>, chosen: &mut impl Chosen) -> bool {
        if event.transaction.is_some() {
            self.open(event, chosen);
        }
        chosen.event(event);
        true
    }

    fn announce(&mut self, relation: &Relation, changed: bool, chosen: &mut impl Chosen) {
        let anew = relation.index < self.announced;
        self.announced = self.announced.max(relation.index + 1);
        let operations = self.prepare(relation, anew, chosen);
        if changed && self.frames.relations && !operations.has_no_table_operation() {
            self.pending.insert(relation.index);
        }
    }

    fn prepare(&mut self, relation: &Relation, anew: bool, chosen: &mut impl Chosen) -> Operations {
        let operations = self.filter.operations_of(&relation.schema, &relation.table);
        if !operations.has_no_table_operation() {
            chosen.prepare(relation, anew);
        }
        self.tables.set(relation, operations);
        operations
    }

    fn show_relation(&mut self, change: &Event<'_>, relation: &Relation, chosen: &mut impl Chosen) {
        let body = Body::Relation {
            relation,
            changed: true,
        };
        chosen.event(&Event {
            subxid: None,
            seq: None,
            body,
            ..*change
        });
    }

    /// Shows the begin that has been held back.
    fn open(&mut self, event: &Event<'_>, chosen: &mut impl Chosen) {
        if self.frame != Frame::Held {
            return;
        }
        self.frame = Frame::Shown;
        let body = match self.held.kind {
            Begin::Transaction if !self.frames.transactions => return,
            Begin::Transaction => Body::Begin,
            Begin::Prepared => Body::BeginPrepare {
                gid: &self.held.gid,
            },
            // The first block that is shown, whatever came before it without being shown.
            Begin::Block => Body::StreamStart {
                first: self.streamed.insert(xid(event)),
            },
        };
        chosen.event(&Event {
            lsn: self.held.lsn,
            transaction: self.held.transaction.as_ref(),
            subxid: None,
            seq: None,
            body,
        });
    }

    /// An event at the bounds of a transaction.
    fn bound(&mut self, event: &Event<'_>, chosen: &mut impl Chosen) {
        let was_shown = self.frame == Frame::Shown;
        let show = match event.body {
            Body::Begin => return self.hold(event, Begin::Transaction, b""),
            Body::BeginPrepare { gid } => return self.hold(event, Begin::Prepared, gid),
            Body::StreamStart { .. } => return self.hold(event, Begin::Block, b""),
            Body::Commit { .. } => {
                self.frame = Frame::Outside;
                was_shown && self.frames.transactions
            }
            Body::Prepare { gid, .. } => {
                self.frame = Frame::Outside;
                self.ends_prepared(was_shown, gid)
            }
            Body::StreamStop => {
                self.frame = Frame::Outside;
                was_shown
            }
            Body::StreamAbort { .. } if event.subxid.is_some() => {
                self.streamed.contains(&xid(event))
            }
            Body::StreamCommit { .. } | Body::StreamAbort { .. } => {
                self.streamed.remove(&xid(event))
            }
            Body::StreamPrepare { gid, .. } => {
                let shown = self.streamed.remove(&xid(event));
                self.ends_prepared(shown, gid)
            }
            Body::CommitPrepared { gid, .. } | Body::RollbackPrepared { gid, .. } => {
                !self.unshown.remove(gid)
            }
            _ => false,
        };
        if show {
            chosen.event(event);
        }
    }

    fn hold(&mut self, event: &Event<'_>, kind: Begin, gid: &[u8]) {
        self.frame = Frame::Held;
        self.frame_end = event.id().map(|position| position.lsn);
        self.held.lsn = event.lsn;
        self.held.transaction = event.transaction.cloned();
        self.held.kind = kind;
        self.held.gid.clear();
        self.held.gid.extend_from_slice(gid);
    }

    fn ends_prepared(&mut self, shown: bool, gid: &[u8]) -> bool {
        if !shown {
            self.unshown.insert(gid.to_vec());
        }
        shown
    }
}

fn bound_of<'a>(transaction: &'a Transaction, body: Body<'a>) -> Event<'a> {
    Event {
        lsn: None,
        transaction: Some(transaction),
        subxid: None,
        seq: None,
        body,
    }
}

fn xid(event: &Event<'_>) -> Option<u32> {
    event.transaction.and_then(|transaction| transaction.xid)
}
