//! The checksum over a file's values: SHA-512, sealed with the data key under the time of the last change.

use sha2::{Digest, Sha512};

/// Hashed first where only the encrypted values count: SHA-256 of `sops`, so that both sums differ.
/// Source: sops.go, `MACOnlyEncryptedInitialization`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b,
    0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// The sum as it grows, in document order over all documents.
pub(crate) struct Mac {
    hash: Sha512,
    only_encrypted: bool,
}

impl Mac {
    pub(crate) fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(ONLY_ENCRYPTED);
        }
        Self { hash, only_encrypted }
    }

    /// Adds the next value, comments and nulls excepted.
    pub(crate) fn add(&mut self, value: &[u8], encrypted: bool) {
        if encrypted || !self.only_encrypted {
            self.hash.update(value);
        }
    }

    /// 128 hexadecimal digits in upper case.
    pub(crate) fn finish(self) -> String {
        self.hash.finalize().iter().fold(String::with_capacity(128), |mut text, byte| {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_nothing_is_that_of_sha_512() {
        let sum = Mac::new(false).finish();
        assert!(sum.starts_with("CF83E1357EEFB8BDF1542850D66D8007") && sum.len() == 128, "{sum}");
    }

    #[test]
    fn values_in_clear_count_only_where_all_count() {
        let sum = |only, encrypted| {
            let mut mac = Mac::new(only);
            mac.add(b"x", encrypted);
            mac.finish()
        };
        assert_eq!(sum(false, true), sum(false, false));
        assert_ne!(sum(true, true), sum(true, false));
        assert_eq!(sum(true, false), Mac::new(true).finish());
    }
}
