//! Warns where `--table` chooses nothing that the publications send. It is no failure: the table
//! may be yet to come.

use crate::catalog::enumerate;
use crate::catalog::publications::{self, Publication};
use crate::catalog::tables::{self, Table};
use crate::connect::Client;
use crate::error::Result;
use crate::select::{Filter, Operations, pattern};
use crate::version::Version;
use crate::{shell, sql};
use log::warn;

/// Warns of each pattern without wildcards that no published table matches, and if none matches any
/// pattern.
pub fn warn_of_hidden(
    client: &mut Client,
    names: &[String],
    patterns: &[String],
    version: &Version,
) -> Result<()> {
    // Where all is chosen but what is excluded, anything may be yet to come.
    if patterns.iter().all(|pattern| pattern.starts_with('!')) {
        return warn_of_empty(client, names, version);
    }
    let published = publications::tables(client, names)?;
    let filter = Filter::new(patterns, Operations::ALL)?;
    let missing = filter.unmatched(&published);
    let shows = |(schema, table): &(String, String)| {
        !filter.operations_of(schema, table).has_no_table_operation()
    };
    if missing.is_empty() && published.iter().any(shows) {
        return Ok(());
    }
    let there = Situation {
        names,
        extensible: extensible(client, names, version)?,
        published,
        tables: tables::all(client)?,
    };
    for pattern in missing.iter().filter_map(|&at| patterns.get(at)) {
        let (what, remedy) = there.of_name(pattern)?;
        warn!(
            remedy = remedy.as_str();
            "--table {} shows nothing: {what}", shell::word(pattern)
        );
    }
    if missing.is_empty() {
        let (what, remedy) = (there.without("that --table chooses"), there.another());
        warn!(remedy = remedy.as_str(); "nothing is shown: {what}");
    }
    Ok(())
}

/// One for all tables, or for those of a schema, waits for them; one of no tables is a mistake.
fn warn_of_empty(client: &mut Client, names: &[String], version: &Version) -> Result<()> {
    if names.is_empty() || publications::have_contents(client, names, version)? {
        return Ok(());
    }
    let remedy = match extensible(client, names, version)? {
        Some(publication) => format!("ALTER PUBLICATION {publication} ADD TABLE ..."),
        None => "another publication: walcat pub create NAME --all-tables".to_owned(),
    };
    warn!(remedy = remedy.as_str(); "nothing is shown: {} no table", have(names));
    Ok(())
}

/// The first of these publications to which a table can be added, as SQL.
fn extensible(client: &mut Client, names: &[String], version: &Version) -> Result<Option<String>> {
    let list = publications::list(client, version)?;
    let fits = |one: &&Publication| names.contains(&one.name) && one.takes_tables();
    Ok(list.iter().find(fits).map(|one| sql::identifier(&one.name)))
}

/// What there is instead.
struct Situation<'a> {
    /// The publications.
    names: &'a [String],
    /// The first to which a table can be added, as SQL.
    extensible: Option<String>,
    published: Vec<(String, String)>,
    tables: Vec<Table>,
}

impl Situation<'_> {
    /// Why no published table has the name that the pattern says, and what mends it.
    fn of_name(&self, pattern: &str) -> Result<(String, String)> {
        let filter = Filter::new(&[pattern.to_owned()], Operations::ALL)?;
        let matches =
            |table: &&Table| filter.operations_of(&table.schema, &table.name) != Operations::NONE;
        let Some(table) = self.tables.iter().find(matches) else {
            return Ok((
                format!(
                    "there is no such table yet, {}",
                    self.without("of that name")
                ),
                self.similar(pattern)?,
            ));
        };
        let name = table.sql();
        if let Some((schema, root)) = &table.root
            && self
                .published
                .iter()
                .any(|one| one == &(schema.clone(), root.clone()))
        {
            return Ok((
                format!(
                    "changes of {name} are shown as those of {}, of which it is a partition",
                    sql::table(schema, root)
                ),
                choice(&(schema.clone(), root.clone())),
            ));
        }
        let of_table = |partition: &&Table| {
            partition
                .root
                .as_ref()
                .is_some_and(|(schema, root)| *schema == table.schema && *root == table.name)
                && self
                    .published
                    .contains(&(partition.schema.clone(), partition.name.clone()))
        };
        if let Some(partition) = self.tables.iter().find(of_table) {
            return Ok((
                format!(
                    "changes of {name} are shown as those of its partitions, as {}",
                    partition.sql()
                ),
                "a publication with publish_via_partition_root = true".to_owned(),
            ));
        }
        let remedy = match &self.extensible {
            Some(publication) => {
                format!("ALTER PUBLICATION {publication} ADD TABLE {name}, or another publication")
            }
            None => "another publication".to_owned(),
        };
        Ok((self.without(&name), remedy))
    }

    /// `publication "p" has no table <which>`
    fn without(&self, which: &str) -> String {
        format!("{} no table {which}", have(self.names))
    }

    /// A published table whose name differs in upper and lower case only, or any.
    fn similar(&self, pattern: &str) -> Result<String> {
        let filter = Filter::new(&[pattern.to_lowercase()], Operations::ALL)?;
        let alike = |(schema, table): &&(String, String)| {
            filter.operations_of(&schema.to_lowercase(), &table.to_lowercase()) != Operations::NONE
        };
        Ok(self
            .published
            .iter()
            .find(alike)
            .map_or_else(|| self.another(), choice))
    }

    /// The tables that could be chosen.
    fn another(&self) -> String {
        match self.published.as_slice() {
            [] => "-d with the name of the database that has it".to_owned(),
            [one] => choice(one),
            tables => {
                let names: Vec<String> = tables
                    .iter()
                    .map(|(schema, table)| shell::word(&pattern(schema, table)))
                    .collect();
                format!("--table with one of {}", enumerate(&names))
            }
        }
    }
}

/// `publication "p" has`
fn have(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match names.as_slice() {
        [name] => format!("publication {name} has"),
        names => format!("publications {} have", enumerate(names)),
    }
}

/// The option that chooses this table only.
fn choice((schema, table): &(String, String)) -> String {
    format!("--table {}", shell::word(&pattern(schema, table)))
}
