//! What stands in front of each message.

use super::destination::LogDestination;
use super::log::{EVENT, SOURCE};
use super::queue::Record;
use crate::time::PgTime;
use async_nats::header::HeaderName;
use async_nats::{HeaderMap, HeaderValue};
use std::fmt::Write;

/// The place of a message in the log.
pub enum Place<'a> {
    /// It comes behind the message of this sequence number.
    Alone {
        /// The sequence number before it.
        before: u64,
    },
    /// It is the one of this number in a batch; the first comes behind `before`, and with the last
    /// all of them are in the log.
    InBatch {
        /// The batch.
        id: &'a str,
        /// From 1 on.
        number: u64,
        /// The sequence number before the batch.
        before: Option<u64>,
        /// Whether it is the last.
        last: bool,
    },
}

/// Makes the headers of messages.
pub struct Headers {
    stream: HeaderValue,
    /// The last commit time, and its text.
    time: (Option<PgTime>, String),
    text: String,
}

impl Headers {
    /// For messages into this stream.
    pub fn new(to: &LogDestination) -> Headers {
        Headers {
            stream: HeaderValue::from(to.url.stream.as_str()),
            time: (None, String::new()),
            text: String::new(),
        }
    }

    /// The headers of a record that comes from `source`.
    pub fn of(&mut self, record: &Record, source: &str, place: &Place<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| {
            headers.insert(HeaderName::from_static(name), value);
        };
        let mut text = std::mem::take(&mut self.text);
        let before = match *place {
            Place::Alone { before } => Some(before),
            Place::InBatch {
                id,
                number,
                before,
                last,
            } => {
                add("Nats-Batch-Id", id);
                text.clear();
                // Writing to a string cannot fail.
                let _ = write!(text, "{number}");
                add("Nats-Batch-Sequence", &text);
                if last {
                    add("Nats-Batch-Commit", "1");
                }
                before
            }
        };
        if let Some(before) = before {
            text.clear();
            let _ = write!(text, "{before}");
            add("Nats-Expected-Last-Sequence", &text);
        }
        text.clear();
        let _ = write!(text, "{}", record.id);
        add(EVENT, &text);
        self.text = text;
        add("Walcat-Op", record.op);
        if let Some((schema, table)) = &record.names.table {
            add("Walcat-Schema", schema);
            add("Walcat-Table", table);
        }
        if let Some(time) = record.time {
            if self.time.0 != Some(time) {
                self.time = (Some(time), time.to_string());
            }
            add("Walcat-Commit-Time", &self.time.1);
        }
        add(SOURCE, source);
        headers.insert("Nats-Expected-Stream", self.stream.clone());
        headers
    }
}

/// How many bytes the headers of such a record have at most.
pub fn headers_size(record: &Record, source: &str, stream: &str) -> usize {
    // Names of headers, numbers, id and time.
    const FIXED: usize = 480;
    let names = record.names.table.as_ref();
    let names = names.map_or(0, |(schema, table)| schema.len() + table.len());
    FIXED + record.op.len() + names + source.len() + stream.len()
}
