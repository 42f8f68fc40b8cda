//! `walcat pub`: one file a subcommand.

mod create;
mod drop;
mod harm;
mod list;

use crate::catalog::privileges;
use crate::catalog::publications::{Contents, NewPublication};
use crate::catalog::server::Server;
use crate::cli::PublicationCommand;
use crate::connect::invocation::walcat;
use crate::connect::{Client, Settings};
use crate::shell;
use anyhow::Result;

/// Runs the subcommand.
pub fn run(command: &PublicationCommand, settings: &Settings) -> Result<()> {
    match command {
        PublicationCommand::Create(args) => create::run(args, settings),
        PublicationCommand::Drop(args) => drop::run(args, settings),
        PublicationCommand::List(args) => list::run(args, settings),
    }
}

/// The command that creates a publication of all tables, or where the role may not, an
/// administrator's statement.
pub fn creation(session: &mut Client, server: &Server, name: &str) -> crate::error::Result<String> {
    let new = NewPublication {
        name,
        contents: Contents::AllTables,
        operations: &[],
        via_root: false,
    };
    Ok(match privileges::publication(session, server, &new)? {
        Some(lack) => lack.remedy,
        None => walcat(format_args!(
            "pub create {} --all-tables",
            shell::word(name)
        )),
    })
}
