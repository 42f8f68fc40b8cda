//! The start of a run: what a file holds already, and what is to be done with that before anything
//! is appended.

use super::attribute::{Attribute, Resume, Source};
use super::open::{lock, name_of};
use super::output::{Named, OutputFile, Tail, checked};
use super::{Destination, Existing, checkpoint, disk, rotated};
use crate::error::{Error, Result};
use crate::lsn::Lsn;
use crate::record::ReadLines;
use rustix::fs::fsync;
use std::fs::File;
use std::os::unix::fs::FileExt;

impl OutputFile {
    /// Locks the file, and finds out how it ends and where to go on. Touches nothing.
    pub fn examine(file: File, to: Destination) -> Result<(OutputFile, Resume)> {
        let name = name_of(&to.path);
        lock(&file, &name)?;
        let failed = |reason| Error::new(format!("could not read {name}: {reason}"));
        let length = file.metadata().map_err(failed)?.len();
        let attribute = Attribute::read(&file);
        let (existing, source) = (to.existing, to.source.clone());
        let named = Named {
            file_name: rotated::file_name(&to.path),
            to,
        };
        let mut found = OutputFile::new(file, name.clone(), Some(named));
        let mut resume = Resume::nothing(name.clone());
        match existing {
            Existing::AppendBytes => {}
            Existing::Append => {
                let mut last = [b'\n'];
                if length > 0 {
                    let read = found.file.read_exact_at(&mut last, length - 1);
                    read.map_err(failed)?;
                }
                if last != *b"\n" {
                    found.tail = Tail::Open;
                }
            }
            Existing::Resume(lines) => {
                if let Some(attribute) = attribute.as_ref().filter(|_| length > 0) {
                    let required = source.require(&attribute.source, &name);
                    required.map_err(|error| found.with_remedy(error))?;
                }
                let end =
                    found.read(attribute.as_ref().map(|attribute| attribute.synced), lines)?;
                found.tail = Tail::Whole(end.whole);
                resume.last = end.last;
            }
        }
        found.synced = length;
        // What an emptied file was before may be another server's.
        if let Some(attribute) = attribute.filter(|attribute| source.is(&attribute.source)) {
            found.synced = attribute.synced.min(length);
            if found.resumes() {
                resume.last = resume.last.or(attribute.last);
            }
            if length > 0 {
                resume.missing = attribute.synced.saturating_sub(length);
            }
            resume.attribute = Some(attribute);
        }
        Ok((found, resume))
    }

    /// The same file, rotated away from the name that its attribute has.
    pub fn called(mut self, file_name: String) -> OutputFile {
        if let Some(named) = &mut self.named {
            named.file_name = file_name;
        }
        self
    }

    /// Where the lines end, if so many bytes are known to be on the disk.
    fn read(&self, synced: Option<u64>, lines: &dyn ReadLines) -> Result<checkpoint::Checkpoint> {
        checkpoint::read(&self.file, synced, lines).map_err(|reason| match reason {
            checkpoint::Unusable::Io(reason) => {
                Error::new(format!("could not read {}: {reason}", self.name))
            }
            checkpoint::Unusable::Foreign(reason) => {
                let error = format!("could not go on in {}: {reason}", self.name);
                self.with_remedy(Error::new(error))
            }
        })
    }

    fn with_remedy(&self, error: Error) -> Error {
        let Some(Named { to, .. }) = &self.named else {
            return error;
        };
        error.with_remedy(format!(
            "another file, or --no-resume to append to {} whatever it holds",
            to.path.display()
        ))
    }

    /// Looks for the file that was rotated away unseen and that this one follows, if this one says
    /// nothing itself. It then goes on where that one ends.
    pub fn follow(&mut self, resume: &mut Resume) -> Result<()> {
        let Some(Named { to, file_name }) = &self.named else {
            return Ok(());
        };
        if !matches!(self.tail, Tail::Whole(0)) || resume.attribute.is_some() || !to.confirms {
            return Ok(());
        }
        if let Some((old, found)) = rotated::find(to, file_name, &self.file)? {
            resume.name = format!("{}, which {} follows", found.name, self.name);
            (resume.last, resume.attribute) = (found.last, found.attribute);
            self.follows = Some(Box::new(old));
        }
        Ok(())
    }

