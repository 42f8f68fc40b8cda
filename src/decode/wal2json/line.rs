//! Where the lines of a capture end, of which each is one message of wal2json.

use crate::decode::{DecodeError, First};

/// Looks for line ends in what is read piece by piece.
#[derive(Default)]
pub(super) struct LineEnds {
    /// So many bytes from the begin of the line on contain no line end.
    scanned: usize,
}

impl LineEnds {
    /// Finds the end of the line that `input` begins with. The last one may lack its line end, if
    /// it is complete.
    pub fn first(&mut self, input: &[u8], input_ended: bool) -> Result<First, DecodeError> {
        if let Some(end) = memchr::memchr(b'\n', input.get(self.scanned..).unwrap_or_default()) {
            let length = std::mem::take(&mut self.scanned) + end;
            return Ok(First::Whole { length });
        }
        self.scanned = input.len();
        if !input_ended {
            return Ok(First::Partial {
                needed: input.len() + 1,
            });
        }
        self.scanned = 0;
        if is_closed(input) {
            return Ok(First::Whole {
                length: input.len(),
            });
        }
        let reason = "the input ends in the middle of it";
        Err(DecodeError::new("wal2json", "line", input.len(), reason))
    }
}

/// Returns `true` if there is a line and every bracket of it is closed. A JSON parser would take
/// wal2json's own mistakes for a cut.
fn is_closed(line: &[u8]) -> bool {
    let (mut depth, mut quoted) = (0_usize, false);
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quoted => _ = bytes.next(),
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth == 0 && !quoted && !line.is_empty()
}
