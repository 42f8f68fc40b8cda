//! What the slot, publication and check commands print on stdout: lines, tables made to be read,
//! and JSON.

use crate::text::printable;
use anyhow::{Context, Result};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use std::io::{self, ErrorKind, Write};

/// Prints a text. A reader that went away has what it wanted.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(reason) if reason.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("could not write to standard output"),
    }
}

/// Prints a line that says what was done; `-q` silences it.
pub fn tell(line: &str) -> Result<()> {
    if !log::log_enabled!(log::Level::Info) {
        return Ok(());
    }
    print(&format!("{}\n", printable(line)))
}

/// A JSON array, one element a line.
pub fn json<T: Serialize>(elements: &[T]) -> Result<String> {
    let lines: std::result::Result<Vec<String>, _> =
        elements.iter().map(serde_json::to_string).collect();
    let lines = lines.context("could not print the list")?;
    Ok(if lines.is_empty() {
        "[]\n".to_owned()
    } else {
        format!("[\n{}\n]\n", lines.join(",\n"))
    })
}

/// Aligned columns under their headings, two spaces between them.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(headings);
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["a".to_owned(), "é\u{1b}".to_owned(), String::new()],
            vec!["long".to_owned(), "日本".to_owned(), "y".to_owned()],
        ];
        assert_eq!(
            table(&["X", "YY", "Z"], &rows),
            "X     YY       Z\na     é\\u{1b}\nlong  日本     y\n"
        );
    }

    #[test]
    fn json_has_one_element_a_line() {
        assert_eq!(json::<u8>(&[]).unwrap(), "[]\n");
        assert_eq!(json(&[1, 2]).unwrap(), "[\n1,\n2\n]\n");
    }
}
