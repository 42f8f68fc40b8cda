//! What a pipe, a signal or a closed descriptor does to `stream`.

use crate::support::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A database with a table, a publication and a slot named like it.
fn shop(name: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql("CREATE TABLE t (id int PRIMARY KEY, name text); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    db
}

/// Starts a shell that runs walcat on the left side of this pipe, and prints walcat's exit status
/// on its stderr.
fn left_of_pipe(db: &Database<'_>, right: &str) -> Running {
    let script = format!(r#"{{ "$@"; echo "status $?" >&2; }} | {right}"#);
    let walcat = db.stream(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, "sh"])
        .arg(walcat.get_program())
        .args(walcat.get_args())
        .env_clear();
    shell.envs(
        walcat
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    spawn(&mut shell)
}

/// Children are not to inherit that the tests may run under nohup: of the signals that are caught,
/// a child has the default again.
fn hear_hang_ups() {
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default()).unwrap();
}

#[test]
fn a_signal_ends_an_idle_stream_cleanly() {
    hear_hang_ups();
    for (name, signal) in [
        ("interrupt", Signal::INT),
        ("terminate", Signal::TERM),
        ("hang_up", Signal::HUP),
    ] {
        let db = shop(&format!("a_signal_ends_an_idle_stream_cleanly_{name}"));
        let mut running = spawn(&mut db.stream(&[]));
        db.sql("INSERT INTO t VALUES (1)");
        assert_eq!(running.json()["after"]["id"], 1);
        running.signal(signal);
        let finished = running.wait();
        assert_eq!(&*finished.succeeded().stderr, "", "{name}");
        let again = db.run(&[
            "stream",
            "--slot",
            db.name(),
            "--publication",
            "p",
            "--until-now",
        ]);
        assert_eq!(
            again.succeeded().text(),
            "",
            "{name}: what was confirmed comes again"
        );
    }
}

#[test]
fn nohup_outlives_the_terminal() {
    let db = shop("nohup_outlives_the_terminal");
    let walcat = db.stream(&[]);
    let mut nohup = Command::new("nohup");
    nohup
        .arg(walcat.get_program())
        .args(walcat.get_args())
        .env_clear();
    nohup.envs(
        walcat
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let mut running = spawn(&mut nohup);
    db.sql("INSERT INTO t VALUES (1)");
    assert_eq!(running.json()["after"]["id"], 1);
    running.signal(Signal::HUP);
    db.sql("INSERT INTO t VALUES (2)");
    assert_eq!(running.json()["after"]["id"], 2);
    running.interrupt().succeeded();
}

#[test]
fn a_hang_up_ends_the_pause_between_connections() {
    hear_hang_ups();
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "hang_up_in_pause");
    db.sql("CREATE TABLE t (id int PRIMARY KEY, name text); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    let running = spawn(&mut db.stream(&[]));
    db.wait_for("SELECT active FROM pg_replication_slots");
    server.stop(Stop::Immediate);
    // The pauses grow: by the fourth there is no other way to end within the first second of one.
    wait_until("a long pause", || {
        let tries = running.stderr().matches("trying again in").count();
        (tries >= 3).then_some(())
    });
    running.signal(Signal::HUP);
    running.wait().succeeded();
}

#[test]
fn a_hang_up_asks_for_a_new_file_from_the_first_moment_on() {
    hear_hang_ups();
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "hang_up_at_start");
    db.sql("CREATE TABLE t (id int PRIMARY KEY, name text); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    let silent = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&silent);
    let (pass, passed) = std::sync::mpsc::channel();
    let passed = std::sync::Mutex::new(passed);
    // The first connection is held up.
    let slow = Meddler::before(server.port(), move |heard| {
        if heard.tag == b'Z' && !told.swap(true, Ordering::SeqCst) {
            passed.lock().unwrap().recv().unwrap();
        }
        Act::Pass
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("changes");
    let mut command = db.stream(&["--file", file.to_str().unwrap()]);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", slow.port().to_string())
        .env("PGSSLMODE", "disable");
    let running = spawn(&mut command);
    wait_until("the first connection", || {
        silent.load(Ordering::SeqCst).then_some(())
    });
    running.signal(Signal::HUP);
    pass.send(()).unwrap();
    db.sql("INSERT INTO t VALUES (1)");
    wait_until("a line", || {
        let lines = std::fs::read_to_string(&file).unwrap_or_default();
        lines.contains("\"id\":1").then_some(())
    });
    running.interrupt().succeeded();
}

#[test]
fn a_hang_up_ends_what_the_shell_sends_to_a_file() {
    hear_hang_ups();
    let db = shop("a_hang_up_ends_what_the_shell_sends_to_a_file");
    let file = tempfile::NamedTempFile::new().unwrap();
    db.sql("INSERT INTO t VALUES (1)");
    let mut child = db
        .stream(&[])
        .stdout(file.reopen().unwrap())
        .spawn()
        .unwrap();
    wait_until("a line", || {
        (!std::fs::read(file.path()).unwrap().is_empty()).then_some(())
    });
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::HUP).unwrap();
    let status = wait_until("the end of the program", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let db = shop("a_reader_that_leaves_is_no_failure");
    let mut running = left_of_pipe(&db, "{ head -n 1; exec <&-; echo left >&2; }");
    db.sql("INSERT INTO t VALUES (1)");
    assert!(running.line().contains("\"id\":1"));
    // Before that the pipe would take one more row.
    running.wait_for_stderr("left\n");
    db.sql("INSERT INTO t VALUES (2)");
    let finished = running.wait();
    assert_eq!(finished.stderr, "left\nstatus 0\n");
    db.wait_for(&format!(
        "SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
    let again = db.run(&[
        "stream",
        "--slot",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    assert_eq!(
        again.succeeded().json().last().unwrap()["after"]["id"],
        2,
        "what nobody read is gone"
    );
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let db = shop("a_second_interrupt_ends_at_once");
    db.sql("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 10000) i");
    // Nobody reads the pipe, so the first Ctrl-C has to wait.
    let (reader, writer) = std::io::pipe().unwrap();
    let gauge = writer.try_clone().unwrap();
    let mut child = db
        .stream(&[])
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("a full pipe", || {
        let mut room = [PollFd::new(&gauge, PollFlags::OUT)];
        (poll(&mut room, Some(&Timespec::default())).unwrap() == 0).then_some(())
    });
    let pid = rustix::process::Pid::from_child(&child);
    wait_until("the end of the program", || {
        rustix::process::kill_process(pid, Signal::INT).unwrap();
        child.try_wait().unwrap()
    });
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(reader);
}

#[test]
fn a_full_disk_ends_the_stream_and_loses_nothing() {
    let db = shop("a_full_disk_ends_the_stream_and_loses_nothing");
    db.sql("INSERT INTO t VALUES (1)");
    for arguments in [
        &["--until-now"][..],
        &["--until-now", "--file", "/dev/full"],
    ] {
        let mut command = db.stream(arguments);
        command
            .stdout(std::fs::File::create("/dev/full").unwrap())
            .stderr(Stdio::piped());
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("No space left on device"), "{stderr}");
    }
    let again = db.run(&[
        "stream",
        "--slot",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    assert_eq!(again.succeeded().json()[0]["after"]["id"], 1);
}

#[test]
fn a_closed_stdout_takes_nothing() {
    let db = shop("a_closed_stdout_takes_nothing");
    let shell = |redirection: &str| {
        let walcat = db.stream(&["--until-now"]);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec \"$@\" {redirection}"), "sh"])
            .arg(walcat.get_program())
            .args(walcat.get_args());
        shell.env_clear().envs(
            walcat
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        run(&mut shell)
    };
    db.sql("INSERT INTO t VALUES (1)");
    for redirection in [">&-", ">&- <&-"] {
        let refused = shell(redirection);
        let expected = "could not write to standard output: it is closed, or the null device";
        assert!(
            refused.exited(1).stderr.contains(expected),
            "{redirection}: {}",
            refused.stderr
        );
    }
    let rest = db.run(&[
        "stream",
        "--slot",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "--peek",
    ]);
    assert_eq!(rest.succeeded().json()[0]["after"]["id"], 1);
    shell(">/dev/null").succeeded();
    assert_eq!(run(&mut db.stream(&["--until-now"])).succeeded().text(), "");
}

#[test]
fn the_null_device_takes_what_nobody_loses() {
    let db = shop("the_null_device_takes_what_nobody_loses");
    db.sql("INSERT INTO t VALUES (1)");
    // Open for reading too, as many programs open it for their children.
    let into_null = |command: &mut Command| {
        let null = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/null");
        let output = command.stdout(null.unwrap()).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let nothing = (Some(0), String::new());
    let peek = into_null(&mut db.stream(&["--until-now", "--peek"]));
    assert_eq!(peek, nothing);
    let temporary = into_null(&mut db.walcat(&["stream", "--publication", "p", "--until-now"]));
    assert_eq!(temporary, nothing);
    let (status, stderr) = into_null(&mut db.stream(&["--until-now"]));
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("try: --file /dev/null"), "{stderr}");
    let chosen = into_null(&mut db.stream(&["--until-now", "--file", "/dev/null"]));
    assert_eq!(chosen, nothing);
    let rest = run(&mut db.stream(&["--until-now"]));
    assert_eq!(rest.succeeded().text(), "");
}

#[test]
fn a_closed_stderr_changes_nothing() {
    let db = shop("a_closed_stderr_changes_nothing");
    db.sql("INSERT INTO t VALUES (1)");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = db
        .stream(&["--until-now", "--stats", "-v"])
        .stderr(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        output.stdout.iter().filter(|&&byte| byte == b'\n').count(),
        1
    );
}
