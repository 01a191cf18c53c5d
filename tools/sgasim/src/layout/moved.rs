//! Layouts that no table describes: every member moved at random, or whole blocks of members as release updates do.
//!
//! What a reader has to learn by itself is made here. It keeps what C and Oracle keep: natural alignment, one header
//! at the front of all state objects, columns that show the same bytes. Only `pmon` calls it.

use super::{Column, HandleLayout, Kind, KsusgaLayout, Layout, ModuleLayout, RowLayout};
use crate::engine::random::Random;

/// Most bytes between two shuffled members.
const LARGEST_GAP: u64 = 72;

impl Layout {
    /// Moves every member of the session and process rows, of `ksusga_`, of cursor handles and of the module structure
    /// to a random place, and gives rows another size and another way to lie in chunks.
    pub fn shuffle(&mut self, seed: u64) {
        let mut random = Random::new(seed);
        let header = header(&mut random);
        shuffle_row(&mut self.session, header, &mut random);
        shuffle_row(&mut self.process, header, &mut random);
        for rows in [&mut self.session.rows, &mut self.process.rows] {
            rows.descending = random.once_in(2);
            rows.chunk_rows = [0, 60 + random.below(100) as usize][random.below(2) as usize];
            rows.chunk_gap = 8 * (1 + random.below(300));
        }
        let size = self.fixed_variable("ksusga_").map_or(512, |v| v.size);
        self.ksusga = ksusga(size, &mut random);
        self.handle = handle(&mut random);
        self.module = module(&mut random);
    }

    /// Moves blocks of session columns by multiples of 8, the later ones further: columns were added in front of them
    /// or taken away. Inside a block all distances stay.
    pub fn shift_blocks(&mut self, seed: u64) {
        let mut random = Random::new(seed);
        let row = &mut self.session;
        let mut seams = seams(row);
        let mut shift = 0u64;
        let mut moved = 0;
        row.columns.sort_by_key(|c| c.offset);
        // The state object's header stays.
        for column in row.columns.iter_mut().filter(|c| c.offset >= 16) {
            while seams.first().is_some_and(|seam| *seam <= column.offset) {
                let seam = seams.remove(0);
                if moved == 0 || random.once_in(3) || seam == u32::MAX {
                    shift += 8 * (1 + random.below(12));
                    moved += 1;
                }
            }
            column.offset += shift as u32;
        }
        row.rows.stride += shift;
    }
}

/// Places where a block may begin: multiples of 8 that no member spans, 64 bytes or more apart.
fn seams(row: &RowLayout) -> Vec<u32> {
    let end = |c: &Column| {
        c.length_offset()
            .map_or(c.offset + c.stored_width(), |at| at + c.length_width)
    };
    let mut found: Vec<u32> = Vec::new();
    for column in &row.columns {
        let at = column.offset / 8 * 8;
        let spanned = row.columns.iter().any(|c| c.offset < at && end(c) > at);
        let apart = found.last().is_none_or(|last| at >= last + 64);
        if at >= 16 && !spanned && apart {
            found.push(at);
        }
    }
    found
}

/// Offsets of flag byte and owner pointer, the same in all state objects.
fn header(random: &mut Random) -> (u32, u32) {
    let owner = 8 + 8 * random.below(4) as u32;
    (random.below(8) as u32, owner)
}

fn shuffle_row(row: &mut RowLayout, header: (u32, u32), random: &mut Random) {
    let mut groups: Vec<Vec<Column>> = Vec::new();
    for column in row.columns.drain(..) {
        // Columns of the same bytes move together.
        match groups.iter_mut().find(|g| g[0].offset == column.offset) {
            Some(group) => group.push(column),
            None => groups.push(vec![column]),
        }
    }
    for i in (1..groups.len()).rev() {
        groups.swap(i, random.below(i as u64 + 1) as usize);
    }
    let mut at = 64u64;
    for mut group in groups {
        let place = match group[0].name {
            "KSSPAFLG" => u64::from(header.0),
            "(owner)" => u64::from(header.1),
            _ => {
                let align = u64::from(alignment(&group[0]));
                let gap = random.below(LARGEST_GAP) * random.below(2);
                (at + gap).next_multiple_of(align)
            }
        };
        for column in &mut group {
            column.offset = place as u32;
            let end = column
                .length_offset()
                .map_or(place as u32 + column.stored_width(), |o| {
                    o + column.length_width
                });
            at = at.max(u64::from(end));
        }
        row.columns.extend(group);
    }
    row.columns.sort_by_key(|c| c.offset);
    row.rows.stride = (at + random.below(4096)).next_multiple_of(8);
}

fn alignment(column: &Column) -> u32 {
    match column.kind {
        Kind::Text | Kind::Date7 => 1,
        _ => column.stored_width(),
    }
}

/// Hands out `wanted` (bytes of each member) at random places below `size`, naturally aligned and apart.
fn scatter(size: u64, wanted: &[u64], random: &mut Random) -> Vec<u64> {
    let mut taken: Vec<(u64, u64)> = Vec::new();
    for &bytes in wanted {
        let align = bytes.min(8);
        loop {
            let at = random.below((size - bytes) / align + 1) * align;
            if taken.iter().all(|&(o, n)| at >= o + n || o >= at + bytes) {
                taken.push((at, bytes));
                break;
            }
        }
    }
    taken.into_iter().map(|t| t.0).collect()
}

fn ksusga(size: u64, random: &mut Random) -> KsusgaLayout {
    let at = scatter(size, &[8, 4, 8, 4, 4, 8], random);
    KsusgaLayout {
        processes: at[0],
        process_count: at[1],
        sessions: at[2],
        session_count: at[3],
        statistic_count: at[4],
        system_statistics: at[5],
    }
}

fn handle(random: &mut Random) -> HandleLayout {
    let at = scatter(512, &[1, 4, 16, 4], random);
    HandleLayout {
        namespace: at[0],
        hash: at[1],
        full_hash: at[2],
        length: at[3],
        text: 512 + 8 * random.below(16),
    }
}

fn module(random: &mut Random) -> ModuleLayout {
    let at = scatter(320, &[64, 8, 4, 64, 8, 4], random);
    ModuleLayout {
        module: at[0],
        module_length: at[1],
        module_hash: at[2],
        action: at[3],
        action_length: at[4],
        action_hash: at[5],
        text_size: 64,
        size: 320,
    }
}
