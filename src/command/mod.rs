//! The subcommands: one file each. Only `stream` knows all layers.

pub mod completions;
mod talk;

pub use talk::Talk;
