//! Finds private keys that lie in the open: PEM in every label, the same in base64 as kubeconfigs and Kubernetes
//! Secrets have it, age identities, the tokens of k3s and of service accounts. Ciphertexts, certificates and public
//! keys are none.
//!
//! A mere mention is no finding: a PEM header counts with a body behind it, an age identity at its full length.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use zeroize::Zeroizing;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `-----BEGIN ... PRIVATE KEY-----`, in clear.
    Pem,
    /// The same, encoded in base64.
    PemInBase64,
    /// A PEM private key that is encrypted with a passphrase: to be noted, not a leak.
    PassphrasePem,
    /// `AGE-SECRET-KEY-1...`, the post-quantum kind included.
    AgeIdentity,
    /// `K10<hash>::server:<secret>`: lets any machine join a k3s cluster.
    K3sToken,
    /// `token: eyJ...`: a login of a kubeconfig.
    BearerToken,
}

impl Kind {
    /// Whether whoever reads the file has the key.
    pub fn is_leak(self) -> bool {
        self != Self::PassphrasePem
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem => "a private key in PEM",
            Self::PemInBase64 => "a private key in base64",
            Self::PassphrasePem => "a private key with a passphrase",
            Self::AgeIdentity => "an age identity",
            Self::K3sToken => "a join token of k3s",
            Self::BearerToken => "a bearer token of a kubeconfig",
        })
    }
}

/// A private key and where it begins. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Bytes from the beginning.
    pub offset: usize,
    /// Counted from 1.
    pub line: usize,
}

/// How far behind its beginning a finding is decided: the longest header, separators and the first line of a body.
const LOOKAHEAD: usize = 256;
const PEM: &[u8] = b"-----BEGIN ";
const AGE: &[u8] = b"AGE-SECRET-KEY-";
/// `-----BEGIN` in base64, as far as it does not depend on what follows.
const PEM_IN_BASE64: &[u8] = b"LS0tLS1CRUdJTi";
/// Characters of an age identity behind `AGE-SECRET-KEY-1`: 32 bytes and a checksum in bech32.
const AGE_LENGTH: usize = 58;
const BECH32: &[u8] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
/// What a token of k3s begins with: its version, then the SHA-256 of the server's authority. Source: k3s,
/// pkg/clientaccess/token.go, `tokenFormat`.
const K3S: &[u8] = b"K10";
const K3S_HASH: usize = 64;
/// A JSON web token in a kubeconfig: the base64 of `{"` behind the key, as YAML or JSON writes it.
const TOKEN: &[u8] = b"token";
const JSON_IN_BASE64: &[u8] = b"eyJ";
/// A header and the beginning of a payload; a mention is shorter.
const TOKEN_LENGTH: usize = 60;
/// So many base64 characters behind a header are a body and no prose.
const BODY_LENGTH: usize = 16;

/// Scans a whole file.
pub fn scan(bytes: &[u8]) -> Vec<Finding> {
    let mut scanner = Scanner::new();
    scanner.feed(bytes);
    scanner.finish()
}

/// Scans a file that comes in pieces, in bounded memory; what it holds back is wiped.
pub struct Scanner {
    /// Bytes that are not decided yet.
    pending: Zeroizing<Vec<u8>>,
    /// Where `pending` begins.
    offset: usize,
    line: usize,
    findings: Vec<Finding>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// At the beginning of a file.
    pub fn new() -> Self {
        Self { pending: Zeroizing::new(Vec::new()), offset: 0, line: 1, findings: Vec::new() }
    }

    /// Takes the next piece, of any size.
    pub fn feed(&mut self, piece: &[u8]) {
        for part in piece.chunks(64 * 1024) {
            self.pending.extend_from_slice(part);
            let decided = self.pending.len().saturating_sub(LOOKAHEAD);
            self.advance(decided);
        }
    }

    /// Everything found, in order.
    pub fn finish(mut self) -> Vec<Finding> {
        self.advance(self.pending.len());
        std::mem::take(&mut self.findings)
    }

