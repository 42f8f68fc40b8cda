//! What the session's role lacks, and the statement with which an administrator gives it, or does
//! the work instead. Roles are never proposed to be given what belongs to others.

use super::publications::{Contents, NewPublication, statement};
use super::server::Server;
use super::table_spec::TableSpec;
use super::{column, enumerate, tables};
use crate::connect::Client;
use crate::error::{CouldNot, Error, Result};
use crate::sql::{self, identifier};

/// For so many tables the statements that mend them are told.
const TABLES_SHOWN: usize = 20;

/// Something that a role lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What it is: `lacks the REPLICATION attribute`.
    pub what: String,
    /// Who mends it how.
    pub remedy: String,
}

/// What the session's role may do, as far as messages must know it.
#[derive(Clone, Copy, Debug)]
pub struct Powers {
    /// Everything.
    pub superuser: bool,
    /// Stream, and create and drop slots.
    pub replication: bool,
}

impl Powers {
    /// The statement, and who has to run it if the role may not.
    pub fn as_superuser(&self, statement: &str) -> String {
        match self.superuser {
            true => statement.to_owned(),
            false => format!("as a superuser: {statement}"),
        }
    }

    /// The command, and who has to run it if the role may not.
    pub fn as_replicator(&self, command: &str) -> String {
        match self.replication {
            true => command.to_owned(),
            false => format!("as a role with the REPLICATION attribute: {command}"),
        }
    }
}

/// Asks what the session's role may do.
pub fn powers(client: &mut Client) -> Result<Powers> {
    let query =
        "SELECT rolsuper, rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let row = client.query_one(query, &[]).could_not("look up the role")?;
    let superuser: bool = column(&row, 0)?;
    Ok(Powers {
        superuser,
        replication: superuser || column(&row, 1)?,
    })
}

/// The lack of what streams and slots need.
pub fn replication(server: &Server) -> Lack {
    Lack {
        what: "lacks the REPLICATION attribute".to_owned(),
        remedy: format!(
            "as a superuser: ALTER ROLE {} REPLICATION",
            identifier(&server.user)
        ),
    }
}

/// The failure of a role that lacks all this, of which there is at least one.
pub fn explain(error: Error, server: &Server, lacks: &[Lack]) -> Error {
    let what: Vec<&str> = lacks.iter().map(|lack| lack.what.as_str()).collect();
    let mut error = error.with_detail(format!("Role \"{}\" {}.", server.user, what.join(", and ")));
    for (at, lack) in lacks.iter().enumerate() {
        error = match at {
            0 => error.with_remedy(&lack.remedy),
            _ => error.or_remedy(&lack.remedy),
        };
    }
    error
}

/// What the role lacks to create this publication.
pub fn publication(
    client: &mut Client,
    server: &Server,
    new: &NewPublication<'_>,
) -> Result<Option<Lack>> {
    if powers(client)?.superuser {
        return Ok(None);
    }
    let what = match &new.contents {
        Contents::AllTables => Some("may not create a publication of all tables".to_owned()),
        Contents::Only { schemas, .. } if !schemas.is_empty() => {
            Some("may not create a publication of schemas".to_owned())
        }
        Contents::Only { tables, .. } => {
            let foreign = foreign(client, tables)?;
            (!foreign.is_empty()).then(|| format!("does not own {}", enumerate(&foreign)))
        }
    };
    if let Some(what) = what {
        let remedy = format!("as a superuser: {}", harmless(client, server, new)?);
        return Ok(Some(Lack { what, remedy }));
    }
    let query = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')";
    let row = client
        .query_one(query, &[])
        .could_not("look up the role's privileges")?;
    let (database, role) = (identifier(&server.database), identifier(&server.user));
    Ok((!column::<bool>(&row, 0)?).then(|| Lack {
        what: format!(
            "lacks the privilege CREATE on database \"{}\"",
            server.database
        ),
        remedy: format!(
            "as the owner of the database: GRANT CREATE ON DATABASE {database} TO {role}"
        ),
    }))
}

/// Those of the tables that belong to others, as they are written.
fn foreign(client: &mut Client, tables: &[TableSpec]) -> Result<Vec<String>> {
    let act = "look up the owners of the tables";
    let names: Vec<&str> = tables.iter().map(TableSpec::name).collect();
    let query = "SELECT wanted.name FROM pg_catalog.unnest($1::pg_catalog.text[]) AS wanted (name)
         JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(wanted.name)
         WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')";
    client.in_transaction(|client| {
        // Names without a schema mean what they mean to this role.
        client
            .batch_execute("SET LOCAL search_path TO DEFAULT")
            .could_not(act)?;
        let rows = client.query(query, &[&names]).could_not(act)?;
        rows.iter().map(|row| column(row, 0)).collect()
    })
}

/// The statements that create the publication, and before it give its tables what their UPDATE and
/// DELETE need then.
pub fn harmless(client: &mut Client, server: &Server, new: &NewPublication<'_>) -> Result<String> {
    let create = statement(server, new)?;
    let operations = new.operations;
    if !operations.is_empty() && !operations.iter().any(|one| harms_writes(one)) {
        return Ok(create);
    }
    let mut published = tables::publishable(client)?;
    if let Contents::Only { tables, schemas } = &new.contents {
        let named = |schema: &String, table: &String| {
            let names = [
                TableSpec::named(schema, table).sql().to_owned(),
                sql::table(schema, table),
                identifier(table),
            ];
            tables
                .iter()
                .any(|spec| names.iter().any(|name| name == spec.name()))
        };
        published.retain(|(schema, table)| schemas.contains(schema) || named(schema, table));
    }
    let bare = tables::without_identity(client, &published)?;
    let harmless: Vec<&str> = match operations {
        [] => vec!["insert", "truncate"],
        operations => operations
            .iter()
            .copied()
            .filter(|one| !harms_writes(one))
            .collect(),
    };
    if bare.len() > TABLES_SHOWN && !harmless.is_empty() {
        let new = NewPublication {
            operations: &harmless,
            ..new.clone()
        };
        return statement(server, &new);
    }
    let identities = bare
        .iter()
        .map(|(schema, table)| tables::full_identity(schema, table) + "; ");
    Ok(identities.collect::<String>() + &create)
}

/// Returns `true` if tables need a replica identity where this operation of theirs is published.
fn harms_writes(operation: &str) -> bool {
    matches!(operation, "update" | "delete")
}
