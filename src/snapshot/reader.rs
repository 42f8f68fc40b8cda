//! The session that reads chunks of rows: one query at a time, whose answer is taken as it comes,
//! without ever waiting for it.
//!
//! The table is locked before the snapshot is taken. Else a table that is rewritten meanwhile, by
//! ALTER TABLE or TRUNCATE, would look empty to it.
//!
//! Tables without a key are read as a whole instead, one after the other, all in one transaction.

use super::held::Held;
use super::visibility::Visibility;
use crate::connect::Settings;
use crate::connect::protocol::{
    Frame, Purpose, Reader as Fields, Wire, io_error, open, unexpected,
};
use crate::error::{CouldNot, Error, Result};
use crate::lsn::Lsn;
use std::os::fd::{AsFd, BorrowedFd};

const ACT: &str = "read the rows that are there already";

/// How long a chunk waits for its table, in milliseconds, while the stream waits for the chunk.
const LOCK_TIMEOUT: u32 = 100;

/// Of a table that is read as a whole about so many bytes are handed on at once.
const PART: usize = 1 << 20;

/// A chunk ends here when its rows turn out much larger than those before.
const LARGEST: usize = 16 << 20;

/// A session that reads.
pub struct Reader {
    wire: Wire,
    state: State,
    answer: Answer,
    /// How many answers with rows have begun.
    answers: usize,
    /// Whether the rows are handed on in parts.
    in_parts: bool,
    refusal: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Ready for a query.
    Ready,
    /// The answer to one comes.
    Busy,
    /// A transaction that failed is being ended.
    Ending,
}

/// What a query has brought.
#[derive(Debug, Default)]
pub struct Answer {
    /// What the snapshot sees, and where the WAL ended when it was taken.
    pub snapshot: Option<(Visibility, Lsn)>,
    /// What the definition of the table depends on.
    pub fingerprint: Option<String>,
    /// The rows.
    pub held: Held,
    /// How many came, with those that were not kept.
    pub rows: usize,
}

impl Reader {
    /// Connects; the values will be as those of a stream with this time zone.
    pub fn open(settings: &Settings, timezone: &str) -> Result<Reader> {
        Ok(Reader {
            wire: open(settings, Purpose::Rows { timezone })?.wire,
            state: State::Ready,
            answer: Answer::default(),
            answers: 0,
            in_parts: false,
            refusal: None,
        })
    }

