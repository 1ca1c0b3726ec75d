//! A kubeconfig for a person: everything inside it, nothing beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroize as _;

/// What a kubeconfig says.
#[derive(Debug)]
pub struct Kubeconfig<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// Where the API answers: `https://host:port`.
    pub server: &'a str,
    /// The user's name in the file.
    pub user: &'a str,
    /// The root, PEM: an anchor that signs itself, since some clients want one.
    pub root: &'a str,
    /// The user's certificate and its issuer, PEM.
    pub certificate: &'a str,
    /// The user's key, PEM.
    pub key: &'a SecretString,
}

impl Kubeconfig<'_> {
    /// The file's text. It holds the key.
    ///
    /// Source: kubernetes.io, "Kubeconfig (v1)". Every text is quoted as JSON, which YAML reads.
    pub fn text(&self) -> SecretString {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut key = STANDARD.encode(self.key.expose_secret());
        let context = format!("{}@{}", self.user, self.cluster);
        let head = format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             \x20 - name: {cluster}\n\
             \x20   cluster:\n\
             \x20     server: {server}\n\
             \x20     certificate-authority-data: {root}\n\
             contexts:\n\
             \x20 - name: {context}\n\
             \x20   context:\n\
             \x20     cluster: {cluster}\n\
             \x20     user: {user}\n\
             current-context: {context}\n\
             users:\n\
             \x20 - name: {user}\n\
             \x20   user:\n\
             \x20     client-certificate-data: {certificate}\n\
             \x20     client-key-data: ",
            cluster = quoted(self.cluster),
            server = quoted(self.server),
            user = quoted(self.user),
            context = quoted(&context),
            root = STANDARD.encode(self.root),
            certificate = STANDARD.encode(self.certificate),
        );
        // One buffer that holds it all: a string that grows would leave copies of the key behind.
        let mut text = String::with_capacity(head.len() + key.len() + 1);
        text.push_str(&head);
        text.push_str(&key);
        text.push('\n');
        key.zeroize();
        SecretString::from(text)
    }
}
