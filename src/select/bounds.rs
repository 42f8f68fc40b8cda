//! Where a stream ends: `--endpos`, `--until-now` and `--limit`.
//!
//! Transactions come in the order of their commits, so the first that ends behind the position
//! means that all before it have come.
//!
//! A stream ends between transactions, as a slot can only be confirmed from one to the next: the
//! next run would get the transaction once more as a whole, and with a limit smaller than the
//! transaction never get past it. `--limit` may end it within one only where that does not matter:
//! the output can be resumed there, or nothing is confirmed anyway.

use crate::event::{Body, End, Event, EventId};
use crate::lsn::Lsn;
use std::collections::HashSet;

/// What a stream can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The position of `--endpos` or `--until-now`.
    EndPosition,
    /// The number of changes of `--limit`.
    Limit,
}

/// Watches the events of a stream for its end.
pub struct Bounds {
    until: Option<Until>,
    limit: Option<Limit>,
    in_transaction: bool,
    /// The output ends in the middle of a transaction that the server is to send once more.
    cut: bool,
}

/// How many changes are wanted.
pub struct Limit {
    /// How many more.
    left: u64,
    /// Whether the stream may end within a transaction.
    within_transactions: bool,
    /// What comes up to there has been counted already, and is wanted again.
    again: Option<EventId>,
    /// The transactions in progress of which changes were counted.
    open: HashSet<Option<u32>>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was taken, and the stream goes on.
    Whole,
    /// It was taken, and ends the stream.
    Last(Bound),
    /// The stream ends before it: it was not taken, and must not be confirmed.
    Refused(Bound),
}

/// The position up to which everything is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// The position.
    pub lsn: Lsn,
    /// Whether a transaction is wanted whose commit record starts just there.
    pub inclusive: bool,
    /// Whether the server's WAL went beyond the position when the stream began. Then something
    /// starts just there.
    pub passed: bool,
}

impl Bounds {
    /// Ends after the changes that `limit` wants.
    pub fn new(limit: Option<Limit>) -> Bounds {
        Bounds {
            until: None,
            limit,
            in_transaction: false,
            cut: false,
        }
    }

    /// Up to where everything is wanted, if there is a bound.
    pub fn until(&self) -> Option<Until> {
        self.until
    }

    /// Ends behind `until`, too, if that comes first.
    pub fn end_at(&mut self, until: Until) {
        self.until = Some(until);
    }

    /// Returns `true` if stream and output are between transactions.
    pub fn at_boundary(&self) -> bool {
        !self.in_transaction && !self.cut
    }

    /// A new connection starts between transactions; the output may not.
    pub fn reconnected(&mut self) {
        self.cut |= self.in_transaction;
        self.in_transaction = false;
        if let Some(limit) = &mut self.limit {
            limit.open.clear();
        }
    }

    /// The output lacks some of what came up to there, which comes again.
    pub fn rewind(&mut self, last: Option<EventId>) {
        (self.in_transaction, self.cut) = (false, false);
        if let Some(limit) = &mut self.limit {
            limit.again = limit.again.max(last);
            limit.open.clear();
        }
    }

    /// The output ends with a part of a transaction, or with all of it: that only shows when the
    /// server sends it again, or does not.
    pub fn resume_within(&mut self) {
        self.cut = true;
    }

    /// The server has passed the place where the output was cut.
    pub fn passed_cut(&mut self) {
        self.cut = false;
    }

    /// Why the stream ends before this event, if it does.
    pub fn before(&self, event: &Event<'_>) -> Option<Bound> {
        // The end of the transaction that brought the last change wanted is still taken: then it
        // can be confirmed.
        let is_enough = |limit: &Limit| {
            limit.left == 0 && limit.within_transactions && !limit.comes_again(event)
        };
        let enough = self.limit.as_ref().is_some_and(is_enough) && !is_end(event);
        if enough {
            return Some(Bound::Limit);
        }
        let passed = self.until.is_some_and(|until| until.is_passed_by(event));
        passed.then_some(Bound::EndPosition)
    }

    /// Why the stream ends with this event, if it does. `counts` if it was a change that was shown.
    pub fn after(&mut self, event: &Event<'_>, counts: bool) -> Option<Bound> {
        match event.body {
            Body::Begin | Body::BeginPrepare { .. } | Body::StreamStart { .. } => {
                self.in_transaction = true
            }
            _ if is_end(event) => (self.in_transaction, self.cut) = (false, false),
            _ => {}
        }
        if let Some(limit) = &mut self.limit {
            limit.count(event, counts);
            if limit.is_reached_between() && !self.in_transaction {
                return Some(Bound::Limit);
            }
        }
        let reached = self.until.is_some_and(|until| until.is_reached_by(event));
        reached.then_some(Bound::EndPosition)
    }

