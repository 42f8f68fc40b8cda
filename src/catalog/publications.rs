//! Publications: what there are, what each publishes, and how one is made and dropped.

use super::replica_identity::{self, Unreplicable};
use super::server::Server;
use super::table_spec::TableSpec;
use super::{column, decoded, enumerate, privileges, refusal};
use crate::connect::Client;
use crate::connect::invocation::walcat;
use crate::error::{CouldNot, Error, Result};
use crate::shell;
use crate::sql::{self, quoted};
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use tokio_postgres::Row;

/// The name of a publication that nobody named.
pub const DEFAULT_NAME: &str = "walcat";

/// A publication (`pg_publication`, manual section 53.41) and what it publishes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Publication {
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// Whether it publishes all tables, also those yet to come.
    pub all_tables: bool,
    /// Whether it has all sequences. Logical decoding sends nothing of them (19).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_sequences: Option<bool>,
    /// The tables that were named; for one of all tables (19) those that it leaves out.
    pub tables: Vec<PublishedTable>,
    /// The schemas all of whose tables it publishes (15).
    pub schemas: Vec<String>,
    /// Which of `insert`, `update`, `delete`, `truncate`.
    pub publish: Vec<String>,
    /// Whether changes of partitions are published as those of their root.
    pub via_root: bool,
    /// Which generated columns are published: `none` or `stored` (18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated_columns: Option<String>,
}

/// A table of a [`Publication`].
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublishedTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns that are published; absent if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The condition on the rows that are published; absent if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Whether it is left out instead (19).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub except: bool,
}

/// A publication to be made.
#[derive(Clone, Debug)]
pub struct NewPublication<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it publishes.
    pub contents: Contents<'a>,
    /// Which of `insert`, `update`, `delete`, `truncate`; none: all.
    pub operations: &'a [&'a str],
    /// Whether changes of partitions are to be published as those of their root.
    pub via_root: bool,
}

/// What a publication publishes.
#[derive(Clone, Debug)]
pub enum Contents<'a> {
    /// All tables, also those yet to come.
    AllTables,
    /// Just these.
    Only {
        /// Tables as SQL, each one to be just one.
        tables: &'a [TableSpec],
        /// Schemas by their names.
        schemas: &'a [String],
    },
}

/// All publications of the database, by name.
pub fn list(client: &mut Client, version: &Version) -> Result<Vec<Publication>> {
    let rows = client
        .query(&query(version), &[])
        .could_not("list publications")?;
    rows.iter().map(decoded).collect()
}

/// The names of all publications of the database.
pub fn names(client: &mut Client) -> Result<Vec<String>> {
    let query = "SELECT pubname::pg_catalog.text FROM pg_catalog.pg_publication ORDER BY pubname";
    let rows = client.query(query, &[]).could_not("list publications")?;
    rows.iter().map(|row| column(row, 0)).collect()
}

impl Publication {
    /// Returns `true` if a table can be added to it: not to one of all tables or of all sequences.
    pub fn takes_tables(&self) -> bool {
        !self.all_tables && self.all_sequences != Some(true)
    }
}

/// A publication that is there.
#[derive(Clone, Debug)]
pub struct Existing {
    /// `pg_publication.oid`: unlike a name, it can be sent back as it is, whatever bytes a name
    /// has.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// How many tables it publishes now.
    pub tables: i64,
}

/// All publications of the database, by name.
pub fn existing(client: &mut Client) -> Result<Vec<Existing>> {
    let query = "SELECT p.oid, p.pubname::pg_catalog.text, pg_catalog.count(t.tablename)
         FROM pg_catalog.pg_publication AS p
         LEFT JOIN pg_catalog.pg_publication_tables AS t ON t.pubname = p.pubname
         GROUP BY p.oid, p.pubname ORDER BY p.pubname";
    let rows = client.query(query, &[]).could_not("list publications")?;
    let publication = |row: &Row| {
        Ok(Existing {
            oid: column(row, 0)?,
            name: column(row, 1)?,
            tables: column(row, 2)?,
        })
    };
    rows.iter().map(publication).collect()
}

/// Schema and name of every table that these publications publish now, as its changes are shown.
pub fn tables(client: &mut Client, names: &[String]) -> Result<Vec<(String, String)>> {
    let query = "SELECT DISTINCT schemaname::pg_catalog.text, tablename::pg_catalog.text
                 FROM pg_catalog.pg_publication_tables WHERE pubname::pg_catalog.text = ANY ($1) \
                 ORDER BY 1, 2";
    let rows = client
        .query(query, &[&names])
        .could_not("list the tables of the publications")?;
    rows.iter()
        .map(|row| Ok((column(row, 0)?, column(row, 1)?)))
        .collect()
}

