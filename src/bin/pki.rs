//! pki.
fn main() {}
