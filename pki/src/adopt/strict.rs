//! A second, strict reader for certificates that others made. x509-parser is lenient, OpenSSL and Go are not: what
//! they would refuse on the day it is deployed is refused on the day it is adopted. The one place of x509-cert.

use x509_cert::certificate::{Certificate, Version};
use x509_cert::der::{Decode, Encode as _, Error};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies,
    CrlDistributionPoints, ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::spki::ObjectIdentifier;

/// The longest serial number: RFC 5280 section 4.1.2.2.
const SERIAL_OCTETS: usize = 20;

/// An extension whose content is read: its name and how.
struct Known {
    oid: &'static str,
    name: &'static str,
    read: fn(&[u8]) -> Result<(), String>,
}

/// RFC 5280 section 4.2.1 and 4.2.2.1. What is not here is nobody's to read, and only its OID counts.
const KNOWN: &[Known] = &[
    Known { oid: "2.5.29.14", name: "subjectKeyIdentifier", read: key_identifier },
    Known { oid: "2.5.29.15", name: "keyUsage", read: key_usage },
    Known { oid: "2.5.29.17", name: "subjectAltName", read: names },
    Known { oid: "2.5.29.19", name: "basicConstraints", read: parses::<BasicConstraints> },
    Known { oid: "2.5.29.31", name: "cRLDistributionPoints", read: parses::<CrlDistributionPoints> },
    Known { oid: "2.5.29.32", name: "certificatePolicies", read: parses::<CertificatePolicies> },
    Known { oid: "2.5.29.35", name: "authorityKeyIdentifier", read: parses::<AuthorityKeyIdentifier> },
    Known { oid: "2.5.29.37", name: "extendedKeyUsage", read: purposes },
    Known {
        oid: "1.3.6.1.5.5.7.1.1",
        name: "authorityInfoAccess",
        read: parses::<AuthorityInfoAccessSyntax>,
    },
];

/// Everything in a certificate's form that strict readers refuse; empty when there is nothing.
pub(super) fn form(der: &[u8]) -> Vec<String> {
    let certificate = match Certificate::from_der(der) {
        Ok(certificate) => certificate,
        Err(error) => return vec![format!("no strict DER ({error})")],
    };
    let mut faults = Vec::new();
    if certificate.to_der().is_ok_and(|again| again != der) {
        faults.push("DER that is not written in the one way there is".to_owned());
    }
    let tbs = &certificate.tbs_certificate;
    if tbs.version != Version::V3 {
        faults.push("an X.509 version before 3".to_owned());
    }
    if tbs.issuer_unique_id.is_some() || tbs.subject_unique_id.is_some() {
        faults.push("unique identifiers".to_owned());
    }
    let serial = tbs.serial_number.as_bytes();
    if serial.first().is_some_and(|octet| octet & 0x80 != 0) {
        faults.push("a negative serial number".to_owned());
    }
    if serial.len() > SERIAL_OCTETS + usize::from(serial.first() == Some(&0)) {
        faults.push(format!("a serial number of {} octets", serial.len()));
    }
    let extensions = tbs.extensions.as_deref().unwrap_or_default();
    for (n, extension) in extensions.iter().enumerate() {
        let name = name(extension);
        if extensions.iter().take(n).any(|before| before.extn_id == extension.extn_id) {
            faults.push(format!("`{name}` twice"));
        }
        let known = known(&extension.extn_id);
        if let Some(Err(cause)) = known.map(|known| (known.read)(extension.extn_value.as_bytes())) {
            faults.push(format!("`{name}` with {cause}"));
        }
    }
    faults
}

/// The names of all extensions, or their OIDs.
pub(super) fn extensions(der: &[u8]) -> Vec<String> {
    let certificate = Certificate::from_der(der).ok();
    let extensions = certificate.and_then(|certificate| certificate.tbs_certificate.extensions);
    extensions.unwrap_or_default().iter().map(name).collect()
}

