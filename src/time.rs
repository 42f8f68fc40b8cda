//! PostgreSQL's time stamps: microseconds since 2000-01-01 00:00:00 UTC.
//!
//! The wire, the events and the status reports use [`PgTime`]; this is the only module that knows
//! the calendar.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
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

    /// Reads the text that `timestamptz` has under `datestyle = ISO`, as `2026-11-20
    /// 09:23:34.946212+00`.
    pub fn parse(text: &str) -> Option<PgTime> {
        let time = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?;
        (time.to_utc() - epoch()).num_microseconds().map(PgTime)
    }

    /// Microseconds since 1970-01-01 00:00:00 UTC.
    pub fn unix_micros(self) -> i64 {
        self.0.saturating_add(EPOCH_SECONDS * 1_000_000)
    }

    /// Appends it as [`Display`](fmt::Display) prints it, without a detour over a `String`.
    pub fn append_iso(self, out: &mut Vec<u8>) {
        self.append(b'T', "+00:00", out);
    }

    /// Appends it as the server prints a `timestamptz` in UTC under `datestyle = ISO`: `2026-11-20
    /// 09:23:34.946212+00`.
    pub fn append_sql(self, out: &mut Vec<u8>) {
        self.append(b' ', "+00", out);
    }

    /// The same without zeros at the end of the fraction, and without a fraction that is zero, as
    /// the server prints values.
    pub fn append_short(self, out: &mut Vec<u8>) {
        const ZONE: usize = "+00".len();
        let start = out.len();
        self.append_sql(out);
        let Some(text) = out.get(start..out.len().saturating_sub(ZONE)) else {
            return;
        };
        // A number, where the calendar ends, has no fraction.
        let Some(point) = text.iter().rposition(|byte| *byte == b'.') else {
            return;
        };
        let digits = text.get(point..).unwrap_or_default();
        let zeros = digits
            .iter()
            .rev()
            .take_while(|byte| **byte == b'0')
            .count();
        let surplus = zeros + usize::from(zeros + 1 == digits.len());
        let end = out.len() - ZONE;
        out.drain(end - surplus..end);
    }

    fn append(self, separator: u8, zone: &str, out: &mut Vec<u8>) {
        // Values outside chrono's calendar (up to the year 262142) can only be damaged input; print
        // the number.
        let Some(time) = epoch().checked_add_signed(TimeDelta::microseconds(self.0)) else {
            return out.extend_from_slice(self.0.to_string().as_bytes());
        };
        match u32::try_from(time.year()) {
            Ok(year @ ..=9999) => append_digits(year, 4, out),
            _ => out.extend_from_slice(time.format("%Y").to_string().as_bytes()),
        }
        for (before, digits) in [
            (b'-', time.month()),
            (b'-', time.day()),
            (separator, time.hour()),
            (b':', time.minute()),
            (b':', time.second()),
        ] {
            out.push(before);
            append_digits(digits, 2, out);
        }
        out.push(b'.');
        append_digits(time.nanosecond() / 1000, 6, out);
        out.extend_from_slice(zone.as_bytes());
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, in which the year before 1 is 0.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Appends the day that is so many days after 1970-01-01 in ISO 8601: `2026-11-20`, `-0043-03-15`,
/// `+12026-01-01`.
pub fn write_civil(days: i64, out: &mut Vec<u8>) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    match year {
        ..0 => out.push(b'-'),
        10_000.. => out.push(b'+'),
        _ => {}
    }
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(year.unsigned_abs());
    out.extend(std::iter::repeat_n(
        b'0',
        4_usize.saturating_sub(digits.len()),
    ));
    out.extend_from_slice(digits.as_bytes());
    for part in [month, day] {
        out.extend([b'-', b'0' + (part / 10) as u8, b'0' + (part % 10) as u8]);
    }
}

/// Appends the last `count` digits of `number`.
fn append_digits(number: u32, count: u32, out: &mut Vec<u8>) {
    for digit in (0..count).rev() {
        out.push(b'0' + (number / 10u32.pow(digit) % 10) as u8);
    }
}

/// ISO 8601 in UTC with six digits of a second: `2026-11-20T09:23:34.946212+00:00`.
impl fmt::Display for PgTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.append_iso(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

fn epoch() -> DateTime<Utc> {
    DateTime::from_timestamp(EPOCH_SECONDS, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(time: PgTime) -> String {
        let mut text = Vec::new();
        time.append_sql(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn prints_iso_8601() {
        assert_eq!(PgTime(0).to_string(), "2000-01-01T00:00:00.000000+00:00");
        assert_eq!(
            PgTime(848_395_414_946_212).to_string(),
            "2026-11-19T09:23:34.946212+00:00"
        );
        assert_eq!(sql(PgTime(-1)), "1999-12-31 23:59:59.999999+00");
        assert_eq!(
            sql(PgTime(252_455_616_000_000_000)),
            "+10000-01-01 00:00:00.000000+00"
        );
        assert_eq!(
            sql(PgTime(-63_113_904_000_000_001)),
            "-0001-12-31 23:59:59.999999+00"
        );
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
        assert_eq!(
            PgTime::parse("2000-01-01 05:30:00.5+05:30"),
            Some(PgTime(500_000))
        );
        assert_eq!(
            sql(PgTime::parse("2019-12-29 04:58:34.806671-03").unwrap()),
            "2019-12-29 07:58:34.806671+00"
        );
        assert_eq!(PgTime::parse("yesterday"), None);
    }
}
