//! What `walcat pub create` says where UPDATE or DELETE would fail from then on: the ways out, each
//! as a command.

use crate::catalog::publications::Harm;
use crate::catalog::replica_identity::refusal;
use crate::cli::PublicationCreateArgs;
use crate::connect::invocation::walcat;
use crate::error::Error;
use crate::select::Operation;
use crate::{shell, sql};

/// So many tables are named in a command.
const TABLES_SHOWN: usize = 20;

/// Refuses, and names the ways out: what the tables lack, the other tables, other operations,
/// force.
pub fn refuse(args: &PublicationCreateArgs, harm: &Harm) -> Error {
    let mut error = refusal(&harm.tables);
    let (what, publish) = (contents(args), operations(&args.publish));
    let create = |what: &str, publish: &str| {
        let name = shell::word(&args.name);
        let via_root = if args.via_root { " --via-root" } else { "" };
        walcat(format_args!("pub create {name}{what}{via_root}{publish}"))
    };
    if let Some(others) = others(args, harm) {
        error = error.or_remedy(create(&others, &publish));
    }
    let harmless: Vec<Operation> = all_unless_named(&args.publish)
        .into_iter()
        .filter(|operation| !matches!(operation, Operation::Update | Operation::Delete))
        .collect();
    if !harmless.is_empty() {
        error = error.or_remedy(create(&what, &operations(&harmless)));
    }
    error.or_remedy(create(&what, &format!("{publish} --force")))
}

/// The options that say what is published.
fn contents(args: &PublicationCreateArgs) -> String {
    let all = args.all_tables.then(|| " --all-tables".to_owned());
    let tables = args.table.iter().map(|table| option("--table", table));
    let schemas = args.schema.iter().map(|schema| option("--schema", schema));
    all.into_iter().chain(tables).chain(schemas).collect()
}

/// The options for the tables that suffer no harm, if there are some, but not too many, and all of
/// each is published.
fn others(args: &PublicationCreateArgs, harm: &Harm) -> Option<String> {
    let whole = args.table.iter().all(|table| !table.contains('('));
    let some = (1..=TABLES_SHOWN).contains(&harm.others.len());
    (whole && some).then(|| {
        let tables = harm.others.iter();
        tables
            .map(|(schema, table)| option("--table", &sql::table(schema, table)))
            .collect()
    })
}

fn option(name: &str, value: &str) -> String {
    format!(" {name} {}", shell::word(value))
}

fn operations(operations: &[Operation]) -> String {
    let names: Vec<&str> = operations.iter().map(|one| one.name()).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(" --publish {}", names.join(",")),
    }
}

fn all_unless_named(named: &[Operation]) -> Vec<Operation> {
    match named {
        [] => Operation::ON_TABLES.to_vec(),
        named => named.to_vec(),
    }
}