/// Whether what a certificate says of its issuer's key is what the issuer says of it: RFC 5280 section 4.2.1.1. Nothing
/// said is nothing wrong.
pub(super) fn names_issuer(der: &[u8], issuer: &[u8]) -> bool {
    let (Ok(own), Ok(issuer)) = (Certificate::from_der(der), Certificate::from_der(issuer)) else {
        return false;
    };
    let Some(said) = extension::<AuthorityKeyIdentifier>(&own, "2.5.29.35") else { return true };
    let known = extension::<SubjectKeyIdentifier>(&issuer, "2.5.29.14");
    let by_key = match (&said.key_identifier, &known) {
        (Some(said), Some(known)) => said.as_bytes() == known.0.as_bytes(),
        _ => true,
    };
    let by_serial = said.authority_cert_serial_number.as_ref();
    let by_serial = by_serial.is_none_or(|serial| *serial == issuer.tbs_certificate.serial_number);
    let by_name = said.authority_cert_issuer.iter().flatten().all(|name| match name {
        GeneralName::DirectoryName(name) => *name == issuer.tbs_certificate.issuer,
        _ => true,
    });
    by_key && by_serial && by_name
}

fn extension<T: for<'a> Decode<'a>>(certificate: &Certificate, oid: &str) -> Option<T> {
    let extensions = certificate.tbs_certificate.extensions.as_deref()?;
    let found = extensions.iter().find(|extension| extension.extn_id.to_string() == oid)?;
    T::from_der(found.extn_value.as_bytes()).ok()
}

fn known(oid: &ObjectIdentifier) -> Option<&'static Known> {
    let oid = oid.to_string();
    KNOWN.iter().find(|known| known.oid == oid)
}

fn name(extension: &Extension) -> String {
    known(&extension.extn_id).map_or_else(|| extension.extn_id.to_string(), |known| known.name.to_owned())
}

fn read<T: for<'a> Decode<'a>>(content: &[u8]) -> Result<T, String> {
    T::from_der(content).map_err(|error: Error| format!("content that is damaged ({error})"))
}

fn parses<T: for<'a> Decode<'a>>(content: &[u8]) -> Result<(), String> {
    read::<T>(content).map(|_| ())
}

fn key_identifier(content: &[u8]) -> Result<(), String> {
    let id: SubjectKeyIdentifier = read(content)?;
    if id.0.as_bytes().is_empty() { Err("nothing in it".to_owned()) } else { Ok(()) }
}

/// An authority that says what it is for has to say that it signs.
fn key_usage(content: &[u8]) -> Result<(), String> {
    let usage: KeyUsage = read(content)?;
    if usage.0.is_empty() { Err("nothing in it".to_owned()) } else { Ok(()) }
}

fn purposes(content: &[u8]) -> Result<(), String> {
    let purposes: ExtendedKeyUsage = read(content)?;
    if purposes.0.is_empty() { Err("nothing in it".to_owned()) } else { Ok(()) }
}

/// Go reads every one of them and refuses the certificate for a bad one.
fn names(content: &[u8]) -> Result<(), String> {
    let names: SubjectAltName = read(content)?;
    if names.0.is_empty() {
        return Err("nothing in it".to_owned());
    }
    let bad = names.0.iter().find(|name| match name {
        GeneralName::IpAddress(octets) => ![4, 16].contains(&octets.as_bytes().len()),
        GeneralName::DnsName(name) => name.as_str().is_empty(),
        GeneralName::UniformResourceIdentifier(_) => true,
        _ => false,
    });
    match bad {
        Some(GeneralName::IpAddress(_)) => Err("an address of neither 4 nor 16 octets".to_owned()),
        Some(GeneralName::DnsName(_)) => Err("an empty name".to_owned()),
        Some(_) => Err("a URI in it".to_owned()),
        None => Ok(()),
    }
}
