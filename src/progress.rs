//! What may be confirmed to the server: the highest position up to which everything received is
//! durable.
//!
//! Pure bookkeeping for the stream command: no I/O, no clock. A position is received together with
//! the number of output bytes that hold everything before it; it may be confirmed once that many
//! bytes are durable. The start of any message may be confirmed after the message before it, as the
//! server sends transactions in the order of their commits: whatever it has not sent yet commits
//! later. A commit message starts at the end of its commit record, and a message outside
//! transactions at the end of its own, so confirming it never brings it again.

use crate::lsn::Lsn;
use std::collections::VecDeque;

/// How many positions may wait for their bytes; beyond that neighbours are merged, which only
/// confirms them later.
const WAITING: usize = 256;

/// How far a stream was received, written and made durable.
#[derive(Debug)]
pub struct Progress {
    received: Lsn,
    written: Lsn,
    durable: Lsn,
    /// What is not durable yet, in the order in which it came.
    waiting: VecDeque<Waiting>,
    /// How many of those at the front are written.
    waiting_written: usize,
    /// So many bytes lie between two that wait, but for the last.
    step: u64,
}

#[derive(Debug)]
struct Waiting {
    bytes: u64,
    position: Lsn,
}

impl Progress {
    /// Nothing received yet, nothing to confirm.
    pub fn new() -> Progress {
        Progress {
            received: Lsn::INVALID,
            written: Lsn::INVALID,
            durable: Lsn::INVALID,
            waiting: VecDeque::with_capacity(WAITING),
            waiting_written: 0,
            step: 0,
        }
    }

    /// Everything before `position` has come, and its output is the first `bytes` bytes of all
    /// output.
    pub fn received(&mut self, position: Lsn, bytes: u64) {
        if position <= self.received {
            return;
        }
        self.received = position;
        let before = self.waiting.iter().rev().nth(1);
        let close = before.is_some_and(|before| bytes.saturating_sub(before.bytes) <= self.step);
        match self.waiting.back_mut() {
            Some(last) if last.bytes == bytes || close => *last = Waiting { bytes, position },
            _ => {
                if self.waiting.len() == WAITING {
                    self.thin_out();
                }
                self.waiting.push_back(Waiting { bytes, position });
            }
        }
        // What has grown is to be written once more.
        self.waiting_written = self.waiting_written.min(self.waiting.len() - 1);
    }

    /// Merges each two neighbours, and keeps those to come as far apart, so that what waits for
    /// long is confirmed in small steps all the same.
    fn thin_out(&mut self) {
        let span = self.waiting.back().zip(self.waiting.front());
        let span = span.map_or(0, |(last, first)| last.bytes.saturating_sub(first.bytes));
        let mut later = false;
        self.waiting.retain(|_| {
            later = !later;
            !later
        });
        self.waiting_written /= 2;
        self.step = span / self.waiting.len() as u64;
    }

    /// The first `bytes` bytes of all output are written.
    pub fn written(&mut self, bytes: u64) {
        let written = |waiting: &&Waiting| waiting.bytes <= bytes;
        while let Some(next) = self.waiting.get(self.waiting_written).filter(written) {
            self.written = self.written.max(next.position);
            self.waiting_written += 1;
        }
    }

    /// The first `bytes` bytes of all output are durable, and so they are written.
    pub fn durable(&mut self, bytes: u64) {
        self.written(bytes);
        while let Some(first) = self.waiting.front().filter(|first| first.bytes <= bytes) {
            self.durable = self.durable.max(first.position);
            self.waiting.pop_front();
            self.waiting_written = self.waiting_written.saturating_sub(1);
        }
        if self.waiting.len() < WAITING / 8 {
            self.step /= 2;
        }
    }

    /// What is not durable is to be received again.
    pub fn rewind(&mut self) {
        self.waiting.clear();
        (self.waiting_written, self.step) = (0, 0);
        (self.received, self.written) = (self.durable, self.durable);
    }

    /// The highest position received, written or not.
    pub fn received_position(&self) -> Lsn {
        self.received
    }

    /// The highest position up to which the output was taken, durable or not; invalid as long as
    /// there is none.
    pub fn written_position(&self) -> Lsn {
        self.written
    }

