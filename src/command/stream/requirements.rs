//! What must be there before a stream can start: the slot, its plugin, the publications. Looked at
//! over SQL first, so that whatever is missing is told with the command that mends it.

use super::catalog_connection::CatalogConnection;
use super::plan::Plan;
use super::publish::Shown;
use super::{chosen, options};
use crate::catalog::enumerate;
use crate::catalog::output_plugins;
use crate::catalog::privileges::{self, Lack};
use crate::catalog::publications;
use crate::catalog::server::{self, Server};
use crate::catalog::slots::{self, NewSlot, Slot};
use crate::cli::StreamArgs;
use crate::command::slot;
use crate::connect::invocation::walcat;
use crate::connect::{Client, Settings};
use crate::error::{CouldNot, Error, Kind, Result};
use crate::event::EventId;
use crate::lsn::Lsn;
use crate::plugin::{self, PLUGINS, Plugin};
use crate::select::Operation;
use crate::sink::Source;
use crate::stop::Stop;
use crate::walsender::Connection;
use crate::{shell, sql};
use log::{info, warn};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long a slot that is in use is waited for, and how often it is looked at.
const GRACE: Duration = Duration::from_secs(1);
const GRACE_LOOK: Duration = Duration::from_millis(50);

/// What must be there for a stream, and is, or will be created.
pub struct Requirements<'a> {
    pub args: &'a StreamArgs,
    pub settings: &'a Settings,
    pub catalog: CatalogConnection<'a>,
    pub server: Server,
    /// The slot that is there already.
    pub slot: Option<Slot>,
    /// The output plugin of the slot, or of the one that is to be created.
    pub plugin: SlotPlugin,
    pub publications: Vec<String>,
}

/// The output plugin of a slot.
pub enum SlotPlugin {
    /// One that is decoded here.
    Known(&'static Plugin),
    /// Any other: its bytes can only be passed on.
    Other(String),
}

impl SlotPlugin {
    fn named(name: String) -> SlotPlugin {
        plugin::find(&name).map_or(SlotPlugin::Other(name), SlotPlugin::Known)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            SlotPlugin::Known(plugin) => plugin.name,
            SlotPlugin::Other(name) => name,
        }
    }

    /// Returns `true` if it sends the tables of publications.
    pub fn has_publications(&self) -> bool {
        matches!(self, SlotPlugin::Known(plugin) if plugin.has_publications)
    }
}

