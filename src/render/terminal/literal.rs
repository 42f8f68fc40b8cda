//! Values in no more than so many columns: the beginning of what is longer, and its full size.

use super::classes::Classes;
use crate::sql::{needs_escapes, write_byte, write_inside_literal};
use crate::text::human_size;
use unicode_width::UnicodeWidthChar;

/// At most so many bytes for each column are looked at, however little they take: characters that
/// have no width could go on without end.
const BYTES_A_COLUMN: usize = 16;

/// However long the note on the size is, so many columns of the value are shown.
const LEAST_SHOWN: usize = 6;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Bare,
    /// In quotes.
    Quoted,
    /// In quotes, with the colours of JSON.
    Json,
}

/// How wide a text is that is there as it is to be shown.
pub(super) fn width(text: &[u8]) -> usize {
    let valid = text.utf8_chunks().map(|chunk| chunk.valid());
    valid.flat_map(str::chars).map(columns).sum()
}

/// Appends `text` in about `limit` columns, and returns how many it takes. `faint` and `end` are
/// around the note on its size.
pub(super) fn write(
    text: &[u8],
    form: Form,
    limit: usize,
    (faint, end): (&[u8], &[u8]),
    out: &mut Vec<u8>,
) -> usize {
    let looked_at = text
        .get(..limit.saturating_mul(BYTES_A_COLUMN))
        .unwrap_or(text);
    let quotes = form != Form::Bare;
    let escapes = quotes && needs_escapes(looked_at);
    if quotes {
        out.extend_from_slice(if escapes { b"E'" } else { b"'" });
    }
    let before = usize::from(quotes) + usize::from(escapes);
    let around = before + usize::from(quotes);
    let note = format!(
        " ({})",
        human_size(text.len().try_into().unwrap_or(i64::MAX))
    );
    let room = limit
        .saturating_sub(around + 1 + note.len())
        .max(LEAST_SHOWN);
    let mut shown = Shown {
        out,
        escapes,
        classes: (form == Form::Json).then(Classes::default),
        class: None,
        width: 0,
        kept: (0, 0),
    };
    shown.keep();
    let whole = shown.write(looked_at, room, limit.saturating_sub(around));
    let whole = whole && looked_at.len() == text.len();
    let mut width = around + shown.width;
    if !whole {
        let (length, kept) = shown.kept;
        out.truncate(length);
        width = around + kept + 1 + note.len();
    }
    if form == Form::Json {
        out.extend_from_slice(end);
    }
    if !whole {
        out.extend_from_slice("…".as_bytes());
    }
    if quotes {
        out.push(b'\'');
    }
    if !whole {
        out.extend_from_slice(faint);
        out.extend_from_slice(note.as_bytes());
        out.extend_from_slice(end);
    }
    width
}

/// A value that is being written.
struct Shown<'a> {
    out: &'a mut Vec<u8>,
    escapes: bool,
    /// If it is JSON and coloured.
    classes: Option<Classes>,
    class: Option<super::classes::Class>,
    width: usize,
    /// Up to where it is shown if it turns out to be too long: length of `out`, and columns.
    kept: (usize, usize),
}

impl Shown<'_> {
    fn keep(&mut self) {
        self.kept = (self.out.len(), self.width);
    }

    /// Returns `true` if all of it has no more than `limit` columns; else what has no more than
    /// `room` is kept.
    fn write(&mut self, text: &[u8], room: usize, limit: usize) -> bool {
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.character(c);
                if self.is_beyond(room, limit) {
                    return false;
                }
            }
            for byte in chunk.invalid() {
                write_byte(*byte, self.out);
                self.width += r"\xHH".len();
                if self.is_beyond(room, limit) {
                    return false;
                }
            }
        }
        true
    }

    fn is_beyond(&mut self, room: usize, limit: usize) -> bool {
        if self.width <= room {
            self.keep();
        }
        self.width > limit
    }

    fn character(&mut self, c: char) {
        if let Some(classes) = &mut self.classes {
            let class = classes.of(c);
            if self.class.replace(class) != Some(class) {
                self.out.extend_from_slice(class.color());
            }
        }
        let (start, mut bytes) = (self.out.len(), [0; 4]);
        write_inside_literal(c.encode_utf8(&mut bytes), self.escapes, self.out);
        let written = self.out.len() - start;
        // What is more than the character are escapes, of ASCII.
        self.width += match written == c.len_utf8() {
            true => columns(c),
            false => written,
        };
    }
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8], form: Form, limit: usize) -> String {
        let mut out = Vec::new();
        let columns = write(text, form, limit, (b"", b""), &mut out);
        assert_eq!(columns, width(&out), "{}", String::from_utf8_lossy(&out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_fits_is_whole() {
        for (text, expected) in [
            ("Ada", "'Ada'"),
            ("it's", "'it''s'"),
            ("a\nb\\", "E'a\\nb\\\\'"),
            ("\u{9b}2J", "E'\\u009b2J'"),
            ("日本", "'日本'"),
            ("123456789012345678", "'123456789012345678'"),
        ] {
            assert_eq!(written(text.as_bytes(), Form::Quoted, 20), expected);
        }
        assert_eq!(written(b"12.50", Form::Bare, 20), "12.50");
        assert_eq!(written(b"a\xff", Form::Quoted, 20), "E'a\\xff'");
        let whole = "x".repeat(1 << 20);
        let quoted = format!("'{whole}'");
        assert_eq!(written(whole.as_bytes(), Form::Quoted, usize::MAX), quoted);
    }

    #[test]
    fn what_does_not_is_shortened() {
        for (text, expected) in [
            ("1234567890123456789", "'123456…' (19 bytes)"),
            ("日本語日本語日本語日", "'日本語…' (30 bytes)"),
            ("''''''''''", "'''''''…' (10 bytes)"),
            ("\n\n\n\n\n\n\n\n\n\n\n", "E'\\n\\n\\n…' (11 bytes)"),
        ] {
            assert_eq!(written(text.as_bytes(), Form::Quoted, 20), expected);
        }
        let long = "x".repeat(1 << 20);
        let shown = "x".repeat(28);
        let expected = format!("'{shown}…' (1.0 MB)");
        assert_eq!(written(long.as_bytes(), Form::Quoted, 40), expected);
        let digits = [b'1'; 50];
        assert_eq!(written(&digits, Form::Bare, 20), "11111111… (50 bytes)");
    }

    #[test]
    fn what_has_no_width_has_an_end_too() {
        let text = "e".to_owned() + &"\u{301}".repeat(1 << 20);
        let mut out = Vec::new();
        write(text.as_bytes(), Form::Quoted, 40, (b"", b""), &mut out);
        assert!(out.len() < 1000, "{}", out.len());
        assert!(out.ends_with("…' (2.0 MB)".as_bytes()));
        assert!(std::str::from_utf8(&out).is_ok());
    }
}
