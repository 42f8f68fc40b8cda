//! Arrays: `{1,NULL,"a b"}`, of several dimensions `{{1,2},{3,4}}`, with bounds `[2:3]={1,2}`; and
//! the two vector types.

use super::kind::{Array, Kind};
use super::quoted::Part;
use super::writer::{Mismatch, Writer};

/// `MAXDIM`: PostgreSQL has no arrays of more dimensions.
const MAX_DIMENSIONS: usize = 6;

/// Appends an array as nested JSON arrays. JSON has no bounds: they are left out.
pub(super) fn write_array(
    writer: &mut Writer,
    array: &Array,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Mismatch> {
    let mut rest = without_bounds(text).ok_or(Mismatch)?;
    if rest == b"{}" {
        out.extend_from_slice(b"[]");
        return Ok(());
    }
    let mut depth = 0;
    let mut dimensions = 0;
    loop {
        while let [b'{', inside @ ..] = rest {
            depth += 1;
            out.push(b'[');
            rest = inside;
            if depth > MAX_DIMENSIONS {
                return Err(Mismatch);
            }
        }
        if dimensions == 0 {
            dimensions = depth;
        }
        if depth != dimensions || depth == 0 {
            return Err(Mismatch);
        }
        rest = write_element(writer, array, rest, out)?;
        while let [b'}', behind @ ..] = rest {
            depth -= 1;
            out.push(b']');
            rest = behind;
            if depth == 0 {
                return if rest.is_empty() {
                    Ok(())
                } else {
                    Err(Mismatch)
                };
            }
        }
        match rest {
            [byte, behind @ ..] if *byte == array.delimiter => rest = behind,
            _ => return Err(Mismatch),
        }
        out.push(b',');
    }
}

/// Appends the element that `text` begins with; gives what is behind it.
#[inline]
fn write_element<'a>(
    writer: &mut Writer,
    array: &Array,
    text: &'a [u8],
    out: &mut Vec<u8>,
) -> Result<&'a [u8], Mismatch> {
    if let [b'"', quoted @ ..] = text {
        let (part, rest) = Part::quoted(quoted).ok_or(Mismatch)?;
        writer.write_part(&array.element, part, out)?;
        return Ok(rest);
    }
    let ends = |byte: &u8| *byte == array.delimiter || matches!(byte, b'{' | b'}' | b'"' | b'\\');
    let length = text.iter().position(ends).ok_or(Mismatch)?;
    match text.split_at(length) {
        (b"", _) => Err(Mismatch),
        (b"NULL", rest) => {
            out.extend_from_slice(b"null");
            Ok(rest)
        }
        (raw, rest) => {
            writer.write_part(&array.element, Part::bare(raw), out)?;
            Ok(rest)
        }
    }
}

/// Takes off bounds that do not begin at 1: `[lower:upper]` for each dimension, then `=`.
fn without_bounds(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    while let [b'[', bounds @ ..] = rest {
        rest = skip_integer(bounds)?.strip_prefix(b":")?;
        rest = skip_integer(rest)?.strip_prefix(b"]")?;
    }
    if rest.len() == text.len() {
        Some(text)
    } else {
        rest.strip_prefix(b"=")
    }
}

fn skip_integer(text: &[u8]) -> Option<&[u8]> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let length = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    if length == 0 {
        None
    } else {
        digits.get(length..)
    }
}

