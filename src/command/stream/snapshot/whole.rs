//! Tables without a key. What changes in them cannot be merged with their rows, so these come
//! first, all of them as they were when the slot began, by the snapshot that a new slot exports.
//!
//! Until all rows are durable the slot is a temporary one: whatever ends the program before that
//! leaves none behind, and the next run starts over.

use super::Snapshot;
use crate::command::stream::Ended;
use crate::command::stream::connections::Stream;
use crate::command::stream::creation;
use crate::command::stream::delivery::Output;
use crate::command::stream::wait::wait_for;
use crate::error::{CouldNot, Error, Result};
use crate::event::{Body, Event, Relation};
use crate::lsn::Lsn;
use crate::sink::{Driven, Urge};
use crate::snapshot::{Answer, Held, Reader, Table, find};
use crate::walsender::Connection;
use log::{debug, info};
use rustix::event::PollFlags;
use std::ops::ControlFlow;
use std::os::fd::AsFd;

const ACT: &str = "read the rows of tables without a key";

/// What was to be read, or why the stream ends before all is.
type Read<T> = Result<ControlFlow<Ended, T>>;

/// Creates the slot of the stream and reads the tables that have no key.
pub fn read(stream: &mut Stream<'_>, connection: &mut Connection) -> Read<()> {
    let temporary = match stream.plan.temporary {
        true => stream.plan.slot.clone(),
        false => format!("walcat_{}", std::process::id()),
    };
    if !stream.plan.temporary {
        require_free_slots(connection)?;
    }
    connection
        .ask("SET idle_session_timeout TO 0")
        .could_not(ACT)?;
    start_over(stream)?;
    let requirements = &stream.requirements;
    let stop = &stream.stop;
    let (point, exported) =
        creation::create_exporting_slot(requirements, connection, &temporary, stop)?;
    let settings = requirements.settings.until({
        let stop = stop.clone();
        move || stop.requested()
    });
    let reader = Reader::open(&settings, &requirements.args.timezone)?;
    let mut reading = Reading {
        stream,
        reader,
        point,
        ready: PollFlags::empty(),
    };
    if let ControlFlow::Break(ended) = reading.read(connection, &exported)? {
        return Ok(ControlFlow::Break(ended));
    }
    if let (false, Some(name)) = (stream.plan.temporary, &stream.requirements.args.slot) {
        let failover = stream.requirements.args.kind.failover;
        connection.keep_slot(&temporary, name, failover)?;
        info!("created slot \"{name}\", consistent at {point}");
    }
    Ok(ControlFlow::Continue(()))
}

/// The slot is there twice for a moment, and that must not fail when all is read.
fn require_free_slots(connection: &mut Connection) -> Result<()> {
    let free = connection
        .ask(
            "SELECT pg_catalog.current_setting('max_replication_slots')::pg_catalog.int8 \
             - count(*) >= 2 FROM pg_catalog.pg_replication_slots",
        )
        .could_not(ACT)?;
    match free.as_deref() {
        Some("t") => Ok(()),
        _ => Err(Error::new(format!(
            "could not {ACT}: two free replication slots are needed for that"
        ))
        .with_remedy("a higher max_replication_slots, or walcat slot drop of one not needed")),
    }
}

/// What an interrupted run has left is dropped.
fn start_over(stream: &mut Stream<'_>) -> Result<()> {
    let delivery = &mut stream.delivery;
    let again = delivery
        .snapshot
        .as_ref()
        .is_some_and(|snapshot| snapshot.starts_over);
    if again {
        let name = delivery.sink.held().name;
        info!("snapshot: {name} has rows of a run that was interrupted: starting over");
        delivery.sink.start_over()?;
    }
    Ok(())
}

/// The tables are read.
struct Reading<'s, 'a> {
    stream: &'s mut Stream<'a>,
    reader: Reader,
    /// The consistent point of the slot.
    point: Lsn,
    /// What came of the sink's file descriptors since it was driven.
    ready: PollFlags,
}

