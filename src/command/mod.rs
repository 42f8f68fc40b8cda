//! The subcommands: one file each. Only `stream` knows all layers.

mod answer;
pub mod completions;
pub mod publication;
pub mod slot;
mod talk;

pub use talk::Talk;
