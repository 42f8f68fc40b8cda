//! hstore: `"a"=>"1", "b"=>NULL`, to an object of strings and nulls, as its own cast to `json`
//! makes it.

use super::kind::Kind;
use super::quoted::Part;
use super::string::{is_utf8, write_base64};
use super::writer::{Mismatch, Writer};

/// Appends an hstore. One that is not UTF-8 is kept as bytes as a whole, for a key must be a
/// string.
pub(super) fn write_hstore(
    writer: &mut Writer,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Mismatch> {
    if !is_utf8(text) {
        write_base64(text, out);
        return Ok(());
    }
    out.push(b'{');
    let mut rest = text;
    while !rest.is_empty() {
        let (key, behind) =
            Part::quoted(rest.strip_prefix(b"\"").ok_or(Mismatch)?).ok_or(Mismatch)?;
        writer.write_part(&Kind::Text, key, out)?;
        out.push(b':');
        rest = match behind.strip_prefix(b"=>").ok_or(Mismatch)? {
            [b'N', b'U', b'L', b'L', behind @ ..] => {
                out.extend_from_slice(b"null");
                behind
            }
            [b'"', behind @ ..] => {
                let (value, behind) = Part::quoted(behind).ok_or(Mismatch)?;
                writer.write_part(&Kind::Text, value, out)?;
                behind
            }
            _ => return Err(Mismatch),
        };
        if !rest.is_empty() {
            rest = rest
                .strip_prefix(b", ")
                .filter(|rest| !rest.is_empty())
                .ok_or(Mismatch)?;
            out.push(b',');
        }
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &[u8]) -> Result<String, Mismatch> {
        let mut out = Vec::new();
        Writer::default()
            .write(&Kind::Hstore, text, &mut out)
            .map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn pairs_become_members() {
        for (text, value) in [
            ("", "{}"),
            (r#""a"=>"1""#, r#"{"a":"1"}"#),
            (
                r#""a"=>"1", "b"=>NULL, ""=>"""#,
                r#"{"a":"1","b":null,"":""}"#,
            ),
            (
                r#""a\"b"=>"c\\d", "e f"=>"NULL""#,
                r#"{"a\"b":"c\\d","e f":"NULL"}"#,
            ),
            ("\"a\"=>\"x, \\\"b\\\"=>1\"", r#"{"a":"x, \"b\"=>1"}"#),
            (
                "\"\u{e4}\n\"=>\"\u{1f600}\"",
                "{\"\u{e4}\\n\":\"\u{1f600}\"}",
            ),
        ] {
            assert_eq!(json(text.as_bytes()).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn other_texts_are_mismatches() {
        for text in [
            "a=>1",
            "\"a\"",
            "\"a\"=>",
            "\"a\"=>1",
            "\"a\"=>\"1",
            "\"a\"=>NULL,",
            "\"a\"=>NULL, ",
            "\"a\"=>NULLx",
            "\"a\"=>\"1\"\"b\"=>\"2\"",
            " ",
        ] {
            assert_eq!(json(text.as_bytes()), Err(Mismatch), "{text}");
        }
    }

    #[test]
    fn one_that_is_not_utf8_is_kept_as_bytes() {
        assert_eq!(
            json(b"\"\xe4\"=>NULL").unwrap(),
            r#"{"base64":"IuQiPT5OVUxM"}"#
        );
    }
}
