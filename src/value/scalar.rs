//! Numbers, Booleans and timestamps.

use super::string::write_string;
use super::writer::Mismatch;

/// Appends a number as it is if JSON has it, else as a string.
#[inline]
pub(super) fn write_number(text: &[u8], out: &mut Vec<u8>) {
    match text
        .split_first()
        .and_then(|(first, rest)| skip_number(*first, rest))
    {
        Some([]) => out.extend_from_slice(text),
        _ => write_string(text, out),
    }
}

/// Returns `true` for a number as JSON has it.
pub fn is_json_number(text: &[u8]) -> bool {
    let rest = text
        .split_first()
        .and_then(|(first, rest)| skip_number(*first, rest));
    rest.is_some_and(<[u8]>::is_empty)
}

/// What is behind the JSON number that begins with `first` and goes on with `text`.
#[inline]
pub(super) fn skip_number(first: u8, text: &[u8]) -> Option<&[u8]> {
    let (first, text) = if first == b'-' {
        text.split_first().map(|(first, text)| (*first, text))?
    } else {
        (first, text)
    };
    let mut rest = match first {
        b'0' => text,
        b'1'..=b'9' => skip_any_digits(text),
        _ => return None,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = skip_digits(fraction)?;
    }
    if let [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] = rest {
        rest = skip_digits(exponent)?;
    }
    Some(rest)
}

#[inline]
fn skip_any_digits(mut text: &[u8]) -> &[u8] {
    while let [b'0'..=b'9', rest @ ..] = text {
        text = rest;
    }
    text
}

/// What is behind at least one digit.
#[inline]
fn skip_digits(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'0'..=b'9', rest @ ..] => Some(skip_any_digits(rest)),
        _ => None,
    }
}

/// Appends a Boolean.
#[inline]
pub(super) fn write_bool(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    match text {
        b"t" => out.extend_from_slice(b"true"),
        b"f" => out.extend_from_slice(b"false"),
        _ => return Err(Mismatch),
    }
    Ok(())
}

/// Appends a timestamp that the server printed under `datestyle = ISO`: `YYYY-MM-DD
/// HH:MM:SS[.ffffff][zone][ BC]`. JSON has a `T` for the blank, and a zone always has minutes.
#[inline]
pub(super) fn write_timestamp(text: &[u8], zoned: bool, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    // Nearly all have a year of four digits, and a zone of whole hours.
    if let Some((moment, rest)) = text.split_first_chunk::<19>()
        && is_moment(moment)
    {
        let minutes = match skip_fraction(rest) {
            Some([]) if !zoned => Some(&b"\""[..]),
            Some([b'+' | b'-', a, b]) if zoned && digits([a, b]) => Some(&b":00\""[..]),
            _ => None,
        };
        if let Some(minutes) = minutes {
            out.reserve(text.len() + 5);
            out.push(b'"');
            let start = out.len();
            out.extend_from_slice(text);
            if let Some(blank) = out.get_mut(start + 10) {
                *blank = b'T';
            }
            out.extend_from_slice(minutes);
            return Ok(());
        }
    }
    write_any_timestamp(text, zoned, out)
}

/// Returns `true` if it is `YYYY-MM-DD HH:MM:SS`.
#[inline]
fn is_moment(text: &[u8; 19]) -> bool {
    matches_digits(text.first_chunk(), b"0000-00-")
        && matches_digits(text.get(8..16).and_then(<[u8]>::first_chunk), b"00 00:00")
        && matches_digits(text.last_chunk(), b"00:00:00")
}

/// Returns `true` if the text has digits where the pattern has zeros, and the same bytes elsewhere.
/// All eight at once.
#[inline]
fn matches_digits(text: Option<&[u8; 8]>, pattern: &[u8; 8]) -> bool {
    // Bytes that differ by no more than this from the pattern do not reach the high bit.
    let spare = pattern.map(|byte| if byte == b'0' { 0x7f - 9 } else { 0x7f });
    let Some(text) = text else { return false };
    let difference = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*pattern);
    let sum = difference.wrapping_add(u64::from_le_bytes(spare));
    (difference | sum) & 0x8080_8080_8080_8080 == 0
}

/// What is behind a fraction of a second; `None` if it has no digits.
#[inline]
fn skip_fraction(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'.', fraction @ ..] => skip_digits(fraction),
        _ => Some(text),
    }
}

fn write_any_timestamp(text: &[u8], zoned: bool, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    if matches!(text, b"infinity" | b"-infinity") {
        write_string(text, out);
        return Ok(());
    }
    let (era, text) = match text.strip_suffix(b" BC") {
        Some(text) => (&b" BC\""[..], text),
        None => (&b"\""[..], text),
    };
    let (date, time) = split(text, |byte| byte == b' ').ok_or(Mismatch)?;
    let time = time.get(1..).ok_or(Mismatch)?;
    let (time, zone) = match split(time, |byte| matches!(byte, b'+' | b'-')) {
        Some((time, zone)) if zoned => (time, zone),
        None if !zoned => (time, &b""[..]),
        _ => return Err(Mismatch),
    };
    let minutes = match zone {
        [] => &b""[..],
        [_, a, b] if digits([a, b]) => b":00",
        [_, a, b, b':', c, d] if digits([a, b, c, d]) => b"",
        [_, a, b, b':', c, d, b':', e, f] if digits([a, b, c, d, e, f]) => b"",
        _ => return Err(Mismatch),
    };
    if !is_date(date) || !is_time(time) {
        return Err(Mismatch);
    }
    out.push(b'"');
    for part in [date, b"T", time, zone, minutes, era] {
        out.extend_from_slice(part);
    }
    Ok(())
}

