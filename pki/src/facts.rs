//! What an existing certificate says. The one place where x509-parser is met.

use std::net::IpAddr;

use time::OffsetDateTime;
use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::objects::{oid_registry, oid2abbrev, oid2sn};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey as SubjectKey;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, SubjectPublicKeyInfo, X509Name};

use crate::error::FactsError;
use crate::key::{PublicKey, hex};
use crate::san::San;

/// The facts of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFacts {
    /// The certificate itself.
    pub der: Vec<u8>,
    /// Subject: common name, empty when there is none.
    pub common_name: String,
    /// Subject: organizations, in order.
    pub organizations: Vec<String>,
    /// The subject as a person reads it.
    pub subject: String,
    /// The issuer as a person reads it.
    pub issuer: String,
    /// The subject's bytes.
    pub raw_subject: Vec<u8>,
    /// The issuer's bytes: a chain holds only when they are the issuer's subject to the byte.
    pub raw_issuer: Vec<u8>,
    /// Subject alternative names, sorted.
    pub sans: Vec<San>,
    /// The names of the key usages it has, sorted: `digitalSignature`, `keyCertSign`...
    pub key_usages: Vec<&'static str>,
    /// The names of the extended key usages it has: `serverAuth`, `clientAuth`, and `others` for all that we never ask for.
    pub purposes: Vec<&'static str>,
    /// Whether it is an authority.
    pub is_ca: bool,
    /// How many authorities may stand below it; `None`: any number, or it is none.
    pub path_length: Option<u32>,
    /// Whether a reader who does not understand that it is an authority must refuse it.
    pub constraints_critical: bool,
    /// First second of its life.
    pub not_before: OffsetDateTime,
    /// Last second of its life.
    pub not_after: OffsetDateTime,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// Subject key identifier, lower-case hexadecimal.
    pub subject_key_id: Option<String>,
    /// Authority key identifier, lower-case hexadecimal.
    pub authority_key_id: Option<String>,
    /// Its public key.
    pub public_key: PublicKey,
    /// The kind of its key, as machines.nix names it where it can: `p256`, `p384`, `ed25519`, `rsa`, `P-521`
    /// or an OID.
    pub key_type: String,
    /// How long an RSA key is, in bits, and its public exponent.
    pub rsa: Option<(usize, u64)>,
    /// The extensions that narrow what may stand below it and that are not named above, by name or OID.
    pub limits: Vec<String>,
}

/// What is to be said of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// It is the issuer's.
    Holds,
    /// The certificate names another issuer.
    OtherIssuer,
    /// It is of an algorithm that is not verified here, by name.
    Unsupported(String),
    /// It is not over this certificate, or not by this key.
    Broken,
}

/// One element of a subject: an attribute's type, how its text is encoded, and the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameElement {
    /// The attribute's object identifier.
    pub oid: Vec<u64>,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Its text.
    pub text: String,
}

/// The string types of X.520 that can be written again as they were: the ones that hold what they show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `UTF8String`.
    Utf8,
    /// `PrintableString`.
    Printable,
    /// `IA5String`.
    Ia5,
}

