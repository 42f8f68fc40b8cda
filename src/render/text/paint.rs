//! The colours of the text format.

use colored::Color;

/// The escape sequences for colours; empty without.
#[derive(Default)]
pub(in crate::render) struct Paint {
    pub insert: Vec<u8>,
    pub update: Vec<u8>,
    pub delete: Vec<u8>,
    pub other: Vec<u8>,
    pub column: Vec<u8>,
    /// For the key, before another colour or none.
    pub bold: Vec<u8>,
    /// For what is less important.
    pub faint: Vec<u8>,
    pub end: Vec<u8>,
}

impl Paint {
    /// With colours or without.
    pub fn new(colored: bool) -> Paint {
        match colored {
            true => Paint::colored(),
            false => Paint::default(),
        }
    }

    fn colored() -> Paint {
        let start = |color: Color| format!("\x1b[{}m", color.to_fg_str()).into_bytes();
        Paint {
            insert: start(Color::Green),
            update: start(Color::Yellow),
            delete: start(Color::Red),
            other: start(Color::Magenta),
            column: start(Color::Cyan),
            bold: b"\x1b[1m".to_vec(),
            faint: start(Color::BrightBlack),
            end: b"\x1b[0m".to_vec(),
        }
    }

    /// Appends a text of this colour.
    pub fn write(&self, color: &[u8], text: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(color);
        out.extend_from_slice(text);
        out.extend_from_slice(&self.end);
    }
}
