//! How SSH writes things down (RFC 4251, section 5). Reading is total: what is not there is `None`.

/// Reads one thing after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.bytes(length)
    }

    /// A list of names. What is no text names nothing that we know.
    pub fn names(&mut self) -> Option<Vec<&'a str>> {
        Some(std::str::from_utf8(self.string()?).unwrap_or_default().split(',').collect())
    }

    /// A number of any size that is not negative, without the zeros before it.
    pub fn integer(&mut self) -> Option<&'a [u8]> {
        Some(trimmed(self.string()?))
    }
}

/// A number without the zeros before it.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// A number with zeros before it, as long as `size`, if it fits.
pub(super) fn padded(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut whole = vec![0; size.checked_sub(bytes.len())?];
    whole.extend(bytes);
    Some(whole)
}

/// Writes one thing after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).bytes(bytes)
    }

    /// A number of any size that is not negative.
    pub fn integer(self, bytes: &[u8]) -> Self {
        let bytes = trimmed(bytes);
        match bytes.first() {
            Some(first) if *first >= 0x80 => self.string([&[0], bytes].concat()),
            Some(_) | None => self.string(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in proptest::collection::vec(any::<u8>(), 0..40), number: u32) {
            let written = Writer::default().byte(7).number(number).string(&text).integer(&text).0;
            let mut reader = Reader(&written);

            prop_assert_eq!(reader.byte(), Some(7));
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.string(), Some(text.as_slice()));
            prop_assert_eq!(reader.integer(), Some(trimmed(&text)));
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), size in 0usize..90) {
            let mut reader = Reader(&bytes);
            while reader.string().is_some() {}
            let _ = (reader.names(), reader.integer(), reader.number(), reader.byte(), padded(&bytes, size));
        }
    }
}
