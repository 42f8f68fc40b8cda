//! Values: the text that the server sent for a type, to JSON as `row_to_json` prints it.
//!
//! The renderer asks [`Types`] once per column what [`Kind`] of value its type has, and [`Writer`]
//! once per value to append it as JSON. A text that does not fit its kind is a [`Mismatch`]:
//! [`Types::kind_after_mismatch`] then asks the catalog whether the type has changed, and what fits
//! nothing is written by [`write_string`]. Whatever the text, what is written is valid JSON on one
//! line.

mod array;
mod composite;
mod hstore;
mod json;
mod kind;
mod name;
mod quoted;
mod scalar;
mod string;
mod types;
mod writer;

pub use kind::{Array, Attribute, Kind, WriteText};
pub use scalar::is_json_number;
pub use string::write_string;
pub use types::{ComputedColumn, NoCatalog, Purpose, Shape, TypeCatalog, TypeEntry, Types};
pub use writer::{Mismatch, Writer};

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random numbers that are the same in every run (SplitMix64).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % bound as u64) as usize
        }
    }

    fn samples() -> Vec<(Kind, &'static str)> {
        let numbers = Kind::array(Kind::Number, b',');
        let pair = Kind::composite([("n", Kind::Number), ("t", Kind::Text)]);
        let nested = Kind::composite([
            ("p", pair.clone()),
            ("ps", Kind::array(pair.clone(), b',')),
            ("j", Kind::Json),
        ]);
        vec![
            (Kind::Text, "a \"b\" \\ \u{e4}\n\u{1f600}"),
            (Kind::Bool, "t"),
            (Kind::Number, "-12345678901234567890.5e-10"),
            (Kind::Timestamp, "2026-11-20 09:23:34.946212 BC"),
            (Kind::TimestampTz, "2026-11-20 09:23:34.946212-03:30 BC"),
            (
                Kind::Json,
                "{\"a\": [1, -2.5e7, \"x\\\"\\u00e4\\n\u{e4}\", {}], \"a\":\n[true, false, null]}",
            ),
            (Kind::Hstore, r#""a"=>"b\"c", "d\\"=>NULL, ""=>"""#),
            (Kind::Vector { numbers: true }, "1 2 -3"),
            (Kind::Vector { numbers: false }, "23 25"),
            (numbers, "[0:1][2:3]={{1,NULL},{-3.5,NaN}}"),
            (
                Kind::array(Kind::Text, b','),
                r#"{a,"b c",NULL,"NULL","d\"\\",""}"#,
            ),
            (
                Kind::array(Kind::Json, b','),
                r#"{"{\"a\": \"b\\\"c\"}",1,null}"#,
            ),
            (Kind::array(Kind::Hstore, b','), r#"{"\"a\"=>\"b\\\"\""}"#),
            (
                Kind::array(Kind::TimestampTz, b','),
                r#"{"2026-11-20 09:23:34+00",infinity}"#,
            ),
            (Kind::array(Kind::Text, b';'), "{(1,1),(0,0);(2,2),(0,0)}"),
            (pair, r#"(1,"a ""b"" \\ c, (d)")"#),
            (
                nested,
                r#"("(1,""x """"y"""""")","{""(2,\\""a \\\\\\""\\\\\\"" \\\\\\\\\\"")"",NULL}","{""k"": ""\\""""}")"#,
            ),
        ]
    }

    #[test]
    fn whatever_the_text_it_is_valid_json_on_one_line() {
        let mut random = Random(20_261_120);
        let mut writer = Writer::default();
        let interesting = b"{}[]()\"\\,;:=>NULL \n\r\t\0-+.e0tn\x1f\x7f\x80\xc3\xa4\xff";
        let samples = samples();
        let (mut fits, mut mismatches) = (0, 0);
        for round in 0..200_000 {
            // Texts meet kinds that are not theirs as well.
            let (kind, _) = &samples[random.below(samples.len())];
            let (own, text) = &samples[random.below(samples.len())];
            let kind = if random.below(4) > 0 { own } else { kind };
            let mut text = text.as_bytes().to_vec();
            for _ in 0..random.below(4) {
                let at = random.below(text.len() + 1);
                match random.below(4) {
                    0 => text.truncate(at),
                    1 => text.insert(at, interesting[random.below(interesting.len())]),
                    2 if at < text.len() => text[at] = interesting[random.below(interesting.len())],
                    _ if at < text.len() => drop(text.remove(at)),
                    _ => {}
                }
            }
            let mut out = b"[".to_vec();
            match writer.write(kind, &text, &mut out) {
                Ok(()) => fits += 1,
                Err(Mismatch) => {
                    mismatches += 1;
                    assert_eq!(
                        out, b"[",
                        "round {round}: something is left of {text:?} for {kind:?}"
                    );
                    write_string(&text, &mut out);
                }
            }
            out.push(b']');
            if let Err(error) = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&out) {
                panic!(
                    "round {round}: {error}: {} of {text:?} for {kind:?}",
                    String::from_utf8_lossy(&out)
                );
            }
            assert!(
                !out.iter().any(|byte| matches!(byte, b'\n' | b'\r')),
                "round {round}: a line break in {text:?}"
            );
        }
        assert!(
            fits > 50_000 && mismatches > 50_000,
            "{fits} fits and {mismatches} mismatches prove little"
        );
    }
}
