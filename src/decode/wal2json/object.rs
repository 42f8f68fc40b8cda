//! One message of wal2json, format version 2: a JSON object, read without allocating.
//!
//! Only its form is read here. Every text is kept as a [`Piece`]: where it lies in the message or,
//! if it had to be unescaped, in the scratch buffer. Values become the text that the server's
//! output functions gave before wal2json turned it into JSON.

use super::unescape::unescape;
use super::{bytes, row};
use crate::event::Span;
use crate::lsn::Lsn;
use crate::time::PgTime;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A message's content. Reused from message to message.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub action: Option<u8>,
    pub xid: Option<u32>,
    pub time: Option<PgTime>,
    pub origin: Option<u32>,
    pub lsn: Option<Lsn>,
    pub next_lsn: Option<Lsn>,
    pub transactional: Option<bool>,
    pub schema: Option<Piece>,
    pub table: Option<Piece>,
    pub prefix: Option<Piece>,
    pub content: Option<Piece>,
    pub columns: List,
    pub identity: List,
    pub primary_key: List,
    /// Where the values of a row begin and end in the message, those of `columns` first, and where
    /// the name of its table ends. Only of a row that [`row::read`] could read.
    pub value_places: Vec<(usize, usize)>,
    pub behind_name: Option<usize>,
    scratch: Vec<u8>,
    last_time: LastTime,
    encoding: Encoding,
    /// The message as text, if it is not UTF-8.
    replaced: String,
}

/// How the text of a message was made of its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Encoding {
    /// They are UTF-8.
    #[default]
    Utf8,
    /// By [`bytes::replace`].
    Replaced,
}

/// The time that was parsed last: all messages of a transaction have the same.
#[derive(Debug, Default)]
struct LastTime {
    text: String,
    time: Option<PgTime>,
}

/// An array of columns.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Whether it is in the message at all.
    pub present: bool,
    pub fields: Vec<Field>,
}

/// A column in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: Piece,
    pub type_name: Option<Piece>,
    /// 0 if the message does not tell.
    pub type_oid: u32,
    /// A span of [`Object::values`].
    pub value: Span,
}

/// Where a text lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    /// From the first up to the second offset of the message.
    Message(usize, usize),
    /// The same of the scratch buffer.
    Scratch(usize, usize),
}

impl Object {
    /// Reads a message. What was read before is forgotten.
    pub fn read(&mut self, message: &[u8]) -> Result<(), serde_json::Error> {
        self.clear();
        if row::read(self, message).is_some() {
            return Ok(());
        }
        self.clear();
        match simdutf8::basic::from_utf8(message) {
            Ok(message) => self.read_any(message, Encoding::Utf8),
            Err(_) => {
                let mut text = std::mem::take(&mut self.replaced);
                text.clear();
                bytes::replace(message, &mut text);
                let read = self.read_any(&text, Encoding::Replaced);
                self.replaced = text;
                read
            }
        }
    }

    /// Reads a message of any shape.
    fn read_any(&mut self, message: &str, encoding: Encoding) -> Result<(), serde_json::Error> {
        self.encoding = encoding;
        let mut deserializer = serde_json::Deserializer::from_str(message);
        ObjectSeed {
            object: self,
            message,
        }
        .deserialize(&mut deserializer)?;
        deserializer.end()
    }

    /// The text of a piece of the `message` that was read last.
    pub fn text<'a>(&'a self, message: &'a [u8], piece: Piece) -> &'a [u8] {
        let (data, start, end) = match piece {
            Piece::Message(start, end) => (message, start, end),
            Piece::Scratch(start, end) => (self.scratch.as_slice(), start, end),
        };
        data.get(start..end).unwrap_or_default()
    }

    /// What the spans of values point into.
    pub fn values(&self) -> &[u8] {
        &self.scratch
    }

    /// Where values are kept.
    pub fn scratch(&mut self) -> &mut Vec<u8> {
        &mut self.scratch
    }

    /// Returns `true` if the type of the field is bytea, as far as the message tells.
    pub fn is_binary(&self, message: &[u8], field: &Field) -> bool {
        const BYTEA: u32 = 17;
        match (field.type_oid, field.type_name) {
            (0, Some(name)) => self.text(message, name) == b"bytea",
            (type_oid, _) => type_oid == BYTEA,
        }
    }

