//! Pauses that grow.

use std::time::{Duration, Instant};

/// When to do something again, ever more seldom.
pub struct Timer {
    pub due: Option<Instant>,
    pub pause: Duration,
    range: (Duration, Duration),
}

impl Timer {
    /// Not waiting yet.
    pub fn new(shortest: Duration, longest: Duration) -> Timer {
        Timer {
            due: None,
            pause: shortest,
            range: (shortest, longest),
        }
    }

    /// Begins with the shortest again.
    pub fn reset(&mut self) {
        (self.due, self.pause) = (None, self.range.0);
    }

    /// From now on.
    pub fn wait(&mut self) {
        self.due = Instant::now().checked_add(self.pause);
        self.pause = (self.pause * 2).min(self.range.1);
    }

    /// Returns `true` if nothing is waited for any more.
    pub fn is_over(&self) -> bool {
        self.due.is_none_or(|due| Instant::now() >= due)
    }

    /// Returns `true` if it is over; then it begins anew.
    pub fn is_over_now(&mut self) -> bool {
        let over = self.is_over();
        if over {
            self.wait();
        }
        over
    }
}
