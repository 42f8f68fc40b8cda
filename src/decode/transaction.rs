//! Which transaction the stream is in, and the number that the next change of each has.
//!
//! Changes of a transaction come between its Begin and its Commit or, while it still runs, in
//! several stream blocks, between which there may be blocks of other transactions and whole
//! transactions. Each keeps its own count.
//!
//! What begins something may come at any time: `pg_recvlogical` appends to the same file after a
//! lost connection, and the server sends what it had not finished once more from its begin.

use crate::event::{Body, End, Event, Transaction};
use crate::lsn::Lsn;
use std::collections::HashMap;

/// The transactions that have begun and not ended.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    place: Place,
    /// The transaction at hand: what it holds counts only where `place` says so.
    current: Open,
    /// The streamed ones, except for the one whose block it is.
    streamed: HashMap<u32, Open>,
}

/// Where in the stream the next message stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Outside any transaction.
    #[default]
    Outside,
    /// Between Begin and Commit.
    Committed,
    /// Between Begin Prepare and Prepare.
    Prepared,
    /// Between Stream Start and Stream Stop.
    Block,
}

#[derive(Debug, Default)]
struct Open {
    transaction: Transaction,
    next_seq: u64,
}

impl Transactions {
    /// Where the next message stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The transaction at hand; `None` outside of any.
    pub fn current(&self) -> Option<&Transaction> {
        (self.place != Place::Outside).then_some(&self.current.transaction)
    }

    /// What happens in the transaction at hand, but is no change.
    pub fn event<'a>(&'a self, lsn: Option<Lsn>, body: Body<'a>) -> Event<'a> {
        Event {
            lsn,
            transaction: self.current(),
            subxid: None,
            seq: None,
            body,
        }
    }

    /// The change at hand, which gets its number. `xid` is that of its (sub)transaction, if it is
    /// known.
    pub fn change<'a>(
        &'a mut self,
        lsn: Option<Lsn>,
        xid: Option<u32>,
        body: Body<'a>,
    ) -> Event<'a> {
        let seq = self.next_seq();
        Event {
            seq,
            subxid: self.subtransaction(xid),
            ..self.event(lsn, body)
        }
    }

    /// The number that a change bears, where it is not that of the transaction itself.
    pub fn subtransaction(&self, xid: Option<u32>) -> Option<u32> {
        xid.filter(|_| {
            self.current()
                .is_some_and(|transaction| transaction.xid != xid)
        })
    }

    /// The number of the change at hand, and counts it. `None` outside of any transaction.
    pub fn next_seq(&mut self) -> Option<u64> {
        if self.place == Place::Outside {
            return None;
        }
        let seq = self.current.next_seq;
        self.current.next_seq += 1;
        Some(seq)
    }

    /// A transaction begins whose changes come in one piece.
    pub fn begin(&mut self, place: Place, xid: Option<u32>, end: End) {
        self.place = place;
        self.current.next_seq = 0;
        self.current.transaction.xid = xid;
        self.current.transaction.end = end;
        self.current.transaction.origin = None;
    }

    /// The transaction at hand came from there.
    pub fn set_origin(&mut self, origin: String) {
        self.current.transaction.origin = Some(origin);
    }

    /// The transaction at hand is over, or comes once more later.
    pub fn leave(&mut self) {
        self.place = Place::Outside;
    }

    /// A block of changes of a running transaction begins.
    pub fn start_block(&mut self, xid: u32, first: bool) {
        let known = self.streamed.remove(&xid).filter(|_| !first);
        self.current = known.unwrap_or_default();
        self.current.transaction.xid = Some(xid);
        self.place = Place::Block;
    }

    /// The block ends, the transaction may go on.
    pub fn stop_block(&mut self) {
        let open = std::mem::take(&mut self.current);
        if let Some(xid) = open.transaction.xid {
            self.streamed.insert(xid, open);
        }
        self.place = Place::Outside;
    }

    /// The streamed transaction `xid`, which goes on.
    pub fn streamed(&mut self, xid: u32) -> &Transaction {
        let open = self.streamed.entry(xid).or_default();
        open.transaction.xid = Some(xid);
        &open.transaction
    }

    /// The streamed transaction `xid`, which is over and no longer kept.
    pub fn end_streamed(&mut self, xid: u32) -> Transaction {
        let open = self.streamed.remove(&xid).unwrap_or_default();
        Transaction {
            xid: Some(xid),
            ..open.transaction
        }
    }
}
