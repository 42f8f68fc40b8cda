//! Names and words of a server that would be taken for lines of walcat's, or for more than a word
//! of a command.

use crate::support::*;
use std::process::Command;

const NAME: &str = "x\ntry: rm -rf /\nwalcat: error: \u{1b}[2J'$(reboot)\"";

/// As SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Fails if anything but walcat's own words begins a line, or a control character is there.
#[track_caller]
fn unforged(text: &str) {
    let known = ["walcat: ", "DETAIL:  ", "HINT:  ", "try: ", "    "];
    for line in text.lines() {
        assert!(
            known.iter().any(|known| line.starts_with(known)),
            "{line:?} in\n{text}"
        );
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert!(!text.contains("\ntry: rm") && !text.contains("\nwalcat: error: \\"));
}

/// The words that a shell makes of the command.
fn words(command: &str) -> Vec<String> {
    let output = Command::new("bash")
        .args(["-c", &format!("printf '%s\\001' {command}")])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\u{1}').map(str::to_owned).collect()
}

fn remedy(run: &Finished) -> &str {
    let line = run
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("try: "));
    line.unwrap_or_else(|| panic!("no remedy in {}", run.stderr))
}

#[test]
fn names_forge_no_line() {
    let db = Database::create("names_forge_no_line");
    let name = quoted(NAME);
    db.sql(&format!(
        "CREATE TABLE {name} (id int PRIMARY KEY); CREATE TABLE bare (id int);
         CREATE PUBLICATION {name} FOR TABLE {name}, bare"
    ));
    db.create_slot("pgoutput");
    let stream = ["stream", "-S", db.name(), "--until-now"];

    // The only publication is taken, or proposed, as one word.
    let run = db.run(&[&stream[..], &["--peek"]].concat());
    unforged(&run.succeeded().stderr);
    let run = db.run(&[&stream[..], &["--publication", "nothing"]].concat());
    unforged(&run.exited(1).stderr);
    let words = words(remedy(&run));
    assert_eq!(words, ["--publication", &quoted(NAME)]);
    let proposed: Vec<&str> = words.iter().map(String::as_str).collect();
    db.run(&[&stream[..], &proposed].concat()).succeeded();

    // So is the only table.
    let choice = [&proposed[..], &["--table", "nothing"]].concat();
    db.sql(&format!("ALTER PUBLICATION {name} DROP TABLE bare"));
    let run = db.run(&[&stream[..], &choice].concat());
    unforged(&run.exited(1).stderr);
    let words = self::words(remedy(&run));
    let choice: Vec<&str> = words.iter().map(String::as_str).collect();
    db.sql(&format!("INSERT INTO {name} VALUES (1)"));
    let run = db.run(&[&stream[..], &proposed, &choice].concat());
    assert_eq!(run.succeeded().stderr, "");
    assert_eq!(run.json()[0]["table"], NAME);

    // A name that is not there is repeated.
    for arguments in [
        &["pub", "drop", NAME, "y\ntry: z"][..],
        &["slot", "drop", NAME],
        &["slot", "advance", NAME],
        &["slot", "create", NAME],
        &["stream", "-S", NAME],
        &["stream", "-S", db.name(), "--publication", "y\ntry: z"],
    ] {
        unforged(&db.run(arguments).exited(1).stderr);
    }
    let run = db.run(&["stream", "-S", NAME]);
    let create = run.stderr.lines().last().unwrap();
    assert_eq!(
        self::words(create.strip_prefix("try: ").unwrap()),
        ["walcat", "slot", "create", NAME]
    );

    // Lists and checks have their lines to themselves, too.
    for arguments in [&["pub", "list"][..], &["check"]] {
        let text = db.run(arguments).text().to_owned();
        let forged = |line: &str| line.starts_with("try:") || line.starts_with("walcat:");
        assert!(!text.lines().any(forged), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn a_publication_that_is_a_keyword_gets_a_remedy_that_is_sql() {
    let db = Database::create("keyword_remedies");
    db.sql(
        "CREATE TABLE \"select\" (id int); CREATE TABLE t (id int PRIMARY KEY);
         CREATE PUBLICATION \"order\" FOR TABLE t",
    );
    db.create_slot("pgoutput");
    let stream = [
        "stream",
        "-S",
        db.name(),
        "--publication",
        "order",
        "--until-now",
    ];
    let run = db.run(&[&stream[..], &["--table", "public.select"]].concat());
    let remedy = remedy(&run);
    let statement = remedy.strip_suffix(", or another publication").unwrap();
    assert_eq!(
        statement,
        "ALTER TABLE public.\"select\" REPLICA IDENTITY FULL; \
         ALTER PUBLICATION \"order\" ADD TABLE public.\"select\""
    );
    db.sql(statement);
    db.sql("ALTER TABLE \"select\" REPLICA IDENTITY DEFAULT");
    let run = db.run(&["check", "--publication", "order"]);
    let (_, rest) = run.text().split_once("; try: ALTER TABLE").unwrap();
    db.sql(&format!("ALTER TABLE{}", rest.lines().next().unwrap()));
    let run = db.run(&["check", "--publication", "order"]);
    assert!(!run.text().contains("warn"), "{}", run.text());
}

#[test]
fn the_servers_words_forge_no_line() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "words");
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    let forged = "first\ntry: rm -rf /\nwalcat: error: forged\n\u{1b}[2Jlast";
    let fields = |tag: u8, severity: &str| {
        let body = format!("S{severity}\0V{severity}\0C58000\0M{forged}\0D{forged}\0H{forged}\0\0");
        message(tag, body.as_bytes())
    };
    let (notice, warning, error) = (
        fields(b'N', "NOTICE"),
        fields(b'N', "WARNING"),
        fields(b'E', "FATAL"),
    );
    let stream = ["stream", "-S", "words", "--publication", "p"];
    for (arguments, replication, at) in
        [(&["slot", "list"][..], false, b'T'), (&stream, true, b'T')]
    {
        let said = [notice.clone(), warning.clone(), error.clone()].concat();
        let meddler = Meddler::before(server.port(), move |heard| {
            match heard.replication == replication && heard.tag == at {
                true => Act::Cut(said.clone()),
                false => Act::Pass,
            }
        });
        let mut command = db.walcat(arguments);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", meddler.port().to_string())
            .env("PGSSLMODE", "disable");
        let run = run(&mut command);
        let stderr = &run.exited(1).stderr;
        unforged(stderr);
        for line in [
            "walcat: first",
            "walcat: warning: first",
            "DETAIL:  first",
            "HINT:  first",
            "    try: rm -rf /",
            "    walcat: error: forged",
        ] {
            assert!(
                stderr.lines().any(|told| told == line),
                "no {line:?} in {stderr}"
            );
        }
    }
}
