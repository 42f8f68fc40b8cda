//! `walcat slot`: one file a subcommand.

mod advance;
mod create;
mod drop;
mod list;

pub use create::{Watch, create, kind_options, require};

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
