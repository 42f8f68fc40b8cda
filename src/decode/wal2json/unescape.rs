//! The text that a JSON string stands for.

use crate::text::scan::{BLOCK, copy, specials, unescaped_prefix};

/// Appends what a JSON string stands for, of any bytes, and returns what comes after its closing
/// quote. `text` begins after the opening one. `None` if it has no end, holds a control character,
/// or [`unescape`] fails.
pub(super) fn string<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        rest = skip_blocks(rest, out);
        let (plain, special) = rest.split_at_checked(unescaped_prefix(rest))?;
        out.extend_from_slice(plain);
        rest = match special {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'u', digits @ ..] => {
                // Two halves of a character at most.
                let digits = digits.get(..10).unwrap_or(digits);
                let digits = digits.utf8_chunks().next()?.valid();
                let (character, behind) = code_point(digits).ok()?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                special.get(2 + digits.len() - behind.len()..)?
            }
            [b'\\', escape, behind @ ..] => {
                out.push(short(*escape)?);
                behind
            }
            _ => return None,
        };
    }
}

/// Appends what the whole blocks of a long string stand for, up to its last one, or to what takes
/// more care, and returns the rest.
///
/// Copies of any length cost several times what the bytes do where every few bytes one is escaped.
/// All copies here have a fixed length, and what they copy too much is overwritten by the next.
fn skip_blocks<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    if text.len() < 2 * BLOCK {
        return text;
    }
    let mut plain = [0; 16 * BLOCK];
    let mut end = 0;
    let mut rest = text;
    'blocks: while rest.len() >= 2 * BLOCK {
        let Some(block) = rest.first_chunk() else {
            break;
        };
        if end > 14 * BLOCK {
            out.extend_from_slice(plain.get(..end).unwrap_or_default());
            end = 0;
        }
        let mut specials = specials(block);
        let mut from = 0;
        while specials != 0 {
            let special = specials.trailing_zeros() as usize;
            copy::<16>(rest, from, &mut plain, end);
            if special - from > 16 {
                copy::<BLOCK>(rest, from, &mut plain, end);
            }
            end += special - from;
            from = special;
            let byte = match rest.get(special..) {
                Some([b'\\', escape, ..]) => short(*escape),
                _ => None,
            };
            let Some(byte) = byte else {
                rest = rest.get(from..).unwrap_or_default();
                break 'blocks;
            };
            if let Some(place) = plain.get_mut(end) {
                *place = byte;
            }
            end += 1;
            from += 2;
            // What is escaped may be special itself.
            specials &= u64::MAX.checked_shl(from as u32).unwrap_or(0);
        }
        copy::<BLOCK>(rest, from, &mut plain, end);
        end += BLOCK.saturating_sub(from);
        rest = rest.get(from.max(BLOCK)..).unwrap_or_default();
    }
    out.extend_from_slice(plain.get(..end).unwrap_or_default());
    rest
}