    /// The same for a message that cannot be decoded.
    pub fn opaque(&mut self, start: Lsn) -> Taken {
        if !self.in_transaction && self.until.is_some_and(|until| start > until.lsn) {
            return Taken::Refused(Bound::EndPosition);
        }
        if let Some(limit) = &mut self.limit {
            limit.left = limit.left.saturating_sub(1);
            if limit.is_reached_within() || limit.is_reached_between() && !self.in_transaction {
                return Taken::Last(Bound::Limit);
            }
        }
        let reached = self.until.is_some_and(|until| start == until.lsn);
        match reached && !self.in_transaction {
            true => Taken::Last(Bound::EndPosition),
            false => Taken::Whole,
        }
    }

    /// The server has nothing left to send that commits before `position`.
    pub fn idle_at(&mut self, position: Lsn) -> Option<Bound> {
        let done =
            self.until.is_some_and(|until| until.is_passed_at(position)) && !self.in_transaction;
        done.then_some(Bound::EndPosition)
    }
}

impl Limit {
    /// Ends after `changes`; within a transaction only if that is said.
    pub fn new(changes: u64, within_transactions: bool) -> Limit {
        Limit {
            left: changes,
            within_transactions,
            again: None,
            open: HashSet::new(),
        }
    }

    fn count(&mut self, event: &Event<'_>, counts: bool) {
        let counts = counts && !self.comes_again(event);
        self.again.take_if(|again| event.id() >= Some(*again));
        let Some(transaction) = event.transaction else {
            self.left = self.left.saturating_sub(counts.into());
            return;
        };
        match event.body {
            Body::StreamCommit { .. } | Body::StreamPrepare { .. } => {
                self.open.remove(&transaction.xid);
            }
            Body::StreamAbort { .. } if event.subxid.is_none() => {
                self.open.remove(&transaction.xid);
            }
            _ if counts => {
                self.left = self.left.saturating_sub(1);
                if transaction.end == End::Open {
                    self.open.insert(transaction.xid);
                }
            }
            _ => {}
        }
    }

    /// Returns `true` if the event has come before.
    fn comes_again(&self, event: &Event<'_>) -> bool {
        self.again.is_some() && event.id() <= self.again
    }

    /// Returns `true` if enough changes have come, and the stream may end wherever it is.
    fn is_reached_within(&self) -> bool {
        self.again.is_none() && self.left == 0 && self.within_transactions
    }

    /// Returns `true` if enough changes have come, and all that has come is decided.
    fn is_reached_between(&self) -> bool {
        let is_decided = self.within_transactions || self.open.is_empty();
        self.again.is_none() && self.left == 0 && is_decided
    }
}

/// Returns `true` if the event ends a transaction, or a block of a streamed one.
fn is_end(event: &Event<'_>) -> bool {
    matches!(
        event.body,
        Body::Commit { .. } | Body::Prepare { .. } | Body::StreamStop
    )
}

impl Until {
    /// Nothing is left that commits before `position`. Returns `true` if everything wanted has
    /// come.
    fn is_passed_at(&self, position: Lsn) -> bool {
        // Before the server's WAL goes on, nothing starts at its end.
        if self.inclusive && self.passed {
            position > self.lsn
        } else {
            position >= self.lsn
        }
    }

    /// Returns `true` if the event belongs to a transaction that ends after the position.
    fn is_passed_by(&self, event: &Event<'_>) -> bool {
        let behind = |lsn: Lsn| {
            if self.inclusive {
                lsn > self.lsn
            } else {
                lsn >= self.lsn
            }
        };
        let end = match event.transaction.map(|transaction| transaction.end) {
            Some(End::Commit { lsn, .. }) => lsn,
            Some(End::Prepare { lsn, .. }) => Some(lsn),
            Some(End::Open) | None => None,
        };
        match event.body {
            Body::Begin
            | Body::BeginPrepare { .. }
            | Body::StreamCommit { .. }
            | Body::StreamPrepare { .. } => end.is_some_and(behind),
            Body::CommitPrepared { commit_lsn, .. } => behind(commit_lsn),
            // What streams now is still in progress: all that committed before its next change has
            // come.
            Body::StreamStart { .. } => event.lsn.is_some_and(behind),
            // Where they lie is their end, which what is wanted may reach.
            Body::RollbackPrepared { .. }
            | Body::Message {
                transactional: false,
                ..
            }
            | Body::Undecodable { .. } => event.id().is_some_and(|position| behind(position.lsn)),
            _ => false,
        }
    }

