//! For the tests of the decoders: events as short texts.

use super::{DecodeError, Decoder};
use crate::event::{Body, Cell, End, Event, Relation, Tuple};
use crate::lsn::Lsn;
use std::ops::ControlFlow;

/// The texts of all events in a message.
pub fn events(
    decoder: &mut Decoder,
    lsn: Option<Lsn>,
    message: &[u8],
) -> Result<Vec<String>, DecodeError> {
    let mut events = Vec::new();
    let flow = decoder.decode(lsn, message, |event| {
        events.push(describe(event));
        ControlFlow::Continue(())
    })?;
    assert!(flow.is_continue());
    Ok(events)
}

/// `LSN TRANSACTION[/SUBTRANSACTION] END SEQ BODY`, with `-` for what is absent: `0/10 742 commit
/// 0/30 0 insert public.t (1, null)`.
pub fn describe(event: &Event<'_>) -> String {
    let lsn = event.lsn.map_or("-".to_owned(), |lsn| lsn.to_string());
    let seq = event.seq.map_or("-".to_owned(), |seq| seq.to_string());
    let transaction = event.transaction.map_or("-".to_owned(), |transaction| {
        let xid = transaction
            .xid
            .map_or("-".to_owned(), |xid| xid.to_string());
        let subxid = event
            .subxid
            .map_or(String::new(), |subxid| format!("/{subxid}"));
        let origin = transaction
            .origin
            .as_ref()
            .map_or(String::new(), |origin| format!("@{origin}"));
        let end = match transaction.end {
            End::Open => "open".to_owned(),
            End::Commit { lsn, time } => {
                let lsn = lsn.map_or("-".to_owned(), |lsn| lsn.to_string());
                format!(
                    "commit {lsn}{}",
                    time.map_or(String::new(), |time| format!(" at {}", time.0))
                )
            }
            End::Prepare { lsn, time } => format!("prepare {lsn} at {}", time.0),
        };
        format!("{xid}{subxid}{origin} {end}")
    });
    format!("{lsn} {transaction} {seq} {}", describe_body(&event.body))
}

fn describe_body(body: &Body<'_>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match body {
        Body::Relation { relation, changed } => {
            let columns: Vec<String> = relation
                .columns
                .iter()
                .map(|column| {
                    let key = if column.key { "*" } else { "" };
                    format!(
                        "{}{key} {}:{}:{}",
                        column.name, column.type_oid, column.type_name, column.type_modifier
                    )
                })
                .collect();
            let changed = if *changed { "changed" } else { "same" };
            let identity = relation
                .replica_identity
                .map_or(String::new(), |identity| format!(" {identity:?}"));
            let (name, columns) = (name(relation), columns.join(", "));
            format!(
                "relation {changed} #{} {name} {}{identity} ({columns})",
                relation.index, relation.oid
            )
        }
        Body::Type { oid, schema, name } => {
            format!("type {oid} {}.{}", text(schema), text(name))
        }
        Body::Insert { relation, new } => format!("insert {} {}", name(relation), row(new)),
        Body::Update {
            relation,
            old: None,
            new,
        } => format!("update {} {}", name(relation), row(new)),
        Body::Update {
            relation,
            old: Some(old),
            new,
        } => {
            format!("update {} {} -> {}", name(relation), row(old), row(new))
        }
        Body::Delete { relation, old } => format!("delete {} {}", name(relation), row(old)),
        Body::Truncate {
            relation,
            cascade,
            restart_identity,
        } => {
            format!(
                "truncate {} {cascade:?} {restart_identity:?}",
                name(relation)
            )
        }
        Body::Message {
            transactional,
            prefix,
            content,
        } => {
            format!("message {transactional} {} {}", text(prefix), text(content))
        }
        Body::Undecodable { reason, content } => format!("undecodable {reason}: {}", text(content)),
        other => format!("{other:?}"),
    }
}

fn name(relation: &Relation) -> String {
    format!("{}.{}", relation.schema, relation.table)
}

fn row(tuple: &Tuple<'_>) -> String {
    let cells = tuple.cells().map(|cell| match cell {
        Cell::Null => "null".to_owned(),
        Cell::Unchanged => "unchanged".to_owned(),
        Cell::Absent => "absent".to_owned(),
        Cell::Text(text) => format!("'{}'", text.escape_ascii()),
    });
    format!("({})", cells.collect::<Vec<_>>().join(", "))
}