impl<'a> Requirements<'a> {
    /// Connects, and looks whether everything is there, or will be created, before anything is
    /// touched.
    pub fn check(
        args: &'a StreamArgs,
        settings: &'a Settings,
        stop: &Stop,
    ) -> Result<Requirements<'a>> {
        let mut catalog = CatalogConnection::open(settings)?;
        let client = catalog.client()?;
        let server = Server::ask(client)?;
        server.require_decoding().could_not(action(args))?;
        check_privileges(args, settings, client, &server)?;
        let slot = match &args.slot {
            Some(name) => find_slot(args, name, &server, client, stop).could_not(action(args))?,
            None => None,
        };
        let plugin = slot.as_ref().and_then(|slot| slot.plugin.clone());
        let plugin = plugin.or_else(|| args.kind.plugin.clone());
        let plugin = plugin.map_or(SlotPlugin::Known(plugin::DEFAULT), SlotPlugin::named);
        let mut requirements = Requirements {
            args,
            settings,
            catalog,
            server,
            slot,
            plugin,
            publications: publications_of(args),
        };
        requirements.check_all().could_not(action(args))?;
        if args.timezone != "UTC" {
            server::require_timezone(requirements.catalog.client()?, &args.timezone)?;
        }
        Ok(requirements)
    }

    fn check_all(&mut self) -> Result<()> {
        self.check_kind()?;
        self.check_plugin()?;
        self.check_publications()?;
        self.check_tables()?;
        self.check_start()
    }

    /// Where the lines come from that are to be written; the timeline is not known yet.
    pub fn source(&mut self) -> Result<Source> {
        Ok(Source {
            system: server::system_identifier(self.catalog.client()?)?,
            timeline: None,
            database: self.server.database.clone(),
            slot: self.args.slot.clone(),
        })
    }

    /// How far the slot that is there already is confirmed.
    pub fn confirmed(&self) -> Option<Lsn> {
        self.slot.as_ref()?.confirmed_flush_lsn
    }

    /// Fails unless the file, which ends at `last`, goes with this server.
    pub fn check_end_of(&mut self, name: &str, last: EventId) -> Result<()> {
        let last = last.lsn;
        let Some(end) = self.end_before(last)? else {
            return Ok(());
        };
        let (what, remedy) = match self.args.log.to {
            Some(_) => ("log", "another stream, as nats://HOST/STREAM"),
            None => ("file", "another file, or --no-resume to append to this one"),
        };
        Err(Error::new(format!(
            "could not go on in {name}: it ends at {last}, but the server's WAL already at {end}"
        ))
        .with_detail(format!(
            "The {what} comes from another server, or the server was set back."
        ))
        .with_remedy(remedy))
    }

    /// Before a stream over a new connection: fails unless what the server does not complain of is
    /// still there.
    pub fn check_again(&mut self, connection: &mut Connection) -> Result<()> {
        if !self.plugin.has_publications() || self.publications.is_empty() {
            return Ok(());
        }
        // Over this connection, which waits no longer than it may; whatever is missing is explained
        // over another.
        let names: Vec<String> = self
            .publications
            .iter()
            .map(|name| sql::literal(name))
            .collect();
        let query = format!(
            "SELECT count(*) FROM pg_catalog.pg_publication WHERE pubname::pg_catalog.text IN ({})",
            names.join(", ")
        );
        let found = connection
            .ask(&query)
            .could_not("look for the publications")?;
        let wanted: HashSet<&String> = self.publications.iter().collect();
        if found == Some(wanted.len().to_string()) {
            return Ok(());
        }
        self.require_publications()
    }

    /// While the stream runs: fails unless the publications are still there.
    pub fn require_publications(&mut self) -> Result<()> {
        let action = self.action();
        let required = publications::require(self.catalog.client()?, &self.publications);
        self.catalog.close();
        // query_canceled: a lock, or a server too busy, is in the way for now.
        required
            .map_err(|error| match error.sqlstate() {
                "57014" => error.with_kind(Kind::Transient),
                _ => error,
            })
            .could_not(action)
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
        let publications = match self.publications.as_slice() {
            names @ [_, ..] if self.plugin.has_publications() => {
                format!(", publications {}", enumerate(names))
            }
            _ => String::new(),
        };
        let confirmed = self.confirmed();
        let start = confirmed.unwrap_or(*position).max(plan.start);
        format!(
            "server {} (PostgreSQL {version}), database {database}, role {user}, {kind} {}, \
             plugin {}{publications}, from {start} on",
            enumerate(&hosts),
            plan.slot,
            self.plugin.name(),
        )
    }

    /// What is to be done, for messages.
    pub fn action(&self) -> String {
        action(self.args)
    }

    /// Fails unless the slot is, or will be, of the kind that is asked for.
    fn check_kind(&self) -> Result<()> {
        let kind = &self.args.kind;
        let Some(slot) = &self.slot else {
            return match &self.args.slot {
                Some(name) => slot::require(&self.server, &self.new_slot(name)),
                None => Ok(()),
            };
        };
        if let (Some(wanted), Some(plugin)) = (&kind.plugin, &slot.plugin)
            && wanted != plugin
        {
            return Err(
                Error::because(format!("its plugin is {plugin}, not {wanted}"))
                    .with_detail("A slot keeps the plugin that it was created with.")
                    .with_remedy(format!(
                        "--slot {} without --plugin",
                        shell::word(&slot.name)
                    )),
            );
        }
        if options::two_phase(self.args) && !slot.two_phase {
            return Err(
                Error::because("it does not decode transactions when they are prepared")
                    .with_detail("Whether a slot does is decided when it is created.")
                    .with_remedy(walcat(format_args!(
                        "slot create --two-phase {}_2pc",
                        shell::word(&slot.name)
                    ))),
            );
        }
        if kind.failover && slot.failover != Some(true) {
            self.server.require_version(17, "--failover")?;
            return Err(Error::because("standbys do not take it over")
                .with_detail("Whether they do is decided when a slot is created.")
                .with_remedy(walcat(format_args!(
                    "slot create --failover {}_failover",
                    shell::word(&slot.name)
                ))));
        }
        Ok(())
    }

    fn check_plugin(&self) -> Result<()> {
        match &self.plugin {
            SlotPlugin::Known(plugin) => self.check_known_plugin(plugin),
            SlotPlugin::Other(name) => self.check_other_plugin(name),
        }
    }

    fn check_other_plugin(&self, name: &str) -> Result<()> {
        if !self.args.print.format.is_raw() {
            let known = PLUGINS.map(|plugin| plugin.name).join(" and ");
            return Err(Error::because(format!(
                "output plugin \"{name}\" can only be printed raw"
            ))
            .with_detail(format!("The plugins that can be decoded are {known}."))
            .with_remedy("--format raw"));
        }
        let moves = self.args.slot.is_some() && !self.args.peek;
        if moves && self.args.limit.is_some() {
            return Err(Error::usage(format!(
                "could not use --limit: where a transaction of plugin \"{name}\" ends is not known"
            ))
            .with_detail("A slot moves from transaction to transaction, never within one.")
            .with_remedy("--endpos, or --peek, which does not move the slot"));
        }
        if self.args.exec.is_given() {
            return Err(Error::usage(format!(
                "could not use --exec: where a transaction of plugin \"{name}\" ends is not known"
            )));
        }
        self.refuse_publications(name)
    }

    fn check_known_plugin(&self, plugin: &Plugin) -> Result<()> {
        let name = plugin.name;
        if !plugin.has_publications {
            self.refuse_publications(name)?;
        }
        let encoding = self.server.encoding.as_str();
        let printed = !self.args.print.format.is_raw();
        if printed && !plugin.reads(encoding) {
            return Err(Error::because(format!(
                "{name} does not convert from {encoding} to UTF-8"
            ))
            .with_remedy("a slot with the plugin pgoutput, which does"));
        }
        Ok(())
    }

    fn refuse_publications(&self, plugin: &str) -> Result<()> {
        if self.args.publication.is_empty() && !self.args.create_publication {
            return Ok(());
        }
        Err(Error::usage(format!(
            "could not use publications: {plugin} sends changes of every table"
        ))
        .with_remedy(
            "--table, which chooses among what is sent, or a slot with the plugin pgoutput",
        ))
    }

    fn check_publications(&mut self) -> Result<()> {
        let named_by_option = self
            .args
            .option
            .iter()
            .any(|option| option.starts_with("publication_names"));
        if !self.plugin.has_publications() || named_by_option {
            return Ok(());
        }
        let client = self.catalog.client()?;
        let required = if !self.publications.is_empty() {
            match self.args.create_publication {
                true => Ok(()),
                false => publications::require(client, &self.publications),
            }
        } else {
            let names = publications::names(client)?;
            if let [name] = names.as_slice() {
                info!(
                    "streaming the tables of publication \"{name}\", the only one of the database"
                );
                self.publications = names;
                return Ok(());
            }
            Err(publications::none_named(client))
        };
        required.map_err(|error| self.propose_publications(error))
    }

    /// What there is to do where publications are missing.
    fn propose_publications(&mut self, error: Error) -> Error {
        let Ok(client) = self.catalog.client() else {
            return error;
        };
        let none = publications::names(client).is_ok_and(|there| there.is_empty());
        let create = creation(client, &self.server, self.args);
        let mut error = match none {
            true => error.with_remedy(create),
            false => error.or_remedy(create),
        };
        match &self.slot {
            Some(slot) if none => {
                error = error.with_detail(format!(
                    "The database has no publications, and slot \"{}\" cannot send what was \
                     written before there is one.",
                    slot.name
                ));
            }
            // A slot keeps its plugin.
            Some(_) => {}
            None => {
                let others = PLUGINS.into_iter().filter(|plugin| {
                    !plugin.has_publications && plugin.reads(&self.server.encoding)
                });
                for plugin in others.filter(|_| self.args.publication.is_empty()) {
                    if output_plugins::is_usable(client, &self.server, plugin.name) {
                        error = error.or_remedy(format!("-P {}", plugin.name));
                    }
                }
            }
        }
        error
    }

    /// Looks whether `--table` chooses something of what is sent.
    fn check_tables(&mut self) -> Result<()> {
        let args = self.args;
        let only_messages =
            !args.print.op.is_empty() && args.print.op.iter().all(|op| *op == Operation::Message);
        if matches!(self.plugin, SlotPlugin::Other(_)) || only_messages {
            return Ok(());
        }
        let choice = chosen::Choice {
            patterns: &args.print.table,
            publications: match self.plugin.has_publications() {
                true => &self.publications,
                false => &[],
            },
            creates: args.create_publication,
            consumes: args.slot.is_some() && !args.peek,
        };
        let (client, version) = (self.catalog.client()?, &self.server.version);
        chosen::check(client, &choice, version)
    }

    /// The server would take a start beyond its WAL, and confirm all that comes before.
    fn check_start(&mut self) -> Result<()> {
        let Some(wanted) = self.args.startpos else {
            return Ok(());
        };
        if let Some(end) = self.end_before(wanted)? {
            return Err(Error::because(format!("the WAL ends at {end}"))
                .could_not(format!("{} from {wanted} on", self.action())));
        }
        let confirmed = self.confirmed();
        if let Some(confirmed) = confirmed
            && wanted < confirmed
        {
            warn!(
                "the slot is confirmed up to {confirmed}, so the server starts there and not at \
                 {wanted}"
            );
        }
        Ok(())
    }

    /// Where the server's WAL ends, if that is before this position. What a standby has received it
    /// will replay.
    fn end_before(&mut self, wanted: Lsn) -> Result<Option<Lsn>> {
        if wanted <= self.server.position {
            return Ok(None);
        }
        let end = server::received(self.catalog.client()?)?;
        Ok((wanted > end).then_some(end))
    }

    /// The slot that is to be created.
    pub fn new_slot<'n>(&'n self, name: &'n str) -> NewSlot<'n> {
        NewSlot {
            name,
            plugin: self.plugin.name(),
            two_phase: options::two_phase(self.args),
            failover: self.args.kind.failover,
        }
    }
}

