//! Ids that look random and are the same on every run.

use crate::world::World;

impl World {
    /// The next number of a stream that looks random.
    pub fn random(&mut self) -> u64 {
        self.serial += 1;
        mix(self.serial ^ mix(self.settings.seed.wrapping_add(0x5eed)))
    }

    /// A new UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.random(), self.random());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 50),
            low & 0xffff_ffff_ffff
        )
    }

    /// A new MAC address of `OpenStack`'s range.
    pub fn mac(&mut self) -> String {
        let random = self.random();
        format!("fa:16:3e:{:02x}:{:02x}:{:02x}", random & 0xff, (random >> 8) & 0xff, (random >> 16) & 0xff)
    }
}

/// One step of `splitmix64`.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Bytes that look random, from a text.
pub(crate) fn bytes(text: &str, count: usize) -> Vec<u8> {
    let mut seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    std::iter::repeat_with(|| {
        seed = seed.wrapping_add(1);
        mix(seed).to_be_bytes()
    })
    .flatten()
    .take(count)
    .collect()
}
