//! Prepared transactions in files, and what a lost connection leaves of a streamed one.
