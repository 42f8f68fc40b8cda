//! From what the user gave to [`Settings`]: conninfo, then the options, the service file, the
//! environment, the defaults, each only for what those before it left open. So does libpq.

use super::conninfo;
use super::environment::Environment;
use super::parameter::{Parameters, choose, number};
use super::passfile::PasswordFile;
use super::process_title;
use super::service;
use super::{
    Address, AskPassword, ChannelBinding, Host, Interrupt, Keepalives, Prompt, Roots, Secret,
    Settings, SslMode, TargetSessionAttrs, TlsSettings, TlsVersions,
};
use crate::error::{Error, Result};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const DEFAULT_PORT: u16 = 5432;

/// What the command line says of the connection. It has no `Debug`, because a conninfo string may
/// hold a password.
#[derive(Clone)]
pub struct Arguments {
    /// `-d`: a database name, a conninfo string or a URI; may hold a password.
    pub dbname: Option<String>,
    /// `-h`
    pub host: Option<String>,
    /// `-p`
    pub port: Option<String>,
    /// `-U`
    pub user: Option<String>,
    /// `-w`, `-W` or neither.
    pub prompt: Prompt,
    /// Asks the user for the password.
    pub ask_password: AskPassword,
}

/// Nothing given: all is up to the environment and the defaults.
impl Default for Arguments {
    fn default() -> Arguments {
        Arguments {
            dbname: None,
            host: None,
            port: None,
            user: None,
            prompt: Prompt::IfNeeded,
            ask_password: AskPassword::default(),
        }
    }
}

impl Settings {
    /// Completes what the command line says from the surroundings of this process.
    pub fn resolve(given: &Arguments) -> Result<Settings> {
        Settings::resolve_in(given, &Environment::of_process())
    }

    /// The same for a server beside the one of `-d`, whose hidden password is not for it.
    pub fn resolve_other(given: &Arguments) -> Result<Settings> {
        let mut environment = Environment::of_process();
        environment.variables.remove(process_title::CARRIER);
        Settings::resolve_in(given, &environment)
    }

    /// Completes what the command line says from these surroundings.
    pub fn resolve_in(given: &Arguments, environment: &Environment) -> Result<Settings> {
        let parameters = gather(given, environment)?;
        refuse_unsupported(&parameters)?;
        let user = match parameters.filled("user") {
            Some(user) => user.to_owned(),
            None => (environment.user_name)().ok_or_else(|| {
                Error::usage("could not find out the user name: the operating system knows none")
                    .with_remedy("-U NAME")
            })?,
        };
        let dbname = parameters.filled("dbname").unwrap_or(&user).to_owned();
        let mut hosts = hosts(&parameters, environment)?;
        let password = parameters
            .filled("password")
            .map(|password| Secret(password.to_owned()));
        if password.is_none() {
            add_passwords(&mut hosts, &dbname, &user, &parameters, environment);
        }
        let from_variable = parameters.filled("password") == environment.variable("PGPASSWORD");
        let text = |name| parameters.filled(name).map(str::to_owned);
        Ok(Settings {
            hosts,
            load_balance: choose(
                &parameters,
                "load_balance_hosts",
                false,
                &[("disable", false), ("random", true)],
            )?,
            application_name: text("application_name")
                .or_else(|| text("fallback_application_name"))
                .unwrap_or_else(|| "walcat".to_owned()),
            options: text("options"),
            connect_timeout: seconds(&parameters, "connect_timeout")?,
            limit: None,
            interrupt: Interrupt::default(),
            keepalives: keepalives(&parameters)?,
            target_session_attrs: target_session_attrs(&parameters)?,
            tls: tls(&parameters, environment)?,
            channel_binding: choose(
                &parameters,
                "channel_binding",
                ChannelBinding::Prefer,
                CHANNEL_BINDINGS,
            )?,
            password,
            password_source: if from_variable {
                "PGPASSWORD"
            } else {
                "the connection string or the service file"
            },
            prompt: given.prompt,
            typed: Arc::default(),
            warned_of_plain_text: Arc::default(),
            ask_password: given.ask_password.clone(),
            user,
            dbname,
        })
    }
}

