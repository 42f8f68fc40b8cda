//! The bytes that a sink holds until they are taken. Offsets count all bytes of the process's life,
//! wherever they went to.

/// What the buffer may hold while idle.
const IDLE_CAPACITY: usize = 512 << 10;

/// What is taken in small pieces is moved to the front only now and then.
const MOVED: usize = 4096;

/// Bytes that are appended at the end and taken from the front.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// How much of it is taken.
    taken: usize,
    /// The offset of its first byte.
    base: u64,
}

impl Buffer {
    /// Where to append.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What is not taken yet.
    pub fn waiting(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// The offset after the last byte appended.
    pub fn appended(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// The offset after the last byte taken.
    pub fn taken(&self) -> u64 {
        self.base + self.taken as u64
    }

    /// So many of the bytes that wait were taken.
    pub fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.bytes.len() {
            self.base += self.taken as u64;
            self.taken = 0;
            self.bytes.clear();
            self.bytes.shrink_to(IDLE_CAPACITY);
        } else if self.taken > self.bytes.len() / 2 && self.taken > MOVED {
            self.bytes.drain(..self.taken);
            self.base += self.taken as u64;
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_on_whatever_was_taken() {
        let mut buffer = Buffer::default();
        let all: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let mut seen = Vec::new();
        for part in all.chunks(977) {
            buffer.bytes().extend_from_slice(part);
            let count = buffer.waiting().len().min(700);
            seen.extend_from_slice(&buffer.waiting()[..count]);
            buffer.take(count);
            assert_eq!(buffer.taken(), seen.len() as u64);
            assert_eq!(
                buffer.appended() - buffer.taken(),
                buffer.waiting().len() as u64
            );
        }
        seen.extend_from_slice(buffer.waiting());
        buffer.take(buffer.waiting().len());
        assert_eq!(seen, all);
        assert_eq!(buffer.appended(), all.len() as u64);
    }
}
