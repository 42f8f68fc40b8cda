//! Messages with bytes that are not UTF-8, for a JSON parser that knows no others.
//!
//! In a SQL_ASCII database a value may hold any bytes, and wal2json passes them on. So each of them
//! is replaced by a character that stands for it, and put back in the texts that were read.

/// The first of the 128 characters that stand for the bytes from 0x80 on. Each has two bytes. Where
/// a message has such a character itself, others stand for its bytes.
const FIRST: u32 = 0x780;

/// The bytes with which those characters begin.
const LEADS: [u8; 2] = [0xDE, 0xDF];

/// Appends the message as text.
pub(super) fn replace(message: &[u8], out: &mut String) {
    for chunk in message.utf8_chunks() {
        for character in chunk.valid().chars() {
            if (FIRST..FIRST + 0x80).contains(&character.into()) {
                let mut bytes = [0; 4];
                stand_in(character.encode_utf8(&mut bytes).as_bytes(), out);
            } else {
                out.push(character);
            }
        }
        stand_in(chunk.invalid(), out);
    }
}

/// Appends characters for bytes from 0x80 on.
fn stand_in(bytes: &[u8], out: &mut String) {
    let character = |byte: &u8| char::from_u32(FIRST + u32::from(byte & 0x7F));
    out.extend(bytes.iter().filter_map(character));
}

/// Puts the bytes back in the text that lies in `buffer` from `start` on.
pub(super) fn restore(buffer: &mut Vec<u8>, start: usize) {
    let (mut from, mut to) = (start, start);
    while let Some(byte) = buffer.get(from).copied() {
        let second = buffer.get(from + 1).copied().unwrap_or_default();
        let (byte, length) = match LEADS.contains(&byte) {
            // Six bits of the character are in its second byte, and the lowest of the rest in the
            // first.
            true => (0x80 | (byte & 1) << 6 | second & 0x3F, 2),
            false => (byte, 1),
        };
        if let Some(place) = buffer.get_mut(to) {
            *place = byte;
        }
        from += length;
        to += 1;
    }
    buffer.truncate(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_back() {
        let every: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        let odd = "ä\u{77f}\u{780}\u{7c1}\u{7ff}\u{800}😀".as_bytes();
        for bytes in [
            b"".as_slice(),
            b"plain",
            &every,
            odd,
            b"\xff",
            b"a\xe4b\xc3\xa4\xc3",
            b"\xde",
            b"\xde\x80\xde",
            b"\xed\xa0\x80\xf4\x90\x80\x80",
        ] {
            let mut text = String::new();
            replace(bytes, &mut text);
            let mut back = b"before".to_vec();
            back.extend_from_slice(text.as_bytes());
            restore(&mut back, 6);
            assert_eq!(back.strip_prefix(b"before"), Some(bytes), "{text:?}");
        }
    }

    #[test]
    fn ascii_stays_where_it_is() {
        let mut text = String::new();
        replace(b"{\"a\":\"\xe4\\\"\"}", &mut text);
        assert_eq!(text, "{\"a\":\"\u{7e4}\\\"\"}");
    }
}
