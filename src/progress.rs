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

/// Received, durable and confirmed positions of one stream.
#[derive(Debug)]
pub struct Progress {
    received: Lsn,
    durable: Lsn,
    waiting: VecDeque<Waiting>,
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
            durable: Lsn::INVALID,
            waiting: VecDeque::with_capacity(WAITING),
        }
    }

    /// Everything before `position` has come, and its output is the first `bytes` bytes of all
    /// output.
    pub fn received(&mut self, position: Lsn, bytes: u64) {
        if position <= self.received {
            return;
        }
        self.received = position;
        let full = self.waiting.len() == WAITING;
        match self.waiting.back_mut() {
            Some(last) if last.bytes == bytes || full => *last = Waiting { bytes, position },
            _ => self.waiting.push_back(Waiting { bytes, position }),
        }
    }

    /// The first `bytes` bytes of all output are durable.
    pub fn durable(&mut self, bytes: u64) {
        while let Some(first) = self.waiting.front().filter(|first| first.bytes <= bytes) {
            self.durable = first.position;
            self.waiting.pop_front();
        }
    }

    /// The highest position received, durable or not.
    pub fn received_position(&self) -> Lsn {
        self.received
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
    fn never_goes_back() {
        let mut progress = Progress::new();
        progress.received(Lsn(20), 5);
        progress.durable(5);
        progress.received(Lsn(15), 9);
        progress.durable(9);
        assert_eq!(progress.durable_position(), Lsn(20));
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
    fn memory_is_bounded_and_merging_is_late_never_early() {
        let mut progress = Progress::new();
        for n in 1..100_000 {
            progress.received(Lsn(n), n);
            assert!(progress.waiting.len() <= WAITING);
        }
        progress.durable(300);
        assert!(progress.durable_position() <= Lsn(300));
        progress.durable(99_998);
        assert!(progress.durable_position() <= Lsn(99_998));
        progress.durable(99_999);
        assert_eq!(progress.durable_position(), Lsn(99_999));
    }
}
