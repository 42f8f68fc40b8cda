//! Appends values as JSON, whatever their kind.

use super::kind::Kind;
use super::string::write_string;
use super::{json, scalar};

/// The text does not have the form that its kind has: its type has changed, or the text is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit;

/// Appends values as JSON. It only holds buffers, which are reused from value to value.
#[derive(Debug, Default)]
pub struct Writer {
    /// What closes the objects and arrays that a JSON document is in.
    nesting: Vec<u8>,
}

impl Writer {
    /// Appends `text`, the output of a type of this kind, as JSON. After a [`Misfit`] `out` is as it was.
    #[inline]
    pub fn write(&mut self, kind: &Kind, text: &[u8], out: &mut Vec<u8>) -> Result<(), Misfit> {
        match kind {
            Kind::Text => write_string(text, out),
            Kind::Number => scalar::write_number(text, out),
            Kind::Bool => return scalar::write_bool(text, out),
            Kind::Timestamp => return scalar::write_timestamp(text, false, out),
            Kind::TimestampTz => return scalar::write_timestamp(text, true, out),
            Kind::Json => return json::write_json(text, &mut self.nesting, out),
            _ => return self.write_nested(kind, text, out),
        }
        Ok(())
    }

    fn write_nested(&mut self, _kind: &Kind, text: &[u8], out: &mut Vec<u8>) -> Result<(), Misfit> {
        write_string(text, out);
        Ok(())
    }
}
