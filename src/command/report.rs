//! What the user is told of the error that ended a command.

use crate::error::{Error, Kind};

/// The whole chain of causes in one message, with DETAIL, HINT, SQLSTATE and remedy of the error at
/// its end, as [`Error::report`] has them.
pub fn report(error: &anyhow::Error) -> String {
    let mut contexts = Vec::new();
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<Error>() {
            return error.report_within(&contexts);
        }
        contexts.push(cause.to_string());
    }
    Error::new(contexts.join(": ")).report()
}

/// The exit status: 2 if the command line was wrong, as clap has it, 3 if what was asked for is an
/// alarm, else 1.
pub fn exit_status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>().map(Error::kind) {
        Some(Kind::Usage) => 2,
        Some(Kind::Alarm) => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn reports_the_whole_chain() {
        colored::control::set_override(false);
        let wrong = || Error::usage("it is wrong").with_remedy("another");
        let error = anyhow::Error::from(wrong());
        assert_eq!(report(&error), "walcat: error: it is wrong\ntry: another");
        assert_eq!(exit_status(&error), 2);
        let error = Err::<(), _>(wrong()).context("could not do it\n");
        let error = error.context("could not begin").unwrap_err();
        assert_eq!(
            report(&error),
            "walcat: error: could not begin: could not do it\\n: it is wrong\ntry: another"
        );
        assert_eq!(exit_status(&error), 2);
        let reason = std::io::Error::other("broken\npipe");
        let error = anyhow::Error::from(reason).context("could not write");
        assert_eq!(
            report(&error),
            "walcat: error: could not write: broken\\npipe"
        );
        assert_eq!(exit_status(&error), 1);
    }
}
