//! What roots and intermediate certificates may do.

use super::*;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc5280::{
    ANY_EXTENDED_KEY_USAGE, ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH,
};
use x509_cert::ext::pkix::KeyUsages::*;
use x509_cert::ext::pkix::{BasicConstraints, CertificatePolicies, KeyUsage};

#[test]
#[rustfmt::skip]
fn roots() {
    let x = || authority("ca");
    let is = |what: &str, root: Draft| {
        let root = root.self_signed();
        case(&format!("root {what}"), &[&local().signed_by(&root)], &[&root])
    };
    let over_version_1 = |what: &str, root: Draft| {
        let root = root.self_signed();
        let simple = leaf("localhost").version_1().signed_by(&root);
        case(&format!("version 1, root {what}"), &[&simple], &[&root])
    };
    let over_two = |what: &str, root: Draft| {
        let root = root.self_signed();
        let middle = authority("middle").signed_by(&root);
        let chain = [&local().signed_by(&middle), &middle];
        case(&format!("root {what} over an intermediate"), &chain, &[&root])
    };
    agree([
        is("that is no authority", leaf("ca")),
        is("that says it is no authority", x().basic_constraints(false, None)),
        is("that is no authority but may sign", x().without(BasicConstraints::OID)),
        is("that is no authority and may not sign", leaf("ca").usage(&[DigitalSignature])),
        is("without key usage", leaf("ca").basic_constraints(true, None)),
        is("that may not sign", x().usage(&[CRLSign])),
        is("of version 1", leaf("ca").version_1()),
        is("for servers", x().purposes(&[ID_KP_SERVER_AUTH])),
        is("for clients", x().purposes(&[ID_KP_CLIENT_AUTH])),
        is("for anything", x().purposes(&[ANY_EXTENDED_KEY_USAGE])),
        is("with an unknown extension", x().unknown_extension(false)),
        is("with an unknown critical extension", x().unknown_extension(true)),
        is("with critical policies", x().with(CertificatePolicies(vec![]), true)),
        is("with damaged key usage", x().raw(KeyUsage::OID, b"\x05\x00", true)),
        is("with damaged constraints", x().raw(BasicConstraints::OID, b"\x02\x01\x00", true)),
        is("with path length 0", x().basic_constraints(true, Some(0))),
        is("with path length 0 that is none", x().basic_constraints(false, Some(0))),
        over_version_1("that is no authority", leaf("ca")),
        over_version_1("that may not sign", x().usage(&[CRLSign])),
        over_version_1("for clients", x().purposes(&[ID_KP_CLIENT_AUTH])),
        over_version_1("with an unknown critical extension", x().unknown_extension(true)),
        over_version_1("of version 1", leaf("ca").version_1()),
        over_two("with path length 0", x().basic_constraints(true, Some(0))),
        over_two("with path length 1", x().basic_constraints(true, Some(1))),
        over_two("of version 1", leaf("ca").version_1()),
    ]);
}

#[test]
#[rustfmt::skip]
fn intermediates() {
    let root = authority("root").self_signed();
    let x = || authority("middle");
    let is = |what: &str, middle: Draft| {
        let middle = middle.signed_by(&root);
        case(&format!("intermediate {what}"), &[&local().signed_by(&middle), &middle], &[&root])
    };
    let over_another = |what: &str, length| {
        let middle = x().basic_constraints(true, length).signed_by(&root);
        let lower = authority("lower").signed_by(&middle);
        let chain = [&local().signed_by(&lower), &lower, &middle];
        case(&format!("intermediate {what} over another"), &chain, &[&root])
    };
    agree([
        is("that is no authority", leaf("middle")),
        is("that says it is no authority", x().basic_constraints(false, None)),
        is("that is no authority but may sign", x().without(BasicConstraints::OID)),
        is("without key usage", leaf("middle").basic_constraints(true, None)),
        is("that may not sign", x().usage(&[CRLSign, DigitalSignature])),
        is("of version 1", leaf("middle").version_1()),
        is("for servers", x().purposes(&[ID_KP_SERVER_AUTH])),
        is("for clients", x().purposes(&[ID_KP_CLIENT_AUTH])),
        is("for anything", x().purposes(&[ANY_EXTENDED_KEY_USAGE])),
        is("with an unknown extension", x().unknown_extension(false)),
        is("with an unknown critical extension", x().unknown_extension(true)),
        is("with damaged key usage", x().raw(KeyUsage::OID, b"\x05\x00", true)),
        is("with damaged constraints", x().raw(BasicConstraints::OID, b"\x02\x01\x00", true)),
        is("with critical policies", x().with(CertificatePolicies(vec![]), true))
            .stricter(CRITICAL_POLICIES),
        is("with path length 0", x().basic_constraints(true, Some(0))),
        over_another("without path length", None),
        over_another("with path length 0", Some(0)),
        over_another("with path length 1", Some(1)),
    ]);
}
