//! Composite types: `(1,,"a ""b""")`.

use super::kind::Attribute;
use super::quoted::Part;
use super::writer::{Mismatch, Writer};

/// Appends a row as an object. Exactly its attributes must be there.
pub(super) fn write_composite(
    writer: &mut Writer,
    attributes: &[Attribute],
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Mismatch> {
    let inside = text.strip_prefix(b"(").ok_or(Mismatch)?;
    out.push(b'{');
    let mut rest = inside;
    for (index, attribute) in attributes.iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b",").ok_or(Mismatch)?;
            out.push(b',');
        }
        out.extend_from_slice(&attribute.key);
        rest = write_attribute(writer, attribute, rest, out)?;
    }
    out.push(b'}');
    if rest == b")" { Ok(()) } else { Err(Mismatch) }
}

/// Appends the value that `text` begins with; gives what is behind it.
fn write_attribute<'a>(
    writer: &mut Writer,
    attribute: &Attribute,
    text: &'a [u8],
    out: &mut Vec<u8>,
) -> Result<&'a [u8], Mismatch> {
    if let [b'"', quoted @ ..] = text {
        let (part, rest) = Part::quoted_by_doubling(quoted).ok_or(Mismatch)?;
        writer.write_part(&attribute.kind, part, out)?;
        return Ok(rest);
    }
    let ends = |byte: &u8| matches!(byte, b',' | b')' | b'(' | b'"' | b'\\');
    let length = text.iter().position(ends).ok_or(Mismatch)?;
    let (raw, rest) = text.split_at(length);
    if raw.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        writer.write_part(&attribute.kind, Part::bare(raw), out)?;
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Kind;

    fn json(kind: &Kind, text: &str) -> Result<String, Mismatch> {
        let mut out = Vec::new();
        Writer::default()
            .write(kind, text.as_bytes(), &mut out)
            .map(|()| String::from_utf8(out).unwrap())
    }

    fn pair() -> Kind {
        Kind::composite([("n", Kind::Number), ("t", Kind::Text)])
    }

    #[test]
    fn attributes_become_members_in_their_order() {
        for (text, value) in [
            ("(1,a)", r#"{"n":1,"t":"a"}"#),
            ("(,)", r#"{"n":null,"t":null}"#),
            (r#"(-1.50,"")"#, r#"{"n":-1.50,"t":""}"#),
            (
                r#"(1,"a ""b"" \\ c, (d)")"#,
                r#"{"n":1,"t":"a \"b\" \\ c, (d)"}"#,
            ),
            ("(1,\"a\nb\")", r#"{"n":1,"t":"a\nb"}"#),
            ("(1,NULL)", r#"{"n":1,"t":"NULL"}"#),
            ("(1,{)", r#"{"n":1,"t":"{"}"#),
        ] {
            assert_eq!(json(&pair(), text).as_deref(), Ok(value), "{text}");
        }
        let odd = Kind::composite([("a \"b\"\n", Kind::Bool)]);
        assert_eq!(json(&odd, "(t)").unwrap(), r#"{"a \"b\"\n":true}"#);
        assert_eq!(json(&odd, "()").unwrap(), r#"{"a \"b\"\n":null}"#);
        assert_eq!(json(&Kind::composite([]), "()").unwrap(), "{}");
    }

    #[test]
    fn composites_nest_with_arrays() {
        let nested = Kind::composite([
            ("p", pair()),
            ("ps", Kind::array(pair(), b',')),
            ("j", Kind::Json),
        ]);
        let text = r#"("(1,""x """"y"""""")","{""(2,\\""a \\\\\\""\\\\\\"" \\\\\\\\\\"")"",NULL}","{""k"": ""\\""""}")"#;
        assert_eq!(
            json(&nested, text).unwrap(),
            r#"{"p":{"n":1,"t":"x \"y\""},"ps":[{"n":2,"t":"a \"\" \\"},null],"j":{"k": "\""}}"#
        );
    }

    #[test]
    fn other_texts_are_mismatches() {
        for text in [
            "",
            "(",
            ")",
            "()",
            "(1)",
            "(1,2",
            "(1,2,3)",
            "(1,2))",
            "(1,2)x",
            "1,2",
            "(1,\"2)",
            "(1,a\"b\")",
            "(1,(2)",
            "(1,\\2)",
        ] {
            assert_eq!(json(&pair(), text), Err(Mismatch), "{text}");
        }
        assert_eq!(
            json(&Kind::composite([("a", Kind::Bool)]), "(1)"),
            Err(Mismatch)
        );
        assert_eq!(json(&Kind::composite([]), "(1)"), Err(Mismatch));
    }
}