/// Appends an `int2vector` or `oidvector`: elements with blanks between them.
pub(super) fn write_vector(
    writer: &mut Writer,
    numbers: bool,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Mismatch> {
    let element = if numbers { Kind::Number } else { Kind::Text };
    out.push(b'[');
    if !text.is_empty() {
        for (index, part) in text.split(|byte| *byte == b' ').enumerate() {
            if part.is_empty() {
                return Err(Mismatch);
            }
            if index > 0 {
                out.push(b',');
            }
            writer.write_part(&element, Part::bare(part), out)?;
        }
    }
    out.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(element: Kind, text: &str) -> Result<String, Mismatch> {
        json_of(&Kind::array(element, b','), text.as_bytes())
    }

    fn json_of(kind: &Kind, text: &[u8]) -> Result<String, Mismatch> {
        let mut out = b"before".to_vec();
        let result = Writer::default().write(kind, text, &mut out);
        let out = String::from_utf8(out).unwrap();
        let json = out.strip_prefix("before").unwrap().to_owned();
        assert!(
            result.is_ok() || json.is_empty(),
            "{json} is left of a mismatch"
        );
        result.map(|()| json)
    }

    #[test]
    fn arrays_of_any_dimension() {
        for (text, value) in [
            ("{}", "[]"),
            ("{1}", "[1]"),
            ("{1,-2,NULL,4}", "[1,-2,null,4]"),
            ("{{1,2},{3,4}}", "[[1,2],[3,4]]"),
            ("{{{{{{1}}}}}}", "[[[[[[1]]]]]]"),
            ("[2:3]={1,2}", "[1,2]"),
            ("[-1:0][0:1]={{1,2},{3,4}}", "[[1,2],[3,4]]"),
            ("{NaN,1e+30,Infinity}", r#"["NaN",1e+30,"Infinity"]"#),
        ] {
            assert_eq!(json(Kind::Number, text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn elements_are_quoted_where_they_must_be() {
        for (text, value) in [
            (
                r#"{"NULL",NULL,null,"null"}"#,
                r#"["NULL",null,"null","null"]"#,
            ),
            (r#"{""}"#, r#"[""]"#),
            (
                r#"{a,"b c","d,e","{f}","g\"h","i\\j"}"#,
                r#"["a","b c","d,e","{f}","g\"h","i\\j"]"#,
            ),
            ("{\"a\nb\",\"\\\\\"}", r#"["a\nb","\\"]"#),
            (
                "{\u{e4},\"\u{e4} \\\"\u{1f600}\"}",
                "[\"\u{e4}\",\"\u{e4} \\\"\u{1f600}\"]",
            ),
        ] {
            assert_eq!(json(Kind::Text, text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn elements_have_their_own_kinds() {
        assert_eq!(json(Kind::Bool, "{t,f,NULL}").unwrap(), "[true,false,null]");
        assert_eq!(
            json(Kind::TimestampTz, r#"{"2026-11-20 09:23:34+00",infinity}"#).unwrap(),
            r#"["2026-11-20T09:23:34+00:00","infinity"]"#
        );
        assert_eq!(
            json(Kind::Json, r#"{"{\"a\": [1, \"x\\\"y\"]}",3,NULL,"null"}"#).unwrap(),
            r#"[{"a": [1, "x\"y"]},3,null,null]"#
        );
        // An array of a domain over arrays.
        assert_eq!(
            json(
                Kind::array(Kind::Number, b','),
                r#"{"{1,2}","{3}","{}",NULL}"#
            )
            .unwrap(),
            "[[1,2],[3],[],null]"
        );
        assert_eq!(
            json(Kind::Vector { numbers: true }, r#"{"1 2",3,""}"#).unwrap(),
            "[[1,2],[3],[]]"
        );
    }

    #[test]
    fn the_delimiter_is_that_of_the_element() {
        let boxes = Kind::array(Kind::Text, b';');
        assert_eq!(
            json_of(&boxes, b"{(1,1),(0,0);(2,2),(0,0)}").unwrap(),
            r#"["(1,1),(0,0)","(2,2),(0,0)"]"#
        );
    }

    #[test]
    fn an_element_that_is_not_utf8_is_kept_as_bytes() {
        let texts = Kind::array(Kind::Text, b',');
        assert_eq!(
            json_of(&texts, b"{a,\xe4,\"\\\"\xe4\"}").unwrap(),
            r#"["a",{"base64":"5A=="},{"base64":"IuQ="}]"#
        );
    }

    #[test]
    fn other_texts_are_mismatches() {
        for text in [
            "",
            "1",
            "{",
            "}",
            "{1",
            "{1,",
            "{1,}",
            "{,1}",
            "{1}}",
            "{1}x",
            "{{1,2},3}",
            "{1,{2}}",
            "{{{{{{{1}}}}}}}",
            "{{}}",
            "{{1}",
            "[1:2]",
            "[1:2={1}",
            "[1:2]=",
            "[1:2]{1}",
            "[x]={1}",
            r#"{"1}"#,
            r#"{"1"2}"#,
            r#"{1"2"}"#,
            r"{1\2}",
            "{1;2",
            "{{1},}",
            "{{1}{2}}",
            "[]=1",
        ] {
            assert_eq!(json(Kind::Number, text), Err(Mismatch), "{text}");
        }
        assert_eq!(json(Kind::Bool, "{t,x}"), Err(Mismatch));
    }

    #[test]
    fn vectors_have_blanks_between_their_elements() {
        let numbers = Kind::Vector { numbers: true };
        assert_eq!(json_of(&numbers, b"1 -2 3").unwrap(), "[1,-2,3]");
        assert_eq!(json_of(&numbers, b"").unwrap(), "[]");
        assert_eq!(
            json_of(&Kind::Vector { numbers: false }, b"23 25").unwrap(),
            r#"["23","25"]"#
        );
        assert_eq!(json_of(&numbers, b"1  2"), Err(Mismatch));
        assert_eq!(json_of(&numbers, b" 1"), Err(Mismatch));
    }
}
