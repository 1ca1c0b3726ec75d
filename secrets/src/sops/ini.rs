//! The ini store.

use super::error::SopsError;
use super::store::Parts;
use super::tree::Branch;
use super::value::Plain;
use crate::secret::Secret;

pub(crate) fn read(_text: &str) -> Result<Branch<Plain>, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn read_sealed(_text: &str) -> Result<Branch<Plain>, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn write(_document: &Branch<Plain>) -> Result<Secret, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn write_sealed(_parts: &Parts) -> Result<String, SopsError> {
    Err(SopsError::NotMap)
}
