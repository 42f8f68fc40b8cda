//! The records on their way into the log: from when they are handed over until they are known to be
//! in it. And what the end of the log says of them.

use crate::event::EventId;
use crate::time::PgTime;
use async_nats::Subject;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a message says of its record beside its bytes.
#[derive(Clone, Debug)]
pub struct Record {
    /// The event's id.
    pub id: EventId,
    /// What happened.
    pub op: &'static str,
    /// When it was committed.
    pub time: Option<PgTime>,
    /// Its table and subject.
    pub names: Arc<Names>,
    /// Where its bytes end in its block.
    pub end: usize,
}

/// The names of a table, and the subject of its events.
#[derive(Debug)]
pub struct Names {
    /// Where its messages go.
    pub subject: Subject,
    /// Schema and table, percent-encoded, if it is a table.
    pub table: Option<(String, String)>,
}

/// Records that are handed over together.
#[derive(Debug)]
pub struct Block {
    /// The number of the first.
    pub first: u64,
    /// What they say.
    pub bytes: Bytes,
    /// What they are.
    pub records: Vec<Record>,
    /// Where they come from, as the header says it.
    pub source: Arc<str>,
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The sequence number of its last message, also if that is gone.
    pub sequence: u64,
    /// The event of its last message, if there is one.
    pub last: Option<EventId>,
}

/// Records that are to be in the log at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The number behind the last.
    pub end: u64,
    /// Whether a transaction ends there.
    pub is_whole: bool,
}

/// What the end of the log says of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The log holds a part of them: those that are not in the queue any more.
    Follows,
    /// The log does not hold what it had acknowledged.
    Lost,
}

/// The records that are not known to be in the log. They are numbered from 1 on, for ever.
#[derive(Debug)]
pub struct Queue {
    blocks: VecDeque<Block>,
    /// How many records are in the log: the number of the first that is not.
    logged: u64,
    /// The number of the next record that comes.
    end: u64,
    /// Where the log ends with the last record that is in it.
    log: End,
    /// What comes up to this event is in the log already: another has published it.
    ahead: Option<EventId>,
    /// The records before this number are not to wait for more of their transaction.
    whole: u64,
}

impl Queue {
    /// Nothing yet but what the log holds.
    pub fn new(log: End) -> Queue {
        Queue {
            blocks: VecDeque::new(),
            logged: 1,
            end: 1,
            log,
            ahead: None,
            whole: 1,
        }
    }

    /// Starts over behind this end of the log, with the record of that number.
    pub fn start_over(&mut self, log: End, number: u64) {
        *self = Queue {
            logged: number,
            end: number,
            ..Queue::new(log)
        };
    }

    /// Takes what comes next.
    pub fn push(&mut self, block: Block) {
        self.end = block.first + block.records.len() as u64;
        self.blocks.push_back(block);
        self.pass_over();
    }

    /// The records before this number are not to wait for more of their transaction.
    pub fn set_whole(&mut self, number: u64) {
        self.whole = self.whole.max(number);
    }

    /// The end of a batch that begins with this record and has no more than `most`: that of the
    /// last whole transaction, or, if none ends there, as many records as fit. `None` if more is to
    /// be waited for.
    pub fn batch(&self, first: u64, most: u64) -> Option<Batch> {
        let end = self.end.min(first.saturating_add(most));
        if end <= self.whole && end == self.end && end > first {
            return Some(Batch {
                end,
                is_whole: true,
            });
        }
        let lsn = |number| self.get(number).map(|(record, ..)| record.id.lsn);
        let mut number = end;
        while number > first {
            if lsn(number).is_some_and(|next| Some(next) != lsn(number - 1)) {
                return Some(Batch {
                    end: number,
                    is_whole: true,
                });
            }
            number -= 1;
        }
        (end - first == most || end <= self.whole && end > first).then_some(Batch {
            end,
            is_whole: false,
        })
    }

    /// The sequence number of the log's last message.
    pub fn sequence(&self) -> u64 {
        self.log.sequence
    }

    /// How many records are in the log.
    pub fn logged(&self) -> u64 {
        self.logged
    }

    /// The last event that is in the log.
    pub fn last(&self) -> Option<EventId> {
        self.log.last
    }

