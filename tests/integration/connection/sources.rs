//! Where settings come from: conninfo, options, environment, service file, password file.

use super::fixture::*;
use crate::support::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// `slot list` with nothing but these variables.
fn list(variables: &[(&str, &str)]) -> Command {
    let mut command = walcat(&["slot", "list"]);
    command.envs(variables.iter().copied());
    command
}

fn port() -> String {
    fixture().server.port().to_string()
}

/// A home directory with these files; a file is readable by its owner alone.
fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let path = directory.path().to_owned();
    (directory, path)
}

/// The password as a password file writes it.
fn escaped_password() -> String {
    PASSWORD.replace('\\', "\\\\").replace(':', "\\:")
}

#[test]
fn variables_are_enough() {
    let port = port();
    let variables = [
        ("PGHOST", "localhost"),
        ("PGPORT", &*port),
        ("PGUSER", "scram"),
        ("PGPASSWORD", PASSWORD),
        ("PGDATABASE", "postgres"),
        ("PGSSLMODE", "verify-full"),
        (
            "PGSSLROOTCERT",
            fixture().file("root.crt").to_str().unwrap(),
        ),
        ("PGCHANNELBINDING", "require"),
        ("PGAPPNAME", "by variable"),
        ("PGCONNECT_TIMEOUT", "20"),
        ("PGTARGETSESSIONATTRS", "read-write"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    run(walcat(&["slot", "list"]).envs(variables)).succeeded();
}

#[test]
fn options_win_over_the_uri_and_that_over_variables() {
    let uri = format!(
        "postgresql://nobody:wrong@localhost:1/postgres?password={}",
        "pass%20word%27%5C%3As3cret"
    );
    let mut command = walcat(&["-d", &uri, "-U", "scram", "-p", &port(), "slot", "list"]);
    run(command
        .env("PGHOST", "/nonexistent")
        .env("PGUSER", "unknown")
        .env("PGDATABASE", "unknown"))
    .succeeded();
}

#[test]
fn services_are_looked_up() {
    let port = port();
    let service = format!(
        "[other]\nport=1\n[shop]\nhost=localhost\nport={port}\nuser=trusted\ndbname=postgres\n"
    );
    let (_guard, home) = home(&[(".pg_service.conf", &service), ("elsewhere", &service)]);
    run(list(&[("PGSERVICE", "shop"), ("PGUSER", "nobody")]).env("HOME", &home)).succeeded();
    run(list(&[("PGSERVICE", "shop")]).env("PGSERVICEFILE", home.join("elsewhere"))).succeeded();
    run(walcat(&["-d", "service=shop", "slot", "list"]).env("HOME", &home)).succeeded();
    let run = run(list(&[("PGSERVICE", "nowhere")]).env("HOME", &home));
    assert!(
        run.exited(2).stderr.contains("service \"nowhere\""),
        "{}",
        run.stderr
    );
}

#[test]
fn the_password_file_is_used_unless_others_can_read_it() {
    let port = port();
    let line = format!(
        "# passwords\nlocalhost:{port}:*:clear:wrong\nlocalhost:{port}:postgres:scram:{}\n",
        escaped_password()
    );
    let (_guard, home) = home(&[(".pgpass", &line), ("elsewhere", &line)]);
    let variables = [
        ("PGHOST", "localhost"),
        ("PGPORT", &*port),
        ("PGUSER", "scram"),
        ("PGDATABASE", "postgres"),
    ];
    let command = || list(&variables);
    let quiet = run(command().env("HOME", &home));
    assert_eq!(quiet.succeeded().stderr, "");
    run(command().env("PGPASSFILE", home.join("elsewhere"))).succeeded();
    let wrong = run(command().env("HOME", &home).env("PGUSER", "clear"));
    assert!(
        wrong
            .exited(1)
            .stderr
            .contains("password authentication failed"),
        "{}",
        wrong.stderr
    );
    assert!(
        wrong
            .stderr
            .contains("DETAIL:  The password comes from the password file."),
        "{}",
        wrong.stderr
    );
    let wrong = run(command()
        .env("HOME", &home)
        .env("PGUSER", "clear")
        .env("PGPASSWORD", "wrong"));
    assert!(
        wrong
            .exited(1)
            .stderr
            .contains("DETAIL:  The password comes from PGPASSWORD."),
        "{}",
        wrong.stderr
    );
    let wrong = run(walcat(&["-d", "password=wrong", "slot", "list"])
        .envs(variables)
        .env("PGUSER", "clear"));
    let said = "DETAIL:  The password comes from the connection string or the service file.";
    assert!(wrong.exited(1).stderr.contains(said), "{}", wrong.stderr);

    fs::set_permissions(home.join(".pgpass"), fs::Permissions::from_mode(0o644)).unwrap();
    let ignored = run(command().env("HOME", &home));
    assert!(
        ignored
            .exited(1)
            .stderr
            .contains("has group or world access; permissions should be u=rw (0600) or less")
    );
    assert!(
        ignored.stderr.contains("asks for a password"),
        "{}",
        ignored.stderr
    );
    let silent = run(command().env("HOME", &home).arg("-q"));
    assert!(
        !silent.exited(1).stderr.contains("world access"),
        "{}",
        silent.stderr
    );
}

#[test]
fn the_password_file_knows_the_local_socket_by_its_directory() {
    let directory = fixture().server.socket_directory();
    let line = format!("{}:*:*:scram:{}\n", directory.display(), escaped_password());
    let (_guard, home) = home(&[(".pgpass", &line)]);
    let mut command = list(&[
        ("PGUSER", "scram"),
        ("PGDATABASE", "postgres"),
        ("PGPORT", &port()),
    ]);
    run(command.env("HOME", &home).env("PGHOST", directory)).succeeded();
}

#[test]
fn certificates_in_the_home_directory_are_used() {
    let (_guard, home) = home(&[]);
    let directory = home.join(".postgresql");
    fs::create_dir(&directory).unwrap();
    for (from, to) in [
        ("client.crt", "postgresql.crt"),
        ("client.key", "postgresql.key"),
        ("root.crt", "root.crt"),
    ] {
        fs::copy(fixture().file(from), directory.join(to)).unwrap();
    }
    let conninfo = fixture().conninfo("cert", "sslmode=verify-full");
    run(walcat(&["-d", &conninfo, "slot", "list"]).env("HOME", &home)).succeeded();
    fs::copy(fixture().file("theirs.crt"), directory.join("root.crt")).unwrap();
    let run = run(walcat(&[
        "-d",
        &fixture().conninfo("cert", "sslmode=require"),
        "slot",
        "list",
    ])
    .env("HOME", &home));
    assert!(
        run.exited(1).stderr.contains("certificate verify failed"),
        "{}",
        run.stderr
    );
}

#[test]
fn wrong_strings_end_with_usage_errors_that_show_no_password() {
    for (conninfo, words) in [
        ("hots=x", "try: host=..."),
        ("host=a port=b", "invalid port number"),
        ("sslmode=on", "verify-full"),
        ("password=s3cret and more=1", "password"),
        ("password='s3cret", "unterminated quoted string"),
        ("postgresql://u:s3cret/x@h/d", "percent-encoded"),
        ("gssencmode=require", "GSSAPI"),
    ] {
        let run = run(&mut walcat(&["-d", conninfo, "slot", "list"]));
        assert!(
            run.exited(2).stderr.contains(words),
            "{conninfo}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains("s3cret"), "{conninfo}: {}", run.stderr);
    }
}

#[test]
fn sessions_are_pinned_whatever_the_role_the_database_and_pgoptions_set() {
    let db = Database::create("sessions_are_pinned_whatever_the_role_the_database_and_pgop");
    db.sql("CREATE ROLE pinned LOGIN REPLICATION");
    db.sql(
        "ALTER ROLE pinned SET datestyle = 'SQL, DMY'; ALTER ROLE pinned SET search_path = \
            'pg_catalog'",
    );
    db.sql(&format!(
        "ALTER DATABASE \"{}\" SET intervalstyle = 'iso_8601'",
        db.name()
    ));
    let options =
        "-c bytea_output=escape -c extra_float_digits=0 -c timezone=Asia/Tokyo -c geqo=off";
    let conninfo = format!(
        "host={} port={} user=pinned dbname={} options='{options}'",
        db.server().socket_directory().display(),
        db.server().port(),
        db.name()
    );
    let mut session = walcat::connect::sql(&resolve(&conninfo)).unwrap();
    for (setting, expected) in [
        ("datestyle", "ISO, MDY"),
        ("intervalstyle", "postgres"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
        ("quote_all_identifiers", "off"),
        ("search_path", "\"\""),
        ("timezone", "UTC"),
        ("client_encoding", "UTF8"),
        ("geqo", "off"),
        ("application_name", "walcat"),
    ] {
        let value: String = session
            .query_one("SELECT current_setting($1)", &[&setting])
            .unwrap()
            .get(0);
        assert_eq!(value, expected, "{setting}");
    }
}
