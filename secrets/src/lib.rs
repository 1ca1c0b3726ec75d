//! quorate-secrets.
