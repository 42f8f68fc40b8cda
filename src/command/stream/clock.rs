//! When things are due over one connection.

use std::time::{Duration, Instant};

/// What the server does if it hears nothing, where it does not say (`wal_sender_timeout = 0`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// A server that asks for more signs of life than this in this time does not do so because it has
/// heard nothing.
const INSISTENT: (u32, Duration) = (20, Duration::from_secs(1));

/// When things are due over one connection.
pub struct Clock {
    /// The server hears from the program at least this often.
    status_interval: Option<Duration>,
    /// As long as the server may be silent before it is asked for a sign of life, and then twice as
    /// long before it is given up.
    silence: Duration,
    reported: Instant,
    heard: Instant,
    asked: bool,
    /// How often the server has asked for a sign of life in a row, and since when.
    asks: (u32, Instant),
}

/// What the silence of a server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nothing yet.
    Short,
    /// It is to be asked for a sign of life.
    Long,
    /// It was asked, and has not answered: it is to be given up.
    TooLong(Duration),
}

impl Clock {
    /// Everything was done now. `interval` is the user's, zero for none, `timeout` the server's
    /// `wal_sender_timeout`; `stretch` says how long a silent server is waited for where so long is
    /// usual.
    pub fn new(
        interval: Duration,
        timeout: Option<Duration>,
        stretch: impl Fn(Duration) -> Duration,
    ) -> Clock {
        let interval = Some(interval).filter(|interval| !interval.is_zero());
        // A third of the timeout leaves room for a lost packet and a busy machine.
        let third = timeout.map(|timeout| timeout / 3);
        let now = Instant::now();
        Clock {
            status_interval: interval.into_iter().chain(third).min(),
            silence: stretch(timeout.unwrap_or(DEFAULT_TIMEOUT) / 2),
            reported: now,
            heard: now,
            asked: false,
            asks: (0, now),
        }
    }

    /// The server asked for a sign of life, and has it. Returns `true` if it is never content with
    /// that: it shuts down.
    pub fn answered(&mut self, now: Instant) -> bool {
        let (count, since) = &mut self.asks;
        if now.saturating_duration_since(*since) > INSISTENT.1 {
            (*count, *since) = (0, now);
        }
        *count += 1;
        *count > INSISTENT.0
    }

    /// A report was sent.
    pub fn reported(&mut self) {
        self.reported = Instant::now();
    }

    /// Something came from the server, or it had no chance to say anything.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = false;
    }

    /// When the server must hear from the program.
    pub fn status_due(&self) -> Option<Instant> {
        self.status_interval
            .map(|interval| self.reported + interval)
    }

    /// What the server's silence asks for, each time once.
    pub fn silence(&mut self, now: Instant) -> Silence {
        let silent = now.saturating_duration_since(self.heard);
        if silent >= self.silence * 3 {
            Silence::TooLong(silent)
        } else if silent >= self.silence && !self.asked {
            self.asked = true;
            Silence::Long
        } else {
            Silence::Short
        }
    }

    /// When the server's silence asks for something next.
    pub fn silence_due(&self) -> Instant {
        self.heard + self.silence * if self.asked { 3 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_server_is_asked_and_then_given_up() {
        let (second, timeout) = (Duration::from_secs(1), Duration::from_secs(6));
        let mut clock = Clock::new(second * 10, Some(timeout), |usual| usual);
        let start = clock.heard;
        assert_eq!(clock.status_due(), Some(clock.reported + second * 2));
        assert_eq!(clock.silence(start + second * 2), Silence::Short);
        assert_eq!(clock.silence_due(), start + second * 3);
        assert_eq!(clock.silence(start + second * 3), Silence::Long);
        assert_eq!(clock.silence(start + second * 4), Silence::Short);
        assert_eq!(clock.silence_due(), start + second * 9);
        assert_eq!(
            clock.silence(start + second * 9),
            Silence::TooLong(second * 9)
        );
        clock.heard(start + second * 9);
        assert_eq!(clock.silence_due(), start + second * 12);
    }

    #[test]
    fn a_server_that_asks_on_and_on_shuts_down() {
        let mut clock = Clock::new(Duration::ZERO, None, |usual| usual);
        let start = clock.heard;
        for second in 0..100 {
            assert!(!clock.answered(start + Duration::from_secs(second) / 2));
        }
        let start = start + Duration::from_secs(100);
        let asked = |n| start + Duration::from_millis(n);
        assert_eq!((0..30).position(|n| clock.answered(asked(n))), Some(20));
    }

    #[test]
    fn where_nobody_sets_a_time_no_report_is_due() {
        let clock = Clock::new(Duration::ZERO, None, |usual| usual * 2);
        assert_eq!(clock.status_due(), None);
        assert_eq!(clock.silence_due(), clock.heard + DEFAULT_TIMEOUT);
    }
}
