//! What travels from the renderers to the sinks: the bytes of one event in one format, and the event
//! that says what they are.

use crate::event::Event;

/// Takes records in the order of the stream.
pub trait Records {
    /// Where the bytes of the next record are to be appended.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// What was appended to the buffer since the last call is a record: that of `event`, or, if
    /// there is none, a message of the plugin as it came.
    fn append(&mut self, event: Option<&Event<'_>>);
}

/// Keeps the bytes.
impl Records for Vec<u8> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }

    fn append(&mut self, _: Option<&Event<'_>>) {}
}