impl CertFacts {
    /// Reads the DER of one certificate.
    ///
    /// # Errors
    /// [`FactsError::Der`] when it is none, or when bytes follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, FactsError> {
        let (rest, certificate) = X509Certificate::from_der(der)
            .map_err(|_| FactsError::Der { cause: "its DER is damaged".to_owned() })?;
        if !rest.is_empty() {
            return Err(FactsError::Der {
                cause: format!("other bytes follow it ({count})", count = rest.len()),
            });
        }
        Ok(read(&certificate, der))
    }

    /// Reads every certificate of a PEM file: the leaf first, then its issuers.
    ///
    /// # Errors
    /// [`FactsError::Pem`] when the armor is broken, holds something else or nothing at all.
    pub fn chain_from_pem(text: &[u8]) -> Result<Vec<Self>, FactsError> {
        let blocks = pem::parse_many(text).map_err(|error| FactsError::Pem { cause: error.to_string() })?;
        if blocks.is_empty() {
            return Err(FactsError::Pem { cause: "it holds no `BEGIN CERTIFICATE`".to_owned() });
        }
        blocks
            .iter()
            .map(|block| match block.tag() {
                "CERTIFICATE" => Self::from_der(block.contents()),
                other => Err(FactsError::Pem {
                    cause: format!("it holds a `{other}` where a certificate belongs"),
                }),
            })
            .collect()
    }

    /// Whether `issuer` signed this certificate: its name, to the byte, and its signature.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.signature_of(issuer) == Signature::Holds
    }

    /// What is to be said of the signature on this certificate as one of `issuer`.
    pub fn signature_of(&self, issuer: &Self) -> Signature {
        if self.raw_issuer != issuer.raw_subject {
            return Signature::OtherIssuer;
        }
        let (Ok((_, own)), Ok((_, key))) =
            (X509Certificate::from_der(&self.der), SubjectPublicKeyInfo::from_der(issuer.public_key.spki()))
        else {
            return Signature::Broken;
        };
        match own.verify_signature(Some(&key)) {
            Ok(()) => Signature::Holds,
            Err(X509Error::SignatureUnsupportedAlgorithm) => {
                let oid = &own.signature_algorithm.algorithm;
                Signature::Unsupported(
                    oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), ToOwned::to_owned),
                )
            }
            Err(_) => Signature::Broken,
        }
    }

    /// Its subject, element by element, as it can be written again to the byte.
    ///
    /// # Errors
    /// What stands in it that cannot: an element of several attributes, one of a type that was there before, a string
    /// of a rare type.
    pub fn subject_elements(&self) -> Result<Vec<NameElement>, String> {
        let (_, certificate) = X509Certificate::from_der(&self.der).map_err(|_| "damaged DER".to_owned())?;
        let mut elements: Vec<NameElement> = Vec::new();
        for rdn in certificate.subject().iter_rdn() {
            let element = name_element(rdn)?;
            if elements.iter().any(|known| known.oid == element.oid) {
                let name = rdn.iter().next().map(label).unwrap_or_default();
                return Err(format!("more than one `{name}`"));
            }
            elements.push(element);
        }
        Ok(elements)
    }

    /// Whether its own words allow it to sign certificates. Without a key usage nothing is said against it: RFC 5280
    /// section 4.2.1.3.
    pub fn may_sign(&self) -> bool {
        self.is_ca && (self.key_usages.is_empty() || self.key_usages.contains(&"keyCertSign"))
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        crate::key::encode_pem("CERTIFICATE", &self.der)
    }
}

fn read(certificate: &X509Certificate<'_>, der: &[u8]) -> CertFacts {
    let mut facts = CertFacts {
        der: der.to_vec(),
        common_name: attribute(certificate.subject().iter_common_name())
            .into_iter()
            .next()
            .unwrap_or_default(),
        organizations: attribute(certificate.subject().iter_organization()),
        subject: readable(certificate.subject()),
        issuer: readable(certificate.issuer()),
        raw_subject: certificate.subject().as_raw().to_vec(),
        raw_issuer: certificate.issuer().as_raw().to_vec(),
        sans: Vec::new(),
        key_usages: Vec::new(),
        purposes: Vec::new(),
        is_ca: false,
        path_length: None,
        constraints_critical: false,
        not_before: certificate.validity().not_before.to_datetime(),
        not_after: certificate.validity().not_after.to_datetime(),
        serial: hex(certificate.raw_serial()),
        subject_key_id: None,
        authority_key_id: None,
        public_key: PublicKey::from_spki(certificate.public_key().raw.to_vec()),
        key_type: key_type(certificate.public_key()),
        rsa: match certificate.public_key().parsed() {
            Ok(SubjectKey::RSA(key)) => Some((key.key_size(), key.try_exponent().unwrap_or(u64::MAX))),
            _ => None,
        },
        limits: certificate.extensions().iter().filter_map(limit).collect(),
    };
    for extension in certificate.extensions() {
        read_extension(&mut facts, extension);
    }
    facts
}

fn read_extension(facts: &mut CertFacts, extension: &X509Extension<'_>) {
    match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => {
            facts.sans = names.general_names.iter().map(san).collect();
            facts.sans.sort();
        }
        ParsedExtension::BasicConstraints(basic) => {
            facts.is_ca = basic.ca;
            facts.path_length = basic.path_len_constraint;
            facts.constraints_critical = extension.critical;
        }
        ParsedExtension::KeyUsage(usage) => {
            let named = [
                (usage.digital_signature(), "digitalSignature"),
                (usage.key_encipherment(), "keyEncipherment"),
                (usage.key_cert_sign(), "keyCertSign"),
                (usage.crl_sign(), "cRLSign"),
                (usage.non_repudiation(), "nonRepudiation"),
                (usage.data_encipherment(), "dataEncipherment"),
                (usage.key_agreement(), "keyAgreement"),
                (usage.encipher_only(), "encipherOnly"),
                (usage.decipher_only(), "decipherOnly"),
            ];
            facts.key_usages = named.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
            facts.key_usages.sort_unstable();
        }
        ParsedExtension::ExtendedKeyUsage(usage) => {
            let others = usage.any
                || usage.code_signing
                || usage.email_protection
                || usage.time_stamping
                || usage.ocsp_signing
                || !usage.other.is_empty();
            let named =
                [(usage.server_auth, "serverAuth"), (usage.client_auth, "clientAuth"), (others, "others")];
            facts.purposes = named.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
        }
        ParsedExtension::SubjectKeyIdentifier(id) => facts.subject_key_id = Some(hex(id.0)),
        ParsedExtension::AuthorityKeyIdentifier(id) => {
            facts.authority_key_id = id.key_identifier.as_ref().map(|key| hex(key.0));
        }
        _ => {}
    }
}

