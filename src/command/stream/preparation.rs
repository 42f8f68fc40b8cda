//! What must be there before a stream can start: the slot, its plugin, the publications. Looked at
//! over SQL first, so that whatever is missing is told with the command that mends it.

use super::{Plan, Plugin, chosen, options};
use crate::catalog::publications::{self, Contents, NewPublication};
use crate::catalog::refusal;
use crate::catalog::server::{self, Server};
use crate::catalog::slots::{self, NewSlot, Slot};
use crate::catalog::table_spec::TableSpec;
use crate::catalog::{enumerate, output_plugins, tables};
use crate::cli::StreamArgs;
use crate::command::{Talk, slot};
use crate::connect::{self, Client, Settings};
use crate::error::{Error, Kind, Result};
use crate::event::EventId;
use crate::lsn::Lsn;
use crate::select::{Filter, Operation, Operations};
use crate::shell;
use crate::sink::Source;
use crate::stop::Stop;
use crate::walsender::Connection;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How long a slot that is in use is waited for, and how often it is looked at.
const GRACE: Duration = Duration::from_secs(1);
const GRACE_LOOK: Duration = Duration::from_millis(50);

/// How long connecting, and each statement, may take once the stream has begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// The publication of `--create-publication` without `--publication`.
const DEFAULT_PUBLICATION: &str = "walcat";

/// The output plugin of new slots.
const DEFAULT_PLUGIN: &str = "pgoutput";

/// Gets everything ready for a stream.
pub struct Preparation<'a> {
    args: &'a StreamArgs,
    settings: &'a Settings,
    talk: Talk,
    /// Kept only as long as it is needed: a stream may last for weeks.
    session: Option<Client>,
    server: Server,
    /// The slot that is there already.
    slot: Option<Slot>,
    publications: Vec<String>,
}

