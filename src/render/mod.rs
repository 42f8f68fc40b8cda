//! Events to bytes: newline-delimited JSON and text.
//!
//! [`Printer`] decides what is printed and when; [`ndjson`] and [`text`] say how. The streaming loop and `walcat decode` use it.
//! `--format raw` needs none of this: it passes on the plugin's bytes.

pub mod ndjson;
mod printer;
#[cfg(test)]
mod testing;
pub mod text;

pub use printer::{Format, Include, PrintSettings, Printed, Printer, Values};
