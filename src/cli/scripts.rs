//! The scripts that make shells complete the command line. clap writes most of them; names of what
//! is on the server they ask of `walcat complete`.

use super::Cli;
use clap::{CommandFactory, ValueHint};
use clap_complete::Shell;

/// In bash: the names, or what clap's function knows. Words are given on stdin, where no other user
/// sees a password.
const BASH: &str = r#"_walcat_or_server() {
    local name
    local -a names=()
    while IFS= read -r name; do
        [[ $name == *[!A-Za-z0-9_.,/@%+-]* ]] && printf -v name %q "$name"
        names+=("$name")
    done < <("$1" complete line <<<"${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [[ ${#names[@]} -gt 0 ]]; then
        COMPREPLY=("${names[@]}")
    else
        _walcat "$@"
    fi
}

"#;

/// In zsh.
const ZSH: &str = r#"_walcat() {
    local -a names
    names=("${(@f)$(
        print -rl -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" |
            "${(Q)words[1]}" complete words 2>/dev/null
    )}")
    if [[ -n $names[1] ]]; then
        [[ $PREFIX == --*=* ]] && compset -P '*='
        compadd -- "${names[@]}"
    else
        _walcat_options "$@"
    fi
}

"#;

/// In fish.
const FISH: &str = r#"
function __walcat_names
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    printf '%s\n' $words[2..-1] "$current" | $words[1] complete words 2>/dev/null
end

complete -c walcat -f -a "(__walcat_names)" -n "__fish_seen_subcommand_from slot pub; \
    and __fish_seen_subcommand_from drop list advance"
"#;

/// The script of a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut without_file_names(Cli::command()),
        "walcat",
        &mut script,
    );
    let Ok(script) = String::from_utf8(script) else {
        return Vec::new();
    };
    match shell {
        Shell::Bash => bash(&script),
        Shell::Zsh => zsh(&script),
        Shell::Fish => fish(&script),
        _ => script,
    }
    .into_bytes()
}

fn bash(script: &str) -> String {
    let script = script.replace("complete -F _walcat ", "complete -F _walcat_or_server ");
    before_last("if [[ ", BASH, script)
}

fn zsh(script: &str) -> String {
    let script = script.replacen("\n_walcat() {", "\n_walcat_options() {", 1);
    before_last("if [ ", ZSH, script)
}

/// The script with a function more, before the last line that begins so: there it is registered.
fn before_last(line: &str, function: &str, mut script: String) -> String {
    if let Some(end) = script.rfind(&format!("\n{line}")) {
        script.insert_str(end + 1, function);
    }
    script
}

fn fish(script: &str) -> String {
    // A bare question mark is a pattern to fish 3, and its argparse knows no such option.
    let script = script
        .replace(" -s ? ", " -s '?' ")
        .replace(" ?/help", " help");
    let named = [
        "-l slot ",
        "-l publication ",
        "-l dbname ",
        "-l table ",
        "-l snapshot ",
    ];
    let line = |line: &str| {
        // As long as its value is being typed, clap's condition does not know the option.
        let line = match line.contains(" -r") {
            true => line.replacen("-n \"__fish_walcat_needs_command\" ", "", 1),
            false => line.to_owned(),
        };
        match named.iter().any(|option| line.contains(option)) {
            true if line.ends_with(" -f") => line + " -a \"(__walcat_names)\"\n",
            _ => line + "\n",
        }
    };
    script.lines().map(line).collect::<String>() + FISH
}

/// Shells offer the names of files for every value of which they do not know that it is none.
fn without_file_names(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|option| match option.get_value_hint() {
        ValueHint::Unknown if option.get_action().takes_values() => {
            option.value_hint(ValueHint::Other)
        }
        _ => option,
    });
    command.mut_subcommands(without_file_names)
}
