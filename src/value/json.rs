//! `json` and `jsonb`: embedded as they are, on one line, after a check that they are JSON.
//!
//! The check knows no limit of depth or length, as PostgreSQL allows thousands of levels and
//! numbers of any length. It neither recurses nor looks at what the values mean.

use super::scalar::skip_number;
use super::string::{is_utf8, write_base64};
use super::writer::Mismatch;
use crate::text::scan::{is_plain, unescaped_prefix};

/// Appends a document, its line breaks turned into blanks. `nesting` is a buffer to reuse.
pub(super) fn write_json(
    text: &[u8],
    nesting: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Mismatch> {
    // Nearly all are ASCII without control characters: one look for all that needs more care.
    let plain = is_plain(text);
    if !plain && !is_utf8(text) {
        write_base64(text, out);
        return Ok(());
    }
    nesting.clear();
    is_document(text, nesting).ok_or(Mismatch)?;
    if plain {
        out.extend_from_slice(text)
    } else {
        append_on_one_line(text, out)
    }
    Ok(())
}

/// Line breaks of a valid document lie between its tokens, never in a string.
fn append_on_one_line(text: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    for at in memchr::memchr2_iter(b'\n', b'\r', text) {
        out.extend_from_slice(text.get(from..at).unwrap_or_default());
        out.push(b' ');
        from = at + 1;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
}

/// Returns `true` if it is one JSON value and nothing else. `nesting` is empty.
fn is_document(text: &[u8], nesting: &mut Vec<u8>) -> Option<()> {
    let mut rest = text;
    loop {
        let (byte, behind) = token(rest)?;
        rest = match byte {
            b'"' => skip_string(behind)?,
            b'{' => match token(behind)? {
                (b'}', behind) => behind,
                (b'"', key) => {
                    nesting.push(b'}');
                    rest = skip_key(key)?;
                    continue;
                }
                _ => return None,
            },
            b'[' => match token(behind)? {
                (b']', behind) => behind,
                _ => {
                    nesting.push(b']');
                    rest = behind;
                    continue;
                }
            },
            b't' => behind.strip_prefix(b"rue")?,
            b'f' => behind.strip_prefix(b"alse")?,
            b'n' => behind.strip_prefix(b"ull")?,
            first => skip_number(first, behind)?,
        };
        // Behind a value.
        loop {
            let Some(closing) = nesting.last() else {
                return skip_blanks(rest).is_empty().then_some(());
            };
            let (byte, behind) = token(rest)?;
            rest = behind;
            if byte == b',' {
                if *closing == b'}' {
                    rest = match token(rest)? {
                        (b'"', key) => skip_key(key)?,
                        _ => return None,
                    };
                }
                break;
            }
            if byte != *closing {
                return None;
            }
            nesting.pop();
        }
    }
}

/// The first byte that is not blank, and what is behind it.
#[inline(always)]
fn token(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        // As the server prints jsonb.
        [byte, behind @ ..] if *byte > b' ' => Some((*byte, behind)),
        [b' ', byte, behind @ ..] if *byte > b' ' => Some((*byte, behind)),
        _ => skip_blanks(text)
            .split_first()
            .map(|(byte, behind)| (*byte, behind)),
    }
}

#[inline(always)]
fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = text {
        text = rest;
    }
    text
}

/// What is behind an object's key and its colon. `text` begins behind the opening quote.
#[inline(always)]
fn skip_key(text: &[u8]) -> Option<&[u8]> {
    match token(skip_string(text)?)? {
        (b':', behind) => Some(behind),
        _ => None,
    }
}

/// What is behind a string. `text` begins behind the opening quote.
#[inline]
fn skip_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text.get(unescaped_prefix(text)..)? {
            [b'"', behind @ ..] => return Some(behind),
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                behind @ ..,
            ] => behind,
            [b'\\', b'u', a, b, c, d, behind @ ..]
                if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) =>
            {
                behind
            }
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &[u8]) -> Result<String, Mismatch> {
        let mut out = Vec::new();
        write_json(text, &mut Vec::new(), &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn documents_are_embedded_as_they_are() {
        for text in [
            r#"{"a": 1, "b": [1, 2.50, -0, 1e400], "a": null}"#,
            "null",
            "true",
            "false",
            "\"\"",
            "[]",
            "{}",
            "  [ ]\t",
            "{ }",
            "[[], {}, [{}]]",
            r#""\" \\ \/ \b \f \n \r \t \u00e4 \ud800""#,
            "\"Gr\u{e4}\u{df}e\"",
            "[1,2]",
            "-1.5e-7",
            "123456789012345678901234567890.123456789012345678901234567890",
            "{\"\":{\"\":{}}}",
        ] {
            assert_eq!(json(text.as_bytes()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn line_breaks_become_blanks() {
        assert_eq!(
            json(b"{\n  \"a\":\r\n\t[1,\n2]\n}\n").unwrap(),
            "{   \"a\":  \t[1, 2] } "
        );
        assert_eq!(json(b"\n1").unwrap(), " 1");
        assert_eq!(json(b"\"a\\nb\"").unwrap(), "\"a\\nb\"");
    }

    #[test]
    fn what_is_no_json_is_a_misfit() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[",
            "]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1",
            "{1:2}",
            "{\"a\" 1}",
            "[1}",
            "{\"a\":1]",
            "1 2",
            "[] []",
            "nul",
            "nulll",
            "True",
            "'a'",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u123\"",
            "\"a\nb\"",
            "\"a\tb\"",
            "01",
            "+1",
            "1.",
            "NaN",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
            "\u{a0}1",
            "1,2",
            ",",
        ] {
            assert_eq!(json(text.as_bytes()), Err(Mismatch), "{text:?}");
        }
    }

    #[test]
    fn no_depth_is_too_deep() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(json(deep.as_bytes()).unwrap(), deep);
        let objects = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
        assert_eq!(json(objects.as_bytes()).unwrap(), objects);
        assert!(json(&deep.as_bytes()[1..]).is_err());
    }

    #[test]
    fn a_document_that_is_not_utf8_is_kept_as_bytes() {
        assert_eq!(json(b"\"\xe4\"").unwrap(), r#"{"base64":"IuQi"}"#);
    }
}
