//! JSON as a SQL_ASCII database sends it: its strings may hold any bytes.

/// The JSON text with what is not UTF-8 made readable in each string, as
/// [`readable`](crate::text::readable) does it.
pub fn readable(text: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(text) {
        return text.to_owned();
    }
    let mut readable = String::new();
    // Quotes within a string have a backslash before them.
    let (mut rest, mut inside) = (text, false);
    while !rest.is_empty() {
        let length = if inside { end(rest) } else { next_quote(rest) };
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        if inside {
            readable += &string(piece);
        } else {
            readable += &String::from_utf8_lossy(piece);
        }
        rest = behind;
        if let Some((quote, behind)) = behind.split_first() {
            readable.push(char::from(*quote));
            rest = behind;
        }
        inside = !inside;
    }
    readable
}

fn next_quote(text: &[u8]) -> usize {
    memchr::memchr(b'"', text).unwrap_or(text.len())
}

/// Where a string ends.
fn end(text: &[u8]) -> usize {
    let mut escaped = false;
    let ends = |byte: &u8| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    };
    text.iter().position(ends).unwrap_or(text.len())
}

/// What stands between the quotes of a string. An escaped backslash is doubled like a bare one
/// elsewhere.
fn string(text: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(text) {
        return text.to_owned();
    }
    let mut readable = String::new();
    for chunk in text.utf8_chunks() {
        readable += &chunk.valid().replace("\\\\", "\\\\\\\\");
        for byte in chunk.invalid() {
            readable += &format!("\\\\x{byte:02X}");
        }
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn strings_are_readable_each_for_itself() {
        for (text, value) in [
            (&b"{\"a\": \"\xe4\"}"[..], json!({"a": "\\xE4"})),
            (b"[\"\\\\\xff\", \"\\\\\"]", json!(["\\\\\\xFF", "\\"])),
            (b"[\"\\\"\xff\", 1]", json!(["\"\\xFF", 1])),
            ("{\"\u{e4}\": null}".as_bytes(), json!({"\u{e4}": null})),
            (
                b"[\"\xff\xfe\", {\"\xe4\": []}]",
                json!(["\\xFF\\xFE", {"\\xE4": []}]),
            ),
        ] {
            let parsed: Value = serde_json::from_str(&readable(text)).unwrap();
            assert_eq!(parsed, value);
        }
    }

    #[test]
    fn they_are_the_same_as_elsewhere() {
        for name in [&b"a\\\xff"[..], b"\"\\\"\xe4", b"\\x\xc3", b"\\\\\xff\\"] {
            let mut text = b"\"".to_vec();
            for byte in name {
                if [b'"', b'\\'].contains(byte) {
                    text.push(b'\\');
                }
                text.push(*byte);
            }
            text.push(b'"');
            let parsed: String = serde_json::from_str(&readable(&text)).unwrap();
            assert_eq!(parsed, crate::text::readable(name));
        }
    }

    #[test]
    fn what_is_no_json_stays_so() {
        for text in [
            &b"\xff"[..],
            b"\"\xff",
            b"\"\\",
            b"\xff\"\xff\"\xff",
            b"\"\\\xff\"",
        ] {
            let _ = readable(text);
        }
    }
}
