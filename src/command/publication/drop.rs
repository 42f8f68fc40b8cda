//! `walcat pub drop`.

use crate::catalog::publications;
use crate::catalog::server::Server;
use crate::cli::PublicationDropArgs;
use crate::connect::{self, Settings};
use anyhow::Result;
use log::info;

/// Drops the publications: all, or after an error none.
pub fn run(args: &PublicationDropArgs, settings: &Settings) -> Result<()> {
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    for name in publications::drop(&mut session, &server, &args.names, args.if_exists)? {
        info!("dropped publication \"{name}\"");
    }
    Ok(())
}
