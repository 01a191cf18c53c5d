//! Layout of Oracle 12.1.0.2 on Linux x86-64.
//!
//! Session columns: the public header of dsm2 for 12.1.0.2, cross-checked with Luca Canali's scripts; comments mark
//! the ones that aren't public. `ksusga_` and the process row aren't public and are placed here.
//! Data only; `layout::Layout::of_release` is its only caller.

use super::Kind::{Address, Date7, Epoch4, Signed, Text, Unsigned};
use super::{
    Column, EVENT, HANDLE, KsusgaLayout, Layout, MODULE, RowArray, RowLayout, column, fixed,
};

/// Columns of X$KSUSE.
#[rustfmt::skip]
const SESSION: &[Column] = &[
    column("KSSPAFLG", Unsigned, 0, 1, 0),
    column("(owner)", Address, 8, 8, 0),
    column("KSUUDSES", Unsigned, 128, 4, 0),
    column("KSUUDUID", Unsigned, 132, 4, 0), // not public
    column("KSUUDLUI", Unsigned, 136, 4, 0),
    column("KSUUDNAM", Text, 140, 30, 1),
    column("KSUUDLNA", Text, 171, 30, 1),
    column("KSUSEXNM", Text, 202, 1024, 0), // not public
    column("KSUUDPRV", Unsigned, 1275, 1, 0), // not public
    column("KSUUDOCT", Unsigned, 1276, 1, 0),
    column("KSUUDFLG", Unsigned, 1280, 4, 0), // not public
    column("KSUUDPFN", Unsigned, 1428, 4, 0), // not public
    column("KSUUDSID", Unsigned, 1436, 4, 0),
    column("KSUUDSNA", Text, 1440, 30, 8),
    column("KSUUDSAE", Unsigned, 1480, 4, 0), // not public
    column("KSUUDCON", Text, 1488, 30, 0),
    column("KSUUDTXLP", Unsigned, 1548, 4, 0), // not public
    column("KSUSETRN", Address, 1560, 8, 0),
    column("KSUSEBRN", Address, 1568, 8, 0), // not public
    column("(statistics)", Address, 1576, 8, 0),
    column("KSUSESEQ", Unsigned, 1600, 2, 0),
    column("KSUSEOPC", Unsigned, 1602, 2, 0),
    column("KSUSEP1R", Address, 1608, 8, 0),
    column("KSUSEP1", Unsigned, 1608, 8, 0),
    column("KSUSEP2R", Address, 1616, 8, 0),
    column("KSUSEP2", Unsigned, 1616, 8, 0),
    column("KSUSEP3", Unsigned, 1624, 8, 0),
    column("KSUSEP3R", Address, 1624, 8, 0),
    column("KSUSETIM", Signed, 1632, 4, 0),
    column("KSUSSTMBV", Unsigned, 1636, 4, 0),
    column("KSUSSACT", Unsigned, 1696, 4, 0), // not public
    column("KSUSENUM", Unsigned, 1704, 2, 0),
    column("KSUSESER", Unsigned, 1706, 2, 0),
    column("KSUSEFLG", Unsigned, 1720, 4, 0),
    column("KSQPSWAT", Address, 1736, 8, 0),
    column("KSQPSRES", Address, 1744, 8, 0), // not public
    column("KSQPSRESLAT", Address, 1752, 8, 0), // not public
    column("KSUSEIDL", Unsigned, 1760, 1, 0),
    column("KSUSECRE", Address, 1792, 8, 0), // not public
    column("KSUSECSN", Unsigned, 1800, 2, 0), // not public
    column("KSUSESOW", Unsigned, 1840, 4, 0), // not public
    column("KSUSESQL", Address, 1856, 8, 0),
    column("(sql_id_high)", Unsigned, 1864, 4, 0),
    column("KSUSESQH", Unsigned, 1868, 4, 0),
    column("KSUSESCH", Unsigned, 1872, 2, 0),
    column("KSUSESPH", Unsigned, 1876, 4, 0),
    column("KSUSEFULLSPH", Unsigned, 1880, 4, 0), // not public
    column("KSUSESESTA", Epoch4, 1888, 7, 0),
    column("KSUSESEID", Unsigned, 1892, 4, 0),
    column("KSUSEPEO", Unsigned, 1904, 4, 0),
    column("KSUSEPES", Unsigned, 1908, 4, 0),
    column("KSUSEPCO", Unsigned, 1912, 4, 0),
    column("KSUSEPCS", Unsigned, 1916, 4, 0),
    column("KSUSEPSQ", Address, 1920, 8, 0),
    column("(prev_sql_id_high)", Unsigned, 1928, 4, 0),
    column("KSUSEPHA", Unsigned, 1932, 4, 0),
    column("KSUSEPCH", Unsigned, 1936, 2, 0), // not public
    column("KSUSEPPH", Unsigned, 1940, 4, 0), // not public
    column("KSUSEPESTA", Epoch4, 1944, 7, 0), // not public
    column("KSUSEPEID", Unsigned, 1948, 4, 0), // not public
    column("KSUSEUNM", Text, 1984, 30, 8),
    column("KSUSEMNM", Text, 2024, 64, 8),
    column("KSUSEMNP", Unsigned, 2096, 4, 0), // not public
    column("KSUSETID", Text, 2100, 30, 8),
    column("KSUSEPID", Text, 2144, 24, 8),
    column("KSUSEPNM", Text, 2240, 48, 8),
    column("KSUSEFIL", Unsigned, 2300, 2, 0),
    column("KSUSEBLK", Unsigned, 2304, 4, 0),
    column("KSUSESLT", Unsigned, 2308, 2, 0),
    column("KSUSEOBJ", Signed, 2312, 4, 0),
    column("(module_action)", Address, 2320, 8, 0),
    column("KSUSEFIX", Unsigned, 2328, 8, 0),
    column("KSUSECLI", Text, 2336, 64, 8),
    column("(call_stamp)", Unsigned, 2640, 4, 0),
    column("(wait_stamp)", Unsigned, 2644, 4, 0),
    column("KSUSELTM", Date7, 2648, 7, 0),
    column("KSUSEPFL", Unsigned, 2680, 4, 0), // not public
    column("KSUSEQCSID", Unsigned, 2704, 2, 0),
    column("KSUSEFLG2", Unsigned, 2808, 4, 0),
    column("KSUSEFT", Unsigned, 2812, 4, 0), // not public
    column("KSUSEFM", Unsigned, 2816, 4, 0), // not public
    column("KSUSEFS", Unsigned, 2820, 4, 0), // not public
    column("KSUSETMC", Unsigned, 3588, 4, 0), // not public
    column("KSUSECLID", Text, 3600, 64, 8),
    column("KSUSEPGAMAN", Unsigned, 3672, 8, 0), // not public
    column("KSUSEPGAAUTO", Unsigned, 3680, 8, 0), // not public
    column("KSUSEECID", Text, 3696, 64, 8),
    column("KSUSEORAFN", Unsigned, 8056, 4, 0),
    column("KSUSELTXIDFLG", Unsigned, 8068, 4, 0), // not public
    column("KSUSELTXID", Address, 8080, 8, 0), // not public
    column("KSUSEFLG3", Unsigned, 8432, 4, 0), // not public
];

