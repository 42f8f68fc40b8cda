//! Where a stream ends: `--endpos`, `--until-now` and `--limit`, never in the middle of a transaction if that can be helped.
//!
//! Transactions come in the order of their commits, so the first that ends behind the position means that all before it have come.

use super::Ended;
use crate::event::{Body, End, Event};
use crate::lsn::Lsn;

/// Watches the events of a stream for its end.
pub struct Bounds {
    until: Option<Until>,
    /// How many more changes are wanted.
    left: Option<u64>,
    in_transaction: bool,
}

/// The position up to which everything is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// The position.
    pub lsn: Lsn,
    /// Is a transaction wanted whose commit record starts just there?
    pub inclusive: bool,
}

impl Bounds {
    /// Ends behind `until` or after `limit` changes, whichever comes first.
    pub fn new(until: Option<Until>, limit: Option<u64>) -> Bounds {
        Bounds { until, left: limit, in_transaction: false }
    }

    /// Up to where everything is wanted, if there is a bound.
    pub fn until(&self) -> Option<Until> {
        self.until
    }

    /// Ends behind `until`.
    pub fn end_at(&mut self, until: Until) {
        self.until = Some(until);
    }

    /// Is the stream between transactions?
    pub fn at_boundary(&self) -> bool {
        !self.in_transaction
    }

    /// A new connection starts between transactions.
    pub fn reconnected(&mut self) {
        self.in_transaction = false;
    }

    /// Does the stream end before this event?
    pub fn before(&self, event: &Event<'_>) -> Option<Ended> {
        // The end of the transaction that brought the last change wanted is still taken: then it can be confirmed.
        let enough = self.left == Some(0) && !is_end(event);
        if enough {
            return Some(Ended::AtLimit);
        }
        let passed = self.until.is_some_and(|until| until.is_passed_by(event));
        passed.then_some(Ended::AtPosition)
    }

    /// Does the stream end with this event? `counts` if it was a change that was shown.
    pub fn after(&mut self, event: &Event<'_>, counts: bool) -> Option<Ended> {
        match event.body {
            Body::Begin | Body::BeginPrepare { .. } | Body::StreamStart { .. } => self.in_transaction = true,
            _ if is_end(event) => self.in_transaction = false,
            _ => {}
        }
        if let Some(left) = self.left.as_mut().filter(|_| counts) {
            *left = left.saturating_sub(1);
        }
        if self.left == Some(0) && !self.in_transaction {
            return Some(Ended::AtLimit);
        }
        let reached = self.until.is_some_and(|until| until.is_reached_by(event));
        reached.then_some(Ended::AtPosition)
    }

    /// The same for a message that cannot be looked into: does the stream end before it, or with it?
    pub fn opaque(&mut self, start: Lsn) -> (Option<Ended>, Option<Ended>) {
        if self.until.is_some_and(|until| start > until.lsn) {
            return (Some(Ended::AtPosition), None);
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        let reached = self.until.is_some_and(|until| start == until.lsn);
        let after = if self.left == Some(0) { Some(Ended::AtLimit) } else { reached.then_some(Ended::AtPosition) };
        (None, after)
    }

    /// The server has nothing left to send that ends before `position`.
    pub fn idle_at(&self, position: Lsn) -> Option<Ended> {
        let done = self.until.is_some_and(|until| position >= until.lsn) && self.at_boundary();
        done.then_some(Ended::AtPosition)
    }
}

/// Does the event end a transaction, or a block of a streamed one?
fn is_end(event: &Event<'_>) -> bool {
    matches!(event.body, Body::Commit { .. } | Body::Prepare { .. } | Body::StreamStop)
}

impl Until {
    /// Does the event belong to a transaction that ends behind the position?
    fn is_passed_by(&self, event: &Event<'_>) -> bool {
        let behind = |lsn: Lsn| if self.inclusive { lsn > self.lsn } else { lsn >= self.lsn };
        let end = match event.transaction.map(|transaction| transaction.end) {
            Some(End::Commit { lsn, .. }) => lsn,
            Some(End::Prepare { lsn, .. }) => Some(lsn),
            Some(End::Open) | None => None,
        };
        match event.body {
            Body::Begin | Body::BeginPrepare { .. } | Body::StreamCommit { .. } | Body::StreamPrepare { .. } => {
                end.is_some_and(behind)
            }
            Body::CommitPrepared { commit_lsn, .. } => behind(commit_lsn),
            // What streams now is still in progress: all that committed before its next change has come.
            Body::StreamStart { .. } | Body::RollbackPrepared { .. } | Body::Message { transactional: false, .. } => {
                event.lsn.is_some_and(behind)
            }
            _ => false,
        }
    }

    /// Does the transaction that the event ends reach up to the position, so that none is left before it?
    fn is_reached_by(&self, event: &Event<'_>) -> bool {
        let reached = |end: Lsn| if self.inclusive { end > self.lsn } else { end >= self.lsn };
        match event.body {
            Body::Commit { end_lsn } => end_lsn.is_some_and(reached),
            Body::Prepare { end_lsn, .. } | Body::StreamCommit { end_lsn } | Body::CommitPrepared { end_lsn, .. } => {
                reached(end_lsn)
            }
            _ => false,
        }
    }
}
