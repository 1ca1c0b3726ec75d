//! The YAML store: text to tree, tree to text.

mod align;
mod anchor;
mod number;
mod open;
mod place;
mod read;
mod rewrite;
mod scalar;
mod splice;
mod syntax;
mod text;
mod write;

pub(crate) use read::read;
pub(crate) use rewrite::rewrite_sealed;
pub(crate) use text::quoted;
pub(crate) use write::{value_text, write, write_nested, write_sealed};

#[cfg(test)]
#[path = "tests.rs"]
mod random;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::store::Store;
    use super::write_sealed;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that reads its vectors")]
    fn what_sops_wrote_is_written_back_byte_for_byte() {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sops");
        let files = |folder: &str| {
            std::fs::read_dir(vectors.join(folder)).unwrap().map(|entry| entry.unwrap().path())
        };
        let is_sealed = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".enc.yaml");
        let mut count = 0;
        for path in files("yaml").chain(files("features")).filter(is_sealed) {
            let text = std::fs::read_to_string(&path).unwrap();
            let parts = Store::Yaml.read_sealed(&text).unwrap();
            assert_eq!(write_sealed(&parts, None).unwrap(), text, "{}", path.display());
            count += 1;
        }
        assert_eq!(count, 40);
    }
}
