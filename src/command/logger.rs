//! The program's one logger: writes warnings, notices and details to stderr.
//!
//! Every layer logs with the macros of the `log` crate. Warnings and notices (`info`) are shown
//! unless `-q` is given, details (`debug`) with `-v`, more (`trace`) with `-vv`. Warnings of what
//! cannot be undone are logged as errors (`error`), which `-q` does not silence; errors themselves
//! are returned, and `main` reports the last. The command or setting that mends what a warning
//! tells of is its field `remedy`, another way `or_remedy`. What the server says has the target
//! [`NOTICE`], and its DETAIL and HINT are the fields `detail` and `hint`.

use super::status_line;
use crate::cli::MessageOptions;
use crate::connect::protocol::NOTICE;
use crate::text::{indented, printable};
use colored::Colorize;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of the server's notices, so many bytes are shown in so much time.
const MOST_NOTICES: usize = 1 << 20;
const PERIOD: Duration = Duration::from_secs(60);

/// Writes the records of this program to stderr; those of its libraries are dropped.
struct Logger {
    notices: Mutex<Option<Notices>>,
}

/// The notices shown since a moment.
struct Notices {
    since: Instant,
    bytes: usize,
}

static LOGGER: Logger = Logger {
    notices: Mutex::new(None),
};

/// Makes messages go to stderr, as far as `-q` and `-v` say.
pub fn install(options: &MessageOptions) {
    // It fails only where there is a logger already, as in tests.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(match options.verbose {
        _ if options.quiet => LevelFilter::Error,
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    });
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target == "walcat" || target.starts_with("walcat::")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let lines = self.lines(record);
            let mut stderr = io::stderr().lock();
            status_line::clear();
            // Nobody is left to be told that stderr is closed.
            let _ = stderr.write_all(lines.as_bytes());
        }
    }

    fn flush(&self) {}
}

impl Logger {
    /// The lines to write, none of which can be taken for one that the program did not write,
    /// whatever the server says and whatever names it has.
    fn lines(&self, record: &Record<'_>) -> String {
        if record.target() == NOTICE {
            return self.notice(record);
        }
        let mut lines = first_line(record.level(), &printable(&record.args().to_string()));
        for name in ["remedy", "or_remedy"] {
            if let Some(remedy) = field(record, name) {
                lines += &format!("{} {}\n", "try:".bold(), printable(&remedy));
            }
        }
        lines
    }

    /// What the server says; a server that says too much is not shown for a while.
    fn notice(&self, record: &Record<'_>) -> String {
        let mut text = indented(&record.args().to_string());
        for (name, label) in [("detail", "DETAIL"), ("hint", "HINT")] {
            if let Some(value) = field(record, name) {
                text += &format!("\n{label}:  {}", indented(&value));
            }
        }
        let before = self.count(text.len());
        if before >= MOST_NOTICES {
            return String::new();
        }
        let mut lines = first_line(record.level(), &text);
        if before + text.len() >= MOST_NOTICES {
            let cut = format!(
                "the server says too much: the rest of what it says within {} s is left out",
                PERIOD.as_secs()
            );
            lines += &first_line(Level::Warn, &cut);
        }
        lines
    }

    /// Adds to what was shown in this period, and returns how much that was before.
    fn count(&self, bytes: usize) -> usize {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = notices
            .take()
            .filter(|shown| shown.since.elapsed() < PERIOD)
            .unwrap_or_else(|| Notices {
                since: Instant::now(),
                bytes: 0,
            });
        let before = shown.bytes;
        *notices = Some(Notices {
            bytes: before.saturating_add(bytes),
            ..shown
        });
        before
    }
}

fn first_line(level: Level, text: &str) -> String {
    let walcat = "walcat:".bold();
    match level {
        Level::Error | Level::Warn => {
            format!("{walcat} {} {text}\n", "warning:".yellow().bold())
        }
        Level::Info | Level::Debug | Level::Trace => format!("{walcat} {text}\n"),
    }
}

fn field(record: &Record<'_>, name: &str) -> Option<String> {
    let value = record.key_values().get(name.into())?;
    value.to_borrowed_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logger() -> Logger {
        colored::control::set_override(false);
        Logger {
            notices: Mutex::new(None),
        }
    }

    /// What the logger writes of a message with this field.
    fn lines(
        logger: &Logger,
        target: &str,
        level: Level,
        text: &str,
        field: Option<(&str, &str)>,
    ) -> String {
        logger.lines(
            &Record::builder()
                .target(target)
                .level(level)
                .key_values(&field)
                .args(format_args!("{text}"))
                .build(),
        )
    }

    #[test]
    fn messages_say_what_they_are() {
        let logger = logger();
        let ours = |level, field| lines(&logger, "walcat::catalog", level, "a", field);
        assert_eq!(ours(Level::Info, None), "walcat: a\n");
        assert_eq!(ours(Level::Debug, None), "walcat: a\n");
        assert_eq!(
            ours(Level::Warn, Some(("remedy", "b\nc"))),
            "walcat: warning: a\ntry: b\\nc\n"
        );
    }

    #[test]
    fn only_this_program_is_heard() {
        let logger = logger();
        for (target, enabled) in [
            ("walcat", true),
            ("walcat::connect", true),
            ("walcats", false),
            ("tokio_postgres::connection", false),
        ] {
            let metadata = Metadata::builder().target(target).build();
            assert_eq!(logger.enabled(&metadata), enabled, "{target}");
        }
    }

    #[test]
    fn nobody_else_begins_a_line() {
        let logger = logger();
        assert_eq!(
            lines(
                &logger,
                NOTICE,
                Level::Info,
                "a\ntry: b\u{1b}",
                Some(("detail", "c\nwalcat: error: d"))
            ),
            "walcat: a\n    try: b\\u{1b}\nDETAIL:  c\n    walcat: error: d\n"
        );
        assert_eq!(
            lines(&logger, "walcat", Level::Warn, "table \"a\ntry: b\"", None),
            "walcat: warning: table \"a\\ntry: b\"\n"
        );
    }

    #[test]
    fn a_flood_of_notices_is_shown_up_to_a_megabyte() {
        let logger = logger();
        let text = "x".repeat(1000);
        let shown: Vec<String> = (0..100_000)
            .map(|_| lines(&logger, NOTICE, Level::Info, &text, None))
            .collect();
        let bytes: usize = shown.iter().map(|lines| lines.matches('x').count()).sum();
        assert!(
            (MOST_NOTICES..MOST_NOTICES + 1001).contains(&bytes),
            "{bytes}"
        );
        let last = shown.iter().rfind(|lines| !lines.is_empty()).unwrap();
        assert!(
            last.contains("\nwalcat: warning: the server says too much"),
            "{last}"
        );
        // A message of the program's own is still shown.
        let ours = lines(&logger, "walcat", Level::Info, "a", None);
        assert_eq!(ours, "walcat: a\n");
    }
}