    /// Returns `true` if the transaction that the event ends reaches up to the position, so that
    /// none is left before it.
    fn is_reached_by(&self, event: &Event<'_>) -> bool {
        let reached = |end: Lsn| {
            if self.inclusive {
                end > self.lsn
            } else {
                end >= self.lsn
            }
        };
        match event.body {
            Body::Commit { end_lsn } => end_lsn.is_some_and(reached),
            Body::Prepare { end_lsn, .. }
            | Body::StreamCommit { end_lsn }
            | Body::CommitPrepared { end_lsn, .. } => reached(end_lsn),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Transaction;

    fn until(lsn: u64, inclusive: bool, passed: bool) -> Bounds {
        let mut bounds = Bounds::new(None);
        bounds.end_at(Until {
            lsn: Lsn(lsn),
            inclusive,
            passed,
        });
        bounds
    }

    fn transaction(commit: u64) -> Transaction {
        Transaction {
            xid: Some(7),
            end: End::Commit {
                lsn: Some(Lsn(commit)),
                time: None,
            },
            origin: None,
        }
    }

    fn event<'a>(transaction: &'a Transaction, body: Body<'a>) -> Event<'a> {
        Event {
            lsn: None,
            transaction: Some(transaction),
            subxid: None,
            seq: None,
            body,
        }
    }

    #[test]
    fn a_transaction_at_the_position_is_wanted_if_it_is_inclusive() {
        for (commit, inclusive, wanted) in [
            (99, true, true),
            (100, true, true),
            (101, true, false),
            (100, false, false),
        ] {
            let transaction = transaction(commit);
            let ended = until(100, inclusive, false).before(&event(&transaction, Body::Begin));
            assert_eq!(ended.is_none(), wanted, "{commit} {inclusive}");
        }
    }

    #[test]
    fn a_commit_that_reaches_the_position_ends_the_stream() {
        for (end, inclusive, ends) in [
            (99, true, false),
            (100, true, false),
            (101, true, true),
            (100, false, true),
        ] {
            let transaction = transaction(90);
            let body = Body::Commit {
                end_lsn: Some(Lsn(end)),
            };
            assert_eq!(
                until(100, inclusive, false)
                    .after(&event(&transaction, body), false)
                    .is_some(),
                ends,
                "{end} {inclusive}"
            );
        }
    }

    #[test]
    fn a_server_that_stands_at_the_position_may_be_about_to_send_what_starts_there() {
        for (passed, position, inclusive, ends) in [
            (true, 100, true, false),
            (true, 101, true, true),
            (false, 100, true, true),
            (true, 100, false, true),
        ] {
            let mut bounds = until(100, inclusive, passed);
            assert_eq!(
                bounds.idle_at(Lsn(position)).is_some(),
                ends,
                "{passed} {position} {inclusive}"
            );
        }
    }

    #[test]
    fn an_output_that_was_cut_is_at_no_boundary_until_the_transaction_is_complete() {
        let transaction = transaction(90);
        let mut bounds = Bounds::new(None);
        bounds.after(&event(&transaction, Body::Begin), false);
        bounds.reconnected();
        assert!(!bounds.at_boundary());
        bounds.after(&event(&transaction, Body::Begin), false);
        assert!(!bounds.at_boundary());
        bounds.after(&event(&transaction, Body::Commit { end_lsn: None }), false);
        assert!(bounds.at_boundary());
    }

    #[test]
    fn what_comes_again_is_wanted_and_not_counted() {
        let transaction = transaction(90);
        let change = |seq| Event {
            seq: Some(seq),
            ..event(
                &transaction,
                Body::Message {
                    transactional: true,
                    prefix: b"",
                    content: b"",
                },
            )
        };
        let mut bounds = Bounds::new(Some(Limit::new(3, true)));
        let begin = event(&transaction, Body::Begin);
        bounds.after(&begin, false);
        for seq in 0..2 {
            assert_eq!(bounds.after(&change(seq), true), None);
        }
        bounds.rewind(change(1).id());
        bounds.after(&begin, false);
        for seq in 0..3 {
            assert_eq!(bounds.before(&change(seq)), None);
            assert_eq!(bounds.after(&change(seq), true), None);
        }
        assert_eq!(bounds.before(&change(3)), Some(Bound::Limit));
        // All of it is lost.
        bounds.rewind(change(2).id());
        bounds.after(&begin, false);
        for seq in 0..3 {
            assert_eq!(bounds.before(&change(seq)), None);
            assert_eq!(bounds.after(&change(seq), true), None);
        }
        assert_eq!(bounds.before(&change(3)), Some(Bound::Limit));
        let end = event(&transaction, Body::Commit { end_lsn: None });
        assert_eq!(bounds.after(&end, false), Some(Bound::Limit));
    }
}