    /// Makes the end of the file ready to be appended to, and what is there durable: whatever it
    /// holds is about to be confirmed. From now on it says of itself where it comes from, and that
    /// the slot was confirmed up to there.
    pub fn begin(
        &mut self,
        timeline: Option<u32>,
        confirmed: Option<Lsn>,
        resume: &Resume,
    ) -> Result<()> {
        if let Some(mut old) = self.follows.take() {
            let of_itself = Resume {
                name: old.name.clone(),
                ..resume.clone()
            };
            old.begin(resume.timeline(), None, &of_itself)?;
        }
        match self.tail {
            Tail::Ready => {}
            Tail::Open => self.write(b"\n").1?,
            Tail::Whole(whole) if whole < self.length()? => {
                self.file.set_len(whole).map_err(|reason| {
                    Error::new(format!(
                        "could not cut off the incomplete last line of {}: {reason}",
                        self.name
                    ))
                })?;
            }
            Tail::Whole(_) => {}
        }
        let end = self.length()?;
        let known = resume.attribute.is_some();
        let doubtful = known && self.synced < end;
        if doubtful {
            disk::write_again(&self.file, checkpoint::doubtful_after(self.synced), end)
                .map_err(|reason| self.failed("write the end of", "once more", &reason))?;
        }
        self.describe(timeline, confirmed, resume)?;
        if let Err(error) = checked(rustix::io::retry_on_intr(|| fsync(&self.file))) {
            // Nothing is cut off here: some of it may have been confirmed.
            self.distrust(if known { self.synced } else { 0 });
            return Err(self.unsynced(&error.into()));
        }
        if doubtful {
            self.compare_with_disk(end)?;
        }
        self.tail = Tail::Ready;
        self.pending = (end, resume.last);
        self.settle()
    }

    /// Reads the end of the file from the disk, and cuts off what is not there.
    fn compare_with_disk(&mut self, end: u64) -> Result<()> {
        let start = checkpoint::doubtful_after(self.synced);
        let lost = disk::first_difference(&self.file, start, end)
            .map_err(|reason| self.failed("read", "from the disk", &reason))?;
        let Some(lost) = lost else {
            return Ok(());
        };
        let what = format!("could not go on in {}", self.name);
        if lost < self.synced {
            return Err(self.with_remedy(Error::new(format!(
                "{what}: it is damaged at offset {lost}, which was on the disk already"
            ))));
        }
        let cut = checkpoint::line_end_before(&self.file, lost)
            .and_then(|whole| self.file.set_len(whole).map(|()| whole));
        let whole =
            cut.map_err(|reason| self.failed("cut back", "to what is on the disk", &reason))?;
        self.distrust(checkpoint::doubtful_after(self.synced.min(whole)));
        Err(Error::new(format!("{what}: its end was never on the disk"))
            .with_detail(format!(
                "It was cut back to {whole} bytes. What came after them is not confirmed: the \
                 next run gets it again."
            ))
            .with_remedy("the same command once more"))
    }

    /// Writes the attribute that the file is to have from now on.
    fn describe(
        &mut self,
        timeline: Option<u32>,
        confirmed: Option<Lsn>,
        resume: &Resume,
    ) -> Result<()> {
        let Some(Named { to, file_name }) =
            self.named.as_ref().filter(|named| named.to.is_described())
        else {
            return Ok(());
        };
        let before = resume
            .attribute
            .as_ref()
            .and_then(|attribute| attribute.confirmed);
        self.attribute = Some(Attribute {
            source: Source {
                timeline,
                ..to.source.clone()
            },
            file: file_name.clone(),
            confirmed: before.max(confirmed),
            last: resume.last,
            synced: self.synced,
        });
        self.write_attribute()
    }
}
