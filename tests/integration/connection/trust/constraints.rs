//! Names that an authority may make certificates for.

use super::*;
use x509_cert::ext::pkix::name::GeneralName;

const ALL_NAMES: &str = "They hold for every common name that stands for a host, and for the \
    certificate that has them. Those of directory names allow nothing.";

/// The names that are permitted and those that are excluded.
type Names<'a> = (&'a [GeneralName], &'a [GeneralName]);

#[test]
#[rustfmt::skip]
fn name_constraints() {
    let within = |authority: Draft, (permitted, excluded): Names<'_>| {
        authority.names_within(permitted.to_vec(), excluded.to_vec())
    };
    let of_root = |what: &str, host, names: Names<'_>, leaf: Draft| {
        let root = within(authority("root"), names).self_signed();
        case(&format!("{what}, root"), &[&leaf.signed_by(&root)], &[&root]).host(host)
    };
    let of_intermediate = |what: &str, host, names: Names<'_>, leaf: Draft| {
        let root = authority("root").self_signed();
        let middle = within(authority("middle"), names).signed_by(&root);
        let chain = [&leaf.signed_by(&middle), &middle];
        case(&format!("{what}, intermediate"), &chain, &[&root]).host(host)
    };
    let (db, here) = ("db.corp.test", "127.0.0.1");
    let named = || leaf("x").dns(&[db]);
    let common = || leaf(db);
    let (corp, other) = ([dns("corp.test")], [dns("other.test")]);
    let (ours, theirs): (Names<'_>, Names<'_>) = ((&corp, &[]), (&other, &[]));
    let (not_ours, not_theirs): (Names<'_>, Names<'_>) = ((&[], &corp), (&[], &other));
    let elsewhere: Names<'_> = (&[network("10.0.0.0", "255.0.0.0")], &[]);
    let nearby: Names<'_> = (&[network("127.0.0.0", "255.0.0.0")], &[]);
    let directory = |common_name: &str| [GeneralName::DirectoryName(name(&[common_name]))];
    agree([
        of_root("our domain", db, ours, named()),
        of_root("another domain", db, theirs, named()),
        of_root("all but our domain", db, not_ours, named()),
        of_root("all but another domain", db, not_theirs, named()),
        of_root("our domain with a dot in front", db, (&[dns(".corp.test")], &[]), named()),
        of_root("our domain in capitals", db, (&[dns("CORP.test")], &[]), named()),
        of_root("our domain, wildcard", db, ours, leaf("x").dns(&["*.corp.test"])),
        of_root("another domain, wildcard", db, theirs, leaf("x").dns(&["*.corp.test"])),
        of_root("our domain, common name", db, ours, common()),
        of_root("another domain, common name", db, theirs, common()),
        of_root("all but our domain, common name", db, not_ours, common()),
        of_root("another domain, common name beside an address", db, theirs,
            common().addresses(&[here])),
        of_root("another domain, common name beside a DNS name", db, theirs,
            common().dns(&["db.other.test"])),
        of_root("another domain, common name that is no host", here, theirs,
            leaf("PostgreSQL server").addresses(&[here])),
        of_root("another domain, common name without dots", "localhost", theirs, leaf("localhost"))
            .stricter(ALL_NAMES),
        of_root("another domain, wildcard as common name", db, theirs, leaf("*.corp.test"))
            .stricter(ALL_NAMES),
        of_root("our domain, version 1", db, ours, common().version_1()),
        of_root("another domain, version 1", db, theirs, common().version_1()),
        of_root("our network", here, nearby, leaf("x").addresses(&[here])),
        of_root("another network", here, elsewhere, leaf("x").addresses(&[here])),
        of_root("another network, DNS name", db, elsewhere, named()),
        of_root("another network, common name", here, elsewhere, leaf(here)).stricter(ALL_NAMES),
        of_root("another network, common name beside a DNS name", here, elsewhere,
            leaf(here).dns(&["x.test"])).stricter(ALL_NAMES),
        of_root("another domain, address as common name", here, theirs, leaf(here)),
        of_root("e-mail addresses", db, (&[email("corp.test")], &[]), named()),
        of_root("our directory", db, (&directory("x"), &[]), named()).stricter(ALL_NAMES),
        of_root("another directory", db, (&directory("y"), &[]), named()),
        of_root("all but our directory", db, (&[], &directory("x")), named()),
        of_intermediate("our domain", db, ours, named()),
        of_intermediate("another domain", db, theirs, named()),
        of_intermediate("all but our domain", db, not_ours, named()),
        of_intermediate("our domain, common name", db, ours, common()),
        of_intermediate("another domain, common name", db, theirs, common()),
        of_intermediate("another domain, version 1", db, theirs, common().version_1()),
    ]);
}

#[test]
fn own_name_constraints() {
    let pinned = local()
        .names_within(vec![dns("other.test")], vec![])
        .self_signed();
    agree([case("its own name forbidden", &[&pinned], &[&pinned]).stricter(ALL_NAMES)]);
}