    /// Asks for a chunk of the table that `lock` locks, by the query `select`; `held` is emptied
    /// for it, and `fingerprint` asks what all depends on.
    pub fn read(&mut self, lock: &str, fingerprint: &str, select: &[u8], held: Held) -> Result<()> {
        // Without sorting, where there is an index in the order of the key.
        let head = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout TO \
             {LOCK_TIMEOUT}; \
             SET LOCAL enable_sort TO off; {lock}; \
             SELECT pg_catalog.pg_current_snapshot(), pg_catalog.pg_current_wal_insert_lsn(), \
             {fingerprint}; "
        );
        let query = [head.as_bytes(), select, b"; COMMIT"].concat();
        self.send(&query, held)
    }

    /// Waits until the table that `lock` locks can be read, and reads nothing.
    pub fn wait_for_lock(&mut self, lock: &str) -> Result<()> {
        self.send(
            format!("BEGIN READ ONLY; {lock}; COMMIT").as_bytes(),
            Held::default(),
        )
    }

    /// Makes the server write to the disk what it has of its WAL.
    pub fn flush_wal(&mut self) -> Result<()> {
        // A transaction of nothing but its number does.
        let query = b"BEGIN; SELECT pg_catalog.pg_current_xact_id(); COMMIT";
        self.send(query, Held::default())
    }

    /// Begins to read, by a snapshot that another session exports, tables that `locks` locks. The
    /// answer's fingerprint names those of `tables`, their numbers, that cannot be read by it any
    /// more, as they were rewritten.
    pub fn begin_whole(&mut self, snapshot: &str, locks: &str, tables: &str) -> Result<()> {
        // What limits transactions is not meant for this one. Not all versions have all of it.
        let query = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout TO 0; \
             SET LOCAL lock_timeout TO 0; SET LOCAL idle_in_transaction_session_timeout TO 0; \
             SET TRANSACTION SNAPSHOT '{snapshot}'; {locks}; \
             SELECT pg_catalog.pg_current_snapshot(), pg_catalog.pg_current_wal_insert_lsn(), \
             (SELECT pg_catalog.string_agg(c.oid::pg_catalog.regclass::pg_catalog.text, ', ') \
             FROM pg_catalog.pg_class AS c WHERE c.relfilenode <> 0 AND c.oid IN ({tables}) \
             AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)), \
             (SELECT pg_catalog.count(pg_catalog.set_config(s.name, '0', true)) \
             FROM pg_catalog.pg_settings AS s WHERE s.name = 'transaction_timeout')"
        );
        self.send(query.as_bytes(), Held::default())
    }

    /// Asks then for the rows of one of them. They come in parts, and there are more as long as the
    /// reader is not ready.
    pub fn read_whole(&mut self, select: &[u8], held: Held) -> Result<()> {
        self.send(select, held)?;
        (self.answers, self.in_parts) = (1, true);
        Ok(())
    }

    /// Takes `held` for the next part.
    pub fn go_on(&mut self, held: Held) {
        self.answer.held = held;
    }

    /// Ends it.
    pub fn end_whole(&mut self) -> Result<()> {
        self.send(b"COMMIT", Held::default())
    }

    /// Returns `true` if it can be asked for something.
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Takes what has come of the answer; `None`: there is more to come. An error of the server's
    /// leaves the session ready for another query.
    pub fn advance(&mut self) -> Result<Option<Answer>> {
        self.take_messages().could_not(ACT)
    }

    fn take_messages(&mut self) -> Result<Option<Answer>> {
        if self.state == State::Ready {
            return Ok(None);
        }
        loop {
            while let Some(frame) = self.wire.next_frame()? {
                if self.take(&frame)? {
                    if let Some(refusal) = self.refusal.take() {
                        return Err(refusal);
                    }
                    return Ok(Some(std::mem::take(&mut self.answer)));
                }
                if self.in_parts && self.answer.held.size() > PART {
                    return Ok(Some(std::mem::take(&mut self.answer)));
                }
            }
            let readable = self.wire.socket().is_readable();
            if !readable.map_err(|error| io_error(&error))? {
                return Ok(None);
            }
            self.wire.receive().map_err(|error| io_error(&error))?;
        }
    }

    fn send(&mut self, query: &[u8], held: Held) -> Result<()> {
        self.answer = Answer {
            held,
            ..Answer::default()
        };
        (self.answers, self.in_parts) = (0, false);
        self.state = State::Busy;
        // 'Q' | length: u32 | query: cstr
        let mut message = vec![b'Q'];
        message.extend((query.len() as u32 + 5).to_be_bytes());
        message.extend_from_slice(query);
        message.push(0);
        self.wire
            .send(&message)
            .map_err(|error| io_error(&error))
            .could_not(ACT)
    }

    /// Takes one message; returns `true` at the end of the answer.
    fn take(&mut self, frame: &Frame) -> Result<bool> {
        match frame.tag {
            b'N' | b'S' | b'A' => self.wire.note(frame)?,
            b'E' => {
                let error = self.wire.error_response(frame);
                self.refusal.get_or_insert(error);
            }
            b'T' => self.answers += 1,
            b'D' => {
                let answer = &mut self.answer;
                match self.answers {
                    1 => take_head(self.wire.body(frame), answer)?,
                    _ => take_row(self.wire.body(frame), answer)?,
                }
            }
            b'C' | b'I' => {}
            b'Z' => {
                let failed = self.wire.body(frame) == b"E";
                if !failed || self.state == State::Ending {
                    self.state = State::Ready;
                    return Ok(true);
                }
                let message = b"Q\0\0\0\x0dROLLBACK\0";
                self.state = State::Ending;
                self.wire.send(message).map_err(|error| io_error(&error))?;
            }
            _ => return Err(unexpected(frame)),
        }
        Ok(false)
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

/// Says goodbye, so that the server logs no lost connection.
impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.wire.send(b"X\0\0\0\x04");
    }
}

