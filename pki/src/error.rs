//! Why something could not be made, read or believed. The shell adds which file it was and what to do.

use std::fmt;

/// A private key that could not be made or read. Never says what was in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The operating system's random generator failed.
    Generate,
    /// No key of a supported type, or halves that do not belong together.
    Parse,
    /// It is a key, and not the one of its certificate.
    Foreign,
    /// It is not where it was recorded to be.
    Missing,
    /// No PEM, or PEM with another label than `PRIVATE KEY`.
    Pem,
    /// It cannot be used without a passphrase.
    Encrypted,
    /// Several private keys where one belongs, or none.
    Count(usize),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generate => "the operating system gave no random numbers",
            Self::Parse => {
                "it is no key of a supported type (P-256, P-384, Ed25519, RSA of 2048 to 4096 bits)"
            }
            Self::Foreign => "it is not the key of the certificate",
            Self::Missing => "it is not in its sealed file",
            Self::Pem => "it is no PEM block labelled `PRIVATE KEY`",
            Self::Encrypted => "it is protected by a passphrase",
            Self::Count(0) => "it holds no private key",
            Self::Count(_) => "it holds more than one private key",
        })
    }
}

impl std::error::Error for KeyError {}

/// A certificate that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactsError {
    /// The DER is no certificate.
    Der {
        /// What is wrong with it.
        cause: String,
    },
    /// The file is no PEM of certificates.
    Pem {
        /// What is wrong with it.
        cause: String,
    },
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Der { cause } => write!(f, "it is no X.509 certificate: {cause}"),
            Self::Pem { cause } => write!(f, "it is no PEM file of certificates: {cause}"),
        }
    }
}

impl std::error::Error for FactsError {}

/// A certificate that could not be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// A key of it, or of its issuer, is unusable.
    Key {
        /// Which certificate.
        id: String,
        /// Why.
        cause: KeyError,
    },
    /// A name that cannot stand in a certificate.
    Name {
        /// Which certificate.
        id: String,
        /// The name.
        name: String,
    },
    /// The certificate would outlive its issuer or never have lived.
    Lifetime {
        /// Which certificate.
        id: String,
        /// Its issuer.
        issuer: String,
        /// When that one ends.
        not_after: String,
    },
    /// The library refused to sign.
    Sign {
        /// Which certificate.
        id: String,
        /// What it said.
        cause: String,
    },
    /// What was signed does not name its issuer to the byte.
    IssuerName {
        /// Which certificate.
        id: String,
        /// The issuer.
        issuer: String,
    },
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { id, cause: cause @ KeyError::Generate } => {
                write!(f, "could not make a key for `{id}`: {cause}")
            }
            Self::Key { id, cause } => {
                write!(f, "could not issue `{id}`: the sealed private key it needs cannot be used: {cause}")
            }
            Self::Name { id, name } => {
                write!(
                    f,
                    "could not issue `{id}`: `{name}` cannot stand in a certificate: a name there is ASCII"
                )
            }
            Self::Lifetime { id, issuer, not_after } => write!(
                f,
                "could not issue `{id}`: its issuer `{issuer}` ends {not_after}, no certificate below it can live"
            ),
            Self::Sign { id, cause } => write!(f, "could not sign `{id}`: {cause}"),
            Self::IssuerName { id, issuer } => write!(
                f,
                "could not issue `{id}`: the issuer name it would bear is not the subject of `{issuer}` to the byte"
            ),
        }
    }
}

impl std::error::Error for IssueError {}

/// A file in `certs/` that cannot be read or believed. Nothing is planned over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFault {
    /// The file, relative to `certs/`.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl StateFault {
    /// A file that was ours and is damaged: git has it whole. What can be made again may be removed instead.
    pub fn damaged(file: &str, message: impl Into<String>) -> Self {
        let authority = file.starts_with("ca/");
        let instead = match file.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "crt" if !authority => ", or remove it to have it made again",
            "yaml" if file.ends_with("/keys.yaml") => ", or remove it to have new keys made",
            "yaml" if file.starts_with("users/") => ", or remove it to have a new key made",
            "age" if !authority => ", or remove it to have a new key made",
            _ => "",
        };
        let hint = format!("bring it back with `git checkout -- certs/{file}`{instead}");
        Self { file: file.to_owned(), message: message.into(), hint }
    }
}

impl fmt::Display for StateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.file, self.message)
    }
}
