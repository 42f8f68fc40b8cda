//! Kinds of keys and signatures.

use super::*;

const KINDS: &str = "RSA keys have at least 2048 bits. Servers have no RSA-PSS and no Ed448 keys, \
    and P-521 keys with TLS 1.3 only.";

const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const ECDSA_SHA512: &str = "1.2.840.10045.4.3.4";
const RSA_SHA1: &str = "1.2.840.113549.1.1.5";
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";
const RSA_SHA384: &str = "1.2.840.113549.1.1.12";
const RSA_SHA512: &str = "1.2.840.113549.1.1.13";

#[test]
#[rustfmt::skip]
fn keys() {
    let root = authority("root").self_signed();
    let server = |what: &str, key: &Rc<Key>| {
        case(&format!("{what}, server"), &[&local().key(key).signed_by(&root)], &[&root])
    };
    let authority_of = |what: &str, key: &Rc<Key>| {
        let root = authority("root").key(key).self_signed();
        case(&format!("{what}, root"), &[&local().signed_by(&root)], &[&root])
    };
    let pinned = |what: &str, key: &Rc<Key>| {
        let own = leaf("localhost").key(key).self_signed();
        case(&format!("{what}, pinned"), &[&own], &[&own])
    };
    let everywhere = |what: &str, key: &Rc<Key>| {
        let root = authority("root").key(key).self_signed();
        let middle = authority("middle").key(key).signed_by(&root);
        let chain = [&local().key(key).signed_by(&middle), &middle];
        case(&format!("{what}, everywhere"), &chain, &[&root])
    };
    let p256 = Key::new();
    let p256_sha384 = ecdsa("P-256", "sha384", ECDSA_SHA384);
    let p256_sha512 = ecdsa("P-256", "sha512", ECDSA_SHA512);
    let p384 = ecdsa("P-384", "sha384", ECDSA_SHA384);
    let p384_sha256 = ecdsa("P-384", "sha256", ECDSA_SHA256);
    let p384_sha512 = ecdsa("P-384", "sha512", ECDSA_SHA512);
    let p521 = ecdsa("P-521", "sha512", ECDSA_SHA512);
    let p521_sha256 = ecdsa("P-521", "sha256", ECDSA_SHA256);
    let p521_sha384 = ecdsa("P-521", "sha384", ECDSA_SHA384);
    let secp256k1 = ecdsa("secp256k1", "sha256", ECDSA_SHA256);
    let ed25519 = Key::ed25519();
    let ed448 = Key::openssl("-algorithm ED448", "none", "1.3.101.113");
    let rsa_2048 = rsa(2048, "sha256", RSA_SHA256);
    let rsa_1024 = rsa(1024, "sha256", RSA_SHA256);
    let rsa_4096 = rsa(4096, "sha256", RSA_SHA256);
    let rsa_sha1 = rsa(2048, "sha1", RSA_SHA1);
    let rsa_pss = Key::openssl("-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "none", "1.2.3");
    agree_also_without_roots([
        server("P-256", &p256).tls_1_2(),
        authority_of("P-256 with SHA-384", &p256_sha384),
        authority_of("P-256 with SHA-512", &p256_sha512),
        server("P-384", &p384),
        server("P-384", &p384).tls_1_2(),
        authority_of("P-384", &p384),
        authority_of("P-384 with SHA-256", &p384_sha256),
        authority_of("P-384 with SHA-512", &p384_sha512),
        server("P-521", &p521),
        server("P-521", &p521).tls_1_2().stricter(KINDS),
        authority_of("P-521", &p521),
        pinned("P-521", &p521),
        everywhere("P-521", &p521),
        authority_of("P-521 with SHA-256", &p521_sha256),
        authority_of("P-521 with SHA-384", &p521_sha384),
        pinned("P-521 with SHA-256", &p521_sha256),
        server("secp256k1", &secp256k1),
        server("Ed25519", &ed25519),
        server("Ed25519", &ed25519).tls_1_2(),
        authority_of("Ed25519", &ed25519),
        server("Ed448", &ed448).stricter(KINDS),
        server("RSA 2048", &rsa_2048),
        server("RSA 2048", &rsa_2048).tls_1_2(),
        authority_of("RSA 2048", &rsa_2048),
        everywhere("RSA 2048", &rsa_2048),
        server("RSA 4096", &rsa_4096),
        server("RSA 1024", &rsa_1024).stricter(KINDS),
        server("RSA 1024", &rsa_1024).tls_1_2().stricter(KINDS),
        authority_of("RSA 1024", &rsa_1024),
        pinned("RSA 1024", &rsa_1024).stricter(KINDS),
        authority_of("RSA with SHA-1", &rsa_sha1),
        server("RSA-PSS", &rsa_pss).stricter(KINDS),
    ]);
}

/// The hash of the certificate is made as its signature is.
#[test]
#[rustfmt::skip]
fn channel_binding() {
    let pinned = |what: &str, key: &Rc<Key>| {
        let own = leaf("localhost").key(key).self_signed();
        case(what, &[&own], &[&own]).bound()
    };
    let long = leaf("localhost").long_serial().self_signed();
    agree_also_without_roots([
        pinned("ECDSA with SHA-256", &ecdsa("P-256", "sha256", ECDSA_SHA256)),
        pinned("ECDSA with SHA-384", &ecdsa("P-256", "sha384", ECDSA_SHA384)),
        pinned("ECDSA with SHA-512", &ecdsa("P-256", "sha512", ECDSA_SHA512)),
        pinned("RSA with SHA-256", &rsa(2048, "sha256", RSA_SHA256)),
        pinned("RSA with SHA-384", &rsa(2048, "sha384", RSA_SHA384)),
        pinned("RSA with SHA-512", &rsa(2048, "sha512", RSA_SHA512)),
        pinned("RSA with SHA-1", &rsa(2048, "sha1", RSA_SHA1)).stricter(OWN_SIGNATURE),
        pinned("Ed25519", &Key::ed25519()),
        case("serial number of 30 bytes", &[&long], &[&long]).bound(),
    ]);
}

fn ecdsa(curve: &str, digest: &'static str, signature: &str) -> Rc<Key> {
    let arguments = format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}");
    Key::openssl(&arguments, digest, signature)
}

fn rsa(bits: u32, digest: &'static str, signature: &str) -> Rc<Key> {
    let arguments = format!("-algorithm RSA -pkeyopt rsa_keygen_bits:{bits}");
    Key::openssl(&arguments, digest, signature)
}
