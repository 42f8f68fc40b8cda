//! Commands that take batches of transactions: what they get, when it is confirmed, and what
//! becomes of it when they fail, hang or are killed.

use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A database with a table, a publication and a slot named like it, and a directory for what the
/// command writes.
struct Shop {
    db: Database<'static>,
    directory: tempfile::TempDir,
}

impl Shop {
    fn open(name: &str) -> Shop {
        let db = Database::create(name);
        db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE t");
        db.create_slot("pgoutput");
        let directory = tempfile::tempdir().unwrap();
        Shop { db, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// walcat, whose command works in the directory. No batch ends because of its time.
    fn stream(&self, more: &[&str]) -> Command {
        let mut command = self.plainly(&["--batch-interval", "1000", "--include", "id"]);
        command.args(more);
        command
    }

    /// The same with nothing of that.
    fn plainly(&self, more: &[&str]) -> Command {
        let slot = self.db.name();
        let mut command = self
            .db
            .walcat(&["stream", "-S", slot, "--publication", "p"]);
        // Nothing is to depend on a report that comes by chance.
        command.args(["-s", "1000"]);
        command.current_dir(self.directory.path()).args(more);
        command
    }

    /// Commits transactions of so many rows each.
    fn insert(&self, transactions: &[u32]) {
        for rows in transactions {
            self.db.sql(&format!(
                "INSERT INTO t SELECT coalesce(max, 0) + i FROM (SELECT max(id) FROM t) m, \
                 generate_series(1, {rows}) i"
            ));
        }
    }

    /// The rows of the events in a file.
    fn rows(&self, name: &str) -> Vec<u64> {
        events(&self.path(name))
            .iter()
            .map(|event| event["after"]["id"].as_u64().unwrap())
            .collect()
    }

    fn text(&self, name: &str) -> String {
        read(&self.path(name))
    }

    /// What a further run finds.
    fn rest(&self) -> Vec<u64> {
        let finished = run(&mut self.db.walcat(&[
            "stream",
            "-S",
            self.db.name(),
            "--publication",
            "p",
            "--until-now",
            "--peek",
        ]));
        let ids = finished.succeeded().json();
        ids.iter()
            .map(|event| event["after"]["id"].as_u64().unwrap())
            .collect()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn events(path: &Path) -> Vec<Value> {
    let text = read(path);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_batch_is_whole_transactions() {
    let shop = Shop::open("a_batch_is_whole_transactions");
    shop.insert(&[2, 1, 5, 1, 1, 1]);
    let keep = "cat >>all; echo $WALCAT_BATCH_FIRST $WALCAT_BATCH_LAST $WALCAT_SLOT >>batches";
    run(&mut shop.stream(&["--until-now", "--batch-rows", "3", "--exec", keep])).succeeded();
    assert_eq!(shop.rows("all"), (1..=11).collect::<Vec<_>>());
    let all = events(&shop.path("all"));
    let id = |n: usize| all[n]["id"].as_str().unwrap();
    let batch = |first, last| format!("{} {} {}\n", id(first), id(last), shop.db.name());
    let expected = [batch(0, 2), batch(3, 7), batch(8, 10)].concat();
    assert_eq!(shop.text("batches"), expected);
    assert_eq!(shop.rest(), [0; 0]);
    // Where there is nothing, nothing is run.
    run(&mut shop.stream(&["--until-now", "--exec", keep])).succeeded();
    assert_eq!(shop.text("batches"), expected);
}

#[test]
fn without_a_shell_arguments_are_passed_on_as_they_are() {
    let shop = Shop::open("without_a_shell_arguments_are_passed_on_as_they_are");
    let script = ["-c", "cat >\"$1\"; echo \"$2\"", "sh", "a b", "$HOME"];
    for words in [
        &["--", "sh"][..],
        &["--exec", "--", "sh"],
        &["--exec", "sh", "--"],
    ] {
        shop.insert(&[1]);
        let mut command = shop.stream(&["--until-now"]);
        let finished = run(command.args(words).args(script));
        assert_eq!(finished.succeeded().text(), "$HOME\n");
    }
    // Each run has written it anew.
    assert_eq!(shop.rows("a b"), [3]);
}

#[test]
fn what_a_command_refuses_comes_again_as_it_was() {
    let shop = Shop::open("what_a_command_refuses_comes_again_as_it_was");
    shop.insert(&[1, 2, 1, 1]);
    // The third batch fails, after it was read and after the others are done.
    let fails = "cat >now; cat now >>seen; ! grep -q '\"id\":4' now";
    let failed = run(&mut shop.stream(&["--until-now", "--batch-rows", "1", "--exec", fails]));
    failed.exited(1);
    let batch = &events(&shop.path("now"))[0];
    let id = batch["id"].as_str().unwrap();
    let expected = format!(
        "walcat: error: could not hand a batch to the command: it ended with status 1\n\
         DETAIL:  Nothing of the batch from {id} to {id} is confirmed.\n"
    );
    assert_eq!(failed.stderr, expected);
    assert_eq!(shop.rows("seen"), [1, 2, 3, 4]);
    assert_eq!(shop.rest(), [4, 5], "what was taken before it is confirmed");
    run(&mut shop.stream(&["--until-now", "--exec", "cat >again"])).succeeded();
    assert_eq!(&events(&shop.path("again"))[0], batch);
    assert_eq!(shop.rest(), [0; 0]);
}

#[test]
fn retries_give_the_same_batch_again() {
    let shop = Shop::open("retries_give_the_same_batch_again");
    shop.insert(&[3]);
    let fails_once = "cat >>seen; [ -e failed ] || { touch failed; exit 7; }";
    let finished = run(&mut shop.stream(&["--until-now", "--retries", "1", "--exec", fails_once]));
    let told = "walcat: warning: could not hand a batch to the command: it ended with status 7; \
                it gets the batch again in 1 s (1 of 1)\n";
    assert_eq!(finished.succeeded().stderr, told);
    assert_eq!(shop.rows("seen"), [1, 2, 3, 1, 2, 3]);
    assert_eq!(shop.rest(), [0; 0]);
    shop.insert(&[1]);
    let fails = run(&mut shop.stream(&["--until-now", "--retries", "1", "--exec", "kill -9 $$"]));
    assert!(
        fails.exited(1).stderr.contains("signal 9 ended it"),
        "{}",
        fails.stderr
    );
    assert_eq!(shop.rest(), [4]);
}

#[test]
fn a_command_need_not_read_all() {
    let shop = Shop::open("a_command_need_not_read_all");
    for command in ["head -n 1 >first", "true", "exec <&-; sleep 0.1"] {
        // More than a pipe holds, and more than memory does.
        for rows in [3000, 40_000] {
            shop.db.sql("TRUNCATE t");
            shop.insert(&[rows]);
            let arguments = ["--until-now", "--batch-rows", "1000000", "--op", "insert"];
            let finished = run(shop.stream(&arguments).args(["--exec", command]));
            finished.succeeded();
            assert_eq!(shop.rest().len(), 0, "{command}");
        }
    }
    assert_eq!(shop.rows("first"), [1]);
}

#[test]
fn a_command_that_does_not_exist_is_told_before_anything_is_done() {
    let shop = Shop::open("a_command_that_does_not_exist");
    shop.insert(&[1]);
    for command in [
        &["--exec", "nosuch -c"][..],
        &["--", "nosuch"],
        &["--", "/no/such"],
    ] {
        let mut stream = shop.db.walcat(&["stream", "-S", "new", "--create-slot"]);
        let refused = run(stream.args(["--create-publication"]).args(command));
        let told = refused
            .exited(1)
            .stderr
            .starts_with("walcat: error: could not find the command");
        assert!(told, "{}", refused.stderr);
    }
    assert_eq!(
        shop.db
            .value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'new'"),
        "0"
    );
    assert_eq!(shop.db.value("SELECT count(*) FROM pg_publication"), "1");
    // Nobody knows before it runs.
    let late = run(&mut shop.stream(&["--until-now", "--exec", "cat | nosuch"]));
    let said = "status 127: the shell did not find it";
    assert!(late.exited(1).stderr.contains(said), "{}", late.stderr);
    assert_eq!(shop.rest(), [1]);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let shop = Shop::open("options_of_exec_that_make_no_sense");
    shop.insert(&[1]);
    for more in [
        &["--exec", "cat", "--peek"][..],
        &["--exec", "cat", "--file", "out"],
        &["--exec", "cat", "--streaming", "on"],
        &["--exec", ""],
        &["--exec", " "],
        &["--exec"],
        &["--exec", "--"],
        &["--batch-rows", "3"],
        &["--batch-interval", "3"],
        &["--retries", "3"],
        &["--exec", "cat", "--batch-rows", "0"],
        &["--exec", "cat", "--batch-rows", "-1"],
        &["--exec", "cat", "--batch-interval", "-1"],
        &["--exec", "cat", "--batch-interval", "x"],
        &["--exec", "cat", "--retries", "-1"],
        &["--exec", "cat", "--retries", "4294967296"],
    ] {
        let mut stream = shop
            .db
            .walcat(&["stream", "-S", shop.db.name(), "--publication", "p"]);
        let refused = run(stream.arg("--until-now").args(more));
        assert!(refused.exited(2).stdout.is_empty(), "{more:?}");
        assert!(!refused.stderr.contains("panic"), "{}", refused.stderr);
    }
    assert_eq!(shop.rest(), [1]);
}

#[test]
fn a_batch_ends_when_its_time_is_over() {
    let shop = Shop::open("a_batch_ends_when_its_time_is_over");
    let running = spawn(&mut shop.plainly(&["--batch-interval", "0.05", "--exec", "cat >>seen"]));
    for row in 1..=2 {
        shop.insert(&[1]);
        wait_until("the batch", || {
            (shop.rows("seen").len() == row).then_some(())
        });
    }
    // It is confirmed at once, although no report is due.
    shop.db.wait_for(&format!(
        "SELECT confirmed_flush_lsn >= pg_current_wal_lsn() - 100 FROM pg_replication_slots \
         WHERE slot_name = '{}'",
        shop.db.name()
    ));
    running.interrupt().succeeded();
    assert_eq!(shop.rest(), [0; 0]);
}

#[test]
fn a_command_that_hangs_is_killed_when_the_time_is_over() {
    let shop = Shop::open("a_command_that_hangs_is_killed");
    shop.insert(&[2]);
    for until in [&["--batch-rows", "1"][..], &["--until-now"]] {
        let hangs = "echo $$ >pid; sleep 1000 & wait";
        // A busy machine may not even come to the command in that time.
        let hung = wait_until("a run that reaches the command", || {
            let hung = run(shop
                .stream(&["--timeout", "1", "--exec", hangs])
                .args(until));
            shop.path("pid").exists().then_some(hung)
        });
        let told = "it was still running when the time was over";
        assert!(hung.exited(1).stderr.contains(told), "{}", hung.stderr);
        assert_eq!(shop.rest(), [1, 2]);
        assert_group_is_gone(&shop.text("pid"));
        std::fs::remove_file(shop.path("pid")).unwrap();
    }
}

/// Fails if a process of the group is still there.
fn assert_group_is_gone(group: &str) {
    let group = rustix::process::Pid::from_raw(group.trim().parse().unwrap()).unwrap();
    wait_until("the end of the group", || {
        rustix::process::test_kill_process_group(group)
            .is_err()
            .then_some(())
    });
}

#[test]
fn what_a_command_leaves_behind_holds_nothing_up() {
    let shop = Shop::open("what_a_command_leaves_behind_holds_nothing_up");
    shop.insert(&[30_000]);
    // It has our pipe, and reads nothing of it.
    let leaves = "sleep 1000 >/dev/null 2>&1 & echo $! >pid; head -n 1 >first";
    run(&mut shop.stream(&["--until-now", "--exec", leaves])).succeeded();
    assert_eq!(shop.rest().len(), 0);
    let pid = rustix::process::Pid::from_raw(shop.text("pid").trim().parse().unwrap()).unwrap();
    // What a command that succeeds leaves is its own.
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    // A batch that comes again is not to meet what is left of the failure.
    shop.insert(&[1]);
    let leaves = "echo $$ >group; sleep 1000 >/dev/null 2>&1 & exit 1";
    run(&mut shop.stream(&["--until-now", "--exec", leaves])).exited(1);
    assert_group_is_gone(&shop.text("group"));
}

#[test]
fn ctrl_c_lets_the_command_finish() {
    let shop = Shop::open("ctrl_c_lets_the_command_finish");
    shop.insert(&[1, 1]);
    let waits = "cat >>seen; echo begun >&2; while ! [ -e go ]; do sleep 0.01; done";
    let running = spawn(&mut shop.stream(&["--batch-rows", "1", "--exec", waits]));
    running.wait_for_stderr("begun");
    running.signal(Signal::INT);
    std::fs::write(shop.path("go"), "").unwrap();
    running.wait().succeeded();
    assert_eq!((shop.rows("seen"), shop.rest()), (vec![1], vec![2]));
}

#[test]
fn a_second_ctrl_c_kills_the_command() {
    let shop = Shop::open("a_second_ctrl_c_kills_the_command");
    shop.insert(&[1]);
    let hangs = "cat >/dev/null; echo $$ >group; echo begun >&2; sleep 1000 & wait";
    let mut running = spawn(&mut shop.stream(&["--batch-rows", "1", "--exec", hangs]));
    running.wait_for_stderr("begun");
    // Two that come at once may be one.
    wait_until("the end", || {
        running.signal(Signal::INT);
        running.has_ended().then_some(())
    });
    running.wait().exited(130);
    assert_group_is_gone(&shop.text("group"));
    assert_eq!(shop.rest(), [1]);
}

#[test]
fn a_transaction_larger_than_memory_is_one_batch() {
    let shop = Shop::open("a_transaction_larger_than_memory_is_one_batch");
    shop.insert(&[1, 100_000, 1]);
    // It fails in the midst of the large one, once; where it began shows that it is whole.
    let fails_once = "echo $WALCAT_BATCH_FIRST ${WALCAT_BATCH_LAST-none} >>batches
        case $WALCAT_BATCH_LAST in '') [ -e failed ] || { touch failed; head -n 50000 >part; exit \
        3; };; esac
        cat >>seen; grep VmHWM /proc/$PPID/status >memory";
    let mut stream = shop.stream(&["--until-now", "--batch-rows", "1", "--retries", "2", "-n"]);
    let finished = run(stream.args(["--include", "relations", "--exec", fails_once]));
    assert!(
        finished.succeeded().stderr.contains("in 1 s (1 of 2)"),
        "{}",
        finished.stderr
    );
    let seen = events(&shop.path("seen"));
    let (relations, rows): (Vec<_>, Vec<_>) =
        seen.iter().partition(|event| event["op"] == "relation");
    let rows: Vec<u64> = rows
        .iter()
        .map(|event| event["after"]["id"].as_u64().unwrap())
        .collect();
    assert_eq!(rows, (1..=100_002).collect::<Vec<_>>());
    // The batch that came again says once more what its rows look like.
    assert_eq!(relations.len(), 2);
    let batches = shop.text("batches");
    let batches: Vec<&str> = batches.lines().collect();
    let memory = shop.text("memory");
    let peak: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("peak memory {peak} kB");
    // What is held of it is 2 MiB; the rest is the code of a build for tests.
    assert!(peak < 14 << 10, "{peak} kB");
    assert_eq!(batches.len(), 4, "{batches:?}");
    assert!(
        batches[1].ends_with(" none") && batches[1] == batches[2],
        "{batches:?}"
    );
    assert_eq!(shop.rest(), [0; 0]);
}

#[test]
fn ctrl_c_within_a_large_transaction_waits_for_its_end() {
    let shop = Shop::open("ctrl_c_within_a_large_transaction");
    shop.insert(&[100_000, 1]);
    let slow =
        "head -n 1 >/dev/null; echo begun >&2; while ! [ -e go ]; do sleep 0.01; done; cat >rest";
    let running = spawn(&mut shop.stream(&["--batch-rows", "1000000", "--exec", slow]));
    running.wait_for_stderr("begun");
    running.signal(Signal::INT);
    std::fs::write(shop.path("go"), "").unwrap();
    running.wait().succeeded();
    // head has read more than its line.
    let rest = shop.text("rest");
    let last: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!(last["after"]["id"], 100_000);
    assert_eq!(shop.rest(), [100_001]);
}

#[test]
fn limits_end_batches() {
    let shop = Shop::open("limits_end_batches");
    shop.insert(&[1, 2, 3, 1]);
    run(&mut shop.stream(&["--limit", "2", "--exec", "cat >seen"])).succeeded();
    assert_eq!(
        (shop.rows("seen"), shop.rest()),
        (vec![1, 2, 3], vec![4, 5, 6, 7])
    );
    let raw = "cat >raw; echo ${WALCAT_BATCH_FIRST-none} >first";
    let mut stream = shop.plainly(&["--limit", "1", "--format", "raw"]);
    run(stream.args(["--exec", raw])).succeeded();
    assert_eq!(
        (shop.text("first").as_str(), shop.rest()),
        ("none\n", vec![7])
    );
}

#[test]
fn a_slot_that_moves_meanwhile_is_told() {
    let shop = Shop::open("a_slot_that_moves_meanwhile");
    shop.insert(&[1]);
    let waits = "echo begun >&2; cat >/dev/null; while ! [ -e go ]; do sleep 0.01; done";
    let running = spawn(&mut shop.stream(&["--batch-rows", "1", "-n", "--exec", waits]));
    running.wait_for_stderr("begun");
    let name = shop.db.name();
    shop.db.sql(&format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = \
         '{name}'"
    ));
    shop.db.wait_for(&format!(
        "SELECT active_pid IS NULL FROM pg_replication_slots WHERE slot_name = '{name}'"
    ));
    shop.db
        .sql(&format!("SELECT pg_drop_replication_slot('{name}')"));
    std::fs::write(shop.path("go"), "").unwrap();
    let ended = running.wait();
    assert!(
        ended.exited(1).stderr.contains("could not"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_script_of_the_readme_keeps_all_changes() {
    let shop = Shop::open("the_script_of_the_readme_keeps_all_changes");
    shop.insert(&[2]);
    shop.db
        .sql("UPDATE t SET v = E'\\\\.\\n\"\\t\\x01'; DELETE FROM t WHERE id = 1");
    shop.db
        .sql("CREATE TABLE changes (id text PRIMARY KEY, event json)");
    let readme = std::fs::read_to_string("README.md").unwrap();
    let (_, script) = readme.split_once("#!/bin/sh\n").unwrap();
    let script = script.split("```").next().unwrap();
    let script = script.replace(" -d log", "").replace(
        "psql",
        shop.db.server().client_program("psql").to_str().unwrap(),
    );
    std::fs::write(shop.path("load"), script).unwrap();
    let keep = ["--until-now", "--include", "id", "--exec", "sh ./load"];
    // What was taken, but could not be confirmed, comes again.
    let again = format!("{}; exit 1", keep[4]);
    run(shop.plainly(&keep[..4]).arg(again)).exited(1);
    run(&mut shop.plainly(&keep)).succeeded();
    let ops = "SELECT string_agg(event->>'op' || (event->'after'->>'v' IS NOT NULL)::text, ' ' \
        ORDER BY id) FROM changes";
    let expected = "insertfalse insertfalse updatetrue updatetrue deletefalse";
    assert_eq!(shop.db.value(ops), expected);
    let same = "SELECT bool_and(event->'after'->>'v' = (SELECT v FROM t)) FROM changes WHERE \
        event->>'op' = 'update'";
    assert_eq!(shop.db.value(same), "t");
}

/// Loads rows by their key, and of each only what is newer.
const LOAD: &str = r#"
    echo batch >>batches
    chance=$(od -An -N1 -tu1 /dev/urandom)
    [ $chance -lt 230 ] || { head -n 2 >/dev/null; exit 1; }
    "$PSQL" -qX1 -v ON_ERROR_STOP=1 \
        -c 'CREATE TEMP TABLE batch (line jsonb)' \
        -c "\copy batch FROM pstdin WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')" \
        -c "INSERT INTO copy SELECT DISTINCT ON (1) (line->'after'->>'id')::int, line->'after'->>'v', line->>'id'
                FROM batch ORDER BY 1, line->>'id' DESC
            ON CONFLICT (id) DO UPDATE SET v = excluded.v, event = excluded.event WHERE copy.event < excluded.event" \
        || exit 2
    [ $chance -gt 25 ] || exit 3
"#;

#[test]
fn an_upsert_survives_chaos() {
    let shop = Shop::open("an_upsert_survives_chaos");
    shop.db
        .sql("CREATE TABLE copy (id int PRIMARY KEY, v text, event text NOT NULL)");
    let mut random = Random::new(7);
    let mut write = |transactions: u64| {
        for _ in 0..transactions {
            let (from, rows) = (random.within(0..300), random.within(1..12));
            shop.db.sql(&format!(
                "INSERT INTO t SELECT i, gen_random_uuid() FROM generate_series({from}, {from} + \
                 {rows}) i \
                 ON CONFLICT (id) DO UPDATE SET v = excluded.v"
            ));
        }
    };
    let mut chance = Random::new(8);
    let (mut killed, mut failed) = (0, 0);
    let batches = || shop.text("batches").lines().count();
    while batches() < 200 {
        write(20);
        let mut stream = shop.stream(&["--batch-rows", "12", "--until-now", "--exec", LOAD]);
        stream.env("PSQL", shop.db.server().client_program("psql"));
        let mut running = spawn(&mut stream);
        if chance.within(0..2) == 0 {
            std::thread::sleep(Duration::from_millis(chance.within(1..700)));
            if !running.has_ended() {
                running.signal(Signal::KILL);
                killed += 1;
            }
            running.wait();
        } else {
            failed += usize::from(!running.wait().status.success());
        }
    }
    let load = LOAD.replace("$(od -An -N1 -tu1 /dev/urandom)", "100");
    wait_until("a run that ends well", || {
        let mut stream = shop.stream(&["--until-now", "--exec", &load]);
        stream.env("PSQL", shop.db.server().client_program("psql"));
        run(&mut stream).status.success().then_some(())
    });
    println!("{} batches, {killed} kills, {failed} failures", batches());
    assert!(killed > 0 && failed > 0);
    let differ =
        "SELECT count(*) FROM t FULL JOIN copy USING (id) WHERE t.v IS DISTINCT FROM copy.v";
    assert_eq!(shop.db.value(differ), "0");
    assert!(
        shop.db
            .value("SELECT count(*) FROM copy")
            .parse::<u32>()
            .unwrap()
            > 100
    );
}
