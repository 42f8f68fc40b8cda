//! A stream of NATS JetStream, which is its own checkpoint, as a file is: its last message says
//! where to go on, and each message is taken only behind the one before it. So every event is in it
//! once, in the order of the commits, whoever dies and however many publish at once.
//!
//! The client runs on a thread of its own (`publisher`). It gets whole blocks of records, and keeps
//! them (`queue`) until they are known to be in the log.

mod delay;
mod destination;
mod headers;
mod link;
mod log;
mod naming;
mod publisher;
mod queue;
mod shared;
mod subject;
mod thread;

pub use destination::{Access, LogDestination, LogUrl};
pub use subject::Template;

use super::{Driven, Held, Moment, Rewound, Sink, Urge, Watched};
use crate::error::{Error, Result};
use crate::event::{Body, Cell, End, Event, EventId, Relation, Tuple};
use crate::lsn::Lsn;
use crate::record::Records;
use crate::text::readable;
use ::log::warn;
use delay::Delay;
use headers::headers_size;
use naming::Naming;
use publisher::Order;
use queue::{Block, Record};
use rustix::event::PollFlags;
use shared::{News, Opened};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thread::Thread;

/// Records are handed over in blocks of at least this size while the server has more to send.
const BLOCK: usize = 32 << 10;

/// With this much waiting for the log nothing more is taken: the rest waits at the server.
const HIGH_WATER: usize = 4 << 20;

/// How long a log that takes nothing holds up a stop that the user asked for.
const STALLED_LIMIT: Duration = Duration::from_secs(3);

/// How long a log that takes little by little does.
const SLOW_LIMIT: Duration = Duration::from_secs(30);

/// How often to ask whether the user wants to stop while the log is looked at.
const ASK: Duration = Duration::from_millis(100);

/// A log. Its units are records; the first stands for all that it held already.
pub struct NatsSink {
    name: String,
    to: LogDestination,
    opened: Opened,
    thread: Thread,
    naming: Naming,
    source: Arc<str>,
    /// What was appended but not handed over.
    bytes: Vec<u8>,
    records: Vec<Record>,
    appended: u64,
    /// The records before this number were told not to wait for more.
    whole: u64,
    /// What was handed over but is not in the log: up to which record, and how many bytes.
    waiting: VecDeque<(u64, usize)>,
    waiting_bytes: usize,
    delay: Delay,
    news: News,
    /// The log has lost something: nothing is taken until the stream has started over.
    lost: bool,
    /// What cannot be published, once all before it is.
    failed: Option<Error>,
    refuses: bool,
    stop: Option<Stopping>,
}

/// Since when the user waits for the log to take the rest.
struct Stopping {
    asked: Instant,
    /// When it took anything last.
    taken: Instant,
    records: u64,
}

/// Opens a log; `interrupted` waits for the time it is given and says whether to give up.
pub fn open(to: LogDestination, interrupted: &dyn Fn(Duration) -> bool) -> Result<NatsSink> {
    let name = to.url.to_string();
    let thread = Thread::start(&to)
        .map_err(|error| Error::new(format!("could not publish to {name}: {error}")))?;
    let mut news = thread.shared.take();
    let opened = loop {
        if let Some(error) = news.failed.take() {
            return Err(error);
        }
        if let Some(opened) = news.opened.take() {
            break opened;
        }
        if interrupted(Duration::ZERO) {
            return Err(Error::new(format!(
                "could not connect to {name}: interrupted"
            )));
        }
        thread.shared.wait(ASK);
        news = thread.shared.take();
    };
    let source = source_header(&to, None);
    Ok(NatsSink {
        naming: Naming::new(to.subjects.clone()),
        delay: Delay::new(to.confirm_delay),
        name,
        to,
        opened,
        thread,
        source,
        bytes: Vec::new(),
        records: Vec::new(),
        appended: 1,
        whole: 1,
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        news,
        lost: false,
        failed: None,
        refuses: false,
        stop: None,
    })
}

/// As `7571234567890123456/1/shop`.
fn source_header(to: &LogDestination, timeline: Option<u32>) -> Arc<str> {
    let database = subject::encoded(&to.source.database);
    let timeline = timeline.map_or(String::new(), |timeline| timeline.to_string());
    format!("{}/{timeline}/{database}", to.source.system).into()
}

impl NatsSink {
    /// What may make the log lose events by itself: text and remedy.
    pub fn warnings(&self) -> &[(String, String)] {
        &self.opened.warnings
    }

