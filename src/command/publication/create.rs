//! `walcat pub create`: nothing that breaks writes, unless by force.

use super::harm;
use super::list::contents;
use crate::catalog::enumerate;
use crate::catalog::publications::{self, Contents, Harm, NewPublication, Publication};
use crate::catalog::replica_identity::Unreplicable;
use crate::catalog::server::Server;
use crate::catalog::table_spec::TableSpec;
use crate::cli::PublicationCreateArgs;
use crate::connect::{self, Settings};
use crate::error::Error;
use crate::select::Operation;
use anyhow::Result;
use log::{info, warn};
use std::collections::BTreeSet;

/// How many tables are warned of one by one.
const WARNINGS_SHOWN: usize = 20;

/// Creates it; where UPDATE or DELETE of tables would then fail only by force, with a warning of
/// each.
pub fn run(args: &PublicationCreateArgs, settings: &Settings) -> Result<()> {
    let tables = args
        .table
        .iter()
        .map(|text| table(text))
        .collect::<Result<Vec<_>>>()?;
    let operations: Vec<&str> = args
        .publish
        .iter()
        .map(|operation| operation.name())
        .collect();
    let contents = if args.all_tables {
        Contents::AllTables
    } else {
        Contents::Only {
            tables: &tables,
            schemas: &args.schema,
        }
    };
    let new = NewPublication {
        name: &args.name,
        contents,
        operations: &operations,
        via_root: args.via_root,
    };
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    let accept = |harm: &Harm| match args.force {
        true => Ok(()),
        false => Err(harm::refuse(args, harm)),
    };
    match publications::create(&mut session, &server, &new, accept)? {
        Some(unreplicable) => {
            info!("created publication \"{}\"", args.name);
            warn_of(&unreplicable);
            Ok(())
        }
        None if args.if_not_exists => {
            let list = publications::list(&mut session, &server.version)?;
            match list
                .iter()
                .find(|publication| publication.name == args.name)
            {
                Some(there) => compare(there, args, &operations),
                None => info!("publication \"{}\" is already there", args.name),
            }
            Ok(())
        }
        None => Err(Error::new(format!(
            "could not create publication \"{}\": it already exists",
            args.name
        ))
        .with_remedy("another name, or the option --if-not-exists")
        .into()),
    }
}

/// Says what of the publication that is there is other than was asked for. Its tables are told, not
/// compared: what the names on the command line mean is the server's to say.
fn compare(there: &Publication, args: &PublicationCreateArgs, operations: &[&str]) {
    let name = &args.name;
    let contents = enumerate(&contents(there));
    let of_all_tables = there.all_tables && there.tables.is_empty();
    if of_all_tables {
        info!("publication \"{name}\" is already there");
    } else {
        info!("publication \"{name}\" is already there, of {contents}");
    }
    let mut differences = Vec::new();
    let schemas: BTreeSet<&String> = args.schema.iter().collect();
    if of_all_tables != args.all_tables
        || !there.schemas.iter().collect::<BTreeSet<_>>().eq(&schemas)
    {
        differences.push(format!("of {contents}"));
    }
    let is_wanted = |operation: &&str| operations.is_empty() || operations.contains(operation);
    if !Operation::ON_TABLES
        .map(Operation::name)
        .iter()
        .filter(|name| is_wanted(name))
        .eq(&there.publish)
    {
        differences.push(format!("publishing {}", there.publish.join(", ")));
    }
    if there.via_root != args.via_root {
        differences
            .push(if there.via_root { "with" } else { "without" }.to_owned() + " --via-root");
    }
    if !differences.is_empty() {
        warn!(
            "publication \"{name}\" is other than asked for: {}",
            differences.join("; ")
        );
    }
}

fn table(text: &str) -> Result<TableSpec> {
    TableSpec::parse(text)
        .map_err(|reason| Error::usage(format!("could not read table \"{text}\": {reason}")).into())
}

fn warn_of(unreplicable: &[Unreplicable]) {
    for table in unreplicable.iter().take(WARNINGS_SHOWN) {
        warn!("{table}; try: {}", table.remedy());
    }
    if let Some(more @ 1..) = unreplicable.len().checked_sub(WARNINGS_SHOWN) {
        warn!("UPDATE or DELETE fails on {more} more tables");
    }
}
