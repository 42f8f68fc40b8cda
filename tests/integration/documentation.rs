//! What README and man pages tell the user to type: it parses, and does what they say; and that
//! their links lead somewhere.

use crate::support::*;
use clap::Parser;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use walcat::cli::Cli;

/// A shop's events: what the recipes are tried on.
const EVENTS: &str = r#"
{"op":"insert","schema":"public","table":"orders","xid":7,"lsn":"0/10","commit_lsn":"0/30","commit_time":"2026-11-20T09:23:34+00:00","seq":0,"id":"0000000000000030-000000000000","after":{"id":10,"customer":1,"total":19.5}}
{"op":"update","schema":"public","table":"users","xid":7,"lsn":"0/20","commit_lsn":"0/30","commit_time":"2026-11-20T09:23:34+00:00","seq":1,"id":"0000000000000030-000000000001","before":{"id":1,"name":"Ada"},"after":{"id":1,"name":"Grace"},"changed":["name"]}
{"op":"delete","schema":"public","table":"users","xid":8,"lsn":"0/40","commit_lsn":"0/50","commit_time":"2026-11-20T09:23:35+00:00","seq":0,"id":"0000000000000050-000000000000","before":{"id":2}}
{"op":"truncate","schema":"public","table":"users","xid":9,"lsn":"0/60","commit_lsn":"0/70","commit_time":"2026-11-20T09:23:36+00:00","seq":0,"id":"0000000000000070-000000000000","cascade":false,"restart_identity":false}
"#;

/// Two large transactions that come in turns: of 20 a subtransaction is void, 21 all.
const STREAMED: &str = r#"
{"op":"stream_start","xid":20,"first":true}
{"op":"insert","table":"t","xid":20,"lsn":"0/10","seq":0,"after":{"id":1}}
{"op":"insert","table":"t","xid":20,"subxid":22,"lsn":"0/11","seq":1,"after":{"id":2}}
{"op":"stream_stop","xid":20}
{"op":"stream_start","xid":21,"first":true}
{"op":"insert","table":"t","xid":21,"lsn":"0/12","seq":0,"after":{"id":3}}
{"op":"stream_stop","xid":21}
{"op":"insert","table":"t","xid":23,"lsn":"0/13","commit_lsn":"0/14","seq":0,"after":{"id":4}}
{"op":"stream_abort","xid":20,"subxid":22}
{"op":"stream_start","xid":20,"first":false}
{"op":"insert","table":"t","xid":20,"lsn":"0/15","seq":2,"after":{"id":5}}
{"op":"stream_stop","xid":20}
{"op":"stream_abort","xid":21}
{"op":"stream_commit","xid":20,"commit_lsn":"0/20","end_lsn":"0/21"}
"#;

#[test]
fn the_recipes_of_the_readme_do_what_they_say() {
    let expected = [
        (
            "who changed what",
            "[\"orders\",\"insert\",10]\n[\"users\",\"update\",1]\n[\"users\",\"delete\",2]\n[\"users\",\"truncate\",null]\n",
        ),
        ("as CSV", "10,1,19.5\n"),
        (
            "old and new",
            "{\"table\":\"users\",\"changes\":{\"name\":[\"Ada\",\"Grace\"]}}\n",
        ),
        (
            "how many rows",
            "{\"xid\":7,\"at\":\"2026-11-20T09:23:34+00:00\",\"rows\":2}\n{\"xid\":8,\"at\":\"2026-11-20T09:23:35+00:00\",\"rows\":1}\n{\"xid\":9,\"at\":\"2026-11-20T09:23:36+00:00\",\"rows\":1}\n",
        ),
        (
            "key-value store",
            "{\"set\":10,\"to\":{\"id\":10,\"customer\":1,\"total\":19.5}}\n{\"set\":1,\"to\":{\"id\":1,\"name\":\"Grace\"}}\n{\"del\":2}\n",
        ),
    ];
    for (title, output) in expected {
        // The CSV recipe has walcat choose the inserts of one table.
        let events = if title == "as CSV" {
            EVENTS.lines().nth(1).unwrap()
        } else {
            EVENTS
        };
        assert_eq!(jq(&recipe(title), events), output, "{title}");
    }
    let rows = jq(&recipe("--streaming on"), STREAMED);
    let ids: Vec<i64> = rows
        .lines()
        .map(|row| {
            serde_json::from_str::<serde_json::Value>(row).unwrap()["after"]["id"]
                .as_i64()
                .unwrap()
        })
        .collect();
    assert_eq!(ids, [4, 1, 5]);
}

#[test]
fn every_command_of_the_readme_and_the_chapters_parses() {
    let commands: Vec<String> = guides()
        .iter()
        .flat_map(|(_, text)| blocks(text, "sh"))
        .flat_map(|block| parsable(&block))
        .collect();
    assert!(commands.len() > 40, "found only {}", commands.len());
    commands.iter().for_each(|command| parse(command));
}