    /// Hands on what was appended.
    fn write_rest(&mut self) {
        if self.records.is_empty() {
            return;
        }
        let capacity = self.bytes.capacity().min(2 * BLOCK);
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(capacity));
        let room = self.records.len();
        let records = std::mem::replace(&mut self.records, Vec::with_capacity(room));
        self.waiting.push_back((self.appended, bytes.len()));
        self.waiting_bytes += bytes.len();
        let block = Block {
            first: self.appended - records.len() as u64,
            bytes: bytes.into(),
            records,
            source: Arc::clone(&self.source),
        };
        self.thread.order(Order::Publish(block));
    }

    /// With batches, records wait for the rest of their transaction, unless there is no rest, or no
    /// room for it.
    fn tell_what_is_whole(&mut self, moment: &Moment) {
        let is_whole = moment.at_boundary || moment.urge >= Urge::End || !self.has_room();
        if self.to.atomic && is_whole && self.whole < self.appended {
            self.whole = self.appended;
            self.thread.order(Order::Whole(self.appended));
        }
    }

    /// Takes what the thread has told.
    fn hear(&mut self, now: Instant) -> Result<()> {
        let mut news = self.thread.shared.take();
        let logged = news.logged.records;
        if let Some(limit) = news.limit.take() {
            self.opened.limit = limit;
        }
        self.news = news;
        while let Some((_, bytes)) = self.waiting.front().filter(|(end, _)| *end <= logged) {
            self.waiting_bytes -= bytes;
            self.waiting.pop_front();
        }
        self.delay.acknowledged(now, self.news.logged);
        if let Some(error) = self.news.failed.take() {
            self.refuses = true;
            return Err(error);
        }
        if let Some(end) = self.news.lost.take() {
            return Err(self.lose(end, now));
        }
        Ok(())
    }

    /// The log lacks what it had acknowledged: the stream is to start over behind its end.
    fn lose(&mut self, end: queue::End, now: Instant) -> Error {
        let safe = self.delay.safe(now).last;
        if let Some(safe) = safe.filter(|safe| end.last.is_none_or(|last| last < *safe)) {
            let last = end
                .last
                .map_or("its beginning".to_owned(), |last| last.to_string());
            warn!(
                "there may be a gap in {}: it has lost what came between {last} and {safe}, which \
                 is confirmed, as it was acknowledged {} s before; a longer --confirm-delay \
                 outlives that",
                self.name,
                self.to.confirm_delay.as_secs_f64()
            );
        }
        self.lost = true;
        self.opened.end = end;
        self.bytes.clear();
        self.records.clear();
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.delay.forget();
        Error::transient(format!(
            "could not go on in {}: it has lost messages that it had acknowledged, and ends at {}",
            self.name,
            end.last
                .map_or("nothing".to_owned(), |last| last.to_string())
        ))
    }

    /// Fails unless the record, which is the last, can be published.
    fn check(&self, record: &Record, size: usize, event: &Event<'_>) -> Result<()> {
        let whole = size + headers_size(record, &self.source, &self.to.url.stream);
        if whole <= self.opened.limit {
            return Ok(());
        }
        Err(Error::new(format!(
            "could not publish {} to {}: with {whole} bytes it is larger than the {} that are \
             allowed",
            described(event),
            self.name,
            self.opened.limit
        ))
        .with_remedy(
            "--oversize stub, or a larger max_payload of the server and max_msg_size of the stream",
        ))
    }

    /// What becomes of what the log does not take just now.
    fn blocked(&mut self, moment: &Moment) -> Driven {
        if moment.urge < Urge::Stop {
            return Driven::Busy;
        }
        let records = self.news.logged.records;
        let stop = self.stop.get_or_insert(Stopping {
            asked: moment.now,
            taken: moment.now,
            records,
        });
        if records > stop.records {
            (stop.records, stop.taken) = (records, moment.now);
        }
        match stop.limit() <= moment.now {
            true => Driven::GivenUp,
            false => Driven::Busy,
        }
    }
}

impl Stopping {
    fn limit(&self) -> Instant {
        (self.taken + STALLED_LIMIT).min(self.asked + SLOW_LIMIT)
    }
}

