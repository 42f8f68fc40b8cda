//! Signals, turned into one pipe that `poll` can wait on.
