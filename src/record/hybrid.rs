//! Parquet's run-length and bit-packed hybrid: dictionary codes and definition levels.
//!
//! For: [`super::coded`]. Not for: pages, values. The format is that of Apache Parquet's
//! `Encodings.md`, "Run Length Encoding / Bit-Packing Hybrid (RLE = 3)". Input is hostile: every
//! length is checked, and what contradicts itself is an error, never a panic.

/// Values of one run are given out in pieces of this many at most.
const BLOCK: usize = 64;

/// A part of the values.
pub(super) enum Run<'a> {
    /// So many times the same.
    Same(u32, usize),
    /// One after the other.
    Each(&'a [u32]),
}

/// Decodes `count` values of `width` bits and gives them to `out` in runs; what follows them in
/// `bytes` is not looked at.
pub(super) fn decode(
    bytes: &[u8],
    width: u32,
    count: usize,
    mut out: impl FnMut(Run<'_>),
) -> Result<(), String> {
    runs(bytes, width, count, |stored| match stored {
        Stored::Same(value, times) => out(Run::Same(value, times)),
        Stored::Packed(packed, values) => unpack(packed, width, values, &mut out),
    })
}

/// A run as it is stored.
pub(super) enum Stored<'a> {
    /// So many times the same.
    Same(u32, usize),
    /// The bits of so many values, and maybe more.
    Packed(&'a [u8], usize),
}

/// Gives the runs of `count` values of `width` bits to `out`, as they are stored.
pub(super) fn runs(
    bytes: &[u8],
    width: u32,
    count: usize,
    mut out: impl FnMut(Stored<'_>),
) -> Result<(), String> {
    if width > 32 {
        return Err(format!("values of {width} bits"));
    }
    let mut at = 0;
    let mut left = count;
    while left > 0 {
        let header = header(bytes, &mut at)?;
        let runs = usize::try_from(header >> 1).map_err(|e| e.to_string())?;
        if runs == 0 {
            return Err("an empty run".to_owned());
        }
        if header & 1 == 0 {
            let value = repeated(bytes, &mut at, width)?;
            let same = runs.min(left);
            out(Stored::Same(value, same));
            left -= same;
            continue;
        }
        // a run of groups of eight values, of which the last may be padded
        let wanted = runs.saturating_mul(8).min(left);
        let length = runs.saturating_mul(width as usize);
        let packed = bytes.get(at..).unwrap_or_default();
        let packed = &packed[..length.min(packed.len())];
        if packed.len() * 8 < wanted * width as usize {
            return Err("it ends within a run".to_owned());
        }
        out(Stored::Packed(packed, wanted));
        at += packed.len();
        left -= wanted;
    }
    Ok(())
}

fn header(bytes: &[u8], at: &mut usize) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at).ok_or("it ends within a run's length")?;
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a run's length is too long".to_owned())
}

fn repeated(bytes: &[u8], at: &mut usize, width: u32) -> Result<u32, String> {
    let length = width.div_ceil(8) as usize;
    let end = at.saturating_add(length);
    let found = bytes.get(*at..end).ok_or("it ends within a run's value")?;
    let mut value = [0; 4];
    value[..length].copy_from_slice(found);
    *at = end;
    Ok(u32::from_le_bytes(value))
}

/// `packed` has the bits of `count` values.
fn unpack(packed: &[u8], width: u32, count: usize, out: &mut impl FnMut(Run<'_>)) {
    let mut block = [0u32; BLOCK];
    if width == 0 {
        return out(Run::Same(0, count));
    }
    // 64 values of w bits are 8 w bytes: each block begins at a byte.
    let bytes = BLOCK / 8 * width as usize;
    let mut left = count;
    for chunk in packed.chunks(bytes) {
        let values = left.min(BLOCK);
        let padded = &mut [0u8; BLOCK * 4 + 8];
        padded[..chunk.len()].copy_from_slice(chunk);
        widths(padded, width, &mut block);
        out(Run::Each(&block[..values]));
        left -= values;
        if left == 0 {
            return;
        }
    }
}

type Padded = [u8; BLOCK * 4 + 8];

/// One function for each width: with it known, the compiler knows all places and shifts.
fn widths(bytes: &Padded, width: u32, block: &mut [u32; BLOCK]) {
    macro_rules! of {
        ($($w:literal)*) => {
            match width {
                $($w => block_of::<$w>(bytes, block),)*
                _ => {}
            }
        };
    }
    of!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

fn block_of<const W: usize>(bytes: &Padded, block: &mut [u32; BLOCK]) {
    let mask = ((1u64 << W) - 1) as u32;
    for (index, value) in block.iter_mut().enumerate() {
        let bit = index * W;
        let mut word = [0u8; 8];
        word.copy_from_slice(&bytes[bit / 8..bit / 8 + 8]);
        *value = (u64::from_le_bytes(word) >> (bit % 8)) as u32 & mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8], width: u32, count: usize) -> Result<Vec<u32>, String> {
        let mut values = Vec::new();
        decode(bytes, width, count, |run| match run {
            Run::Same(value, times) => values.extend(std::iter::repeat_n(value, times)),
            Run::Each(some) => values.extend_from_slice(some),
        })?;
        Ok(values)
    }

    fn length(bytes: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }

    /// As the specification says it: bit by bit, from the least.
    fn packed(bytes: &mut Vec<u8>, values: &[u32], width: u32) {
        let groups = values.len().div_ceil(8);
        length(bytes, (groups as u64) << 1 | 1);
        let mut bits: Vec<bool> = Vec::new();
        for value in values {
            bits.extend((0..width).map(|bit| value >> bit & 1 == 1));
        }
        bits.resize(groups * 8 * width as usize, false);
        for byte in bits.chunks(8) {
            let bits = byte.iter().enumerate();
            bytes.push(bits.map(|(n, bit)| u8::from(*bit) << n).sum());
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(
            width in 0u32..=32,
            runs in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u32>(), 1..300)), 1..6),
        ) {
            let mask = ((1u64 << width) - 1) as u32;
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (n, (same, values)) in runs.iter().enumerate() {
                let mut values: Vec<u32> = values.iter().map(|v| v & mask).collect();
                if *same {
                    length(&mut bytes, (values.len() as u64) << 1);
                    bytes.extend(&values[0].to_le_bytes()[..width.div_ceil(8) as usize]);
                    values = vec![values[0]; values.len()];
                } else {
                    // only the last run may be padded
                    if n + 1 < runs.len() {
                        values.resize(values.len().div_ceil(8) * 8, 0);
                    }
                    packed(&mut bytes, &values, width);
                }
                expected.extend(values);
            }
            prop_assert_eq!(decoded(&bytes, width, expected.len()), Ok(expected.clone()));
            // and whatever is cut off is noticed, or wasn't needed
            for end in 0..bytes.len() {
                if let Ok(found) = decoded(&bytes[..end], width, expected.len()) {
                    prop_assert_eq!(&found, &expected);
                }
            }
        }

        #[test]
        fn nonsense_ends(bytes in prop::collection::vec(any::<u8>(), 0..200), width in 0u32..40) {
            if let Ok(found) = decoded(&bytes, width, 5_000) {
                prop_assert_eq!(found.len(), 5_000);
            }
        }
    }
}
