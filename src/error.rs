//! What the user sees when something fails: message, DETAIL, HINT, SQLSTATE and the command that
//! mends it.
//!
//! Every layer makes [`Error`]s, commands add contexts to them, and only `main` prints them.
//! Messages follow PostgreSQL's error style guide: `could not ...: reason`, lower case, no full
//! stop; details and hints are sentences.

use crate::text::{indented, printable};
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
    /// The message is no more than the reason, or nothing where the server says it.
    lacks_context: bool,
    /// What failed before and led to this.
    earlier: Vec<Error>,
    /// What could not be done, and, unless the server says it, why.
    message: String,
    server: Option<ServerError>,
    detail: Option<String>,
    /// The first is the best; the others are other ways.
    remedies: Vec<String>,
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
    /// What was asked for is done, and found what is to be told by the exit status: 3.
    Alarm,
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
            lacks_context: false,
            earlier: Vec::new(),
            message: message.into(),
            server: None,
            detail: None,
            remedies: Vec::new(),
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

    /// A reason alone, of a failure that trying again cannot mend. Whoever knows what was being
    /// done adds that by [`Error::could_not`].
    pub fn because(reason: impl fmt::Display) -> Error {
        let mut error = Error::new(reason.to_string());
        error.0.lacks_context = true;
        error
    }

    /// The server said no, which is a reason alone too. It is transient when the SQLSTATE says that
    /// the server or its resources are away for now.
    pub fn from_server(server: ServerError) -> Error {
        let kind = if server.is_transient() {
            Kind::Transient
        } else {
            Kind::Permanent
        };
        let mut error = Error::because("").with_kind(kind);
        error.0.server = Some(server);
        error
    }

    /// Makes a reason the whole message, `could not <action>: <reason>`. An error that says
    /// already what could not be done stays as it is.
    pub fn could_not(mut self, action: impl fmt::Display) -> Error {
        let parts = &mut *self.0;
        if std::mem::take(&mut parts.lacks_context) {
            parts.message = match parts.message.as_str() {
                "" => format!("could not {action}"),
                reason => format!("could not {action}: {reason}"),
            };
        }
        self
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
        self.0.remedies = vec![remedy.into()];
        self
    }

    /// Adds a line `try: ...` with another way.
    pub fn or_remedy(mut self, remedy: impl Into<String>) -> Error {
        self.0.remedies.push(remedy.into());
        self
    }

    /// The same failure, told after those that led up to it.
    pub fn after(mut self, earlier: Vec<Error>) -> Error {
        self.0.earlier.splice(0..0, earlier);
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
        self.0.remedies.first().map(String::as_str)
    }

    /// Everything the user needs, on several lines, without a line end after the last. No other
    /// line than ours begins like one of ours, whatever the server says and whatever names it has.
    pub fn report(&self) -> String {
        self.report_within(&[])
    }

    /// The same, with what led to it before the message.
    pub fn report_within(&self, contexts: &[String]) -> String {
        let parts = &self.0;
        let mut text = format!("{} {} ", "walcat:".bold(), "error:".red().bold());
        for earlier in &parts.earlier {
            text += &format!("{}\n", earlier.shown());
        }
        for context in contexts {
            text += &format!("{}: ", printable(context));
        }
        text += &self.shown();
        let server = parts.server.as_ref();
        if let Some(detail) = server.and_then(|server| server.detail.as_ref()) {
            text += &format!("\nDETAIL:  {}", indented(detail));
        }
        if let Some(detail) = &parts.detail {
            text += &format!("\nDETAIL:  {}", printable(detail));
        }
        if let Some(hint) = server.and_then(|server| server.hint.as_ref()) {
            text += &format!("\nHINT:  {}", indented(hint));
        }
        for remedy in &parts.remedies {
            text += &format!("\n{} {}", "try:".bold(), printable(remedy));
        }
        text
    }

    /// The message alone, as it is shown.
    fn shown(&self) -> String {
        let mut text = printable(&self.0.message);
        if let Some(server) = &self.0.server {
            text += if text.is_empty() { "" } else { ": " };
            text += &indented(&server.message);
        }
        text + &printable(&self.state())
    }

    /// The SQLSTATE as it stands after the message.
    fn state(&self) -> String {
        match self.sqlstate() {
            "" => String::new(),
            sqlstate => format!(" (SQLSTATE {sqlstate})"),
        }
    }
}

/// The message, with the SQLSTATE after it where there is one, and those before that led up to it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for earlier in &self.0.earlier {
            write!(f, "{earlier}; ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(server) = &self.0.server {
            let colon = if self.0.message.is_empty() { "" } else { ": " };
            write!(f, "{colon}{}", server.message)?;
        }
        f.write_str(&self.state())
    }
}

impl std::error::Error for Error {}

/// Says of a result what could not be done.
pub trait CouldNot<T> {
    /// Adds to the error what was being done: see [`Error::could_not`].
    fn could_not(self, action: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> CouldNot<T> for std::result::Result<T, E> {
    fn could_not(self, action: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().could_not(action))
    }
}

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
        let error = Error::from_server(server)
            .could_not("create slot \"s\"")
            .with_remedy("walcat slot drop s");
        assert_eq!(
            error.report(),
            "walcat: error: could not create slot \"s\": replication slot \"s\" already exists \
             (SQLSTATE 42710)\n\
             DETAIL:  A detail.\nHINT:  A hint.\ntry: walcat slot drop s"
        );
        assert_eq!(error.kind(), Kind::Permanent);
    }

    #[test]
    fn only_lines_of_ours_begin_like_ours() {
        colored::control::set_override(false);
        let forged = "x\ntry: rm -rf /\nwalcat: error: y";
        let server = ServerError {
            sqlstate: "4271\n".into(),
            message: forged.into(),
            detail: Some(forged.into()),
            hint: Some(forged.into()),
            routine: None,
        };
        let earlier = Error::from_server(server.clone()).could_not("connect");
        let error = Error::from_server(server)
            .could_not(format!("drop slot \"{forged}\""))
            .with_detail(forged)
            .with_remedy(format!("walcat slot drop {forged}"))
            .after(vec![earlier, Error::new(forged)]);
        let report = error.report();
        let ours = |line: &&str| !line.starts_with("    ");
        let starts: Vec<&str> = report
            .lines()
            .filter(ours)
            .map(|line| line.split([':', ' ']).next().unwrap())
            .collect();
        let expected = [
            "walcat", "x\\ntry", "could", "DETAIL", "DETAIL", "HINT", "try",
        ];
        assert_eq!(starts, expected, "{report}");
        assert!(error.to_string().starts_with("could not connect: x\n"));
    }

    #[test]
    fn what_could_not_be_done_is_said_once() {
        let reason = || Error::because("it is gone").with_kind(Kind::Transient);
        assert_eq!(reason().to_string(), "it is gone");
        let error = reason().could_not("find it").could_not("stream");
        assert_eq!(error.to_string(), "could not find it: it is gone");
        assert_eq!(error.kind(), Kind::Transient);
        let server = ServerError {
            message: "no".into(),
            ..ServerError::default()
        };
        let refused = || Error::from_server(server.clone());
        assert_eq!(refused().to_string(), "no");
        assert_eq!(
            refused().could_not("do it").to_string(),
            "could not do it: no"
        );
        let whole = Error::new("could not read a file").could_not("stream");
        assert_eq!(whole.to_string(), "could not read a file");
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
            assert_eq!(Error::from_server(server).kind(), kind, "{sqlstate}");
        }
    }
}
