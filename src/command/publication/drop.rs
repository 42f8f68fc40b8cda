//! `walcat pub drop`.

use crate::catalog::publications;
use crate::catalog::server::Server;
use crate::cli::PublicationDropArgs;
use crate::command::Talk;
use crate::connect::{self, Settings};
use crate::error::Result;

/// Drops the publications: all, or after an error none.
pub fn run(args: &PublicationDropArgs, settings: &Settings, talk: &Talk) -> Result<()> {
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    for name in publications::drop(&mut session, &server, &args.names, args.if_exists)? {
        talk.info(&format!("dropped publication \"{name}\""));
    }
    Ok(())
}