/// What is to be done, for messages.
fn action(args: &StreamArgs) -> String {
    match &args.slot {
        Some(name) => format!("stream from slot \"{name}\""),
        None => "stream".to_owned(),
    }
}

/// The publications that the command line names, or the one that it lets be created.
fn publications_of(args: &StreamArgs) -> Vec<String> {
    let names = args.publication.iter().flat_map(|names| names.0.clone());
    let mut publications: Vec<String> = names.collect();
    if publications.is_empty() && args.create_publication {
        publications.push(publications::DEFAULT_NAME.to_owned());
    }
    publications
}

/// Looks for the slot; `None` if it is to be created. A slot in use may soon be free: the server
/// notices a little late that a client has gone.
fn find_slot(
    args: &StreamArgs,
    name: &str,
    server: &Server,
    client: &mut Client,
    stop: &Stop,
) -> Result<Option<Slot>> {
    let start = Instant::now();
    loop {
        let slot = slots::find(client, name)?;
        let usable = match &slot {
            Some(slot) => slot.require_usable(client, server),
            None if args.create_slot => Ok(()),
            None => Err(missing_slot(args, name, server, client)),
        };
        match usable {
            Ok(()) => return Ok(slot),
            Err(error)
                if error.kind() == Kind::Transient
                    && start.elapsed() < GRACE
                    && !stop.requested() =>
            {
                stop.wait(GRACE_LOOK);
            }
            // At the start a slot in use is an error to report, not something to wait for.
            Err(error) => return Err(error.with_kind(Kind::Permanent)),
        }
    }
}

