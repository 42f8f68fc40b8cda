//! Lists of revoked certificates.

use super::*;
use x509_cert::Version;
use x509_cert::ext::pkix::KeyUsages::*;

const FORM: &str = "They are of version 2 and say until when they are valid.";

#[test]
#[rustfmt::skip]
fn revocation() {
    let root = authority("root").serial(7).self_signed();
    let middle = authority("middle").serial(8).signed_by(&root);
    let namesake = authority("root").self_signed();
    let no_lists = authority("root").usage(&[KeyCertSign]).self_signed();
    let mine = || local().serial(9);
    let (direct, below) = (mine().signed_by(&root), mine().signed_by(&middle));
    let simple = || leaf("localhost").version_1().serial(9);
    let (simple_direct, simple_below) = (simple().signed_by(&root), simple().signed_by(&middle));
    let by_root = |serials: &[u64]| revoked(serials).signed_by(&root);
    let by_middle = |serials: &[u64]| revoked(serials).signed_by(&middle);
    let with = |change: fn(&mut Revoked)| {
        let mut list = revoked(&[1]);
        change(&mut list);
        list.signed_by(&root)
    };
    let one = |what: &str, list: String| case(what, &[&direct], &[&root]).revoked(&[list]);
    let two = |what: &str, lists: &[String]| {
        case(what, &[&below, &middle], &[&root]).revoked(lists)
    };
    let version_1 = |what: &str, list: String| {
        case(what, &[&simple_direct], &[&root]).revoked(&[list])
    };
    let version_1_below = |what: &str, lists: &[String]| {
        case(what, &[&simple_below, &middle], &[&root]).revoked(lists)
    };
    agree([
        one("nothing revoked", by_root(&[])),
        one("others revoked", by_root(&[1, 2])),
        one("revoked", by_root(&[1, 9])),
        one("the root itself revoked", by_root(&[7])),
        one("a list of somebody else", revoked(&[]).signed_by(&middle)),
        one("a list of a namesake", revoked(&[]).signed_by(&namesake)),
        one("a forged list", with(|list| list.forged = true)),
        one("an old list", with(|list| list.valid = (-10, Some(-1)))),
        one("a list of tomorrow", with(|list| list.valid = (1, Some(10)))),
        one("a list without an end", with(|list| list.valid = (-10, None))).stricter(FORM),
        one("a list of version 1", with(|list| list.version = Version::V1)).stricter(FORM),
        one("a list with an unknown critical extension",
            with(|list| list.unknown_extension = true)),
        case("an authority that may not sign lists", &[&mine().signed_by(&no_lists)], &[&no_lists])
            .revoked(&[revoked(&[]).signed_by(&no_lists)]),
        two("two lists", &[by_root(&[]), by_middle(&[])]),
        two("two lists in another order", &[by_middle(&[]), by_root(&[])]),
        two("revoked by the intermediate", &[by_root(&[]), by_middle(&[9])]),
        two("intermediate revoked", &[by_root(&[8]), by_middle(&[])]),
        two("a list of the root only", &[by_root(&[])]),
        two("a list of the intermediate only", &[by_middle(&[])]),
        version_1("version 1, others revoked", by_root(&[1])),
        version_1("version 1, revoked", by_root(&[9])),
        version_1_below("version 1 below, others revoked", &[by_root(&[1]), by_middle(&[1])]),
        version_1_below("version 1 below, revoked", &[by_root(&[1]), by_middle(&[9])]),
    ]);
}
