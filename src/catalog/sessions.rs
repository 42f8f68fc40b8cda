//! Who else is connected: the session that holds a slot, the transaction that a new slot waits for.

use super::column;
use super::server::Server;
use crate::connect::Client;
use crate::error::{CouldNot, Result};
use crate::sql;
use std::fmt;
use std::time::Duration;
use tokio_postgres::Row;

/// A server process and its session, as far as the role may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its process.
    pub pid: i32,
    /// Its role; background processes have none.
    pub user: Option<String>,
    /// Its `application_name`.
    pub application: Option<String>,
    /// Where it comes from: an address, or `local socket`. Only members of its role and of
    /// pg_read_all_stats may see it.
    pub address: Option<String>,
}

/// `PID 123 (application "psql", role "ada", address 10.0.0.7)`
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let application = self
            .application
            .as_ref()
            .map(|name| format!("application \"{name}\""));
        let user = self.user.as_ref().map(|name| format!("role \"{name}\""));
        let address = self
            .address
            .as_ref()
            .map(|address| format!("address {address}"));
        let known: Vec<String> = [application, user, address].into_iter().flatten().collect();
        write!(f, "PID {}", self.pid)?;
        if known.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", known.join(", "))
        }
    }
}

/// What a slot that is being created waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// On a standby: for the primary to log which transactions run there.
    Primary,
    /// A transaction in a session.
    Running {
        /// Whose it is.
        session: Backend,
        /// How long it runs, and when its last query began (UTC): hidden from roles without
        /// pg_read_all_stats.
        times: Option<(Duration, String)>,
    },
    /// A transaction that is prepared and not yet committed or rolled back.
    Prepared {
        /// Its global identifier.
        gid: String,
        /// Who prepared it.
        owner: String,
        /// How long ago.
        age: Duration,
    },
}

impl Awaited {
    /// The statement that ends it.
    pub fn remedy(&self) -> String {
        match self {
            Awaited::Primary => "on the primary: SELECT pg_log_standby_snapshot()".to_owned(),
            Awaited::Running { session, .. } => {
                format!("end it: SELECT pg_terminate_backend({})", session.pid)
            }
            Awaited::Prepared { gid, .. } => {
                format!(
                    "end it: COMMIT PREPARED {0} or ROLLBACK PREPARED {0}",
                    sql::literal(gid)
                )
            }
        }
    }
}

/// Names it, with all that helps to find out why it is still there.
impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Awaited::Primary => f.write_str("the primary to log which transactions run there"),
            Awaited::Running {
                session,
                times: Some((age, query_start)),
            } => {
                write!(
                    f,
                    "the transaction of {session}, {} old, its last query begun {query_start}",
                    human_age(*age)
                )
            }
            Awaited::Running {
                session,
                times: None,
            } => {
                write!(
                    f,
                    "the transaction of {session}; its age is hidden from a role without \
                     pg_read_all_stats"
                )
            }
            Awaited::Prepared { gid, owner, age } => {
                write!(
                    f,
                    "the prepared transaction \"{gid}\" of role \"{owner}\", {} old",
                    human_age(*age)
                )
            }
        }
    }
}

const SESSION: &str = "s.pid, s.usename::pg_catalog.text, NULLIF(s.application_name, ''),
    CASE WHEN s.client_port = -1 THEN 'local socket' ELSE pg_catalog.host(s.client_addr) END";

/// The session of a process.
pub fn find(client: &mut Client, pid: i32) -> Result<Option<Backend>> {
    let query = format!("SELECT {SESSION} FROM pg_catalog.pg_stat_activity AS s WHERE s.pid = $1");
    let row = client
        .query_opt(&query, &[&pid])
        .could_not("look up a session")?;
    row.as_ref().map(session).transpose()
}

/// Returns `true` if the role of this session may end that of the process.
pub fn may_end(client: &mut Client, pid: i32) -> Result<bool> {
    let query = "SELECT COALESCE(pg_catalog.bool_or(me.rolsuper OR NOT other.rolsuper AND (
                     pg_catalog.pg_has_role(other.oid, 'MEMBER')
                     OR pg_catalog.pg_has_role('pg_signal_backend', 'MEMBER'))), false)
         FROM pg_catalog.pg_stat_activity AS s
         JOIN pg_catalog.pg_roles AS other ON other.oid = s.usesysid
         JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
         WHERE s.pid = $1";
    let row = client
        .query_one(query, &[&pid])
        .could_not("look up a session")?;
    column(&row, 0)
}

