//! What was issued, judged before anything of it is written: by webpki against every trust file, and by TLS
//! handshakes between the kinds. webpki does not look at the dates of a trust anchor; we do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rayon::prelude::*;
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm};
use time::OffsetDateTime;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::apply::Issued;
use crate::authority::Authority;
use crate::cluster::{CaMode, Cluster, KeyType};
use crate::edges::{Demands, Presents, SERVERS, Server};
use crate::error::IssueError;
use crate::facts::CertFacts;
use crate::issue::issue_self_signed;
use crate::key::PrivateKey;
use crate::kinds::{KINDS, Usage};
use crate::plan::{CertId, CertPlan, Holder, Plan};
use crate::san::San;
use crate::signatures::Signatures;
use crate::tls::{Credential, Demand, Dialler, Listener, unix};

/// A set of certificates that was found good.
#[derive(Debug)]
pub struct Judged {
    /// What was judged.
    pub issued: Issued,
    /// How many leaves were verified against every trust file.
    pub leaves: usize,
    /// How many pairs of kinds shook hands, or were refused, as the table says.
    pub handshakes: usize,
}

/// A certificate that does not hold what it should. Never a user's fault: nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misjudged {
    /// Which certificate, or which pair.
    pub what: String,
    /// What came out.
    pub found: String,
    /// What should have.
    pub expected: String,
}

