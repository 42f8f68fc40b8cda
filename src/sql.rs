//! Names and values as SQL writes them, with all that could move the cursor or forge a line in
//! escapes.

use crate::text::is_harmful;
use memchr::memchr;
use std::collections::HashSet;
use std::sync::LazyLock;

/// The words that PostgreSQL takes as names only in double quotes: those that `pg_get_keywords()`
/// says are reserved, also where only functions and types may have them (categories R and T).
const RESERVED: &str = "\
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check \
    collate collation \
    column concurrently constraint create cross current_catalog current_date current_role \
    current_schema \
    current_time current_timestamp current_user default deferrable desc distinct do else end \
    except false fetch for \
    foreign freeze from full grant group having ilike in initially inner intersect into is isnull \
    join lateral \
    leading left like limit localtime localtimestamp natural not notnull null offset on only or \
    order outer overlaps \
    placing primary references returning right select session_user similar some symmetric \
    system_user table \
    tablesample then to trailing true union unique user using variadic verbose when where window \
    with";

static RESERVED_SET: LazyLock<HashSet<&[u8]>> =
    LazyLock::new(|| RESERVED.split(' ').map(str::as_bytes).collect());

/// A name, quoted where SQL needs it: `users`, `"Users"`, `"order"`, `U&"a\000ab"`.
pub fn identifier(name: &str) -> String {
    let mut out = Vec::new();
    write_identifier(name.as_bytes(), &mut out);
    crate::text::readable(&out)
}

/// A table's name with its schema, each quoted where SQL needs it.
pub fn table(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// A name in double quotes and just as it is, for statements that are sent.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value as a string literal: `'it''s'`, `E'a\nb'`.
pub fn literal(text: &str) -> String {
    let mut out = Vec::new();
    write_literal(text.as_bytes(), &mut out);
    crate::text::readable(&out)
}

/// Returns `true` if SQL takes the name without quotes.
pub fn is_plain(name: &str) -> bool {
    is_plain_identifier(name.as_bytes())
}

/// Returns `true` for what `format_type` may return: names, in double quotes or of letters, digits
/// and blanks; numbers in parentheses; dots and brackets.
pub fn is_type_name(text: &str) -> bool {
    let mut rest = text.chars();
    let mut begun = false;
    while let Some(c) = rest.next() {
        let fits = match c {
            '"' => loop {
                match rest.next() {
                    Some('"') => break true,
                    Some(c) if !is_harmful(c) => {}
                    _ => break false,
                }
            },
            '(' => loop {
                match rest.next() {
                    Some(')') => break begun,
                    Some('0'..='9' | ',' | '-' | ' ') => {}
                    _ => break false,
                }
            },
            '0'..='9' | '.' | '[' | ']' | '$' | ' ' => begun,
            c => c.is_alphabetic() || c == '_',
        };
        if !fits {
            return false;
        }
        begun = true;
    }
    begun
}

/// Appends a name, quoted where SQL needs it: `users`, `"Users"`, `U&"a\000Ab"`.
pub fn write_identifier(name: &[u8], out: &mut Vec<u8>) {
    if is_plain_identifier(name) {
        out.extend_from_slice(name);
        return;
    }
    let escapes = std::str::from_utf8(name).map_or(true, has_harmful);
    out.extend_from_slice(if escapes { b"U&\"" } else { b"\"" });
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\"\""),
                '\\' if escapes => out.extend_from_slice(b"\\\\"),
                c if is_harmful(c) => write_unicode("\\", "\\+", 4, 6, c, out),
                c => write_char(c, out),
            }
        }
        // No SQL has a form for these: names are text in the database's encoding.
        chunk
            .invalid()
            .iter()
            .for_each(|byte| write_byte(*byte, out));
    }
    out.push(b'"');
}

/// Appends what is SQL already, as the name of a type.
pub fn write_sql(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        if is_harmful(c) {
            write_unicode("\\", "\\+", 4, 6, c, out)
        } else {
            write_char(c, out)
        }
    }
}

/// Appends a value as a string literal: `'it''s'`, `E'a\nb'`.
pub fn write_literal(text: &[u8], out: &mut Vec<u8>) {
    write_quoted(text, false, out);
}

