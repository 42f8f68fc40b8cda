//! The server: its version, its settings, room for one more slot and WAL sender, the role, the way
//! there, the plugin.

use super::findings::Findings;
use crate::catalog::output_plugins::{self, Allowed};
use crate::catalog::privileges::{self, Powers};
use crate::catalog::refusal;
use crate::catalog::server::{self, Server};
use crate::connect::{Client, Settings};
use crate::error::Result;
use crate::plugin;
use crate::walsender::Connection;

/// The versions that walcat is made for.
const VERSIONS: std::ops::RangeInclusive<u32> = 14..=19;

/// Looks at the server, and returns what the role may do.
pub fn check(
    findings: &mut Findings,
    session: &mut Client,
    server: &Server,
    settings: &Settings,
) -> Result<Powers> {
    let mut powers = privileges::powers(session)?;
    check_version(findings, server);
    match server.require_decoding() {
        Ok(()) => findings.ok(format!("wal_level is {}", server.wal_level)),
        Err(_) => findings.fail(
            format!("wal_level is {}, not logical", server.wal_level),
            powers.as_superuser("ALTER SYSTEM SET wal_level = logical, then restart the server"),
        ),
    }
    check_feedback(findings, session, server, powers)?;
    // Before there is one of its own.
    check_room(findings, session, powers)?;
    check_connection(findings, server, settings, &mut powers);
    check_timeout(findings, session, powers)?;
    check_limits(findings, session)?;
    Ok(powers)
}

fn check_version(findings: &mut Findings, server: &Server) {
    let standby = if server.in_recovery {
        ", a standby"
    } else {
        ""
    };
    let text = format!("the server is PostgreSQL {}{standby}", server.version);
    let major = server.version.major();
    if major < *VERSIONS.start() {
        findings.fail(text, "a server of version 14 or later");
    } else if server.in_recovery && major < 16 {
        findings.fail(text, "the primary: standbys can decode from version 16 on");
    } else if major > *VERSIONS.end() {
        findings.warn(text, "a newer walcat, if there is one");
    } else {
        findings.ok(text);
    }
}

/// Else the primary removes rows that slots of the standby still need, and the slots are lost.
fn check_feedback(
    findings: &mut Findings,
    session: &mut Client,
    server: &Server,
    powers: Powers,
) -> Result<()> {
    if server.in_recovery
        && server::setting(session, "hot_standby_feedback")?.as_deref() == Some("off")
    {
        findings.warn(
            "hot_standby_feedback is off: slots of this standby may be invalidated",
            powers.as_superuser(
                "ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf()",
            ),
        );
    }
    Ok(())
}

/// Only trying tells whether pg_hba.conf lets the role in, whether a WAL sender is free, and, where
/// others than the server's own attribute count, whether the role may replicate.
fn check_connection(
    findings: &mut Findings,
    server: &Server,
    settings: &Settings,
    powers: &mut Powers,
) {
    let user = &server.user;
    let opened = Connection::open(settings, "UTC")
        .and_then(|mut connection| connection.identify_system().map(|_| ()));
    powers.replication |= opened.is_ok();
    if powers.replication {
        findings.ok(format!("role \"{user}\" may replicate"));
    } else {
        let lack = privileges::replication(server);
        findings.fail(format!("role \"{user}\" {}", lack.what), lack.remedy);
    }
    match opened {
        Ok(()) => findings.ok("a replication connection can be opened"),
        // insufficient_privilege: what the role lacks is told already.
        Err(error) if !powers.replication && error.sqlstate() == "42501" => {}
        Err(error) => {
            let error = refusal::explain(error, user);
            let remedy = error
                .remedy()
                .unwrap_or("psql 'replication=database' -c IDENTIFY_SYSTEM")
                .to_owned();
            findings.fail(error.to_string(), remedy);
        }
    }
}

