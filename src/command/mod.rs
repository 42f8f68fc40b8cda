//! The subcommands: one file each. Only `stream` knows all layers.

mod answer;
mod ask;
pub mod check;
pub mod complete;
pub mod completions;
pub mod decode;
#[cfg(feature = "nats")]
mod log_destination;
pub mod logger;
mod printing;
pub mod publication;
mod report;
pub mod slot;
mod status_line;
pub mod stream;

pub use ask::ask;
pub use printing::{is_colored, print_settings};
pub use report::{exit_status, report};
