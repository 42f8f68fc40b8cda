//! Messages of pgoutput made by hand, for the tests and benchmarks that need many rows and no
//! server.

/// A column: its name, the number of its type, and whether it is part of the key.
pub type Column = (&'static str, u32, bool);

/// The six columns that the benchmarks speak of: bigint, int, text, timestamptz, numeric, jsonb.
pub const ORDERS: [Column; 6] = [
    ("id", 20, true),
    ("quantity", 23, false),
    ("customer", 25, false),
    ("ordered_at", 1184, false),
    ("price", 1700, false),
    ("detail", 3802, false),
];

/// A row of [`ORDERS`].
pub fn order(number: u64) -> Vec<String> {
    vec![
        number.to_string(),
        (number % 1000).to_string(),
        format!("customer {number} of the city of Ä"),
        format!(
            "2026-11-20 09:{:02}:{:02}.{:06}+00",
            number / 60 % 60,
            number % 60,
            number * 7919 % 1_000_000
        ),
        format!("{}.{:02}", number * 31 % 100_000, number % 100),
        format!("{{\"item\": {number}, \"tags\": [\"a\", \"b\"], \"note\": \"line\\nbreak\"}}"),
    ]
}

/// Announces `public.name` as table number 16385 with these columns.
pub fn relation(name: &str, identity: u8, columns: &[Column]) -> Vec<u8> {
    let mut message = vec![b'R'];
    message.extend(16385u32.to_be_bytes());
    message.extend(b"public\0");
    message.extend(name.as_bytes());
    message.extend([0, identity]);
    message.extend((columns.len() as u16).to_be_bytes());
    for (name, type_oid, key) in columns {
        message.push(u8::from(*key));
        message.extend(name.as_bytes());
        message.push(0);
        message.extend(type_oid.to_be_bytes());
        message.extend((-1i32).to_be_bytes());
    }
    message
}

/// The transaction begins.
pub fn begin(xid: u32) -> Vec<u8> {
    let mut message = vec![b'B'];
    message.extend(0x16B_37A0u64.to_be_bytes());
    message.extend(848_481_814_946_212i64.to_be_bytes());
    message.extend(xid.to_be_bytes());
    message
}

/// The transaction is committed.
pub fn commit() -> Vec<u8> {
    let mut message = vec![b'C', 0];
    message.extend(0x16B_37A0u64.to_be_bytes());
    message.extend(0x16B_37D0u64.to_be_bytes());
    message.extend(848_481_814_946_212i64.to_be_bytes());
    message
}

/// A new row.
pub fn insert(values: &[String]) -> Vec<u8> {
    let mut message = change(b'I');
    row(b'N', values, &mut message);
    message
}

/// A changed row with all of the old one.
pub fn update(old: &[String], new: &[String]) -> Vec<u8> {
    let mut message = change(b'U');
    row(b'O', old, &mut message);
    row(b'N', new, &mut message);
    message
}

/// A deleted row with all its values.
pub fn delete(old: &[String]) -> Vec<u8> {
    let mut message = change(b'D');
    row(b'O', old, &mut message);
    message
}

fn change(tag: u8) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend(16385u32.to_be_bytes());
    message
}

fn row(tag: u8, values: &[String], message: &mut Vec<u8>) {
    message.push(tag);
    message.extend((values.len() as u16).to_be_bytes());
    for value in values {
        message.push(b't');
        message.extend((value.len() as u32).to_be_bytes());
        message.extend(value.as_bytes());
    }
}