impl<'a> Preparation<'a> {
    /// Connects.
    pub fn new(
        args: &'a StreamArgs,
        settings: &'a Settings,
        talk: Talk,
    ) -> Result<Preparation<'a>> {
        let mut session = connect::sql(settings)?;
        let server = Server::ask(&mut session)?;
        let mut publications: Vec<String> = args
            .publication
            .iter()
            .flat_map(|names| names.0.clone())
            .collect();
        if publications.is_empty() && args.create_publication {
            publications.push(DEFAULT_PUBLICATION.to_owned());
        }
        Ok(Preparation {
            args,
            settings,
            talk,
            session: Some(session),
            server,
            slot: None,
            publications,
        })
    }

    /// Looks whether everything is there, or will be created, before anything is touched.
    pub fn check(&mut self, stop: &Stop) -> Result<()> {
        self.server.require_decoding(&self.act())?;
        if let Some(name) = &self.args.slot {
            self.check_slot(name, stop)?;
        }
        self.check_kind()?;
        self.check_plugin()?;
        self.check_publications()?;
        self.check_start()?;
        if self.args.timezone != "UTC" {
            server::require_timezone(
                session(&mut self.session, self.settings)?,
                &self.args.timezone,
            )?;
        }
        Ok(())
    }

    /// Where the lines come from that are to be written; the timeline is not known yet.
    pub fn source(&mut self) -> Result<Source> {
        Ok(Source {
            system: server::system_identifier(session(&mut self.session, self.settings)?)?,
            timeline: None,
            database: self.server.database.clone(),
            slot: self.args.slot.clone(),
        })
    }

    /// How far the slot that is there already is confirmed.
    pub fn confirmed(&self) -> Option<Lsn> {
        self.slot.as_ref()?.confirmed_flush_lsn
    }

    /// Does the file, which ends at `last`, go with this server?
    pub fn check_end_of(&mut self, name: &str, last: EventId) -> Result<()> {
        let last = last.lsn;
        let Some(end) = self.end_before(last)? else {
            return Ok(());
        };
        Err(Error::new(format!(
            "could not go on in {name}: it ends at {last}, but the server's WAL already at {end}"
        ))
        .with_detail("The file comes from another server, or the server was set back.")
        .with_remedy("another file, or --no-resume to append to this one"))
    }

    /// Before a stream over a new connection: is what the server does not complain of still there?
    pub fn check_again(&mut self, connection: &mut Connection) -> Result<()> {
        if self.plugin() != Plugin::Pgoutput || self.publications.is_empty() {
            return Ok(());
        }
        // Over this connection, which waits no longer than it may; whatever is missing is explained
        // over another.
        let names: Vec<String> = self
            .publications
            .iter()
            .map(|name| format!("'{}'", name.replace('\'', "''")))
            .collect();
        let query = format!(
            "SELECT count(*) FROM pg_catalog.pg_publication WHERE pubname::pg_catalog.text IN ({})",
            names.join(", ")
        );
        let found = connection.ask("look for the publications", &query)?;
        let wanted: HashSet<&String> = self.publications.iter().collect();
        if found == Some(wanted.len().to_string()) {
            return Ok(());
        }
        self.require_publications()
    }

    /// While the stream runs: are the publications still there?
    pub fn require_publications(&mut self) -> Result<()> {
        let act = self.act();
        let required = publications::require(
            session(&mut self.session, self.settings)?,
            &self.publications,
            &act,
        );
        self.session = None;
        // query_canceled: a lock, or a server too busy, is in the way for now.
        required.map_err(|error| {
            if error.sqlstate() == "57014" {
                error.with_kind(Kind::Transient)
            } else {
                error
            }
        })
    }

    /// Creates what the command line allows to create, the publication first: it does not exist for
    /// WAL that is older. Returns whether the slot is new.
    pub fn create(&mut self, stop: &Stop) -> Result<bool> {
        if self.args.create_publication && self.plugin() == Plugin::Pgoutput {
            self.create_publications()?;
        }
        if let (Some(name), None) = (&self.args.slot, &self.slot) {
            self.create_slot(name, stop)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Warns if nothing will be shown of what `--table` names. Before anything else is done, as all
    /// is there now that will be.
    pub fn warn_of_tables(&mut self) -> Result<()> {
        let args = self.args;
        let only_messages =
            !args.print.op.is_empty() && args.print.op.iter().all(|op| *op == Operation::Message);
        if self.plugin() != Plugin::Pgoutput || self.publications.is_empty() || only_messages {
            return Ok(());
        }
        let client = session(&mut self.session, self.settings)?;
        chosen::warn(
            client,
            &self.publications,
            &args.print.table,
            &self.server.version,
            &self.talk,
        )
    }

    /// What is streamed from where, for `--verbose`.
    pub fn describe(&self, plan: &Plan) -> String {
        let Server {
            version,
            database,
            user,
            position,
            ..
        } = &self.server;
        let hosts: Vec<String> = self
            .settings
            .hosts
            .iter()
            .map(ToString::to_string)
            .collect();
        let kind = if plan.temporary {
            "temporary slot"
        } else {
            "slot"
        };
        let publications = match (self.plugin(), self.publications.as_slice()) {
            (Plugin::Pgoutput, names @ [_, ..]) => format!(", publications {}", enumerate(names)),
            _ => String::new(),
        };
        let confirmed = self.confirmed();
        let start = confirmed.unwrap_or(*position).max(plan.start);
        format!(
            "server {} (PostgreSQL {version}), database {database}, role {user}, {kind} {}, plugin {}{publications}, \
             from {start} on",
            enumerate(&hosts),
            plan.slot,
            self.plugin_name(),
        )
    }

    /// Decides what the stream does; the SQL session ends.
    pub fn plan(&mut self, deadline: Option<Instant>) -> Result<Plan> {
        self.session = None;
        let args = self.args;
        let plugin = self.plugin();
        Ok(Plan {
            slot: args
                .slot
                .clone()
                .unwrap_or_else(|| format!("walcat_{}", std::process::id())),
            temporary: args.slot.is_none(),
            options: options::compose(args, &plugin, &self.publications, &self.server.version)?,
            plugin,
            start: args.startpos.unwrap_or(Lsn::INVALID),
            peek: args.peek,
            status_interval: args.status_interval,
            deadline,
        })
    }

    /// Creates the slot that goes with the connection.
    pub fn create_temporary(
        &mut self,
        connection: &mut Connection,
        plan: &Plan,
        stop: &Stop,
    ) -> Result<()> {
        let plugin = self.plugin_name();
        let two_phase = options::two_phase(self.args);
        let mut watch = slot::Watch::new(self.settings, &self.talk, &plan.slot);
        let mut patience = || {
            watch.tick();
            if stop.requested() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        connection.create_temporary_slot(&plan.slot, &plugin, two_phase, &mut patience)?;
        Ok(())
    }

    /// Explains a failure with what the catalog tells about the slot and the role.
    pub fn explain(&mut self, plan: &Plan, error: Error) -> Error {
        if error.server().is_none() {
            return error;
        }
        let (act, plugin) = (self.act(), self.plugin_name());
        let Ok(client) = session(&mut self.session, self.settings) else {
            return error;
        };
        if plan.plugin == Plugin::Pgoutput && error.sqlstate() == "42704" {
            if let Err(missing) = publications::require(client, &self.publications, &act) {
                return missing;
            }
            if error
                .server()
                .is_some_and(|server| server.message.starts_with("publication"))
            {
                return error
                    .with_detail(
                        "The publication is there now, but was not when the changes were made that wait in the slot. The server \
                         cannot send them through it. To advance the slot is to lose all that waits, also what was made since.",
                    )
                    .with_remedy(format!(
                        "a publication that is older, or, to lose what waits: walcat slot advance \
                         {}",
                        shell::word(&plan.slot)
                    ));
            }
        }
        let error = output_plugins::explain(client, &plugin, error);
        slots::explain(client, &self.server, &plan.slot, &act, error)
    }

    /// What is to be done, for messages.
    fn act(&self) -> String {
        match &self.args.slot {
            Some(name) => format!("stream from slot \"{name}\""),
            None => "stream".to_owned(),
        }
    }

    /// Looks for the slot. A slot in use may soon be free: the server notices a little late that a
    /// client has gone.
    fn check_slot(&mut self, name: &str, stop: &Stop) -> Result<()> {
        let act = self.act();
        let client = session(&mut self.session, self.settings)?;
        let start = Instant::now();
        loop {
            self.slot = slots::find(client, name)?;
            let usable = match &self.slot {
                Some(slot) => slot.require_usable(client, &self.server, &act),
                None if self.args.create_slot => Ok(()),
                None => Err(slots::missing(client, name, &act)),
            };
            match usable {
                Err(error)
                    if error.kind() == Kind::Transient
                        && start.elapsed() < GRACE
                        && !stop.requested() =>
                {
                    stop.wait(GRACE_LOOK);
                }
                usable => return usable.map_err(settled),
            }
        }
    }

    fn plugin_name(&self) -> String {
        let existing = self.slot.as_ref().and_then(|slot| slot.plugin.clone());
        existing
            .or_else(|| self.args.kind.plugin.clone())
            .unwrap_or_else(|| DEFAULT_PLUGIN.to_owned())
    }

    fn plugin(&self) -> Plugin {
        match self.plugin_name().as_str() {
            "pgoutput" => Plugin::Pgoutput,
            "wal2json" => Plugin::Wal2json,
            _ => Plugin::Other(self.plugin_name()),
        }
    }

    /// Is the slot, or will it be, of the kind that is asked for?
    fn check_kind(&self) -> Result<()> {
        let (act, kind) = (self.act(), &self.args.kind);
        let Some(slot) = &self.slot else {
            return match &self.args.slot {
                Some(name) => {
                    slot::require(&self.server, &self.new_slot(name, &self.plugin_name()))
                }
                None => Ok(()),
            };
        };
        if let (Some(wanted), Some(plugin)) = (&kind.plugin, &slot.plugin)
            && wanted != plugin
        {
            return Err(Error::new(format!(
                "could not {act}: its plugin is {plugin}, not {wanted}"
            ))
            .with_detail("A slot keeps the plugin that it was created with.")
            .with_remedy(format!(
                "walcat stream --slot {} without --plugin",
                shell::word(&slot.name)
            )));
        }
        if options::two_phase(self.args) && !slot.two_phase {
            return Err(Error::new(format!(
                "could not {act}: it does not decode transactions when they are prepared"
            ))
            .with_detail("Whether a slot does is decided when it is created.")
            .with_remedy(format!(
                "walcat slot create --two-phase {}_2pc",
                shell::word(&slot.name)
            )));
        }
        if kind.failover && slot.failover != Some(true) {
            self.server.require_version(17, &act, "--failover")?;
            return Err(
                Error::new(format!("could not {act}: standbys do not take it over"))
                    .with_detail("Whether they do is decided when a slot is created.")
                    .with_remedy(format!(
                        "walcat slot create --failover {}_failover",
                        shell::word(&slot.name)
                    )),
            );
        }
        Ok(())
    }

    fn check_plugin(&self) -> Result<()> {
        let (act, plugin) = (self.act(), self.plugin());
        if let (Plugin::Other(name), true) = (&plugin, !self.args.print.format.is_raw()) {
            return Err(Error::new(format!(
                "could not {act}: output plugin \"{name}\" can only be printed raw"
            ))
            .with_detail("The plugins that can be decoded are pgoutput and wal2json.")
            .with_remedy("walcat stream --format raw ..."));
        }
        let moves = self.args.slot.is_some() && !self.args.peek;
        if let (Plugin::Other(name), true) = (&plugin, moves && self.args.limit.is_some()) {
            return Err(Error::usage(format!(
                "could not use --limit: where a transaction of plugin \"{name}\" ends is not known"
            ))
            .with_detail("A slot moves from transaction to transaction, never within one.")
            .with_remedy("--endpos, or --peek, which does not move the slot"));
        }
        let chooses = !self.args.publication.is_empty() || self.args.create_publication;
        if plugin != Plugin::Pgoutput && chooses {
            let name = self.plugin_name();
            return Err(Error::usage(format!(
                "could not use publications: {name} sends changes of every table"
            ))
            .with_remedy(
                "--table, which chooses among what is sent, or a slot with the plugin pgoutput",
            ));
        }
        let encoding = self.server.encoding.as_str();
        let printed = !self.args.print.format.is_raw();
        if plugin == Plugin::Wal2json && printed && !matches!(encoding, "UTF8" | "SQL_ASCII") {
            return Err(Error::new(format!(
                "could not {act}: wal2json does not convert from {encoding} to UTF-8"
            ))
            .with_remedy("a slot with the plugin pgoutput, which does"));
        }
        Ok(())
    }

    fn check_publications(&mut self) -> Result<()> {
        let named_by_option = self
            .args
            .option
            .iter()
            .any(|option| option.starts_with("publication_names"));
        if self.plugin() != Plugin::Pgoutput || named_by_option {
            return Ok(());
        }
        let act = self.act();
        let client = session(&mut self.session, self.settings)?;
        if self.publications.is_empty() {
            return Err(publications::none_named(client, &act));
        }
        if self.args.create_publication {
            return Ok(());
        }
        publications::require(client, &self.publications, &act)
    }

    /// The server would take a start beyond its WAL, and confirm all that comes before.
    fn check_start(&mut self) -> Result<()> {
        let Some(wanted) = self.args.startpos else {
            return Ok(());
        };
        if let Some(end) = self.end_before(wanted)? {
            return Err(Error::new(format!(
                "could not {} from {wanted} on: the WAL ends at {end}",
                self.act()
            )));
        }
        let confirmed = self.confirmed();
        if let Some(confirmed) = confirmed
            && wanted < confirmed
        {
            self.talk.warning(&format!(
                "the slot is confirmed up to {confirmed}, so the server starts there and not at \
                 {wanted}"
            ));
        }
        Ok(())
    }

    /// Where the server's WAL ends, if that is before this position. What a standby has received it
    /// will replay.
    fn end_before(&mut self, wanted: Lsn) -> Result<Option<Lsn>> {
        if wanted <= self.server.position {
            return Ok(None);
        }
        let end = server::received(session(&mut self.session, self.settings)?)?;
        Ok((wanted > end).then_some(end))
    }

    fn create_publications(&mut self) -> Result<()> {
        let act = self.act();
        let client = session(&mut self.session, self.settings)?;
        let there = publications::names(client)?;
        for name in self
            .publications
            .iter()
            .filter(|&name| !there.contains(name))
        {
            let specs;
            let contents = if self.args.print.table.is_empty() {
                Contents::AllTables
            } else {
                specs = chosen_tables(client, &self.args.print.table, &act)?;
                Contents::Only {
                    tables: &specs,
                    schemas: &[],
                }
            };
            // The tables that are named are those that are to be shown, not their partitions.
            let via_root = !self.args.print.table.is_empty();
            let new = NewPublication {
                name,
                contents,
                operations: &[],
                via_root,
            };
            if publications::create_harmless(client, &self.server, &new)? {
                self.talk.info(&format!("created publication \"{name}\""));
            }
        }
        Ok(())
    }

    fn new_slot<'n>(&self, name: &'n str, plugin: &'n str) -> NewSlot<'n> {
        let kind = &self.args.kind;
        NewSlot {
            name,
            plugin,
            two_phase: options::two_phase(self.args),
            failover: kind.failover,
        }
    }

    fn create_slot(&mut self, name: &str, stop: &Stop) -> Result<()> {
        let plugin = self.plugin_name();
        let new = self.new_slot(name, &plugin);
        let session = connect::sql(self.settings)?;
        let point = slot::create(
            session,
            self.settings,
            &self.talk,
            &new,
            self.args.timeout,
            stop,
        )
        .map_err(|error| refusal::explain(error, &self.server.user))?;
        self.talk.info(&format!(
            "created slot \"{name}\" with plugin {plugin}, consistent at {point}"
        ));
        Ok(())
    }
}

/// The session, connected again if it was closed: then the stream may be waiting for it.
fn session<'s>(session: &'s mut Option<Client>, settings: &Settings) -> Result<&'s mut Client> {
    if session.as_ref().is_none_or(Client::is_closed) {
        *session = Some(connect::sql(&settings.hurried(PATIENCE))?);
    }
    session
        .as_mut()
        .ok_or_else(|| Error::new("could not connect: no session"))
}

