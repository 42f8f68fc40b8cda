//! Names of hosts.

use super::*;

const IN_FULL: &str = "They are written in full, on the command line and in certificates: no \
    wildcard stands for a part of one.";

#[test]
#[rustfmt::skip]
fn hosts() {
    let root = authority("root").self_signed();
    let named = |what: &str, host, draft: Draft| {
        case(what, &[&draft.signed_by(&root)], &[&root]).host(host)
    };
    let x = || leaf("x");
    let mixed = |name: &str, address: &str| x().alternative_names([dns(name), ip(address)]);
    agree([
        named("DNS name", "db.test", x().dns(&["db.test"])),
        named("second DNS name", "db.test", x().dns(&["other.test", "db.test"])),
        named("DNS name in capitals", "db.test", x().dns(&["DB.Test"])),
        named("DNS name with underscore", "under_score.test", x().dns(&["under_score.test"])),
        named("DNS name beside an address", "db.test", mixed("db.test", "10.0.0.1")),
        named("another DNS name", "db.test", x().dns(&["other.test"])),
        named("longer DNS name", "db.test", x().dns(&["db.test.evil"])),
        named("shorter DNS name", "db.test", x().dns(&["test"])),
        named("DNS name with a dot at the end", "db.test", x().dns(&["db.test."])),
        named("host with a dot at the end", "db.test.", x().dns(&["db.test"])),
        named("DNS name with NUL", "db.test", x().dns(&["db.test\0.evil"])),
        named("no name", "db.test", x().common_names(&[])),
        named("common name", "db.test", leaf("db.test")),
        named("common name in capitals", "db.test", leaf("DB.TEST")),
        named("another common name", "db.test", leaf("other.test")),
        named("common name with NUL", "db.test", leaf("db.test\0.evil")),
        named("first of two common names", "db.test", x().common_names(&["db.test", "x"])),
        named("second of two common names", "db.test", x().common_names(&["x", "db.test"])),
        named("common name beside a DNS name", "db.test", leaf("db.test").dns(&["x.test"])),
        named("common name beside an address", "db.test", leaf("db.test").addresses(&["10.0.0.1"])),
        named("common name beside an e-mail address", "db.test",
            leaf("db.test").alternative_names([email("me@x.test")])),
        named("wildcard", "db.test", x().dns(&["*.test"])),
        named("wildcard for two labels", "a.db.test", x().dns(&["*.test"])),
        named("wildcard for none", "test", x().dns(&["*.test"])),
        named("wildcard for an empty label", ".test", x().dns(&["*.test"])),
        named("wildcard in a label", "db.test", x().dns(&["d*.test"])),
        named("wildcard inside", "a.db.test", x().dns(&["a.*.test"])),
        named("nothing but a wildcard", "localhost", x().dns(&["*"])),
        named("wildcard and dot", "localhost", x().dns(&["*."])),
        named("wildcard as common name", "db.test", leaf("*.test")),
        named("address", "127.0.0.1", x().addresses(&["127.0.0.1"])),
        named("another address", "127.0.0.1", x().addresses(&["127.0.0.2"])),
        named("IPv6 address", "0:0:0:0:0:0:0:1", x().addresses(&["::1"])),
        named("another IPv6 address", "::1", x().addresses(&["::2"])),
        named("IPv4 address in IPv6", "::ffff:127.0.0.1", x().addresses(&["127.0.0.1"])),
        named("short form of an address", "127.1", x().addresses(&["127.0.0.1"])).stricter(IN_FULL),
        named("short form of an address as common name", "127.1", leaf("127.1")),
        named("address as DNS name", "127.0.0.1", x().dns(&["127.0.0.1"])),
        named("address as DNS name, another as address", "127.0.0.1",
            mixed("127.0.0.1", "127.0.0.2")),
        named("wildcard for an address", "127.0.0.1", x().dns(&["*.0.0.1"])).stricter(IN_FULL),
        named("address as common name", "127.0.0.1", leaf("127.0.0.1")),
        named("address as common name beside another", "127.0.0.1",
            leaf("127.0.0.1").addresses(&["127.0.0.2"])),
        named("address as common name beside a DNS name", "127.0.0.1",
            leaf("127.0.0.1").dns(&["x.test"])),
        named("IPv6 address as common name", "::1", leaf("::1")),
        named("IPv6 address as common name, another form", "::1", leaf("0:0:0:0:0:0:0:1")),
    ]);
}
