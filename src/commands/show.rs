//! `pki show`: a certificate as a person reads it.

use std::path::Path;

use quorate_pki::drift::{days_left, expiry, subject};
use quorate_pki::facts::CertFacts;
use quorate_pki::manifest::CertRecord;
use serde_json::json;
use time::OffsetDateTime;

use crate::cli::Show;
use crate::error::Error;
use crate::report::{self, Outcome};
use crate::store;

/// Runs the verb.
///
/// # Errors
/// A name or file that is not there, or is no certificate.
pub fn run(args: &Show, now: OffsetDateTime) -> Result<Outcome, Error> {
    super::warn_of_interruption(&args.certs);
    let manifest = store::read_manifest(&args.certs)?;
    let known: Vec<&CertRecord> = manifest.iter().flat_map(|manifest| &manifest.certificates).collect();
    let record = known.iter().find(|record| record.id.as_str() == args.what).copied();
    let path = match record {
        Some(record) => args.certs.join(&record.file),
        None if Path::new(&args.what).exists() => args.what.clone().into(),
        None => {
            let wanted = format!("certificate or file `{}`", args.what);
            return Err(Error::NotFound { wanted, known: nearest(&args.what, &known) });
        }
    };
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let chain = CertFacts::chain_from_pem(&bytes).map_err(|error| Error::Request {
        message: format!("could not read `{}`: {error}", path.display()),
        hint: "name a PEM file of certificates, or a certificate of certs/ such as `cp1/apiserver`"
            .to_owned(),
    })?;
    if args.json {
        report::json(&chain.iter().map(to_json).collect());
        return Ok(Outcome::Clean);
    }
    for (index, facts) in chain.iter().enumerate() {
        if index > 0 {
            report::line("");
        }
        report::table(&rows(facts, record.filter(|_| index == 0), now));
    }
    Ok(Outcome::Clean)
}

/// Names that share the kind or the folder of what was typed; else the folders there are.
fn nearest(wanted: &str, known: &[&CertRecord]) -> Vec<String> {
    let (folder, kind) = wanted.split_once('/').unwrap_or((wanted, wanted));
    let close = known.iter().map(|record| record.id.as_str()).filter(|id| {
        let (own_folder, own_kind) = id.split_once('/').unwrap_or((id, id));
        own_folder == folder || own_kind == kind
    });
    let close: Vec<String> = close.map(ToOwned::to_owned).collect();
    if close.is_empty() { known.iter().map(|record| record.id.to_string()).take(8).collect() } else { close }
}

fn rows(facts: &CertFacts, record: Option<&CertRecord>, now: OffsetDateTime) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push(vec![name.to_owned(), value]);
        }
    };
    row("subject", subject(&facts.common_name, &facts.organizations));
    row("issuer", facts.issuer.clone());
    row("names", facts.sans.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    row("usages", usages(facts).join(" "));
    row("valid", format!("{} to {}", date(facts.not_before), date(facts.not_after)));
    row("", expiry(days_left(facts.not_after, now)));
    row("key", facts.key_type.clone());
    row("key sha256", facts.public_key.sha256());
    row("serial", facts.serial.clone());
    row("key id", facts.subject_key_id.clone().unwrap_or_default());
    row("issuer id", facts.authority_key_id.clone().unwrap_or_default());
    if let Some(kind) = record.and_then(|record| quorate_pki::kinds::Kind::named(&record.kind)) {
        row("used", kind.about.to_owned());
    }
    rows
}

fn usages(facts: &CertFacts) -> Vec<String> {
    let ca = facts.is_ca.then(|| match facts.path_length {
        Some(depth) => format!("authority (path length {depth})"),
        None => "authority".to_owned(),
    });
    let names = facts.key_usages.iter().chain(&facts.purposes);
    ca.into_iter().chain(names.map(|name| (*name).to_owned())).collect()
}

fn date(time: OffsetDateTime) -> String {
    use time::format_description::well_known::Rfc3339;
    time.format(&Rfc3339).unwrap_or_default()
}

fn to_json(facts: &CertFacts) -> serde_json::Value {
    json!({
        "subject": subject(&facts.common_name, &facts.organizations),
        "issuer": facts.issuer,
        "sans": facts.sans,
        "usages": usages(facts),
        "notBefore": date(facts.not_before),
        "notAfter": date(facts.not_after),
        "keyType": facts.key_type,
        "publicKeySha256": facts.public_key.sha256(),
        "serial": facts.serial,
        "subjectKeyId": facts.subject_key_id,
        "authorityKeyId": facts.authority_key_id,
    })
}
