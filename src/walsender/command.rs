//! The commands of the streaming replication protocol (manual section 55.4) and their answers.
//!
//! Their grammar has neither `E'...'` strings nor backslashes: a quote in a literal is doubled.

use crate::connect::protocol::{Row, Wire, query};
use crate::error::{Error, Result};
use crate::lsn::Lsn;

/// What IDENTIFY_SYSTEM tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemIdentification {
    /// The number of the cluster; its copies have the same.
    pub system_id: String,
    /// The timeline; a promotion begins another.
    pub timeline: u32,
    /// How far the WAL is flushed; on a standby, how far it is replayed.
    pub flushed: Lsn,
}

/// IDENTIFY_SYSTEM
pub fn identify_system(wire: &mut Wire) -> Result<SystemIdentification> {
    let row = query(wire, "IDENTIFY_SYSTEM")?.unwrap_or_default();
    // systemid | timeline | xlogpos | dbname
    let [Some(system_id), Some(timeline), Some(flushed), ..] = row.as_slice() else {
        return Err(malformed_answer("IDENTIFY_SYSTEM"));
    };
    Ok(SystemIdentification {
        system_id: system_id.clone(),
        timeline: timeline
            .parse()
            .map_err(|_| malformed_answer("IDENTIFY_SYSTEM"))?,
        flushed: flushed
            .parse()
            .map_err(|_| malformed_answer("IDENTIFY_SYSTEM"))?,
    })
}

/// TIMELINE_HISTORY: where the server's WAL left the timeline `from` on its way to `to`, the one it
/// is on. `None` if it never was on it.
pub fn switch_point(wire: &mut Wire, from: u32, to: u32) -> Result<Option<Lsn>> {
    if to <= from {
        // The first has no history at all.
        return Ok(None);
    }
    let row = query(wire, &format!("TIMELINE_HISTORY {to}"))?;
    // filename | content
    let content = row.and_then(|row| row.into_iter().nth(1)).flatten();
    let content = content.ok_or_else(|| malformed_answer("TIMELINE_HISTORY"))?;
    Ok(find_switch_point(&content, from))
}

// { timeline '\t' switch point '\t' reason '\n' }*, with empty lines and comments between
fn find_switch_point(history: &str, from: u32) -> Option<Lsn> {
    let points = history.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let timeline: u32 = words.next()?.parse().ok()?;
        let point = words.next()?.parse().ok()?;
        (timeline == from).then_some(point)
    });
    points.min()
}

/// SHOW
pub fn show(wire: &mut Wire, name: &str) -> Result<String> {
    // A name may have two parts, as `plugin.setting`.
    let parts = name
        .split('.')
        .map(quote_identifier)
        .collect::<Result<Vec<_>>>()?;
    let row = query(wire, &format!("SHOW {}", parts.join(".")))?.unwrap_or_default();
    row.into_iter()
        .next()
        .flatten()
        .ok_or_else(|| malformed_answer("SHOW"))
}

/// The command that creates a temporary slot, for the grammar of this server. That of version 14
/// does not know two-phase slots, but its SQL does.
pub fn create_temporary_slot(
    name: &str,
    plugin: &str,
    two_phase: bool,
    server_version: u32,
) -> Result<String> {
    let options = match (server_version >= 15_00_00, two_phase) {
        (true, false) => "(SNAPSHOT 'nothing')",
        (true, true) => "(SNAPSHOT 'nothing', TWO_PHASE)",
        (false, false) => "NOEXPORT_SNAPSHOT",
        (false, true) => {
            let (name, plugin) = (quote_sql(name)?, quote_sql(plugin)?);
            let function = "pg_catalog.pg_create_logical_replication_slot";
            return Ok(format!(
                "SELECT slot_name, lsn FROM {function}({name}, {plugin}, true, true)"
            ));
        }
    };
    let (name, plugin) = (quote_identifier(name)?, quote_identifier(plugin)?);
    Ok(format!(
        "CREATE_REPLICATION_SLOT {name} TEMPORARY LOGICAL {plugin} {options}"
    ))
}

/// The command that creates a temporary slot and exports a snapshot of what was committed before.
pub fn create_exporting_slot(name: &str, plugin: &str, server_version: u32) -> Result<String> {
    let options = match server_version >= 15_00_00 {
        true => "(SNAPSHOT 'export')",
        false => "EXPORT_SNAPSHOT",
    };
    let (name, plugin) = (quote_identifier(name)?, quote_identifier(plugin)?);
    Ok(format!(
        "CREATE_REPLICATION_SLOT {name} TEMPORARY LOGICAL {plugin} {options}"
    ))
}

/// The statements, one after the other, that make a slot of the temporary one `from`, at the same
/// place, and drop that.
pub fn keep_slot(from: &str, to: &str, failover: bool) -> Result<Vec<String>> {
    let function = "pg_catalog.pg_copy_logical_replication_slot";
    let mut statements = vec![format!(
        "SELECT slot_name FROM {function}({}, {}, false)",
        quote_sql(from)?,
        quote_sql(to)?
    )];
    if failover {
        // A copy has none, and a temporary slot cannot have it.
        let to = quote_identifier(to)?;
        statements.push(format!("ALTER_REPLICATION_SLOT {to} (FAILOVER true)"));
    }
    statements.push(format!("DROP_REPLICATION_SLOT {}", quote_identifier(from)?));
    Ok(statements)
}

/// The consistent point in the answer to CREATE_REPLICATION_SLOT.
pub fn consistent_point(row: Option<Row>) -> Result<Lsn> {
    // slot_name | consistent_point | snapshot_name | output_plugin; by SQL the first two
    let point = row.and_then(|row| row.into_iter().nth(1)).flatten();
    let point = point.and_then(|point| point.parse().ok());
    point.ok_or_else(|| malformed_answer("CREATE_REPLICATION_SLOT"))
}