    /// The time of the message.
    pub fn set_time(&mut self, text: &str) {
        self.time = self.last_time.parse(text);
    }

    /// Returns `true` if the old row of an update holds all that the new one does, and more than
    /// the primary key: as far as one row tells, all columns.
    pub fn has_whole_old(&self) -> bool {
        let count = |list: &List| list.fields.len();
        let more_than_key = count(&self.identity) > count(&self.primary_key);
        self.primary_key.present && more_than_key && count(&self.identity) >= count(&self.columns)
    }

    /// Forgets what was read.
    pub fn clear(&mut self) {
        for list in [&mut self.columns, &mut self.identity, &mut self.primary_key] {
            list.present = false;
            list.fields.clear();
        }
        self.value_places.clear();
        self.scratch.clear();
        *self = Object {
            columns: std::mem::take(&mut self.columns),
            identity: std::mem::take(&mut self.identity),
            primary_key: std::mem::take(&mut self.primary_key),
            value_places: std::mem::take(&mut self.value_places),
            scratch: std::mem::take(&mut self.scratch),
            last_time: std::mem::take(&mut self.last_time),
            replaced: std::mem::take(&mut self.replaced),
            ..Object::default()
        };
    }

    /// The content of a JSON string.
    fn piece<E: Error>(&mut self, message: &str, raw: &RawValue) -> Result<Piece, E> {
        let inner = string_content(raw)?;
        let as_it_is = self.encoding == Encoding::Utf8;
        if as_it_is && memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            let start = (inner.as_ptr() as usize).saturating_sub(message.as_ptr() as usize);
            return Ok(Piece::Message(start, start + inner.len()));
        }
        let start = self.scratch.len();
        self.unescape(inner)?;
        Ok(Piece::Scratch(start, self.scratch.len()))
    }

    /// Appends the bytes that the content of a JSON string stands for to the scratch buffer.
    fn unescape<E: Error>(&mut self, inner: &str) -> Result<(), E> {
        let start = self.scratch.len();
        unescape(inner, &mut self.scratch).map_err(E::custom)?;
        if self.encoding == Encoding::Replaced {
            bytes::restore(&mut self.scratch, start);
        }
        Ok(())
    }

    /// The server's text of a value; `binary` if its type is bytea, whose `\x` wal2json cuts off.
    fn value<E: Error>(&mut self, raw: &RawValue, binary: bool) -> Result<Span, E> {
        let start = self.scratch.len();
        match raw.get() {
            "null" => return Ok(Span::Null),
            "true" => self.scratch.push(b't'),
            "false" => self.scratch.push(b'f'),
            text if text.starts_with('"') => {
                let inner = string_content(raw)?;
                if binary && !inner.starts_with('\\') {
                    self.scratch.extend_from_slice(b"\\x");
                }
                self.unescape(inner)?;
            }
            text if text.starts_with(['{', '[']) => {
                return Err(E::custom("a value is an object or an array"));
            }
            number => self.scratch.extend_from_slice(number.as_bytes()),
        }
        Ok(Span::Text {
            start,
            end: self.scratch.len(),
        })
    }
}

impl LastTime {
    fn parse(&mut self, text: &str) -> Option<PgTime> {
        if self.text != text {
            text.clone_into(&mut self.text);
            self.time = PgTime::parse(text);
        }
        self.time
    }
}