/// Appends a value as a string literal that means the same whether `standard_conforming_strings` is
/// on or off: `'it''s'`, `E'C:\\dir'`.
pub fn write_constant(text: &[u8], out: &mut Vec<u8>) {
    write_quoted(text, memchr(b'\\', text).is_some(), out);
}

/// Returns `true` if a literal of it is one with escapes: `E'...'`.
pub fn needs_escapes(text: &[u8]) -> bool {
    !is_plain_literal(text) && simdutf8::basic::from_utf8(text).map_or(true, has_harmful)
}

fn write_quoted(text: &[u8], escapes: bool, out: &mut Vec<u8>) {
    if !escapes && is_plain_literal(text) {
        out.push(b'\'');
        out.extend_from_slice(text);
        out.push(b'\'');
        return;
    }
    let valid = simdutf8::basic::from_utf8(text).ok();
    let escapes = escapes || valid.is_none_or(has_harmful);
    out.extend_from_slice(if escapes { b"E'" } else { b"'" });
    match valid {
        Some(text) => write_inside_literal(text, escapes, out),
        None => {
            for chunk in text.utf8_chunks() {
                write_inside_literal(chunk.valid(), escapes, out);
                chunk
                    .invalid()
                    .iter()
                    .for_each(|byte| write_byte(*byte, out));
            }
        }
    }
    out.push(b'\'');
}

/// Appends a part of what a literal says, which is one with `escapes` or without.
pub fn write_inside_literal(text: &str, escapes: bool, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((before, c, behind)) = split_at_special(rest) {
        out.extend_from_slice(before.as_bytes());
        match c {
            '\'' => out.extend_from_slice(b"''"),
            '\\' if escapes => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c.is_ascii_control() => write_byte(c as u8, out),
            c if is_harmful(c) => write_unicode("\\u", "\\U", 4, 8, c, out),
            c => write_char(c, out),
        }
        rest = behind;
    }
    out.extend_from_slice(rest.as_bytes());
}

fn has_harmful(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, c, behind)) = split_at_special(rest) {
        if is_harmful(c) {
            return true;
        }
        rest = behind;
    }
    false
}

/// The first character that may have to be escaped, and what is before and behind it.
#[inline]
fn split_at_special(text: &str) -> Option<(&str, char, &str)> {
    let (before, from) = text.split_at_checked(special_position(text.as_bytes())?)?;
    let mut chars = from.chars();
    Some((before, chars.next()?, chars.as_str()))
}

/// So many bytes are looked at at once.
const STEP: usize = 16;

#[inline]
fn special_position(bytes: &[u8]) -> Option<usize> {
    let (steps, _) = bytes.as_chunks::<STEP>();
    let plain = |step: &&[u8; STEP]| {
        !step
            .iter()
            .fold(false, |any, byte| any | may_be_special(*byte))
    };
    let passed = steps.iter().take_while(plain).count() * STEP;
    let rest = bytes.get(passed..)?;
    rest.iter()
        .position(|byte| may_be_special(*byte))
        .map(|position| passed + position)
}

/// Returns `true` if it is ASCII that stands in a literal for itself.
#[inline]
fn is_plain_literal(text: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' if *byte != b'\'');
    let (steps, rest) = text.as_chunks::<STEP>();
    steps
        .iter()
        .all(|step| step.iter().fold(true, |all, byte| all & plain(byte)))
        && rest.iter().all(plain)
}

/// Returns `true` for a quote, a backslash and the first byte of a harmful character. It is never
/// another byte of a character.
#[inline]
fn may_be_special(byte: u8) -> bool {
    // Without branches, so that the compiler can compare many bytes at once.
    (byte < 0x20)
        | (byte == b'\'')
        | (byte == b'\\')
        | (byte == 0x7f)
        | (byte == 0xc2)
        | (byte == 0xd8)
        | (byte == 0xe2)
        | (byte == 0xef)
}

fn is_plain_identifier(name: &[u8]) -> bool {
    let starts = name
        .first()
        .is_some_and(|first| first.is_ascii_lowercase() || *first == b'_');
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    starts && name.iter().all(plain) && !RESERVED_SET.contains(name)
}

