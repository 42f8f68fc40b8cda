//! Waiting between a lost connection and the next try.

use super::delivery::Delivery;
use super::session::wait_for;
use super::{Ended, Plan};
use crate::error::Result;
use crate::output::Written;
use crate::stop::Stop;
use std::time::{Duration, Instant, SystemTime};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait: from one second, doubling up to thirty, each up to a quarter shorter by chance, so that not all who lost the same
/// server come back at once.
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    /// Starts with the shortest wait.
    pub fn new() -> Backoff {
        Backoff { next: SHORTEST }
    }

    /// How long to wait now.
    pub fn next(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(LONGEST);
        let chance = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
        delay.mul_f64(1.0 - f64::from(chance % 1000) / 4000.0)
    }
}

/// Waits, while the reader of the output goes on taking what is there. Returns why the stream ends meanwhile, if it does.
pub fn wait(delay: Duration, plan: &Plan, stop: &Stop, delivery: &mut Delivery) -> Result<Option<Ended>> {
    let until = Instant::now() + delay;
    loop {
        if stop.requested() {
            return Ok(Some(Ended::Interrupted));
        }
        if plan.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Some(Ended::TimedOut));
        }
        if delivery.output.write()? == Written::Closed {
            return Ok(Some(Ended::ReaderGone));
        }
        delivery.count_durable();
        let due = plan.deadline.map_or(until, |deadline| until.min(deadline));
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() && Instant::now() >= until {
            return Ok(None);
        }
        if wait_for(None, &delivery.output, stop, Some(left))?.reader_gone {
            return Ok(Some(Ended::ReaderGone));
        }
    }
}
