//! PostgreSQL's time stamps: microseconds since 2000-01-01 00:00:00 UTC.
//!
//! The wire, the events and the status reports use [`PgTime`]; this is the only module that knows the calendar.

use chrono::{DateTime, TimeDelta, Utc};
use std::fmt;

/// Microseconds since 2000-01-01 00:00:00 UTC (`TimestampTz` in `datatype/timestamp.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PgTime(pub i64);

/// 2000-01-01 00:00:00 UTC in seconds of the Unix epoch.
const EPOCH_SECONDS: i64 = 946_684_800;

impl PgTime {
    /// The time of the system clock.
    pub fn now() -> PgTime {
        PgTime((Utc::now() - epoch()).num_microseconds().unwrap_or(0))
    }

    /// Reads the text that `timestamptz` has under `datestyle = ISO`, as `2026-11-20 09:23:34.946212+00`.
    pub fn parse(text: &str) -> Option<PgTime> {
        let time = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?;
        (time.to_utc() - epoch()).num_microseconds().map(PgTime)
    }

    /// As the server prints a `timestamptz` in UTC under `datestyle = ISO`: `2026-11-20 09:23:34.946212+00`.
    pub fn to_sql(self) -> String {
        self.format("%Y-%m-%d %H:%M:%S%.6f+00")
    }

    fn format(self, pattern: &str) -> String {
        // Every i64 of microseconds lies within chrono's calendar, which ends in the year 262142, or it is garbage.
        match epoch().checked_add_signed(TimeDelta::microseconds(self.0)) {
            Some(time) => time.format(pattern).to_string(),
            None => self.0.to_string(),
        }
    }
}

/// ISO 8601 in UTC with six digits of a second: `2026-11-20T09:23:34.946212+00:00`.
impl fmt::Display for PgTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("%Y-%m-%dT%H:%M:%S%.6f+00:00"))
    }
}

fn epoch() -> DateTime<Utc> {
    DateTime::from_timestamp(EPOCH_SECONDS, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_iso_8601() {
        assert_eq!(PgTime(0).to_string(), "2000-01-01T00:00:00.000000+00:00");
        assert_eq!(PgTime(848_395_414_946_212).to_string(), "2026-11-19T09:23:34.946212+00:00");
        assert_eq!(PgTime(-1).to_sql(), "1999-12-31 23:59:59.999999+00");
    }

    #[test]
    fn never_panics() {
        for time in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
            assert!(!PgTime(time).to_string().is_empty());
        }
    }

    #[test]
    fn reads_what_the_server_prints() {
        assert_eq!(PgTime::parse("2000-01-01 00:00:00+00"), Some(PgTime(0)));
        assert_eq!(PgTime::parse("2000-01-01 05:30:00.5+05:30"), Some(PgTime(500_000)));
        assert_eq!(PgTime::parse("2019-12-29 04:58:34.806671-03").unwrap().to_sql(), "2019-12-29 07:58:34.806671+00");
        assert_eq!(PgTime::parse("yesterday"), None);
    }
}
