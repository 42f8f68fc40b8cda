//! Log sequence numbers: positions in the WAL, read and printed as PostgreSQL does.
//!
//! Everything that names a position uses this type; it is the only place that knows the `X/Y` form.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A position in the WAL: the byte offset from its beginning (`pg_lsn`, manual section 8.20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The invalid position `0/0`, which the server reads as "none".
    pub const INVALID: Lsn = Lsn(0);

    /// Appends it as `X/Y`, for where every nanosecond counts.
    #[inline]
    pub fn append_to(self, out: &mut Vec<u8>) {
        append_half(self.0 >> 32, out);
        out.push(b'/');
        append_half(self.0 & 0xFFFF_FFFF, out);
    }

    /// Returns `true` if this is a position at all.
    pub fn is_valid(self) -> bool {
        self != Lsn::INVALID
    }
}

/// Appends at most 32 bits in upper-case hexadecimal digits, without leading zeros.
fn append_half(half: u64, out: &mut Vec<u8>) {
    // All eight digits at once: each moves into a byte of its own, and adding 7 skips the
    // characters between '9' and 'A'.
    let mut digits = (half | half << 16) & 0x0000_FFFF_0000_FFFF;
    digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF;
    digits = (digits | digits << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    let text = digits + 0x3030_3030_3030_3030 + letters * 7;
    let zeros = ((half | 1).leading_zeros() - 32) / 4;
    // A copy of fixed length that is cut afterwards is cheaper than one of the right length.
    out.extend_from_slice(&(text << (8 * zeros)).to_be_bytes());
    out.truncate(out.len() - zeros as usize);
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// The text is not a position of the form `X/Y`.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseLsnError;

impl fmt::Display for ParseLsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a WAL position has the form X/Y, as in 0/16B3748")
    }
}

impl std::error::Error for ParseLsnError {}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |digits: &str| {
            let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
            if !hexadecimal || digits.is_empty() || digits.len() > 8 {
                return Err(ParseLsnError);
            }
            u64::from_str_radix(digits, 16).map_err(|_| ParseLsnError)
        };
        let (high, low) = text.split_once('/').ok_or(ParseLsnError)?;
        Ok(Lsn(half(high)? << 32 | half(low)?))
    }
}

/// As the string `X/Y`.
impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lsn, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_the_same() {
        for text in ["0/0", "0/16B3748", "16/B374D848", "FFFFFFFF/FFFFFFFF"] {
            assert_eq!(text.parse::<Lsn>().unwrap().to_string(), text);
        }
        assert_eq!("0/16b3748".parse(), Ok(Lsn(0x16B_3748)));
        assert_eq!("1/2".parse(), Ok(Lsn(0x1_0000_0002)));
    }

    #[test]
    fn appends_as_it_prints() {
        let odd = [
            0,
            1,
            9,
            10,
            15,
            16,
            0x16B_3748,
            0x1_0000_0000,
            0x1_0000_00A0,
            0x89AB_CDEF_0123_4567,
        ];
        let powers = (0..64).map(|bit| u64::MAX >> bit);
        for lsn in odd.into_iter().chain(powers) {
            let mut bytes = Vec::new();
            Lsn(lsn).append_to(&mut bytes);
            assert_eq!(
                String::from_utf8(bytes).unwrap(),
                format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF)
            );
        }
    }

    #[test]
    fn refuses_what_is_no_position() {
        for text in [
            "",
            "/",
            "0",
            "0/",
            "/0",
            "0/0/0",
            "0/G",
            " 0/0",
            "0/ 0",
            "+1/0",
            "0/123456789",
        ] {
            assert_eq!(text.parse::<Lsn>(), Err(ParseLsnError), "{text:?}");
        }
    }

    #[test]
    fn is_a_string_in_json() {
        assert_eq!(
            serde_json::to_string(&Lsn(0x16B_3748)).unwrap(),
            r#""0/16B3748""#
        );
        assert_eq!(
            serde_json::from_str::<Lsn>(r#""0/16B3748""#).unwrap(),
            Lsn(0x16B_3748)
        );
        assert!(serde_json::from_str::<Lsn>(r#""16B3748""#).is_err());
    }
}