fn split(text: &[u8], at: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    text.split_at_checked(text.iter().position(|byte| at(*byte))?)
}

/// A year of at least four digits, month and day.
fn is_date(text: &[u8]) -> bool {
    match text {
        [year @ .., b'-', a, b, b'-', c, d] => {
            year.len() >= 4 && digits(year) && digits([a, b, c, d])
        }
        _ => false,
    }
}

/// Hours, minutes and seconds, perhaps with a fraction.
fn is_time(text: &[u8]) -> bool {
    match text {
        [a, b, b':', c, d, b':', e, f, rest @ ..] => {
            digits([a, b, c, d, e, f]) && skip_fraction(rest).is_some_and(<[u8]>::is_empty)
        }
        _ => false,
    }
}

#[inline]
fn digits<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> bool {
    bytes.into_iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        let long = format!("-{}.{}", "9".repeat(100_000), "0".repeat(1_000));
        for number in [
            "0",
            "-0",
            "7",
            "-32768",
            "9223372036854775807",
            "0.10",
            "1e+30",
            "1e-05",
            "1.5E10",
            "-1.17549435e-38",
            "5e-324",
            "100000000000000000000000000000000000000.00",
            &long,
        ] {
            let mut out = Vec::new();
            write_number(number.as_bytes(), &mut out);
            assert_eq!(out, number.as_bytes());
        }
    }

    #[test]
    fn what_is_no_json_number_is_a_string() {
        for text in [
            "NaN",
            "Infinity",
            "-Infinity",
            "",
            "-",
            "+1",
            "01",
            "-01",
            ".5",
            "1.",
            "1.e5",
            "1e",
            "1e+",
            "0x10",
            "1 ",
            " 1",
            "1_000",
            "1,2",
            "--1",
            "1.2.3",
            "1e5.0",
            "nan",
        ] {
            let mut out = Vec::new();
            write_number(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn booleans_are_t_or_f() {
        let mut out = Vec::new();
        write_bool(b"t", &mut out).unwrap();
        write_bool(b"f", &mut out).unwrap();
        assert_eq!(out, b"truefalse");
        assert!(write_bool(b"true", &mut out).is_err());
        assert!(write_bool(b"", &mut out).is_err());
        assert_eq!(out, b"truefalse");
    }

    #[test]
    fn timestamps_are_iso_8601() {
        for (zoned, text, json) in [
            (
                false,
                "2026-11-20 09:23:34.946212",
                "2026-11-20T09:23:34.946212",
            ),
            (false, "2026-11-20 09:23:34", "2026-11-20T09:23:34"),
            (
                false,
                "294276-12-31 23:59:59.999999",
                "294276-12-31T23:59:59.999999",
            ),
            (false, "0044-03-15 12:00:00 BC", "0044-03-15T12:00:00 BC"),
            (false, "infinity", "infinity"),
            (false, "-infinity", "-infinity"),
            (
                true,
                "2026-11-20 09:23:34.946212+00",
                "2026-11-20T09:23:34.946212+00:00",
            ),
            (
                true,
                "2026-11-20 09:23:34-03:30",
                "2026-11-20T09:23:34-03:30",
            ),
            (
                true,
                "1800-01-01 00:00:00-04:56:02",
                "1800-01-01T00:00:00-04:56:02",
            ),
            (
                true,
                "4713-01-01 00:00:00+00 BC",
                "4713-01-01T00:00:00+00:00 BC",
            ),
            (
                true,
                "10000-01-01 00:00:00.5+13",
                "10000-01-01T00:00:00.5+13:00",
            ),
            (true, "infinity", "infinity"),
        ] {
            let mut out = Vec::new();
            write_timestamp(text.as_bytes(), zoned, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{json}\""));
        }
    }

    #[test]
    fn digits_are_told_from_every_other_byte() {
        for place in 0..8 {
            for byte in 0..=255 {
                let mut text = *b"12:34-56";
                text[place] = byte;
                let expected = if matches!(place, 2 | 5) {
                    byte == b"12:34-56"[place]
                } else {
                    byte.is_ascii_digit()
                };
                assert_eq!(
                    matches_digits(Some(&text), b"00:00-00"),
                    expected,
                    "{byte} at {place}"
                );
            }
        }
    }

    #[test]
    fn other_timestamps_are_mismatches() {
        for (zoned, text) in [
            (false, ""),
            (false, "Fri Nov 20 09:23:34 2026"),
            (false, "2026-11-20"),
            (false, "2026-11-20 09:23"),
            (false, "2026-11-20 09:23:34."),
            (false, "2026-11-20 09:23:34+00"),
            (false, "2026-11-20 09:23:34 AD"),
            (false, "26-11-20 09:23:34"),
            (false, "2026-11-20\"09:23:34"),
            (true, "2026-11-20 09:23:34"),
            (true, "2026-11-20 09:23:34+0"),
            (true, "2026-11-20 09:23:34+0\""),
            (true, "2026-11-20 09:23:34+00:"),
            (true, "2026-11-20 09:23:34 UTC"),
            (true, " BC"),
        ] {
            let mut out = Vec::new();
            assert!(
                write_timestamp(text.as_bytes(), zoned, &mut out).is_err(),
                "{text}"
            );
            assert!(out.is_empty());
        }
    }
}
