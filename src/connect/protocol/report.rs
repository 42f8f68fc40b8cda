//! What the server says: ErrorResponse and NoticeResponse (manual section 55.8).

use super::reader::Reader;
use crate::error::{Result, ServerError};
use crate::text::readable;

/// An error, warning or notice of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE` and so on, untranslated.
    pub severity: String,
    /// What it says.
    pub content: ServerError,
}

impl Report {
    /// Reads the fields. Of a message that was cut, `cut` is how long its body was.
    // { type: u8 | text: cstr }* | 0
    pub fn parse(message: &'static str, body: &[u8], cut: Option<usize>) -> Result<Report> {
        let mut reader = Reader::new(message, body);
        let mut report = Report::default();
        loop {
            if let Some(length) = cut.filter(|_| reader.is_empty()) {
                report.say_that_it_was_cut(length);
                return Ok(report);
            }
            let field = reader.u8("field type")?;
            if field == 0 {
                reader.finish()?;
                return Ok(report);
            }
            // The encoding is not settled before the session starts, and never for SQL_ASCII.
            let text = match cut {
                Some(_) => reader.cstr_or_rest(),
                None => reader.cstr("field text")?,
            };
            report.set(field, readable(text));
        }
    }

    /// What comes last of what is shown is the detail, if there is one.
    fn say_that_it_was_cut(&mut self, length: usize) {
        let content = &mut self.content;
        let last = content.detail.as_mut().unwrap_or(&mut content.message);
        *last += &format!(" ... (cut: all of it has {length} bytes)");
    }

    fn set(&mut self, field: u8, text: String) {
        let content = &mut self.content;
        match field {
            b'V' => self.severity = text,
            b'C' => content.sqlstate = text,
            b'M' => content.message = text,
            b'D' => content.detail = Some(text),
            b'H' => content.hint = Some(text),
            b'R' => content.routine = Some(text),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &[u8] = b"SFEHLER\0VFATAL\0C57P01\0Mgone \xFF\0Dd\0Hh\0Fpostgres.c\0Rf\0\0";

    #[test]
    fn reads_all_fields() {
        let content = ServerError {
            sqlstate: "57P01".into(),
            message: "gone \\xFF".into(),
            detail: Some("d".into()),
            hint: Some("h".into()),
            routine: Some("f".into()),
        };
        assert_eq!(
            Report::parse("ErrorResponse", ERROR, None).unwrap(),
            Report {
                severity: "FATAL".into(),
                content
            }
        );
    }

    #[test]
    fn broken_ones_are_errors_that_name_message_field_and_offset() {
        for cut in 0..ERROR.len() {
            let error = Report::parse("ErrorResponse", &ERROR[..cut], None)
                .unwrap_err()
                .to_string();
            assert!(error.contains("ErrorResponse: its field"), "{error}");
        }
        assert!(Report::parse("ErrorResponse", b"\0\0", None).is_err());
    }

    #[test]
    fn one_that_was_cut_is_shown_as_far_as_it_goes() {
        for cut in 0..ERROR.len() {
            let report = Report::parse("ErrorResponse", &ERROR[..cut], Some(1000)).unwrap();
            let ServerError {
                message, detail, ..
            } = report.content;
            let shown = detail.unwrap_or(message);
            assert!(shown.ends_with(" ... (cut: all of it has 1000 bytes)"));
        }
        let report = Report::parse("ErrorResponse", b"C57P01\0Mgone and", Some(9999)).unwrap();
        assert_eq!(report.content.sqlstate, "57P01");
        assert_eq!(
            report.content.message,
            "gone and ... (cut: all of it has 9999 bytes)"
        );
    }
}