    /// Decides the first `count` of the pending bytes.
    fn advance(&mut self, count: usize) {
        for at in 0..count {
            let Some(rest) = self.pending.get(at..) else { break };
            match rest.first() {
                Some(b'\n') => self.line += 1,
                Some(b'-' | b'A' | b'L' | b'K' | b't') => {
                    if let Some(kind) = classify(rest.get(..LOOKAHEAD).unwrap_or(rest)) {
                        self.findings.push(Finding { kind, offset: self.offset + at, line: self.line });
                    }
                }
                _ => {}
            }
        }
        self.pending.copy_within(count.., 0);
        let rest = self.pending.len() - count;
        self.pending.truncate(rest);
        self.offset += count;
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("offset", &self.offset)
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

fn classify(text: &[u8]) -> Option<Kind> {
    if let Some(rest) = text.strip_prefix(PEM) {
        classify_pem(rest)
    } else if let Some(rest) = text.strip_prefix(AGE) {
        let key = rest.strip_prefix(b"PQ-").unwrap_or(rest).strip_prefix(b"1")?;
        let length = key.iter().take_while(|letter| BECH32.contains(letter)).count();
        (length >= AGE_LENGTH).then_some(Kind::AgeIdentity)
    } else if let Some(rest) = text.strip_prefix(K3S) {
        let hash = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let secret = rest.get(hash..)?.strip_prefix(b"::")?.iter().take_while(|byte| byte.is_ascii_graphic());
        (hash == K3S_HASH && secret.count() >= BODY_LENGTH).then_some(Kind::K3sToken)
    } else if let Some(rest) = text.strip_prefix(TOKEN) {
        let value = skip_separators(rest.strip_prefix(b"\"").unwrap_or(rest).strip_prefix(b":")?);
        let is_token = |byte: &&u8| is_base64(**byte) || matches!(**byte, b'-' | b'_' | b'.');
        let length = value.iter().take_while(is_token).count();
        (value.starts_with(JSON_IN_BASE64) && length >= TOKEN_LENGTH).then_some(Kind::BearerToken)
    } else if text.starts_with(PEM_IN_BASE64) {
        let length = text.iter().take_while(|byte| is_base64(**byte)).count();
        let decoded = Zeroizing::new(BASE64_STANDARD_NO_PAD.decode(text.get(..length / 4 * 4)?).ok()?);
        match classify_pem(decoded.strip_prefix(PEM)?)? {
            Kind::PassphrasePem => Some(Kind::PassphrasePem),
            _ => Some(Kind::PemInBase64),
        }
    } else {
        None
    }
}

/// What begins behind `-----BEGIN `.
fn classify_pem(rest: &[u8]) -> Option<Kind> {
    let end = rest.windows(5).take(48).position(|window| window == b"-----")?;
    let (label, body) = rest.split_at(end);
    let is_label =
        label.iter().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || *letter == b' ');
    if !is_label {
        return None;
    }
    let body = skip_separators(body.get(5..)?);
    if label == b"PGP PRIVATE KEY BLOCK" {
        return Some(Kind::Pem);
    }
    if !label.ends_with(b"PRIVATE KEY") {
        return None;
    }
    if body.starts_with(b"Proc-Type: 4,ENCRYPTED") {
        return Some(Kind::PassphrasePem);
    }
    if body.iter().take_while(|byte| is_base64(**byte)).count() < BODY_LENGTH {
        return None;
    }
    // OpenSSH names its cipher behind a fixed head: `openssh-key-v1\0`, length 4, `none`.
    let is_openssh_sealed = label == b"OPENSSH PRIVATE KEY"
        && body.starts_with(b"b3BlbnNzaC1rZXktdjEAAAAA")
        && !body.starts_with(b"b3BlbnNzaC1rZXktdjEAAAAABG5vbmU");
    let is_sealed = label.starts_with(b"ENCRYPTED") || label.windows(11).any(|part| part == b" ENCRYPTED ");
    Some(if is_sealed || is_openssh_sealed { Kind::PassphrasePem } else { Kind::Pem })
}

/// Line ends and indentation, also as strings of other formats write them: `\n`, `\r`, quotes, commas, `+`.
fn skip_separators(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b'\\', b'n' | b'r' | b't', rest @ ..]
            | [b' ' | b'\n' | b'\r' | b'\t' | b'"' | b'\'' | b',', rest @ ..] => rest,
            _ => return text,
        };
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;
    use crate::host_key::HostKey;
    use crate::identity::Identity;

    /// Bodies that look like keys and are none.
    const BODY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";

    fn kinds(text: &str) -> Vec<Kind> {
        scan(text.as_bytes()).iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn every_label_of_a_private_key_is_found() {
        for label in ["", "EC ", "RSA ", "DSA ", "OPENSSH ", "ANY "] {
            let text = format!("a: |\n  -----BEGIN {label}PRIVATE KEY-----\n  {BODY}\n");
            assert_eq!(scan(text.as_bytes()), [Finding { kind: Kind::Pem, offset: 7, line: 2 }], "{label}");
        }
        let label = "PGP PRIVATE KEY BLOCK";
        assert_eq!(kinds(&format!("-----BEGIN {label}-----\nVersion: 1\n")), [Kind::Pem]);
    }

    #[test]
    fn a_key_in_one_line_of_json_or_in_base64_is_found() {
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n");
        assert_eq!(kinds(&format!("{{\"key\":{pem:?}}}")), [Kind::Pem]);
        assert_eq!(
            kinds(&format!("client-key-data: {}\n", BASE64_STANDARD.encode(&pem))),
            [Kind::PemInBase64]
        );
    }

    #[test]
    fn what_is_encrypted_or_public_or_only_mentioned_is_no_leak() {
        for text in [
            format!("-----BEGIN CERTIFICATE-----\n{BODY}\n"),
            format!("-----BEGIN PUBLIC KEY-----\n{BODY}\n"),
            format!(
                "client-certificate-data: {}",
                BASE64_STANDARD.encode(format!("-----BEGIN CERTIFICATE-----\n{BODY}"))
            ),
            "key: ENC[AES256_GCM,data:QuvCC5Q=,iv:kWRn4b7Z,tag:IFqC2HtI,type:str]".to_owned(),
            "look for `-----BEGIN PRIVATE KEY-----` in the file".to_owned(),
            "lines AGE-SECRET-KEY-1... as age-keygen writes them".to_owned(),
            "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQ is too short".to_owned(),
        ] {
            assert_eq!(kinds(&text), [], "{text}");
        }
        for text in [
            format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{BODY}\n"),
            format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\n{BODY}\n"),
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0\n"
                .to_owned(),
        ] {
            let found = kinds(&text);
            assert_eq!(found, [Kind::PassphrasePem], "{text}");
            assert!(!found.iter().any(|kind| kind.is_leak()));
        }
    }

    #[test]
    fn credentials_of_kubeconfigs_and_of_k3s_are_found() {
        let token = format!("eyJhbGciOiJSUzI1NiIsImtpZCI6Ing{}.{}", "x".repeat(40), "y".repeat(20));
        assert_eq!(kinds(&format!("    token: {token}\n")), [Kind::BearerToken]);
        assert_eq!(kinds(&format!("{{\"token\": \"{token}\"}}")), [Kind::BearerToken]);
        assert_eq!(kinds("token: eyJhbGciOiJ... as in this example"), []);
        assert_eq!(kinds("token: ENC[AES256_GCM,data:QuvCC5Q=,iv:kWRn4b7Z,tag:IFqC2HtI,type:str]"), []);
        let k3s = format!("K10{}::server:{}", "0a".repeat(32), "f".repeat(32));
        assert_eq!(kinds(&k3s), [Kind::K3sToken]);
        assert_eq!(kinds(&format!("K10{}::server:", "0a".repeat(32))), []);
    }

    #[test]
    fn keys_we_make_ourselves_are_found() {
        let (identity, _) = Identity::generate();
        assert_eq!(kinds(identity.expose_text().unwrap()), [Kind::AgeIdentity]);
        let host = HostKey::generate("root@cp1").unwrap();
        assert_eq!(kinds(host.private_file().expose_text().unwrap()), [Kind::Pem]);
    }

    #[test]
    fn pieces_of_any_size_find_the_same_as_the_whole() {
        let (identity, _) = Identity::generate();
        let filler = "x\n".repeat(300);
        let text = format!(
            "{filler}-----BEGIN EC PRIVATE KEY-----\n{BODY}\n{filler}{}\n{filler}",
            identity.expose_text().unwrap()
        );
        let whole = scan(text.as_bytes());
        assert_eq!(whole.len(), 2);
        assert_eq!(whole[0].line, 301);
        for size in [1, 2, 7, 63, 255, 256, 257, 4096] {
            let mut scanner = Scanner::new();
            text.as_bytes().chunks(size).for_each(|piece| scanner.feed(piece));
            assert_eq!(scanner.finish(), whole, "pieces of {size}");
        }
    }

    #[test]
    fn debug_of_a_scanner_shows_none_of_the_bytes() {
        let mut scanner = Scanner::new();
        scanner.feed(b"hunter2");
        assert!(!format!("{scanner:?}").contains("hunter2") && !format!("{scanner:?}").contains("104"));
    }
}
