//! Man pages and completions are made from the definition of the command line and must be as
//! committed. `make man` (`WALCAT_REGENERATE=1`) writes them anew.

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use walcat::cli::{self, Cli};

mod markdown;

#[test]
fn man_pages_are_as_generated() {
    let sections = std::fs::read_to_string(root().join("man/sections.txt")).unwrap();
    let mut command = Cli::command();
    command.build();
    let mut commands = Vec::new();
    collect(&command, &mut commands);
    let names: Vec<String> = commands.iter().map(page_name).collect();
    let pages = commands.iter().map(|command| {
        (
            format!("{}.1", page_name(command)),
            page(command, &sections, &names),
        )
    });
    compare("man", ".1", &pages.collect());
}

#[test]
fn pages_of_section_7_are_as_generated() {
    let sources = sources_of_section_7();
    assert!(sources.len() >= 3, "only {} pages", sources.len());
    let pages = sources
        .iter()
        .map(|(name, text)| (name.clone(), markdown::page(text)));
    compare("man", ".7", &pages.collect());
}

/// The names of the pages, as `walcat-events.7`, and what they are made of.
fn sources_of_section_7() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(root().join("man")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    sources
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// What groff complains of, a user's `man` would show wrongly.
#[test]
fn man_pages_are_shown_without_warnings() {
    for entry in std::fs::read_dir(root().join("man")).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("1" | "7")) {
            continue;
        }
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tutf8", "-ww", "-rLL=80n"]).arg(&path);
        let output = groff
            .output()
            .expect("groff, which `scripts/test` installs");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && complaints.is_empty(),
            "{}: {complaints}",
            path.display()
        );
    }
}

#[test]
fn completions_are_as_generated() {
    let script = |shell| String::from_utf8(cli::completions(shell)).unwrap();
    let scripts = [
        ("walcat.bash".to_owned(), script(Shell::Bash)),
        ("_walcat".to_owned(), script(Shell::Zsh)),
        ("walcat.fish".to_owned(), script(Shell::Fish)),
    ];
    compare("completions", "", &scripts.into());
}

#[test]
fn every_man_page_has_its_sections() {
    for entry in std::fs::read_dir(root().join("man")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "1") {
            let text = std::fs::read_to_string(&path).unwrap();
            let titles: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix(".SH "))
                .collect();
            for title in [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "EXAMPLES",
                "EXIT STATUS",
                "ENVIRONMENT",
                "FILES",
            ] {
                let count = titles
                    .iter()
                    .filter(|found| found.trim_matches('"') == title)
                    .count();
                assert_eq!(count, 1, "{title} in {}", path.display());
            }
        }
    }
}

/// The files of a folder (those whose names end like this) are these and no others.
fn compare(folder: &str, suffix: &str, expected: &BTreeMap<String, String>) {
    let folder = root().join(folder);
    if std::env::var_os("WALCAT_REGENERATE").is_some() {
        for (name, text) in expected {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    for (name, text) in expected {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == *text,
            "{name} is not as generated: run `make man` and commit it"
        );
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(suffix) || expected.contains_key(&name),
            "{name} is generated no more: remove it"
        );
    }
}

/// The command and all below it.
fn collect(command: &clap::Command, commands: &mut Vec<clap::Command>) {
    commands.push(command.clone());
    for sub in command.get_subcommands() {
        collect(sub, commands);
    }
}

fn page_name(command: &clap::Command) -> String {
    command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned()
}

fn page(command: &clap::Command, sections: &str, pages: &[String]) -> String {
    let name = page_name(command);
    let source = format!("walcat {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .source(source)
        .manual("walcat manual");
    let mut text = Vec::new();
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    synopsis(command).to_writer(&mut text).unwrap();
    man.render_description_section(&mut text).unwrap();
    man.render_options_section(&mut text).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text).unwrap();
    }
    let mut text = without_repeated_preamble(&String::from_utf8(text).unwrap());
    let others: Vec<String> = pages
        .iter()
        .filter(|page| **page != name)
        .map(|page| format!("{page}(1)"))
        .collect();
    for section in sections.split("\n## ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap();
        let (names, title) = heading.split_once(": ").expect("PAGES: TITLE");
        if names.split(' ').any(|pattern| matches(pattern, &name)) {
            text += &render(title, &body.replace("%PAGES%", &others.join(", ")));
        }
    }
    text
}

/// Each section begins with the same two lines, of which the page needs one copy.
fn without_repeated_preamble(text: &str) -> String {
    let preamble: Vec<&str> = text.lines().take(2).collect();
    let rest = text.lines().filter(|line| !preamble.contains(line));
    preamble
        .iter()
        .copied()
        .chain(rest)
        .map(|line| format!("{line}\n"))
        .collect()
}

fn synopsis(command: &clap::Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let program = command.get_bin_name().unwrap_or(command.get_name());
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([
        bold(program),
        roman(usage.strip_prefix(program).unwrap_or(usage)),
    ]);
    roff
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

/// A section of `man/sections.txt` as roff.
fn render(title: &str, body: &str) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for block in body.trim().split("\n\n") {
        let literal = block.lines().all(|line| line.starts_with("    "));
        if literal {
            roff.control("PP", [])
                .control("RS", ["4"])
                .control("nf", []);
            for line in block.lines() {
                roff.text([roman(line.trim_start_matches("    "))]);
            }
            roff.control("fi", []).control("RE", []);
        } else if let Some((term, text)) = block.split_once(" :: ") {
            roff.control("TP", []);
            roff.text([bold(join(term))]).text([roman(join(text))]);
        } else {
            roff.control("PP", []).text([roman(join(block))]);
        }
    }
    roff.to_roff()
}

fn join(lines: &str) -> String {
    lines.lines().collect::<Vec<_>>().join(" ")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