/// All parameters, whichever place they come from.
fn gather(given: &Arguments, environment: &Environment) -> Result<Parameters> {
    let mut parameters = match given.dbname.as_deref() {
        Some(text) if conninfo::is_conninfo(text) => conninfo::parse(text)?,
        _ => Parameters::default(),
    };
    process_title::restore_password(&mut parameters, |name| environment.variable(name));
    let name = given
        .dbname
        .as_ref()
        .filter(|text| !conninfo::is_conninfo(text));
    let options = [
        ("dbname", name),
        ("host", given.host.as_ref()),
        ("port", given.port.as_ref()),
        ("user", given.user.as_ref()),
    ];
    for (name, value) in options {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // These names are known.
            let _ = parameters.set(name, value.clone());
        }
    }
    let mut named = Parameters::default();
    for name in ["service", "servicefile"] {
        if let Some(value) = parameters.get(name) {
            let _ = named.set(name, value.to_owned());
        }
    }
    named.complete_from_variables(|name| {
        name.starts_with("PGSERVICE")
            .then(|| environment.variable(name))
            .flatten()
    });
    parameters.complete(service::look_up(&named, environment)?);
    parameters.complete_from_variables(|name| environment.variable(name));
    if parameters.get("sslmode").is_none()
        && environment
            .variable("PGREQUIRESSL")
            .is_some_and(|value| value.starts_with('1'))
    {
        let _ = parameters.set("sslmode", "require".to_owned());
    }
    Ok(parameters)
}

/// What would change the meaning of the connection if it were just ignored is an error; what only
/// another way of authentication would use is not.
fn refuse_unsupported(parameters: &Parameters) -> Result<()> {
    let refused = |name: &str, why: &str| {
        Err(Error::usage(format!(
            "could not use {name}: walcat does not support {why}"
        )))
    };
    if parameters.filled("gssencmode") == Some("require") {
        return refused("gssencmode=require", "GSSAPI encryption");
    }
    for (name, why) in [
        ("requirepeer", "checking the server's user"),
        ("require_auth", "restricting how the server authenticates"),
        ("scram_client_key", "SCRAM keys in place of a password"),
        ("scram_server_key", "SCRAM keys in place of a password"),
        (
            "sslcrldir",
            "directories of revocation lists, only a file (sslcrl)",
        ),
        ("sslkeylogfile", "logging TLS keys"),
    ] {
        if parameters.filled(name).is_some() {
            return refused(name, why);
        }
    }
    if parameters.filled("sslcertmode") == Some("require") {
        return refused(
            "sslcertmode=require",
            "demanding that the server asks for a certificate",
        );
    }
    match parameters.filled("min_protocol_version") {
        None | Some("3.0") => Ok(()),
        Some(_) => refused("min_protocol_version", "protocol versions other than 3.0"),
    }
}

/// Splits `host`, `hostaddr` and `port` at their commas and puts together what belongs together.
fn hosts(parameters: &Parameters, environment: &Environment) -> Result<Vec<Host>> {
    let list = |name| {
        parameters
            .filled(name)
            .map(|list| list.split(',').collect::<Vec<_>>())
    };
    let (names, addresses, ports) = (
        list("host"),
        list("hostaddr"),
        list("port").unwrap_or_default(),
    );
    let count = addresses.as_ref().or(names.as_ref()).map_or(1, Vec::len);
    let mismatch = |what: &str, has: usize| {
        Err(Error::usage(format!(
            "could not use the connection parameters: {has} {what} do not fit {count} hosts"
        )))
    };
    let names = names.unwrap_or_default();
    if !names.is_empty() && names.len() != count {
        return mismatch("host names", names.len());
    }
    if ports.len() > 1 && ports.len() != count {
        return mismatch("ports", ports.len());
    }
    let addresses = addresses.unwrap_or_default();
    let piece = |list: &[&str], at: usize| {
        list.get(at)
            .map(|piece| piece.trim().to_owned())
            .unwrap_or_default()
    };
    (0..count)
        .map(|at| {
            let port = piece(&ports, if ports.len() == 1 { 0 } else { at });
            Ok(Host {
                address: address(piece(&names, at), &piece(&addresses, at), environment)?,
                port: parse_port(&port)?,
                password: None,
            })
        })
        .collect()
}

