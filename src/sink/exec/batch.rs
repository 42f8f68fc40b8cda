//! Records in batches: pure bookkeeping, without a process and without a clock of its own.

use crate::event::EventId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Records that one run of the command gets.
#[derive(Debug, Default)]
pub struct Batch {
    /// The id of its first event that has one.
    pub first: Option<EventId>,
    /// The id of its last.
    pub last: Option<EventId>,
    /// How many changes it has.
    pub rows: u64,
    /// The offset in the output behind its last record.
    pub end: u64,
    /// Nothing more comes to it.
    pub closed: bool,
    /// It ends with a whole transaction, for now or for good.
    whole: bool,
    /// It is to end with the transaction at hand.
    closing: bool,
    /// How far the stream was when it ended.
    place: Option<EventId>,
    /// When it was looked at first.
    since: Option<Instant>,
}

/// The batches that are not done yet, in their order. Only the last may grow.
#[derive(Debug)]
pub struct Batches {
    waiting: VecDeque<Batch>,
    /// A batch ends with the transaction that brings it this many changes,
    rows: u64,
    /// and this long after its first record.
    interval: Duration,
    begun: u64,
    done: u64,
    /// How far the stream was at the end of the last batch that is done.
    place: Option<EventId>,
}

impl Batches {
    /// None yet.
    pub fn new(rows: u64, interval: Duration) -> Batches {
        Batches {
            waiting: VecDeque::new(),
            rows,
            interval,
            begun: 0,
            done: 0,
            place: None,
        }
    }

    /// A record was appended, which ends at the offset `end`.
    pub fn append(&mut self, id: Option<EventId>, is_change: bool, end: u64) {
        if self.open().is_none() {
            self.begun += 1;
            self.waiting.push_back(Batch::default());
        }
        let Some(batch) = self.open() else {
            return;
        };
        batch.first = batch.first.or(id);
        batch.last = id.or(batch.last);
        batch.rows += u64::from(is_change);
        batch.end = end;
        batch.whole = false;
    }

    /// What was appended ends with a whole transaction, and so does the stream, at `place`.
    pub fn end_transaction(&mut self, place: Option<EventId>) {
        let rows = self.rows;
        match self.open() {
            Some(batch) => {
                batch.whole = true;
                batch.place = place;
                batch.closed = batch.closing || batch.rows >= rows;
            }
            // Nothing was shown of it.
            None => match self.waiting.back_mut() {
                Some(batch) => batch.place = place,
                None => self.place = place,
            },
        }
    }

    /// Ends the last batch if its time is over.
    pub fn close_when_due(&mut self, now: Instant) {
        if let Some(batch) = self.open() {
            batch.since.get_or_insert(now);
        }
        if self.due().is_some_and(|due| due <= now) {
            self.close_at_boundary();
        }
    }

    /// When the time of the last batch is over; it goes on if that is within a transaction.
    pub fn due(&self) -> Option<Instant> {
        let batch = self.waiting.back()?;
        let since = batch.since.filter(|_| batch.whole && !batch.closed)?;
        since.checked_add(self.interval)
    }

    /// Ends the last batch with the transaction at hand.
    pub fn close_at_boundary(&mut self) {
        if let Some(batch) = self.open() {
            batch.closing = true;
            batch.closed = batch.whole;
        }
    }

    /// Ends the last batch as it is.
    pub fn close(&mut self) {
        if let Some(batch) = self.open() {
            batch.closed = true;
        }
    }

    /// The first of those that are not done.
    pub fn first(&self) -> Option<&Batch> {
        self.waiting.front()
    }

    /// The first is done.
    pub fn finish_first(&mut self) {
        if let Some(batch) = self.waiting.pop_front() {
            self.done += 1;
            self.place = batch.place;
        }
    }

    /// Forgets those that are not done, and returns how far the stream was before them.
    pub fn forget(&mut self) -> Option<EventId> {
        self.waiting.clear();
        self.begun = self.done;
        self.place
    }

    /// How many are not done.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many there have been.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// How many of them are done.
    pub fn done(&self) -> u64 {
        self.done
    }

    fn open(&mut self) -> Option<&mut Batch> {
        self.waiting.back_mut().filter(|batch| !batch.closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(rows: u64) -> Batches {
        Batches::new(rows, Duration::from_secs(10))
    }

    fn id(seq: u64) -> Option<EventId> {
        format!("0/10 {seq}").parse().ok()
    }

    /// Appends so many rows, of ten bytes each, to what there is.
    fn append(batches: &mut Batches, rows: std::ops::Range<u64>) {
        for row in rows {
            batches.append(id(row), true, 10 * (row + 1));
        }
    }

    #[test]
    fn a_batch_ends_with_the_transaction_that_brings_enough() {
        let mut batches = batches(3);
        append(&mut batches, 0..2);
        batches.end_transaction(id(1));
        append(&mut batches, 2..7);
        assert!(!batches.first().unwrap().closed, "a transaction is split");
        batches.end_transaction(id(6));
        let first = batches.first().unwrap();
        assert_eq!((first.first, first.last), (id(0), id(6)));
        assert_eq!((first.rows, first.end, first.closed), (7, 70, true));
        append(&mut batches, 7..8);
        assert_eq!((batches.begun(), batches.done()), (2, 0));
        batches.finish_first();
        assert_eq!((batches.begun(), batches.done()), (2, 1));
        assert!(!batches.first().unwrap().closed);
    }

    #[test]
    fn a_batch_ends_when_its_time_is_over_but_never_within_a_transaction() {
        let (mut batches, now) = (batches(100), Instant::now());
        append(&mut batches, 0..1);
        batches.end_transaction(id(0));
        batches.close_when_due(now);
        assert_eq!(batches.due(), Some(now + Duration::from_secs(10)));
        append(&mut batches, 1..2);
        assert_eq!(batches.due(), None);
        batches.close_when_due(now + Duration::from_secs(11));
        assert!(!batches.first().unwrap().closed);
        batches.end_transaction(id(1));
        batches.close_when_due(now + Duration::from_secs(11));
        assert!(batches.first().unwrap().closed);
        assert_eq!(batches.due(), None);
    }

    #[test]
    fn who_cannot_wait_gets_the_transaction_at_hand() {
        let mut batches = batches(100);
        append(&mut batches, 0..2);
        batches.close_at_boundary();
        append(&mut batches, 2..3);
        assert!(!batches.first().unwrap().closed);
        batches.end_transaction(id(2));
        assert!(batches.first().unwrap().closed);
    }

    #[test]
    fn what_is_forgotten_comes_again_after_what_is_done() {
        let mut batches = batches(1);
        append(&mut batches, 0..1);
        batches.end_transaction(id(0));
        // Hidden by a filter, and as good as done with what was before.
        batches.end_transaction(id(1));
        append(&mut batches, 2..7);
        batches.finish_first();
        assert_eq!(batches.forget(), id(1));
        assert!(batches.first().is_none());
        assert_eq!((batches.begun(), batches.done()), (1, 1));
    }
}
