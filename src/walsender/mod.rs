//! The replication connection: socket, start-up and authentication, framing, replication commands, status updates.
