//! A data key split among key groups: any `threshold` of the parts give it back, fewer tell nothing.
//!
//! Shamir's scheme over GF(2^8) with the polynomial of AES, as HashiCorp Vault has it and sops took it over: one
//! polynomial for each byte, a part is its values followed by the place it was evaluated at. Source: sops 3.13,
//! shamir/shamir.go. Arithmetic has no table and no branch on a secret.

use zeroize::Zeroizing;

use super::cipher::NoRandom;
use crate::secret::Secret;

/// As many parts as there are places other than zero.
pub(crate) const MAX_PARTS: usize = 255;

/// Splits `secret` into `parts`, of which `threshold` are needed; at most [`MAX_PARTS`].
pub(crate) fn split(secret: &Secret, parts: usize, threshold: usize) -> Result<Vec<Secret>, NoRandom> {
    let bytes = secret.expose_bytes();
    let mut coefficients = Zeroizing::new(vec![0; bytes.len() * threshold.saturating_sub(1)]);
    getrandom::getrandom(&mut coefficients).map_err(|_| NoRandom)?;
    let places = 1..=u8::try_from(parts.min(MAX_PARTS)).unwrap_or(u8::MAX);
    Ok(places
        .map(|place| {
            let mut part = Vec::with_capacity(bytes.len() + 1);
            part.extend(bytes.iter().enumerate().map(|(index, byte)| {
                let own = coefficients.iter().skip(index).step_by(bytes.len().max(1));
                // Horner's rule from the highest power down; the secret is the value at zero.
                own.fold(0, |sum, coefficient| multiply(sum ^ coefficient, place)) ^ byte
            }));
            part.push(place);
            Secret::from_bytes(part)
        })
        .collect())
}

/// The secret behind `parts`; none where they are of different lengths, empty, or of the same place.
pub(crate) fn combine(parts: &[Secret]) -> Option<Secret> {
    let mut split: Vec<(u8, &[u8])> = Vec::new();
    for part in parts {
        let (place, values) = part.expose_bytes().split_last()?;
        if *place == 0 || split.iter().any(|(known, other)| known == place || other.len() != values.len()) {
            return None;
        }
        split.push((*place, values));
    }
    let length = split.first()?.1.len();
    let mut secret = Zeroizing::new(vec![0; length]);
    for (place, values) in &split {
        // Lagrange's polynomial of this place, at zero: the product of x / (x + place) over all others.
        let others = split.iter().map(|(other, _)| other).filter(|other| *other != place);
        let weight =
            others.fold(1, |product, other| multiply(product, multiply(*other, inverse(other ^ place))));
        for (byte, value) in secret.iter_mut().zip(*values) {
            *byte ^= multiply(weight, *value);
        }
    }
    Some(Secret::from_bytes(std::mem::take(&mut *secret)))
}

/// The product modulo x^8 + x^4 + x^3 + x + 1.
fn multiply(mut left: u8, right: u8) -> u8 {
    let mut product = 0;
    for bit in 0..8 {
        product ^= left & ((right >> bit) & 1).wrapping_neg();
        left = (left << 1) ^ (0x1b & (left >> 7).wrapping_neg());
    }
    product
}

/// The 254th power: all others of the 255 that are not zero cancel out.
fn inverse(value: u8) -> u8 {
    let mut power = value;
    let mut product = 1;
    for _ in 0..7 {
        power = multiply(power, power);
        product = multiply(product, power);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_that_of_aes() {
        // Source: FIPS 197, section 4.2.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
        assert_eq!(multiply(0x57, 0x13), 0xfe);
        for value in 1..=255 {
            assert_eq!(multiply(value, inverse(value)), 1, "{value}");
        }
    }

    #[test]
    fn any_threshold_of_the_parts_give_the_secret_back_and_fewer_do_not() {
        let secret = Secret::from_bytes((0..32).collect());
        let parts = split(&secret, 5, 3).unwrap();
        for (one, two, three) in [(0, 1, 2), (4, 2, 0), (1, 3, 4)] {
            let some = [parts[one].duplicate(), parts[two].duplicate(), parts[three].duplicate()];
            assert!(combine(&some).unwrap().same_as(&secret));
            assert!(!combine(&some[..2]).unwrap().same_as(&secret));
        }
        assert!(combine(&parts).unwrap().same_as(&secret));
    }

    #[test]
    fn parts_that_do_not_belong_together_are_none() {
        let part = |bytes: &[u8]| Secret::from_bytes(bytes.to_vec());
        assert!(combine(&[]).is_none());
        assert!(combine(&[part(&[])]).is_none());
        assert!(combine(&[part(&[1, 1]), part(&[2, 1])]).is_none());
        assert!(combine(&[part(&[1, 1]), part(&[2, 3, 2])]).is_none());
        assert!(combine(&[part(&[1, 0])]).is_none());
    }
}
