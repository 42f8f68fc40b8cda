//! The text that a JSON string stands for.

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
            Some('b') => out.push(8),
            Some('f') => out.push(12),
            Some('n') => out.push(b'\n'),
            Some('r') => out.push(b'\r'),
            Some('t') => out.push(b'\t'),
            Some(c @ ('"' | '\\' | '/')) => out.push(c as u8),
            Some('u') => {
                let (character, behind) = code_point(characters.as_str())?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = behind;
                continue;
            }
            _ => return Err("unknown escape in a string"),
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