// columns: u16 | { length: i32 | text }*
fn values(body: &[u8]) -> Result<Vec<Option<&[u8]>>> {
    let mut fields = Fields::new("DataRow", body);
    let count = fields.u16("number of columns")?;
    let value = |_| {
        Ok(match fields.u32("length of a column")? {
            u32::MAX => None,
            length => Some(fields.take("value of a column", length as usize)?),
        })
    };
    let values = (0..count).map(value).collect::<Result<_>>()?;
    fields.finish()?;
    Ok(values)
}

fn take_head(body: &[u8], answer: &mut Answer) -> Result<()> {
    let head = values(body)?;
    let text = |at: usize| str::from_utf8(head.get(at).copied().flatten()?).ok();
    if let [Some(_)] = head.as_slice() {
        // A transaction's number.
        return Ok(());
    }
    let visibility = text(0).and_then(|text| text.parse().ok());
    answer.snapshot = visibility.zip(text(1).and_then(|text| text.parse().ok()));
    answer.fingerprint = head.get(2).copied().flatten().map(crate::text::readable);
    match answer.snapshot {
        Some(_) => Ok(()),
        None => Err(Error::new(format!(
            "could not {ACT}: the server's answer makes no sense: {:?}",
            crate::text::readable(body)
        ))),
    }
}

// columns: u16 | { length: i32 | text }*
fn take_row(body: &[u8], answer: &mut Answer) -> Result<()> {
    answer.rows += 1;
    if answer.held.size() > LARGEST {
        return Ok(());
    }
    let mut fields = Fields::new("DataRow", body);
    let count = fields.u16("number of columns")?;
    let mut broken = None;
    let row = (0..count).map_while(|_| {
        let value = fields.u32("length of a column").and_then(|length| {
            Ok(match length {
                u32::MAX => None,
                length => Some(fields.take("value of a column", length as usize)?),
            })
        });
        value.map_err(|error| broken = Some(error)).ok()
    });
    let fits = answer.held.push(row);
    if let Some(error) = broken {
        return Err(error);
    }
    fields.finish()?;
    match fits {
        true => Ok(()),
        false => Err(fields.broken("it has not as many columns as were asked for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_row_is_an_error() {
        let body = b"\0\x02\0\0\0\x02ab\xFF\xFF\xFF\xFF";
        let mut answer = Answer::default();
        answer.held.reset(2, vec![0]);
        take_row(body, &mut answer).unwrap();
        assert_eq!((answer.rows, answer.held.len()), (1, 1));
        for cut in 0..body.len() {
            assert!(take_row(&body[..cut], &mut answer).is_err(), "cut at {cut}");
            assert!(
                take_head(&body[..cut], &mut answer).is_err(),
                "cut at {cut}"
            );
        }
        assert!(take_row(b"\0\x01\0\0\0\x01a", &mut answer).is_err());
        assert!(take_row(b"\0\x01\x7F\xFF\xFF\xFF", &mut answer).is_err());
    }

    #[test]
    fn the_head_tells_what_is_seen() {
        let mut body = b"\0\x03".to_vec();
        for text in ["5:9:6", "1/A0", "print"] {
            body.extend((text.len() as u32).to_be_bytes());
            body.extend_from_slice(text.as_bytes());
        }
        let mut answer = Answer::default();
        take_head(&body, &mut answer).unwrap();
        let (visibility, end) = answer.snapshot.unwrap();
        assert_eq!(
            (visibility, end),
            ("5:9:6".parse().unwrap(), Lsn(0x1_0000_00A0))
        );
        assert_eq!(answer.fingerprint.as_deref(), Some("print"));
    }
}
