//! The subcommands: one file each. Only `stream` knows all layers.

mod talk;

pub use talk::Talk;
