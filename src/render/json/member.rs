//! Members of a JSON object, each with the comma before it; [`ndjson`](super) makes events of them.
//!
//! Where a `key` is given it is all that stands before the value: `,"key":`.

use crate::lsn::Lsn;
use crate::time::PgTime;
use crate::value::write_string;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Appends an array of strings.
pub(super) fn write_names<'a>(key: &str, names: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    let start = out.len();
    for name in names {
        out.push(b',');
        write_string(name.as_bytes(), out);
    }
    open_with(b'[', start, out);
    out.push(b']');
}

/// Turns the comma in front of the first member, which was written at `start`, into the bracket.
pub(in crate::render) fn open_with(bracket: u8, start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = bracket,
        None => out.push(bracket),
    }
}

/// Appends `true` or `false`; nothing if it is not known.
pub(super) fn write_flag(key: &str, flag: Option<bool>, out: &mut Vec<u8>) {
    if let Some(flag) = flag {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(if flag { b"true" } else { b"false" });
    }
}

/// Appends a number.
pub(super) fn write_number(key: &str, number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a position as a string, `"0/16B37A0"`; nothing if it is not known.
pub(super) fn write_lsn(key: &str, lsn: Option<Lsn>, out: &mut Vec<u8>) {
    if let Some(lsn) = lsn {
        out.extend_from_slice(key.as_bytes());
        out.push(b'"');
        lsn.append_to(out);
        out.push(b'"');
    }
}

/// Appends a time as a string in ISO 8601; nothing if it is not known.
pub(super) fn write_time(key: &str, time: Option<PgTime>, out: &mut Vec<u8>) {
    if let Some(time) = time {
        out.extend_from_slice(key.as_bytes());
        out.push(b'"');
        time.append_iso(out);
        out.push(b'"');
    }
}

/// Appends `,"key":"text"`, or `,"key_base64":"..."` if the bytes are not UTF-8. Here `key` is the
/// bare name.
pub(super) fn write_bytes(key: &str, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => {
            out.extend_from_slice(b"\":");
            write_string(text.as_bytes(), out);
        }
        Err(_) => {
            out.extend_from_slice(b"_base64\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
}
