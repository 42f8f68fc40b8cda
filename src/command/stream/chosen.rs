//! Looks whether `--table` chooses something of what is sent. What it hides is consumed like the
//! rest: so with a slot that moves, a name that chooses nothing is refused, for it is most likely a
//! slip, and a wildcard that chooses nothing is warned of whatever else is silenced. Where nothing
//! is consumed the table may be yet to come, and a warning will do.

use crate::catalog::enumerate;
use crate::catalog::publications::{self, DEFAULT_NAME, Publication};
use crate::catalog::tables::{self, Table};
use crate::connect::Client;
use crate::connect::invocation::walcat;
use crate::error::{Error, Result};
use crate::select::{Filter, Operations, pattern};
use crate::version::Version;
use crate::{shell, sql};
use log::{error, warn};

/// So many names are offered for one that is not there.
const OFFERED: usize = 3;

/// The other way, wherever something would be consumed.
const PEEK: &str = "--peek, which consumes nothing";

/// What is chosen from what, and what becomes of the rest.
pub struct Choice<'a> {
    /// The patterns of `--table`.
    pub patterns: &'a [String],
    /// The publications whose tables are sent; none: all tables are.
    pub publications: &'a [String],
    /// Whether those that are not there are created, for the tables that are chosen.
    pub creates: bool,
    /// Whether what is hidden is consumed.
    pub consumes: bool,
}

/// Looks at what is chosen, before anything is created or consumed. What could be lost is warned of
/// as an error is told: `-q` silences all else.
pub fn check(client: &mut Client, choice: &Choice<'_>, version: &Version) -> Result<()> {
    let names = choice.publications;
    let creates = choice.creates && {
        let there = publications::names(client)?;
        !names.iter().all(|name| there.contains(name))
    };
    // Where all is chosen but what is excluded, anything may be yet to come.
    if choice.patterns.iter().all(|one| one.starts_with('!')) {
        if creates {
            return Ok(());
        }
        return warn_of_empty(client, names, version);
    }
    if names.is_empty() && !choice.consumes {
        return Ok(());
    }
    let filter = Filter::new(choice.patterns, Operations::ALL)?;
    let shows = |(schema, table): &(String, String)| {
        !filter.operations_of(schema, table).has_no_table_operation()
    };
    let mut published = if names.is_empty() {
        let name = |table: Table| (table.schema, table.name);
        tables::all(client)?.into_iter().map(name).collect()
    } else {
        publications::tables(client, names)?
    };
    if creates {
        let chosen = tables::publishable(client)?;
        published.extend(chosen.into_iter().filter(shows));
    }
    let (missing, empty): (Vec<usize>, Vec<usize>) = filter
        .unmatched(&published)
        .into_iter()
        .partition(|&at| filter.name(at).is_some());
    let shown = published.iter().any(shows);
    if missing.is_empty() && shown && (empty.is_empty() || !choice.consumes) {
        return Ok(());
    }
    let there = Situation {
        names,
        extensible: extensible(client, names, version)?,
        published,
        tables: tables::all(client)?,
    };
    for (at, text) in choice.patterns.iter().enumerate() {
        let quoted = shell::word(text);
        if missing.contains(&at) {
            let (what, remedy) = there.of_name(client, &filter, at)?;
            let what = format!("--table {quoted} shows nothing: {what}");
            if choice.consumes {
                return Err(Error::because(what)
                    .with_detail("What --table hides is consumed like the rest.")
                    .with_remedy(remedy)
                    .or_remedy(PEEK));
            }
            warn!(remedy = remedy.as_str(); "{what}");
        } else if empty.contains(&at) && choice.consumes {
            let (what, remedy) = (there.without("that it chooses"), there.another());
            error!(
                remedy = remedy.as_str(), or_remedy = PEEK;
                "--table {quoted} shows nothing, and what it hides is consumed: {what}"
            );
        }
    }
    if !missing.is_empty() || shown {
        return Ok(());
    }
    let (what, remedy) = (there.without("that --table chooses"), there.another());
    if !choice.consumes {
        warn!(remedy = remedy.as_str(); "nothing is shown: {what}");
    } else if empty.is_empty() {
        error!(
            remedy = remedy.as_str(), or_remedy = PEEK;
            "nothing is shown, and all that waits is consumed: {what}"
        );
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
        None => format!(
            "another publication: {}",
            walcat(format_args!("pub create {DEFAULT_NAME} --all-tables"))
        ),
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
    /// The publications; none: all tables are sent.
    names: &'a [String],
    /// The first to which a table can be added, as SQL.
    extensible: Option<String>,
    published: Vec<(String, String)>,
    tables: Vec<Table>,
}

impl Situation<'_> {
    /// Why no published table has the name that this pattern says, and what mends it.
    fn of_name(&self, client: &mut Client, filter: &Filter, at: usize) -> Result<(String, String)> {
        let matches = |table: &&Table| filter.chooses(at, &table.schema, &table.name);
        let Some(table) = self.tables.iter().find(matches) else {
            let near = filter.name(at).map(|name| self.near(&name));
            let near = near.unwrap_or_default();
            let mut what = "there is no such table yet".to_owned();
            if !self.names.is_empty() {
                what += &format!(", {}", self.without("of that name"));
            }
            if !near.is_empty() {
                what += &format!("; did you mean {}?", near.join(" or "));
            }
            let remedy = match near.first() {
                Some(near) => format!("--table {}", shell::word(near)),
                None => self.another(),
            };
            return Ok((what, remedy));
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
                // Else its UPDATE and DELETE would fail from then on.
                let bare = tables::without_identity(
                    client,
                    &[(table.schema.clone(), table.name.clone())],
                )?;
                let identity: String = bare
                    .iter()
                    .map(|(schema, table)| tables::full_identity(schema, table) + "; ")
                    .collect();
                format!(
                    "{identity}ALTER PUBLICATION {publication} ADD TABLE {name}, or another \
                     publication"
                )
            }
            None => "another publication".to_owned(),
        };
        Ok((self.without(&name), remedy))
    }

    /// `publication "p" has no table <which>`
    fn without(&self, which: &str) -> String {
        format!("{} no table {which}", have(self.names))
    }

    /// The published tables whose names are nearest to this one, as patterns.
    fn near(&self, (schema, table): &(Option<String>, String)) -> Vec<String> {
        let distance = |one: &str, other: &str| {
            strsim::damerau_levenshtein(&one.to_lowercase(), &other.to_lowercase())
        };
        let enough = (table.chars().count() / 3).max(1);
        let mut near: Vec<(usize, usize, String)> = self
            .published
            .iter()
            .map(|(other_schema, other)| {
                let schema = schema.as_ref();
                let of_schema = schema.map_or(0, |schema| distance(schema, other_schema));
                (
                    distance(table, other),
                    of_schema,
                    pattern(other_schema, other),
                )
            })
            .filter(|(distance, ..)| *distance <= enough)
            .collect();
        near.sort();
        let nearest = near.first().map(|(table, schema, _)| (*table, *schema));
        near.into_iter()
            .take_while(|(table, schema, _)| Some((*table, *schema)) == nearest)
            .take(OFFERED)
            .map(|(.., pattern)| pattern)
            .collect()
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
        [] => "the database has".to_owned(),
        [name] => format!("publication {name} has"),
        names => format!("publications {} have", enumerate(names)),
    }
}

/// The option that chooses this table only.
fn choice((schema, table): &(String, String)) -> String {
    format!("--table {}", shell::word(&pattern(schema, table)))
}
