//! Which transactions a snapshot sees.

use std::str::FromStr;

/// A snapshot as `pg_current_snapshot()` prints it: `xmin:xmax:xip,xip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// All before this are visible, or rolled back.
    xmin: u64,
    /// This and all after it are not visible.
    xmax: u64,
    /// Those between them that are not visible, in ascending order.
    running: Vec<u64>,
}

/// The text is no snapshot.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseVisibilityError;

impl Visibility {
    /// Returns `true` if the snapshot sees what this transaction did, if it was committed.
    pub fn sees(&self, xid: u32) -> bool {
        let xid = self.widen(xid);
        xid < self.xmin || xid < self.xmax && self.running.binary_search(&xid).is_err()
    }

    /// Returns `true` if the snapshot sees this transaction and all before it.
    fn sees_all_up_to(&self, xid: u32) -> bool {
        self.widen(xid) < self.xmin
    }

    /// The transaction's number with its epoch. It is never further away than half of all numbers:
    /// the server would have stopped.
    fn widen(&self, xid: u32) -> u64 {
        let distance = xid.wrapping_sub(self.xmax as u32).cast_signed();
        self.xmax.wrapping_add_signed(distance.into())
    }
}

impl FromStr for Visibility {
    type Err = ParseVisibilityError;

    fn from_str(text: &str) -> Result<Visibility, ParseVisibilityError> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| ParseVisibilityError);
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or(ParseVisibilityError);
        let (xmin, xmax, running) = (number(part()?)?, number(part()?)?, part()?);
        let running = running.split(',').filter(|text| !text.is_empty());
        let mut running: Vec<u64> = running.map(number).collect::<Result<_, _>>()?;
        running.sort_unstable();
        Ok(Visibility {
            xmin,
            xmax,
            running,
        })
    }
}

/// So many numbers are kept one by one.
const MOST: usize = 50_000;

/// The transactions that were printed and that no snapshot was known to see.
///
/// A transaction is sent as soon as its commit record is on the server's disk, but others see it
/// only a little later; with a synchronous standby that is away, much later. A snapshot that does
/// not see what was printed would bring older rows than were printed.
#[derive(Debug, Default)]
pub struct Printed {
    xids: Vec<u32>,
    /// The highest of those that are no longer kept one by one.
    highest: Option<u32>,
}

impl Printed {
    /// This one was printed.
    pub fn add(&mut self, xid: u32) {
        if self.xids.last() == Some(&xid) {
            return;
        }
        if self.xids.len() >= MOST {
            let later = |a: u32, b: u32| match a.wrapping_sub(b).cast_signed() > 0 {
                true => a,
                false => b,
            };
            let all = self.xids.drain(..).chain(self.highest);
            self.highest = all.reduce(later);
        }
        self.xids.push(xid);
    }

    /// Returns `true` if the snapshot sees all of them; then they are forgotten.
    pub fn are_seen_by(&mut self, visibility: &Visibility) -> bool {
        let seen = self.xids.iter().all(|xid| visibility.sees(*xid))
            && self
                .highest
                .is_none_or(|xid| visibility.sees_all_up_to(xid));
        if seen {
            self.xids.clear();
            self.highest = None;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visibility(text: &str) -> Visibility {
        text.parse().unwrap()
    }

    #[test]
    fn sees_what_was_committed_when_it_was_taken() {
        let snapshot = visibility("100:110:103,100");
        let seen: Vec<u32> = (98..112).filter(|xid| snapshot.sees(*xid)).collect();
        assert_eq!(seen, [98, 99, 101, 102, 104, 105, 106, 107, 108, 109]);
        assert!(visibility("7:7:").sees(6) && !visibility("7:7:").sees(7));
    }

    #[test]
    fn numbers_go_round() {
        let epoch = 5u64 << 32;
        let text = format!("{}:{}:{}", epoch - 3, epoch + 3, epoch - 3);
        let snapshot = visibility(&text);
        for (xid, seen) in [
            (u32::MAX - 3, true),
            (u32::MAX - 2, false),
            (u32::MAX, true),
            (0, true),
            (2, true),
            (3, false),
        ] {
            assert_eq!(snapshot.sees(xid), seen, "{xid}");
        }
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for text in ["", "1", "1:2", "a:2:", "1:2:x", "1:-2:"] {
            assert_eq!(text.parse::<Visibility>(), Err(ParseVisibilityError));
        }
    }

    #[test]
    fn what_was_printed_and_is_not_seen_yet_is_remembered() {
        let mut printed = Printed::default();
        [5, 9, 9, 7].into_iter().for_each(|xid| printed.add(xid));
        assert!(!printed.are_seen_by(&visibility("7:12:7")));
        assert!(printed.are_seen_by(&visibility("12:12:")));
        assert!(printed.are_seen_by(&visibility("1:1:")));
    }

    #[test]
    fn many_are_remembered_by_the_highest() {
        let mut printed = Printed::default();
        (0..2 * MOST as u32)
            .for_each(|n| printed.add((u32::MAX - 10).wrapping_add(2 * (n % 7) + n)));
        assert!(printed.xids.len() <= MOST);
        let end = (1u64 << 32) + 2 * MOST as u64 + 20;
        assert!(!printed.are_seen_by(&visibility(&format!("{}:{end}:", 1u64 << 32))));
        assert!(printed.are_seen_by(&visibility(&format!("{end}:{end}:"))));
    }
}