/// At the start a slot in use is an error to report, not something to wait for.
fn settled(error: Error) -> Error {
    error.with_kind(Kind::Permanent)
}

/// The tables that the patterns of `--table` choose now, as a publication takes them.
fn chosen_tables(client: &mut Client, patterns: &[String], act: &str) -> Result<Vec<TableSpec>> {
    let filter = Filter::new(patterns, Operations::ALL)?;
    let chosen: Vec<_> = tables::publishable(client)?
        .into_iter()
        .filter(|(schema, table)| filter.operations_of(schema, table) != Operations::NONE)
        .collect();
    if chosen.is_empty() {
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| shell::word(pattern))
            .collect();
        return Err(Error::new(format!(
            "could not {act}: no table matches --table {}",
            patterns.join(" --table ")
        )));
    }
    Ok(chosen
        .iter()
        .map(|(schema, table)| TableSpec::named(schema, table))
        .collect())
}

/// The server's `wal_sender_timeout`; `None` where it waits for ever.
pub fn wal_sender_timeout(connection: &mut Connection) -> Result<Option<Duration>> {
    let query = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
    let milliseconds = connection.ask("read the setting \"wal_sender_timeout\"", query)?;
    let milliseconds = milliseconds.and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Some(Duration::from_millis(milliseconds)).filter(|timeout| !timeout.is_zero()))
}
