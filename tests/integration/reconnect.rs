//! Lost connections: what can heal is tried again, and the same stdout shows neither gap nor
//! repeat; what cannot ends at once.

use crate::support::*;
use rustix::process::Signal;
use std::io::{BufRead, Read, Write};
use std::net::TcpListener;
use std::process::Command;

/// A server of its own, so that it can be stopped: with a table, a publication and a slot.
fn server_with(settings: &[(&str, &str)]) -> Server {
    Server::start(Options {
        settings,
        ..Options::default()
    })
}

fn through(proxy: &Proxy, mut command: Command) -> Command {
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", proxy.port().to_string());
    command
}

fn insert(db: &Database<'_>, id: u64) {
    db.sql(&format!("INSERT INTO t VALUES ({id})"));
}

/// The next row must be this one: no other was left out or came twice.
fn expect(running: &mut Running, id: u64) {
    assert_eq!(running.json()["after"]["id"], id, "{}", running.stderr());
}

fn losses(running: &Running) -> usize {
    running.stderr().matches("trying again in").count()
}

fn end_walsender(db: &Database<'_>) {
    db.sql(&format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
}

fn wait_until_active(db: &Database<'_>) {
    db.wait_for(&format!(
        "SELECT active FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
}

#[test]
fn lost_connections_leave_neither_gap_nor_repeat() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "lost");
    let proxy = Proxy::to(server.port());
    let mut running = spawn(&mut through(&proxy, db.stream(&[])));
    let mut id = 0;
    for how in [
        "session ended",
        "connection cut",
        "fast restart",
        "immediate restart",
        "killed",
    ] {
        id += 1;
        insert(&db, id);
        expect(&mut running, id);
        let before = losses(&running);
        match how {
            "session ended" => end_walsender(&db),
            "connection cut" => proxy.cut(),
            "fast restart" => server.stop(Stop::Fast),
            "immediate restart" => server.stop(Stop::Immediate),
            _ => server.kill(),
        }
        wait_until("the loss to be noticed", || {
            (losses(&running) > before).then_some(())
        });
        if how.contains("restart") || how == "killed" {
            server.resume();
            db.reconnect();
        }
        id += 1;
        insert(&db, id);
        expect(&mut running, id);
    }
    let finished = running.interrupt();
    let ids: Vec<_> = finished
        .succeeded()
        .json()
        .iter()
        .map(|event| event["after"]["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (1..=id).collect::<Vec<u64>>());
}

#[test]
fn a_stop_during_an_outage_does_not_cut_the_last_line() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "stopped");
    db.sql("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 900) i");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = db.stream(&[]);
    let mut child = command
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It holds the other end too.
    drop(command);
    let end = db.wal_position();
    db.wait_for(&format!(
        "SELECT bool_or(sent_lsn >= '{end}') FROM pg_stat_replication"
    ));
    server.stop(Stop::Immediate);
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("trying again") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the program ended");
    }
    // Much more than a pipe takes waits for the reader.
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(
        text.ends_with("\"}}\n") && text.len() > 100_000,
        "{} bytes, {:?}",
        text.len(),
        text.lines().last()
    );
}

#[test]
fn a_transaction_that_was_cut_short_goes_on_where_it_was() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "cut");
    let proxy = Proxy::to(server.port());
    db.sql("INSERT INTO t VALUES (0); DELETE FROM t");
    db.sql("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 200000) i");
    db.sql("TRUNCATE t");
    for format in ["json", "raw"] {
        let command = || db.stream(&["--format", format, "--peek", "--until-now"]);
        let mut running = spawn(&mut through(&proxy, command()));
        running.bytes();
        for round in 1..=3 {
            proxy.cut();
            wait_until("the loss to be noticed", || {
                (losses(&running) == round).then_some(())
            });
            wait_until("the next connection", || {
                (running.stderr().matches("streaming again").count() == round).then_some(())
            });
        }
        let (broken, whole) = (running.wait(), run(&mut command()));
        broken.succeeded();
        whole.succeeded();
        if format == "json" {
            assert!(broken.stdout == whole.stdout, "a gap or a repeat");
        } else {
            // A new connection announces the table once more: the bytes differ, and mean the same.
            assert!(
                decoded(&db, &broken.stdout) == decoded(&db, &whole.stdout),
                "a gap or a repeat"
            );
        }
    }
}

fn decoded(db: &Database<'_>, capture: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(capture).unwrap();
    let decoded = run(db.walcat(&["decode"]).arg(file.path()));
    decoded.succeeded();
    decoded.stdout
}

