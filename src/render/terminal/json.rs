//! JSON as `jq -C` shows it, and with no character in it that could move the cursor.

use super::classes::Classes;
use crate::error::Result;
use crate::event::{Event, Relation};
use crate::render::Render;
use crate::text::is_harmful;
use crate::value::Types;

/// A buffer that became larger than this for one event is not kept.
const KEPT: usize = 1 << 20;

/// Writes what another format writes, which is JSON, for a terminal.
pub(in crate::render) struct Json {
    format: Box<dyn Render>,
    colored: bool,
    plain: Vec<u8>,
}

impl Json {
    /// Shows what `format` writes.
    pub(in crate::render) fn new(format: Box<dyn Render>, colored: bool) -> Json {
        Json {
            format,
            colored,
            plain: Vec::new(),
        }
    }
}

impl Render for Json {
    fn types(&mut self) -> &mut Types {
        self.format.types()
    }

    fn prepare(&mut self, relation: &Relation, anew: bool) {
        self.format.prepare(relation, anew);
    }

    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.plain.clear();
        self.plain.shrink_to(KEPT);
        self.format.write(event, &mut self.plain)?;
        for line in self.plain.split_inclusive(|byte| *byte == b'\n') {
            show(&String::from_utf8_lossy(line), self.colored, out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.format.finish(out);
    }
}

/// Appends a line.
fn show(line: &str, colored: bool, out: &mut Vec<u8>) {
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    let (mut classes, mut before) = (Classes::default(), None);
    for c in text.chars() {
        let in_string = classes.in_string();
        let class = classes.of(c);
        if colored && before.replace(class) != Some(class) {
            out.extend_from_slice(class.color());
        }
        match c {
            c if !is_harmful(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            // The same in JSON.
            c if in_string => out.extend(format!("\\u{:04x}", u32::from(c)).into_bytes()),
            _ => out.push(b' '),
        }
    }
    if before.is_some() {
        out.extend_from_slice(b"\x1b[0m");
    }
    out.extend_from_slice(end.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, colored: bool) -> String {
        let mut out = Vec::new();
        show(line, colored, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn is_colored_as_jq_does() {
        assert_eq!(
            shown("{\"a\":1,\"b\":[null,\"x\"]}\n", true),
            "\x1b[0;1;39m{\x1b[0;34;1m\"a\"\x1b[0;1;39m:\x1b[0;39m1\x1b[0;1;39m,\
             \x1b[0;34;1m\"b\"\x1b[0;1;39m:[\x1b[0;1;30mnull\x1b[0;1;39m,\x1b[0;32m\"x\"\
             \x1b[0;1;39m]}\x1b[0m\n"
        );
        assert_eq!(shown("{\"a\":1}\n", false), "{\"a\":1}\n");
    }

    #[test]
    fn no_character_moves_the_cursor() {
        assert_eq!(
            shown("{\"a\u{9b}2J\u{202e}\":\t\"\u{7f}\"}\n", false),
            "{\"a\\u009b2J\\u202e\": \"\\u007f\"}\n"
        );
    }
}
