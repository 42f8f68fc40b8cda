//! JSON strings, escaped fast.

use crate::text::scan::{BLOCK, copy, plain_prefix, specials, unescaped_prefix};
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

/// Appends UTF-8 text as the inside of a JSON string.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = escape_blocks(text, out);
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

/// Appends what of a text stands in whole blocks that are not its last, and returns the rest.
///
/// Where every few bytes one is escaped, as in documents that are kept as text, copies of any
/// length cost several times what the bytes do: all copies here have a fixed length, and what they
/// copy too much is overwritten by the next.
fn escape_blocks<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    const ESCAPED_BLOCK: usize = BLOCK * LONGEST_ESCAPE;
    let mut escaped = [0; 3 * ESCAPED_BLOCK];
    let mut end = 0;
    let mut rest = text;
    while rest.len() >= 2 * BLOCK {
        let Some((block, behind)) = rest.split_first_chunk() else {
            break;
        };
        if end > 2 * ESCAPED_BLOCK - BLOCK {
            out.extend_from_slice(escaped.get(..end).unwrap_or_default());
            end = 0;
        }
        let mut specials = specials(block);
        let mut from = 0;
        while specials != 0 {
            let special = specials.trailing_zeros() as usize;
            specials &= specials - 1;
            copy::<16>(rest, from, &mut escaped, end);
            if special - from > 16 {
                copy::<BLOCK>(rest, from, &mut escaped, end);
            }
            end += special - from;
            let byte = block.get(special).copied().unwrap_or_default();
            let (escape, length) = ESCAPES.get(usize::from(byte)).unwrap_or(&([0; 8], 0));
            copy::<8>(escape, 0, &mut escaped, end);
            end += length;
            from = special + 1;
        }
        copy::<BLOCK>(rest, from, &mut escaped, end);
        end += BLOCK - from;
        rest = behind;
    }
    out.extend_from_slice(escaped.get(..end).unwrap_or_default());
    rest
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
#[inline]
pub(super) fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    if let Some((escape, length)) = ESCAPES.get(usize::from(byte)) {
        let end = out.len() + length;
        out.extend_from_slice(escape);
        out.truncate(end);
    }
}

/// `\u001f`
const LONGEST_ESCAPE: usize = 6;

/// What stands for a byte that must be escaped, and how long it is. The others stand for
/// themselves.
static ESCAPES: [([u8; 8], usize); 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut escapes = [([0; 8], 1); 256];
    let mut byte = 0;
    while byte < escapes.len() {
        let short = match byte as u8 {
            b'"' | b'\\' => byte as u8,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            _ => 0,
        };
        let (high, low) = (DIGITS[byte >> 4], DIGITS[byte & 15]);
        escapes[byte] = match short {
            0 if byte < 0x20 => ([b'\\', b'u', b'0', b'0', high, low, 0, 0], LONGEST_ESCAPE),
            0 => ([byte as u8, 0, 0, 0, 0, 0, 0, 0], 1),
            short => ([b'\\', short, 0, 0, 0, 0, 0, 0], 2),
        };
        byte += 1;
    }
    escapes
};

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
    fn every_byte_is_escaped_at_every_place() {
        for length in (0..40).chain([63, 64, 65, 128, 150]) {
            for place in 0..length {
                for byte in 0..0x80u8 {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    let text = String::from_utf8(text).unwrap();
                    assert_eq!(
                        serde_json::from_str::<String>(&string(text.as_bytes())).unwrap(),
                        text
                    );
                }
            }
        }
    }

    #[test]
    fn long_texts_are_escaped_as_short_ones_are() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut next = |bound: u64| random.u64(..bound);
        for round in 0..2000 {
            // From one special character in two up to one in two hundred.
            let rare = 2 + next(200);
            let text: String = (0..next(1000))
                .map(|_| match next(rare) {
                    0 => char::from(next(0x80) as u8),
                    1 => ['"', '\\', '\n', '\u{1}', 'é', '\u{1f600}'][next(6) as usize],
                    _ => 'x',
                })
                .collect();
            let expected = serde_json::to_string(&text).unwrap();
            assert_eq!(string(text.as_bytes()), expected, "round {round}");
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
