//! SSH Ed25519 keys seen as X25519 keys, the way ssh-to-age and sops-nix see them.
//!
//! A point of the Edwards curve has one image on the Montgomery curve that X25519 uses (RFC 7748, section 4.1); the
//! private scalar is the first half of SHA-512 of the seed (RFC 8032, section 5.1.5). So whoever holds a machine's
//! SSH host key holds an age identity.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bech32::{Bech32, Hrp};
use curve25519_dalek::edwards::CompressedEdwardsY;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

/// The human-readable part of age's X25519 recipients. Source: C2SP age.md, "The X25519 recipient type".
const RECIPIENT_HRP: &str = "age";
/// The same of its identities; they are written in upper case.
const IDENTITY_HRP: &str = "age-secret-key-";

/// The first line of OpenSSH's private key files.
pub(crate) const OPENSSH_BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// The two words of an SSH public key line; a comment after them is left out.
pub(crate) fn split_public_line(line: &str) -> Option<(&str, Vec<u8>)> {
    let mut words = line.split_ascii_whitespace();
    let kind = words.next()?;
    let blob = BASE64_STANDARD.decode(words.next()?).ok()?;
    (read_string(&blob)?.0 == kind.as_bytes()).then_some((kind, blob))
}

/// The 32 bytes of an `ssh-ed25519` key in wire form: `string "ssh-ed25519", string key` (RFC 8709, section 4).
pub(crate) fn ed25519_point(blob: &[u8]) -> Option<[u8; 32]> {
    let (kind, rest) = read_string(blob)?;
    let (point, rest) = read_string(rest)?;
    (kind == b"ssh-ed25519" && rest.is_empty()).then(|| point.try_into().ok())?
}

/// The kind of key in an OpenSSH private key file, from its public half, which is never encrypted.
///
/// Source: OpenSSH, PROTOCOL.key: a magic, three strings (cipher, key derivation, its options), a count, the public key.
pub(crate) fn private_file_kind(text: &str) -> Option<String> {
    let body = text.strip_prefix(OPENSSH_BEGIN)?.split_once("-----END ")?.0;
    let base64: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    let file = Zeroizing::new(BASE64_STANDARD.decode(base64.as_bytes()).ok()?);
    let mut rest = file.strip_prefix(b"openssh-key-v1\0")?;
    for _ in 0..3 {
        rest = read_string(rest)?.1;
    }
    let public = read_string(rest.get(4..)?)?.0;
    String::from_utf8(read_string(public)?.0.to_vec()).ok()
}

/// An SSH `string`: four bytes of length, then as many bytes (RFC 4251, section 5).
fn read_string(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The `age1...` recipient of an Ed25519 public key; none where the bytes are no point of the curve or one of the few
/// points of small order, for which every secret would be the same.
pub(crate) fn x25519_recipient(point: &[u8; 32]) -> Option<String> {
    let edwards = CompressedEdwardsY(*point).decompress()?;
    if edwards.is_small_order() {
        return None;
    }
    bech32::encode::<Bech32>(Hrp::parse(RECIPIENT_HRP).ok()?, &edwards.to_montgomery().to_bytes()).ok()
}

/// The `AGE-SECRET-KEY-1...` text of an Ed25519 seed.
pub(crate) fn x25519_identity(seed: &[u8; 32]) -> Option<Zeroizing<String>> {
    let hash = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(seed)));
    let hrp = Hrp::parse(IDENTITY_HRP).ok()?;
    bech32::encode_upper::<Bech32>(hrp, hash.get(..32)?).ok().map(Zeroizing::new)
}