/// Returns `true` if there is anything in these publications, or may come to be.
pub fn have_contents(client: &mut Client, names: &[String], version: &Version) -> Result<bool> {
    let schemas = match version.major() {
        15.. => {
            "OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS n WHERE n.pnpubid = \
             p.oid)"
        }
        _ => "",
    };
    let query = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_publication AS p
             WHERE p.pubname::pg_catalog.text = ANY ($1) AND (p.puballtables
                 OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel AS r WHERE r.prpubid = \
                 p.oid) {schemas}))"
    );
    let row = client
        .query_one(&query, &[&names])
        .could_not("look for the tables of the publications")?;
    column(&row, 0)
}

/// Fails, with the reason alone, unless all these publications are there, and names those that are.
pub fn require(client: &mut Client, wanted: &[String]) -> Result<()> {
    let there = names(client)?;
    let missing: Vec<String> = wanted
        .iter()
        .filter(|name| !there.contains(name))
        .map(|name| format!("\"{name}\""))
        .collect();
    match missing.as_slice() {
        [] => Ok(()),
        [name] => Err(not_there(&there, format!("there is no publication {name}"))),
        names => Err(not_there(
            &there,
            format!("there are no publications {}", enumerate(names)),
        )),
    }
}

/// The reason alone that a publication is needed, with the names of those that there are.
pub fn none_named(client: &mut Client) -> Error {
    match names(client) {
        Ok(there) => not_there(
            &there,
            "pgoutput needs a publication, and none was named".to_owned(),
        ),
        Err(error) => error,
    }
}

/// The tables that a publication makes unfit for UPDATE or DELETE.
#[derive(Clone, Debug)]
pub struct Harm {
    /// These; at least one.
    pub tables: Vec<Unreplicable>,
    /// Schema and name of all others that it publishes.
    pub others: Vec<(String, String)>,
}

/// Creates a publication. Where it makes tables unfit for UPDATE or DELETE, `accept` decides,
/// before anybody else can see it: with an error nothing is created. Returns the harm that was
/// accepted; `None` if there already was a publication of that name.
pub fn create(
    client: &mut Client,
    server: &Server,
    new: &NewPublication<'_>,
    accept: impl FnOnce(&Harm) -> Result<()>,
) -> Result<Option<Vec<Unreplicable>>> {
    let created = client.in_transaction(|client| {
        if find(client, new.name)?.is_some() {
            return Ok(None);
        }
        let tables = create_within(client, server, new)?;
        if tables.is_empty() {
            return Ok(Some(tables));
        }
        let harmed: HashSet<&(String, String)> = tables
            .iter()
            .flat_map(|table| [&table.name, &table.root])
            .collect();
        let mut others = self::tables(client, &[new.name.to_owned()])?;
        others.retain(|other| !harmed.contains(other));
        let harm = Harm { tables, others };
        accept(&harm)?;
        Ok(Some(harm.tables))
    });
    let created = created.map_err(|error| {
        // insufficient_privilege: the server names but the first that lacks.
        let lack = match error.sqlstate() {
            "42501" => privileges::publication(client, server, new).ok().flatten(),
            _ => None,
        };
        match lack {
            Some(lack) => error.with_remedy(lack.remedy),
            None => error,
        }
    });
    created.could_not(format!("create publication \"{}\"", new.name))
}

/// Drops publications, all or none, and returns which. One that is not there is an error unless
/// that is fine.
pub fn drop(
    client: &mut Client,
    server: &Server,
    wanted: &[String],
    if_exists: bool,
) -> Result<Vec<String>> {
    let action = match wanted {
        [name] => format!("drop publication \"{name}\""),
        names => format!("drop publications {}", enumerate(names)),
    };
    if !if_exists {
        require(client, wanted)
            .map_err(|error| error.with_remedy(walcat("pub list")))
            .could_not(&action)?;
    }
    let there = names(client)?;
    let found: Vec<String> = wanted
        .iter()
        .filter(|name| there.contains(name))
        .cloned()
        .collect();
    if found.is_empty() {
        return Ok(found);
    }
    let names: Vec<String> = found.iter().map(|name| quoted(name)).collect();
    let statement = format!("DROP PUBLICATION {}", names.join(", "));
    client
        .batch_execute(&statement)
        .map_err(|error| refusal::explain(error.into(), &server.user))
        .could_not(action)?;
    Ok(found)
}

/// The oid of the publication of this name.
fn find(client: &mut Client, name: &str) -> Result<Option<u32>> {
    let query = "SELECT oid FROM pg_catalog.pg_publication WHERE pubname = $1";
    let row = client
        .query_opt(query, &[&name])
        .could_not(format!("look up publication \"{name}\""))?;
    row.map(|row| column(&row, 0)).transpose()
}

