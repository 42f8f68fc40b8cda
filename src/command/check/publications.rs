//! The publications: are they there, what is in them, and which tables do they make unfit for
//! UPDATE or DELETE.

use super::findings::Findings;
use crate::catalog::publications::{self, Existing};
use crate::catalog::replica_identity;
use crate::connect::Client;
use crate::error::Result;
use crate::shell;

/// How many tables of a publication are named one by one.
const TABLES_SHOWN: usize = 20;

/// Looks at the publications that are named, or else at all.
pub fn check(findings: &mut Findings, session: &mut Client, wanted: &[String]) -> Result<()> {
    let there = publications::existing(session)?;
    if wanted.is_empty() && there.is_empty() {
        findings.warn(
            "the database has no publication, and pgoutput needs one",
            "walcat pub create NAME --all-tables",
        );
    }
    if wanted.is_empty() {
        return there
            .iter()
            .try_for_each(|publication| check_one(findings, session, publication));
    }
    for name in wanted {
        if let Some(publication) = there.iter().find(|there| there.name == *name) {
            check_one(findings, session, publication)?;
        } else {
            let remedy = format!("walcat pub create {} --all-tables", shell::word(name));
            findings.fail(format!("there is no publication \"{name}\""), remedy);
        }
    }
    Ok(())
}

fn check_one(findings: &mut Findings, session: &mut Client, publication: &Existing) -> Result<()> {
    let name = &publication.name;
    match publication.tables {
        0 => findings.warn(
            format!("publication \"{name}\" has no tables"),
            "walcat pub list",
        ),
        1 => findings.ok(format!("publication \"{name}\" has 1 table")),
        count => findings.ok(format!("publication \"{name}\" has {count} tables")),
    }
    let unreplicable = replica_identity::unreplicable(session, publication.oid)?;
    for table in unreplicable.iter().take(TABLES_SHOWN) {
        findings.warn(format!("publication \"{name}\": {table}"), table.remedy());
    }
    if let Some(more @ 1..) = unreplicable.len().checked_sub(TABLES_SHOWN) {
        findings.warn(
            format!("publication \"{name}\": UPDATE or DELETE fails on {more} more tables"),
            "give them a primary key or REPLICA IDENTITY FULL",
        );
    }
    Ok(())
}
