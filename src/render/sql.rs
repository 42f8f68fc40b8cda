//! Names and values as SQL writes them, with all that could move the cursor or forge a line in escapes.

use crate::error::is_harmful;

/// The words that PostgreSQL takes as names only in double quotes: those that `pg_get_keywords()` says are reserved, also where
/// only functions and types may have them (categories R and T).
const RESERVED: &str = "\
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation \
    column concurrently constraint create cross current_catalog current_date current_role current_schema \
    current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for \
    foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral \
    leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps \
    placing primary references returning right select session_user similar some symmetric system_user table \
    tablesample then to trailing true union unique user using variadic verbose when where window with";

/// Appends a name, quoted where SQL needs it: `users`, `"Users"`, `U&"a\000Ab"`.
pub(super) fn write_identifier(name: &[u8], out: &mut Vec<u8>) {
    if is_plain_identifier(name) {
        out.extend_from_slice(name);
        return;
    }
    let escapes = needs_escapes(name);
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
        chunk.invalid().iter().for_each(|byte| write_byte(*byte, out));
    }
    out.push(b'"');
}

/// Appends what is SQL already, as the name of a type.
pub(super) fn write_sql(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        if is_harmful(c) { write_unicode("\\", "\\+", 4, 6, c, out) } else { write_char(c, out) }
    }
}

/// Appends a value as a string literal: `'it''s'`, `E'a\nb'`.
pub(super) fn write_literal(text: &[u8], out: &mut Vec<u8>) {
    if text.iter().all(|byte| matches!(byte, b' '..=b'~' if *byte != b'\'')) {
        out.push(b'\'');
        out.extend_from_slice(text);
        out.push(b'\'');
        return;
    }
    let escapes = needs_escapes(text);
    out.extend_from_slice(if escapes { b"E'" } else { b"'" });
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
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
        }
        chunk.invalid().iter().for_each(|byte| write_byte(*byte, out));
    }
    out.push(b'\'');
}

fn is_plain_identifier(name: &[u8]) -> bool {
    let starts = name.first().is_some_and(|first| first.is_ascii_lowercase() || *first == b'_');
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    starts && name.iter().all(plain) && RESERVED.split(' ').all(|word| word.as_bytes() != name)
}

fn needs_escapes(text: &[u8]) -> bool {
    match std::str::from_utf8(text) {
        Ok(text) => text.contains(is_harmful),
        Err(_) => true,
    }
}

fn write_char(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Appends the escape of a character: `short` and that many digits, or `long` for those that need more.
fn write_unicode(short: &str, long: &str, short_digits: u32, long_digits: u32, c: char, out: &mut Vec<u8>) {
    let code = u32::from(c);
    let (prefix, digits) = if code < 0x1_0000 { (short, short_digits) } else { (long, long_digits) };
    out.extend_from_slice(prefix.as_bytes());
    for digit in (0..digits).rev() {
        write_digit(code >> (4 * digit), out);
    }
}

fn write_byte(byte: u8, out: &mut Vec<u8>) {
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

    fn identifier(name: &[u8]) -> String {
        let mut out = Vec::new();
        write_identifier(name, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn literal(text: &[u8]) -> String {
        let mut out = Vec::new();
        write_literal(text, &mut out);
        String::from_utf8(out).unwrap()
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
            assert_eq!(identifier(name.as_bytes()), written);
        }
        assert_eq!(identifier(b"a\xff"), "U&\"a\\xff\"");
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
            ("a\nb'c\\d", "E'a\\nb''c\\\\d'"),
            ("\t\r", "E'\\t\\r'"),
            ("\x1b[2J", "E'\\x1b[2J'"),
            ("\x7f", "E'\\x7f'"),
            ("\u{9b}2J", "E'\\u009b2J'"),
            ("\u{2028}", "E'\\u2028'"),
            ("\u{202e}evil", "E'\\u202eevil'"),
            ("\u{2067}", "E'\\u2067'"),
        ] {
            assert_eq!(literal(text.as_bytes()), written);
        }
        assert_eq!(literal(b"a\xffb\xc3"), "E'a\\xffb\\xc3'");
    }
}
