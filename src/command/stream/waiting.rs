//! Whoever looks at a terminal where nothing happens is told what is waited for.

use super::requirements::Requirements;
use crate::catalog::enumerate;
use log::{Level, info, log_enabled};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How long nothing must happen.
const SILENCE: Duration = Duration::from_secs(1);

/// Tells, once, what a stream waits for.
pub struct Waiting {
    /// What is to be said yet.
    text: Option<String>,
    since: Instant,
}

impl Waiting {
    /// Nothing is told where nobody looks, nor of a stream that ends by itself.
    pub fn new(requirements: &Requirements<'_>) -> Waiting {
        let args = requirements.args;
        let ends = args.until_now || args.endpos.is_some();
        let told = io::stderr().is_terminal() && log_enabled!(Level::Info) && !ends;
        Waiting {
            text: told.then(|| text(requirements)),
            since: Instant::now(),
        }
    }

    /// When it is to be told.
    pub fn due(&self) -> Option<Instant> {
        self.text.as_ref().map(|_| self.since + SILENCE)
    }

    /// Tells it if nothing has been shown until then.
    pub fn tell(&mut self, now: Instant, has_shown: bool) {
        if has_shown {
            self.text = None;
        }
        if let Some(text) = self.text.take_if(|_| now >= self.since + SILENCE) {
            info!("{text}");
        }
    }
}

fn text(requirements: &Requirements<'_>) -> String {
    let (args, names) = (requirements.args, &requirements.publications);
    let tables = match names.as_slice() {
        [] => "any table".to_owned(),
        [name] => format!("the tables of publication \"{name}\""),
        names => format!("the tables of publications {}", enumerate(names)),
    };
    let chosen = match args.print.table.is_empty() && args.print.op.is_empty() {
        true => "changes",
        false => "the changes that --table and --op choose",
    };
    format!("waiting for {chosen} of {tables} to commit; Ctrl-C ends")
}
