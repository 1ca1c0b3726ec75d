//! Certificates are made here, and only here is rcgen met. Every field is set, none is left to a default.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
    SubjectPublicKeyInfo,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use crate::error::{IssueError, KeyError};
use crate::facts::{CertFacts, Encoding};
use crate::key::{PrivateKey, PublicKey};
use crate::kinds::Usage;
use crate::plan::CertPlan;
use crate::san::San;

/// How far before `now` a certificate's life begins: a machine whose clock is a little slow accepts it too.
/// As kubeadm does it (client-go `CertificateValidityAllowance` is 5 minutes; ours covers a skipped hour).
pub const BACKDATE: Duration = Duration::HOUR;

/// An authority that can sign: its certificate and its key, read once however many certificates it signs.
pub struct Signer {
    facts: CertFacts,
    issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    /// An authority out of its certificate and its key.
    ///
    /// # Errors
    /// [`IssueError::Key`] when the key is not the certificate's, [`IssueError::Sign`] when the certificate is
    /// none that can be signed under.
    pub fn new(id: &str, facts: &CertFacts, key: &PrivateKey) -> Result<Self, IssueError> {
        if facts.public_key != *key.public() {
            return Err(IssueError::Key { id: id.to_owned(), cause: KeyError::Foreign });
        }
        // Asked before rcgen, which gives up on a name that it cannot hold.
        facts.subject_elements().map_err(|_| issuer_name(id, facts))?;
        let pair = key.signing_pair().map_err(|cause| IssueError::Key { id: id.to_owned(), cause })?;
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(facts.der.as_slice()), pair)
            .map_err(|error| IssueError::Sign { id: id.to_owned(), cause: error.to_string() })?;
        Ok(Self { facts: facts.clone(), issuer })
    }
}

/// Makes a self-signed authority.
///
/// # Errors
/// As [`issue`].
pub fn issue_self_signed(
    plan: &CertPlan,
    key: &PrivateKey,
    now: OffsetDateTime,
) -> Result<CertFacts, IssueError> {
    let not_after = after(plan, now)?;
    let params = parameters(plan, now, not_after)?;
    let pair = key.signing_pair().map_err(|cause| IssueError::Key { id: plan.id.to_string(), cause })?;
    let certificate = params.self_signed(&pair).map_err(|error| sign_error(plan, &error))?;
    let facts = facts_of(plan, certificate.der())?;
    same_name(plan, &facts)?;
    Ok(facts)
}

/// What an adopted authority signed names it as it was: a renewal has that name to the byte.
fn same_name(plan: &CertPlan, facts: &CertFacts) -> Result<(), IssueError> {
    match &plan.adopted {
        Some(adopted) if adopted.raw_subject != facts.raw_subject => {
            Err(issuer_name(plan.id.as_str(), adopted))
        }
        _ => Ok(()),
    }
}

/// Makes a certificate for `public`, signed by `signer`. Its life begins an hour before `now` and ends after
/// the plan's days, or with its issuer's if that comes first.
///
/// # Errors
/// [`IssueError`], naming the certificate.
pub fn issue(
    plan: &CertPlan,
    public: &PublicKey,
    signer: &Signer,
    now: OffsetDateTime,
) -> Result<CertFacts, IssueError> {
    let issuer_end = signer.facts.not_after;
    let not_after = after(plan, now)?.min(issuer_end);
    if not_after <= now {
        return Err(IssueError::Lifetime {
            id: plan.id.to_string(),
            issuer: signer.facts.common_name.clone(),
            not_after: issuer_end.date().to_string(),
        });
    }
    let subject_key =
        SubjectPublicKeyInfo::from_der(public.spki()).map_err(|error| sign_error(plan, &error))?;
    let params = parameters(plan, now, not_after)?;
    let certificate =
        params.signed_by(&subject_key, &signer.issuer).map_err(|error| sign_error(plan, &error))?;
    let facts = facts_of(plan, certificate.der())?;
    same_name(plan, &facts)?;
    // rcgen rebuilds the issuer's name from its parts; a name that it cannot rebuild would break the chain.
    if facts.raw_issuer != signer.facts.raw_subject {
        return Err(issuer_name(plan.id.as_str(), &signer.facts));
    }
    Ok(facts)
}

fn issuer_name(id: &str, issuer: &CertFacts) -> IssueError {
    IssueError::IssuerName { id: id.to_owned(), issuer: issuer.subject.clone() }
}

/// The end of its days, when there is such a day.
fn after(plan: &CertPlan, now: OffsetDateTime) -> Result<OffsetDateTime, IssueError> {
    let beyond = || IssueError::Lifetime {
        id: plan.id.to_string(),
        issuer: "the calendar".to_owned(),
        not_after: "with the year 9999".to_owned(),
    };
    now.checked_add(Duration::days(plan.days.into())).ok_or_else(beyond)
}

fn facts_of(plan: &CertPlan, der: &CertificateDer<'_>) -> Result<CertFacts, IssueError> {
    CertFacts::from_der(der)
        .map_err(|error| IssueError::Sign { id: plan.id.to_string(), cause: error.to_string() })
}

fn sign_error(plan: &CertPlan, error: &rcgen::Error) -> IssueError {
    IssueError::Sign { id: plan.id.to_string(), cause: error.to_string() }
}

