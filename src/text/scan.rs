//! Looks for the bytes of a text that JSON strings must escape, many at a time.

use wide::u8x16;

/// Returns `true` if it is ASCII without control characters.
#[inline]
pub fn is_plain(text: &[u8]) -> bool {
    prefix_without(text, |word| control(word) | word & HIGH_BITS) == text.len()
}

/// Long texts are looked at in blocks of so many bytes, as many as a mask has bits.
pub const BLOCK: usize = 64;

/// Marks the bytes that a JSON string must escape.
#[inline(always)]
pub fn specials(block: &[u8; BLOCK]) -> u64 {
    mask(block, |bytes| {
        let control = bytes.min(u8x16::splat(0x1f)).cmp_eq(bytes);
        let quote = bytes.cmp_eq(u8x16::splat(b'"'));
        let backslash = bytes.cmp_eq(u8x16::splat(b'\\'));
        control | quote | backslash
    })
}

/// A bit for each byte whose highest bit `marks` sets.
#[inline(always)]
fn mask(block: &[u8; BLOCK], marks: impl Fn(u8x16) -> u8x16) -> u64 {
    let (parts, _) = block.as_chunks::<16>();
    parts.iter().rev().fold(0, |mask, part| {
        let part = marks(u8x16::new(*part)).move_mask();
        mask << 16 | u64::from(part.cast_unsigned())
    })
}

/// How many bytes from the first on stand in a JSON string for themselves and are ASCII.
#[inline]
pub fn plain_prefix(text: &[u8]) -> usize {
    let blocks = match text.len() {
        ..BLOCK => 0,
        _ => plain_blocks(text),
    };
    let rest = text.get(blocks..).unwrap_or_default();
    let marks = |word| control_quote_or_backslash(word) | word & HIGH_BITS;
    blocks + prefix_without(rest, marks)
}

/// How many bytes of a long text are in blocks from the first on that are
/// [plain](plain_prefix).
fn plain_blocks(text: &[u8]) -> usize {
    let (blocks, _) = text.as_chunks();
    let plain = |block: &&[u8; BLOCK]| specials(block) | mask(block, |bytes| bytes) == 0;
    blocks.iter().take_while(plain).count() * BLOCK
}

/// How many bytes from the first on stand in a JSON string for themselves.
#[inline]
pub fn unescaped_prefix(text: &[u8]) -> usize {
    prefix_without(text, control_quote_or_backslash)
}

const LOW_BITS: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = LOW_BITS << 7;
const BLANKS: u64 = LOW_BITS * b' ' as u64;

/// Looks at eight bytes at a time: `marks` sets the high bit of the bytes that it looks for. It may
/// also set that of bytes behind the first of them, as carries do.
#[inline(always)]
fn prefix_without(text: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    // The rest, together with bytes before it that are known to hold nothing.
    let (start, word) = match (
        text.last_chunk::<8>(),
        text.first_chunk::<4>(),
        text.last_chunk::<4>(),
    ) {
        (Some(last), ..) => (text.len() - 8, u64::from_le_bytes(*last)),
        // At most seven bytes: two halves that overlap. What is marked in the second half alone
        // lies behind the first.
        (None, Some(first), Some(last)) => {
            let first = u64::from(u32::from_le_bytes(*first));
            if marks(first | BLANKS << 32) & (u64::MAX >> 32) != 0 {
                (0, first | BLANKS << 32)
            } else {
                (
                    text.len() - 4,
                    u64::from(u32::from_le_bytes(*last)) | BLANKS << 32,
                )
            }
        }
        _ => {
            let byte = |index: usize| text.get(index).copied().unwrap_or(b' ');
            (
                0,
                u64::from_le_bytes([byte(0), byte(1), byte(2), b' ', b' ', b' ', b' ', b' ']),
            )
        }
    };
    match marks(word) {
        0 => text.len(),
        found => start + found.trailing_zeros() as usize / 8,
    }
}

/// Marks the bytes that a JSON string must escape.
#[inline(always)]
fn control_quote_or_backslash(word: u64) -> u64 {
    let zero = |x: u64| x.wrapping_sub(LOW_BITS) & !x;
    let quote_or_backslash =
        zero(word ^ (LOW_BITS * b'"' as u64)) | zero(word ^ (LOW_BITS * b'\\' as u64));
    control(word) | quote_or_backslash & HIGH_BITS
}

/// Marks control characters.
#[inline(always)]
fn control(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS * 0x20) & !word & HIGH_BITS
}

/// Copies so many bytes, if both have them.
#[inline(always)]
pub fn copy<const LENGTH: usize>(from: &[u8], start: usize, to: &mut [u8], end: usize) {
    let from = from.get(start..).and_then(<[u8]>::first_chunk::<LENGTH>);
    let to = to.get_mut(end..).and_then(<[u8]>::first_chunk_mut);
    if let (Some(from), Some(to)) = (from, to) {
        *to = *from;
    }
}

/// Returns `true` if both are the same. Of names most are short, and a call of memcmp costs more
/// than to look at these.
#[inline]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && match one.len() {
            33..=64 => ends::<32>(one) == ends::<32>(other),
            17..=32 => ends::<16>(one) == ends::<16>(other),
            8..=16 => ends::<8>(one) == ends::<8>(other),
            4..8 => ends::<4>(one) == ends::<4>(other),
            0..4 => one.iter().eq(other),
            _ => one == other,
        }
}

/// The first and the last bytes.
#[inline(always)]
fn ends<const LENGTH: usize>(text: &[u8]) -> (Option<&[u8; LENGTH]>, Option<&[u8; LENGTH]>) {
    (text.first_chunk(), text.last_chunk())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_other_byte_makes_another_text() {
        for length in 0..80 {
            let text: Vec<u8> = (0..length).collect();
            assert!(same(&text, &text.clone()));
            assert!(!same(&text, &[&text[..], b"x"].concat()));
            for place in 0..text.len() {
                let mut other = text.clone();
                other[place] ^= 0x80;
                assert!(!same(&text, &other), "{place} of {length}");
            }
        }
    }

    #[test]
    fn every_byte_is_found_at_every_place() {
        for length in (0..40).chain([63, 64, 65, 128, 150]) {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    let escaped = byte < 0x20 || byte == b'"' || byte == b'\\';
                    let found = |prefix: usize| prefix < length;
                    let what = format!("{byte} at {place} of {length}");
                    assert_eq!(found(unescaped_prefix(&text)), escaped, "{what}");
                    assert_eq!(
                        found(plain_prefix(&text)),
                        escaped || byte >= 0x80,
                        "{what}"
                    );
                    assert_eq!(is_plain(&text), (0x20..0x80).contains(&byte), "{what}");
                    if escaped {
                        assert_eq!(unescaped_prefix(&text), place);
                    }
                }
            }
        }
    }

    #[test]
    fn all_of_a_block_are_marked() {
        for step in 1..64 {
            let mut block = [b'x'; BLOCK];
            let places = (0..BLOCK).step_by(step);
            let marks = places.clone().fold(0, |marks, place| marks | 1 << place);
            for (place, byte) in places.zip([b'"', b'\\', 0, 0x1f].into_iter().cycle()) {
                block[place] = byte;
            }
            assert_eq!(specials(&block), marks, "every {step}");
        }
    }
}
