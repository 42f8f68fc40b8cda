//! The subcommands: one file each. Only `stream` knows all layers.

mod answer;
pub mod check;
pub mod completions;
pub mod decode;
mod printing;
pub mod publication;
pub mod slot;
pub mod stream;
mod talk;

pub use printing::{is_colored, print_settings};
pub use talk::Talk;
