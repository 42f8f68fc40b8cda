//! The numbers of built-in types, by the names that `format_type` gives them.

use tokio_postgres::types::{Kind, Type};

/// The oid of a built-in type, as of `character varying(30)[]`; 0 for all others. For captures
/// without `include-type-oids`.
pub(super) fn oid(name: &str) -> u32 {
    match name.strip_suffix("[]") {
        Some(element) => {
            let element = oid(element);
            let is_array = |candidate: &Type| match candidate.kind() {
                Kind::Array(of) => of.oid() == element,
                _ => false,
            };
            // int2vector and oidvector are arrays too.
            built_in(|candidate| candidate.name().starts_with('_') && is_array(candidate))
        }
        None => {
            let name = without_modifier(name);
            built_in(|candidate| candidate.name() == catalog_name(&name))
        }
    }
}

/// The first one that fits among the numbers of built-in types that never change.
fn built_in(fits: impl Fn(&Type) -> bool) -> u32 {
    const FIRST_UNPINNED: u32 = 12_000;
    (1..FIRST_UNPINNED)
        .find(|oid| Type::from_oid(*oid).is_some_and(|candidate| fits(&candidate)))
        .unwrap_or(0)
}

/// `timestamp(3) with time zone` to `timestamp with time zone`.
fn without_modifier(name: &str) -> String {
    let parts = name
        .split_once('(')
        .and_then(|(begin, rest)| Some((begin, rest.split_once(')')?.1)));
    parts.map_or_else(|| name.to_owned(), |(begin, end)| format!("{begin}{end}"))
}

/// `pg_type.typname` of a type that has another name in SQL.
fn catalog_name(name: &str) -> &str {
    match name {
        "smallint" => "int2",
        "integer" => "int4",
        "bigint" => "int8",
        "boolean" => "bool",
        "real" => "float4",
        "double precision" => "float8",
        "character" => "bpchar",
        "character varying" => "varchar",
        "bit varying" => "varbit",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "\"char\"" => "char",
        interval if interval.starts_with("interval ") => "interval",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_built_in_types() {
        // select oid, format_type(oid, typmod) ...
        for (name, expected) in [
            ("integer", 23),
            ("integer[]", 1007),
            ("smallint[]", 1005),
            ("character varying(30)", 1043),
            ("character varying(30)[]", 1015),
            ("character(4)", 1042),
            ("numeric(10,2)", 1700),
            ("timestamp(3) with time zone", 1184),
            ("timestamp without time zone[]", 1115),
            ("interval day to second(3)", 1186),
            ("bit(3)", 1560),
            ("bit varying(3)", 1562),
            ("\"char\"[]", 1002),
            ("char", 18),
            ("jsonb", 3802),
            ("int4multirange[]", 6150),
            ("public.mood", 0),
            ("mood[]", 0),
            ("", 0),
            (")(", 0),
            ("ü(1)", 0),
        ] {
            assert_eq!(oid(name), expected, "{name}");
        }
    }
}