#[test]
fn a_connection_that_is_dead_but_open_is_noticed() {
    let server = server_with(&[("wal_sender_timeout", "2s")]);
    let db = Database::shop_on(&server, "dead");
    let proxy = Proxy::to(server.port());
    let mut running = spawn(&mut through(&proxy, db.stream(&[])));
    insert(&db, 1);
    expect(&mut running, 1);
    proxy.swallow();
    insert(&db, 2);
    expect(&mut running, 2);
    assert!(
        running.stderr().contains("no sign of life from the server"),
        "{}",
        running.stderr()
    );
    // Stopped for so long that the server gives us up; what it had sent arrives late, and comes
    // again.
    proxy.stall();
    insert(&db, 3);
    let noticed = "SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'dead'";
    db.wait_for(noticed);
    proxy.pass();
    expect(&mut running, 3);
    insert(&db, 4);
    expect(&mut running, 4);
    running.interrupt().succeeded();
}

#[test]
fn types_are_asked_for_when_the_server_is_back() {
    for plugin in plugins() {
        let db = Database::shop_on(
            server(),
            &format!("types_are_asked_for_when_the_server_is_back_{plugin}"),
        );
        db.sql(&format!("SELECT pg_drop_replication_slot('{}')", db.name()));
        db.create_slot(plugin);
        db.sql(
            "CREATE TYPE mood AS ENUM ('calm', 'merry'); CREATE TABLE m (id int PRIMARY KEY, v \
             mood[]);
                ALTER PUBLICATION p ADD TABLE m",
        );
        let proxy = Proxy::to(db.server().port());
        let publication: &[&str] = if *plugin == "pgoutput" {
            &["--publication", "p"]
        } else {
            &[]
        };
        let stream = ["stream", "-S", db.name(), "--include", "transactions"];
        let mut running = spawn(&mut through(
            &proxy,
            db.walcat(&[&stream, publication].concat()),
        ));
        insert(&db, 1);
        assert_eq!(
            (0..3)
                .map(|_| running.json()["op"].to_string())
                .collect::<String>(),
            r#""begin""insert""commit""#
        );
        proxy.redirect(1);
        db.sql("INSERT INTO m VALUES (2, '{calm,merry}')");
        running.wait_for_stderr("trying again");
        proxy.redirect(db.server().port());
        assert_eq!(running.json()["op"], "begin");
        assert_eq!(
            running.json()["after"]["v"],
            serde_json::json!(["calm", "merry"]),
            "{plugin}"
        );
        assert_eq!(running.json()["op"], "commit");
        running.interrupt().succeeded();
    }
}

#[test]
fn a_slot_that_another_took_meanwhile_is_waited_for() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "taken");
    let proxy = Proxy::to(server.port());
    let mut running = spawn(&mut through(&proxy, db.stream(&[])));
    insert(&db, 1);
    expect(&mut running, 1);
    // Kept away until the other has the slot.
    proxy.redirect(1);
    proxy.cut();
    running.wait_for_stderr("trying again");
    let mut other = spawn(&mut db.stream(&["--peek"]));
    other.line();
    proxy.redirect(server.port());
    running.wait_for_stderr("is active for PID");
    other.interrupt().succeeded();
    insert(&db, 2);
    expect(&mut running, 2);
    running.interrupt().succeeded();
}

#[test]
fn a_server_in_recovery_is_waited_for() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "recovery");
    let mut running = spawn(&mut db.stream(&[]));
    insert(&db, 1);
    expect(&mut running, 1);
    // Recovers from an archive that takes its time.
    let arrived = server.home().join("arrived");
    let fetch = format!(
        "while [ ! -e {} ]; do sleep 0.05; done; false",
        arrived.display()
    );
    db.sql(&format!("ALTER SYSTEM SET restore_command = '{fetch}'"));
    server.stop(Stop::Fast);
    server.write_file("recovery.signal", b"");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| server.resume());
        running.wait_for_stderr("SQLSTATE 57P03");
        std::fs::write(&arrived, b"").unwrap();
        starting.join().unwrap();
    });
    db.reconnect();
    db.wait_for("SELECT NOT pg_is_in_recovery()");
    insert(&db, 2);
    expect(&mut running, 2);
    running.interrupt().succeeded();
}

