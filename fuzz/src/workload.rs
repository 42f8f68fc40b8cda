//! Streams of pgoutput that a server could send, made from any bytes.

use walcat::lsn::Lsn;

/// Types of columns: int4, text, jsonb.
const TYPES: [u32; 3] = [23, 25, 3802];

/// A number to choose with, and the messages of transactions, one after the other, each with the
/// place of its change in the WAL.
pub fn stream(input: &[u8]) -> (usize, Vec<(Lsn, Vec<u8>)>) {
    let mut choices = Choices { rest: input };
    let cut = usize::from(choices.next()) << 8 | usize::from(choices.next());
    let mut stream = Stream {
        lsn: 1000,
        messages: Vec::new(),
    };
    let mut announced = [false; 4];
    for xid in 1.. {
        if choices.rest.is_empty() {
            return (cut, stream.messages);
        }
        let changes: Vec<u8> = (0..choices.next() % 4).map(|_| choices.next()).collect();
        // What lies where the commit record will is known when the transaction begins.
        let commit = stream.lsn + 10 * (2 + changes.len() as u64);
        stream.send(&[b"B", &commit.to_be_bytes(), &[0; 8], &u32::to_be_bytes(xid)]);
        for change in changes {
            let table = change % 4;
            if !announced[usize::from(table)] {
                stream.relation(table);
                announced[usize::from(table)] = true;
            }
            stream.change(table, change >> 2, &mut choices);
        }
        stream.lsn = commit;
        let (at, end) = (commit.to_be_bytes(), (commit + 8).to_be_bytes());
        stream.send(&[b"C\0", &at, &end, &[0; 8]]);
    }
    unreachable!("the input ends before the numbers do")
}

struct Stream {
    lsn: u64,
    messages: Vec<(Lsn, Vec<u8>)>,
}

impl Stream {
    fn send(&mut self, parts: &[&[u8]]) {
        self.messages.push((Lsn(self.lsn), parts.concat()));
        self.lsn += 10;
    }

    /// Table 0 has one column, table 3 has four.
    fn relation(&mut self, table: u8) {
        let mut columns = Vec::new();
        for column in 0..=table {
            let kind = TYPES[usize::from(column) % TYPES.len()];
            columns.extend([u8::from(column == 0), b'a' + column, 0]);
            columns.extend([kind.to_be_bytes(), [0xff; 4]].concat());
        }
        let name = [b't', b'0' + table, 0];
        let head: [&[u8]; 5] = [b"R\0\0\0", &[table + 1], b"public\0", &name, b"d\0"];
        let place = self.lsn;
        self.send(&[&head.concat(), &[table + 1], &columns]);
        // It has no place of its own in the WAL.
        self.lsn = place;
    }

    fn change(&mut self, table: u8, kind: u8, choices: &mut Choices<'_>) {
        let oid = u32::from(table + 1).to_be_bytes();
        let row = |choices: &mut Choices<'_>| {
            let mut row = vec![0, table + 1];
            (0..=table).for_each(|column| choices.value(column, &mut row));
            row
        };
        match kind % 5 {
            0 => self.send(&[b"I", &oid, b"N", &row(choices)]),
            1 => self.send(&[b"U", &oid, b"N", &row(choices)]),
            2 => self.send(&[b"D", &oid, b"K", &row(choices)]),
            3 => self.send(&[b"T\0\0\0\x01\0", &oid]),
            _ => {
                let place = self.lsn.to_be_bytes();
                self.send(&[b"M\x01", &place, b"app\0\0\0\0\x01", &[choices.next()]]);
            }
        }
    }
}

/// The bytes that decide; nothing but zeros once they are used up.
struct Choices<'a> {
    rest: &'a [u8],
}

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// A value of the column's type: null, unchanged or a text.
    fn value(&mut self, column: u8, row: &mut Vec<u8>) {
        let choice = self.next();
        let text = match (choice % 8, usize::from(column) % TYPES.len()) {
            (0, _) => return row.push(b'n'),
            (1, _) if column > 0 => return row.push(b'u'),
            (_, 0) => choice.to_string().into_bytes(),
            (_, 1) => (0..choice % 5).map(|_| self.next()).collect(),
            _ => format!("{{\"a\": [{choice}, null]}}").into_bytes(),
        };
        row.push(b't');
        row.extend(u32::to_be_bytes(text.len() as u32));
        row.extend(text);
    }
}
