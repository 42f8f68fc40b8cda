//! Values as Debezium's connector writes them, by the types of columns.

use crate::event::Column;
use crate::time::{days_from_civil, write_civil};
use crate::value::{Kind, Mismatch, Types, WriteText, write_string};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What stands for a value that the server did not send, as an update left it alone.
pub(super) const UNAVAILABLE: &[u8] = b"\"__debezium_unavailable_value\"";

/// The same where values are base64.
const UNAVAILABLE_BYTES: &[u8] = b"\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"";

/// The same where values are arrays.
const UNAVAILABLE_ARRAY: &[u8] = b"[\"__debezium_unavailable_value\"]";

/// What a timestamp is that is infinite.
const INFINITY: i64 = 9_223_372_036_825_200_000;
const MINUS_INFINITY: i64 = -9_223_372_036_832_400_000;

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// How the values of a column are written.
pub(super) struct Form {
    pub(super) kind: Kind,
    /// Returns `true` if the JSON that `kind` writes is the content of a string.
    pub(super) quoted: bool,
    /// What stands for a value that was not sent.
    pub(super) unavailable: &'static [u8],
}

impl Form {
    /// The form of a column's values, of which `types` knows the type.
    pub(super) fn new(column: &Column, types: &Types) -> Form {
        let kind = kind(column.type_oid, column.type_modifier, types);
        let unavailable = match &kind {
            Kind::Array(_) => UNAVAILABLE_ARRAY,
            _ if column.type_oid == BYTEA => UNAVAILABLE_BYTES,
            _ => UNAVAILABLE,
        };
        Form {
            quoted: kind == Kind::Hstore,
            kind,
            unavailable,
        }
    }
}

const BYTEA: u32 = 17;

/// `pg_type.dat`: the types that have a rule of their own, and the arrays of them.
fn kind(oid: u32, modifier: i32, types: &Types) -> Kind {
    let short = (0..=3).contains(&modifier);
    let array = |element| Kind::array(element, b',');
    match oid {
        BYTEA => other(write_bytes),
        1001 => array(other(write_bytes)),
        1700 => other(write_decimal),
        1231 => array(other(write_decimal)),
        26 => Kind::Number,
        1028 => array(Kind::Number),
        1082 => other(write_date),
        1182 => array(other(write_date)),
        1083 if short => other(write_milli_time),
        1083 => other(write_micro_time),
        1183 => array(other(write_micro_time)),
        1114 if short => other(write_milli_timestamp),
        1114 => other(write_micro_timestamp),
        1115 => array(other(write_micro_timestamp)),
        1266 => other(write_zoned_time),
        1270 => array(other(write_zoned_time)),
        1186 => other(write_interval),
        1187 => array(other(write_interval)),
        1560 | 1562 if modifier == 1 => other(write_bit),
        1560 | 1562 => other(write_bits),
        600 => other(write_point),
        _ => translated(types.kind(oid)),
    }
}

/// The kind of a type, in which what is different from `row_to_json` is replaced.
fn translated(kind: &Kind) -> Kind {
    match kind {
        Kind::Timestamp => other(write_micro_timestamp),
        Kind::TimestampTz => other(write_zoned_timestamp),
        Kind::Json | Kind::Composite(_) | Kind::Vector { .. } => Kind::Text,
        Kind::Array(array) => Kind::array(translated(&array.element), array.delimiter),
        kind => kind.clone(),
    }
}

fn other(write: fn(&[u8], &mut Vec<u8>) -> Result<(), Mismatch>) -> Kind {
    Kind::Other(WriteText(write))
}

/// `binary.handling.mode=base64`
fn write_bytes(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let digits = text.strip_prefix(b"\\x").ok_or(Mismatch)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Mismatch);
    }
    // In pieces, so that no buffer is as long as the value; three bytes make four characters.
    const PIECE: usize = 768;
    let (mut bytes, mut encoded) = ([0; PIECE], [0; PIECE / 3 * 4]);
    let start = out.len();
    out.push(b'"');
    for pairs in pairs.chunks(PIECE) {
        for ([high, low], byte) in pairs.iter().zip(&mut bytes) {
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                out.truncate(start);
                return Err(Mismatch);
            };
            *byte = high << 4 | low;
        }
        let piece = bytes.get(..pairs.len()).unwrap_or_default();
        let length = STANDARD
            .encode_slice(piece, &mut encoded)
            .map_err(|_| Mismatch)?;
        out.extend_from_slice(encoded.get(..length).unwrap_or_default());
    }
    out.push(b'"');
    Ok(())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// `decimal.handling.mode=string`