/// README's safe path, typed line by line into a database of that name.
#[test]
fn the_first_steps_work() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "shop");
    db.sql("CREATE TABLE users (id int PRIMARY KEY, name text)");
    let steps = section(&read("README.md"), "First steps");
    let steps = parsable(&block(&steps, "sh", "# 1."));
    let mut said = Vec::new();
    for step in &steps {
        let mut typed = db.walcat(&[]);
        let script = step.replacen("walcat", "exec \"$0\"", 1);
        let program = typed.get_program().to_owned();
        let environment: Vec<_> = typed
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        typed = Command::new("sh");
        typed
            .args(["-c", &script])
            .arg(program)
            .env_clear()
            .envs(environment);
        let finished = run(&mut typed);
        if step == &steps[0] {
            let fails = |line: &&str| line.starts_with("fail");
            let failures: Vec<&str> = finished.exited(1).text().lines().filter(fails).collect();
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert!(
                failures[0].contains("the database has no publication"),
                "{failures:?}"
            );
            continue;
        }
        let warnings = finished.succeeded().stderr.contains("warning");
        assert!(!warnings, "{step}: {}", finished.stderr);
        if step.contains("slot create") {
            db.sql("INSERT INTO users VALUES (1, 'Ada')");
        }
        if step.contains(" stream ") {
            said.push(finished.text().to_owned());
        }
    }
    let [peeked, first, second] = &said[..] else {
        panic!("{said:?}")
    };
    assert!(
        peeked.contains("INSERT public.users  id=1 name='Ada'"),
        "{peeked}"
    );
    assert!(
        first.contains("\"after\":{\"id\":1,\"name\":\"Ada\"}"),
        "{first}"
    );
    assert_eq!(second, "");
    for left in ["pg_replication_slots", "pg_publication"] {
        assert_eq!(db.value(&format!("SELECT count(*) FROM {left}")), "0");
    }
}

/// On the web, relative to the page that they stand on.
#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for (path, text) in guides() {
        let folder = Path::new(&path).parent().unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split_once(')').unwrap().0;
            if link.starts_with("https://") {
                continue;
            }
            links += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match target {
                "" => path.clone(),
                target => folder.join(target).to_str().unwrap().to_owned(),
            };
            let there = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(&target)
                .is_file();
            assert!(there, "{path}: {link}");
            assert!(
                anchor.is_empty() || anchors(&read(&target)).contains(anchor),
                "{path}: {link}"
            );
        }
    }
    assert!(links > 50, "found only {links}");
}

#[test]
fn no_line_is_too_long_to_read() {
    for (path, text) in guides() {
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{path}: {line}");
        }
    }
}

/// README and the pages of section 7: path and text.
fn guides() -> Vec<(String, String)> {
    let mut paths = vec!["README.md".to_owned()];
    let man = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    for entry in std::fs::read_dir(man).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            paths.push(format!("man/{name}"));
        }
    }
    paths
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// The names that a web page of this Markdown gives its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// What stands below the heading of the second level, up to the next.
pub fn section(text: &str, title: &str) -> String {
    let heading = format!("\n## {title}\n");
    let (_, rest) = text
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no section {title:?}"));
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The fenced block in this language that has these words.
pub fn block(text: &str, language: &str, words: &str) -> String {
    blocks(text, language)
        .into_iter()
        .find(|block| block.contains(words))
        .unwrap_or_else(|| panic!("no block of {language:?} with {words:?}"))
}

#[test]
fn every_command_of_the_man_pages_parses() {
    let text = read("man/sections.txt");
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.contains("walcat "))
        .collect();
    assert!(commands.len() > 25, "found only {}", commands.len());
    commands.iter().for_each(|command| parse(command));
}

/// The filter of the command below the comment, or in the block, that has these words.
fn recipe(words: &str) -> String {
    let guides = guides();
    let blocks: Vec<String> = guides
        .iter()
        .flat_map(|(_, text)| blocks(text, "sh"))
        .collect();
    let found = blocks
        .iter()
        .flat_map(|block| block.split("\n\n"))
        .find(|part| part.contains(words) && part.contains("| jq"));
    let command = found.unwrap_or_else(|| panic!("no recipe for {words:?}"));
    command.split_once("| ").unwrap().1.to_owned()
}

fn jq(command: &str, input: &str) -> String {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "jq fails (is it installed?): {command}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of a block, continued lines joined, without comments.
fn parsable(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| line.starts_with("walcat "));
    lines.map(str::to_owned).collect()
}

/// Lets the shell take the line apart, and clap read what walcat would get.
fn parse(command: &str) {
    // What stands behind a pipe or a redirection is for other programs.
    let start = command.find("walcat ").unwrap();
    let end = [" |", " >", " &&"]
        .iter()
        .filter_map(|mark| command[start..].find(mark))
        .min();
    let own = &command[start..end.map_or(command.len(), |end| start + end)];
    let script = format!("walcat() {{ printf '%s\\0' walcat \"$@\"; }}\n{own}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(
        output.status.success(),
        "the shell does not understand {own}"
    );
    let arguments = String::from_utf8(output.stdout).unwrap();
    let arguments = arguments.split_terminator('\0');
    if let Err(error) = Cli::try_parse_from(arguments) {
        panic!("{own}: {error}");
    }
}

/// The contents of the fenced blocks in this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fences: Vec<&str> = text.split("```").skip(1).step_by(2).collect();
    fences
        .iter()
        .filter_map(|fence| fence.split_once('\n'))
        .filter(|(found, _)| *found == language)
        .map(|(_, block)| block.to_owned())
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