/// What narrows what may stand below an authority, beside what we read: constraints on names and policies, and
/// whatever is critical and unknown.
fn limit(extension: &X509Extension<'_>) -> Option<String> {
    match extension.parsed_extension() {
        ParsedExtension::NameConstraints(_) => Some("nameConstraints".to_owned()),
        ParsedExtension::PolicyConstraints(_) => Some("policyConstraints".to_owned()),
        ParsedExtension::InhibitAnyPolicy(_) => Some("inhibitAnyPolicy".to_owned()),
        ParsedExtension::PolicyMappings(_) => Some("policyMappings".to_owned()),
        ParsedExtension::SubjectAlternativeName(_)
        | ParsedExtension::BasicConstraints(_)
        | ParsedExtension::KeyUsage(_)
        | ParsedExtension::ExtendedKeyUsage(_) => None,
        _ => extension.critical.then(|| extension.oid.to_id_string()),
    }
}

fn name_element(rdn: &RelativeDistinguishedName<'_>) -> Result<NameElement, String> {
    let mut attributes = rdn.iter();
    let (Some(attribute), None) = (attributes.next(), attributes.next()) else {
        let names: Vec<String> = rdn.iter().map(label).collect();
        return Err(if names.is_empty() {
            "an empty element".to_owned()
        } else {
            format!("one element of several attributes, `{}`", names.join("+"))
        });
    };
    let value = attribute.attr_value();
    let encoding = match value.tag() {
        Tag::Utf8String => Encoding::Utf8,
        Tag::PrintableString => Encoding::Printable,
        Tag::Ia5String => Encoding::Ia5,
        other => return Err(format!("`{}` as a {other}", label(attribute))),
    };
    let text = std::str::from_utf8(value.data)
        .map_err(|_| format!("`{}` with bytes that are no text", label(attribute)))?;
    let oid: Vec<u64> = attribute.attr_type().iter().map(Iterator::collect).unwrap_or_default();
    // X.660: 0.0 to 0.39, 1.0 to 1.39 and 2.0 on. What x509-parser makes of 2.40 and beyond is an identifier that does not
    // exist, and rcgen gives up on it.
    if !matches!(oid.as_slice(), [0..=2, 0..=39, ..]) {
        return Err(format!("`{}`, a type that cannot be repeated", label(attribute)));
    }
    // A question mark is printable (X.680 section 41.4), and yasna, which writes for rcgen, gives up on it.
    if encoding == Encoding::Printable && text.contains('?') {
        return Err(format!("`{}` with a `?` as a {}", label(attribute), value.tag()));
    }
    Ok(NameElement { oid, encoding, text: text.to_owned() })
}

/// `OU`, or the OID of what has no short name.
fn label(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type();
    oid2abbrev(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), ToOwned::to_owned)
}

fn san(name: &GeneralName<'_>) -> San {
    match name {
        GeneralName::DNSName(name) => San::Dns((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => San::Ip(IpAddr::from(v4)),
            (_, Ok(v6)) => San::Ip(IpAddr::from(v6)),
            _ => San::Dns(format!("IP:{}", hex(bytes))),
        },
        // Nothing we issue; kept readable, so that drift can name it.
        other => San::Dns(other.to_string()),
    }
}

fn attribute<'a>(values: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Vec<String> {
    values.map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
}

fn readable(name: &X509Name<'_>) -> String {
    name.to_string()
}

fn key_type(key: &SubjectPublicKeyInfo<'_>) -> String {
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == OID_PKCS1_RSAENCRYPTION {
        return "rsa".to_owned();
    }
    if *algorithm == OID_SIG_ED25519 {
        return "ed25519".to_owned();
    }
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
        && let Some(parameters) = &key.algorithm.parameters
    {
        let Ok(curve) = parameters.clone().oid() else { return "a curve by explicit parameters".to_owned() };
        if parameters.tag() != Tag::Oid {
            return "a curve by explicit parameters".to_owned();
        }
        if curve == OID_EC_P256 {
            return "p256".to_owned();
        }
        if curve == OID_NIST_EC_P384 {
            return "p384".to_owned();
        }
        if curve == OID_NIST_EC_P521 {
            return "P-521".to_owned();
        }
        return curve.to_id_string();
    }
    algorithm.to_id_string()
}
