//! Events to bytes: newline-delimited JSON and text.
//!
//! [`Printer`] decides what is printed and when; [`ndjson`] and [`text`] say how. The streaming loop and `walcat decode` use it.
//! `--format raw` needs none of this: it passes on the plugin's bytes.

pub mod ndjson;
mod printer;
mod sql;
#[cfg(test)]
mod testing;
pub mod text;

pub use printer::{Format, Include, PrintSettings, Printed, Printer, Values};

use crate::event::Column;
use crate::value::Types;

/// The name of a column's type as `format_type` prints it; its number if nobody knows it.
fn type_name(column: &Column, types: &Types) -> String {
    if !column.type_name.is_empty() {
        return column.type_name.clone();
    }
    types.name(column.type_oid, column.type_modifier).unwrap_or_else(|| column.type_oid.to_string())
}
