//! Certificates that are their own roots.

use super::*;
use x509_cert::der::oid::db::rfc5280::ID_KP_CLIENT_AUTH;
use x509_cert::ext::pkix::KeyUsages::*;

#[test]
#[rustfmt::skip]
fn self_signed() {
    let pinned = |what: &str, draft: Draft| {
        let own = draft.self_signed();
        case(&format!("pinned, {what}"), &[&own], &[&own])
    };
    // As `openssl req -x509` makes it.
    let as_usual = || leaf("localhost").basic_constraints(true, None);
    let simple = || leaf("localhost").version_1();
    let may_sign = || authority("localhost").usage(&[DigitalSignature]);
    let root = authority("root").self_signed();
    let (own, other) = (local().self_signed(), local().self_signed());
    let from_root = local().signed_by(&root);
    let forged = local().self_signed().forged();
    let clean = |certificate: &Certificate| revoked(&[]).signed_by(certificate);
    let lists = local().usage(&[DigitalSignature, CRLSign]).self_signed();
    agree([
        pinned("nothing else", local()),
        pinned("as usual", as_usual()),
        pinned("says it is no authority", local().basic_constraints(false, None)),
        pinned("version 1", simple()),
        pinned("expired", local().valid(-30, -1)),
        pinned("not valid yet", local().valid(1, 30)),
        pinned("as usual, expired", as_usual().valid(-30, -1)),
        pinned("version 1, expired", simple().valid(-30, -1)),
        pinned("for another host", leaf("x").dns(&["db.test"])),
        pinned("to sign certificates", local().usage(&[KeyCertSign])),
        pinned("for clients", local().purposes(&[ID_KP_CLIENT_AUTH])),
        pinned("unknown critical extension", local().unknown_extension(true)),
        pinned("authority, unknown critical extension", may_sign().unknown_extension(true)),
        pinned("path length 0", local().basic_constraints(true, Some(0))),
        case("pinned beside others", &[&own], &[&root, &own, &other]),
        case("forged, pinned", &[&forged], &[&forged]).stricter(OWN_SIGNATURE),
        case("forged, as pinned", &[&forged], &[&own]),
        case("another is pinned", &[&own], &[&other]),
        case("not pinned", &[&own], &[&root]),
        case("pinned, signed by somebody else", &[&from_root], &[&from_root]),
        case("pinned, signed by somebody who is served", &[&from_root, &root], &[&from_root]),
        case("pinned and its root", &[&from_root], &[&from_root, &root]),
        case("pinned, with lists of others", &[&own], &[&own]).revoked(&[clean(&root)]),
        case("pinned, with its own list", &[&lists], &[&lists]).revoked(&[clean(&lists)]),
        case("pinned, revoked by itself", &[&lists], &[&lists])
            .revoked(&[revoked(&[1]).signed_by(&lists)]),
    ]);
}