/// What the byte after a backslash stands for.
#[inline(always)]
fn short(escape: u8) -> Option<u8> {
    Some(match escape {
        b'"' | b'\\' | b'/' => escape,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

/// Appends what the inner part of a JSON string stands for. Fails on NUL, which no text of
/// PostgreSQL holds, and on half a surrogate pair.
///
/// `serde_json` does this too, but only into a buffer of its own, anew for each message.
pub(super) fn unescape(inner: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = escape.chars();
        characters.next();
        match characters.next() {
            Some('u') => {
                let (character, behind) = code_point(characters.as_str())?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = behind;
                continue;
            }
            escape => {
                let escape = escape.and_then(|escape| short(u8::try_from(escape).ok()?));
                out.push(escape.ok_or("unknown escape in a string")?);
            }
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(())
}

/// Reads the digits behind `\u` and, after the first half of a surrogate pair, also the second
/// half.
fn code_point(digits: &str) -> Result<(char, &str), &'static str> {
    const HALF: &str = "half a surrogate pair in a string";
    let (first, rest) = hexadecimal(digits)?;
    match first {
        0 => Err("a zero byte in a string"),
        0xD800..=0xDBFF => {
            let (second, rest) = hexadecimal(rest.strip_prefix("\\u").ok_or(HALF)?)?;
            if !(0xDC00..=0xDFFF).contains(&second) {
                return Err(HALF);
            }
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            Ok((char::from_u32(code).ok_or(HALF)?, rest))
        }
        _ => Ok((char::from_u32(first).ok_or(HALF)?, rest)),
    }
}

fn hexadecimal(digits: &str) -> Result<(u32, &str), &'static str> {
    let (digits, rest) = digits
        .split_at_checked(4)
        .ok_or("unknown escape in a string")?;
    let number = digits.bytes().try_fold(0, |number, digit| {
        Some(number << 4 | char::from(digit).to_digit(16)?)
    });
    Ok((number.ok_or("unknown escape in a string")?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(inner: &str) -> Result<String, &'static str> {
        let mut out = Vec::new();
        unescape(inner, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn all_escapes_of_json() {
        assert_eq!(
            unescaped(r#"a\"b\\c\/d\b\f\n\r\te"#).unwrap(),
            "a\"b\\c/d\u{8}\u{c}\n\r\te"
        );
        assert_eq!(
            unescaped(r"\u0041\u00e9\u20AC\ud83d\ude00!").unwrap(),
            "Aé€😀!"
        );
        assert_eq!(unescaped("").unwrap(), "");
        assert_eq!(unescaped("ü😀").unwrap(), "ü😀");
    }

    #[test]
    fn strings_of_any_length_are_read_as_serde_json_reads_them() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut next = |bound: u64| random.u64(..bound);
        let (mut whole, mut refused) = (0, 0);
        for round in 0..20_000 {
            // From one special character in two up to one in two hundred.
            let rare = 2 + next(200);
            let text: String = (0..next(600))
                .map(|_| match next(rare) {
                    0 => char::from(1 + next(0x7f) as u8),
                    1 => ['"', '\\', '\n', '\u{1}', 'é', '\u{1f600}'][next(6) as usize],
                    _ => 'x',
                })
                .collect();
            let mut json = serde_json::to_string(&text)
                .unwrap()
                .replace("😀", r"\ud83d\ude00");
            if next(4) == 0 {
                // Wrong in most cases.
                let at = 1 + next(json.len() as u64 - 1) as usize;
                let character = ['"', '\\', 'u', '\n', 'x'][next(5) as usize];
                if json.is_char_boundary(at) {
                    json.insert(at, character);
                }
            }
            json.push_str(",\"more\"");
            let mut stream = serde_json::Deserializer::from_str(&json).into_iter::<String>();
            let expected = stream.next().unwrap().ok();
            let expected = expected.map(|text| (text, &json.as_bytes()[stream.byte_offset()..]));
            let mut out = Vec::new();
            let inner = json.as_bytes().strip_prefix(b"\"");
            let rest = inner.and_then(|inner| string(inner, &mut out));
            let read = rest.map(|rest| (String::from_utf8(out).unwrap(), rest));
            assert_eq!(read, expected, "round {round}: {json}");
            match read {
                Some(_) => whole += 1,
                None => refused += 1,
            }
        }
        assert!(whole > 1000 && refused > 1000, "{whole} {refused}");
        let mut out = Vec::new();
        assert_eq!(string(b"\xe4\\\"\xff\"}", &mut out), Some(&b"}"[..]));
        assert_eq!(out, b"\xe4\"\xff");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for inner in [
            r"\u0000",
            r"\ud83d",
            r"\ud83dx",
            r"\ud83d\u0041",
            r"\ude00",
            r"\u12",
            r"\u+123",
            r"\x",
            r"\",
            r"\u12é",
        ] {
            assert!(unescaped(inner).is_err(), "{inner}");
        }
    }
}
