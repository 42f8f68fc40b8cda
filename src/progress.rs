//! What may be confirmed to the server, and when a status is due. Pure: no I/O, no clock.