/// What stands between the quotes.
fn string_content<E: Error>(raw: &RawValue) -> Result<&str, E> {
    raw.get()
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .ok_or_else(|| E::custom("a string expected"))
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum ObjectKey {
    Action,
    Xid,
    Timestamp,
    Origin,
    Lsn,
    NextLsn,
    Schema,
    Table,
    Columns,
    Identity,
    Pk,
    Transactional,
    Prefix,
    Content,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum FieldKey {
    Name,
    Type,
    TypeOid,
    Value,
    #[serde(other)]
    Other,
}

struct ObjectSeed<'o, 'm> {
    object: &'o mut Object,
    message: &'m str,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object as wal2json writes it with format-version 2")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let ObjectSeed { object, message } = self;
        while let Some(key) = map.next_key()? {
            let list = match key {
                ObjectKey::Columns => &mut object.columns,
                ObjectKey::Identity => &mut object.identity,
                ObjectKey::Pk => &mut object.primary_key,
                key => {
                    object.set(message, key, map.next_value()?)?;
                    continue;
                }
            };
            let mut fields = std::mem::take(&mut list.fields);
            fields.clear();
            map.next_value_seed(ListSeed {
                object,
                message,
                fields: &mut fields,
            })?;
            let list = match key {
                ObjectKey::Columns => &mut object.columns,
                ObjectKey::Identity => &mut object.identity,
                _ => &mut object.primary_key,
            };
            *list = List {
                present: true,
                fields,
            };
        }
        Ok(())
    }
}

impl Object {
    fn set<E: Error>(&mut self, message: &str, key: ObjectKey, raw: &RawValue) -> Result<(), E> {
        if raw.get() == "null" {
            return Ok(());
        }
        match key {
            ObjectKey::Action => {
                self.action = match string_content(raw)?.as_bytes() {
                    [action] => Some(*action),
                    _ => return Err(E::custom("unknown action")),
                }
            }
            ObjectKey::Xid => self.xid = Some(number(raw)?),
            ObjectKey::Origin => self.origin = Some(number(raw)?),
            ObjectKey::Timestamp => self.set_time(string_content(raw)?),
            ObjectKey::Lsn => self.lsn = Some(string_content(raw)?.parse().map_err(E::custom)?),
            ObjectKey::NextLsn => {
                self.next_lsn = Some(string_content(raw)?.parse().map_err(E::custom)?)
            }
            ObjectKey::Transactional => self.transactional = Some(raw.get() == "true"),
            ObjectKey::Schema => self.schema = Some(self.piece(message, raw)?),
            ObjectKey::Table => self.table = Some(self.piece(message, raw)?),
            ObjectKey::Prefix => self.prefix = Some(self.piece(message, raw)?),
            ObjectKey::Content => self.content = Some(self.piece(message, raw)?),
            ObjectKey::Columns | ObjectKey::Identity | ObjectKey::Pk | ObjectKey::Other => {}
        }
        Ok(())
    }
}

fn number<N: std::str::FromStr, E: Error>(raw: &RawValue) -> Result<N, E> {
    raw.get()
        .parse()
        .map_err(|_| E::custom(format_args!("{} is no number of that kind", raw.get())))
}

/// An array of columns.
struct ListSeed<'o, 'm> {
    object: &'o mut Object,
    message: &'m str,
    fields: &'o mut Vec<Field>,
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of columns")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let ListSeed {
            object,
            message,
            fields,
        } = self;
        while let Some(field) = sequence.next_element_seed(FieldSeed { object, message })? {
            fields.push(field);
        }
        Ok(())
    }
}

/// A column.
struct FieldSeed<'o, 'm> {
    object: &'o mut Object,
    message: &'m str,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_, '_> {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_, '_> {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        let FieldSeed { object, message } = self;
        let (mut name, mut type_name, mut type_oid, mut raw_value) = (None, None, 0, None);
        while let Some(key) = map.next_key()? {
            let raw: &RawValue = map.next_value()?;
            match key {
                FieldKey::Name => name = Some(object.piece(message, raw)?),
                FieldKey::Type => type_name = Some(object.piece(message, raw)?),
                FieldKey::TypeOid => type_oid = type_number(raw)?,
                FieldKey::Value => raw_value = Some(raw),
                FieldKey::Other => {}
            }
        }
        let name = name.ok_or_else(|| A::Error::custom("a column without a name"))?;
        let mut field = Field {
            name,
            type_name,
            type_oid,
            value: Span::Absent,
        };
        if let Some(raw) = raw_value {
            let binary = object.is_binary(message.as_bytes(), &field);
            field.value = object.value(raw, binary)?;
        }
        Ok(field)
    }
}

/// An oid; wal2json writes those above 2^31 as negative numbers.
fn type_number<E: Error>(raw: &RawValue) -> Result<u32, E> {
    let number: i64 = number(raw)?;
    u32::try_from(number)
        .or_else(|_| i32::try_from(number).map(i32::cast_unsigned))
        .map_err(E::custom)
}
