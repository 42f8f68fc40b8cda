//! The file that a log rotation moved away while nobody looked: walcat was not running, was just
//! starting, or was killed before it opened the new one.
//!
//! Its attribute goes with it, and says both which slot it is of and by what name it was written.
//! So it is found whatever the rotation calls it, if it is still in the same directory, and not
//! compressed or copied. Two outputs of one slot in one directory do not follow each other: neither
//! has the other's name. In a directory where others may write, their files are not believed.

use super::Destination;
use super::attribute::{Attribute, Resume};
use super::output::OutputFile;
use crate::error::{Error, Result};
use rustix::process::geteuid;
use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name of the file, after all symbolic links, without its directory.
pub fn file_name(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The file of the same source that was written under this name and does not have it any more: of
/// several the one that ends last. It is locked, and examined like a file to go on with. `new` has
/// the name now.
pub fn find(to: &Destination, file_name: &str, new: &File) -> Result<Option<(OutputFile, Resume)>> {
    let mut found = Vec::new();
    for (path, attribute) in candidates(to, file_name, new) {
        let name = path.display();
        let failed = |reason| {
            Error::new(format!(
                "could not open file \"{name}\", which \"{}\" follows: {reason}",
                to.path.display()
            ))
        };
        let file = OpenOptions::new().read(true).append(true).open(&path);
        let old = Destination {
            path: path.clone(),
            ..to.clone()
        };
        let (file, resume) = OutputFile::examine(file.map_err(failed)?, old).map_err(|error| {
            let remedy = format!("mv {name} elsewhere: the new file then begins without it");
            error.with_remedy(remedy)
        })?;
        // Of two that end alike the later may hold a part of the next line.
        let written = std::fs::metadata(&path).and_then(|found| found.modified());
        let rank = (resume.last, written.ok());
        found.push((rank, file.called(attribute.file), resume));
    }
    let newest = found.into_iter().max_by_key(|(rank, ..)| *rank);
    Ok(newest.map(|(_, file, resume)| (file, resume)))
}

/// Those that may end last: no other was confirmed further. A directory that cannot be read has
/// none.
fn candidates(to: &Destination, file_name: &str, new: &File) -> Vec<(PathBuf, Attribute)> {
    let path = to.path.canonicalize().unwrap_or_else(|_| to.path.clone());
    let Ok(new) = new.metadata() else {
        return Vec::new();
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut candidates: Vec<(PathBuf, Attribute)> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter(|entry| {
            entry
                .metadata()
                .is_ok_and(|found| is_credible(&found, &new))
        })
        .filter_map(|entry| Some((entry.path(), Attribute::read_at(&entry.path())?)))
        .filter(|(_, attribute)| attribute.file == file_name && to.source.is(&attribute.source))
        .collect();
    let furthest = candidates
        .iter()
        .map(|(_, attribute)| attribute.confirmed)
        .max();
    candidates.retain(|(_, attribute)| Some(attribute.confirmed) == furthest);
    candidates
}

/// Returns `true` for another file than the new one, made by somebody whom we have to believe: the
/// user that we are, the owner of the new file, or root.
fn is_credible(found: &Metadata, new: &Metadata) -> bool {
    let same = (found.dev(), found.ino()) == (new.dev(), new.ino());
    let believed = [geteuid().as_raw(), new.uid(), 0];
    !same && believed.contains(&found.uid())
}
