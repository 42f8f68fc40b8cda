//! ECDSA as *ring* lacks it: with the curve P-521, and with SHA-512. Only to verify: nothing secret
//! is handled.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rustls::SignatureScheme;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fmt;
use std::sync::LazyLock;

/// All that can be verified, also by *ring*.
pub static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let ring = ring::default_provider().signature_verification_algorithms;
    // TLS 1.2 leaves the curve open, so that a scheme may stand for several algorithms.
    let mapping = ring.mapping.iter().map(|(scheme, algorithms)| {
        let more: &[_] = match scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 => &[P521_SHA256],
            SignatureScheme::ECDSA_NISTP384_SHA384 => &[P521_SHA384],
            _ => &[],
        };
        (*scheme, &*[algorithms, more].concat().leak())
    });
    let sha512: &'static [_] = &[P521_SHA512, P384_SHA512, P256_SHA512];
    let more = [(SignatureScheme::ECDSA_NISTP521_SHA512, sha512)];
    WebPkiSupportedAlgorithms {
        all: [ring.all, &[P521_SHA256, P521_SHA384], sha512]
            .concat()
            .leak(),
        mapping: mapping.chain(more).collect::<Vec<_>>().leak(),
    }
});

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

const P256_SHA512: Algorithm = &Ecdsa {
    key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA512,
    verify: |key, message, signature| p256(key, &Sha512::digest(message), signature),
};
const P384_SHA512: Algorithm = &Ecdsa {
    key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA512,
    verify: |key, message, signature| p384(key, &Sha512::digest(message), signature),
};
const P521_SHA256: Algorithm = &Ecdsa {
    key: alg_id::ECDSA_P521,
    signature: alg_id::ECDSA_SHA256,
    verify: |key, message, signature| p521(key, &Sha256::digest(message), signature),
};
const P521_SHA384: Algorithm = &Ecdsa {
    key: alg_id::ECDSA_P521,
    signature: alg_id::ECDSA_SHA384,
    verify: |key, message, signature| p521(key, &Sha384::digest(message), signature),
};
const P521_SHA512: Algorithm = &Ecdsa {
    key: alg_id::ECDSA_P521,
    signature: alg_id::ECDSA_SHA512,
    verify: |key, message, signature| p521(key, &Sha512::digest(message), signature),
};

struct Ecdsa {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    verify: Verify,
}

/// Takes the public key, the message and the signature.
type Verify = fn(&[u8], &[u8], &[u8]) -> Result<(), p256::ecdsa::Error>;

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        (self.verify)(public_key, message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

impl fmt::Debug for Ecdsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, signature) = (self.key, self.signature);
        write!(f, "Ecdsa {{ {key:?}, {signature:?} }}")
    }
}

fn p256(key: &[u8], hash: &[u8], signature: &[u8]) -> Result<(), p256::ecdsa::Error> {
    let signature = ::p256::ecdsa::DerSignature::try_from(signature)?;
    ::p256::ecdsa::VerifyingKey::from_sec1_bytes(key)?.verify_prehash(hash, &signature)
}

fn p384(key: &[u8], hash: &[u8], signature: &[u8]) -> Result<(), p256::ecdsa::Error> {
    let signature = ::p384::ecdsa::DerSignature::try_from(signature)?;
    ::p384::ecdsa::VerifyingKey::from_sec1_bytes(key)?.verify_prehash(hash, &signature)
}

fn p521(key: &[u8], hash: &[u8], signature: &[u8]) -> Result<(), p256::ecdsa::Error> {
    let signature = ::p521::ecdsa::DerSignature::try_from(signature)?;
    ::p521::ecdsa::VerifyingKey::from_sec1_bytes(key)?.verify_prehash(hash, &signature)
}
