//! Waiting between a lost connection and the next try.

use super::Ended;
use super::delivery::Delivery;
use super::plan::Plan;
use super::wait::wait_for;
use crate::error::{Kind, Result};
use crate::lsn::Lsn;
use crate::sink::{Driven, Urge};
use crate::stop::Stop;
use rustix::event::PollFlags;
use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How much longer than usual a silent server is waited for at the most.
const LARGEST_FACTOR: u32 = 1 << 10;

/// How long to wait: from one second, doubling up to thirty, each up to a quarter shorter by
/// chance, so that not all who lost the same server come back at once.
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
        delay.mul_f64(1.0 - fastrand::f64() / 4.0)
    }
}

/// How long a silent server is waited for. It may take long to decode a huge transaction that has
/// nothing for us: each time it is given up at the same position again it gets twice the time, so
/// that it comes to the end at last.
pub struct ServerSilence {
    factor: u32,
    ran_out_at: Option<Lsn>,
}

impl ServerSilence {
    /// Not tried yet.
    pub fn new() -> ServerSilence {
        ServerSilence {
            factor: 1,
            ran_out_at: None,
        }
    }

    /// How long to wait where `usual` is usual.
    pub fn stretch(&self, usual: Duration) -> Duration {
        usual.saturating_mul(self.factor)
    }

    /// The server was given up when this much was received.
    pub fn ran_out(&mut self, received: Lsn) {
        self.factor = if self.ran_out_at == Some(received) {
            self.factor.saturating_mul(2).min(LARGEST_FACTOR)
        } else {
            1
        };
        self.ran_out_at = Some(received);
    }
}

/// Waits, while the sink goes on taking what is there. Returns why the stream ends meanwhile, if it
/// does.
pub fn wait(
    delay: Duration,
    plan: &Plan,
    stop: &Stop,
    delivery: &mut Delivery,
) -> Result<Option<Ended>> {
    let until = Instant::now() + delay;
    let mut ready = PollFlags::empty();
    loop {
        let hung_up = !delivery.sink.reopens() && stop.take_hang_up();
        if stop.requested() || hung_up {
            return Ok(Some(Ended::Interrupted));
        }
        if plan.is_over() {
            return Ok(Some(Ended::TimedOut));
        }
        // An outage may last.
        let driven = match delivery.drive(Urge::Durable, ready) {
            // It starts over with the next connection.
            Err(error) if error.kind() == Kind::Transient => Driven::Busy,
            driven => driven?,
        };
        if driven == Driven::ReaderGone {
            return Ok(Some(Ended::ReaderGone));
        }
        if driven == Driven::Settled && delivery.reopen_is_due(stop) {
            delivery.reopen()?;
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        let due = plan.deadline.map_or(until, |deadline| until.min(deadline));
        ready = wait_for(None, None, &*delivery.sink, stop, Some(due))?.sink;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_from_one_second_to_thirty() {
        let mut backoff = Backoff::new();
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            let delay = backoff.next().as_secs_f64();
            assert!(
                (0.75 * f64::from(expected)..=f64::from(expected)).contains(&delay),
                "{delay} for {expected}"
            );
        }
    }

    #[test]
    fn more_time_is_given_only_where_there_is_no_progress() {
        let mut silence = ServerSilence::new();
        let usual = Duration::from_secs(1);
        for (at, expected) in [(1, 1), (1, 2), (1, 4), (2, 1), (2, 2), (3, 1)] {
            silence.ran_out(Lsn(at));
            assert_eq!(silence.stretch(usual).as_secs(), expected);
        }
    }
}