fn write_char(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Appends the escape of a character: `short` and that many digits, or `long` for those that need
/// more.
fn write_unicode(
    short: &str,
    long: &str,
    short_digits: u32,
    long_digits: u32,
    c: char,
    out: &mut Vec<u8>,
) {
    let code = u32::from(c);
    let (prefix, digits) = if code < 0x1_0000 {
        (short, short_digits)
    } else {
        (long, long_digits)
    };
    out.extend_from_slice(prefix.as_bytes());
    for digit in (0..digits).rev() {
        write_digit(code >> (4 * digit), out);
    }
}

/// Appends the escape of a byte, as in literals that have some.
pub fn write_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    write_digit(u32::from(byte >> 4), out);
    write_digit(u32::from(byte), out);
}

fn write_digit(value: u32, out: &mut Vec<u8>) {
    out.push(char::from_digit(value & 0xF, 16).map_or(b'0', |digit| digit as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_hold_nothing_else() {
        for name in [
            "integer",
            "timestamp(3) with time zone",
            "numeric(10,-2)",
            "interval day to second(0)",
            "public.mood[]",
            "\"Ä b\".\"a\"\"b; --\"",
            "\"char\"",
        ] {
            assert!(is_type_name(name), "{name}");
        }
        for name in [
            "",
            "16400",
            "a;b",
            "a--",
            "a'",
            "int) OR (true",
            "a(1) = (b)",
            "\"a",
            "b\u{7f}",
            "\"b\n\"",
        ] {
            assert!(!is_type_name(name), "{name}");
        }
    }

    #[test]
    fn identifiers_are_quoted_where_sql_needs_it() {
        assert_eq!(RESERVED.split(' ').count(), 101);
        for (name, written) in [
            ("users", "users"),
            ("_a1", "_a1"),
            ("Users", "\"Users\""),
            ("1st", "\"1st\""),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\\b", "\"a\\b\""),
            ("größe", "\"größe\""),
            ("order", "\"order\""),
            ("user", "\"user\""),
            ("all", "\"all\""),
            ("window", "\"window\""),
            ("with", "\"with\""),
            ("name", "name"),
            ("timestamp", "timestamp"),
            ("a\nb\\", "U&\"a\\000ab\\\\\""),
            ("\u{202e}x", "U&\"\\202ex\""),
        ] {
            assert_eq!(identifier(name), written);
        }
        let mut out = Vec::new();
        write_identifier(b"a\xff", &mut out);
        assert_eq!(out, b"U&\"a\\xff\"");
    }

    #[test]
    fn the_first_byte_gives_harmful_characters_away() {
        for c in ('\0'..=char::MAX).filter(|c| is_harmful(*c)) {
            let text = c.to_string();
            assert!(may_be_special(text.as_bytes()[0]), "{c:?}");
            for length in [0, 1, 15, 16, 17, 40] {
                let padding = "é".repeat(length / 2) + &"a".repeat(length % 2);
                let padded = format!("{padding}{c}{padding}");
                assert_eq!(
                    split_at_special(&padded),
                    Some((&padding[..], c, &padding[..]))
                );
            }
        }
    }

    #[test]
    fn literals_are_those_of_sql() {
        for (text, written) in [
            ("", "''"),
            ("Ada", "'Ada'"),
            ("it's", "'it''s'"),
            ("C:\\dir", "'C:\\dir'"),
            ("grün", "'grün'"),
            ("日本", "'日本'"),
            ("\u{2019}\u{00a0}\u{ff01}", "'\u{2019}\u{00a0}\u{ff01}'"),
            ("a\nb'c\\d", "E'a\\nb''c\\\\d'"),
            ("\t\r", "E'\\t\\r'"),
            ("\x1b[2J", "E'\\x1b[2J'"),
            ("\x7f", "E'\\x7f'"),
            ("\u{9b}2J", "E'\\u009b2J'"),
            ("\u{2028}", "E'\\u2028'"),
            ("\u{202e}evil", "E'\\u202eevil'"),
            ("\u{2067}", "E'\\u2067'"),
        ] {
            assert_eq!(literal(text), written);
        }
        let mut out = Vec::new();
        write_literal(b"a\xffb\xc3", &mut out);
        assert_eq!(out, b"E'a\\xffb\\xc3'");
    }
}