impl Records for NatsSink {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    fn append(&mut self, event: Option<&Event<'_>>) {
        let start = self.records.last().map_or(0, |record| record.end);
        if self.lost || self.refuses {
            return self.bytes.truncate(start);
        }
        let Some((event, id)) = event.and_then(|event| Some((event, event.id()?))) else {
            self.failed = Some(Error::new(format!(
                "could not publish to {}: an event has no place in the stream",
                self.name
            )));
            self.refuses = true;
            return self.bytes.truncate(start);
        };
        let time = match event.transaction.map(|transaction| transaction.end) {
            Some(End::Commit { time, .. }) => time,
            Some(End::Prepare { time, .. }) => Some(time),
            Some(End::Open) | None => None,
        };
        let mut record = Record {
            id,
            op: event.body.name(),
            time,
            names: self.naming.names(event),
            end: self.bytes.len(),
        };
        if let Err(error) = self.check(&record, self.bytes.len() - start, event) {
            let line = self.bytes.get(start..).unwrap_or_default();
            let Some(stub) = self.to.stub.and_then(|lines| lines.without_rows(line)) else {
                self.failed = Some(error);
                self.refuses = true;
                return self.bytes.truncate(start);
            };
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(&stub);
            // The memory of a large row is not kept.
            self.bytes.shrink_to(2 * BLOCK);
            record.end = self.bytes.len();
        }
        self.records.push(record);
        self.appended += 1;
    }
}

impl Sink for NatsSink {
    fn held(&self) -> Held<'_> {
        Held {
            name: &self.name,
            last: self.opened.end.last,
            timeline: self.opened.timeline,
        }
    }

    fn gaps(&self, _: Option<Lsn>) -> Vec<String> {
        match self.opened.end {
            queue::End {
                sequence: 1..,
                last: None,
            } => vec![format!(
                "{} was emptied: each event is in it at least once from here on",
                self.name
            )],
            _ => Vec::new(),
        }
    }

    fn begin(&mut self, timeline: Option<u32>, _: Option<Lsn>) -> Result<()> {
        self.on_timeline(timeline);
        Ok(())
    }

    fn on_timeline(&mut self, timeline: Option<u32>) {
        let source = source_header(&self.to, timeline);
        if self.source != source {
            self.write_rest();
            self.source = source;
        }
    }

    fn appended(&self) -> u64 {
        self.appended
    }

    fn written(&self) -> u64 {
        match self.lost {
            true => 0,
            false => self.news.logged.records,
        }
    }

    fn durable(&self) -> u64 {
        match self.lost {
            true => 0,
            false => self.delay.known().records,
        }
    }

    fn has_room(&self) -> bool {
        self.waiting_bytes + self.bytes.len() < HIGH_WATER
    }

    fn watch<'a>(&'a self, watched: &mut Watched<'a>) {
        watched.fd(self.thread.shared.bell(), PollFlags::IN);
        watched.due(self.stop.as_ref().map(Stopping::limit));
    }

    fn drive(&mut self, moment: &Moment) -> Result<Driven> {
        if self.lost {
            return Ok(Driven::Settled);
        }
        self.hear(moment.now)?;
        if self.bytes.len() >= BLOCK || moment.urge > Urge::More {
            self.write_rest();
            self.tell_what_is_whole(moment);
        }
        self.delay.safe(moment.now);
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        Ok(match self.news.logged.records == self.appended {
            true => Driven::Settled,
            false => self.blocked(moment),
        })
    }

    fn confirm(&mut self, _: Lsn) -> Result<()> {
        Ok(())
    }

    fn resumes(&self) -> bool {
        true
    }

    fn reopens(&self) -> bool {
        false
    }

    fn reopen(&mut self, _: Option<EventId>) -> Result<()> {
        Ok(())
    }

    fn take_rewound(&mut self) -> Option<Rewound> {
        if !std::mem::take(&mut self.lost) {
            return None;
        }
        self.thread.order(Order::StartOver(self.appended));
        Some(Rewound {
            last: self.opened.end.last,
        })
    }
}

/// What an error says of an event: `the insert into public.users with id=1`.
fn described(event: &Event<'_>) -> String {
    let (op, place) = (event.body.name(), event.id());
    let place = place.map_or(String::new(), |id| format!(" at {id}"));
    let (relation, row) = match event.body {
        Body::Insert { relation, new } | Body::Update { relation, new, .. } => (relation, new),
        Body::Delete { relation, old } => (relation, old),
        _ => return format!("the {op}{place}"),
    };
    let table = format!("{}.{}", relation.schema, relation.table);
    format!("the {op} of {table}{}{place}", key(relation, row))
}

/// ` with id=1`, cut where it gets long.
fn key(relation: &Relation, row: Tuple<'_>) -> String {
    const LONGEST: usize = 100;
    let columns = relation.columns.iter().zip(row.cells());
    let keys = columns.filter(|(column, _)| column.key);
    let keys: Vec<String> = keys
        .map(|(column, cell)| match cell {
            Cell::Text(value) => {
                let value = value.get(..LONGEST).unwrap_or(value);
                format!("{}={}", column.name, readable(value))
            }
            _ => format!("{}=NULL", column.name),
        })
        .collect();
    match keys.is_empty() {
        true => String::new(),
        false => format!(" with {}", keys.join(", ")),
    }
}
