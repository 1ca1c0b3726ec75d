//! The YAML store: text to tree, tree to text.

mod read;
mod scalar;
mod write;

pub(crate) use read::read;
pub(crate) use write::{quoted, rewrite_sealed, value_text, write, write_nested, write_sealed};

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
        // Not written yet: several documents. Not read yet: the other two.
        let other = ["documents.enc.yaml", "comment_regex.enc.yaml", "key_groups.enc.yaml"];
        let mut count = 0;
        for path in files("yaml")
            .chain(files("features").filter(|path| !other.iter().any(|name| path.ends_with(name))))
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let parts = Store::Yaml.read_sealed(&text).unwrap();
            assert_eq!(write_sealed(&parts, None).unwrap(), text, "{}", path.display());
            count += 1;
        }
        assert_eq!(count, 37);
    }
}
