//! Parts of a value's text, as arrays, composites and hstore quote them.
//!
//! Between double quotes a backslash makes the next byte stand for itself; composites double quotes
//! as well.

use super::string::{escape_byte, is_utf8};
use crate::text::scan::unescaped_prefix;

/// A part of a value's text: an element, an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// What stands between the quotes, or all of it if there are none.
    pub raw: &'a [u8],
    /// Whether there are bytes in it that only make the next one stand for itself.
    pub escaped: bool,
}

impl<'a> Part<'a> {
    /// A part that is not quoted.
    pub fn bare(raw: &'a [u8]) -> Part<'a> {
        Part {
            raw,
            escaped: false,
        }
    }

    /// Splits behind the closing quote. `text` begins behind the opening one.
    #[inline]
    pub fn quoted(text: &'a [u8]) -> Option<(Part<'a>, &'a [u8])> {
        Part::split(text, |_| false)
    }

    /// The same, where two quotes stand for one.
    #[inline]
    pub fn quoted_by_doubling(text: &'a [u8]) -> Option<(Part<'a>, &'a [u8])> {
        Part::split(text, |behind| behind.first() == Some(&b'"'))
    }

    #[inline]
    fn split(text: &'a [u8], goes_on: impl Fn(&[u8]) -> bool) -> Option<(Part<'a>, &'a [u8])> {
        let mut escaped = false;
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
            let behind = text.get(at + 1..)?;
            if text.get(at) == Some(&b'"') && !goes_on(behind) {
                return Some((
                    Part {
                        raw: text.get(..at)?,
                        escaped,
                    },
                    behind,
                ));
            }
            escaped = true;
            at += 2;
        }
    }

    /// Appends what the part stands for.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
            let (plain, special) = rest.split_at(at);
            out.extend_from_slice(plain);
            rest = match special {
                [_, literal, behind @ ..] => {
                    out.push(*literal);
                    behind
                }
                _ => return,
            };
        }
        out.extend_from_slice(rest);
    }

    /// Appends what the part stands for as a JSON string, without a copy in between. False: it is
    /// not UTF-8 and nothing was appended.
    pub fn append_as_string(&self, out: &mut Vec<u8>) -> bool {
        // Bytes that make the next one stand for itself are ASCII, so text is UTF-8 without them if
        // it is with them.
        if !is_utf8(self.raw) {
            return false;
        }
        out.push(b'"');
        let mut rest = self.raw;
        loop {
            let (plain, special) = rest.split_at(unescaped_prefix(rest));
            out.extend_from_slice(plain);
            let (literal, behind) = match special {
                [] => break,
                [b'"' | b'\\', literal, behind @ ..] => (*literal, behind),
                [literal, behind @ ..] => (*literal, behind),
            };
            if literal < 0x20 || matches!(literal, b'"' | b'\\') {
                escape_byte(literal, out)
            } else {
                out.push(literal)
            }
            rest = behind;
        }
        out.push(b'"');
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_behind_the_closing_quote() {
        for (text, raw, escaped, behind) in [
            (r#"abc",d"#, "abc", false, ",d"),
            (r#"""#, "", false, ""),
            (r#"a\"b"}"#, r#"a\"b"#, true, "}"),
            (r#"a\\"}"#, r"a\\", true, "}"),
        ] {
            let part = Part {
                raw: raw.as_bytes(),
                escaped,
            };
            assert_eq!(
                Part::quoted(text.as_bytes()),
                Some((part, behind.as_bytes())),
                "{text}"
            );
        }
        for text in ["", "abc", r"abc\", r#"abc\""#] {
            assert_eq!(Part::quoted(text.as_bytes()), None, "{text}");
        }
        let part = Part {
            raw: br#"a""b"#,
            escaped: true,
        };
        assert_eq!(
            Part::quoted_by_doubling(br#"a""b",c"#),
            Some((part, &b",c"[..]))
        );
        assert_eq!(Part::quoted_by_doubling(br#"a"""#), None);
        assert_eq!(
            Part::quoted(br#"a""b",c"#),
            Some((Part::bare(b"a"), &br#""b",c"#[..]))
        );
    }

    #[test]
    fn stands_for_what_was_quoted() {
        for (raw, value) in [
            (r#"a""b"#, "a\"b"),
            (r"a\\b", "a\\b"),
            (r#"\"\\""\x"#, "\"\\\"x"),
            ("a\n\u{e4}\\\"\u{1f600}", "a\n\u{e4}\"\u{1f600}"),
            ("\\\n\\\u{e4}", "\n\u{e4}"),
            ("", ""),
        ] {
            let part = Part {
                raw: raw.as_bytes(),
                escaped: true,
            };
            let mut out = Vec::new();
            part.append_to(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), value);
            let mut out = Vec::new();
            assert!(part.append_as_string(&mut out));
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), value);
        }
    }

    #[test]
    fn says_when_it_is_not_utf8() {
        let mut out = Vec::new();
        assert!(
            !Part {
                raw: b"a\\\"\xff",
                escaped: true
            }
            .append_as_string(&mut out)
        );
        assert!(out.is_empty());
    }
}
