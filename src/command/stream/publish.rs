//! `--create-publication`: made for what is to be shown, and never one that breaks writes.

use crate::catalog::privileges::{self, Lack};
use crate::catalog::publications::{self, Contents, Harm, NewPublication};
use crate::catalog::replica_identity::refusal;
use crate::catalog::server::Server;
use crate::catalog::table_spec::TableSpec;
use crate::catalog::tables;
use crate::cli::PrintOptions;
use crate::connect::Client;
use crate::connect::invocation::walcat;
use crate::error::{Error, Result};
use crate::select::{Filter, Operation, Operations, pattern};
use crate::shell;
use log::warn;
use std::collections::BTreeSet;

/// So many tables are named in a command.
const TABLES_SHOWN: usize = 20;

/// What a publication is made for: the tables and the operations that are shown.
pub struct Shown<'a> {
    patterns: &'a [String],
    /// `None`: all tables.
    tables: Option<Vec<TableSpec>>,
    /// None: all.
    operations: Vec<&'static str>,
}

impl<'a> Shown<'a> {
    /// What these options show of the tables that there are. Fails, with the reason alone, if that
    /// is nothing.
    pub fn new(client: &mut Client, print: &'a PrintOptions) -> Result<Shown<'a>> {
        let only: Operations = match print.op.as_slice() {
            [] => Operations::ALL,
            operations => operations.iter().copied().collect(),
        };
        let patterns = print.table.as_slice();
        if patterns.is_empty() {
            return Ok(Shown {
                patterns,
                tables: None,
                operations: names(&[only]),
            });
        }
        let filter = Filter::new(patterns, only)?;
        let chosen = Filter::new(patterns, Operations::ALL)?;
        let mut tables = tables::publishable(client)?;
        tables.retain(|(schema, table)| chosen.operations_of(schema, table) != Operations::NONE);
        if tables.is_empty() {
            let patterns: Vec<String> = patterns.iter().map(|one| shell::word(one)).collect();
            return Err(Error::because(format!(
                "no table matches --table {}",
                patterns.join(" --table ")
            )));
        }
        let operations: Vec<Operations> = tables
            .iter()
            .map(|(schema, table)| filter.operations_of(schema, table))
            .collect();
        let spec = |(schema, table): &(String, String)| TableSpec::named(schema, table);
        Ok(Shown {
            patterns,
            tables: Some(tables.iter().map(spec).collect()),
            operations: names(&operations),
        })
    }

    /// What the role lacks to create one.
    pub fn lack(&self, client: &mut Client, server: &Server, name: &str) -> Result<Option<Lack>> {
        privileges::publication(client, server, &self.publication(name))
    }

    /// Creates one; `false` if there already was one of that name.
    pub fn create(&self, client: &mut Client, server: &Server, name: &str) -> Result<bool> {
        let refuse = |harm: &Harm| Err(self.refusal(name, harm));
        let created = publications::create(client, server, &self.publication(name), refuse)?;
        Ok(created.is_some())
    }

    /// Warns of publications that are there already and lack operations that are shown.
    pub fn warn_of_fewer(
        &self,
        client: &mut Client,
        server: &Server,
        names: &[String],
    ) -> Result<()> {
        let mut there = publications::list(client, &server.version)?;
        there.retain(|one| names.contains(&one.name));
        let all = Operation::ON_TABLES.map(Operation::name);
        let wanted = match self.operations.as_slice() {
            [] => all.as_slice(),
            operations => operations,
        };
        let published: BTreeSet<&str> = there
            .iter()
            .flat_map(|one| one.publish.iter().map(String::as_str))
            .collect();
        if wanted.iter().all(|operation| published.contains(operation)) {
            return Ok(());
        }
        for publication in there {
            warn!(
                "publication \"{}\" is there already, and publishes {} only",
                publication.name,
                publication.publish.join(", ")
            );
        }
        Ok(())
    }

    fn publication<'n>(&'n self, name: &'n str) -> NewPublication<'n> {
        NewPublication {
            name,
            contents: match &self.tables {
                None => Contents::AllTables,
                Some(tables) => Contents::Only {
                    tables,
                    schemas: &[],
                },
            },
            operations: &self.operations,
            // The tables that are named are those that are to be shown, not their partitions.
            via_root: self.tables.is_some(),
        }
    }

    /// Names the ways out: what the tables lack, the other tables, other operations, force.
    fn refusal(&self, name: &str, harm: &Harm) -> Error {
        let mut error = refusal(&harm.tables);
        let harmed: BTreeSet<&(String, String)> =
            harm.tables.iter().map(|table| &table.root).collect();
        if !harm.others.is_empty() && harmed.len() <= TABLES_SHOWN {
            let chosen = match self.patterns {
                [] => vec![option("*")],
                patterns => patterns.iter().map(|one| option(one)).collect(),
            };
            let left_out = harmed
                .iter()
                .map(|(schema, table)| option(&format!("!{}", pattern(schema, table))));
            let options: Vec<String> = chosen.into_iter().chain(left_out).collect();
            error = error.or_remedy(options.join(" "));
        }
        let all = Operation::ON_TABLES.map(Operation::name);
        let operations = match self.operations.as_slice() {
            [] => all.as_slice(),
            operations => operations,
        };
        let harmless: Vec<&str> = operations
            .iter()
            .copied()
            .filter(|one| !["update", "delete"].contains(one))
            .collect();
        if !harmless.is_empty() {
            error = error.or_remedy(format!("--op {}", harmless.join(",")));
        }
        let what = match &self.tables {
            None => " --all-tables".to_owned(),
            Some(tables) => {
                let table = |spec: &TableSpec| format!(" --table {}", shell::word(spec.sql()));
                tables.iter().map(table).collect::<String>() + " --via-root"
            }
        };
        let publish = match self.operations.as_slice() {
            [] => String::new(),
            operations => format!(" --publish {}", operations.join(",")),
        };
        error.or_remedy(walcat(format_args!(
            "pub create {}{what}{publish} --force",
            shell::word(name)
        )))
    }
}

fn option(pattern: &str) -> String {
    format!("--table {}", shell::word(pattern))
}

/// What a publication has to publish so that all of this is shown; none: all.
fn names(operations: &[Operations]) -> Vec<&'static str> {
    let is_shown = |one: &Operation| operations.iter().any(|some| some.contains(*one));
    let shown: Vec<Operation> = Operation::ON_TABLES.into_iter().filter(is_shown).collect();
    if shown.len() == Operation::ON_TABLES.len() {
        Vec::new()
    } else {
        shown.into_iter().map(Operation::name).collect()
    }
}