/// Says that the slot is not there, and in which order to make what is missing: a publication that
/// comes after the slot cannot send what is written between.
fn missing_slot(args: &StreamArgs, name: &str, server: &Server, client: &mut Client) -> Error {
    let error = slots::missing(client, server, name);
    let plugin = args.kind.plugin.as_deref();
    let needs_publication = plugin.is_none_or(|name| name == plugin::DEFAULT.name);
    let there = publications::names(client).unwrap_or_default();
    let wanted = publications_of(args);
    let missing = there.is_empty() || wanted.iter().any(|name| !there.contains(name));
    if needs_publication && missing {
        return error.with_remedy(format!("{} --create-slot", creation(client, server, args)));
    }
    let kind = NewSlot {
        name,
        plugin: plugin.unwrap_or(plugin::DEFAULT.name),
        two_phase: options::two_phase(args),
        failover: args.kind.failover,
    };
    error
        .with_remedy("--create-slot")
        .or_remedy(walcat(format_args!(
            "slot create {}{}",
            shell::word(name),
            slot::kind_options(&kind)
        )))
}

/// How the publication comes to be that is not there: by an option, or where the role may not, by
/// an administrator.
fn creation(client: &mut Client, server: &Server, args: &StreamArgs) -> String {
    let lack = lacks_for_publications(args, client, server);
    match lack.ok().and_then(|lacks| lacks.into_iter().next()) {
        Some(lack) => lack.remedy,
        None => "--create-publication".to_owned(),
    }
}