#[test]
fn what_cannot_heal_ends_at_once() {
    let server = server_with(&[]);
    for (name, damage, reason) in [
        (
            "no_slot",
            "SELECT pg_drop_replication_slot('no_slot')",
            "there is no replication slot \"no_slot\"",
        ),
        ("no_publication", "DROP PUBLICATION p", "publication \"p\""),
        (
            "no_login",
            "ALTER ROLE streamer NOLOGIN",
            "not permitted to log in",
        ),
        (
            "no_replication",
            "ALTER ROLE streamer NOREPLICATION",
            "SQLSTATE 42501",
        ),
    ] {
        let db = Database::shop_on(&server, name);
        db.sql("DROP ROLE IF EXISTS streamer; CREATE ROLE streamer LOGIN REPLICATION");
        let proxy = Proxy::to(server.port());
        let mut running = spawn(through(&proxy, db.stream(&[])).env("PGUSER", "streamer"));
        insert(&db, 1);
        expect(&mut running, 1);
        // Kept away until the damage is done.
        proxy.redirect(1);
        proxy.cut();
        running.wait_for_stderr("trying again");
        db.wait_for(&format!(
            "SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{name}'"
        ));
        db.sql(damage);
        let losses_before = losses(&running);
        proxy.redirect(server.port());
        let finished = running.wait();
        finished.exited(1);
        assert!(
            finished.stderr.contains(reason),
            "{name}: {}",
            finished.stderr
        );
        // One more may have been under way.
        let losses = finished.stderr.matches("trying again").count();
        assert!(losses <= losses_before + 1, "{name}: {}", finished.stderr);
    }
}

#[test]
fn a_publication_that_is_dropped_meanwhile_ends_the_stream() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "dropped");
    let mut running = spawn(&mut db.stream(&[]));
    insert(&db, 1);
    expect(&mut running, 1);
    db.sql("DROP PUBLICATION p");
    insert(&db, 2);
    // From 18 on the server only warns: then the catalog is asked.
    let finished = running.wait();
    finished.exited(1);
    assert!(
        finished.stderr.contains("there is no publication \"p\""),
        "{}",
        finished.stderr
    );
    let again = run(&mut db.stream(&["--until-now"]));
    assert!(
        again
            .exited(1)
            .stderr
            .contains("there is no publication \"p\""),
        "{}",
        again.stderr
    );
}

#[test]
fn a_slot_that_is_lost_meanwhile_ends_the_stream() {
    let settings = [
        ("max_slot_wal_keep_size", "1MB"),
        ("max_wal_size", "32MB"),
        ("min_wal_size", "32MB"),
    ];
    let server = server_with(&settings);
    let db = Database::shop_on(&server, "lost");
    let proxy = Proxy::to(server.port());
    let mut running = spawn(&mut through(&proxy, db.stream(&[])));
    insert(&db, 1);
    expect(&mut running, 1);
    proxy.redirect(1);
    proxy.cut();
    running.wait_for_stderr("trying again");
    wait_until("the slot to be lost", || {
        db.sql("INSERT INTO t SELECT g, repeat('x', 900) FROM generate_series(2, 20000) g");
        db.sql("DELETE FROM t WHERE id > 1");
        db.value("SELECT pg_switch_wal()::text");
        db.sql("CHECKPOINT");
        let status =
            db.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'lost'");
        (status == "lost").then_some(())
    });
    proxy.redirect(server.port());
    let finished = running.wait();
    finished.exited(1);
    assert!(
        finished.stderr.contains("it is invalidated"),
        "{}",
        finished.stderr
    );
}

#[test]
fn who_wants_no_second_connection_gets_none() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "once");
    let mut running = spawn(&mut db.stream(&["-n"]));
    insert(&db, 1);
    expect(&mut running, 1);
    end_walsender(&db);
    let finished = running.wait();
    finished.exited(1);
    assert!(
        finished.stderr.contains("administrator command")
            && !finished.stderr.contains("trying again")
    );
}

#[test]
fn a_temporary_slot_goes_with_its_connection() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "temporary");
    let mut running = spawn(&mut db.walcat(&["stream", "--publication", "p"]));
    db.wait_for(
        "SELECT count(*) > 0 FROM pg_replication_slots WHERE temporary AND active AND \
         confirmed_flush_lsn IS NOT NULL",
    );
    insert(&db, 1);
    expect(&mut running, 1);
    db.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE temporary");
    let finished = running.wait();
    finished.exited(1);
    assert!(
        finished
            .stderr
            .contains("DETAIL:  The temporary slot went with the connection"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("try: --slot NAME --create-slot"),
        "{}",
        finished.stderr
    );
}