/// The same, and the snapshot that is exported.
pub fn exported_snapshot(row: Option<Row>) -> Result<(Lsn, String)> {
    let snapshot = row.as_ref().and_then(|row| row.get(2)).cloned().flatten();
    let point = consistent_point(row)?;
    let snapshot = snapshot.ok_or_else(|| malformed_answer("CREATE_REPLICATION_SLOT"))?;
    Ok((point, snapshot))
}

/// The command that starts the stream of a logical slot.
pub fn start_replication(
    slot: &str,
    start: Lsn,
    options: &[(String, Option<String>)],
) -> Result<String> {
    let mut command = format!(
        "START_REPLICATION SLOT {} LOGICAL {start}",
        quote_identifier(slot)?
    );
    let options = options.iter().map(|(name, value)| {
        let name = quote_identifier(name)?;
        Ok(match value {
            Some(value) => format!("{name} {}", quote_literal(value)?),
            None => name,
        })
    });
    let options = options.collect::<Result<Vec<_>>>()?;
    if !options.is_empty() {
        command += &format!(" ({})", options.join(", "));
    }
    Ok(command)
}

/// The grammar has no way to write a double quote inside an identifier, doubled or not.
fn quote_identifier(name: &str) -> Result<String> {
    match name.find(['"', '\0']) {
        None => Ok(format!("\"{name}\"")),
        Some(_) => Err(unquotable(
            name,
            "a name in a replication command cannot have double quotes or NUL characters",
        )),
    }
}

fn quote_literal(text: &str) -> Result<String> {
    match text.find('\0') {
        None => Ok(format!("'{}'", text.replace('\'', "''"))),
        Some(_) => Err(unquotable(text, "it has a NUL character")),
    }
}

/// As SQL reads it, whatever `standard_conforming_strings` says.
fn quote_sql(text: &str) -> Result<String> {
    Ok(format!("E{}", quote_literal(&text.replace('\\', r"\\"))?))
}

fn unquotable(text: &str, reason: &str) -> Error {
    Error::usage(format!("could not send {text:?} to the server: {reason}"))
}

fn malformed_answer(command: &str) -> Error {
    Error::because(format!("the server's answer to {command} makes no sense"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        let options = [
            ("proto_version".to_owned(), Some("1".to_owned())),
            (
                "publication_names".to_owned(),
                Some(r#""a'b","c\d""#.to_owned()),
            ),
            ("we ird".to_owned(), None),
        ];
        assert_eq!(
            start_replication("s lot", Lsn(0x1_0000_00FF), &options).unwrap(),
            r#"START_REPLICATION SLOT "s lot" LOGICAL 1/FF ("proto_version" '1', "publication_names" '"a''b","c\d"', "we ird")"#
        );
        assert_eq!(
            start_replication("s", Lsn::INVALID, &[]).unwrap(),
            r#"START_REPLICATION SLOT "s" LOGICAL 0/0"#
        );
    }

    #[test]
    fn quotes_for_sql() {
        assert_eq!(quote_sql(r"a\'b").unwrap(), r"E'a\\''b'");
    }

    #[test]
    fn refuses_what_the_grammar_cannot_say() {
        assert!(start_replication("s\"", Lsn(1), &[]).is_err());
        assert!(start_replication("s\0", Lsn(1), &[]).is_err());
        assert!(start_replication("s", Lsn(1), &[("o\0".into(), None)]).is_err());
        assert!(start_replication("s", Lsn(1), &[("o".into(), Some("\0".into()))]).is_err());
        assert!(create_temporary_slot("s", "p\0", false, 15_00_00).is_err());
    }

    #[test]
    fn knows_both_grammars() {
        let slot = |two_phase, version| {
            create_temporary_slot("s", "pgoutput", two_phase, version).unwrap()
        };
        let head = "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL \"pgoutput\" ";
        assert_eq!(slot(false, 14_00_23), format!("{head}NOEXPORT_SNAPSHOT"));
        assert_eq!(
            slot(true, 14_00_23),
            "SELECT slot_name, lsn FROM pg_catalog.pg_create_logical_replication_slot(E's', \
             E'pgoutput', true, true)"
        );
        assert_eq!(slot(false, 15_00_18), format!("{head}(SNAPSHOT 'nothing')"));
        assert_eq!(
            slot(true, 18_00_04),
            format!("{head}(SNAPSHOT 'nothing', TWO_PHASE)")
        );
    }

    #[test]
    fn what_is_copied_is_dropped() {
        assert_eq!(
            keep_slot("a", "b", true).unwrap(),
            [
                "SELECT slot_name FROM pg_catalog.pg_copy_logical_replication_slot(E'a', E'b', \
                 false)",
                "ALTER_REPLICATION_SLOT \"b\" (FAILOVER true)",
                "DROP_REPLICATION_SLOT \"a\"",
            ]
        );
    }

    #[test]
    fn finds_where_a_timeline_was_left() {
        let history = "# a comment\n\n1\t0/3000148\tno recovery target specified\n\n \
                       2\t1/A0\tbefore 2026-11-20\n";
        assert_eq!(find_switch_point(history, 1), Some(Lsn(0x300_0148)));
        assert_eq!(find_switch_point(history, 2), Some(Lsn(0x1_0000_00A0)));
        for (history, from) in [
            (history, 3),
            ("", 1),
            ("1", 1),
            ("1\tx/y\tz", 1),
            ("-1\t0/1", 1),
            ("#1\t0/1", 1),
        ] {
            assert_eq!(find_switch_point(history, from), None, "{history:?}");
        }
    }
}
