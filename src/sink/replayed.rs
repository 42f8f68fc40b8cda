//! A reader that applies what it takes in a database: only what is committed there is safe.
//!
//! What a pipe took is lost if its reader is killed. So nothing is confirmed that the target does
//! not say it has, which is asked for now and then.

use super::{Driven, Held, Moment, Sink, Urge, Watched};
use crate::error::Result;
use crate::event::{Body, Event, EventId};
use crate::lsn::Lsn;
use crate::record::Records;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often the target is asked, and how often where somebody waits for the answer.
const INTERVAL: Duration = Duration::from_secs(1);
const HURRY: Duration = Duration::from_millis(50);

/// How long a stop that the user asked for waits for the target.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// No more transactions than this are waited for one by one.
const MOST: usize = 4096;

/// A sink whose reader applies what it takes in a target.
pub struct ReplayedSink {
    inner: Box<dyn Sink>,
    target: Box<dyn Target>,
    /// What the target had at the start.
    last: Option<EventId>,
    /// The transactions that the target has not said it has: where they commit, and how much had
    /// been appended behind them.
    waiting: VecDeque<(Lsn, u64)>,
    durable: u64,
    asked: Option<Instant>,
    hurry: bool,
    stop: Option<Instant>,
}

/// Where the lines are applied.
pub trait Target {
    /// The last transaction that is committed there; `None` if it cannot be asked for now.
    fn last(&mut self) -> Result<Option<Lsn>>;
}

impl ReplayedSink {
    /// Hands on to `inner`, whose reader applies it in `target`, which has all up to `last`.
    pub fn new(
        inner: Box<dyn Sink>,
        target: Box<dyn Target>,
        last: Option<EventId>,
    ) -> ReplayedSink {
        ReplayedSink {
            inner,
            target,
            last,
            waiting: VecDeque::new(),
            durable: 0,
            asked: None,
            hurry: false,
            stop: None,
        }
    }

    fn due(&self) -> Option<Instant> {
        let interval = if self.hurry { HURRY } else { INTERVAL };
        self.asked.map(|asked| asked + interval)
    }

    fn ask(&mut self, now: Instant) -> Result<()> {
        if self.waiting.is_empty() || self.due().is_some_and(|due| now < due) {
            return Ok(());
        }
        self.asked = Some(now);
        let Some(last) = self.target.last()? else {
            return Ok(());
        };
        while let Some(&(_, appended)) = self.waiting.front().filter(|(lsn, _)| *lsn <= last) {
            self.durable = appended;
            self.waiting.pop_front();
        }
        Ok(())
    }
}

impl Records for ReplayedSink {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.inner.buffer()
    }

    fn append(&mut self, event: Option<&Event<'_>>) {
        self.inner.append(event);
        let Some(event) = event else {
            return;
        };
        if let (Body::Commit { .. }, Some(id)) = (event.body, event.id()) {
            // Of many the last says enough.
            if self.waiting.len() >= MOST {
                self.waiting.pop_back();
            }
            self.waiting.push_back((id.lsn, self.inner.appended()));
        }
    }
}

impl Sink for ReplayedSink {
    fn held(&self) -> Held<'_> {
        Held {
            name: "the target",
            last: self.last,
            timeline: None,
        }
    }

    fn gaps(&self, confirmed: Option<Lsn>) -> Vec<String> {
        self.inner.gaps(confirmed)
    }

    fn begin(&mut self, timeline: Option<u32>, confirmed: Option<Lsn>) -> Result<()> {
        self.inner.begin(timeline, confirmed)
    }

    fn on_timeline(&mut self, timeline: Option<u32>) {
        self.inner.on_timeline(timeline);
    }

    fn appended(&self) -> u64 {
        self.inner.appended()
    }

    fn written(&self) -> u64 {
        self.inner.written()
    }

    fn durable(&self) -> u64 {
        match self.waiting.is_empty() {
            // Nothing but the beginning of a transaction can be behind the last that was appended.
            true => self.inner.durable(),
            false => self.durable,
        }
    }

    fn has_room(&self) -> bool {
        self.inner.has_room()
    }

    fn watch<'a>(&'a self, watched: &mut Watched<'a>) {
        self.inner.watch(watched);
        if !self.waiting.is_empty() {
            watched.due(self.due());
        }
        watched.due(self.stop.map(|stop| stop + STOP_LIMIT));
    }

    fn drive(&mut self, moment: &Moment) -> Result<Driven> {
        self.hurry = moment.urge >= Urge::Durable;
        let driven = self.inner.drive(moment)?;
        self.ask(moment.now)?;
        if driven != Driven::Settled || self.waiting.is_empty() {
            return Ok(driven);
        }
        if moment.urge >= Urge::Stop {
            let since = *self.stop.get_or_insert(moment.now);
            if moment.now >= since + STOP_LIMIT {
                return Ok(Driven::GivenUp);
            }
        }
        Ok(Driven::Busy)
    }

    fn confirm(&mut self, position: Lsn) -> Result<()> {
        self.inner.confirm(position)
    }

    fn resumes(&self) -> bool {
        self.inner.resumes()
    }

    fn reopens(&self) -> bool {
        self.inner.reopens()
    }

    fn reopen(&mut self, last: Option<EventId>) -> Result<()> {
        self.inner.reopen(last)
    }
}
