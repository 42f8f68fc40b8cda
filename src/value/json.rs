//! `json` and `jsonb`: embedded as they are, on one line, after a check that they are JSON.
//!
//! The check knows no limit of depth or length, as PostgreSQL allows thousands of levels and numbers of any length. It
//! neither recurses nor looks at what the values mean.

use super::scalar::skip_number;
use super::string::{is_utf8, unescaped_prefix, write_base64};
use super::writer::Misfit;

/// Appends a document, its line breaks turned into blanks. `nesting` is a buffer to reuse.
pub(super) fn write_json(text: &[u8], nesting: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    if !is_utf8(text) {
        write_base64(text, out);
        return Ok(());
    }
    nesting.clear();
    Cursor { rest: text }.document(nesting).ok_or(Misfit)?;
    append_on_one_line(text, out);
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

/// What is still to be checked.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// Is it one JSON value and nothing else?
    fn document(mut self, nesting: &mut Vec<u8>) -> Option<()> {
        loop {
            match self.token()? {
                b'"' => self.string()?,
                b'{' => match self.token()? {
                    b'}' => {}
                    b'"' => {
                        nesting.push(b'}');
                        self.key()?;
                        continue;
                    }
                    _ => return None,
                },
                b'[' => {
                    self.skip_blanks();
                    match self.rest {
                        [b']', rest @ ..] => self.rest = rest,
                        _ => {
                            nesting.push(b']');
                            continue;
                        }
                    }
                }
                b't' => self.rest = self.rest.strip_prefix(b"rue")?,
                b'f' => self.rest = self.rest.strip_prefix(b"alse")?,
                b'n' => self.rest = self.rest.strip_prefix(b"ull")?,
                first => self.number(first)?,
            }
            loop {
                self.skip_blanks();
                let Some(closing) = nesting.last() else { return self.rest.is_empty().then_some(()) };
                let (byte, rest) = self.rest.split_first()?;
                self.rest = rest;
                if byte == closing {
                    nesting.pop();
                } else if *byte != b',' {
                    return None;
                } else {
                    if *closing == b'}' {
                        if self.token()? != b'"' {
                            return None;
                        }
                        self.key()?;
                    }
                    break;
                }
            }
        }
    }

    /// Takes the key of an object behind its opening quote, and its colon.
    #[inline]
    fn key(&mut self) -> Option<()> {
        self.string()?;
        (self.token()? == b':').then_some(())
    }

    /// Takes a string behind its opening quote.
    #[inline]
    fn string(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.get(unescaped_prefix(self.rest)..)?;
            self.rest = match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Some(());
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => rest,
                [b'\\', b'u', a, b, c, d, rest @ ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => rest,
                _ => return None,
            };
        }
    }

    /// Takes a number behind its first byte.
    #[inline]
    fn number(&mut self, first: u8) -> Option<()> {
        self.rest = skip_number(first, self.rest)?;
        Some(())
    }

    /// Takes the next byte behind blanks.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        self.skip_blanks();
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &[u8]) -> Result<String, Misfit> {
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
        assert_eq!(json(b"{\n  \"a\":\r\n\t[1,\n2]\n}\n").unwrap(), "{   \"a\":  \t[1, 2] } ");
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
            assert_eq!(json(text.as_bytes()), Err(Misfit), "{text:?}");
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