/// What the role lacks to create the publications that are not there.
fn lacks_for_publications(
    args: &StreamArgs,
    client: &mut Client,
    server: &Server,
) -> Result<Vec<Lack>> {
    let there = publications::names(client)?;
    let mut wanted = publications_of(args);
    if wanted.is_empty() {
        wanted.push(publications::DEFAULT_NAME.to_owned());
    }
    wanted.retain(|name| !there.contains(name));
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let shown = Shown::new(client, &args.print)?;
    let lacks: Result<Vec<Option<Lack>>> = wanted
        .iter()
        .map(|name| shown.lack(client, server, name))
        .collect();
    Ok(lacks?.into_iter().flatten().collect())
}

/// Whatever the role lacks it is told at once, before anything is made. What the catalog says of
/// REPLICATION is tried: where others than the server's own attribute count, it does not tell.
fn check_privileges(
    args: &StreamArgs,
    settings: &Settings,
    client: &mut Client,
    server: &Server,
) -> Result<()> {
    let refused = match privileges::powers(client)?.replication {
        true => None,
        // insufficient_privilege; any other failure will come again.
        false => Connection::open(settings, &args.timezone)
            .err()
            .filter(|error| error.sqlstate() == "42501"),
    };
    let mut lacks: Vec<Lack> = refused
        .iter()
        .map(|_| privileges::replication(server))
        .collect();
    let plugin = args.kind.plugin.as_deref();
    if args.create_publication && plugin.is_none_or(|name| name == plugin::DEFAULT.name) {
        let more = lacks_for_publications(args, client, server);
        lacks.extend(more.could_not(action(args))?);
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let error = refused
        .unwrap_or_else(|| Error::because("the role lacks privileges").could_not(action(args)));
    Err(privileges::explain(error, server, &lacks))
}
