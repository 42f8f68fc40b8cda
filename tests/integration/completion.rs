//! The completions at work in real shells: of options, and of the names of what is on the server.

use crate::support::*;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is typed before TAB, and what stands there after it; SHELL is the shell's name, and SH how
/// it begins.
const LINES: [(&str, &str); 9] = [
    ("stream -S completed_in_SH", "stream -S completed_in_SHELL"),
    (
        "stream --slot=completed_in_SH",
        "stream --slot=completed_in_SHELL",
    ),
    ("slot drop completed_in_SH", "slot drop completed_in_SHELL"),
    ("stream --publication al", "stream --publication alpha"),
    (
        "stream --publication alpha,be",
        "stream --publication alpha,beta",
    ),
    ("stream --table public.us", "stream --table public.users"),
    ("stream --table ord", "stream --table orders"),
    ("-d completed_in_SH", "-d completed_in_SHELL"),
    ("stream --pee", "stream --peek"),
];

/// Slots and databases are the server's, so that there is one for each shell.
fn names(shell: &str) -> Database<'static> {
    let db = Database::create(&format!("completed_in_{shell}"));
    db.sql(
        "CREATE TABLE users (id int); CREATE SCHEMA shop; CREATE TABLE shop.orders (id int);
         CREATE PUBLICATION alpha; CREATE PUBLICATION beta",
    );
    db.create_slot("pgoutput");
    db
}

/// A shell that finds the program in its PATH, and the server as the program does.
fn shell(db: &Database<'_>, program: &str, arguments: &[&str]) -> Command {
    let walcat = db.walcat(&[]);
    let directory = Path::new(walcat.get_program()).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new(program);
    shell.args(arguments).env_clear();
    let variables = walcat.get_envs();
    shell.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    shell.env("PATH", format!("{directory}:{path}"));
    shell
}

fn completions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions")
}

/// The lines of a shell, before TAB and after it.
fn lines(shell: &str) -> impl Iterator<Item = (String, String)> {
    let begun: String = shell.chars().take(2).collect();
    LINES.into_iter().map(move |(typed, completed)| {
        let typed = typed.replace("SH", &begun);
        let completed = completed.replace("SHELL", shell);
        (format!("walcat {typed}"), format!("walcat {completed}"))
    })
}

/// Types the lines into a shell with the keys of Emacs, and compares what TAB makes of them.
fn type_into(name: &str, shell: &Command, set_up: &str) {
    let mut terminal = Terminal::spawn(shell, 200);
    let mut keyboard = terminal.running.take_stdin();
    // What is typed is echoed, and is not to be taken for what is printed.
    writeln!(keyboard, "{set_up}\necho REA''DY").unwrap();
    while !terminal.line().ends_with("READY") {}
    for (typed, completed) in lines(name) {
        // TAB, then at the beginning of the line what prints it.
        writeln!(keyboard, "{typed}\t\x01echo GO''T \x05").unwrap();
        let line = loop {
            let line = terminal.line();
            if let Some((_, line)) = line.rsplit_once("GOT ") {
                break line.to_owned();
            }
        };
        assert_eq!(line.trim_end(), completed, "{typed}");
    }
}

#[test]
fn bash_completes_names_of_the_server() {
    let db = names("bash");
    let bash = shell(&db, "bash", &["--norc", "--noprofile", "-i"]);
    let script = completions().join("walcat.bash");
    type_into("bash", &bash, &format!("source '{}'", script.display()));
}

#[test]
fn zsh_completes_names_of_the_server() {
    let db = names("zsh");
    let zsh = shell(&db, "zsh", &["-f", "-i"]);
    let set_up = "fpath=('FOLDER' $fpath); autoload -Uz compinit; compinit -u -D";
    let folder = completions().display().to_string();
    type_into("zsh", &zsh, &set_up.replace("FOLDER", &folder));
}

#[test]
fn fish_completes_names_of_the_server() {
    let db = names("fish");
    let script = completions().join("walcat.fish");
    for (typed, completed) in lines("fish") {
        let command = format!("source '{}'; complete -C '{typed}'", script.display());
        let finished = run(&mut shell(&db, "fish", &["--no-config", "-c", &command]));
        assert_eq!(finished.stderr, "", "{typed}");
        let last = completed.rsplit(' ').next().unwrap();
        let candidates: Vec<&str> = finished
            .text()
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        assert_eq!(candidates, [last], "{typed}");
    }
}

/// What the scripts ask the program, with this on its stdin.
fn asked(db: &Database<'_>, more: &[(&str, &str)], form: &str, stdin: &str) -> Finished {
    let mut command = db.walcat(&["complete", form]);
    command.envs(more.iter().copied());
    let mut running = spawn(&mut command);
    running.take_stdin().write_all(stdin.as_bytes()).unwrap();
    running.wait()
}

#[test]
fn what_cannot_be_answered_is_silence() {
    let db = names("none");
    let slots = "stream\n-S\ncompleted_in_no\n";
    let answered = asked(&db, &[], "words", slots);
    assert_eq!(answered.succeeded().text(), "completed_in_none\n");
    // It takes connections, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port().to_string();
    let elsewhere: [&[(&str, &str)]; 4] = [
        &[("PGHOST", "127.0.0.1"), ("PGPORT", &port)],
        &[("PGHOST", "/nowhere")],
        &[("PGUSER", "nobody's \u{1b}[2J")],
        &[("PGSERVICE", "unknown")],
    ];
    for more in elsewhere {
        let silent = asked(&db, more, "words", slots);
        let said = (silent.succeeded().text(), &*silent.stderr);
        assert_eq!(said, ("", ""), "{more:?}");
    }
    for line in ["walcat stream -S 'completed", "", "walcat", "walcat \\"] {
        let silent = asked(&db, &[], "line", line);
        let said = (silent.succeeded().text(), &*silent.stderr);
        assert_eq!(said, ("", ""), "{line:?}");
    }
}
