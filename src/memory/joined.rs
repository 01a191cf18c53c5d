//! Several address spaces as one.
//!
//! For: an instance whose memory is of two kinds, e.g. granule files and SysV segments.

use super::{AddressSpace, Fault, FaultKind, MappedRange, Overlap, Region, Spot, TargetAddr};

/// Address spaces side by side; their regions must not overlap.
pub struct JoinedSpace {
    spaces: Vec<Box<dyn AddressSpace>>,
    regions: Vec<Region>,
    /// For each region its space and its index there.
    homes: Vec<(usize, u32)>,
}

impl JoinedSpace {
    /// Joins the spaces. The kind shown is the first one's.
    pub fn new(spaces: Vec<Box<dyn AddressSpace>>) -> Result<JoinedSpace, Overlap> {
        let mut all: Vec<(Region, (usize, u32))> = Vec::new();
        for (which, space) in spaces.iter().enumerate() {
            let regions = space.regions().iter().zip(0u32..);
            all.extend(regions.map(|(region, index)| (region.clone(), (which, index))));
        }
        all.sort_by_key(|(region, _)| region.start);
        if let Some(pair) = all.windows(2).find(|w| w[0].0.end() > w[1].0.start) {
            return Err(Overlap {
                first: pair[0].0.name.clone(),
                second: pair[1].0.name.clone(),
                at: pair[1].0.start,
            });
        }
        let (regions, homes) = all.into_iter().unzip();
        Ok(JoinedSpace {
            spaces,
            regions,
            homes,
        })
    }

    fn home(&self, spot: Spot, len: u64) -> Result<(&dyn AddressSpace, Spot), Fault> {
        let (which, region) = *self.homes.get(spot.region as usize).ok_or(Fault {
            addr: TargetAddr(spot.offset),
            len,
            kind: FaultKind::Unmapped,
        })?;
        let offset = spot.offset;
        Ok((self.spaces[which].as_ref(), Spot { region, offset }))
    }
}

impl AddressSpace for JoinedSpace {
    fn regions(&self) -> &[Region] {
        &self.regions
    }

    fn kind(&self) -> &'static str {
        self.spaces.first().map_or("bytes", |s| s.kind())
    }

    fn read_words(&self, spot: Spot, offset: u64, out: &mut [u64]) -> Result<(), Fault> {
        let (space, spot) = self.home(spot, (out.len() as u64).saturating_mul(8))?;
        space.read_words(spot, offset, out)
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        let (space, spot) = self.home(spot, out.len() as u64)?;
        space.read_bytes(spot, offset, out)
    }

    fn mapped(&self) -> Vec<MappedRange> {
        self.spaces.iter().flat_map(|s| s.mapped()).collect()
    }

    fn refresh(&self) {
        for space in &self.spaces {
            space.refresh();
        }
    }
}
