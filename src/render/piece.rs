//! Short byte strings that are made once and copied for each row: names, keys, the fields of a
//! transaction.

/// Most names with their punctuation are no longer than this.
const SHORT: usize = 32;

/// Bytes made once and copied often. Where they are short, a copy has a fixed length, which the
/// compiler turns into one or two instructions; a copy of any length is a call that costs more than
/// the bytes.
#[derive(Default)]
pub(super) struct Piece {
    short: [u8; SHORT],
    length: usize,
    long: Option<Box<[u8]>>,
}

impl Piece {
    /// Appends the bytes.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        match &self.long {
            None => {
                let end = out.len() + self.length;
                out.extend_from_slice(&self.short);
                out.truncate(end);
            }
            Some(long) => out.extend_from_slice(long),
        }
    }
}

impl From<&[u8]> for Piece {
    fn from(bytes: &[u8]) -> Piece {
        let mut short = [0; SHORT];
        match short.get_mut(..bytes.len()) {
            Some(start) => {
                start.copy_from_slice(bytes);
                Piece {
                    short,
                    length: bytes.len(),
                    long: None,
                }
            }
            None => Piece {
                short,
                length: 0,
                long: Some(bytes.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_appended_as_it_is() {
        for length in 0..100 {
            let bytes: Vec<u8> = (0..length).collect();
            let mut out = b"before".to_vec();
            Piece::from(bytes.as_slice()).append_to(&mut out);
            assert_eq!(out, [b"before", bytes.as_slice()].concat());
        }
    }
}
