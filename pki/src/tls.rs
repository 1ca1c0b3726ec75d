//! TLS in memory: a client and a server that share no network, each set up as the daemon it stands for.

use std::fmt;
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, crypto::CryptoProvider,
};
use time::OffsetDateTime;

use crate::facts::CertFacts;
use crate::key::PrivateKey;
use crate::san::San;

/// A certificate with what stands behind it and its key, ready to be presented.
#[derive(Debug, Clone, Copy)]
pub struct Credential<'a> {
    /// The leaf.
    pub leaf: &'a CertFacts,
    /// Its issuer, sent along.
    pub issuer: Option<&'a CertFacts>,
    /// Its key.
    pub key: &'a PrivateKey,
}

impl Credential<'_> {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        [Some(self.leaf), self.issuer].into_iter().flatten().map(|cert| cert.der.clone().into()).collect()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.expose_pkcs8())).clone_key()
    }
}

/// What a server asks of a client beyond its issuer, resolved.
#[derive(Debug, Clone, Default)]
pub struct Demand {
    /// A DNS name that must be among its SANs.
    pub dns_name: Option<String>,
    /// A common name that it must have.
    pub common_name: Option<String>,
}

/// A time that stands still.
#[derive(Debug)]
struct At(UnixTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

/// The instant as webpki counts it; before 1970 counts as 1970.
pub(crate) fn unix(time: OffsetDateTime) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(time.unix_timestamp().try_into().unwrap_or(0)))
}

/// The cryptography of all handshakes: ring's.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Why there was no handshake, on the side that ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The client did not take the server's certificate, or could not be set up.
    ByClient(String),
    /// The server did not take the client's certificate, or could not be set up.
    ByServer(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByClient(cause) => write!(f, "the client refused the server: {cause}"),
            Self::ByServer(cause) => write!(f, "the server refused the client: {cause}"),
        }
    }
}

/// The server side of a socket, set up once for all the clients that try it.
pub struct Listener {
    config: Arc<ServerConfig>,
}

impl Listener {
    /// A server that shows `credential`, takes clients under `anchor` and asks `demand` of them.
    ///
    /// # Errors
    /// [`Refusal::ByServer`] when certificate, key or anchor cannot be used.
    pub fn new(
        credential: Credential<'_>,
        anchor: &CertFacts,
        demand: Demand,
        now: OffsetDateTime,
    ) -> Result<Self, Refusal> {
        let failed = |error: String| Refusal::ByServer(error);
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots(anchor).map_err(failed)?, provider())
                .build()
                .map_err(|error| failed(error.to_string()))?;
        let mut config = ServerConfig::builder_with_details(provider(), Arc::new(At(unix(now))))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_client_cert_verifier(Arc::new(Demanding { verifier, demand }))
            .with_single_cert(credential.chain(), credential.key())
            .map_err(|error| failed(error.to_string()))?;
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config) })
    }
}

/// The client side: one that shows a certificate and trusts an anchor.
pub struct Dialler {
    config: Arc<ClientConfig>,
}

impl Dialler {
    /// A client that shows `credential` and takes servers under `anchor`.
    ///
    /// # Errors
    /// [`Refusal::ByClient`] when certificate, key or anchor cannot be used.
    pub fn new(credential: Credential<'_>, anchor: &CertFacts, now: OffsetDateTime) -> Result<Self, Refusal> {
        let failed = |error: String| Refusal::ByClient(error);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots(anchor).map_err(failed)?, provider())
                .build()
                .map_err(|error| failed(error.to_string()))?;
        let mut config = ClientConfig::builder_with_details(provider(), Arc::new(At(unix(now))))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_webpki_verifier(verifier)
            .with_client_auth_cert(credential.chain(), credential.key())
            .map_err(|error| failed(error.to_string()))?;
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }

    /// Shakes hands with `listener`, calling it `name`.
    ///
    /// # Errors
    /// [`Refusal`], on the side that ended it.
    pub fn connect(&self, listener: &Listener, name: &San) -> Result<(), Refusal> {
        let name = match name {
            San::Ip(ip) => ServerName::from(*ip),
            San::Dns(name) => {
                ServerName::try_from(name.clone()).map_err(|error| Refusal::ByClient(error.to_string()))?
            }
        };
        let mut client = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|error| Refusal::ByClient(error.to_string()))?;
        let mut server = ServerConnection::new(Arc::clone(&listener.config))
            .map_err(|error| Refusal::ByServer(error.to_string()))?;
        // Three flights make a TLS 1.3 handshake; a loop that went on would be a fault of ours, not of a peer.
        for _ in 0..4 {
            pump(&mut client, &mut server);
            server.process_new_packets().map_err(|error| Refusal::ByServer(error.to_string()))?;
            pump(&mut server, &mut client);
            client.process_new_packets().map_err(|error| Refusal::ByClient(error.to_string()))?;
            if !client.is_handshaking() && !server.is_handshaking() {
                return Ok(());
            }
        }
        Err(Refusal::ByServer("the handshake did not end".to_owned()))
    }
}

/// Carries everything that `from` wants to say to `to`. Memory does not fail.
fn pump<A, B>(from: &mut rustls::ConnectionCommon<A>, to: &mut rustls::ConnectionCommon<B>) {
    let mut flight = Vec::new();
    while from.wants_write() && from.write_tls(&mut flight).is_ok() {}
    let mut rest = flight.as_slice();
    while !rest.is_empty() && to.read_tls(&mut rest).is_ok_and(|read| read > 0) {}
}

fn roots(anchor: &CertFacts) -> Result<Arc<RootCertStore>, String> {
    let mut store = RootCertStore::empty();
    store.add(anchor.der.clone().into()).map_err(|error| error.to_string())?;
    Ok(Arc::new(store))
}

/// webpki's judgement of a client, and then what the daemon asks beside it.
#[derive(Debug)]
struct Demanding {
    verifier: Arc<dyn ClientCertVerifier>,
    demand: Demand,
}

impl Demanding {
    fn names(&self, leaf: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let facts = CertFacts::from_der(leaf).map_err(|error| rustls::Error::General(error.to_string()))?;
        if let Some(name) = &self.demand.dns_name
            && !facts.sans.contains(&San::Dns(name.clone()))
        {
            return Err(rustls::Error::General(format!("it does not bear the name `{name}`")));
        }
        if let Some(name) = &self.demand.common_name
            && facts.common_name != *name
        {
            return Err(rustls::Error::General(format!("its common name is not `{name}`")));
        }
        Ok(())
    }
}

impl ClientCertVerifier for Demanding {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hint: a client that sees none shows what it has, and is judged by it.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.verifier.verify_client_cert(end_entity, intermediates, now)?;
        self.names(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