    /// The number of the next record that comes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The sequence number of the message before that of the record, if all in between are
    /// published one after the other.
    pub fn sequence_before(&self, number: u64) -> u64 {
        self.log.sequence + number.saturating_sub(self.logged)
    }

    /// The record of this number, its bytes, and where it comes from.
    pub fn get(&self, number: u64) -> Option<(&Record, Bytes, &Arc<str>)> {
        let block = self.blocks.get(self.block_of(number)?)?;
        let at = (number - block.first) as usize;
        let record = block.records.get(at)?;
        let start = match at.checked_sub(1) {
            Some(before) => block.records.get(before)?.end,
            None => 0,
        };
        // The end of the line is no part of the message.
        let end = match block.bytes.get(start..record.end)? {
            [.., b'\n'] => record.end - 1,
            _ => record.end,
        };
        Some((record, block.bytes.slice(start..end), &block.source))
    }

    /// The message of this sequence number is in the log, and so are all that were published
    /// before it.
    pub fn acknowledged(&mut self, sequence: u64) {
        let count = sequence.saturating_sub(self.log.sequence);
        let number = self.logged.saturating_add(count).min(self.end);
        self.log_up_to(number, sequence);
    }

    /// Takes what the log's end says. Records that are in the log are gone from the queue.
    pub fn compare(&mut self, log: End) -> Fit {
        let Some(last) = log.last else {
            return match log.sequence < self.log.sequence {
                true => Fit::Lost,
                // It was purged, or all of it has expired.
                false => {
                    self.acknowledged(log.sequence);
                    self.log = End {
                        last: self.log.last,
                        ..log
                    };
                    Fit::Follows
                }
            };
        };
        if self.log.last == Some(last) {
            self.log = log;
            return Fit::Follows;
        }
        if let Some(number) = self.number_of(last) {
            self.log_up_to(number + 1, log.sequence);
        } else if self.log.last.is_some_and(|known| last < known) {
            return Fit::Lost;
        } else {
            self.ahead = Some(last);
            self.pass_over();
        }
        self.log = log;
        Fit::Follows
    }

    /// Records that another has published are in the log already.
    fn pass_over(&mut self) {
        let Some(ahead) = self.ahead else { return };
        while let Some((record, ..)) = self.get(self.logged) {
            if record.id > ahead {
                self.ahead = None;
                break;
            }
            self.logged += 1;
        }
        self.forget();
    }

    fn log_up_to(&mut self, number: u64, sequence: u64) {
        if number <= self.logged {
            return;
        }
        let last = self.get(number - 1).map(|(record, ..)| record.id);
        self.log = End {
            sequence,
            last: last.or(self.log.last),
        };
        self.logged = number;
        self.forget();
    }

    /// Blocks are kept until all of their records are in the log.
    fn forget(&mut self) {
        let is_over = |block: &Block, logged| block.first + block.records.len() as u64 <= logged;
        while self
            .blocks
            .front()
            .is_some_and(|block| is_over(block, self.logged))
        {
            self.blocks.pop_front();
        }
    }

    fn block_of(&self, number: u64) -> Option<usize> {
        self.blocks
            .partition_point(|block| block.first <= number)
            .checked_sub(1)
    }

