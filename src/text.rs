//! Text for people: whatever it comes from, it moves no cursor and forges no line.

pub mod scan;

/// No more than about this much is shown of anything, in bytes.
const MOST_SHOWN: usize = 1 << 20;

/// What stands before what a server says on further lines.
const INDENT: &str = "    ";

/// The text on one line: whatever could move the cursor, forge a line or turn the direction of
/// writing is escaped.
pub fn printable(text: &str) -> String {
    escaped(text, false)
}

/// The same, but line breaks stay, and what follows them is indented, so that it is not taken for a
/// line of ours; tabs stay too.
pub fn indented(text: &str) -> String {
    escaped(text, true)
}

/// Bytes as text. In a SQL_ASCII database a name may be anything: then bytes that are not UTF-8
/// become `\xHH` and each backslash is doubled, so that different names stay different among such.
pub fn readable(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += &chunk.valid().replace('\\', "\\\\");
        for byte in chunk.invalid() {
            text += &format!("\\x{byte:02X}");
        }
    }
    text
}

/// Returns `true` if it could move the cursor, forge a line or turn the direction of writing.
/// Control characters, ends of lines and paragraphs, marks of direction.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
        )
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Bytes as PostgreSQL's `pg_size_pretty` would put them, with one decimal where that tells more:
/// `1.5 MB`.
pub fn human_size(bytes: i64) -> String {
    let mut size = bytes as f64;
    let mut units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"].iter();
    let mut unit = units.next().unwrap_or(&"bytes");
    while size.abs() >= 1024.0 {
        let Some(larger) = units.next() else { break };
        (size, unit) = (size / 1024.0, larger);
    }
    if *unit == "bytes" || size >= 100.0 {
        format!("{size:.0} {unit}")
    } else {
        format!("{size:.1} {unit}")
    }
}

fn escaped(text: &str, lines: bool) -> String {
    if text.len() <= MOST_SHOWN && !text.contains(is_harmful) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len().min(MOST_SHOWN) + 64);
    for (at, c) in text.char_indices() {
        if clean.len() >= MOST_SHOWN {
            let left = text.len() - at;
            clean += &format!(" ... (cut: {left} more bytes)");
            break;
        }
        match c {
            '\n' if lines => {
                clean.push('\n');
                clean += INDENT;
            }
            '\t' if lines => clean.push('\t'),
            c if is_harmful(c) => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_forges_a_line() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}c\r"), "a\\u{1b}[2Jb\\u{9b}c\\r");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(printable("a\ntry: b\tc"), "a\\ntry: b\\tc");
        assert_eq!(indented("a\ntry: b\tc\r\n"), "a\n    try: b\tc\\r\n    ");
        assert_eq!(indented("a\u{1b}[2J\u{2028}b"), "a\\u{1b}[2J\\u{2028}b");
    }

    #[test]
    fn what_is_shown_has_an_end() {
        for text in ["\u{1b}", "\n", "\u{1f600}", "x"] {
            for clean in [printable, indented] {
                let shown = clean(&text.repeat(10 << 20));
                assert!(shown.len() <= MOST_SHOWN + 64, "{}", shown.len());
                assert!(shown.ends_with(" more bytes)"));
            }
        }
        let whole = "x".repeat(MOST_SHOWN);
        assert_eq!(printable(&whole), whole);
    }

    #[test]
    fn what_is_not_utf8_is_readable_and_stays_different() {
        assert_eq!(readable("a\\x\u{e4}".as_bytes()), "a\\x\u{e4}");
        assert_eq!(readable(b"a\\\xe4\xc3"), "a\\\\\\xE4\\xC3");
        assert_ne!(readable(b"\\xE4\xff"), readable(b"\xe4\xff"));
    }

    #[test]
    fn sizes_are_human() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 kB"),
            (100 << 20, "100 MB"),
            (i64::MAX, "8.0 EB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
    }
}
