//! The one line on a terminal that is kept in place, behind all other lines.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Goes to the beginning of the line, and erases it.
const ERASE: &str = "\r\x1b[K";

static SHOWN: AtomicBool = AtomicBool::new(false);

/// Whether there can be one: only a terminal keeps lines in place.
pub fn is_possible() -> bool {
    io::stderr().is_terminal()
}

/// Shows the text in place of what the line was.
pub fn show(text: &str) {
    // Others may be about to write.
    let _others = io::stderr().lock();
    SHOWN.store(true, Ordering::Relaxed);
    write(&format!("{ERASE}{text}"));
}

/// Erases the line, if it is there, so that others can be written.
pub fn clear() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        write(ERASE);
    }
}

fn write(text: &str) {
    // Nobody is left to be told that stderr is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}