/// Columns of X$KSUPR; no offset of this release is public.
#[rustfmt::skip]
const PROCESS: &[Column] = &[
    column("KSSPAFLG", Unsigned, 0, 1, 0),
    column("(owner)", Address, 8, 8, 0),
    column("(session)", Address, 104, 8, 0),
    column("KSUPRFLG", Unsigned, 964, 4, 0),
    column("KSUPRSER", Unsigned, 972, 1, 0),
    column("KSLLAWAT", Address, 1136, 8, 0),
    column("KSUPRUNM", Text, 1808, 15, 0),
    column("KSUPRTID", Text, 1856, 30, 8),
    column("KSUPRPNM", Text, 1944, 48, 8),
    column("KSUPROSID", Text, 2088, 24, 8),
    column("KSUPRPRAM", Unsigned, 2680, 8, 0),
    column("KSUPRPNAM", Unsigned, 2704, 8, 0),
    column("KSUPRPUM", Unsigned, 2736, 8, 0),
];

/// The layout of 12.1.0.2: one run of rows whose addresses fall while the SID rises (public address lists of 12.x).
pub fn layout() -> Layout {
    Layout {
        release: "12.1.0.2.0",
        short: "12.1",
        kqftap_entry: 32,
        session: RowLayout {
            columns: SESSION.to_vec(),
            // The stride isn't public for this release.
            rows: RowArray {
                stride: 8568,
                chunk_rows: 0,
                chunk_gap: 0,
                descending: true,
            },
        },
        process: RowLayout {
            columns: PROCESS.to_vec(),
            rows: RowArray {
                stride: 4240,
                chunk_rows: 0,
                chunk_gap: 0,
                descending: true,
            },
        },
        // Not public: a reader has to find these members.
        ksusga: KsusgaLayout {
            processes: 0x20,
            process_count: 0x28,
            sessions: 0x60,
            session_count: 0x68,
            statistic_count: 0x6c,
            system_statistics: 0x70,
        },
        handle: HANDLE,
        module: MODULE,
        event: EVENT,
        status_mask: 11,
        // No address of this release is public.
        fixed: fixed::variables(&[
            ("ksledt_", 0x6000_5fc8),
            ("ksqgdn_", 0x6000_62f0),
            ("kspssidst_", 0x6000_83a8),
            ("ksusga_", 0x6000_8fe0),
        ]),
        events: 1651,
        statistics: 1178,
    }
}
