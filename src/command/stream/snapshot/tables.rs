//! Which tables `--snapshot` reads, and what it goes with.

use crate::command::stream::requirements::Requirements;
use crate::connect::invocation::walcat;
use crate::error::{Error, Result};
use crate::select::{Filter, Operations};
use crate::shell;
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
        let own = Filter::new(&args.snapshot, Operations::ALL)?;
        let (shown, chosen) = (shown.clone(), own.clone());
        let scope = Scope {
            publications: requirements.publications.clone(),
            chosen: Box::new(move |schema, table| {
                let chooses =
                    |filter: &Filter| !filter.operations_of(schema, table).has_no_table_operation();
                chooses(&shown) && chooses(&chosen)
            }),
        };
        if !args.create_publication {
            // Before anything is made.
            let tables = find(requirements.catalog.client()?, &scope, None)?;
            refuse_names_of_none(&own, &args.snapshot, &tables)?;
        }
        Ok(Some(TablesToRead(scope)))
    }

    /// Returns `true` if some of them have no key.
    pub fn have_no_key(&self, requirements: &mut Requirements<'_>) -> Result<bool> {
        let tables = find(requirements.catalog.client()?, &self.0, None)?;
        Ok(!tables.iter().all(Table::has_key))
    }
}

/// A name that chooses nothing is most likely a slip; a wildcard may be meant for what is to come.
fn refuse_names_of_none(own: &Filter, patterns: &[String], tables: &[Table]) -> Result<()> {
    let name = |table: &Table| (table.schema.clone(), table.name.clone());
    let names: Vec<(String, String)> = tables.iter().map(name).collect();
    let unmatched = own.unmatched(&names);
    let Some(at) = unmatched.into_iter().find(|&at| own.name(at).is_some()) else {
        return Ok(());
    };
    let quoted = patterns
        .get(at)
        .map_or_else(String::new, |text| shell::word(text));
    let error = format!("could not read the rows of {quoted}: no table of that name is streamed");
    Err(Error::new(error).with_remedy(format!("see what is published: {}", walcat("pub list"))))
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
