//! `--snapshot`: reads the rows that are there already while the stream goes on.
//!
//! While a chunk is read the stream waits, so that no change can come that the chunk does not see
//! and that touches a row of it; before and after that it goes on.

mod lines;
mod tables;
mod timer;
mod totals;
mod whole;

pub use tables::TablesToRead;
pub use whole::read as read_whole_tables;

use super::delivery::Output;
use super::requirements::Requirements;
use crate::connect::{self, Settings};
use crate::error::{Error, Kind, Result};
use crate::event::{Body, Event};
use crate::lsn::Lsn;
use crate::select::bounds::Until;
use crate::sink::{Earlier, Sink};
use crate::snapshot::{
    Answer, Chunk, History, Merge, Place, Reader, Scope, Table, Told, Want, find, require_keys,
};
use crate::stop::Stop;
use lines::Lines;
use log::{debug, info, warn};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};
use timer::Timer;
use totals::Totals;

/// About so many bytes are read at once.
const CHUNK: usize = 2 << 20;

/// So many rows at the most, and so many where nothing is known of their size.
const MOST_ROWS: usize = 50_000;
const FIRST_ROWS: usize = 1000;

/// So many are printed before it is looked whether more has come.
const ROWS_AT_ONCE: usize = 128;

/// How long connecting may take, and a look into the catalog, while the stream waits.
const READER_LIMIT: Duration = Duration::from_secs(10);

/// How long to wait before something is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often the server is asked where the stream is, while a chunk waits for that.
const SHORTEST_ASK: Duration = Duration::from_millis(1);
const LONGEST_ASK: Duration = Duration::from_millis(100);

/// After so long the server is made to write its WAL to the disk, of which it sends no more.
const UNWRITTEN: Duration = Duration::from_millis(50);

/// Reads the rows of tables, and merges them with the stream.
pub struct Snapshot {
    settings: Settings,
    timezone: String,
    scope: Scope,
    /// Those that are not begun.
    tables: VecDeque<Table>,
    /// Those that have no key and are read when the slot is created.
    whole: Vec<Table>,
    /// What the file holds is void.
    starts_over: bool,
    /// What the output held when it was opened.
    history: Option<(File, History)>,
    merge: Merge,
    lines: Lines,
    reader: Option<Reader>,
    reading: Option<Reading>,
    /// What the reader has told while rows were printed.
    answered: Option<Result<Answer>>,
    /// Whether renderers know the table.
    prepared: bool,
    next_index: usize,
    chunk_rows: usize,
    again: Timer,
    asks: Timer,
    waiting_since: Instant,
    flushed: bool,
    held_up: bool,
    /// What the stream is to reach when all is read.
    until: Option<Until>,
    last_end: Lsn,
    totals: Totals,
    done: bool,
}

/// What the reader is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Rows, not more than this.
    Chunk { limit: usize, again: bool },
    /// It waits until somebody lets go of the table.
    Lock,
    /// The server writes its WAL.
    Flush,
}

