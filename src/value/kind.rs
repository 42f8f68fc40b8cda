//! What is to be done to the text of a type to make it JSON.
//!
//! The rules are those of `json_categorize_type` in PostgreSQL's `json.c` (since 17 in
//! `jsonfuncs.c`).

use super::string::write_string;
use super::writer::Mismatch;
use std::rc::Rc;
use tokio_postgres::types::{self as builtin, Type};

/// How the text of a type becomes JSON. Cheap to clone; nested to a depth that [`super::Types`]
/// bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The text, as a string: every type that has no rule of its own.
    Text,
    /// `true` and `false`.
    Bool,
    /// A number if JSON has it, else a string (`NaN`, `Infinity`).
    Number,
    /// `timestamp`: ISO 8601 with `T`.
    Timestamp,
    /// `timestamptz`: ISO 8601 with `T`, the zone with minutes.
    TimestampTz,
    /// `json` and `jsonb`: embedded as it is, on one line.
    Json,
    /// An object of strings and nulls.
    Hstore,
    /// `int2vector` (numbers) and `oidvector` (strings): an array whose text has blanks between its
    /// elements.
    Vector {
        /// Whether the elements are numbers.
        numbers: bool,
    },
    /// An array of any dimension.
    Array(Rc<Array>),
    /// A composite type: an object with these attributes.
    Composite(Rc<[Attribute]>),
    /// Not as `row_to_json` prints it, but as this appends it; after a mismatch nothing may have
    /// been appended.
    Other(WriteText),
}

/// Appends a text in a form of its own.
#[derive(Clone, Copy, Debug)]
pub struct WriteText(pub fn(&[u8], &mut Vec<u8>) -> Result<(), Mismatch>);

impl PartialEq for WriteText {
    fn eq(&self, other: &WriteText) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for WriteText {}

/// The elements of an array type.
#[derive(Debug, PartialEq, Eq)]
pub struct Array {
    /// What they are.
    pub element: Kind,
    /// What stands between them in the text (`pg_type.typdelim`).
    pub delimiter: u8,
}

/// An attribute of a composite type.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name as a JSON key with the colon: `"name":`.
    pub(super) key: Box<[u8]>,
    /// What it is.
    pub(super) kind: Kind,
}

impl Kind {
    /// The kind of a type whose number is the same in every server (below 10000), but for the row
    /// types of system catalogs.
    pub(super) fn of_builtin(oid: u32) -> Option<Kind> {
        let builtin = Type::from_oid(oid)?;
        Some(match builtin {
            Type::BOOL => Kind::Bool,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => {
                Kind::Number
            }
            Type::TIMESTAMP => Kind::Timestamp,
            Type::TIMESTAMPTZ => Kind::TimestampTz,
            Type::JSON | Type::JSONB => Kind::Json,
            Type::INT2_VECTOR => Kind::Vector { numbers: true },
            Type::OID_VECTOR => Kind::Vector { numbers: false },
            _ => match builtin.kind() {
                builtin::Kind::Array(element) => {
                    let delimiter = if *element == Type::BOX { b';' } else { b',' };
                    Kind::array(Kind::of_builtin(element.oid())?, delimiter)
                }
                _ => Kind::Text,
            },
        })
    }

    /// An array of `element`s with `delimiter` between them.
    pub fn array(element: Kind, delimiter: u8) -> Kind {
        Kind::Array(Rc::new(Array { element, delimiter }))
    }

    /// A composite type with these attributes.
    pub fn composite<'a>(attributes: impl IntoIterator<Item = (&'a str, Kind)>) -> Kind {
        Kind::Composite(
            attributes
                .into_iter()
                .map(|(name, kind)| Attribute::new(name, kind))
                .collect(),
        )
    }
}

impl Attribute {
    fn new(name: &str, kind: Kind) -> Attribute {
        let mut key = Vec::with_capacity(name.len() + 3);
        write_string(name.as_bytes(), &mut key);
        key.push(b':');
        Attribute {
            key: key.into(),
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_types_have_the_kind_that_json_gives_them() {
        for (oid, kind) in [
            (16, Some(Kind::Bool)),
            (20, Some(Kind::Number)),
            (21, Some(Kind::Number)),
            (22, Some(Kind::Vector { numbers: true })),
            (23, Some(Kind::Number)),
            (25, Some(Kind::Text)),
            (26, Some(Kind::Text)),
            (30, Some(Kind::Vector { numbers: false })),
            (114, Some(Kind::Json)),
            (700, Some(Kind::Number)),
            (701, Some(Kind::Number)),
            (790, Some(Kind::Text)),
            (1007, Some(Kind::array(Kind::Number, b','))),
            (
                1006,
                Some(Kind::array(Kind::Vector { numbers: true }, b',')),
            ),
            (1020, Some(Kind::array(Kind::Text, b';'))),
            (1082, Some(Kind::Text)),
            (1083, Some(Kind::Text)),
            (1114, Some(Kind::Timestamp)),
            (1184, Some(Kind::TimestampTz)),
            (1185, Some(Kind::array(Kind::TimestampTz, b','))),
            (1266, Some(Kind::Text)),
            (1700, Some(Kind::Number)),
            (2205, Some(Kind::Text)),
            (3802, Some(Kind::Json)),
            (3807, Some(Kind::array(Kind::Json, b','))),
            (3904, Some(Kind::Text)),
            (83, None),
            (0, None),
            (16384, None),
        ] {
            assert_eq!(Kind::of_builtin(oid), kind, "{oid}");
        }
    }
}