impl Reading<'_, '_> {
    fn read(&mut self, connection: &mut Connection, exported: &str) -> Read<()> {
        let delivery = &mut self.stream.delivery;
        let tables = delivery.snapshot.as_mut().map(|snapshot| {
            snapshot.last_end = self.point;
            std::mem::take(&mut snapshot.whole)
        });
        let tables = tables.unwrap_or_default();
        let all = |text: fn(&Table) -> String, between: &str| {
            let texts: Vec<String> = tables.iter().map(text).collect();
            texts.join(between)
        };
        let (locks, storage) = (all(Table::lock, "; "), all(Table::storage, " UNION "));
        self.reader.begin_whole(exported, &locks, &storage)?;
        let answer = match self.answer()? {
            ControlFlow::Continue(answer) => answer,
            ControlFlow::Break(ended) => return Ok(ControlFlow::Break(ended)),
        };
        if let Some(names) = answer.fingerprint {
            return Err(altered(&names));
        }
        // The snapshot is imported. The other session ends the transaction that has exported it.
        connection.ask("SELECT 1").could_not(ACT)?;
        self.require_unaltered(&tables)?;
        for table in tables {
            if let ControlFlow::Break(ended) = self.read_table(&table)? {
                return Ok(ControlFlow::Break(ended));
            }
        }
        self.reader.end_whole()?;
        if let ControlFlow::Break(ended) = self.answer()? {
            return Ok(ControlFlow::Break(ended));
        }
        self.make_durable()
    }

    /// What is known of the tables is older than their snapshot. Takes the tables that have a key
    /// as they are now.
    fn require_unaltered(&mut self, tables: &[Table]) -> Result<()> {
        let Stream {
            requirements,
            delivery,
            ..
        } = &mut *self.stream;
        let Some(snapshot) = &mut delivery.snapshot else {
            return Ok(());
        };
        let found = find(requirements.catalog.client()?, &snapshot.scope, None)?;
        requirements.catalog.close();
        let (keyed, whole): (Vec<Table>, Vec<Table>) = found.into_iter().partition(Table::has_key);
        let is_in = |table: &Table, others: &[Table]| {
            let same =
                |other: &Table| other.oid == table.oid && other.fingerprint == table.fingerprint;
            others.iter().any(same)
        };
        let lost = tables.iter().find(|table| !is_in(table, &whole));
        let new = whole.iter().find(|table| !is_in(table, tables));
        match lost.or(new) {
            Some(table) => Err(altered(&table.sql())),
            None => {
                snapshot.totals.tables = keyed.len() + tables.len();
                snapshot.tables = keyed.into();
                Ok(())
            }
        }
    }

    fn read_table(&mut self, table: &Table) -> Read<()> {
        let mut relation = None;
        self.with_output(|snapshot, out| {
            snapshot.totals.begin(table, snapshot.merge.rows);
            debug!("snapshot: reading {} as a whole", table.sql());
            let new = table.relation(snapshot.new_index());
            let failed = out.prepare(&new);
            relation = Some(new);
            failed.map_or(Ok(()), Err)
        })?;
        let Some(relation) = relation else {
            return Ok(ControlFlow::Continue(()));
        };
        let width = relation.columns.len();
        let empty = |mut held: Held| {
            held.reset(width, Vec::new());
            held
        };
        let query = table.select_all();
        self.reader.read_whole(&query, empty(Held::default()))?;
        loop {
            let answer = match self.answer()? {
                ControlFlow::Continue(answer) => answer,
                ControlFlow::Break(ended) => return Ok(ControlFlow::Break(ended)),
            };
            let is_last = self.reader.is_ready();
            let point = self.point;
            self.with_output(|snapshot, out| {
                snapshot.print_rows(&relation, &answer.held, point, out);
                if is_last {
                    snapshot.print_done(&relation, point, out);
                    let finished = snapshot.totals.finished(table);
                    debug!("{finished}");
                }
                if snapshot.totals.is_due() {
                    info!("{}", snapshot.describe(None));
                }
                Ok(())
            })?;
            while !self.stream.delivery.sink.has_room() {
                if let Some(ended) = self.wait(false)? {
                    return Ok(ControlFlow::Break(ended));
                }
            }
            if is_last {
                return Ok(ControlFlow::Continue(()));
            }
            self.reader.go_on(empty(answer.held));
        }
    }