impl Snapshot {
    /// Goes on where the file ends that the output has, if it has one. `whole`: the slot is still
    /// to be created, and tables without a key are read then.
    pub fn new(
        requirements: &mut Requirements<'_>,
        tables: TablesToRead,
        whole: bool,
        sink: &dyn Sink,
        stop: &Stop,
    ) -> Result<Snapshot> {
        let (TablesToRead(scope), file) = (tables, sink.earlier());
        let tables = find(requirements.catalog.client()?, &scope, None)?;
        let starts_over = whole && has_void_rows(sink, &tables)?;
        // With a new slot nothing that the file says counts any more.
        let file = file.filter(|_| !whole);
        let settings = requirements.settings.until({
            let stop = stop.clone();
            move || stop.requested()
        });
        let failed = |reason| Error::new(format!("could not read the output file: {reason}"));
        let mut merge = Merge::default();
        let (mut history, mut lines) = (None, Lines::default());
        if let Some(Earlier { file, rotated }) = file {
            let found = History::read(file).map_err(failed)?;
            let read = found.transactions(file, |xid| merge.was_printed(xid));
            read.map_err(failed)?;
            lines.told_before(found.marks(), rotated);
            history = Some((file.try_clone().map_err(failed)?, found));
        }
        let is_left = |table: &Table| match &history {
            Some((_, history)) => !history.is_done(table),
            None => true,
        };
        let left = tables.into_iter().filter(is_left);
        let (tables, without_key): (Vec<Table>, _) = left.partition(Table::has_key);
        if !whole {
            require_keys(&without_key)?;
        }
        let mut tables = VecDeque::from(tables);
        let last = |(_, history): &(File, History)| history.last_of(tables.iter());
        if let Some(last) = history.as_ref().and_then(last) {
            tables.rotate_left(last);
        }
        let (now, done) = (Instant::now(), tables.is_empty() && without_key.is_empty());
        let mut snapshot = Snapshot {
            settings: settings.with_limit(READER_LIMIT),
            timezone: requirements.args.timezone.clone(),
            scope,
            totals: Totals::new(tables.len() + without_key.len()),
            tables,
            whole: without_key,
            starts_over,
            history,
            merge,
            lines,
            reader: None,
            reading: None,
            answered: None,
            prepared: false,
            next_index: usize::MAX,
            chunk_rows: FIRST_ROWS,
            again: Timer::new(SHORTEST_PAUSE, LONGEST_PAUSE),
            asks: Timer::new(SHORTEST_ASK, LONGEST_ASK),
            waiting_since: now,
            flushed: false,
            held_up: false,
            until: None,
            last_end: Lsn::INVALID,
            done,
        };
        // Before the stream brings anything that moves its rows. Only of this table is it known
        // what was printed: others that an earlier run began are read from their beginning.
        if snapshot.history.is_some()
            && let Some(table) = snapshot.tables.pop_front()
        {
            snapshot.begin(table)?;
        }
        snapshot.history = None;
        Ok(snapshot)
    }

    /// Returns `true` if the stream has to wait.
    pub fn is_reading(&self) -> bool {
        matches!(self.reading, Some(Reading::Chunk { .. }))
    }

    /// Returns `true` if it goes on as soon as the sink has room.
    pub fn is_held_up(&self) -> bool {
        self.held_up
    }