fn write_decimal(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    write_string(
        match text {
            b"NaN" => b"NAN",
            b"Infinity" => b"POSITIVE_INFINITY",
            b"-Infinity" => b"NEGATIVE_INFINITY",
            text => text,
        },
        out,
    );
    Ok(())
}

fn write_date(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    if matches!(text, b"infinity" | b"-infinity") {
        write_string(text, out);
        return Ok(());
    }
    let (date, _, era) = split(text)?;
    write_number(days(date, era)?, out);
    Ok(())
}

fn write_micro_time(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    write_number(micros(text_of(text)?)?, out);
    Ok(())
}

fn write_milli_time(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    write_number(micros(text_of(text)?)? / 1000, out);
    Ok(())
}

fn write_micro_timestamp(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    write_number(timestamp(text)?, out);
    Ok(())
}

fn write_milli_timestamp(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    write_number(
        match timestamp(text)? {
            infinite @ (INFINITY | MINUS_INFINITY) => infinite,
            micros => micros.div_euclid(1000),
        },
        out,
    );
    Ok(())
}

/// Microseconds since 1970.
fn timestamp(text: &[u8]) -> Result<i64, Mismatch> {
    match text {
        b"infinity" => return Ok(INFINITY),
        b"-infinity" => return Ok(MINUS_INFINITY),
        _ => {}
    }
    let (date, time, era) = split(text)?;
    let days = days(date, era)?.checked_mul(DAY).ok_or(Mismatch)?;
    days.checked_add(micros(time.ok_or(Mismatch)?)?)
        .ok_or(Mismatch)
}

/// ISO 8601 in UTC.
fn write_zoned_timestamp(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    if matches!(text, b"infinity" | b"-infinity") {
        write_string(text, out);
        return Ok(());
    }
    let (date, time, era) = split(text)?;
    let (time, offset) = zone(time.ok_or(Mismatch)?)?;
    let micros = micros(time)?.checked_sub(offset).ok_or(Mismatch)?;
    let days = days(date, era)? + micros.div_euclid(DAY);
    out.push(b'"');
    write_civil(days, out);
    out.push(b'T');
    write_clock(micros.rem_euclid(DAY), out);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

fn write_zoned_time(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let (time, offset) = zone(text_of(text)?)?;
    let micros = micros(time)?.checked_sub(offset).ok_or(Mismatch)?;
    out.push(b'"');
    write_clock(micros.rem_euclid(DAY), out);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

/// `interval.handling.mode=string`: `P1Y2M3DT4H5M6.78S`.
fn write_interval(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let (mut years, mut months, mut days, mut clock) = ("0", "0", "0", "");
    let mut words = text_of(text)?.split(' ');
    while let Some(number) = words.next() {
        if number.contains(':') {
            clock = number;
            continue;
        }
        let number = number.trim_start_matches('+');
        match words.next().ok_or(Mismatch)?.trim_end_matches('s') {
            "year" => years = number,
            "mon" => months = number,
            "day" => days = number,
            _ => return Err(Mismatch),
        }
    }
    let sign = if clock.starts_with('-') { "-" } else { "" };
    let mut parts = clock.trim_start_matches(['+', '-']).split(':');
    let mut part = || {
        let part = parts.next().unwrap_or_default();
        let part = part.strip_prefix('0').unwrap_or(part);
        (
            if part.is_empty() || part.starts_with('0') && part == "0" {
                ""
            } else {
                sign
            },
            if part.is_empty() { "0" } else { part },
        )
    };
    let (hours, minutes) = (part(), part());
    let (sign, mut seconds) = part();
    let lead = if seconds.starts_with('.') { "0" } else { "" };
    if seconds.contains('.') {
        seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    }
    for piece in [
        "\"P", years, "Y", months, "M", days, "DT", hours.0, hours.1, "H", minutes.0, minutes.1,
        "M", sign, lead, seconds, "S\"",
    ] {
        out.extend_from_slice(piece.as_bytes());
    }
    Ok(())
}

fn write_bit(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    out.extend_from_slice(match text {
        b"1" => b"true",
        b"0" => b"false",
        _ => return Err(Mismatch),
    });
    Ok(())
}

/// The bits from the last to the first, in bytes.
fn write_bits(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    if !text.iter().all(|bit| matches!(bit, b'0' | b'1')) {
        return Err(Mismatch);
    }
    const PIECE: usize = 768;
    let (mut bytes, mut encoded) = ([0; PIECE], [0; PIECE / 3 * 4]);
    out.push(b'"');
    for bits in text.rchunks(PIECE * 8) {
        let mut count = 0;
        for (bits, byte) in bits.rchunks(8).zip(&mut bytes) {
            *byte = bits.iter().fold(0, |byte, bit| byte << 1 | bit & 1);
            count += 1;
        }
        let length = STANDARD
            .encode_slice(bytes.get(..count).unwrap_or_default(), &mut encoded)
            .map_err(|_| Mismatch)?;
        out.extend_from_slice(encoded.get(..length).unwrap_or_default());
    }
    out.push(b'"');
    Ok(())
}

fn write_point(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let inner = text
        .strip_prefix(b"(")
        .and_then(|text| text.strip_suffix(b")"));
    let (x, y) = str::from_utf8(inner.ok_or(Mismatch)?)
        .ok()
        .and_then(|inner| inner.split_once(','))
        .ok_or(Mismatch)?;
    let start = out.len();
    for (key, number) in [("{\"x\":", x), (",\"y\":", y)] {
        out.extend_from_slice(key.as_bytes());
        let plain = number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte));
        match plain && !number.is_empty() {
            true => out.extend_from_slice(number.as_bytes()),
            false if matches!(number, "NaN" | "Infinity" | "-Infinity") => {
                write_string(number.as_bytes(), out)
            }
            false => {
                out.truncate(start);
                return Err(Mismatch);
            }
        }
    }
    out.push(b'}');
    Ok(())
}