fn address(name: String, hostaddr: &str, environment: &Environment) -> Result<Address> {
    if !hostaddr.is_empty() {
        let parsed: IpAddr = hostaddr.parse().map_err(|_| {
            Error::usage(format!(
                "could not use hostaddr: \"{hostaddr}\" is not a network address"
            ))
        })?;
        let name = if name.is_empty() {
            hostaddr.to_owned()
        } else {
            name
        };
        return Ok(Address::Tcp {
            name,
            hostaddr: Some(parsed),
        });
    }
    match name.chars().next() {
        None => Ok(Address::Unix(environment.socket_directory.clone())),
        Some('/') => Ok(Address::Unix(PathBuf::from(name))),
        Some('@') => Err(Error::usage(format!(
            "could not use host \"{name}\": walcat does not support abstract sockets"
        ))),
        Some(_) => Ok(Address::Tcp {
            name,
            hostaddr: None,
        }),
    }
}

fn parse_port(text: &str) -> Result<u16> {
    match text.parse() {
        _ if text.is_empty() => Ok(DEFAULT_PORT),
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Error::usage(format!(
            "could not use port: invalid port number \"{text}\""
        ))),
    }
}

/// Looks each host up in the password file.
fn add_passwords(
    hosts: &mut [Host],
    dbname: &str,
    user: &str,
    parameters: &Parameters,
    environment: &Environment,
) {
    let path = match parameters.filled("passfile") {
        Some(path) => Some(PathBuf::from(path)),
        None => environment.in_home(".pgpass"),
    };
    let Some(path) = path else { return };
    let file = PasswordFile::read(&path);
    for host in hosts {
        let name = match &host.address {
            Address::Unix(directory) if *directory == environment.socket_directory => {
                "localhost".into()
            }
            Address::Unix(directory) => directory.to_string_lossy(),
            Address::Tcp { name, .. } => name.into(),
        };
        host.password = file.password(&name, host.port, dbname, user);
    }
}

/// A number of seconds; zero and less stand for the default.
fn seconds(parameters: &Parameters, name: &str) -> Result<Option<Duration>> {
    let positive = number(parameters, name)?
        .and_then(|number| u64::try_from(number).ok())
        .filter(|number| *number > 0);
    Ok(positive.map(Duration::from_secs))
}

fn keepalives(parameters: &Parameters) -> Result<Keepalives> {
    let positive = |name| {
        Ok::<_, Error>(
            number(parameters, name)?
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n > 0),
        )
    };
    Ok(Keepalives {
        enabled: number(parameters, "keepalives")? != Some(0),
        idle: seconds(parameters, "keepalives_idle")?,
        interval: seconds(parameters, "keepalives_interval")?,
        count: positive("keepalives_count")?,
        tcp_user_timeout: positive("tcp_user_timeout")?.map(|ms| Duration::from_millis(ms.into())),
    })
}

fn target_session_attrs(parameters: &Parameters) -> Result<TargetSessionAttrs> {
    choose(
        parameters,
        "target_session_attrs",
        TargetSessionAttrs::Any,
        &[
            ("any", TargetSessionAttrs::Any),
            ("read-write", TargetSessionAttrs::ReadWrite),
            ("read-only", TargetSessionAttrs::ReadOnly),
            ("primary", TargetSessionAttrs::Primary),
            ("standby", TargetSessionAttrs::Standby),
            ("prefer-standby", TargetSessionAttrs::PreferStandby),
        ],
    )
}

