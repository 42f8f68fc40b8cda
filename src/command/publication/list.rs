//! `walcat pub list`: the publications of the database and what each publishes.

use crate::catalog::publications::{self, Publication, PublishedTable};
use crate::catalog::server::Server;
use crate::cli::{ListFormat, PublicationListArgs};
use crate::command::answer;
use crate::connect::{self, Settings};
use crate::sql;
use anyhow::Result;

const HEADINGS: [&str; 6] = [
    "NAME",
    "OWNER",
    "PUBLISHES",
    "OPERATIONS",
    "VIA ROOT",
    "GENERATED COLUMNS",
];

/// Prints the list.
pub fn run(args: &PublicationListArgs, settings: &Settings) -> Result<()> {
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    let publications = publications::list(&mut session, &server.version)?;
    answer::print(&match args.format {
        ListFormat::Table => answer::table(
            &HEADINGS,
            &publications.iter().flat_map(rows).collect::<Vec<_>>(),
        ),
        ListFormat::Json => answer::json(&publications)?,
    })
}

/// One row for each thing that it publishes; the rest stands in the first.
fn rows(publication: &Publication) -> Vec<Vec<String>> {
    let mut contents = contents(publication).into_iter();
    let first = vec![
        publication.name.clone(),
        publication.owner.clone(),
        contents.next().unwrap_or_else(|| "nothing".to_owned()),
        publication.publish.join(", "),
        if publication.via_root { "yes" } else { "no" }.to_owned(),
        publication.generated_columns.clone().unwrap_or_default(),
    ];
    let others = contents.map(|content| vec![String::new(), String::new(), content]);
    std::iter::once(first).chain(others).collect()
}

/// All tables, those that it leaves out, all sequences; or each schema and table.
pub fn contents(publication: &Publication) -> Vec<String> {
    let all = publication.all_tables.then(|| "all tables".to_owned());
    let sequences = publication.all_sequences == Some(true);
    let sequences = sequences.then(|| "all sequences".to_owned());
    let schemas = publication
        .schemas
        .iter()
        .map(|schema| format!("schema {}", sql::identifier(schema)));
    all.into_iter()
        .chain(schemas)
        .chain(publication.tables.iter().map(table))
        .chain(sequences)
        .collect()
}

/// As in CREATE PUBLICATION.
fn table(table: &PublishedTable) -> String {
    let mut text = if table.except { "except " } else { "" }.to_owned();
    text += &sql::table(&table.schema, &table.table);
    if let Some(columns) = &table.columns {
        let columns: Vec<String> = columns
            .iter()
            .map(|column| sql::identifier(column))
            .collect();
        text += &format!(" ({})", columns.join(", "));
    }
    if let Some(filter) = &table.filter {
        text += &format!(" WHERE {filter}");
    }
    text
}
