//! Rows in the very shape that wal2json gives them, read in one pass.
//!
//! What differs in anything, be it a blank, the order of the members or an escape in a name, is
//! left to the [general reader](super::object), which also says what is wrong with a message. What
//! is read here means the same there: all of it is checked to be JSON, except that texts may hold
//! any bytes, as they do where the database has no encoding.

use super::object::{Field, List, Object, Piece};
use super::unescape;
use crate::event::Span;
use crate::text::scan::{same, unescaped_prefix};

/// Reads a row; `None` if it is not of this shape: then a part of it may be in the object.
///
/// ```json
/// {"action":"I","xid":742,"timestamp":"...","lsn":"0/210","schema":"public","table":"t",
/// "columns":[{"name":"id","type":"integer","typeoid":23,"value":1}],"identity":[...],"pk":[...]}
/// ```
pub(super) fn read(object: &mut Object, message: &[u8]) -> Option<()> {
    let mut text = read_head(object, message)?;
    object.behind_name = Some(text.offset());
    if text.skip(b",\"columns\":[").is_some() {
        let mut columns = std::mem::take(&mut object.columns);
        let read = text.list(&mut columns, object);
        object.columns = columns;
        read?;
    }
    if text.skip(b",\"identity\":[").is_some() {
        let mut identity = std::mem::take(&mut object.identity);
        let read = text.list(&mut identity, object);
        object.identity = identity;
        read?;
    }
    if text.skip(b",\"pk\":[").is_some() {
        let mut primary_key = std::mem::take(&mut object.primary_key);
        let read = text.list(&mut primary_key, object);
        object.primary_key = primary_key;
        read?;
    }
    text.is_rest(b"}").then_some(())
}

/// Reads a row up to the name of its table, and returns what is left.
pub(super) fn read_head<'m>(object: &mut Object, message: &'m [u8]) -> Option<Text<'m>> {
    let mut text = Text {
        message,
        rest: message,
    };
    text.skip(b"{\"action\":\"")?;
    let (action, rest) = text.rest.split_first()?;
    if !matches!(action, b'I' | b'U' | b'D') {
        return None;
    }
    text.rest = rest;
    text.skip(b"\"")?;
    object.action = Some(*action);
    if text.skip(b",\"xid\":").is_some() {
        object.xid = Some(text.number()?);
    }
    if text.skip(b",\"timestamp\":\"").is_some() {
        object.set_time(text.words()?);
    }
    if text.skip(b",\"origin\":").is_some() {
        object.origin = Some(text.number()?);
    }
    if text.skip(b",\"lsn\":\"").is_some() {
        object.lsn = Some(text.words()?.parse().ok()?);
    }
    text.skip(b",\"schema\":\"")?;
    object.schema = Some(text.piece()?);
    text.skip(b",\"table\":\"")?;
    object.table = Some(text.piece()?);
    Some(text)
}

/// What is left of a message.
pub(super) struct Text<'m> {
    message: &'m [u8],
    rest: &'m [u8],
}