    /// What may be confirmed; invalid as long as there is nothing.
    pub fn durable_position(&self) -> Lsn {
        self.durable
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirms_nothing_that_is_not_durable() {
        let mut progress = Progress::new();
        progress.received(Lsn(10), 0);
        progress.received(Lsn(20), 100);
        progress.durable(0);
        assert_eq!(progress.durable_position(), Lsn(10));
        progress.durable(99);
        assert_eq!(progress.durable_position(), Lsn(10));
        progress.durable(100);
        assert_eq!(progress.durable_position(), Lsn(20));
        assert_eq!(progress.received_position(), Lsn(20));
    }

    #[test]
    fn written_is_what_was_taken_durable_or_not() {
        let mut progress = Progress::new();
        progress.received(Lsn(10), 0);
        progress.received(Lsn(20), 100);
        progress.received(Lsn(30), 200);
        assert_eq!(progress.written_position(), Lsn::INVALID);
        progress.written(100);
        let positions = |progress: &Progress| {
            let (written, durable) = (progress.written_position(), progress.durable_position());
            (written, durable, progress.received_position())
        };
        assert_eq!(positions(&progress), (Lsn(20), Lsn::INVALID, Lsn(30)));
        progress.durable(0);
        assert_eq!(positions(&progress), (Lsn(20), Lsn(10), Lsn(30)));
        progress.received(Lsn(40), 200);
        progress.written(200);
        progress.received(Lsn(50), 200);
        assert_eq!(positions(&progress), (Lsn(40), Lsn(10), Lsn(50)));
        progress.durable(200);
        assert_eq!(positions(&progress), (Lsn(50), Lsn(50), Lsn(50)));
    }

    #[test]
    fn never_goes_back() {
        let mut progress = Progress::new();
        progress.received(Lsn(20), 5);
        progress.durable(5);
        progress.received(Lsn(15), 9);
        progress.durable(9);
        assert_eq!(progress.durable_position(), Lsn(20));
    }

    #[test]
    fn what_comes_again_counts_again() {
        let mut progress = Progress::new();
        progress.received(Lsn(20), 1);
        progress.durable(1);
        progress.received(Lsn(30), 2);
        progress.received(Lsn(40), 3);
        progress.rewind();
        assert_eq!(progress.received_position(), Lsn(20));
        progress.durable(1);
        assert_eq!(progress.durable_position(), Lsn(20));
        progress.received(Lsn(30), 2);
        progress.durable(2);
        assert_eq!(progress.durable_position(), Lsn(30));
    }

    #[test]
    fn positions_without_output_need_no_bytes() {
        let mut progress = Progress::new();
        progress.received(Lsn(20), 100);
        progress.received(Lsn(30), 100);
        progress.received(Lsn(40), 100);
        assert_eq!(progress.waiting.len(), 1);
        progress.durable(100);
        assert_eq!(progress.durable_position(), Lsn(40));
    }

    #[test]
    fn what_is_safe_late_is_confirmed_little_by_little() {
        let mut progress = Progress::new();
        for n in 1..=100_000 {
            progress.received(Lsn(n), n);
            progress.durable(n.saturating_sub(50_000));
            let behind = n - progress.durable_position().0;
            assert!(n < 60_000 || behind < 52_000, "{behind} behind {n}");
        }
        progress.rewind();
        progress.durable(100_000);
        let before = progress.durable_position();
        progress.received(Lsn(60_000), 100_001);
        progress.durable(100_001);
        assert!(before < Lsn(60_000));
        assert_eq!(progress.durable_position(), Lsn(60_000));
    }

    #[test]
    fn memory_is_bounded_and_merging_is_late_never_early() {
        let mut progress = Progress::new();
        for n in 1..100_000 {
            progress.received(Lsn(n), n);
            progress.written(n / 2);
            assert!(progress.waiting.len() <= WAITING);
            assert!(progress.written_position() <= Lsn(n / 2));
        }
        progress.durable(300);
        assert!(progress.durable_position() <= Lsn(300));
        progress.durable(99_998);
        assert!(progress.durable_position() <= Lsn(99_998));
        progress.durable(99_999);
        assert_eq!(progress.durable_position(), Lsn(99_999));
    }
}