fn create_within(
    client: &mut Client,
    server: &Server,
    new: &NewPublication<'_>,
) -> Result<Vec<Unreplicable>> {
    let statement = statement(server, new)?;
    // Names without a schema mean here what they mean to this role in psql. What a quote ends must
    // not depend on a setting.
    client.batch_execute(
        "SET LOCAL search_path TO DEFAULT; SET LOCAL standard_conforming_strings TO on",
    )?;
    // As a prepared statement it cannot be two.
    client
        .execute(&statement, &[])
        .map_err(|error| refusal::explain(error.into(), &server.user))?;
    client.batch_execute("SET LOCAL search_path TO ''")?;
    match find(client, new.name)? {
        Some(oid) => replica_identity::unreplicable(client, oid),
        None => Ok(Vec::new()),
    }
}

/// CREATE PUBLICATION, where the server knows all that it is to have.
pub fn statement(server: &Server, new: &NewPublication<'_>) -> Result<String> {
    let contents = match &new.contents {
        Contents::AllTables => " FOR ALL TABLES".to_owned(),
        Contents::Only { tables, schemas } => {
            if !schemas.is_empty() {
                server.require_version(15, "publishing a schema")?;
            }
            if tables.iter().any(TableSpec::is_partial) {
                server.require_version(15, "a column list or row filter")?;
            }
            let tables: Vec<&str> = tables.iter().map(TableSpec::sql).collect();
            let schemas: Vec<String> = schemas.iter().map(|name| quoted(name)).collect();
            let tables = (!tables.is_empty()).then(|| format!("TABLE {}", tables.join(", ")));
            let schemas =
                (!schemas.is_empty()).then(|| format!("TABLES IN SCHEMA {}", schemas.join(", ")));
            format!(
                " FOR {}",
                tables
                    .into_iter()
                    .chain(schemas)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
    };
    let publish = match new.operations {
        [] => None,
        operations => Some(format!(
            "publish = {}",
            sql::literal(&operations.join(", "))
        )),
    };
    let via_root = new
        .via_root
        .then(|| "publish_via_partition_root = true".to_owned());
    let options: Vec<String> = publish.into_iter().chain(via_root).collect();
    let with = if options.is_empty() {
        String::new()
    } else {
        format!(" WITH ({})", options.join(", "))
    };
    Ok(format!(
        "CREATE PUBLICATION {}{contents}{with}",
        quoted(new.name)
    ))
}

/// A name as `--publication` takes it: in double quotes if it cannot stand in a list without.
pub fn listable(name: &str) -> String {
    let plain = !name.contains([',', '"']) && name.trim() == name;
    if plain { name.to_owned() } else { quoted(name) }
}

/// The message, with the publications that are there instead.
fn not_there(there: &[String], reason: String) -> Error {
    let error = Error::because(reason);
    match there {
        [] => error
            .with_detail("The database has no publications.")
            .with_remedy(walcat(format_args!(
                "pub create {DEFAULT_NAME} --all-tables"
            ))),
        [first, ..] => error
            .with_detail(format!(
                "The publications of the database are: {}.",
                enumerate(there)
            ))
            .with_remedy(format!("--publication {}", shell::word(&listable(first)))),
    }
}

/// Selects publications as JSON texts. Row filters, column lists and schemas came with 15.
fn query(version: &Version) -> String {
    let (columns, filter, schemas) = if version.major() >= 15 {
        (
            "(SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attnum) FROM \
             pg_catalog.pg_attribute AS a
              WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs))",
            "pg_catalog.pg_get_expr(r.prqual, r.prrelid)",
            "(SELECT pg_catalog.jsonb_agg(n.nspname ORDER BY n.nspname)
              FROM pg_catalog.pg_publication_namespace AS pn JOIN pg_catalog.pg_namespace AS n ON \
              n.oid = pn.pnnspid
              WHERE pn.pnpubid = p.oid)",
        )
    } else {
        ("NULL", "NULL", "NULL")
    };
    format!(
        "SELECT pg_catalog.jsonb_build_object(
             'name', p.pubname, 'owner', pg_catalog.pg_get_userbyid(p.pubowner), 'all_tables', \
             p.puballtables,
             'all_sequences', pg_catalog.to_jsonb(p) -> 'puballsequences',
             'tables', COALESCE((
                 SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'schema', n.nspname, 'table', c.relname, 'columns', {columns}, \
                            'filter', {filter},
                            'except', COALESCE((pg_catalog.to_jsonb(r) ->> \
                            'prexcept')::pg_catalog.bool, false))
                        ORDER BY n.nspname, c.relname)
                 FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_class AS c ON c.oid = \
                 r.prrelid
                      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE r.prpubid = p.oid), '[]'),
             'schemas', COALESCE({schemas}, '[]'::pg_catalog.jsonb),
             'publish', pg_catalog.to_jsonb(pg_catalog.array_remove(ARRAY[
                 CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                 CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' \
                 END], NULL)),
             'via_root', p.pubviaroot,
             'generated_columns', CASE pg_catalog.to_jsonb(p) ->> 'pubgencols' WHEN 'n' THEN \
             'none' WHEN 's' THEN 'stored' END
         )::pg_catalog.text
         FROM pg_catalog.pg_publication AS p ORDER BY p.pubname"
    )
}
