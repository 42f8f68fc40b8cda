//! Publishes records, each behind the one before: every message names the sequence number that the
//! log must end with, counted up here, with many in flight. After the first that is refused all
//! that follow are refused too, so the log always holds a gapless prefix. Whatever goes wrong, the
//! log's end is read again, and what it lacks is sent from there on.

mod standby;

use super::delay::Count;
use super::destination::LogDestination;
use super::headers::{Headers, Place};
use super::link::{Happened, Link, Trouble};
use super::log::{self, Refusal};
use super::queue::{Block, Fit, Queue};
use super::shared::{Opened, Shared};
use crate::error::Error;
use crate::lsn::Lsn;
use ::log::info;
use async_nats::{Message, StatusCode, Subject, Subscriber};
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

/// How many messages may be in flight. Servers refuse more than 10,000 that they have not stored.
pub const WINDOW: u64 = 2000;

/// How many messages a batch may have: the server's limit.
const BATCH: u64 = 1000;

/// One that loses so many races in a row follows.
const LOST_RACES: u32 = 2;

/// How long to wait for the next acknowledgement.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before something is tried again: at first, and at the most.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);

/// `err_code` of a message that names another sequence number than the log's last.
const WRONG_SEQUENCE: u64 = 10071;
/// Of one to a subject that another stream takes.
const OTHER_STREAM: u64 = 10060;

/// What the thread that streams asks for.
#[derive(Debug)]
pub enum Order {
    /// Publish this.
    Publish(Block),
    /// The records before this number are not to wait for more of their transaction.
    Whole(u64),
    /// The log was looked at again after it had lost something: the next record is of this number.
    StartOver(u64),
}

/// An acknowledgement, or a refusal.
#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    error: Option<Refusal>,
}

/// Why publishing stops.
enum Stopped {
    /// Nobody wants any more.
    Ended,
    /// The log's end must be read again, for this reason, if it is not just that another has
    /// published.
    LookAgain(Option<String>),
    /// Another publishes: this one follows.
    Follow,
}

/// The batch at hand.
#[derive(Default)]
struct Open {
    /// The number of its first record, and the one behind its last.
    first: u64,
    end: u64,
    id: String,
    /// The transaction that does not fit into one batch, if that was told.
    told: Option<Lsn>,
}

/// Publishes into a log.
pub struct Publisher {
    to: LogDestination,
    link: Link,
    orders: UnboundedReceiver<Order>,
    shared: Arc<Shared>,
    queue: Queue,
    headers: Headers,
    /// Acknowledgements come here; the last word tells since when.
    inbox: String,
    acks: Subscriber,
    attempt: u64,
    /// The number of the next record to be published.
    next: u64,
    batch: Open,
    /// How many races were lost in a row.
    lost_races: u32,
    /// Where another says that it ends.
    goodbyes: Option<Subscriber>,
    /// What was said of the trouble at hand, and how long to wait.
    trouble: Option<String>,
    wait: Duration,
}

impl Publisher {
    /// Connects, and finds out where the log ends.
    pub async fn open(
        to: LogDestination,
        orders: UnboundedReceiver<Order>,
        shared: Arc<Shared>,
    ) -> Result<(Publisher, Opened), Error> {
        let mut link = Link::open(&to).await?;
        let name = link.name.clone();
        let opened = log::look(&mut link, &to)
            .await
            .map_err(|trouble| match trouble {
                Trouble::Lasting(error) => error,
                Trouble::Passing(reason) => {
                    Error::new(format!("could not publish to {name}: {reason}"))
                }
            })?;
        let inbox = link.client.new_inbox();
        let acks = link.client.subscribe(format!("{inbox}.*")).await;
        let acks =
            acks.map_err(|error| Error::new(format!("could not publish to {name}: {error}")))?;
        let goodbyes = standby::goodbyes(&link, &to).await;
        let publisher = Publisher {
            queue: Queue::new(opened.end),
            headers: Headers::new(&to),
            to,
            link,
            orders,
            shared,
            inbox,
            acks,
            attempt: 0,
            next: 1,
            batch: Open::default(),
            lost_races: 0,
            goodbyes,
            trouble: None,
            wait: SHORTEST,
        };
        Ok((publisher, opened))
    }