/// The date, the time if there is one, and whether it is before Christ.
fn split(text: &[u8]) -> Result<(&str, Option<&str>, bool), Mismatch> {
    let text = text_of(text)?;
    let (text, era) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    Ok(match text.split_once(' ') {
        Some((date, time)) => (date, Some(time), era),
        None => (text, None, era),
    })
}

fn text_of(text: &[u8]) -> Result<&str, Mismatch> {
    str::from_utf8(text).map_err(|_| Mismatch)
}

/// Days since 1970.
fn days(date: &str, before_christ: bool) -> Result<i64, Mismatch> {
    let mut parts = date.split('-').map(number);
    let mut part = || parts.next().ok_or(Mismatch)?;
    let (year, month, day) = (part()?, part()?, part()?);
    if parts.next().is_some() || !(1..=12).contains(&month) || year > 10_000_000 {
        return Err(Mismatch);
    }
    let year = if before_christ { 1 - year } else { year };
    Ok(days_from_civil(year, month, day))
}

/// Microseconds since midnight.
fn micros(time: &str) -> Result<i64, Mismatch> {
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.split(':').map(number);
    let mut part = || parts.next().ok_or(Mismatch)?;
    let seconds = (part()? * 60 + part()?) * 60 + part()?;
    if parts.next().is_some() || fraction.len() > 6 {
        return Err(Mismatch);
    }
    let scale = 10_i64.pow(6 - fraction.len() as u32);
    let fraction = if fraction.is_empty() {
        0
    } else {
        number(fraction)?
    };
    Ok(seconds * SECOND + fraction * scale)
}

/// The time without its zone, and how much that is ahead of UTC.
fn zone(time: &str) -> Result<(&str, i64), Mismatch> {
    let at = time.rfind(['+', '-']).ok_or(Mismatch)?;
    let (time, zone) = time.split_at_checked(at).ok_or(Mismatch)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let mut unit = 3600 * SECOND;
    let mut offset = 0;
    for part in zone.trim_start_matches(['+', '-']).split(':') {
        offset += number(part)? * unit;
        unit /= 60;
    }
    Ok((time, sign * offset))
}

/// Digits, and no more than a date may have.
fn number(digits: &str) -> Result<i64, Mismatch> {
    match digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().map_err(|_| Mismatch),
        false => Err(Mismatch),
    }
}