    /// The record of this event among those that may not be in the log.
    fn number_of(&self, id: EventId) -> Option<u64> {
        for block in &self.blocks {
            if let Some(at) = block.records.iter().position(|record| record.id == id) {
                return Some(block.first + at as u64).filter(|number| *number >= self.logged);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Place;
    use crate::lsn::Lsn;

    fn id(n: u64) -> EventId {
        EventId {
            lsn: Lsn(100),
            place: Place::Change(n),
        }
    }

    fn end(sequence: u64, last: u64) -> End {
        End {
            sequence,
            last: Some(id(last)),
        }
    }

    /// A block of the events of these numbers, each with its number as bytes.
    fn block(first: u64, events: std::ops::Range<u64>) -> Block {
        let names = Arc::new(Names {
            subject: "wal.t".into(),
            table: None,
        });
        let (mut bytes, mut records) = (Vec::new(), Vec::new());
        for n in events {
            bytes.extend_from_slice(format!("{n}\n").as_bytes());
            records.push(Record {
                id: id(n),
                op: "insert",
                time: None,
                names: Arc::clone(&names),
                end: bytes.len(),
            });
        }
        Block {
            first,
            bytes: bytes.into(),
            records,
            source: "1/1/d".into(),
        }
    }

    /// The queue behind event 9 at sequence number 50, with the events 10 to 19.
    fn queue() -> Queue {
        let mut queue = Queue::new(end(50, 9));
        queue.push(block(1, 10..15));
        queue.push(block(6, 15..20));
        queue
    }

    fn text(queue: &Queue, number: u64) -> Option<String> {
        let (_, bytes, _) = queue.get(number)?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn acknowledgements_are_counted_by_sequence_numbers() {
        let mut queue = queue();
        assert_eq!(queue.sequence_before(1), 50);
        assert_eq!(text(&queue, 1).as_deref(), Some("10"));
        assert_eq!(text(&queue, 10).as_deref(), Some("19"));
        assert_eq!(text(&queue, 11), None);
        queue.acknowledged(53);
        assert_eq!((queue.logged(), queue.last()), (4, Some(id(12))));
        queue.acknowledged(52);
        assert_eq!(queue.logged(), 4);
        queue.acknowledged(56);
        assert_eq!((queue.logged(), queue.blocks.len()), (7, 1));
        assert_eq!(queue.sequence_before(8), 57);
        queue.acknowledged(u64::MAX);
        assert_eq!((queue.logged(), queue.blocks.len()), (11, 0));
    }

    #[test]
    fn the_end_of_the_log_says_what_is_in_it() {
        let mut same = queue();
        assert_eq!(same.compare(end(50, 9)), Fit::Follows);
        assert_eq!((same.logged(), same.sequence_before(1)), (1, 50));
        let mut some = queue();
        assert_eq!(some.compare(end(54, 13)), Fit::Follows);
        assert_eq!((some.logged(), some.sequence_before(5)), (5, 54));
        let mut all = queue();
        assert_eq!(all.compare(end(60, 19)), Fit::Follows);
        assert_eq!((all.logged(), all.end()), (11, 11));
        let mut beyond = queue();
        assert_eq!(beyond.compare(end(70, 29)), Fit::Follows);
        assert_eq!(beyond.logged(), 11);
        beyond.push(block(11, 20..35));
        assert_eq!(text(&beyond, beyond.logged()).as_deref(), Some("30"));
        assert_eq!(beyond.sequence_before(beyond.logged()), 70);
        let mut lost = queue();
        lost.acknowledged(55);
        assert_eq!(lost.compare(end(53, 12)), Fit::Lost);
        lost.start_over(end(53, 12), 11);
        lost.push(block(11, 13..16));
        assert_eq!(text(&lost, 11).as_deref(), Some("13"));
        assert_eq!(lost.sequence_before(11), 53);
    }

    #[test]
    fn batches_end_where_transactions_do() {
        let mut queue = Queue::new(end(50, 9));
        let mut transactions = block(1, 10..22);
        for (n, record) in transactions.records.iter_mut().enumerate() {
            // Of 3, 1, 6 and 2 records.
            record.id.lsn = Lsn([0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 3][n]);
        }
        queue.push(transactions);
        let batch = |queue: &Queue, first, most| {
            queue
                .batch(first, most)
                .map(|batch| (batch.end, batch.is_whole))
        };
        assert_eq!(batch(&queue, 1, 5), Some((5, true)));
        assert_eq!(batch(&queue, 1, 100), Some((11, true)));
        assert_eq!(batch(&queue, 5, 5), Some((10, false)));
        assert_eq!(batch(&queue, 10, 5), Some((11, true)));
        assert_eq!(batch(&queue, 11, 5), None);
        queue.set_whole(13);
        assert_eq!(batch(&queue, 11, 5), Some((13, true)));
        assert_eq!(batch(&queue, 13, 5), None);
    }

    #[test]
    fn an_empty_log_was_purged_or_set_back() {
        let empty = |sequence| End {
            sequence,
            last: None,
        };
        let mut purged = queue();
        purged.acknowledged(52);
        assert_eq!(purged.compare(empty(52)), Fit::Follows);
        assert_eq!((purged.logged(), purged.sequence_before(3)), (3, 52));
        assert_eq!(purged.compare(empty(54)), Fit::Follows);
        assert_eq!((purged.logged(), purged.last()), (5, Some(id(13))));
        assert_eq!(purged.compare(empty(0)), Fit::Lost);
    }
}
