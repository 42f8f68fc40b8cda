//! Servers that take only the output plugins of a list (`output_plugin_libraries`), and those that
//! take any.

use crate::support::*;

/// A server whose list, if it has one, holds pgoutput and a library with an odd name, and a slot
/// that was made before that.
fn prepared(server: &Server) -> (Database<'_>, bool) {
    let db = Database::create_on(server, "choosy");
    db.sql("CREATE ROLE plain LOGIN REPLICATION; CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("test_decoding");
    let has_list = db
        .maybe_value("SELECT current_setting('output_plugin_libraries', true)")
        .is_some();
    if has_list {
        db.sql("ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'odd, name'");
        db.sql("SELECT pg_reload_conf()");
        db.wait_for("SELECT current_setting('output_plugin_libraries') NOT LIKE '%test_decoding%'");
    }
    (db, has_list)
}

const MEND: &str = "ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'odd, name', \
                    'test_decoding'; SELECT pg_reload_conf()";

const AS_SUPERUSER: &str = "as a superuser: SHOW output_plugin_libraries, then \
    ALTER SYSTEM SET output_plugin_libraries = what it shows, 'test_decoding'; SELECT \
    pg_reload_conf()";

#[test]
fn a_refused_plugin_is_told_with_the_command_that_allows_it() {
    let server = Server::start(Options::default());
    let (db, has_list) = prepared(&server);
    let create = ["slot", "create", "other", "-P", "test_decoding"];
    let stream = ["stream", "-S", db.name(), "--format", "raw", "--until-now"];
    let temporary = [
        "stream",
        "-P",
        "test_decoding",
        "--format",
        "raw",
        "--until-now",
    ];
    if !has_list {
        for arguments in [&create[..], &stream, &temporary] {
            db.run(arguments).succeeded();
        }
        return;
    }
    for arguments in [&create[..], &stream, &temporary] {
        for (role, mend) in [("postgres", MEND), ("plain", AS_SUPERUSER)] {
            let run = db.run(&[&["-U", role], arguments].concat());
            assert!(
                run.exited(1).stderr.contains(
                    "library \"test_decoding\" may not be used as an output plugin (SQLSTATE \
                     42501)\n"
                ) && run
                    .stderr
                    .ends_with(&format!("\ntry: {mend}; or use pgoutput\n")),
                "{arguments:?}: {}",
                run.stderr
            );
        }
    }
    // What it says is what mends it.
    for statement in MEND.split("; ") {
        db.sql(statement);
    }
    db.wait_for("SELECT current_setting('output_plugin_libraries') LIKE '%, test_decoding'");
    for arguments in [&create[..], &stream, &temporary] {
        db.run(arguments).succeeded();
    }
}

#[test]
fn check_tells_whether_the_plugin_may_be_used() {
    let server = Server::start(Options::default());
    let (db, has_list) = prepared(&server);
    let line = |role: &str, arguments: &[&str]| {
        let run = db.run(&[&["-U", role, "check"], arguments].concat());
        let about_plugin = |line: &&str| {
            (line.contains("output_plugin") || line.contains("output plugin"))
                && !line.contains("cannot decode")
        };
        let lines: Vec<&str> = run.text().lines().filter(about_plugin).collect();
        assert_eq!(lines.len(), 1, "{}{}", run.text(), run.stderr);
        lines[0].to_owned()
    };
    if !has_list {
        for role in ["postgres", "plain"] {
            assert_eq!(
                line(role, &[]),
                "ok    output plugin pgoutput is part of the server, which takes any plugin that \
                 it has"
            );
        }
        return;
    }
    assert_eq!(
        line("postgres", &[]),
        "ok    output_plugin_libraries lists pgoutput"
    );
    assert_eq!(
        line("plain", &[]),
        "ok    output plugin pgoutput is part of the server"
    );
    assert_eq!(
        line("postgres", &["--slot", db.name()]),
        format!("fail  output_plugin_libraries does not list test_decoding; try: {MEND}")
    );
    assert_eq!(
        line("plain", &["--slot", db.name()]),
        "warn  output_plugin_libraries is not for this role to see, so it may lack test_decoding; \
         try: as a superuser: SHOW output_plugin_libraries"
    );
}
