//! Rows, truncated tables and logical decoding messages.

use super::message::{Change, Old, Row, Rows};
use super::relation::{Relations, keep_key_only};
use super::{Context, Pgoutput};
use crate::decode::reader::{DecodeError, Result};
use crate::decode::transaction::Transactions;
use crate::decode::{Sink, fill_unchanged};
use crate::event::{Body, Event, Relation, Tuple};
use std::ops::ControlFlow;

impl Pgoutput {
    /// Sends the event of a change, or of each table of a Truncate.
    pub(super) fn change(
        &mut self,
        context: &Context<'_>,
        change: &Change<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        if let Change::Message {
            transactional: false,
            lsn,
            prefix,
            content,
        } = *change
        {
            let body = Body::Message {
                transactional: false,
                prefix,
                content,
            };
            return Ok(sink(&Event {
                lsn: Some(lsn),
                transaction: None,
                subxid: None,
                seq: None,
                body,
            }));
        }
        self.expect_transaction(context)?;
        let Pgoutput {
            relations,
            transactions,
            rows: Rows { old, new },
        } = self;
        let body = match *change {
            Change::Insert { relation } => {
                let relation = known(relations, context, relation)?;
                Body::Insert {
                    relation,
                    new: fitting(context, relation, new)?,
                }
            }
            Change::Update {
                relation,
                old: None,
            } => {
                let relation = known(relations, context, relation)?;
                Body::Update {
                    relation,
                    old: None,
                    new: fitting(context, relation, new)?,
                }
            }
            Change::Update {
                relation,
                old: Some(kind),
            } => {
                let relation = known(relations, context, relation)?;
                fill_unchanged(&old.spans, &mut new.spans);
                let old = Some(fitting_old(context, relation, kind, old)?);
                Body::Update {
                    relation,
                    old,
                    new: fitting(context, relation, new)?,
                }
            }
            Change::Delete {
                relation,
                old: kind,
            } => {
                let relation = known(relations, context, relation)?;
                Body::Delete {
                    relation,
                    old: fitting_old(context, relation, kind, old)?,
                }
            }
            Change::Message {
                transactional,
                lsn,
                prefix,
                content,
            } => {
                let body = Body::Message {
                    transactional,
                    prefix,
                    content,
                };
                return Ok(sink(&transactions.change(Some(lsn), context.xid, body)));
            }
            Change::Truncate {
                cascade,
                restart_identity,
                relations: oids,
            } => {
                let options = (Some(cascade), Some(restart_identity));
                return truncate(relations, transactions, context, oids, options, sink);
            }
        };
        Ok(sink(&transactions.change(context.lsn, context.xid, body)))
    }
}

fn truncate(
    relations: &mut Relations,
    transactions: &mut Transactions,
    context: &Context<'_>,
    oids: &[[u8; 4]],
    (cascade, restart_identity): (Option<bool>, Option<bool>),
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>> {
    let oids = || oids.iter().map(|oid| u32::from_be_bytes(*oid));
    for oid in oids() {
        known(relations, context, oid)?;
    }
    for oid in oids() {
        let relation = known(relations, context, oid)?;
        let body = Body::Truncate {
            relation,
            cascade,
            restart_identity,
        };
        if sink(&transactions.change(context.lsn, context.xid, body)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn known<'r>(
    relations: &'r mut Relations,
    context: &Context<'_>,
    oid: u32,
) -> Result<&'r Relation> {
    relations.get(oid).ok_or_else(|| {
        let reason = format!("the table with oid {oid} was never announced");
        DecodeError::new(context.name, "relation", context.offset, reason)
    })
}

fn fitting_old<'a>(
    context: &Context<'a>,
    relation: &Relation,
    kind: Old,
    row: &'a mut Row,
) -> Result<Tuple<'a>> {
    if kind == Old::Key {
        keep_key_only(relation, &mut row.spans);
    }
    fitting(context, relation, row)
}

fn fitting<'a>(context: &Context<'a>, relation: &Relation, row: &'a Row) -> Result<Tuple<'a>> {
    let (sent, announced) = (row.spans.len(), relation.columns.len());
    if sent != announced {
        let (schema, table) = (&relation.schema, &relation.table);
        let reason = format!(
            "the row has {sent} columns, but {schema}.{table} was announced with {announced}"
        );
        return Err(DecodeError::new(
            context.name,
            "column count",
            row.offset,
            reason,
        ));
    }
    Ok(Tuple::new(context.bytes, &row.spans))
}
