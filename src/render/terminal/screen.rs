//! The window, and what the user asked of the layout.

use std::time::Instant;

/// What records are laid out for.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// How many columns the window has now: it is asked anew for each record, so that what follows
    /// a change of its size has the new width.
    pub columns: fn() -> usize,
    /// The time, where it matters how long a transaction takes to arrive.
    pub clock: Option<fn() -> Instant>,
    /// How many columns a value may take; `None` is what leaves a row readable.
    pub max_width: Option<usize>,
    /// Whether each column of a row has a line of its own.
    pub expanded: bool,
}

/// No value begins further right, apart from its name.
const INDENT: usize = 7;

/// In a wide window so many of them share a line.
const VALUES_A_LINE: usize = 3;

/// Most values that are not prose are no wider: time stamps, UUIDs.
const COMMON_VALUE: usize = 40;

/// Of no value less is shown.
const LEAST: usize = 12;

impl Screen {
    /// How many columns of `columns` a value may take before which its name takes `before`.
    pub(super) fn limit(&self, columns: usize, before: usize) -> usize {
        let line = columns.saturating_sub(INDENT);
        let common = match self.expanded {
            true => line,
            false => (line / VALUES_A_LINE).max(COMMON_VALUE),
        };
        let readable = common.min(line.saturating_sub(before));
        self.max_width.unwrap_or(readable).max(LEAST)
    }
}

/// Two are the same if records look the same now.
impl PartialEq for Screen {
    fn eq(&self, other: &Screen) -> bool {
        let asked = |screen: &Screen| {
            (
                (screen.columns)(),
                screen.clock.is_some(),
                screen.max_width,
                screen.expanded,
            )
        };
        asked(self) == asked(other)
    }
}

impl Eq for Screen {}
