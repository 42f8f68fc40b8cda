//! Text made to be read: one line a change.

use crate::event::{Event, Relation};

/// Writes events as text.
pub(super) struct Text {}

impl Text {
    pub(super) fn new(_color: bool) -> Text {
        Text {}
    }

    pub(super) fn prepare(&mut self, _relation: &Relation) {}

    pub(super) fn write(&mut self, _event: &Event<'_>, _out: &mut Vec<u8>) {}
}
