//! `walcat slot`: one file a subcommand.

mod advance;
mod create;
mod drop;
mod list;
mod waiting;

pub use create::{kind_options, require};
pub use waiting::{Watch, create};

use crate::cli::SlotCommand;
use crate::connect::Settings;
use crate::stop::Stop;
use anyhow::Result;

/// Runs the subcommand.
pub fn run(command: &SlotCommand, settings: &Settings, stop: &Stop) -> Result<()> {
    match command {
        SlotCommand::Create(args) => create::run(args, settings, stop),
        SlotCommand::Drop(args) => drop::run(args, settings),
        SlotCommand::List(args) => list::run(args, settings),
        SlotCommand::Advance(args) => advance::run(args, settings),
    }
}
