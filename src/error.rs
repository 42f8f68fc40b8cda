//! What the user sees when something fails: message, DETAIL, HINT, SQLSTATE and the command that
//! mends it.
//!
//! Every layer makes [`Error`]s; only `main` prints them. Messages follow PostgreSQL's error style
//! guide: `could not ...: reason`, lower case, no full stop; details and hints are sentences.

use colored::Colorize;
use std::fmt;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, as it is told to the user and as the program decides on it.
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: Kind,
    message: String,
    server: Option<ServerError>,
    detail: Option<String>,
    remedy: Option<String>,
}

/// What a caller may do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line is wrong: exit status 2.
    Usage,
    /// Trying again cannot help: exit status 1.
    Permanent,
    /// The connection or the server went away; trying again later may help.
    Transient,
}

/// The fields of the server's ErrorResponse (manual section 55.8) that a user needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// The five characters of the SQLSTATE, as `42704`.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// The server's DETAIL.
    pub detail: Option<String>,
    /// The server's HINT.
    pub hint: Option<String>,
    /// The function of the server that reports it: tells apart what has one SQLSTATE, in whatever
    /// language the message is.
    pub routine: Option<String>,
}

impl Error {
    /// A failure that trying again cannot mend. `message` reads `could not ...: reason`.
    pub fn new(message: impl Into<String>) -> Error {
        Error(Box::new(Parts {
            kind: Kind::Permanent,
            message: message.into(),
            server: None,
            detail: None,
            remedy: None,
        }))
    }

    /// The command line asks for something that makes no sense.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(message).with_kind(Kind::Usage)
    }

    /// A failure that may be gone at the next try.
    pub fn transient(message: impl Into<String>) -> Error {
        Error::new(message).with_kind(Kind::Transient)
    }

    /// The server said no: `could not <act>: <the server's message>`.
    /// It is transient when the SQLSTATE says that the server or its resources are away for now.
    pub fn from_server(act: &str, server: ServerError) -> Error {
        let kind = if server.is_transient() {
            Kind::Transient
        } else {
            Kind::Permanent
        };
        let mut error = Error::new(format!("could not {act}: {}", server.message)).with_kind(kind);
        error.0.server = Some(server);
        error
    }

    /// The same failure, of another kind.
    pub fn with_kind(mut self, kind: Kind) -> Error {
        self.0.kind = kind;
        self
    }

    /// Adds a DETAIL of our own: a sentence.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the line `try: ...`: the command or setting that mends it.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Error {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// The same failure, told after those that led up to it, each on a line of its own.
    pub fn after(mut self, earlier: &[Error]) -> Error {
        let before: String = earlier.iter().map(|error| format!("{error}\n")).collect();
        self.0.message.insert_str(0, &before);
        self
    }

    /// What may be done about it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The server's own words, if it was the server that failed.
    pub fn server(&self) -> Option<&ServerError> {
        self.0.server.as_ref()
    }

    /// The SQLSTATE, or an empty string where there is none.
    pub fn sqlstate(&self) -> &str {
        self.0.server.as_ref().map_or("", |server| &server.sqlstate)
    }

    /// The command or setting that mends it, if that is known.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// Everything the user needs, on several lines, without a line end after the last.
    pub fn report(&self) -> String {
        let parts = &self.0;
        let mut text = format!(
            "{} {} {}",
            "walcat:".bold(),
            "error:".red().bold(),
            printable(&self.to_string())
        );
        let server = parts.server.as_ref();
        for detail in [
            server.and_then(|s| s.detail.as_ref()),
            parts.detail.as_ref(),
        ]
        .into_iter()
        .flatten()
        {
            text += &format!("\nDETAIL:  {}", printable(detail));
        }
        if let Some(hint) = server.and_then(|s| s.hint.as_ref()) {
            text += &format!("\nHINT:  {}", printable(hint));
        }
        if let Some(remedy) = &parts.remedy {
            text += &format!("\n{} {}", "try:".bold(), printable(remedy));
        }
        text
    }
}

/// The message, with the SQLSTATE behind it where there is one.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.sqlstate() {
            "" => Ok(()),
            sqlstate => write!(f, " (SQLSTATE {sqlstate})"),
        }
    }
}

impl std::error::Error for Error {}

impl ServerError {
    /// Classes 08 (connection), 53 (resources), 57P0x (shutdown, start-up, recovery), and 55006 (a
    /// slot that is in use) pass by themselves.
    fn is_transient(&self) -> bool {
        matches!(self.sqlstate.get(..2), Some("08" | "53"))
            || matches!(
                self.sqlstate.as_str(),
                "57P01" | "57P02" | "57P03" | "57P05" | "55006"
            )
    }
}

/// Escapes control characters, so that no server and no row can move the cursor or forge a line of
/// ours.
pub fn printable(text: &str) -> String {
    let escape = |c: char| is_harmful(c) && c != '\n' && c != '\t';
    if !text.contains(escape) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if escape(c) {
            clean.extend(c.escape_default())
        } else {
            clean.push(c)
        }
    }
    clean
}

/// Could it move the cursor, forge a line or turn the direction of writing? Control characters,
/// ends of lines and paragraphs, marks of direction.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_all_that_the_server_said() {
        colored::control::set_override(false);
        let server = ServerError {
            sqlstate: "42710".into(),
            message: "replication slot \"s\" already exists".into(),
            detail: Some("A detail.".into()),
            hint: Some("A hint.".into()),
            routine: None,
        };
        let error =
            Error::from_server("create slot \"s\"", server).with_remedy("walcat slot drop s");
        assert_eq!(
            error.report(),
            "walcat: error: could not create slot \"s\": replication slot \"s\" already exists (SQLSTATE 42710)\n\
             DETAIL:  A detail.\nHINT:  A hint.\ntry: walcat slot drop s"
        );
        assert_eq!(error.kind(), Kind::Permanent);
    }

    #[test]
    fn no_escape_sequence_reaches_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}c\r"), "a\\u{1b}[2Jb\\u{9b}c\\r");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn a_server_that_shuts_down_may_come_back() {
        for (sqlstate, kind) in [
            ("57P01", Kind::Transient),
            ("08006", Kind::Transient),
            ("28P01", Kind::Permanent),
            ("", Kind::Permanent),
        ] {
            let server = ServerError {
                sqlstate: sqlstate.into(),
                ..ServerError::default()
            };
            assert_eq!(Error::from_server("x", server).kind(), kind, "{sqlstate}");
        }
    }
}
