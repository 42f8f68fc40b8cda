//! JSON strings, escaped fast.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Appends `text` as a JSON string, or as `{"base64":"..."}` if it is not UTF-8.
#[inline]
pub fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    let plain = plain_prefix(text);
    if plain == text.len() {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else if is_utf8(text) {
        out.push(b'"');
        escape(text, out);
        out.push(b'"');
    } else {
        write_base64(text, out);
    }
}

/// Returns `true` if it is UTF-8. Cheap where it is ASCII.
#[inline]
pub(super) fn is_utf8(text: &[u8]) -> bool {
    text.is_ascii() || simdutf8::basic::from_utf8(text).is_ok()
}

/// Returns `true` if it is ASCII without control characters.
#[inline]
pub(super) fn is_plain(text: &[u8]) -> bool {
    prefix_without(text, |word| control(word) | word & HIGH_BITS) == text.len()
}

/// Appends UTF-8 text as the inside of a JSON string.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(unescaped_prefix(rest));
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else {
            return;
        };
        escape_byte(byte, out);
        rest = behind;
    }
}

#[cold]
pub(super) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"base64\":\"");
    let mut buffer = [0; 1024];
    for chunk in bytes.chunks(buffer.len() / 4 * 3) {
        // The buffer holds a whole chunk by its size, so there is nothing to fail.
        let length = STANDARD.encode_slice(chunk, &mut buffer).unwrap_or(0);
        out.extend(buffer.iter().take(length));
    }
    out.extend_from_slice(b"\"}");
}

/// Appends a byte that a JSON string must escape.
pub(super) fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            let digit = |half: u8| {
                if half < 10 {
                    b'0' + half
                } else {
                    b'a' + half - 10
                }
            };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// How many bytes from the first on stand in a JSON string for themselves and are ASCII.
#[inline]
fn plain_prefix(text: &[u8]) -> usize {
    prefix_without(text, |word| {
        control_quote_or_backslash(word) | word & HIGH_BITS
    })
}

/// How many bytes from the first on stand in a JSON string for themselves.
#[inline]
pub(super) fn unescaped_prefix(text: &[u8]) -> usize {
    prefix_without(text, control_quote_or_backslash)
}

const LOW_BITS: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = LOW_BITS << 7;
const BLANKS: u64 = LOW_BITS * b' ' as u64;

/// Looks at eight bytes at a time: `marks` sets the high bit of the bytes that it looks for. It may
/// also set that of bytes behind the first of them, as carries do.
#[inline(always)]
fn prefix_without(text: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    // The rest, together with bytes before it that are known to hold nothing.
    let (start, word) = match (
        text.last_chunk::<8>(),
        text.first_chunk::<4>(),
        text.last_chunk::<4>(),
    ) {
        (Some(last), ..) => (text.len() - 8, u64::from_le_bytes(*last)),
        // At most seven bytes: two halves that overlap. What is marked in the second half alone
        // lies behind the first.
        (None, Some(first), Some(last)) => {
            let first = u64::from(u32::from_le_bytes(*first));
            if marks(first | BLANKS << 32) & (u64::MAX >> 32) != 0 {
                (0, first | BLANKS << 32)
            } else {
                (
                    text.len() - 4,
                    u64::from(u32::from_le_bytes(*last)) | BLANKS << 32,
                )
            }
        }
        _ => {
            let byte = |index: usize| text.get(index).copied().unwrap_or(b' ');
            (
                0,
                u64::from_le_bytes([byte(0), byte(1), byte(2), b' ', b' ', b' ', b' ', b' ']),
            )
        }
    };
    match marks(word) {
        0 => text.len(),
        found => start + found.trailing_zeros() as usize / 8,
    }
}

/// Marks the bytes that a JSON string must escape.
#[inline(always)]
fn control_quote_or_backslash(word: u64) -> u64 {
    let zero = |x: u64| x.wrapping_sub(LOW_BITS) & !x;
    let quote_or_backslash =
        zero(word ^ (LOW_BITS * b'"' as u64)) | zero(word ^ (LOW_BITS * b'\\' as u64));
    control(word) | quote_or_backslash & HIGH_BITS
}

/// Marks control characters.
#[inline(always)]
fn control(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS * 0x20) & !word & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &[u8]) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_what_json_must_escape() {
        assert_eq!(string(b""), r#""""#);
        assert_eq!(string(b"plain"), r#""plain""#);
        assert_eq!(
            string("Gr\u{e4}\u{df}e \u{1f600}".as_bytes()),
            "\"Gr\u{e4}\u{df}e \u{1f600}\""
        );
        assert_eq!(string(b"a\"b\\c/d"), r#""a\"b\\c/d""#);
        assert_eq!(string(b"\x08\x09\x0a\x0c\x0d"), r#""\b\t\n\f\r""#);
        assert_eq!(
            string(b"\x00\x01\x1b\x1f\x7f"),
            "\"\\u0000\\u0001\\u001b\\u001f\x7f\""
        );
    }

    #[test]
    fn text_that_is_not_utf8_loses_nothing() {
        assert_eq!(string(b"\xff"), r#"{"base64":"/w=="}"#);
        assert_eq!(string(b"a\"\xe4b"), r#"{"base64":"YSLkYg=="}"#);
        for length in [766, 767, 768, 769, 5000] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8 | 0x80).collect();
            let value: serde_json::Value = serde_json::from_str(&string(&bytes)).unwrap();
            assert_eq!(
                STANDARD.decode(value["base64"].as_str().unwrap()).unwrap(),
                bytes
            );
        }
    }

    #[test]
    fn every_byte_is_found_at_every_place() {
        for length in 0..40 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    let escaped = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(
                        unescaped_prefix(&text) == length,
                        !escaped,
                        "{byte} at {place} of {length}"
                    );
                    assert_eq!(plain_prefix(&text) == length, !escaped && byte < 0x80);
                    if escaped {
                        assert_eq!(unescaped_prefix(&text), place);
                        assert_eq!(plain_prefix(&text), place);
                    }
                    if byte < 0x80 {
                        let text = String::from_utf8(text).unwrap();
                        assert_eq!(
                            serde_json::from_str::<String>(&string(text.as_bytes())).unwrap(),
                            text
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn specials_side_by_side_are_all_escaped() {
        let text: String = (0..0x80u8).chain((0..0x80).rev()).map(char::from).collect();
        assert_eq!(
            serde_json::from_str::<String>(&string(text.as_bytes())).unwrap(),
            text
        );
    }
}