impl fmt::Display for Misjudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` was issued and does not hold: found {}, expected {}",
            self.what, self.found, self.expected
        )
    }
}

impl std::error::Error for Misjudged {}

fn wrong(what: impl fmt::Display, found: impl Into<String>, expected: impl Into<String>) -> Misjudged {
    Misjudged { what: what.to_string(), found: found.into(), expected: expected.into() }
}

/// Judges everything that a run made.
///
/// # Errors
/// The first certificate or pair of kinds that does not behave as planned.
pub fn judge(
    cluster: &Cluster,
    plan: &Plan,
    issued: Issued,
    now: OffsetDateTime,
) -> Result<Judged, Misjudged> {
    let signatures = Signatures::new(webpki::ALL_VERIFICATION_ALGS);
    let bench = Bench {
        cluster,
        mode: cluster.policy().ca,
        issued: &issued,
        now,
        algorithms: signatures.algorithms(),
    };
    bench.serials(plan)?;
    for cert in plan.certs.iter().filter(|cert| cert.is_authority()) {
        bench.authority(cert)?;
    }
    let made: Vec<_> =
        plan.certs.iter().filter(|cert| !cert.is_authority() && issued.made.contains(&cert.id)).collect();
    let judged: Vec<Result<(), Misjudged>> = made.par_iter().map(|cert| bench.leaf(cert)).collect();
    // One by one: of several errors the first is told, however many threads there are.
    judged.into_iter().collect::<Result<(), _>>()?;
    let handshakes = bench.handshakes(plan)?;
    let leaves = made.len();
    Ok(Judged { issued, leaves, handshakes })
}

struct Bench<'a> {
    cluster: &'a Cluster,
    mode: CaMode,
    issued: &'a Issued,
    now: OffsetDateTime,
    algorithms: Vec<&'a dyn SignatureVerificationAlgorithm>,
}

impl<'a> Bench<'a> {
    fn facts(&self, id: &CertId) -> Result<&'a CertFacts, Misjudged> {
        self.issued.certs.get(id).ok_or_else(|| wrong(id, "no certificate", "one"))
    }

    fn anchor(&self, authority: Authority) -> Result<&'a CertFacts, Misjudged> {
        self.facts(&CertId::authority(authority))
    }

    /// No two certificates of the set have the same serial number. Authorities that were made elsewhere aside: k3s
    /// gives each of its own the serial 0.
    fn serials(&self, plan: &Plan) -> Result<(), Misjudged> {
        let adopted: BTreeSet<&CertId> =
            plan.certs.iter().filter(|cert| cert.adopted.is_some()).map(|cert| &cert.id).collect();
        let mut seen = BTreeSet::new();
        let mut own = self.issued.certs.iter().filter(|(id, _)| !adopted.contains(id));
        match own.find(|(_, facts)| !seen.insert(&facts.serial)) {
            Some((id, facts)) => {
                Err(wrong(id, format!("serial {} a second time", facts.serial), "a serial of its own"))
            }
            None => Ok(()),
        }
    }

    /// An authority is one, lives now, and ends no later than what signed it.
    fn authority(&self, cert: &CertPlan) -> Result<(), Misjudged> {
        let facts = self.facts(&cert.id)?;
        if !facts.may_sign() {
            return Err(wrong(&cert.id, "no authority", "basicConstraints CA and keyCertSign"));
        }
        let issuer = cert.issuer.map_or(Ok(facts), |parent| self.anchor(parent))?;
        self.lifetime(&cert.id, facts, issuer)?;
        if !facts.is_signed_by(issuer) {
            return Err(wrong(
                &cert.id,
                "another signature",
                format!("the signature of `{}`", issuer.common_name),
            ));
        }
        Ok(())
    }

    fn lifetime(&self, id: &CertId, facts: &CertFacts, issuer: &CertFacts) -> Result<(), Misjudged> {
        if facts.not_before > self.now || facts.not_after <= self.now {
            let found = format!("a life from {} to {}", facts.not_before, facts.not_after);
            return Err(wrong(id, found, "one that has begun and goes on"));
        }
        if facts.not_after > issuer.not_after {
            let found = format!("an end on {}", facts.not_after);
            return Err(wrong(id, found, format!("none after its issuer's, {}", issuer.not_after)));
        }
        Ok(())
    }

    /// A leaf verifies under its issuer and under the root, for its usage and names, and nowhere else.
    fn leaf(&self, cert: &CertPlan) -> Result<(), Misjudged> {
        let Some((issuer_name, usage)) = cert.issuer.zip(cert.usage) else { return Ok(()) };
        let facts = self.facts(&cert.id)?;
        let issuer = self.anchor(issuer_name)?;
        self.lifetime(&cert.id, facts, issuer)?;
        for authority in self.mode.authorities() {
            let below = *authority == issuer_name || self.mode.parent(issuer_name) == Some(*authority);
            for (key_usage, named, may) in [
                (KeyUsage::server_auth(), "server", usage.is_server()),
                (KeyUsage::client_auth(), "client", usage.is_client()),
            ] {
                let anchor = self.anchor(*authority)?;
                let verified = verify(facts, issuer, anchor, key_usage, self.now, &self.algorithms);
                if verified.is_ok() != (below && may) {
                    let found = verified.err().unwrap_or_else(|| "accepted".to_owned());
                    let expected = if below && may { "accepted" } else { "refused" };
                    let what = format!("{} as a {named} under {authority}", cert.id);
                    return Err(wrong(what, found, expected));
                }
            }
        }
        if usage.is_server() { names(cert, facts) } else { Ok(()) }
    }

    /// One handshake for every pair of a server and a kind, with a key of each kind that is at hand.
    fn handshakes(&self, plan: &Plan) -> Result<usize, Misjudged> {
        let representatives = self.representatives(plan);
        let stand_in = self.stand_in()?;
        let mut pairs = Vec::new();
        for server in SERVERS {
            let credential = match server.presents {
                Presents::Own => Some(Credential { leaf: &stand_in.0, issuer: None, key: &stand_in.1 }),
                Presents::Kind(kind) => representatives.get(kind).copied(),
            };
            let Some(credential) = credential else { continue };
            let listener = self.listener(server, credential)?;
            let anchor = match server.presents {
                Presents::Own => &stand_in.0,
                Presents::Kind(_) => self.anchor(self.mode.serving(server.trusted_through))?,
            };
            pairs.push((server, credential.leaf, listener, anchor));
        }
        let tries: Vec<_> = pairs
            .iter()
            .flat_map(|pair| representatives.iter().map(move |(kind, client)| (pair, *kind, *client)))
            .collect();
        tries.par_iter().try_for_each(|((server, leaf, listener, anchor), kind, client)| {
            let name = leaf.sans.last().cloned().unwrap_or(San::Dns("localhost".to_owned()));
            let outcome =
                Dialler::new(*client, anchor, self.now).and_then(|dialler| dialler.connect(listener, &name));
            let expected = server.accepts(kind, self.mode);
            if outcome.is_ok() == expected {
                return Ok(());
            }
            let found = outcome.err().map_or_else(|| "accepted".to_owned(), |refusal| refusal.to_string());
            Err(wrong(
                format!("{kind} to {}", server.name),
                found,
                if expected { "accepted" } else { "refused" },
            ))
        })?;
        Ok(tries.len())
    }

    fn listener(&self, server: &Server, credential: Credential<'_>) -> Result<Listener, Misjudged> {
        let demand = match server.demands {
            Demands::Nothing => Demand::default(),
            Demands::DnsName(name) => Demand { dns_name: name(self.cluster), common_name: None },
            Demands::CommonName(name) => Demand { dns_name: None, common_name: Some(name.to_owned()) },
        };
        let anchor = self.anchor(self.mode.serving(server.trusts))?;
        Listener::new(credential, anchor, demand, self.now)
            .map_err(|refusal| wrong(server.name, refusal.to_string(), "a server that starts"))
    }

    /// Of every kind the first certificate whose key is at hand.
    fn representatives(&self, plan: &Plan) -> BTreeMap<&'static str, Credential<'a>> {
        let mut found = BTreeMap::new();
        for kind in KINDS {
            let first = plan.certs.iter().find_map(|cert| {
                let of_kind = cert.kind.is_some_and(|own| own.name == kind.name);
                let key = of_kind.then(|| self.issued.keys.get(&cert.id)).flatten()?;
                let leaf = self.issued.certs.get(&cert.id)?;
                let issuer = cert.issuer.and_then(|authority| self.anchor(authority).ok());
                Some(Credential { leaf, issuer, key })
            });
            found.extend(first.map(|credential| (kind.name, credential)));
        }
        found
    }

    /// What an extension API server brings: a certificate of its own making.
    fn stand_in(&self) -> Result<(CertFacts, PrivateKey), Misjudged> {
        let failed = |cause: String| wrong("aggregated apiserver", cause, "a certificate to stand in for it");
        let key = PrivateKey::generate(KeyType::P256).map_err(|error| failed(error.to_string()))?;
        let plan = CertPlan {
            id: CertId::user("aggregated-apiserver"),
            holder: Holder::User,
            kind: None,
            issuer: None,
            common_name: "aggregated-apiserver".to_owned(),
            organization: None,
            sans: vec![San::Dns("localhost".to_owned())],
            usage: Some(Usage::Server),
            path_length: None,
            days: 1,
            adopted: None,
        };
        let facts = issue_self_signed(&plan, &key, self.now)
            .map_err(|error: IssueError| failed(error.to_string()))?;
        Ok((facts, key))
    }
}

/// webpki's judgement of a server's certificate with its issuer behind it, under one anchor.
///
/// # Errors
/// What webpki said.
pub(crate) fn verify_server(
    leaf: &CertFacts,
    issuer: &CertFacts,
    anchor: &CertFacts,
    now: OffsetDateTime,
) -> Result<(), String> {
    verify(leaf, issuer, anchor, KeyUsage::server_auth(), now, webpki::ALL_VERIFICATION_ALGS)
}

/// webpki's judgement of a leaf with its issuer behind it, under one anchor, for one usage.
fn verify(
    leaf: &CertFacts,
    issuer: &CertFacts,
    anchor: &CertFacts,
    usage: KeyUsage,
    now: OffsetDateTime,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<(), String> {
    let anchor_der = CertificateDer::from(anchor.der.as_slice());
    let leaf_der = CertificateDer::from(leaf.der.as_slice());
    let anchors = [anchor_from_trusted_cert(&anchor_der).map_err(|error| error.to_string())?];
    let chain = [CertificateDer::from(issuer.der.as_slice())];
    let end_entity = EndEntityCert::try_from(&leaf_der).map_err(|error| error.to_string())?;
    end_entity
        .verify_for_usage(algorithms, &anchors, &chain, unix(now), usage, None, None)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// A server certificate is valid for each of its names and not for a stranger's.
fn names(cert: &CertPlan, facts: &CertFacts) -> Result<(), Misjudged> {
    let der = CertificateDer::from(facts.der.as_slice());
    let end_entity =
        EndEntityCert::try_from(&der).map_err(|error| wrong(&cert.id, error.to_string(), "a leaf"))?;
    let valid = |san: &San| match san {
        San::Ip(ip) => end_entity.verify_is_valid_for_subject_name(&ServerName::from(*ip)).is_ok(),
        San::Dns(name) => ServerName::try_from(name.as_str())
            .is_ok_and(|name| end_entity.verify_is_valid_for_subject_name(&name).is_ok()),
    };
    if let Some(san) = cert.sans.iter().find(|san| !valid(san)) {
        return Err(wrong(&cert.id, format!("not valid for `{san}`"), "valid for every name it bears"));
    }
    let stranger = San::Dns("stranger.invalid".to_owned());
    if valid(&stranger) {
        return Err(wrong(&cert.id, format!("valid for `{stranger}`"), "valid for its own names alone"));
    }
    Ok(())
}
