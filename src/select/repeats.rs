//! Which events an earlier run, or an earlier connection, has delivered already.
//!
//! The server sends transactions in the order of their commits and prepares, and nothing that lies
//! before the position from which it was asked to start. There is one exception: what was prepared
//! before the slot became a two-phase one comes late, as a whole, just before its
//! `commit_prepared`. Its position is lower than what came before it, and says nothing about
//! whether it was delivered.

use crate::event::{End, Event, EventId};

/// Remembers how far the events went.
#[derive(Debug, Default)]
pub struct Repeats {
    /// The highest position so far.
    last: Option<EventId>,
    /// The last position of the late transaction at hand.
    late: Option<EventId>,
    resume_after: Option<EventId>,
    resume_late_after: Option<EventId>,
}

impl Repeats {
    /// From now on events at or before this position are repeats.
    pub fn resume_after(&mut self, position: Option<EventId>) {
        self.resume_after = position;
        self.resume_late_after = self.late;
        self.last = self.last.max(position);
    }

    /// What comes after this position was not delivered after all.
    pub fn rewind(&mut self, position: Option<EventId>) {
        *self = Repeats {
            last: position,
            ..Repeats::default()
        };
    }

    /// The highest position so far.
    pub fn last(&self) -> Option<EventId> {
        self.last
    }

    /// Takes the next event. If it is a repeat, returns the position up to which everything is.
    pub fn take(&mut self, event: &Event<'_>) -> Option<EventId> {
        let position = event.id()?;
        let Some(last) = self.last.filter(|last| position <= *last) else {
            (self.last, self.late) = (Some(position), None);
            return None;
        };
        let prepared = event
            .transaction
            .is_some_and(|transaction| matches!(transaction.end, End::Prepare { .. }));
        if !prepared || position.lsn == last.lsn {
            return self.resume_after.filter(|after| position <= *after);
        }
        let same = |other: &EventId| other.lsn == position.lsn;
        self.late = self.late.filter(same).max(Some(position));
        self.resume_late_after
            .filter(same)
            .filter(|after| position <= *after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Transaction};
    use crate::lsn::Lsn;
    use crate::time::PgTime;

    /// Takes the change `seq` of a transaction that ends there, and returns `true` if it is a
    /// repeat.
    fn is_repeated(repeats: &mut Repeats, end: End, seq: u64) -> bool {
        let transaction = Transaction {
            end,
            ..Transaction::default()
        };
        let body = Body::Message {
            transactional: true,
            prefix: b"",
            content: b"",
        };
        let event = Event {
            lsn: None,
            transaction: Some(&transaction),
            subxid: None,
            seq: Some(seq),
            body,
        };
        repeats.take(&event).is_some()
    }

    fn committed(lsn: u64) -> End {
        End::Commit {
            lsn: Some(Lsn(lsn)),
            time: None,
        }
    }

    fn prepared(lsn: u64) -> End {
        End::Prepare {
            lsn: Lsn(lsn),
            time: PgTime::default(),
        }
    }

    fn repeated(repeats: &mut Repeats, events: &[(End, u64)]) -> Vec<bool> {
        events
            .iter()
            .map(|(end, seq)| is_repeated(repeats, *end, *seq))
            .collect()
    }

    #[test]
    fn what_comes_late_is_no_repeat() {
        let mut repeats = Repeats::default();
        repeats.resume_after("0/20 5".parse().ok());
        let events = [
            (committed(0x20), 5),
            (prepared(0x10), 0),
            (prepared(0x10), 1),
            (committed(0x30), 0),
        ];
        assert_eq!(repeated(&mut repeats, &events), [true, false, false, false]);
        assert_eq!(repeats.last(), "0/30 0".parse().ok());
    }

    #[test]
    fn a_prepared_transaction_in_its_place_goes_on_where_it_was() {
        let mut repeats = Repeats::default();
        repeats.resume_after("0/20 1".parse().ok());
        let events = [
            (prepared(0x20), 0),
            (prepared(0x20), 1),
            (prepared(0x20), 2),
        ];
        assert_eq!(repeated(&mut repeats, &events), [true, true, false]);
    }

    #[test]
    fn what_came_late_in_part_goes_on_where_it_was() {
        let mut repeats = Repeats::default();
        assert_eq!(
            repeated(
                &mut repeats,
                &[
                    (committed(0x20), 0),
                    (prepared(0x10), 0),
                    (prepared(0x10), 1)
                ]
            ),
            [false; 3]
        );
        // The second connection is lost even sooner.
        for _ in 0..2 {
            repeats.resume_after(repeats.last());
            assert_eq!(
                repeated(&mut repeats, &[(committed(0x20), 0), (prepared(0x10), 0)]),
                [true; 2]
            );
        }
        repeats.resume_after(repeats.last());
        let events = [
            (prepared(0x10), 1),
            (prepared(0x10), 2),
            (committed(0x30), 0),
            (prepared(0x18), 0),
        ];
        assert_eq!(repeated(&mut repeats, &events), [true, false, false, false]);
    }
}
