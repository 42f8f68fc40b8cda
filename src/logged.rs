//! What tests log: a logger that keeps the messages of each thread for its test.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;
use std::sync::Once;

struct Kept;

thread_local! {
    static MESSAGES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// The messages that this thread has logged since this was last called. The first call of a test
/// begins to keep them.
pub fn messages() -> Vec<(Level, String)> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Kept).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
    MESSAGES.take()
}

/// The warnings that this thread has logged since the messages were last asked for.
pub fn warnings() -> Vec<String> {
    let warnings = messages()
        .into_iter()
        .filter(|(level, _)| *level == Level::Warn);
    warnings.map(|(_, text)| text).collect()
}

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("walcat")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = (record.level(), record.args().to_string());
            MESSAGES.with_borrow_mut(|messages| messages.push(message));
        }
    }

    fn flush(&self) {}
}
