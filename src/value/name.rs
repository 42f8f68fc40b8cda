//! The names of built-in types with their modifiers, as `format_type` prints them (and so
//! wal2json): `numeric(10,2)`.

/// The name of the built-in type that `pg_type.typname` calls `typname`, for a column with this
/// `atttypmod`.
pub(super) fn format_builtin(typname: &str, modifier: i32) -> String {
    if let Some(element) = typname.strip_prefix('_') {
        return format_builtin(element, modifier) + "[]";
    }
    let length = match modifier {
        5.. => format!("({})", modifier - 4),
        _ => String::new(),
    };
    let digits = match modifier {
        0.. => format!("({modifier})"),
        _ => String::new(),
    };
    match typname {
        "bool" => "boolean".to_owned(),
        "char" => "\"char\"".to_owned(),
        "int2" => "smallint".to_owned(),
        "int4" => "integer".to_owned(),
        "int8" => "bigint".to_owned(),
        "float4" => "real".to_owned(),
        "float8" => "double precision".to_owned(),
        "numeric" => format!("numeric{}", precision_and_scale(modifier)),
        "bpchar" if modifier >= 0 => format!("character{length}"),
        "varchar" => format!("character varying{length}"),
        "bit" if modifier >= 0 => format!("bit{digits}"),
        "bit" => "\"bit\"".to_owned(),
        "varbit" => format!("bit varying{digits}"),
        "time" => format!("time{digits} without time zone"),
        "timetz" => format!("time{digits} with time zone"),
        "timestamp" => format!("timestamp{digits} without time zone"),
        "timestamptz" => format!("timestamp{digits} with time zone"),
        "interval" => format!("interval{}", interval_fields(modifier)),
        _ => typname.to_owned(),
    }
}

/// `numerictypmodout`: eleven bits of signed scale below the precision.
fn precision_and_scale(modifier: i32) -> String {
    if modifier < 4 {
        return String::new();
    }
    let bits = modifier - 4;
    format!(
        "({},{})",
        bits >> 16 & 0xFFFF,
        ((bits & 0x7FF) ^ 1024) - 1024
    )
}

/// `intervaltypmodout`: the fields above the digits of a second.
fn interval_fields(modifier: i32) -> String {
    const YEAR: i32 = 1 << 2;
    const MONTH: i32 = 1 << 1;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    if modifier < 0 {
        return String::new();
    }
    let fields = match modifier >> 16 & 0x7FFF {
        YEAR => " year",
        MONTH => " month",
        DAY => " day",
        HOUR => " hour",
        MINUTE => " minute",
        SECOND => " second",
        fields if fields == YEAR | MONTH => " year to month",
        fields if fields == DAY | HOUR => " day to hour",
        fields if fields == DAY | HOUR | MINUTE => " day to minute",
        fields if fields == DAY | HOUR | MINUTE | SECOND => " day to second",
        fields if fields == HOUR | MINUTE => " hour to minute",
        fields if fields == HOUR | MINUTE | SECOND => " hour to second",
        fields if fields == MINUTE | SECOND => " minute to second",
        _ => "",
    };
    match modifier & 0xFFFF {
        0xFFFF => fields.to_owned(),
        digits => format!("{fields}({digits})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `format_type(atttypid, atttypmod)` of PostgreSQL 15 answers.
    #[test]
    fn names_are_those_of_the_server() {
        for (typname, modifier, name) in [
            ("int4", -1, "integer"),
            ("_int4", -1, "integer[]"),
            ("varchar", -1, "character varying"),
            ("varchar", 24, "character varying(20)"),
            ("_varchar", 5, "character varying(1)[]"),
            ("bpchar", 5, "character(1)"),
            ("bpchar", 11, "character(7)"),
            ("bpchar", -1, "bpchar"),
            ("numeric", -1, "numeric"),
            ("numeric", 655366, "numeric(10,2)"),
            ("numeric", 329730, "numeric(5,-2)"),
            ("_numeric", 65537004, "numeric(1000,1000)[]"),
            ("bit", 1, "bit(1)"),
            ("bit", 9, "bit(9)"),
            ("varbit", -1, "bit varying"),
            ("varbit", 8, "bit varying(8)"),
            ("time", -1, "time without time zone"),
            ("time", 0, "time(0) without time zone"),
            ("timetz", 3, "time(3) with time zone"),
            ("timestamp", -1, "timestamp without time zone"),
            ("timestamp", 6, "timestamp(6) without time zone"),
            ("timestamptz", -1, "timestamp with time zone"),
            ("_timestamptz", 2, "timestamp(2) with time zone[]"),
            ("interval", -1, "interval"),
            ("interval", 2147418115, "interval(3)"),
            ("interval", 458751, "interval year to month"),
            ("interval", 470286338, "interval day to second(2)"),
            ("interval", 201392127, "interval hour to minute"),
            ("interval", 268500991, "interval second"),
            ("char", -1, "\"char\""),
            ("bool", -1, "boolean"),
            ("int2", -1, "smallint"),
            ("int8", -1, "bigint"),
            ("float4", -1, "real"),
            ("float8", -1, "double precision"),
            ("text", -1, "text"),
            ("jsonb", -1, "jsonb"),
            ("uuid", -1, "uuid"),
            ("int4range", -1, "int4range"),
            ("point", -1, "point"),
            ("name", -1, "name"),
            ("int2vector", -1, "int2vector"),
            ("oid", -1, "oid"),
            ("inet", -1, "inet"),
            ("interval", 402718719, "interval minute to second"),
            ("interval", 589823, "interval day"),
            ("timetz", -1, "time with time zone"),
            ("interval", 327679, "interval year"),
            ("interval", 196607, "interval month"),
            ("interval", 67174399, "interval hour"),
            ("interval", 134283263, "interval minute"),
            ("interval", 67698687, "interval day to hour"),
            ("interval", 201916415, "interval day to minute"),
            ("interval", 469762048, "interval hour to second(0)"),
            ("bit", -1, "\"bit\""),
        ] {
            assert_eq!(
                format_builtin(typname, modifier),
                name,
                "{typname} {modifier}"
            );
        }
    }

    #[test]
    fn no_modifier_is_too_odd() {
        for typname in [
            "varchar",
            "numeric",
            "bit",
            "interval",
            "timestamp",
            "_bpchar",
        ] {
            for modifier in [i32::MIN, -2, 0, 1, 3, 4, i32::MAX] {
                assert!(!format_builtin(typname, modifier).is_empty());
            }
        }
    }
}