fn write_number(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `09:23:34.5`
fn write_clock(micros: i64, out: &mut Vec<u8>) {
    let (seconds, mut fraction) = (micros / SECOND, micros % SECOND);
    for (before, part) in [
        (None, seconds / 3600),
        (Some(b':'), seconds / 60 % 60),
        (Some(b':'), seconds % 60),
    ] {
        out.extend(before);
        out.extend([b'0' + (part / 10 % 10) as u8, b'0' + (part % 10) as u8]);
    }
    if fraction > 0 {
        out.push(b'.');
        while fraction > 0 {
            out.push(b'0' + (fraction * 10 / SECOND) as u8);
            fraction = fraction * 10 % SECOND;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: fn(&[u8], &mut Vec<u8>) -> Result<(), Mismatch>, text: &str) -> String {
        let mut out = Vec::new();
        match write(text.as_bytes(), &mut out) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(Mismatch) => {
                assert!(out.is_empty(), "{text}");
                "mismatch".to_owned()
            }
        }
    }

    #[test]
    fn times_are_numbers() {
        for (text, days) in [
            ("1970-01-01", "0"),
            ("2026-11-20", "20777"),
            ("0001-01-01", "-719162"),
            ("0001-12-31 BC", "-719163"),
            ("5874897-12-31", "2145042905"),
            ("infinity", "\"infinity\""),
            ("2026-13-01", "mismatch"),
        ] {
            assert_eq!(written(write_date, text), days, "{text}");
        }
        // The example of the documentation.
        let example = "2018-06-20 15:13:16.945104";
        assert_eq!(written(write_micro_timestamp, example), "1529507596945104");
        assert_eq!(
            written(write_milli_timestamp, "1969-12-31 23:59:59.9"),
            "-100"
        );
        assert_eq!(
            written(write_micro_timestamp, "infinity"),
            "9223372036825200000"
        );
        assert_eq!(
            written(write_milli_timestamp, "-infinity"),
            "-9223372036832400000"
        );
        assert_eq!(written(write_micro_time, "24:00:00"), "86400000000");
        assert_eq!(written(write_milli_time, "00:00:01.5"), "1500");
    }

    #[test]
    fn zones_become_utc() {
        for (text, utc) in [
            (
                "2026-11-20 09:23:34.946212+00",
                "\"2026-11-20T09:23:34.946212Z\"",
            ),
            ("2026-11-20 01:00:00+05:30", "\"2026-11-19T19:30:00Z\""),
            (
                "0044-03-15 12:00:00-00:15:21 BC",
                "\"-0043-03-15T12:15:21Z\"",
            ),
            (
                "12026-01-01 00:00:00.05-03",
                "\"+12026-01-01T03:00:00.05Z\"",
            ),
            ("infinity", "\"infinity\""),
            ("2026-11-20 09:23:34", "mismatch"),
        ] {
            assert_eq!(written(write_zoned_timestamp, text), utc, "{text}");
        }
        assert_eq!(
            written(write_zoned_time, "01:00:00.5+02"),
            "\"23:00:00.5Z\""
        );
    }

    #[test]
    fn intervals_name_their_parts() {
        for (text, interval) in [
            ("1 year 2 mons 3 days 04:05:06.78", "\"P1Y2M3DT4H5M6.78S\""),
            ("00:00:00", "\"P0Y0M0DT0H0M0S\""),
            (
                "-1 years -2 mons +3 days -04:05:06.789",
                "\"P-1Y-2M3DT-4H-5M-6.789S\"",
            ),
            ("1 day", "\"P0Y0M1DT0H0M0S\""),
            ("120:00:00.5", "\"P0Y0M0DT120H0M0.5S\""),
            ("x", "mismatch"),
        ] {
            assert_eq!(written(write_interval, text), interval, "{text}");
        }
    }

    #[test]
    fn bytes_and_numbers_are_strings() {
        assert_eq!(written(write_bytes, "\\x00ff27"), "\"AP8n\"");
        assert_eq!(written(write_bytes, "\\x"), "\"\"");
        let long = format!("\\x{}", "00ff27".repeat(1000));
        assert_eq!(
            written(write_bytes, &long),
            format!("\"{}\"", "AP8n".repeat(1000))
        );
        assert_eq!(written(write_bytes, "\\x0g"), "mismatch");
        assert_eq!(written(write_decimal, "1.50"), "\"1.50\"");
        assert_eq!(written(write_decimal, "NaN"), "\"NAN\"");
        assert_eq!(written(write_bit, "1"), "true");
        // 1 0000 0011: the last byte first.
        assert_eq!(written(write_bits, "100000011"), "\"AwE=\"");
        assert_eq!(written(write_point, "(1.5,-2)"), "{\"x\":1.5,\"y\":-2}");
        assert_eq!(written(write_point, "(1.5,\"-2)"), "mismatch");
    }
}