    fn with_output(
        &mut self,
        act: impl FnOnce(&mut Snapshot, &mut Output<'_>) -> Result<()>,
    ) -> Result<()> {
        match self.stream.delivery.snapshot_and_output() {
            Some((snapshot, mut out)) => act(snapshot, &mut out),
            None => Ok(()),
        }
    }

    /// What comes next from the reader.
    fn answer(&mut self) -> Read<Answer> {
        loop {
            if let Some(answer) = self.reader.advance()? {
                return Ok(ControlFlow::Continue(answer));
            }
            if let Some(ended) = self.wait(true)? {
                return Ok(ControlFlow::Break(ended));
            }
        }
    }

    /// Drives the sink, and waits for it and, if `reads`, for the reader. Returns why the stream
    /// ends, if it does.
    fn wait(&mut self, reads: bool) -> Result<Option<Ended>> {
        let Stream {
            plan,
            stop,
            delivery,
            ..
        } = &mut *self.stream;
        if stop.requested() {
            return Ok(Some(Ended::Interrupted));
        }
        if plan.is_over() {
            return Ok(Some(Ended::TimedOut));
        }
        let ready = std::mem::replace(&mut self.ready, PollFlags::empty());
        if delivery.drive(Urge::Quiet, ready)? == Driven::ReaderGone {
            return Ok(Some(Ended::ReaderGone));
        }
        if !reads && delivery.sink.has_room() {
            return Ok(None);
        }
        let reader = reads.then(|| self.reader.as_fd());
        let ready = wait_for(None, reader, &*delivery.sink, stop, plan.deadline)?;
        self.ready |= ready.sink;
        Ok(None)
    }

    /// Only then does the slot become one that stays.
    fn make_durable(&mut self) -> Read<()> {
        let Stream {
            plan,
            stop,
            delivery,
            ..
        } = &mut *self.stream;
        let urge = || match stop.requested() {
            true => Urge::Stop,
            false => Urge::Durable,
        };
        delivery.settle(stop, urge, |_| {
            Ok(plan.deadline.filter(|_| !plan.is_over()))
        })?;
        let durable = delivery.sink.durable() == delivery.sink.appended();
        Ok(match durable {
            true => ControlFlow::Continue(()),
            false if stop.requested() => ControlFlow::Break(Ended::Interrupted),
            false => ControlFlow::Break(Ended::ReaderGone),
        })
    }
}

fn altered(names: &str) -> Error {
    Error::new(format!(
        "could not read the rows of {names}: altered or rewritten since the slot was created"
    ))
    .with_detail("No slot is left behind.")
    .with_remedy("the same command once more")
}

impl Snapshot {
    /// Returns `true` if there are tables without a key to be read when the slot is created.
    pub fn reads_whole_tables(&self) -> bool {
        !self.whole.is_empty()
    }

    fn print_rows(&mut self, relation: &Relation, held: &Held, lsn: Lsn, out: &mut Output<'_>) {
        let mut spans = Vec::new();
        self.totals.bytes += held.size() as u64;
        self.merge.rows += held.len() as u64;
        for number in 0..held.len() {
            let row = held.row(number, &mut spans);
            let body = Body::Snapshot { relation, row };
            self.lines.print(&outside(lsn, body), out);
        }
    }

    fn print_done(&mut self, relation: &Relation, lsn: Lsn, out: &mut Output<'_>) {
        let body = Body::SnapshotDone { relation };
        self.lines.print(&outside(lsn, body), out);
    }
}

/// An event that is in no transaction.
fn outside(lsn: Lsn, body: Body<'_>) -> Event<'_> {
    Event {
        lsn: Some(lsn),
        transaction: None,
        subxid: None,
        seq: None,
        body,
    }
}