fn parameters(
    plan: &CertPlan,
    now: OffsetDateTime,
    not_after: OffsetDateTime,
) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    // X.509 counts in seconds.
    params.not_before = whole_second(now.checked_sub(BACKDATE).unwrap_or(now));
    params.not_after = whole_second(not_after);
    params.serial_number = Some(random_serial(plan)?);
    params.distinguished_name = distinguished_name(plan);
    params.subject_alt_names =
        plan.sans.iter().map(|san| subject_alt_name(plan, san)).collect::<Result<_, _>>()?;
    params.use_authority_key_identifier_extension = true;
    match plan.usage {
        None if plan.adopted.is_some() => like_adopted(plan, &mut params)?,
        None => {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(plan.path_length.unwrap_or(0)));
            params.key_usages = vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyCertSign,
                KeyUsagePurpose::CrlSign,
            ];
        }
        Some(usage) => {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = purposes(usage);
        }
    }
    Ok(params)
}

/// An authority that was made elsewhere keeps its name, its key identifier, how deep it reaches, its key usages, and
/// that it is for servers and clients. What else it had is left out: [`crate::adopt::left_out`].
fn like_adopted(plan: &CertPlan, params: &mut CertificateParams) -> Result<(), IssueError> {
    let Some(adopted) = &plan.adopted else { return Ok(()) };
    let elements = adopted.subject_elements().map_err(|_| issuer_name(plan.id.as_str(), adopted))?;
    params.distinguished_name = DistinguishedName::new();
    for element in elements {
        let unwritable = |error: rcgen::Error| sign_error(plan, &error);
        let value = match element.encoding {
            Encoding::Utf8 => DnValue::Utf8String(element.text),
            Encoding::Printable => DnValue::PrintableString(element.text.try_into().map_err(unwritable)?),
            Encoding::Ia5 => DnValue::Ia5String(element.text.try_into().map_err(unwritable)?),
        };
        params.distinguished_name.push(DnType::CustomDnType(element.oid), value);
    }
    let depth = adopted.path_length.map(|depth| u8::try_from(depth).unwrap_or(u8::MAX));
    params.is_ca = IsCa::Ca(depth.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.key_usages = adopted.key_usages.iter().filter_map(|name| key_usage(name)).collect();
    if params.key_usages.is_empty() {
        // Strict readers want one: RFC 5280 section 4.2.1.3.
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    }
    params.extended_key_usages = if adopted.purposes.is_empty() { Vec::new() } else { purposes(Usage::Both) };
    if let Some(id) = &adopted.subject_key_id {
        params.key_identifier_method = KeyIdMethod::PreSpecified(unhex(id));
    }
    Ok(())
}

/// The key usages of RFC 5280 section 4.2.1.3, by their names in [`CertFacts`].
fn key_usage(name: &str) -> Option<KeyUsagePurpose> {
    match name {
        "digitalSignature" => Some(KeyUsagePurpose::DigitalSignature),
        "keyEncipherment" => Some(KeyUsagePurpose::KeyEncipherment),
        "keyCertSign" => Some(KeyUsagePurpose::KeyCertSign),
        "cRLSign" => Some(KeyUsagePurpose::CrlSign),
        "nonRepudiation" => Some(KeyUsagePurpose::ContentCommitment),
        "dataEncipherment" => Some(KeyUsagePurpose::DataEncipherment),
        "keyAgreement" => Some(KeyUsagePurpose::KeyAgreement),
        "encipherOnly" => Some(KeyUsagePurpose::EncipherOnly),
        "decipherOnly" => Some(KeyUsagePurpose::DecipherOnly),
        _ => None,
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| pair.iter().filter_map(digit).fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

fn whole_second(time: OffsetDateTime) -> OffsetDateTime {
    time - Duration::nanoseconds(time.nanosecond().into())
}

fn purposes(usage: Usage) -> Vec<ExtendedKeyUsagePurpose> {
    let server = usage.is_server().then_some(ExtendedKeyUsagePurpose::ServerAuth);
    let client = usage.is_client().then_some(ExtendedKeyUsagePurpose::ClientAuth);
    server.into_iter().chain(client).collect()
}

fn distinguished_name(plan: &CertPlan) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organization) = &plan.organization {
        name.push(DnType::OrganizationName, organization.as_str());
    }
    name.push(DnType::CommonName, plan.common_name.as_str());
    name
}

fn subject_alt_name(plan: &CertPlan, san: &San) -> Result<SanType, IssueError> {
    match san {
        San::Ip(ip @ (IpAddr::V4(_) | IpAddr::V6(_))) => Ok(SanType::IpAddress(*ip)),
        San::Dns(name) => name
            .as_str()
            .try_into()
            .map(SanType::DnsName)
            .map_err(|_| IssueError::Name { id: plan.id.to_string(), name: name.clone() }),
    }
}

/// 16 random octets with the top bit clear: positive, at most 20 octets (RFC 5280 section 4.1.2.2), and with 127
/// bits of chance never the same twice. rcgen's default repeats the serial when a key is certified again.
fn random_serial(plan: &CertPlan) -> Result<SerialNumber, IssueError> {
    let mut octets = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut octets)
        .map_err(|_| IssueError::Key { id: plan.id.to_string(), cause: KeyError::Generate })?;
    octets[0] = (octets[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&octets))
}

// `PublicKeyData` must be in scope for rcgen's generic arguments.
const _: fn(&SubjectPublicKeyInfo) -> &[u8] = <SubjectPublicKeyInfo as PublicKeyData>::der_bytes;