    /// What to wait for, apart from the stream.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        let reader = self.reader.as_ref().filter(|_| self.reading.is_some());
        reader.map(AsFd::as_fd)
    }

    /// When to come back at the latest.
    pub fn due(&self) -> Option<Instant> {
        if self.reading.is_some() || self.done {
            return None;
        }
        match self.merge.end() {
            Some(_) => self.asks.due,
            None if self.again.is_over() => self.asks.due,
            None => self.again.due,
        }
    }

    /// The stream ends there, but not before all rows are read.
    pub fn end_at(&mut self, until: Until) {
        self.until = Some(until);
    }

    /// Where the stream ends, if all rows are read and it does.
    pub fn take_until(&mut self) -> Option<Until> {
        let until = self.until.take_if(|_| self.done)?;
        Some(match until.lsn >= self.last_end {
            true => until,
            false => Until {
                lsn: self.last_end,
                inclusive: false,
                passed: false,
            },
        })
    }

    /// The connection was lost.
    pub fn reconnected(&mut self) {
        self.merge.drop_chunk();
        self.held_up = false;
        self.reader = None;
        (self.reading, self.answered) = (None, None);
    }

    /// Called with every event before it is printed.
    pub fn before(&mut self, event: &Event<'_>, out: &mut Output<'_>) {
        if self.done {
            return;
        }
        let lines = &mut self.lines;
        self.merge
            .before(event, &mut |event| lines.print(event, out));
    }

    /// Returns `true` if what is printed of an event is wanted, too.
    pub fn follows(&self, event: &Event<'_>) -> bool {
        let relation = match event.body {
            Body::Update {
                relation,
                old: Some(_),
                ..
            }
            | Body::Delete { relation, .. }
            | Body::Truncate { relation, .. } => relation,
            _ => return false,
        };
        let table = self.merge.table();
        self.lines.skips() && table.is_some_and(|table| table.oid == relation.oid)
    }

    /// Called then with what was printed.
    pub fn after(&mut self, lines: &[u8]) {
        self.lines.follow(lines);
    }

    /// Called in its stead with every event that was printed before.
    pub fn repeated(&mut self, event: &Event<'_>) {
        if !self.done {
            self.merge.repeated(event);
        }
    }

    /// How far it is; `None` if it is complete.
    pub fn progress(&self, received: Lsn) -> Option<String> {
        (!self.done).then(|| self.describe(Some(received)))
    }

    fn describe(&self, received: Option<Lsn>) -> String {
        let behind = match (received, self.merge.end()) {
            (Some(received), Some(end)) => end.0.saturating_sub(received.0),
            _ => 0,
        };
        self.totals.describe(self.merge.rows, behind)
    }

    /// The output has a new file, which is to say how far the tables are, too: the stream is at
    /// `received`.
    pub fn reopened(&mut self, received: Lsn, sink: &mut dyn Sink) {
        self.lines.tell_again(received, sink);
    }

    /// Goes on. `received` says up to where all has come, if the stream is between transactions.
    /// Returns `true` if the server is to be asked where it is.
    pub fn drive(&mut self, received: Option<Lsn>, out: &mut Output<'_>) -> Result<bool> {
        if let Some(received) = received {
            self.lines.tell_again_once(received, out.sink);
        }
        if self.totals.is_due() && !self.done {
            let text = self.describe(received);
            info!("{text}");
        }
        while !self.done {
            let is_reached = |end| received.is_some_and(|received| received >= end);
            let goes_on = match (self.reading, self.merge.end()) {
                (Some(Reading::Chunk { .. } | Reading::Lock), _) => self.take_answer()?,
                (_, Some(end)) if is_reached(end) => {
                    self.held_up = !out.sink.has_room();
                    if self.held_up {
                        break;
                    }
                    self.print_chunk(end, out)?;
                    true
                }
                (Some(Reading::Flush), _) => self.take_answer()?,
                (None, Some(_)) => return self.wait_for_stream(),
                (None, None) if !self.again.is_over() => return Ok(false),
                (None, None) if received.is_none() => return Ok(self.asks.is_over_now()),
                (None, None) => self.read_more(out)?,
            };
            if !goes_on {
                break;
            }
        }
        Ok(false)
    }

    /// The chunk waits for the stream.
    fn wait_for_stream(&mut self) -> Result<bool> {
        if !self.flushed
            && self.waiting_since.elapsed() > UNWRITTEN
            && let Some(reader) = &mut self.reader
        {
            self.flushed = true;
            reader.flush_wal()?;
            self.reading = Some(Reading::Flush);
        }
        Ok(self.asks.is_over_now())
    }

    /// The stream has come to where the chunk was read. The next is asked for first, and received
    /// while this one is printed: the server works meanwhile, and never waits for room to send.
    fn print_chunk(&mut self, end: Lsn, out: &mut Output<'_>) -> Result<()> {
        if self.reading.is_none()
            && let Some(want) = self.merge.want_next()
        {
            self.read(&want)?;
        }
        let Snapshot {
            merge,
            lines,
            reader,
            reading,
            answered,
            ..
        } = self;
        let mut printed = 0;
        merge.reach(end, &mut |event| {
            lines.print(event, out);
            printed += 1;
            if printed % ROWS_AT_ONCE == 0
                && answered.is_none()
                && matches!(reading, Some(Reading::Chunk { .. }))
                && let Some(reader) = reader
            {
                *answered = reader.advance().transpose();
            }
        });
        Ok(())
    }

    /// Begins a table, or asks for more of it. Returns `false` if that has to wait.
    fn read_more(&mut self, out: &mut Output<'_>) -> Result<bool> {
        if let Some(table) = self.merge.take_finished() {
            let finished = self.totals.finished(&table);
            debug!("{finished}");
        }
        if self.merge.table().is_none() {
            let Some(table) = self.tables.pop_front() else {
                self.end();
                return Ok(false);
            };
            self.begin(table)?;
        }
        if !self.prepared
            && let Some(relation) = self.merge.relation()
        {
            if let Some(reason) = out.prepare(relation) {
                return self.retry(&reason);
            }
            self.prepared = true;
        }
        if self.reader.is_none() {
            match Reader::open(&self.settings, &self.timezone) {
                Ok(reader) => self.reader = Some(reader),
                Err(error) if error.kind() == Kind::Transient => return self.retry(&error),
                Err(error) => return Err(error),
            }
        }
        if let Some(want) = self.merge.want() {
            self.read(&want)?;
        }
        Ok(true)
    }

    fn begin(&mut self, table: Table) -> Result<()> {
        let mut through = None;
        let mut requests = Vec::new();
        let mut told = Told::default();
        if let Some((file, history)) = &self.history {
            let mut progress = history.progress(file, &table).map_err(|reason| {
                Error::new(format!("could not read the output file: {reason}"))
            })?;
            requests = progress.take_requests();
            through = progress.through;
            told = progress.told;
        }
        self.lines.begin(&table, told);
        self.totals.begin(&table, self.merge.rows);
        debug!(
            "snapshot: reading {}{}",
            table.sql(),
            match through {
                Some(_) => " from where it was",
                None => "",
            }
        );
        let index = self.new_index();
        self.merge.begin(table, index, through);
        self.merge.request(requests);
        self.chunk_rows = FIRST_ROWS;
        Ok(())
    }

    /// All tables are read.
    fn end(&mut self) {
        self.done = true;
        (self.reader, self.history) = (None, None);
        self.merge.take_spare();
        info!("{}", self.totals.complete(self.merge.rows));
    }

    fn new_index(&mut self) -> usize {
        self.prepared = false;
        // Decoders count upwards.
        self.next_index -= 1;
        self.next_index
    }

    fn read(&mut self, want: &Want) -> Result<()> {
        let held = self.merge.take_spare();
        let (Some(table), Some(reader)) = (self.merge.table(), &mut self.reader) else {
            return Ok(());
        };
        let limit = self.chunk_rows;
        let (select, again) = match want {
            Want::After(key) => (table.select_after(key.as_deref(), limit), false),
            Want::Again(requests) => (table.select_again(requests), true),
        };
        let mut held = held;
        let width = self
            .merge
            .relation()
            .map_or(0, |relation| relation.columns.len());
        held.reset(width, table.key_columns());
        let fingerprint = table.fingerprint_question(&self.scope.publications);
        self.reading = Some(Reading::Chunk { limit, again });
        let sent = reader.read(&table.lock(), &fingerprint, &select, held);
        match sent {
            Err(error) => self.failed(error).map(|_| ()),
            Ok(()) => Ok(()),
        }
    }

    /// Takes what has come from the reader; returns `false` if that is not all.
    fn take_answer(&mut self) -> Result<bool> {
        let Some(reader) = &mut self.reader else {
            self.reading = None;
            return Ok(true);
        };
        let answered = self.answered.take().map(|answer| answer.map(Some));
        match answered.unwrap_or_else(|| reader.advance()) {
            Ok(None) => Ok(false),
            Ok(Some(answer)) => match self.reading.take() {
                Some(Reading::Chunk { limit, again }) => self.take_chunk(answer, limit, again),
                _ => Ok(true),
            },
            Err(error) => self.failed(error),
        }
    }

    fn take_chunk(&mut self, answer: Answer, limit: usize, again: bool) -> Result<bool> {
        let Some(table) = self.merge.table() else {
            return Ok(true);
        };
        if answer.fingerprint.as_ref() != Some(&table.fingerprint) {
            return self.look_again(None);
        }
        let Some((visibility, end)) = answer.snapshot else {
            return Err(Error::new("could not read the rows: no snapshot came"));
        };
        let kept = answer.held.len();
        self.totals.bytes += answer.held.size() as u64;
        if let Some(size) = answer.held.size().checked_div(kept) {
            self.chunk_rows = (CHUNK / size.max(1)).clamp(1, MOST_ROWS);
        }
        let place = match (again, answer.rows < limit && kept == answer.rows) {
            (true, _) => Place::Again,
            (false, true) => Place::Last,
            (false, false) => Place::Next,
        };
        let chunk = Chunk {
            held: answer.held,
            visibility,
            end,
            place,
        };
        if self.merge.take(chunk).is_some() {
            // What the stream has brought is seen a moment later.
            self.again.wait();
            return Ok(false);
        }
        self.last_end = self.last_end.max(end);
        self.again.reset();
        self.asks.reset();
        (self.waiting_since, self.flushed) = (Instant::now(), false);
        Ok(true)
    }

    /// The table may be another now, or gone.
    fn look_again(&mut self, reason: Option<Error>) -> Result<bool> {
        let Some(old) = self.merge.table().cloned() else {
            return Ok(true);
        };
        let mut client = match connect::sql(&self.settings) {
            Ok(client) => client,
            Err(error) if error.kind() == Kind::Transient => return self.retry(&error),
            Err(error) => return Err(error),
        };
        let found = find(&mut client, &self.scope, Some(old.oid))?
            .into_iter()
            .next();
        match (found, reason) {
            (None, _) => {
                self.merge.abandon();
                warn!(
                    "snapshot: {} is gone, or is no longer published: its rows are read no further",
                    old.sql()
                );
            }
            (Some(table), Some(reason)) if table.fingerprint == old.fingerprint => {
                return Err(reason);
            }
            (Some(table), _) if !table.has_key() => return require_keys(&[table]).map(|()| true),
            (Some(table), _) if table.has_key_of(&old) => {
                let index = self.new_index();
                self.merge.redefine(table, index);
            }
            (Some(table), _) => {
                warn!(
                    "snapshot: {} has another key now: it is read from its beginning",
                    table.sql()
                );
                let index = self.new_index();
                self.merge.begin(table, index, None);
            }
        }
        Ok(true)
    }

    /// A query has failed; returns `false` if something has to be waited for.
    fn failed(&mut self, error: Error) -> Result<bool> {
        let reading = self.reading.take();
        let lost = error.server().is_none() || matches!(error.sqlstate().get(..3), Some("57P"));
        if lost {
            self.reader = None;
        }
        match error.sqlstate() {
            // lock_not_available
            "55P03" => {
                let lock = self.merge.table().map(Table::lock);
                if let (Some(reader), Some(lock)) = (&mut self.reader, lock) {
                    self.reading = Some(Reading::Lock);
                    reader.wait_for_lock(&lock)?;
                }
                Ok(true)
            }
            _ if reading == Some(Reading::Flush) => Ok(true),
            _ if lost && error.kind() == Kind::Permanent => Err(error),
            _ if lost => self.retry(&error),
            // insufficient_privilege
            "42501" => Err(error),
            sqlstate => match sqlstate.get(..2) {
                // query_canceled and the like; no resources; deadlocks; recovery conflicts.
                Some("57" | "53" | "40") => self.retry(&error),
                _ => self.look_again(Some(error)),
            },
        }
    }

    fn retry(&mut self, reason: &Error) -> Result<bool> {
        self.again.wait();
        if self.again.pause > Duration::from_millis(500) {
            info!("{reason}; trying again");
        }
        Ok(false)
    }
}

/// A slot is to be created together with rows of tables that have no key. Returns `true` if the
/// file has nothing but rows of a run that did not come to an end, which are void. What has changed
/// since then nobody could tell.
fn has_void_rows(sink: &dyn Sink, tables: &[Table]) -> Result<bool> {
    let Some(Earlier { file, rotated }) = sink.earlier() else {
        return Ok(false);
    };
    let is_empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    if !rotated && sink.held().last.is_none() {
        return Ok(!is_empty);
    }
    let names: Vec<String> = tables
        .iter()
        .filter(|table| !table.has_key())
        .map(Table::sql)
        .collect();
    Err(Error::new(format!(
        "could not read the rows of {}: {} has changes of an earlier slot",
        names.join(", "),
        sink.held().name
    ))
    .with_detail("No key tells the rows apart that it has already.")
    .with_remedy("another file, or --snapshot with the other tables"))
}
