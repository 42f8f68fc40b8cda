//! What was acknowledged counts as safe only some time later: JetStream acknowledges before it
//! syncs.

use crate::event::EventId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The delay is kept to about a hundredth.
const STEPS: u32 = 100;

/// So many records are in the log, and the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub records: u64,
    /// The last, if it is known.
    pub last: Option<EventId>,
}

/// Remembers for some time what was acknowledged when.
#[derive(Debug)]
pub struct Delay {
    delay: Duration,
    /// What waits: the moments are at least one step apart, but for the last two.
    waiting: VecDeque<(Instant, Count)>,
    safe: Count,
}

impl Delay {
    /// Nothing is safe yet.
    pub fn new(delay: Duration) -> Delay {
        Delay {
            delay,
            waiting: VecDeque::new(),
            safe: Count::default(),
        }
    }

    /// So much is acknowledged now.
    pub fn acknowledged(&mut self, now: Instant, count: Count) {
        let known = self.waiting.back().map_or(self.safe, |(_, known)| *known);
        if count.records <= known.records {
            return;
        }
        let before = self.waiting.iter().rev().nth(1).map(|(at, _)| *at);
        let close = before.is_some_and(|at| now < at + self.delay / STEPS);
        if close {
            // Together with what came just before it, which only makes that later.
            self.waiting.pop_back();
        }
        self.waiting.push_back((now, count));
    }

    /// So much is safe by now.
    pub fn safe(&mut self, now: Instant) -> Count {
        while let Some((at, count)) = self.waiting.front()
            && *at + self.delay <= now
        {
            self.safe = *count;
            self.waiting.pop_front();
        }
        self.safe
    }

    /// So much was safe when that was last asked for.
    pub fn known(&self) -> Count {
        self.safe
    }

    /// What waits was lost: forgets it.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(records: u64) -> Count {
        Count {
            records,
            last: None,
        }
    }

    #[test]
    fn nothing_is_safe_too_early() {
        let start = Instant::now();
        let mut delay = Delay::new(Duration::from_secs(100));
        let mut longest = 0;
        for second in 0..1000 {
            let now = start + Duration::from_secs(second);
            for tenth in 0..10 {
                let now = now + Duration::from_millis(tenth * 100);
                delay.acknowledged(now, count(second * 10 + tenth + 1));
            }
            let safe = delay.safe(now).records;
            assert!(safe <= second.saturating_sub(100) * 10 + 1);
            assert!(
                second < 103 || safe >= (second - 103) * 10,
                "{second} {safe}"
            );
            longest = longest.max(delay.waiting.len());
        }
        assert!(longest <= 2 * STEPS as usize, "{longest}");
    }

    #[test]
    fn without_delay_all_is_safe_at_once() {
        let now = Instant::now();
        let mut delay = Delay::new(Duration::ZERO);
        delay.acknowledged(now, count(7));
        assert_eq!(delay.safe(now), count(7));
        delay.acknowledged(now, count(8));
        delay.forget();
        assert_eq!(delay.safe(now), count(7));
    }
}
