//! A disk that fails when it is told to: a real ext4 on a loop device.
//!
//! Its image is a sparse file in a file system in memory. When that is full, a block that has no
//! place there yet cannot be written: the loop device reports an error, and ext4 has it from there.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Tidies up when its stdin is closed: when the test process ends, however that may be.
const WATCH: &str = r#"cat >/dev/null; umount -l "$1/disk"; umount -l "$1/memory"; rm -rf "$1""#;

/// So much of the image is never missing: superblock, inodes and journal, which mkfs.ext4 puts to
/// the beginning. Files lie after that.
const METADATA: &str = "4148K";

/// The size of a block.
const BLOCK: u64 = 4096;

/// A file system of its own. Dropped, it is gone. Only root can have one.
pub struct Disk {
    directory: PathBuf,
    watcher: Child,
}

impl Disk {
    /// An empty one in good order.
    pub fn new() -> Disk {
        let directory = tempfile::Builder::new()
            .prefix("walcat-disk-")
            .tempdir()
            .expect("a temporary directory")
            .keep();
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("could not run sh");
        let disk = Disk { directory, watcher };
        for mount_point in ["memory", "disk"] {
            fs::create_dir(disk.directory.join(mount_point)).unwrap();
        }
        let memory = disk.directory.join("memory");
        command("mount", &["-t", "tmpfs", "-o", "size=24m", "none"], &memory);
        let image = disk.image();
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let layout = "packed_meta_blocks=1,lazy_itable_init=0,lazy_journal_init=0";
        let options = ["-q", "-m", "0", "-b", "4096", "-N", "64", "-J", "size=4"];
        let options = [&options[..], &["-O", "^resize_inode", "-E", layout]].concat();
        command("mkfs.ext4", &options, &image);
        command("fallocate", &["-l", METADATA], &image);
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.directory.join("disk")
    }

    /// From now on nothing can be written to the end of this file: its last block is lost, and
    /// there is room for no other.
    pub fn fail_at_the_end_of(&self, file: &Path) {
        let extents = command("filefrag", &["-v", "-b4096"], file);
        let last = extents.lines().find(|line| line.contains("eof"));
        // ext: logical_offset: physical_offset: length: expected: flags
        let physical = last.and_then(|line| line.split(':').nth(2)).unwrap();
        let block: u64 = physical
            .rsplit("..")
            .next()
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let offset = (block * BLOCK).to_string();
        command(
            "fallocate",
            &["-p", "-o", &offset, "-l", "4096"],
            &self.image(),
        );
        let mut filler = File::create(self.filler()).unwrap();
        while filler.write_all(&[1; BLOCK as usize]).is_ok() {}
    }

    /// Everything can be written again.
    pub fn mend(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// Aborts the file system, as it does itself after an error in its journal.
    pub fn abort(&self) {
        command("mount", &["-o", "remount,abort"], &self.path());
    }

    /// Forgets what is in memory only.
    pub fn forget(&self) {
        command("umount", &[], &self.path());
        self.mount();
    }

    fn mount(&self) {
        let image = self.image();
        let image = image.to_str().unwrap();
        command("mount", &["-o", "loop", image], &self.path());
    }

    fn image(&self) -> PathBuf {
        self.directory.join("memory/image")
    }

    fn filler(&self) -> PathBuf {
        self.directory.join("memory/filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// Runs a command on a path, and returns what it prints.
fn command(name: &str, options: &[&str], path: &Path) -> String {
    let output = Command::new(name).args(options).arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("could not run {name}: {error}"));
    assert!(
        output.status.success(),
        "{name} {options:?}: {}\nIf there can be no loop devices here: cargo test -- --skip \
         failing_disk",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