impl<'m> Text<'m> {
    /// Goes on after these bytes, if they come next.
    #[inline(always)]
    fn skip<const LENGTH: usize>(&mut self, expected: &[u8; LENGTH]) -> Option<()> {
        let (next, rest) = self.rest.split_first_chunk::<LENGTH>()?;
        if next != expected {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// The same with bytes of any number.
    #[inline(always)]
    pub fn skip_all(&mut self, expected: &[u8]) -> Option<()> {
        let (next, rest) = self.rest.split_at_checked(expected.len())?;
        if !same(next, expected) {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// Returns `true` if this is what is left.
    pub fn is_rest(&self, expected: &[u8]) -> bool {
        self.rest == expected
    }

    /// The next bytes, of this number.
    #[inline(always)]
    fn take(&mut self, count: usize) -> Option<&'m [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Up to the closing quote, if nothing is escaped.
    #[inline(always)]
    fn plain(&mut self) -> Option<&'m [u8]> {
        // Names are shorter than what is worth looking at at once.
        let plain = self.take(unescaped_prefix(self.rest))?;
        self.skip(b"\"")?;
        Some(plain)
    }

    fn words(&mut self) -> Option<&'m str> {
        str::from_utf8(self.plain()?).ok()
    }

    /// The same, as the place where it lies.
    #[inline(always)]
    fn piece(&mut self) -> Option<Piece> {
        let start = self.offset();
        let length = self.plain()?.len();
        Some(Piece::Message(start, start + length))
    }

    fn offset(&self) -> usize {
        self.message.len() - self.rest.len()
    }

    /// A number without sign.
    fn number(&mut self) -> Option<u32> {
        let digits = self.digits()?;
        // JSON has no zeros in front.
        if digits.len() > 10 || (digits.len() > 1 && digits.starts_with(b"0")) {
            return None;
        }
        let digit = |digit: &u8| u64::from(digit - b'0');
        let number = digits
            .iter()
            .fold(0, |number, next| number * 10 + digit(next));
        u32::try_from(number).ok()
    }

    /// At least one digit.
    #[inline(always)]
    fn digits(&mut self) -> Option<&'m [u8]> {
        let count = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.take(count).filter(|digits| !digits.is_empty())
    }

    /// The columns of a list, whose bracket is open.
    fn list(&mut self, list: &mut List, object: &mut Object) -> Option<()> {
        list.present = true;
        loop {
            list.fields.push(self.field(object)?);
            if self.skip(b",").is_none() {
                return self.skip(b"]");
            }
        }
    }

    fn field(&mut self, object: &mut Object) -> Option<Field> {
        self.skip(b"{\"name\":\"")?;
        let name = self.piece()?;
        let type_name = match self.skip(b",\"type\":\"") {
            Some(()) => Some(self.piece()?),
            None => None,
        };
        let type_oid = match self.skip(b",\"typeoid\":") {
            Some(()) => self.number()?,
            None => 0,
        };
        let mut field = Field {
            name,
            type_name,
            type_oid,
            value: Span::Absent,
        };
        if self.skip(b",\"value\":").is_some() {
            let binary = object.is_binary(self.message, &field);
            let start = self.offset();
            field.value = self.value(binary, object.scratch())?;
            object.value_places.push((start, self.offset()));
        }
        self.skip(b"}")?;
        Some(field)
    }

    /// Appends the server's text of a value.
    #[inline(always)]
    pub fn value(&mut self, binary: bool, out: &mut Vec<u8>) -> Option<Span> {
        let start = out.len();
        match self.rest.first()? {
            b'"' => {
                self.skip(b"\"")?;
                if binary && !self.rest.starts_with(b"\\") {
                    out.extend_from_slice(b"\\x");
                }
                self.rest = unescape::string(self.rest, out)?;
            }
            b'n' => {
                self.skip(b"null")?;
                return Some(Span::Null);
            }
            b't' => {
                self.skip(b"true")?;
                out.push(b't');
            }
            b'f' => {
                self.skip(b"false")?;
                out.push(b'f');
            }
            _ => self.append_number(out)?,
        }
        Some(Span::Text {
            start,
            end: out.len(),
        })
    }

    /// Appends a number as the server writes those of its types, but for exponents.
    #[inline(always)]
    fn append_number(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let number = self.rest;
        let _ = self.skip(b"-");
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with(b"0") {
            return None;
        }
        if self.skip(b".").is_some() {
            self.digits()?;
        }
        let length = number.len() - self.rest.len();
        // What comes next shows whether it is whole.
        match (number.first_chunk::<16>(), self.rest.first()?) {
            (Some(chunk), b'}') if length <= chunk.len() => {
                let end = out.len() + length;
                out.extend_from_slice(chunk);
                out.truncate(end);
            }
            (_, b'}') => out.extend_from_slice(number.get(..length)?),
            _ => return None,
        }
        Some(())
    }
}
