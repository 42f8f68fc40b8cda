//! What is on the disk, and not just in the page cache.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is handled at a time: a multiple of every disk's block.
const BLOCK: usize = 256 << 10;

/// What the kernel wants the address of a buffer to be a multiple of, to read past the page cache.
const ALIGNMENT: usize = 4096;

/// Writes what lies between these offsets once more, as it is: a sync after that reports what
/// became of it to this descriptor. `start` is a multiple of the disk's block.
pub fn write_again(file: &File, start: u64, end: u64) -> io::Result<()> {
    // Where a file is open for appending, every write goes to its end.
    let flags = fcntl_getfl(file)?;
    fcntl_setfl(file, flags - OFlags::APPEND)?;
    let written = each_block(start, end, |at, block| {
        file.read_exact_at(block, at)?;
        file.write_all_at(block, at)?;
        Ok(None::<()>)
    });
    fcntl_setfl(file, flags)?;
    written.map(|_| ())
}

/// The offset of the first byte between these offsets that is not on the disk as it is in memory.
/// `start` is a multiple of the disk's block.
pub fn first_difference(file: &File, start: u64, end: u64) -> io::Result<Option<u64>> {
    let mut room = vec![0; BLOCK + ALIGNMENT];
    let aligned = room.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    each_block(start, end, |at, memory| {
        file.read_exact_at(memory, at)?;
        let disk = room.get_mut(aligned..aligned + BLOCK).unwrap_or_default();
        let disk = read_past_cache(file, disk, at, memory.len())?;
        let same = memory.iter().zip(disk).take_while(|(a, b)| a == b).count();
        Ok((same < memory.len()).then_some(at + same as u64))
    })
}

/// Does something for each block between these offsets until it brings a result.
fn each_block<T>(
    start: u64,
    end: u64,
    mut work: impl FnMut(u64, &mut [u8]) -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    let mut block = vec![0; BLOCK];
    let mut at = start;
    while at < end {
        let length = (end - at).min(BLOCK as u64);
        let done = work(at, block.get_mut(..length as usize).unwrap_or_default())?;
        if done.is_some() {
            return Ok(done);
        }
        at += length;
    }
    Ok(None)
}

/// So many bytes that the disk has at this offset. Whole blocks are asked for, as it must be.
#[cfg(target_os = "linux")]
fn read_past_cache<'b>(
    file: &File,
    block: &'b mut [u8],
    at: u64,
    length: usize,
) -> io::Result<&'b [u8]> {
    use rustix::fs::{Advice, fadvise};
    use rustix::io::{Errno, pread};
    use std::num::NonZero;

    let flags = fcntl_getfl(file)?;
    let direct = match fcntl_setfl(file, flags | OFlags::DIRECT) {
        Ok(()) => rustix::io::retry_on_intr(|| pread(file, &mut *block, at)),
        Err(error) => Err(error),
    };
    fcntl_setfl(file, flags)?;
    let wanted = block.get_mut(..length).unwrap_or_default();
    match direct {
        Ok(count) if count >= length => {}
        // Not every file system can, or not with blocks of this size.
        Ok(_) | Err(Errno::INVAL | Errno::NOTSUP) => {
            fadvise(file, at, NonZero::new(length as u64), Advice::DontNeed)?;
            file.read_exact_at(wanted, at)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(wanted)
}

/// The same, as the page cache has it.
#[cfg(not(target_os = "linux"))]
fn read_past_cache<'b>(
    file: &File,
    block: &'b mut [u8],
    at: u64,
    length: usize,
) -> io::Result<&'b [u8]> {
    let wanted = block.get_mut(..length).unwrap_or_default();
    file.read_exact_at(wanted, at)?;
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_synced_is_on_the_disk_as_it_was() {
        // On a disk, and where there is none.
        for directory in [env!("CARGO_MANIFEST_DIR"), "/dev/shm"] {
            let mut file = tempfile::tempfile_in(directory).unwrap();
            let bytes: Vec<u8> = (0..3 * BLOCK + 777).map(|n| (n % 251) as u8).collect();
            file.write_all(&bytes).unwrap();
            let end = bytes.len() as u64;
            write_again(&file, 65536, end).unwrap();
            file.sync_all().unwrap();
            let mut again = vec![0; bytes.len()];
            file.read_exact_at(&mut again, 0).unwrap();
            assert!(again == bytes);
            for start in [0, 65536, 131_072] {
                assert_eq!(first_difference(&file, start, end).unwrap(), None);
            }
        }
    }
}