fn check_room(findings: &mut Findings, session: &mut Client, powers: Powers) -> Result<()> {
    let room = server::room(session)?;
    for (what, setting, used, max) in [
        (
            "replication slots",
            "max_replication_slots",
            room.slots,
            room.max_slots,
        ),
        (
            "WAL senders",
            "max_wal_senders",
            room.wal_senders,
            room.max_wal_senders,
        ),
    ] {
        let text = format!("{used} of {max} {what} are in use");
        let remedy = format!("raise {setting} and restart the server, or free one");
        let remedy = powers.as_superuser(&remedy);
        match max - used {
            ..=0 => findings.fail(text, remedy),
            1 => findings.warn(text, remedy),
            _ => findings.ok(text),
        }
    }
    Ok(())
}

fn check_timeout(findings: &mut Findings, session: &mut Client, powers: Powers) -> Result<()> {
    let Some(setting) = server::number(session, "wal_sender_timeout")? else {
        return Ok(());
    };
    let text = format!("wal_sender_timeout is {}", setting.text);
    let default =
        powers.as_superuser("ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf()");
    match setting.value {
        0 => findings.warn(
            "wal_sender_timeout is 0: a client that vanished holds its slot for long",
            default,
        ),
        1..2000 => findings.warn(
            format!("{text}: a short break of the network ends the stream"),
            default,
        ),
        _ => findings.ok(text),
    }
    Ok(())
}

fn check_limits(findings: &mut Findings, session: &mut Client) -> Result<()> {
    if let Some(setting) = server::number(session, "max_slot_wal_keep_size")? {
        findings.ok(match setting.value {
            ..0 => "max_slot_wal_keep_size is -1: slots are never lost, and one that nobody reads \
                    fills the disk"
                .to_owned(),
            _ => format!(
                "max_slot_wal_keep_size is {}: a slot that falls further behind is lost",
                setting.text
            ),
        });
    }
    if let Some(setting) = server::number(session, "idle_replication_slot_timeout")?
        && setting.value > 0
    {
        findings.ok(format!(
            "idle_replication_slot_timeout is {}: a slot idle for longer is lost",
            setting.text
        ));
    }
    Ok(())
}

/// Looks whether the plugin is there, and may be used. Newer minor releases refuse all plugins but
/// those that are listed.
pub fn check_plugin(
    findings: &mut Findings,
    session: &mut Client,
    server: &Server,
    plugin: &str,
) -> Result<()> {
    let encoding = &server.encoding;
    if plugin::find(plugin).is_some_and(|known| !known.reads(encoding)) {
        findings.fail(
            format!("{plugin} does not convert from {encoding} to UTF-8"),
            "a slot with the plugin pgoutput, which does",
        );
    }
    let allowed = output_plugins::allowed(session)?;
    match &allowed {
        Allowed::All => return check_library(findings, session, plugin),
        Allowed::Only(names) if names.iter().any(|name| name == plugin) => {
            findings.ok(format!("output_plugin_libraries lists {plugin}"));
        }
        Allowed::Only(_) => findings.fail(
            format!("output_plugin_libraries does not list {plugin}"),
            allowed.remedy(plugin),
        ),
        // Listed unless somebody took it off.
        Allowed::Hidden if is_built_in(plugin) => {
            findings.ok(format!("output plugin {plugin} is part of the server"));
        }
        Allowed::Hidden => findings.warn(
            format!("output_plugin_libraries is not for this role to see, so it may lack {plugin}"),
            "as a superuser: SHOW output_plugin_libraries",
        ),
    }
    Ok(())
}

fn is_built_in(plugin: &str) -> bool {
    plugin::find(plugin).is_some_and(|plugin| plugin.is_built_in)
}

/// Only a superuser can tell whether a library is installed, other than by using it.
fn check_library(findings: &mut Findings, session: &mut Client, plugin: &str) -> Result<()> {
    if is_built_in(plugin) {
        findings.ok(format!(
            "output plugin {plugin} is part of the server, which takes any plugin that it has"
        ));
        return Ok(());
    }
    match server::load(session, plugin) {
        Ok(()) => findings.ok(format!(
            "output plugin {plugin} is installed, and the server takes any that is"
        )),
        Err(error) if error.sqlstate() == "42501" => {
            findings.ok(format!(
                "the server takes any output plugin that is installed, as {plugin} was for the slot"
            ));
        }
        Err(error) => findings.fail(
            error.to_string(),
            "install the plugin on the server, or use pgoutput",
        ),
    }
    Ok(())
}
