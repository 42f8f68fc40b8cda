//! What the server's certificate is for.

use super::*;
use x509_cert::der::oid::db::rfc5280::{
    ANY_EXTENDED_KEY_USAGE, ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH,
};
use x509_cert::ext::pkix::KeyUsages::*;
use x509_cert::ext::pkix::{CertificatePolicies, SubjectAltName};

#[test]
#[rustfmt::skip]
fn uses() {
    let root = authority("root").own_key_identifier(b"root").self_signed();
    let is = |what: &str, draft: Draft| case(what, &[&draft.signed_by(&root)], &[&root]);
    let may_sign = || authority("x").dns(&["localhost"]);
    agree_also_without_roots([
        is("for servers", local().purposes(&[ID_KP_SERVER_AUTH])),
        is("for both", local().purposes(&[ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH])),
        is("for clients", local().purposes(&[ID_KP_CLIENT_AUTH])),
        is("for anything", local().purposes(&[ANY_EXTENDED_KEY_USAGE])),
        is("to sign", local().usage(&[DigitalSignature])),
        is("to encrypt keys", local().usage(&[KeyEncipherment])),
        is("to agree on keys", local().usage(&[KeyAgreement])),
        is("to sign certificates", local().usage(&[KeyCertSign])),
        is("to sign contracts", local().usage(&[NonRepudiation])),
        is("to encrypt data", local().usage(&[DataEncipherment])),
        is("no authority", local().basic_constraints(false, None)),
        is("an authority", local().basic_constraints(true, None)),
        is("an authority that may sign certificates", may_sign()),
        is("an authority that may sign all", may_sign().usage(&[KeyCertSign, DigitalSignature])),
        is("an authority with path length 0", local().basic_constraints(true, Some(0))),
        is("with an unknown extension", local().unknown_extension(false)),
        is("with an unknown critical extension", local().unknown_extension(true)),
        is("with an unknown critical extension", local().unknown_extension(true)).tls_1_2(),
        is("with critical policies", local().with(CertificatePolicies(vec![]), true))
            .stricter(CRITICAL_POLICIES),
        is("with critical names", leaf("x").with(SubjectAltName(vec![dns("localhost")]), true)),
        is("of version 1", leaf("localhost").version_1()),
        is("of version 1", leaf("localhost").version_1()).tls_1_2(),
        is("of version 1 for another host", leaf("db.test").version_1()),
        is("with the key identifier of its authority", local().authority_key_identifier(b"root")),
        is("with another key identifier", local().authority_key_identifier(b"other"))
            .kinder(BY_THE_SIGNATURE),
    ]);
}
