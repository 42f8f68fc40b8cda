//! One record, measured but not yet broken into lines: so the first change of a transaction can
//! wait until it is known whether it is the only one.

/// How far the lines of a record are indented behind its first.
const CONTINUED: usize = 4;

/// How far columns that have a line of their own are.
const EXPANDED: usize = 2;

/// A record in pieces between which a line may end.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    /// Where its bytes end.
    end: usize,
    /// How many columns it takes.
    width: usize,
    join: Join,
}

/// How a piece stands beside the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// A space is between them.
    Space,
    /// Nothing is.
    Nothing,
    /// It begins a line.
    Line,
    /// A space is between them; a line that it has to begin begins at this column.
    Under(usize),
}

impl Record {
    /// Takes what was there away.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
    }

    /// Appends a piece: `write` appends its bytes and returns how many columns they take.
    pub(super) fn piece(&mut self, join: Join, write: impl FnOnce(&mut Vec<u8>) -> usize) {
        let width = write(&mut self.bytes);
        let end = self.bytes.len();
        self.pieces.push(Piece { end, width, join });
    }

    /// Appends the lines, in a window of `columns`; `at` is where the first begins, and the others
    /// are indented beyond `indent`.
    pub(super) fn write(&self, mut at: usize, indent: usize, columns: usize, out: &mut Vec<u8>) {
        let (mut start, mut first) = (0, true);
        for piece in &self.pieces {
            let space = usize::from(matches!(piece.join, Join::Space | Join::Under(_)));
            let fits = at + space + piece.width <= columns;
            let line = match piece.join {
                _ if first => None,
                Join::Line => Some(indent + EXPANDED),
                Join::Under(column) if !fits => Some(indent + EXPANDED + column),
                Join::Space | Join::Nothing if !fits => Some(indent + CONTINUED),
                _ => None,
            };
            match line {
                // Where it begins a line already, another would not help.
                Some(begin) if piece.join == Join::Line || at > begin => {
                    out.push(b'\n');
                    out.extend(std::iter::repeat_n(b' ', begin));
                    at = begin;
                }
                _ if !first && space > 0 => {
                    out.push(b' ');
                    at += 1;
                }
                _ => {}
            }
            out.extend_from_slice(self.bytes.get(start..piece.end).unwrap_or_default());
            at += piece.width;
            (start, first) = (piece.end, false);
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[(&str, Join)], at: usize, indent: usize) -> String {
        let mut record = Record::default();
        for (text, join) in pieces {
            record.piece(*join, |out| {
                out.extend_from_slice(text.as_bytes());
                text.len()
            });
        }
        let mut out = Vec::new();
        record.write(at, indent, 20, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_end_between_pieces() {
        let long = "x".repeat(30);
        for (pieces, expected) in [
            (vec![("INSERT", Join::Space)], "INSERT\n".to_owned()),
            (
                vec![("INSERT", Join::Space), ("name='Ada 1'", Join::Space)],
                "INSERT name='Ada 1'\n".to_owned(),
            ),
            (
                vec![("INSERT", Join::Space), ("name='Ada 1234'", Join::Space)],
                "INSERT\n    name='Ada 1234'\n".to_owned(),
            ),
            (
                vec![
                    ("INSERT", Join::Space),
                    (&long, Join::Space),
                    ("b", Join::Space),
                ],
                format!("INSERT\n    {long}\n    b\n"),
            ),
            (
                vec![("n='12345678'", Join::Space), ("->'123456'", Join::Nothing)],
                "n='12345678'\n    ->'123456'\n".to_owned(),
            ),
            (
                vec![
                    ("UPDATE", Join::Space),
                    ("n | 12345", Join::Line),
                    ("-> 2", Join::Under(4)),
                ],
                "UPDATE\n  n | 12345 -> 2\n".to_owned(),
            ),
            (
                vec![
                    ("UPDATE", Join::Space),
                    ("n | 12345", Join::Line),
                    ("-> 123456789", Join::Under(4)),
                ],
                "UPDATE\n  n | 12345\n      -> 123456789\n".to_owned(),
            ),
        ] {
            assert_eq!(lines(&pieces, 0, 0), expected);
        }
        assert_eq!(
            lines(&[("abcd", Join::Space), ("efghij", Join::Space)], 10, 2),
            "abcd\n      efghij\n"
        );
    }
}
