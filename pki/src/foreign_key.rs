//! Private keys as other programs write them, read into the one form that is ours: PKCS#8 in version 1, an elliptic
//! curve's with its public half inside, which ring insists on and many programs leave out.
//!
//! Sources: RFC 5208 (PKCS#8), RFC 8017 appendix A.1 (PKCS#1), RFC 5915 (SEC1), RFC 1421 section 4.6 (`Proc-Type`).

use pem::Pem;
use pkcs8::der::asn1::ObjectIdentifier;
use pkcs8::der::{AnyRef, Decode as _, Encode as _};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfo};
use sec1::EcPrivateKey;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::key::{PrivateKey, PublicKey, ed25519_pkcs8};

/// RFC 3279 section 2.3.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480 section 2.1.1.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 8410 section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The curves that sign here, and how many bytes their numbers have: RFC 5480 section 2.1.1.1.
const CURVES: [(ObjectIdentifier, usize); 2] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), 32),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), 48),
];

/// Reads the private key of a PEM file: PKCS#8, PKCS#1 or SEC1. Curve parameters beside it, as openssl writes them,
/// and certificates are passed over. `public` is the key's other half, for the files that do not hold it.
///
/// # Errors
/// [`KeyError::Pem`] for what is no PEM, [`KeyError::Count`] for none or several, [`KeyError::Encrypted`],
/// [`KeyError::Parse`] for a key that cannot sign here, [`KeyError::Foreign`] for one that is not `public`'s.
pub fn from_pem(text: &SecretString, public: &PublicKey) -> Result<PrivateKey, KeyError> {
    let blocks = pem::parse_many(text.expose_secret()).map_err(|_| KeyError::Pem)?;
    let mut keys: Vec<Block> =
        blocks.into_iter().map(Block::from).filter(|block| block.tag.ends_with("PRIVATE KEY")).collect();
    let count = keys.len();
    let (Some(Block { tag, encrypted, der }), 1) = (keys.pop(), count) else {
        return Err(KeyError::Count(count));
    };
    if encrypted {
        return Err(KeyError::Encrypted);
    }
    let pkcs8 = match tag.as_str() {
        "PRIVATE KEY" => from_pkcs8(&der, public)?,
        "RSA PRIVATE KEY" => wrap(RSA, Some(AnyRef::NULL), &der)?,
        "EC PRIVATE KEY" => from_sec1(&der, None, public)?,
        _ => return Err(KeyError::Pem),
    };
    let key = PrivateKey::from_pkcs8(&pkcs8)?;
    if key.public() == public { Ok(key) } else { Err(KeyError::Foreign) }
}

/// A block of a PEM file, wiped when it goes.
struct Block {
    tag: String,
    encrypted: bool,
    der: Zeroizing<Vec<u8>>,
}

impl From<Pem> for Block {
    fn from(block: Pem) -> Self {
        let tag = block.tag().to_owned();
        let headers = block.headers();
        let encrypted = tag == "ENCRYPTED PRIVATE KEY"
            || headers.get("Proc-Type").is_some_and(|kind| kind.ends_with("ENCRYPTED"));
        Self { tag, encrypted, der: Zeroizing::new(block.into_contents()) }
    }
}

fn from_pkcs8(der: &[u8], public: &PublicKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = PrivateKeyInfo::from_der(der).map_err(|_| KeyError::Parse)?;
    match info.algorithm.oid {
        EC => from_sec1(info.private_key, info.algorithm.parameters_oid().ok(), public),
        // The seed is an OCTET STRING within the OCTET STRING: RFC 8410 section 7.
        ED25519 => match info.private_key {
            [0x04, 0x20, seed @ ..] if seed.len() == 32 => Ok(ed25519_pkcs8(seed)),
            _ => Err(KeyError::Parse),
        },
        RSA => wrap(RSA, Some(AnyRef::NULL), info.private_key),
        _ => Err(KeyError::Parse),
    }
}

/// `curve` is known where PKCS#8 is around it; alone it names its curve itself.
fn from_sec1(
    der: &[u8],
    curve: Option<ObjectIdentifier>,
    public: &PublicKey,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let key = EcPrivateKey::from_der(der).map_err(|_| KeyError::Parse)?;
    let named = key.parameters.and_then(sec1::EcParameters::named_curve);
    let curve = curve.or(named).ok_or(KeyError::Parse)?;
    let (_, length) = CURVES.into_iter().find(|(oid, _)| *oid == curve).ok_or(KeyError::Parse)?;
    // Some programs drop the zeros in front, against RFC 5915 section 3.
    let missing = length.checked_sub(key.private_key.len()).ok_or(KeyError::Parse)?;
    let number = Zeroizing::new([vec![0; missing].as_slice(), key.private_key].concat());
    // The point stands at the end of a SubjectPublicKeyInfo, uncompressed: a byte and both coordinates.
    let spki = public.spki();
    let own = key.public_key.filter(|point| point.len() == 1 + 2 * length);
    let point =
        own.or_else(|| spki.get(spki.len().checked_sub(1 + 2 * length)?..)).ok_or(KeyError::Foreign)?;
    let whole = EcPrivateKey { private_key: &number, parameters: None, public_key: Some(point) };
    let inner = Zeroizing::new(whole.to_der().map_err(|_| KeyError::Parse)?);
    let wrapped = wrap(EC, Some(AnyRef::from(&curve)), &inner)?;
    // A point that was lent and does not fit is another key's.
    match own {
        None if PrivateKey::from_pkcs8(&wrapped).is_err() => Err(KeyError::Foreign),
        _ => Ok(wrapped),
    }
}

fn wrap(
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    inner: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = PrivateKeyInfo::new(AlgorithmIdentifierRef { oid, parameters }, inner);
    info.to_der().map(Zeroizing::new).map_err(|_| KeyError::Parse)
}
