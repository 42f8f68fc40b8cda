//! `walcat pub`: one file a subcommand.

mod create;
mod drop;
mod list;

use crate::cli::PublicationCommand;
use crate::connect::Settings;
use anyhow::Result;

/// Runs the subcommand.
pub fn run(command: &PublicationCommand, settings: &Settings) -> Result<()> {
    match command {
        PublicationCommand::Create(args) => create::run(args, settings),
        PublicationCommand::Drop(args) => drop::run(args, settings),
        PublicationCommand::List(args) => list::run(args, settings),
    }
}
