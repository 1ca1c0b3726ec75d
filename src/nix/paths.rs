//! Paths as Nix writes them: absolute text without `.`, `..` or doubled slashes.

use std::path::Path;

/// The absolute path that `text` means in `folder`, without looking at the disk.
pub(super) fn normal(folder: &Path, text: &str) -> String {
    if text.starts_with('/') {
        return absolute(text);
    }
    absolute(&format!("{folder}/{text}", folder = folder.display()))
}

/// `/a/./b/../c` is `/a/c`.
pub(super) fn absolute(text: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in text.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    format!("/{}", steps.join("/"))
}