const CHANNEL_BINDINGS: &[(&str, ChannelBinding)] = &[
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

const SSL_MODES: &[(&str, SslMode)] = &[
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

fn tls(parameters: &Parameters, environment: &Environment) -> Result<TlsSettings> {
    let system = parameters.filled("sslrootcert") == Some("system");
    let default_mode = if system {
        SslMode::VerifyFull
    } else {
        SslMode::Prefer
    };
    let mode = choose(parameters, "sslmode", default_mode, SSL_MODES)?;
    let direct = choose(
        parameters,
        "sslnegotiation",
        false,
        &[("postgres", false), ("direct", true)],
    )?;
    if system && mode != SslMode::VerifyFull {
        return Err(Error::usage(
            "could not use sslrootcert=system: the sslmode is weaker than verify-full",
        )
        .with_remedy("sslmode=verify-full"));
    }
    if direct && mode < SslMode::Require {
        return Err(Error::usage(
            "could not use sslnegotiation=direct: the sslmode is weaker than require",
        )
        .with_remedy("sslmode=require"));
    }
    let file = |name, default: &str| match parameters.filled(name) {
        Some(path) => Some(PathBuf::from(path)),
        None => environment.in_home(default),
    };
    let present = |path: Option<PathBuf>| path.filter(|path| path.exists());
    let roots = match file("sslrootcert", ".postgresql/root.crt") {
        _ if system => Roots::System,
        // A file that is not there matters only to the modes that verify; they say so when they
        // miss it.
        Some(path) if path.exists() || mode >= SslMode::VerifyCa => Roots::File(path),
        _ => Roots::None,
    };
    let send = choose(
        parameters,
        "sslcertmode",
        true,
        &[("disable", false), ("allow", true)],
    )?;
    let certificate = present(file("sslcert", ".postgresql/postgresql.crt")).filter(|_| send);
    let key = file("sslkey", ".postgresql/postgresql.key")
        .unwrap_or_else(|| Path::new("postgresql.key").to_owned());
    Ok(TlsSettings {
        mode,
        direct,
        roots,
        client: certificate.map(|certificate| (certificate, key)),
        revoked: present(file("sslcrl", ".postgresql/root.crl")),
        sni: parameters.filled("sslsni") != Some("0"),
        versions: versions(parameters)?,
    })
}

/// TLS 1.0 and 1.1, which the server may still speak, are never used.
fn versions(parameters: &Parameters) -> Result<TlsVersions> {
    let names = &[
        ("TLSv1", 10),
        ("TLSv1.1", 11),
        ("TLSv1.2", 12),
        ("TLSv1.3", 13),
    ];
    let lowest = choose(parameters, "ssl_min_protocol_version", 12, names)?;
    let highest = choose(parameters, "ssl_max_protocol_version", 13, names)?;
    if highest < 12 || lowest > highest {
        return Err(Error::usage(
            "could not use ssl_max_protocol_version: it leaves neither TLS 1.2 nor TLS 1.3",
        ));
    }
    Ok(TlsVersions {
        tls12: lowest <= 12,
        tls13: highest >= 13,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn given(dbname: &str) -> Arguments {
        Arguments {
            dbname: Some(dbname.to_owned()),
            ..Arguments::default()
        }
    }

    fn resolve(dbname: &str) -> Settings {
        Settings::resolve_in(&given(dbname), &Environment::of(&[]))
            .unwrap_or_else(|error| panic!("{dbname}: {error}"))
    }

    #[track_caller]
    fn refused(dbname: &str, reason: &str) {
        match Settings::resolve_in(&given(dbname), &Environment::of(&[])) {
            Ok(_) => panic!("{dbname} is accepted"),
            Err(error) => assert!(
                error.report().contains(reason),
                "{dbname}: {}",
                error.report()
            ),
        }
    }

    fn tcp(name: &str, hostaddr: Option<&str>, port: u16) -> Host {
        let hostaddr = hostaddr.map(|text| text.parse().unwrap());
        Host {
            address: Address::Tcp {
                name: name.to_owned(),
                hostaddr,
            },
            port,
            password: None,
        }
    }

    #[test]
    fn defaults_are_those_of_libpq() {
        let settings = Settings::resolve_in(&Arguments::default(), &Environment::of(&[])).unwrap();
        assert_eq!(
            (settings.user.as_str(), settings.dbname.as_str()),
            ("ada", "ada")
        );
        assert_eq!(
            settings.hosts,
            [Host {
                address: Address::Unix("/run/sockets".into()),
                port: 5432,
                password: None
            }]
        );
        assert_eq!(
            (settings.tls.mode, &settings.tls.roots, settings.tls.direct),
            (SslMode::Prefer, &Roots::None, false)
        );
        assert_eq!(settings.application_name, "walcat");
        assert_eq!(settings.connect_timeout, None);
        assert!(settings.keepalives.enabled && settings.tls.sni && settings.tls.client.is_none());
        assert_eq!(resolve("user=bob").dbname, "bob");
        assert_eq!(resolve("shop").dbname, "shop");
    }

    #[test]
    fn options_win_over_conninfo_that_over_service_that_over_environment() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("services");
        fs::write(
            &file,
            "[s]\nhost=service\nport=2\nuser=service\napplication_name=service\n",
        )
        .unwrap();
        let environment = Environment::of(&[
            ("PGSERVICE", "s"),
            ("PGSERVICEFILE", file.to_str().unwrap()),
            ("PGHOST", "environment"),
            ("PGPORT", "1"),
            ("PGUSER", "environment"),
            ("PGDATABASE", "environment"),
            ("PGAPPNAME", "environment"),
            ("PGOPTIONS", "-c geqo=off"),
        ]);
        let given = Arguments {
            user: Some("option".into()),
            host: Some(String::new()),
            ..given("port=3 user=conninfo")
        };
        let settings = Settings::resolve_in(&given, &environment).unwrap();
        assert_eq!(settings.user, "option");
        assert_eq!(settings.hosts, [tcp("service", None, 3)]);
        assert_eq!(settings.application_name, "service");
        assert_eq!(settings.dbname, "environment");
        assert_eq!(settings.options.as_deref(), Some("-c geqo=off"));
    }

    #[test]
    fn hosts_addresses_and_ports_go_together() {
        assert_eq!(
            resolve("host=a,b port=1,2").hosts,
            [tcp("a", None, 1), tcp("b", None, 2)]
        );
        assert_eq!(
            resolve("host=a,b port=7").hosts,
            [tcp("a", None, 7), tcp("b", None, 7)]
        );
        assert_eq!(
            resolve("postgresql://a,b:2").hosts,
            [tcp("a", None, 5432), tcp("b", None, 2)]
        );
        assert_eq!(
            resolve("host=a,b hostaddr=10.0.0.1,").hosts,
            [tcp("a", Some("10.0.0.1"), 5432), tcp("b", None, 5432)]
        );
        assert_eq!(
            resolve("hostaddr=::1 port=9").hosts,
            [tcp("::1", Some("::1"), 9)]
        );
        let hosts = resolve("host=/tmp,,x").hosts;
        assert_eq!(hosts[0].address, Address::Unix("/tmp".into()));
        assert_eq!(hosts[1].address, Address::Unix("/run/sockets".into()));
        assert_eq!(hosts[2], tcp("x", None, 5432));
        refused("host=a,b port=1,2,3", "3 ports do not fit 2 hosts");
        refused("host=a,b hostaddr=::1", "2 host names do not fit 1 hosts");
        refused("hostaddr=nonsense", "\"nonsense\" is not a network address");
        for port in ["0", "65536", "-1", "x", "1.5"] {
            refused(&format!("host=h port={port}"), "invalid port number");
        }
    }

    #[test]
    fn tls_follows_the_rules_of_libpq() {
        assert_eq!(resolve("sslrootcert=system").tls.mode, SslMode::VerifyFull);
        assert_eq!(resolve("sslrootcert=system").tls.roots, Roots::System);
        refused(
            "sslrootcert=system sslmode=require",
            "weaker than verify-full",
        );
        refused("sslnegotiation=direct", "weaker than require");
        assert!(resolve("sslnegotiation=direct sslmode=require").tls.direct);
        refused(
            "sslmode=on",
            "disable, allow, prefer, require, verify-ca, verify-full",
        );
        assert_eq!(
            resolve("sslmode=require sslrootcert=/nonexistent")
                .tls
                .roots,
            Roots::None
        );
        assert_eq!(
            resolve("sslmode=verify-ca sslrootcert=/nonexistent")
                .tls
                .roots,
            Roots::File("/nonexistent".into())
        );
        assert_eq!(resolve("sslcert=/nonexistent").tls.client, None);
        assert_eq!(
            resolve("ssl_min_protocol_version=TLSv1.3").tls.versions,
            TlsVersions {
                tls12: false,
                tls13: true
            }
        );
        assert_eq!(
            resolve("ssl_max_protocol_version=TLSv1.2").tls.versions,
            TlsVersions {
                tls12: true,
                tls13: false
            }
        );
        refused(
            "ssl_max_protocol_version=TLSv1.1",
            "neither TLS 1.2 nor TLS 1.3",
        );
        let environment = Environment::of(&[("PGREQUIRESSL", "1")]);
        assert_eq!(
            Settings::resolve_in(&Arguments::default(), &environment)
                .unwrap()
                .tls
                .mode,
            SslMode::Require
        );
    }

    #[test]
    fn certificates_in_the_home_directory_are_found() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join(".postgresql");
        fs::create_dir(&directory).unwrap();
        for name in ["root.crt", "root.crl", "postgresql.crt"] {
            fs::write(directory.join(name), "").unwrap();
        }
        let mut environment = Environment::of(&[]);
        environment.home = Some(home.path().to_owned());
        let tls = Settings::resolve_in(&Arguments::default(), &environment)
            .unwrap()
            .tls;
        assert_eq!(tls.roots, Roots::File(directory.join("root.crt")));
        assert_eq!(tls.revoked, Some(directory.join("root.crl")));
        assert_eq!(
            tls.client,
            Some((
                directory.join("postgresql.crt"),
                directory.join("postgresql.key")
            ))
        );
        let tls = Settings::resolve_in(&given("sslcertmode=disable sslkey=/k"), &environment)
            .unwrap()
            .tls;
        assert_eq!(tls.client, None);
    }

    #[test]
    fn passwords_come_from_the_file_for_each_host() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(".pgpass");
        fs::write(
            &file,
            "localhost:5432:*:*:local\n/other:*:d:u:other\nb:*:*:*:of b\n",
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut environment = Environment::of(&[]);
        environment.home = Some(home.path().to_owned());
        let passwords = |text: &str| -> Vec<Option<String>> {
            let settings = Settings::resolve_in(&given(text), &environment).unwrap();
            settings
                .hosts
                .into_iter()
                .map(|host| host.password.map(|secret| secret.0))
                .collect()
        };
        assert_eq!(passwords("user=u"), [Some("local".to_owned())]);
        assert_eq!(passwords("host=/run/sockets"), [Some("local".to_owned())]);
        assert_eq!(
            passwords("host=/other,a,b user=u dbname=d"),
            [Some("other".to_owned()), None, Some("of b".to_owned())]
        );
        assert_eq!(passwords("host=b password=x"), [None]);

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        logged::messages();
        let settings = Settings::resolve_in(&Arguments::default(), &environment).unwrap();
        assert_eq!(settings.hosts[0].password, None);
        assert!(
            logged::warnings()
                .concat()
                .contains(".pgpass\" is ignored: it has group or world access")
        );
    }

    #[test]
    fn timeouts_and_keepalives_are_read() {
        let settings = resolve(
            "connect_timeout=5 keepalives=0 keepalives_idle=7 keepalives_interval=8 \
             keepalives_count=9 tcp_user_timeout=1500",
        );
        assert_eq!(settings.connect_timeout, Some(Duration::from_secs(5)));
        let expected = Keepalives {
            enabled: false,
            idle: Some(Duration::from_secs(7)),
            interval: Some(Duration::from_secs(8)),
            count: Some(9),
            tcp_user_timeout: Some(Duration::from_millis(1500)),
        };
        assert_eq!(settings.keepalives, expected);
        assert_eq!(resolve("connect_timeout=0").connect_timeout, None);
        assert_eq!(resolve("connect_timeout=-1").connect_timeout, None);
        refused("connect_timeout=5s", "invalid integer value \"5s\"");
    }

    #[test]
    fn what_walcat_cannot_do_is_refused_and_what_does_not_matter_is_not() {
        for text in [
            "gssencmode=require",
            "requirepeer=postgres",
            "require_auth=scram-sha-256",
            "scram_client_key=x",
            "sslcertmode=require",
            "min_protocol_version=3.2",
        ] {
            let name = text.split('=').next().unwrap();
            refused(text, name);
        }
        resolve(
            "gssencmode=prefer krbsrvname=x gsslib=gssapi sslcompression=1 sslpassword=x \
             client_encoding=LATIN1",
        );
        resolve("replication=database max_protocol_version=latest oauth_issuer=x requirepeer=''");
        refused("hots=x", "host=...");
    }

    #[test]
    fn no_debug_output_shows_a_password() {
        let settings = resolve("password=s3cret");
        assert!(!format!("{settings:?}").contains("s3cret"));
        let _ = settings.typed.set(Secret("s3cret".into()));
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
