//! Appends values as JSON, whatever their kind.

use super::kind::Kind;
use super::quoted::Part;
use super::string::write_string;
use super::{array, composite, hstore, json, scalar};

/// Buffers larger than this are not kept for the next value.
const MAX_SPARE: usize = 1 << 20;

/// The text does not have the form that its kind has: its type has changed, or the text is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch;

/// Appends values as JSON. It only holds buffers, which are reused from value to value.
#[derive(Debug, Default)]
pub struct Writer {
    /// What closes the objects and arrays that a JSON document is in.
    nesting: Vec<u8>,
    /// Buffers for parts of values without their quoting: one is in use for each level that needs
    /// it.
    spare: Vec<Vec<u8>>,
}

impl Writer {
    /// Appends `text`, the output of a type of this kind, as JSON. After a [`Mismatch`] `out` is as
    /// it was.
    #[inline]
    pub fn write(&mut self, kind: &Kind, text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match kind {
            Kind::Text => write_string(text, out),
            Kind::Number => scalar::write_number(text, out),
            Kind::Bool => return scalar::write_bool(text, out),
            Kind::Timestamp => return scalar::write_timestamp(text, false, out),
            Kind::TimestampTz => return scalar::write_timestamp(text, true, out),
            Kind::Other(write) => return write.0(text, out),
            Kind::Json => return json::write_json(text, &mut self.nesting, out),
            _ => return self.write_nested(kind, text, out),
        }
        Ok(())
    }

    /// Appends a part of a value as JSON.
    pub(super) fn write_part(
        &mut self,
        kind: &Kind,
        part: Part<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Mismatch> {
        if !part.escaped {
            return self.write(kind, part.raw, out);
        }
        if *kind == Kind::Text && part.append_as_string(out) {
            return Ok(());
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        part.append_to(&mut buffer);
        let result = self.write(kind, &buffer, out);
        if buffer.capacity() <= MAX_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
        result
    }

    /// The depth of the recursion is that of the kind, which is bounded, whatever the text.
    fn write_nested(
        &mut self,
        kind: &Kind,
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Mismatch> {
        let start = out.len();
        let result = match kind {
            Kind::Hstore => hstore::write_hstore(self, text, out),
            Kind::Vector { numbers } => array::write_vector(self, *numbers, text, out),
            Kind::Array(array) => array::write_array(self, array, text, out),
            Kind::Composite(attributes) => composite::write_composite(self, attributes, text, out),
            _ => self.write(kind, text, out),
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}
