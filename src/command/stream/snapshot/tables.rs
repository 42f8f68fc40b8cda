//! Which tables `--snapshot` reads, and what it goes with.

use crate::command::stream::requirements::Requirements;
use crate::error::{Error, Result};
use crate::select::{Filter, Operations};
use crate::snapshot::{Scope, Table, find};

/// What `--snapshot` asks for.
pub struct TablesToRead(pub(super) Scope);

impl TablesToRead {
    /// Looks whether all can be read that `--snapshot` asks for, of what `shown` shows; `None` if
    /// it asks for nothing.
    pub fn check(
        requirements: &mut Requirements<'_>,
        shown: &Filter,
    ) -> Result<Option<TablesToRead>> {
        let args = requirements.args;
        if args.snapshot.is_empty() {
            return Ok(None);
        }
        refuse_what_cannot_be_merged(requirements)?;
        let (shown, own) = (shown.clone(), Filter::new(&args.snapshot, Operations::ALL)?);
        let scope = Scope {
            publications: requirements.publications.clone(),
            chosen: Box::new(move |schema, table| {
                let chooses =
                    |filter: &Filter| !filter.operations_of(schema, table).has_no_table_operation();
                chooses(&shown) && chooses(&own)
            }),
        };
        if !args.create_publication {
            // Before anything is made.
            find(requirements.catalog.client()?, &scope, None)?;
        }
        Ok(Some(TablesToRead(scope)))
    }

    /// Returns `true` if some of them have no key.
    pub fn have_no_key(&self, requirements: &mut Requirements<'_>) -> Result<bool> {
        let tables = find(requirements.catalog.client()?, &self.0, None)?;
        Ok(!tables.iter().all(Table::has_key))
    }
}

fn refuse_what_cannot_be_merged(requirements: &Requirements<'_>) -> Result<()> {
    let act = "could not use --snapshot";
    if !requirements.plugin.has_publications() {
        let name = requirements.plugin.name();
        return Err(Error::usage(format!("{act}: the plugin is {name}"))
            .with_detail(
                "What it prints of a key need not be what the server prints: rows could not be \
                 told apart.",
            )
            .with_remedy("a slot with the plugin pgoutput"));
    }
    if requirements.server.in_recovery {
        return Err(Error::new(format!("{act}: the server is a standby"))
            .with_detail("A standby cannot tell which transactions a snapshot of it sees.")
            .with_remedy("a slot on the primary"));
    }
    let slot = requirements.slot.as_ref();
    if slot.is_some_and(|slot| slot.two_phase) || requirements.args.kind.two_phase {
        return Err(Error::usage(format!(
            "{act}: the slot decodes transactions when they are prepared"
        ))
        .with_detail("Nobody knows then whether and when they will be committed.")
        .with_remedy("a slot without --two-phase"));
    }
    Ok(())
}
