//! macOS has neither ramfs nor mount namespaces: a disk image in memory, mounted for the time of an edit. Its pages may
//! go to swap, which macOS encrypts with a key that no restart survives.
//!
//! Sources: hdiutil(1), `attach -nomount ram://`; newfs_hfs(8); mount(8), `nobrowse`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::plain;

/// 64 MiB, in blocks of 512 bytes.
const BLOCKS: u32 = 131_072;

/// A disk in memory. Gone with what is on it when this is dropped.
pub(super) struct RamDisk {
    device: String,
}

impl RamDisk {
    /// Makes one and mounts it on `folder`, so that this user alone may look into it and no window shows it. Gives the
    /// refusal in words.
    pub(super) fn mount(folder: &Path) -> Result<Self, String> {
        let said = run("hdiutil", &["attach", "-nomount", &format!("ram://{BLOCKS}")])?;
        let device = device(&said).ok_or("hdiutil named no device")?;
        // From here on it is detached, whatever fails.
        let disk = Self { device };
        run("newfs_hfs", &["-M", "700", "-v", "quorate", &disk.device])?;
        let place = folder.display().to_string();
        run("mount", &["-t", "hfs", "-o", "nobrowse,nodev,nosuid", &disk.device, &place])?;
        Ok(disk)
    }
}

impl Drop for RamDisk {
    fn drop(&mut self) {
        // By force: the program that was run may have left a process inside.
        let _ = run("hdiutil", &["detach", "-force", &self.device]);
    }
}

/// The device that `hdiutil attach` prints, followed by blanks.
fn device(said: &str) -> Option<String> {
    said.split_whitespace().next().filter(|word| word.starts_with("/dev/disk")).map(str::to_owned)
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| format!("`{program}` did not start: {}", plain(&cause)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program}` failed: {}", said.lines().next().unwrap_or("it does not say why")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_is_what_hdiutil_prints_before_its_blanks() {
        assert_eq!(device("/dev/disk4          \t         \t\n"), Some("/dev/disk4".to_owned()));
        assert_eq!(device("hdiutil: attach failed\n"), None);
        assert_eq!(device(""), None);
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn where_there_is_no_hdiutil_it_is_said() {
        let refused = RamDisk::mount(Path::new("/nowhere")).err();
        assert!(refused.is_some_and(|why| why.contains("`hdiutil` did not start")));
    }
}
