//! Numbers, Booleans and timestamps.

use super::string::write_string;
use super::writer::Misfit;

/// Appends a number as it is if JSON has it, else as a string.
#[inline]
pub(super) fn write_number(text: &[u8], out: &mut Vec<u8>) {
    match number_prefix(text) {
        Some(length) if length == text.len() => out.extend_from_slice(text),
        _ => write_string(text, out),
    }
}

/// How many bytes from the first on are a JSON number; `None` if they do not begin one.
#[inline]
pub(super) fn number_prefix(text: &[u8]) -> Option<usize> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        _ => skip_digits(unsigned)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = skip_digits(fraction)?;
    }
    if let [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] = rest {
        rest = skip_digits(exponent)?;
    }
    Some(text.len() - rest.len())
}

/// What is behind at least one digit.
#[inline]
fn skip_digits(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if digits == 0 { None } else { text.get(digits..) }
}

/// Appends a Boolean.
#[inline]
pub(super) fn write_bool(text: &[u8], out: &mut Vec<u8>) -> Result<(), Misfit> {
    match text {
        b"t" => out.extend_from_slice(b"true"),
        b"f" => out.extend_from_slice(b"false"),
        _ => return Err(Misfit),
    }
    Ok(())
}

/// Appends a timestamp that the server printed under `datestyle = ISO`: `YYYY-MM-DD HH:MM:SS[.ffffff][zone][ BC]`.
/// JSON has a `T` for the blank, and a zone always has minutes.
#[inline]
pub(super) fn write_timestamp(text: &[u8], zoned: bool, out: &mut Vec<u8>) -> Result<(), Misfit> {
    if matches!(text, b"infinity" | b"-infinity") {
        write_string(text, out);
        return Ok(());
    }
    let (era, text) = match text.strip_suffix(b" BC") {
        Some(text) => (&b" BC\""[..], text),
        None => (&b"\""[..], text),
    };
    let (date, time) = split(text, |byte| byte == b' ').ok_or(Misfit)?;
    let time = time.get(1..).ok_or(Misfit)?;
    let (time, zone) = match split(time, |byte| matches!(byte, b'+' | b'-')) {
        Some((time, zone)) if zoned => (time, zone),
        None if !zoned => (time, &b""[..]),
        _ => return Err(Misfit),
    };
    if !is_date(date) || !is_time(time) {
        return Err(Misfit);
    }
    let minutes = match zone {
        [] => &b""[..],
        [_, a, b] if digits([a, b]) => b":00",
        [_, a, b, b':', c, d] if digits([a, b, c, d]) => b"",
        [_, a, b, b':', c, d, b':', e, f] if digits([a, b, c, d, e, f]) => b"",
        _ => return Err(Misfit),
    };
    out.reserve(text.len() + 8);
    out.push(b'"');
    out.extend_from_slice(date);
    out.push(b'T');
    out.extend_from_slice(time);
    out.extend_from_slice(zone);
    out.extend_from_slice(minutes);
    out.extend_from_slice(era);
    Ok(())
}

#[inline]
fn split(text: &[u8], at: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    text.split_at_checked(text.iter().position(|byte| at(*byte))?)
}

/// A year of at least four digits, month and day.
#[inline]
fn is_date(text: &[u8]) -> bool {
    match text {
        [year @ .., b'-', a, b, b'-', c, d] => year.len() >= 4 && digits(year) && digits([a, b, c, d]),
        _ => false,
    }
}

/// Hours, minutes and seconds, perhaps with a fraction.
#[inline]
fn is_time(text: &[u8]) -> bool {
    match text {
        [a, b, b':', c, d, b':', e, f, rest @ ..] if digits([a, b, c, d, e, f]) => match rest {
            [b'.', fraction @ ..] => !fraction.is_empty() && digits(fraction),
            rest => rest.is_empty(),
        },
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
            (false, "2026-11-20 09:23:34.946212", "2026-11-20T09:23:34.946212"),
            (false, "2026-11-20 09:23:34", "2026-11-20T09:23:34"),
            (false, "294276-12-31 23:59:59.999999", "294276-12-31T23:59:59.999999"),
            (false, "0044-03-15 12:00:00 BC", "0044-03-15T12:00:00 BC"),
            (false, "infinity", "infinity"),
            (false, "-infinity", "-infinity"),
            (true, "2026-11-20 09:23:34.946212+00", "2026-11-20T09:23:34.946212+00:00"),
            (true, "2026-11-20 09:23:34-03:30", "2026-11-20T09:23:34-03:30"),
            (true, "1800-01-01 00:00:00-04:56:02", "1800-01-01T00:00:00-04:56:02"),
            (true, "4713-01-01 00:00:00+00 BC", "4713-01-01T00:00:00+00:00 BC"),
            (true, "10000-01-01 00:00:00.5+13", "10000-01-01T00:00:00.5+13:00"),
            (true, "infinity", "infinity"),
        ] {
            let mut out = Vec::new();
            write_timestamp(text.as_bytes(), zoned, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{json}\""));
        }
    }

    #[test]
    fn other_timestamps_are_misfits() {
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
            assert!(write_timestamp(text.as_bytes(), zoned, &mut out).is_err(), "{text}");
            assert!(out.is_empty());
        }
    }
}