    /// Publishes what comes until nobody wants any more.
    pub async fn run(mut self) -> Result<(), Error> {
        loop {
            match self.publish().await? {
                Stopped::Ended => {
                    self.say_goodbye().await;
                    return Ok(());
                }
                Stopped::Follow => {
                    if !self.follow().await? {
                        return Ok(());
                    }
                }
                Stopped::LookAgain(reason) => {
                    let (known, has_reason) = (self.queue.sequence(), reason.is_some());
                    if let Some(reason) = reason {
                        self.complain(reason);
                        if !self.pause().await {
                            return Ok(());
                        }
                    }
                    if !self.look_again().await? {
                        return Ok(());
                    }
                    // A leader that was deposed does not know that yet.
                    let is_stuck = !has_reason && self.queue.sequence() == known;
                    if is_stuck && !self.pause().await {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Publishes behind the end of the log as it is known.
    async fn publish(&mut self) -> Result<Stopped, Error> {
        self.attempt += 1;
        self.next = self.queue.logged();
        self.batch = Open {
            told: self.batch.told,
            ..Open::default()
        };
        let reply = Subject::from(format!("{}.{}", self.inbox, self.attempt));
        let mut heard = Instant::now();
        loop {
            while self.has_next() {
                if self.next == self.queue.logged() {
                    heard = Instant::now();
                }
                if let Err(reason) = self.send(reply.clone()).await {
                    return Ok(Stopped::LookAgain(Some(reason)));
                }
            }
            let in_flight = self.next > self.queue.logged();
            tokio::select! {
                biased;
                happened = self.link.happens() => match happened {
                    Happened::Refused(error) => return Err(error),
                    Happened::Back => {}
                    Happened::Lost => {
                        return Ok(Stopped::LookAgain(Some("the connection is lost".to_owned())));
                    }
                },
                ack = self.acks.next() => {
                    let mut next = Some(ack);
                    while let Some(ack) = next {
                        let Some(ack) = ack else {
                            return Err(self.failed("the connection is closed"));
                        };
                        if ack.subject == reply && let Some(stopped) = self.take(&ack)? {
                            self.report();
                            return Ok(stopped);
                        }
                        next = self.acks.next().now_or_never();
                    }
                    heard = Instant::now();
                    self.report();
                }
                order = self.orders.recv() => match order {
                    None => return Ok(Stopped::Ended),
                    Some(order) => {
                        self.obey(order);
                        while let Ok(order) = self.orders.try_recv() {
                            self.obey(order);
                        }
                        // What another has published is passed over.
                        self.next = self.next.max(self.queue.logged());
                        self.report();
                    }
                },
                () = sleep_until(heard + ACK_TIMEOUT), if in_flight => {
                    let reason = format!("no acknowledgement within {} s", ACK_TIMEOUT.as_secs());
                    return Ok(Stopped::LookAgain(Some(reason)));
                }
            }
        }
    }

    /// Returns `true` if there is a record to be sent now.
    fn has_next(&mut self) -> bool {
        if self.to.atomic && self.next < self.batch.end {
            return true;
        }
        let in_flight = self.next.saturating_sub(self.queue.logged());
        if self.next >= self.queue.end() || in_flight >= WINDOW {
            return false;
        }
        if !self.to.atomic {
            return true;
        }
        let Some(batch) = self.queue.batch(self.next, BATCH) else {
            return false;
        };
        if !batch.is_whole {
            self.tell_of_large_transaction();
        }
        self.batch.first = self.next;
        self.batch.end = batch.end;
        self.batch.id = format!(
            "{}-{}-{}",
            self.inbox.trim_start_matches("_INBOX."),
            self.attempt,
            self.next
        );
        true
    }

    fn tell_of_large_transaction(&mut self) {
        let Some((record, ..)) = self.queue.get(self.next) else {
            return;
        };
        let lsn = record.id.lsn;
        if self.batch.told.replace(lsn) != Some(lsn) {
            info!(
                "the transaction that committed at {lsn} is larger than a batch of {BATCH}: it \
                 arrives in order, but not at once"
            );
        }
    }

    /// Sends the next record.
    async fn send(&mut self, reply: Subject) -> Result<(), String> {
        let before = self.queue.sequence_before(self.next);
        let Some((record, bytes, source)) = self.queue.get(self.next) else {
            return Err("a record is missing".to_owned());
        };
        let batch = &self.batch;
        let place = match batch.end.saturating_sub(batch.first) {
            0 | 1 => Place::Alone { before },
            _ => Place::InBatch {
                id: &batch.id,
                number: self.next - batch.first + 1,
                before: (self.next == batch.first).then_some(before),
                last: self.next + 1 == batch.end,
            },
        };
        let headers = self.headers.of(record, source, &place);
        let subject = record.names.subject.clone();
        let client = &self.link.client;
        let sent = client.publish_with_reply_and_headers(subject, reply, headers, bytes);
        sent.await.map_err(|error| error.to_string())?;
        self.next += 1;
        Ok(())
    }

    /// Takes an acknowledgement.
    fn take(&mut self, ack: &Message) -> Result<Option<Stopped>, Error> {
        if ack.status == Some(StatusCode::NO_RESPONDERS) {
            let reason = "no stream takes the messages, or it has no leader";
            return Ok(Some(Stopped::LookAgain(Some(reason.to_owned()))));
        }
        if ack.payload.is_empty() {
            // A batch is under way.
            return Ok(None);
        }
        let Ok(Ack { seq, error }) = serde_json::from_slice(&ack.payload) else {
            let reason = "an acknowledgement could not be understood";
            return Ok(Some(Stopped::LookAgain(Some(reason.to_owned()))));
        };
        let Some(refusal) = error else {
            self.queue.acknowledged(seq);
            self.relieved();
            self.lost_races = 0;
            return Ok(None);
        };
        match refusal.err_code {
            WRONG_SEQUENCE => {
                self.lost_races += 1;
                let follows = self.to.standby.is_some() && self.lost_races >= LOST_RACES;
                Ok(Some(match follows {
                    true => Stopped::Follow,
                    false => Stopped::LookAgain(None),
                }))
            }
            OTHER_STREAM => Err(self.failed(&format!(
                "another stream takes one of its subjects: {}",
                refusal.description
            ))),
            _ => Ok(Some(Stopped::LookAgain(Some(refusal.description)))),
        }
    }

    /// Reads the log's end until it can be had. Returns `false` if nobody wants any more.
    async fn look_again(&mut self) -> Result<bool, Error> {
        loop {
            let opened = match log::look(&mut self.link, &self.to).await {
                Ok(opened) => opened,
                Err(Trouble::Lasting(error)) => return Err(error),
                Err(Trouble::Passing(reason)) => {
                    self.complain(reason);
                    if !self.pause().await {
                        return Ok(false);
                    }
                    continue;
                }
            };
            self.shared.tell(|news| news.limit = Some(opened.limit));
            if self.queue.compare(opened.end) == Fit::Follows {
                if opened.end.last.is_none() && self.queue.last().is_some() {
                    info!(
                        "{} was emptied: each event is in it at least once from here on",
                        self.link.name
                    );
                }
                self.report();
                return Ok(true);
            }
            self.shared.tell(|news| news.lost = Some(opened.end));
            loop {
                match self.orders.recv().await {
                    None => return Ok(false),
                    Some(Order::Publish(_) | Order::Whole(_)) => {}
                    Some(Order::StartOver(number)) => {
                        self.queue.start_over(opened.end, number);
                        return Ok(true);
                    }
                }
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Publish(block) => self.queue.push(block),
            Order::Whole(number) => self.queue.set_whole(number),
            // Only what was asked for is answered.
            Order::StartOver(_) => {}
        }
    }

    /// Waits, longer each time. Returns `false` if nobody wants any more.
    async fn pause(&mut self) -> bool {
        let until = sleep(self.wait);
        tokio::pin!(until);
        self.wait = (self.wait * 2).min(LONGEST);
        loop {
            tokio::select! {
                () = &mut until => return true,
                order = self.orders.recv() => match order {
                    None => return false,
                    Some(order) => self.obey(order),
                },
            }
        }
    }

    fn report(&self) {
        let logged = Count {
            records: self.queue.logged(),
            last: self.queue.last(),
        };
        self.shared.tell(|news| news.logged = logged);
    }

    /// Says what is wrong, once.
    fn complain(&mut self, reason: String) {
        if self.trouble.as_ref() != Some(&reason) {
            info!(
                "could not publish to {}: {reason}; trying again, and confirming nothing more \
                 meanwhile",
                self.link.name
            );
            self.trouble = Some(reason);
        }
    }

    /// It works again.
    fn relieved(&mut self) {
        self.wait = SHORTEST;
        if self.trouble.take().is_some() {
            info!("publishing to {} again", self.link.name);
        }
    }

    fn failed(&self, reason: &str) -> Error {
        Error::new(format!("could not publish to {}: {reason}", self.link.name))
    }
}
