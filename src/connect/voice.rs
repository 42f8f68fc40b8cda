//! How this layer speaks to the user: warnings, what the server says by the way, and questions.

use crate::error::ServerError;
use crate::text::{indented, printable};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of what servers say by the way, so many bytes are passed on in so much time.
const MOST_RELAYED: usize = 1 << 20;
const PERIOD: Duration = Duration::from_secs(60);

/// Takes warnings and the server's notices, for the user to see, and asks the user.
#[derive(Clone)]
pub struct Voice {
    listener: Arc<Listener>,
    ask: Arc<Ask>,
    relayed: Arc<Mutex<Relayed>>,
}

type Listener = dyn Fn(Remark, &str) + Send + Sync;
type Ask = dyn Fn(&str) -> io::Result<String> + Send + Sync;

/// What kind of remark is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Something may be wrong.
    Warning,
    /// Good to know.
    Notice,
}

/// What was passed on since a moment.
struct Relayed {
    since: Instant,
    bytes: usize,
}

impl Voice {
    /// Remarks go to this function. They hold nothing that could move the cursor, and none of their
    /// further lines can be taken for one of ours.
    pub fn new(listener: impl Fn(Remark, &str) + Send + Sync + 'static) -> Voice {
        let relayed = Relayed {
            since: Instant::now(),
            bytes: 0,
        };
        Voice {
            listener: Arc::new(listener),
            ask: Arc::new(|_| Err(io::ErrorKind::Unsupported.into())),
            relayed: Arc::new(Mutex::new(relayed)),
        }
    }

    /// The same; questions go to this function, which returns what the user types unseen.
    pub fn asking(self, ask: impl Fn(&str) -> io::Result<String> + Send + Sync + 'static) -> Voice {
        Voice {
            ask: Arc::new(ask),
            ..self
        }
    }

    /// Makes a remark of one line.
    pub fn say(&self, remark: Remark, text: &str) {
        (self.listener)(remark, &printable(text));
    }

    /// Passes on what the server says; a server that says too much is not heard for a while.
    pub fn relay(&self, remark: Remark, said: &ServerError) {
        let part = |name, text: &Option<String>| {
            text.as_ref()
                .map(|text| format!("\n{name}:  {}", indented(text)))
                .unwrap_or_default()
        };
        let text =
            indented(&said.message) + &part("DETAIL", &said.detail) + &part("HINT", &said.hint);
        let before = self.count(text.len());
        if before < MOST_RELAYED {
            (self.listener)(remark, &text);
            if before + text.len() >= MOST_RELAYED {
                let period = PERIOD.as_secs();
                let cut = format!(
                    "the server says too much: the rest of what it says within {period} s is left \
                     out"
                );
                self.say(Remark::Warning, &cut);
            }
        }
    }

    /// Asks the user for something that is typed unseen.
    pub fn ask(&self, question: &str) -> io::Result<String> {
        (self.ask)(question)
    }

    /// Adds to what was passed on in this period, and returns how much that was before.
    fn count(&self, bytes: usize) -> usize {
        let mut relayed = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
        if relayed.since.elapsed() >= PERIOD {
            *relayed = Relayed {
                since: Instant::now(),
                bytes: 0,
            };
        }
        let before = relayed.bytes;
        relayed.bytes = before.saturating_add(bytes);
        before
    }
}

/// Drops all remarks, and has nobody to ask.
impl Default for Voice {
    fn default() -> Voice {
        Voice::new(|_, _| ())
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Voice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(say: impl FnOnce(&Voice)) -> Vec<(Remark, String)> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let voice = Voice::new(move |remark, text| {
            kept.lock().unwrap().push((remark, text.to_owned()));
        });
        say(&voice);
        let heard = heard.lock().unwrap();
        heard.clone()
    }

    fn said(message: &str, detail: Option<&str>) -> ServerError {
        ServerError {
            message: message.to_owned(),
            detail: detail.map(str::to_owned),
            ..ServerError::default()
        }
    }

    #[test]
    fn nobody_else_begins_a_line() {
        let notice = said("a\ntry: b\u{1b}", Some("c\nwalcat: error: d"));
        let remarks = heard(|voice| {
            voice.relay(Remark::Notice, &notice);
            voice.say(Remark::Warning, "table \"a\ntry: b\"");
        });
        let expected = [
            (
                Remark::Notice,
                "a\n    try: b\\u{1b}\nDETAIL:  c\n    walcat: error: d",
            ),
            (Remark::Warning, "table \"a\\ntry: b\""),
        ];
        assert_eq!(
            remarks,
            expected.map(|(remark, text)| (remark, text.to_owned()))
        );
    }

    #[test]
    fn a_storm_is_heard_for_a_megabyte() {
        let remarks = heard(|voice| {
            for _ in 0..100_000 {
                voice.relay(Remark::Notice, &said(&"x".repeat(1000), None));
            }
        });
        let bytes: usize = remarks.iter().map(|(_, text)| text.len()).sum();
        assert!(
            (MOST_RELAYED..MOST_RELAYED + 2000).contains(&bytes),
            "{bytes}"
        );
        let (remark, text) = remarks.last().unwrap();
        assert_eq!(*remark, Remark::Warning);
        assert!(text.starts_with("the server says too much"), "{text}");
    }
}
