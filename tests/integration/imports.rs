//! The import rules that `src/lib.rs` states: each layer uses only those below it, and some crates
//! have one home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Crates and parts of std that only these files (by the beginning of their path in `src`) may
/// name.
const HOMES: &[(&str, &[&str])] = &[
    ("async_nats::", &["sink/nats/"]),
    ("clap::", &["cli", "main.rs"]),
    ("clap_complete::", &["cli", "main.rs"]),
    ("chrono::", &["time.rs"]),
    ("rustls::", &["connect/"]),
    (
        "colored::",
        &["error.rs", "command/logger.rs", "render/text", "main.rs"],
    ),
    ("rpassword::", &["command/ask.rs"]),
    ("signal_hook::", &["stop.rs"]),
    ("ctrlc::", &["stop.rs"]),
    ("shlex::", &["shell.rs"]),
];

/// What the layers between bytes and text must never see.
const PURE: &[&str] = &[
    "decode", "value", "select", "render", "printer", "event", "record", "progress",
];
const IMPURE: &[&str] = &[
    "std::net",
    "std::fs",
    "std::env",
    "std::process",
    "std::io::std",
    "rustix::",
    "tokio_postgres::Client",
];

#[test]
fn imports_run_downward() {
    let allowed = allowed();
    for (path, code) in sources() {
        let module = module(&path);
        let Some(allowed) = allowed.get(module) else {
            assert!(
                ["lib", "main"].contains(&module),
                "{path} is not in the table of src/lib.rs"
            );
            continue;
        };
        for used in code.split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let fine = used == module
                || allowed.contains(&used)
                || allowed.contains(&"everything".to_owned());
            assert!(
                fine,
                "src/{path} uses crate::{used}, which the table in src/lib.rs does not allow to \
                 {module}"
            );
        }
    }
}

#[test]
fn crates_stay_at_home() {
    for (path, code) in sources() {
        for (name, homes) in HOMES {
            let at_home = homes.iter().any(|home| path.starts_with(home));
            assert!(
                at_home || !names(&code, name),
                "src/{path} uses {name}, which belongs in {homes:?}"
            );
        }
        for name in IMPURE {
            let pure = PURE.contains(&module(&path));
            assert!(
                !pure || !names(&code, name),
                "src/{path} uses {name}, but is to know no file, socket or environment"
            );
        }
    }
}

/// Does the code use this path, and not one whose last part just ends like it?
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// For each module those that it may use: the table in `src/lib.rs`, whose last row is open to all.
fn allowed() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(source_directory().join("lib.rs")).unwrap();
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .skip(1);
    let cells: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    // The words between backquotes, of a path only its first part.
    let quoted = |cell: &str| -> Vec<String> {
        let words = cell.split('`').skip(1).step_by(2);
        words
            .map(|word| word.split("::").next().unwrap_or(word).to_owned())
            .collect()
    };
    let ground = quoted(cells.last().expect("a table in src/lib.rs")[1]);
    let mut allowed = BTreeMap::new();
    for cell in &cells {
        let everything = cell[2]
            .starts_with("everything")
            .then(|| "everything".to_owned());
        for module in quoted(cell[1]) {
            let words = quoted(cell[2])
                .into_iter()
                .chain(ground.clone())
                .chain(everything.clone());
            allowed.insert(module, words.collect());
        }
    }
    allowed
}

/// Every file of `src` with its path in there, without comments and tests.
fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    let mut directories = vec![source_directory()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text
                    .split("#[cfg(test)]\nmod tests")
                    .next()
                    .unwrap_or_default();
                let code: Vec<&str> = code
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect();
                sources.push((inside(&path), code.join("\n")));
            }
        }
    }
    assert!(sources.len() > 10, "found only {} files", sources.len());
    sources
}

/// The module at the top that a file belongs to.
fn module(path: &str) -> &str {
    path.split('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs")
}

fn inside(path: &Path) -> String {
    path.strip_prefix(source_directory())
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
