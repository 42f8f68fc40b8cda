//! What a file says of itself beside its lines: the extended attribute `user.walcat.checkpoint`.
//!
//! The lines tell where a file ends. They do not tell which slot of which server they came from,
//! how far that slot was confirmed, or how much of the file was on the disk; and after a log
//! rotation there are none yet. The attribute does, and it goes wherever the file goes: a rotation
//! renames the file together with it. It is JSON, for `getfattr`.
//!
//! What is confirmed is written down before the server is told, so a slot that is confirmed further
//! than the attribute says was moved by somebody else. Where the file system has no extended
//! attributes (tmpfs before Linux 6.6, NFS before 4.2, FAT), or the file was copied without them,
//! none of this is known, and only the lines count.

use crate::error::{Error, Result};
use crate::event::EventId;
use crate::lsn::Lsn;
use rustix::fd::AsFd;
use rustix::fs::{XattrFlags, fgetxattr, fsetxattr, getxattr};
use rustix::io::Errno;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io;
use std::path::Path;

/// The name of the extended attribute.
const ATTRIBUTE: &str = "user.walcat.checkpoint";

/// No attribute of ours is longer: the names in it are limited to 63 or 255 bytes.
const LARGEST: usize = 4096;

/// Where the lines of a file come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Source {
    /// The system identifier of the server's cluster.
    pub system: String,
    /// The timeline that the server was on; `None` as long as that is not known.
    pub timeline: Option<u32>,
    /// The database.
    pub database: String,
    /// The slot; `None` for temporary ones.
    pub slot: Option<String>,
}

/// The attribute of a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Attribute {
    /// Where its lines come from.
    #[serde(flatten)]
    pub source: Source,
    /// The name that it was written under, without its directory: one that has another name by now
    /// was rotated away.
    pub file: String,
    /// The slot was confirmed no further than this, nor will be before this is written anew.
    pub confirmed: Option<Lsn>,
    /// The last event that is on the disk, here or in the file that this one follows. It counts as
    /// long as the file has no line of its own.
    #[serde(serialize_with = "write_position", deserialize_with = "read_position")]
    pub last: Option<EventId>,
    /// How many bytes of the file are known to be on the disk.
    pub synced: u64,
}

impl Source {
    /// Returns `true` if both are the same slot of the same database and cluster.
    pub fn is(&self, other: &Source) -> bool {
        self.system == other.system && self.database == other.database && self.slot == other.slot
    }

    /// Fails if a file with lines of the other source cannot be gone on with: what is older than
    /// its end would be dropped as if it were in there, and confirmed.
    pub fn require(&self, other: &Source, name: &str) -> Result<()> {
        if self.is(other) {
            return Ok(());
        }
        let reason = if self.system != other.system {
            format!(
                "it comes from another server: its system identifier is {}, not {}",
                other.system, self.system
            )
        } else {
            format!("it comes from {other}, not from {self}")
        };
        Err(
            Error::new(format!("could not go on in {name}: {reason}")).with_detail(
                "What is older than the end of the file would be dropped as if it were in \
                     there, and confirmed.",
            ),
        )
    }
}

/// As `slot "s" of database "d"`.
impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.slot {
            Some(slot) => write!(f, "slot \"{slot}\"")?,
            None => f.write_str("a temporary slot")?,
        }
        write!(f, " of database \"{}\"", self.database)
    }
}

impl Attribute {
    /// The attribute of this file; `None` if it has none that can be read.
    pub fn read(file: &impl AsFd) -> Option<Attribute> {
        let mut buffer = vec![0; LARGEST];
        let length = fgetxattr(file, ATTRIBUTE, &mut buffer).ok()?;
        serde_json::from_slice(buffer.get(..length)?).ok()
    }

    /// The same for a file that is not open.
    pub fn read_at(path: &Path) -> Option<Attribute> {
        let mut buffer = vec![0; LARGEST];
        let length = getxattr(path, ATTRIBUTE, &mut buffer).ok()?;
        serde_json::from_slice(buffer.get(..length)?).ok()
    }

