//! The passwords that the masters share with what is outside of Kubernetes: a router, or each other. Made where the
//! inventory asks, typed by nobody.

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::cluster::{Cluster, VipMode};
use crate::error::KeyError;

/// One password that a cluster may need.
#[derive(Debug)]
pub struct Password {
    /// Its name, in sealed files and messages.
    pub name: &'static str,
    /// How many letters and digits it has.
    pub length: usize,
    /// Whether the inventory asks for it.
    pub needed: fn(&Cluster) -> bool,
    /// Where the form is written down.
    pub source: &'static str,
}

/// Every password once.
pub static PASSWORDS: &[Password] = &[
    Password {
        name: "bgp-password",
        // 142 bits, within every router's limit.
        length: 24,
        needed: |cluster| matches!(cluster.endpoint().mode(), VipMode::Bgp(bgp) if bgp.password),
        source: "RFC 2385; kube-vip pkg/bgp/config_bgp.go splits its peers at `:` and `,`",
    },
    Password {
        name: "vrrp-password",
        length: 8,
        needed: |cluster| matches!(cluster.endpoint().mode(), VipMode::Keepalived { .. }),
        source: "RFC 2338 section 5.3.6: eight bytes; keepalived.conf(5), `auth_pass`",
    },
];

/// What they consist of: letters that no file format, command line or router asks to be quoted.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Bytes below this are as many for each letter; those above are thrown away, or some letters would come more often.
const FAIR: u8 = 248;

/// A new password of that many letters and digits, each as likely as any other.
///
/// # Errors
/// [`KeyError::Generate`].
pub fn make(length: usize) -> Result<SecretString, KeyError> {
    let random = SystemRandom::new();
    // One buffer that holds it all: a string that grows would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(length));
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while text.len() < length {
        random.fill(bytes.as_mut()).map_err(|_| KeyError::Generate)?;
        let letters = bytes.iter().filter_map(|byte| letter(*byte));
        let missing = length - text.len();
        letters.take(missing).for_each(|letter| text.push(letter));
    }
    Ok(SecretString::from(text.as_str()))
}

/// The letter that a random byte stands for; `None` for one that is thrown away.
fn letter(byte: u8) -> Option<char> {
    let index = usize::from(byte) % ALPHABET.len();
    (byte < FAIR).then(|| ALPHABET.get(index).copied().map(char::from)).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_password_has_its_length_and_letters_and_digits_alone() {
        for length in [0, 1, 8, 24, 63, 64, 65, 200] {
            let made = make(length).unwrap();
            assert_eq!(made.expose_secret().len(), length);
            assert!(made.expose_secret().chars().all(|letter| letter.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn no_two_are_the_same() {
        let made: BTreeSet<String> = (0..1000).map(|_| make(8).unwrap().expose_secret().to_owned()).collect();
        assert_eq!(made.len(), 1000);
    }

    #[test]
    fn every_letter_stands_for_as_many_bytes() {
        let mut count: BTreeMap<char, usize> = BTreeMap::new();
        (0..=u8::MAX).filter_map(letter).for_each(|letter| *count.entry(letter).or_default() += 1);
        assert_eq!(count.len(), 62);
        assert!(count.values().all(|bytes| *bytes == 4), "{count:?}");
    }

    #[test]
    fn vrrp_takes_exactly_eight() {
        let vrrp = PASSWORDS.iter().find(|password| password.name == "vrrp-password").unwrap();
        assert_eq!(vrrp.length, 8);
    }
}