#[test]
fn another_server_in_its_place_is_refused() {
    let (server, other) = (server_with(&[]), server_with(&[]));
    let (db, stranger) = (
        Database::shop_on(&server, "place"),
        Database::shop_on(&other, "place"),
    );
    let proxy = Proxy::to(server.port());
    let mut running = spawn(&mut through(&proxy, db.stream(&[])));
    insert(&db, 1);
    expect(&mut running, 1);
    insert(&stranger, 2);
    proxy.redirect(other.port());
    proxy.cut();
    let finished = running.wait();
    finished.exited(1);
    assert!(
        finished
            .stderr
            .contains("another server has taken the place"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_standby_that_lacks_what_was_received_is_refused() {
    let primary = server_with(&[]);
    // A standby that never hears of anything: what is promoted is the past.
    let standby = primary.standby(&[("primary_conninfo", "")]);
    let db = Database::shop_on(&primary, "fork");
    let proxy = Proxy::to(primary.port());
    let mut running = spawn(&mut through(&proxy, db.stream(&[])));
    db.sql("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 50000) i");
    expect(&mut running, 1);
    (2..=50_000).for_each(|id| expect(&mut running, id));
    standby
        .client("postgres")
        .batch_execute("SELECT pg_promote()")
        .unwrap();
    let past = Database::shop_on(&standby, "fork");
    insert(&past, 1);
    proxy.redirect(standby.port());
    proxy.cut();
    let finished = running.wait();
    finished.exited(1);
    assert!(
        finished.stderr.contains("the server's WAL ends at"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_standby_that_has_outgrown_what_it_lacks_is_refused() {
    let primary = server_with(&[]);
    let standby = primary.standby(&[("primary_conninfo", "")]);
    let db = Database::shop_on(&primary, "outgrown");
    let proxy = Proxy::to(primary.port());
    let mut running = spawn(&mut through(&proxy, db.stream(&[])));
    insert(&db, 1);
    expect(&mut running, 1);
    let received = db.wal_position();
    primary.stop(Stop::Immediate);
    standby
        .client("postgres")
        .batch_execute("SELECT pg_promote()")
        .unwrap();
    let other = Database::shop_on(&standby, "outgrown");
    // Less of it than lies between would be a gap, as the server starts where the stream was.
    while other.value(&format!(
        "SELECT pg_current_wal_lsn() > '{received}'::pg_lsn + 100000"
    )) == "f"
    {
        other.sql(
            "INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 1000) i; \
                   DELETE FROM t",
        );
    }
    proxy.redirect(standby.port());
    proxy.cut();
    let finished = running.wait();
    finished.exited(1);
    assert!(
        finished
            .stderr
            .contains("is on timeline 2, and timeline 1 was left at 0/"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("a standby has taken its place"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_standby_that_has_everything_takes_over() {
    let primary = server_with(&[]);
    let db = Database::shop_on(&primary, "takeover");
    let standby = primary.standby(&[]);
    db.reconnect();
    let proxy = Proxy::to(primary.port());
    let mut running = spawn(&mut through(&proxy, db.stream(&[])));
    insert(&db, 1);
    expect(&mut running, 1);
    let mut client = standby.client("takeover");
    wait_until("the standby to follow", || {
        client.query_opt("SELECT FROM t", &[]).unwrap()
    });
    proxy.redirect(1);
    primary.stop(Stop::Fast);
    client.batch_execute("SELECT pg_promote()").unwrap();
    // As slots that are kept on a standby come from version 17 on: here that of the copy is of no
    // more use.
    client
        .batch_execute("SELECT pg_drop_replication_slot('takeover')")
        .unwrap();
    client
        .batch_execute("SELECT pg_create_logical_replication_slot('takeover', 'pgoutput')")
        .unwrap();
    client.batch_execute("INSERT INTO t VALUES (2)").unwrap();
    proxy.redirect(standby.port());
    expect(&mut running, 2);
    running.interrupt().succeeded();
}

#[test]
fn an_interrupt_ends_every_kind_of_waiting() {
    let server = server_with(&[]);
    let db = Database::shop_on(&server, "waiting");
    // Takes connections and says nothing.
    let deaf = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    for target in [deaf.local_addr().unwrap().port(), 1] {
        let proxy = Proxy::to(server.port());
        let mut running = spawn(&mut through(&proxy, db.stream(&["--peek"])));
        if db.value("SELECT count(*) FROM t") == "0" {
            insert(&db, 1);
        }
        expect(&mut running, 1);
        proxy.redirect(target);
        proxy.cut();
        running.wait_for_stderr("trying again");
        if target == 1 {
            wait_until("a second try", || (losses(&running) > 1).then_some(()));
        } else {
            deaf.accept().unwrap();
        }
        running.interrupt().succeeded();
        db.wait_for("SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'waiting'");
    }
}

#[test]
fn the_second_of_two_names_the_first() {
    let db = Database::shop_on(server(), "the_second_of_two_names_the_first");
    let first = spawn(&mut db.stream(&[]));
    wait_until_active(&db);
    let second = run(&mut db.stream(&[]));
    second.exited(1);
    let holder = "it is in use by PID";
    assert!(
        second.stderr.contains(holder) && second.stderr.contains("application \"walcat\""),
        "{}",
        second.stderr
    );
    first.interrupt().succeeded();
    // What was just let go of can be had at once.
    let mut third = spawn(&mut db.stream(&[]));
    insert(&db, 1);
    expect(&mut third, 1);
    third.signal(Signal::KILL);
    third.wait();
    run(&mut db.stream(&["--until-now"])).succeeded();
}