    /// Writes it to the file. Returns `false` where there can be no such attributes.
    pub fn write(&self, file: &impl AsFd) -> io::Result<bool> {
        let text = serde_json::to_vec(self)?;
        match fsetxattr(file, ATTRIBUTE, &text, XattrFlags::empty()) {
            Ok(()) => Ok(true),
            // The attributes of files that may only be appended to (chattr +a) stay as they are.
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::PERM | Errno::ACCESS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a file holds already, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Resume {
    /// What messages call the file.
    pub name: String,
    /// The last event, here or in the file that this one follows: the stream goes on after it.
    pub last: Option<EventId>,
    /// The attribute, if it is one of the same source.
    pub attribute: Option<Attribute>,
    /// How many bytes are missing that were on the disk already.
    pub missing: u64,
}

impl Resume {
    /// A file of which nothing is known.
    pub fn nothing(name: String) -> Resume {
        Resume {
            name,
            last: None,
            attribute: None,
            missing: 0,
        }
    }

    /// The timeline that the lines come from, if that is known.
    pub fn timeline(&self) -> Option<u32> {
        self.attribute.as_ref()?.source.timeline
    }

    /// What is missing from the file for good, if the slot is confirmed up to there: somebody else
    /// has read it, or moved it, or dropped it and created it again; or has cut the file.
    pub fn gaps(&self, confirmed: Option<Lsn>) -> Vec<String> {
        let mut gaps = Vec::new();
        let known = self
            .attribute
            .as_ref()
            .and_then(|attribute| attribute.confirmed);
        if let (Some(known), Some(confirmed)) = (known, confirmed)
            && known < confirmed
        {
            gaps.push(format!(
                "there is a gap in {}: it was confirmed up to {known}, and the slot is at \
                 {confirmed} already; what committed in between is missing from it, as somebody \
                 else has read the slot, moved it, or dropped it and created it again",
                self.name
            ));
        }
        if self.missing > 0 {
            gaps.push(format!(
                "there may be a gap in {}: {} bytes are missing from its end that were \
                 on the disk already",
                self.name, self.missing
            ));
        }
        gaps
    }
}

fn write_position<S: Serializer>(
    position: &Option<EventId>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    position
        .map(|position| position.to_string())
        .serialize(serializer)
}

fn read_position<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<EventId>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| {
        text.parse()
            .map_err(|_| serde::de::Error::custom("no position"))
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute() -> Attribute {
        Attribute {
            source: Source {
                system: "7571234567890123456".to_owned(),
                timeline: Some(3),
                database: "a \"shop\"".to_owned(),
                slot: Some("audit".to_owned()),
            },
            file: "changes.json".to_owned(),
            confirmed: Some(Lsn(0x20)),
            last: "0/10 7".parse().ok(),
            synced: 12345,
        }
    }

    /// On a disk: not every file system in memory has extended attributes.
    fn file() -> tempfile::NamedTempFile {
        tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let file = file();
        assert_eq!(Attribute::read(file.as_file()), None);
        let bare = Attribute {
            source: Source {
                timeline: None,
                slot: None,
                ..attribute().source
            },
            confirmed: None,
            last: None,
            ..attribute()
        };
        for attribute in [attribute(), bare] {
            assert!(attribute.write(file.as_file()).unwrap());
            assert_eq!(Attribute::read(file.as_file()).as_ref(), Some(&attribute));
            assert_eq!(Attribute::read_at(file.path()), Some(attribute));
        }
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let file = file();
        let whole = serde_json::to_string(&attribute()).unwrap();
        let long = whole.replace("audit", &"x".repeat(3 * LARGEST / 4));
        for text in [
            "",
            "x",
            "{}",
            "[]",
            &whole[..whole.len() - 1],
            &whole.replace("0/10 7", "0/10"),
            &whole.replace("12345", "-1"),
            &whole.replace("0/20", "20"),
        ] {
            fsetxattr(&file, ATTRIBUTE, text.as_bytes(), XattrFlags::empty()).unwrap();
            assert_eq!(Attribute::read(&file), None, "{text}");
        }
        fsetxattr(&file, ATTRIBUTE, long.as_bytes(), XattrFlags::empty()).unwrap();
        assert!(Attribute::read(&file).is_some());
    }

    #[test]
    fn a_gap_is_what_lies_between() {
        let resume = Resume {
            attribute: Some(attribute()),
            ..Resume::nothing("file".to_owned())
        };
        for (confirmed, gaps) in [(0x1F, 0), (0x20, 0), (0x21, 1)] {
            assert_eq!(resume.gaps(Some(Lsn(confirmed))).len(), gaps);
        }
        assert!(resume.gaps(None).is_empty());
        let nothing = Resume::nothing("file".to_owned());
        assert!(nothing.gaps(Some(Lsn(1))).is_empty());
    }
}