/// What a slot that is being created waits for: the oldest transaction with an xid, or the primary.
pub fn awaited(client: &mut Client) -> Result<Option<Awaited>> {
    if Server::ask(client)?.in_recovery {
        return Ok(Some(Awaited::Primary));
    }
    let query = format!(
        "SELECT {SESSION},
                pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - s.xact_start),
                pg_catalog.to_char(s.query_start AT TIME ZONE 'UTC', 'YYYY-MM-DD \
                HH24:MI:SS\"+00\"'),
                x.gid, x.owner::pg_catalog.text,
                pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - x.prepared)
         FROM pg_catalog.pg_locks AS l
              LEFT JOIN pg_catalog.pg_stat_activity AS s ON s.pid = l.pid
              LEFT JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = l.transactionid
         WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
               AND (s.pid IS NOT NULL OR x.gid IS NOT NULL)
         ORDER BY pg_catalog.age(l.transactionid) DESC LIMIT 1"
    );
    let Some(row) = client
        .query_opt(&query, &[])
        .could_not("look for the oldest transaction")?
    else {
        return Ok(None);
    };
    if let Some(gid) = column(&row, 6)? {
        let owner: Option<String> = column(&row, 7)?;
        return Ok(Some(Awaited::Prepared {
            gid,
            owner: owner.unwrap_or_default(),
            age: age(column(&row, 8)?),
        }));
    }
    let (seconds, query_start): (Option<f64>, Option<String>) =
        (column(&row, 4)?, column(&row, 5)?);
    let times = seconds
        .zip(query_start)
        .map(|(seconds, start)| (age(Some(seconds)), start));
    Ok(Some(Awaited::Running {
        session: session(&row)?,
        times,
    }))
}

/// Ends a session and waits for its end; `false` if it is still there after that time.
pub fn terminate(client: &mut Client, pid: i32, timeout: Duration) -> Result<bool> {
    let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    let row = client
        .query_one(
            "SELECT pg_catalog.pg_terminate_backend($1, $2)",
            &[&pid, &milliseconds],
        )
        .could_not(format!("end the session of PID {pid}"))?;
    column(&row, 0)
}

/// Cancels the query that one of the role's own sessions runs.
pub fn cancel(client: &mut Client, pid: i32) -> Result<()> {
    let cancel = client.execute("SELECT pg_catalog.pg_cancel_backend($1)", &[&pid]);
    cancel
        .map(|_| ())
        .could_not(format!("cancel the query of PID {pid}"))
}

/// The process of the session itself.
pub fn own_pid(client: &mut Client) -> Result<i32> {
    let row = client
        .query_one("SELECT pg_catalog.pg_backend_pid()", &[])
        .could_not("ask for the process")?;
    column(&row, 0)
}

/// Lets the session's query end when this program does, instead of when it is done.
/// Servers on systems that cannot notice refuse the setting: then nothing changes.
pub fn end_with_client(client: &mut Client) {
    let _ = client.batch_execute("SET client_connection_check_interval TO '1s'");
}

fn session(row: &Row) -> Result<Backend> {
    Ok(Backend {
        pid: column(row, 0)?,
        user: column(row, 1)?,
        application: column(row, 2)?,
        address: column(row, 3)?,
    })
}

fn age(seconds: Option<f64>) -> Duration {
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}

/// The two largest units, as `2 h 5 min`.
fn human_age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (1.., ..) => format!("{days} d {} h", hours % 24),
        (_, 1.., _) => format!("{hours} h {} min", minutes % 60),
        (_, _, 1..) => format!("{minutes} min {} s", seconds % 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (7500, "2 h 5 min"),
            (90_000, "1 d 1 h"),
            (8_640_000, "100 d 0 h"),
        ] {
            assert_eq!(human_age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_session_shows_what_is_known_of_it() {
        let mut session = Backend {
            pid: 7,
            user: None,
            application: None,
            address: None,
        };
        assert_eq!(session.to_string(), "PID 7");
        session.application = Some("psql".to_owned());
        session.address = Some("10.0.0.7".to_owned());
        assert_eq!(
            session.to_string(),
            "PID 7 (application \"psql\", address 10.0.0.7)"
        );
    }
}
