//! Layout of Oracle 19.3 on Linux x86-64.
//!
//! Session columns: Kyle Hailey's xksuse kit re-run on 19.3. `ksusga_`: Christoph Lutz (19.26) and a public 19c
//! sampler. Process row: Christoph Lutz (19.26), Mikhail Velikikh (19.3). Comments mark what isn't public.
//! Data only; `layout::Layout::of_release` is its only caller.

use super::Kind::{Address, Date7, Epoch4, Signed, Text, TextPointer, Unsigned};
use super::{
    Column, EVENT, HANDLE, KsusgaLayout, Layout, MODULE, RowArray, RowLayout, column, fixed,
};

/// Columns of X$KSUSE.
#[rustfmt::skip]
const SESSION: &[Column] = &[
    column("KSSPAFLG", Unsigned, 0, 1, 0),
    column("(owner)", Address, 8, 8, 0),
    column("KSUUDSES", Unsigned, 56, 4, 0),
    column("KSUUDUID", Unsigned, 60, 4, 0),
    column("KSUUDLUI", Unsigned, 64, 4, 0),
    column("KSUUDNAM", Text, 68, 128, 1),
    column("KSUUDLNA", Text, 197, 128, 1),
    column("KSUSEXNM", Text, 326, 1024, 0),
    column("KSUUDPRV", Unsigned, 1493, 1, 0),
    column("KSUUDOCT", Unsigned, 1494, 1, 0),
    column("KSUUDFLG", Unsigned, 1496, 4, 0),
    column("KSUUDPFN", Unsigned, 1644, 4, 0),
    column("KSUUDSID", Unsigned, 1652, 4, 0),
    column("KSUUDSNA", Text, 1656, 128, 8),
    column("KSUUDSAE", Unsigned, 1792, 4, 0),
    column("KSUUDCON", Text, 1804, 128, 0),
    column("KSUUDTXLP", Unsigned, 2012, 4, 0),
    column("KSUSETRN", Address, 2024, 8, 0),
    column("KSUSEBRN", Address, 2032, 8, 0),
    column("(statistics)", Address, 2040, 8, 0),
    column("KSUSESEQ", Unsigned, 2064, 2, 0),
    column("KSUSEOPC", Unsigned, 2066, 2, 0),
    column("KSUSEP1R", Address, 2072, 8, 0),
    column("KSUSEP1", Unsigned, 2072, 8, 0),
    column("KSUSEP2R", Address, 2080, 8, 0),
    column("KSUSEP2", Unsigned, 2080, 8, 0),
    column("KSUSEP3", Unsigned, 2088, 8, 0),
    column("KSUSEP3R", Address, 2088, 8, 0),
    column("KSUSETIM", Signed, 2096, 4, 0),
    column("KSUSSTMBV", Unsigned, 2100, 4, 0),
    column("KSUSSACT", Unsigned, 2160, 4, 0),
    column("KSUSENUM", Unsigned, 2168, 4, 0),
    column("KSUSESER", Unsigned, 2172, 2, 0),
    column("KSUSEFLG", Unsigned, 2184, 4, 0),
    column("KSQPSWAT", Address, 2200, 8, 0),
    column("KSQPSRES", Address, 2208, 8, 0),
    column("KSQPSRESLAT", Address, 2216, 8, 0),
    column("KSUSEIDL", Unsigned, 2224, 2, 0),
    column("KSUSECRE", Address, 2256, 8, 0),
    column("KSUSECSN", Unsigned, 2264, 2, 0),
    column("KSUSESOW", Unsigned, 2408, 4, 0),
    column("KSUSESQL", Address, 2424, 8, 0),
    column("(sql_id_high)", Unsigned, 2432, 4, 0),
    column("KSUSESQH", Unsigned, 2436, 4, 0),
    column("KSUSESCH", Unsigned, 2440, 2, 0),
    column("KSUSESPH", Unsigned, 2444, 4, 0),
    column("KSUSEFULLSPH", Unsigned, 2448, 4, 0),
    column("KSUSESESTA", Epoch4, 2456, 7, 0),
    column("KSUSESEID", Unsigned, 2460, 4, 0),
    column("KSUSEPEO", Unsigned, 2472, 4, 0),
    column("KSUSEPES", Unsigned, 2476, 4, 0),
    column("KSUSEPCO", Unsigned, 2484, 4, 0),
    column("KSUSEPCS", Unsigned, 2488, 4, 0),
    column("KSUSEPSQ", Address, 2496, 8, 0),
    column("(prev_sql_id_high)", Unsigned, 2504, 4, 0),
    column("KSUSEPHA", Unsigned, 2508, 4, 0),
    column("KSUSEPCH", Unsigned, 2512, 2, 0),
    column("KSUSEPPH", Unsigned, 2516, 4, 0),
    column("KSUSEPESTA", Epoch4, 2520, 7, 0),
    column("KSUSEPEID", Unsigned, 2524, 4, 0),
    column("KSUSEUNM", Text, 2560, 128, 8),
    column("KSUSEMNM", Text, 2696, 64, 8),
    column("KSUSEMNP", Unsigned, 2768, 4, 0),
    column("KSUSETID", Text, 2772, 30, 8),
    column("KSUSEPID", Text, 2816, 24, 8),
    column("KSUSEPNM", Text, 2912, 48, 8),
    column("KSUSEFIL", Unsigned, 3252, 2, 0),
    column("KSUSEBLK", Unsigned, 3256, 4, 0),
    column("KSUSESLT", Unsigned, 3260, 2, 0),
    column("KSUSEOBJ", Signed, 3264, 4, 0),
    column("(module_action)", Address, 3272, 8, 0),
    column("KSUSEFIX", Unsigned, 3280, 8, 0),
    column("KSUSECLI", Text, 3288, 64, 8),
    column("(call_stamp)", Unsigned, 3600, 4, 0),
    column("(wait_stamp)", Unsigned, 3604, 4, 0),
    column("KSUSELTM", Date7, 3608, 7, 0),
    column("KSUSEPFL", Unsigned, 3640, 4, 0),
    column("KSUSEQCSID", Unsigned, 3664, 4, 0),
    column("KSUSEFLG2", Unsigned, 3768, 4, 0),
    column("KSUSEFT", Unsigned, 3772, 4, 0),
    column("KSUSEFM", Unsigned, 3776, 4, 0),
    column("KSUSEFS", Unsigned, 3780, 4, 0),
    column("KSUSETMC", Unsigned, 4676, 4, 0),
    column("KSUSECLID", TextPointer, 4688, 64, 0),
    column("KSUSEPGAMAN", Unsigned, 4696, 8, 0),
    column("KSUSEPGAAUTO", Unsigned, 4704, 8, 0),
    column("KSUSEECID", Text, 4784, 64, 8),
    column("KSUSEORAFN", Unsigned, 9624, 4, 0),
    column("KSUSELTXIDFLG", Unsigned, 9636, 4, 0),
    column("KSUSELTXID", Address, 9648, 8, 0),
    column("KSUSEFLG3", Unsigned, 10000, 4, 0),
];

/// Columns of X$KSUPR.
#[rustfmt::skip]
const PROCESS: &[Column] = &[
    column("KSSPAFLG", Unsigned, 0, 1, 0),
    column("(owner)", Address, 8, 8, 0),
    column("(session)", Address, 112, 8, 0),
    column("KSUPRFLG", Unsigned, 1212, 4, 0), // not public
    column("KSUPRSER", Unsigned, 1220, 2, 0), // not public
    column("KSLLAWAT", Address, 1496, 8, 0), // not public
    column("KSUPRUNM", Text, 2560, 15, 0), // not public
    column("KSUPRTID", Text, 2704, 30, 8), // not public
    column("KSUPRPNM", Text, 2792, 48, 8), // not public
    column("KSUPROSID", Text, 2936, 24, 8),
    column("KSUPRPRAM", Unsigned, 3672, 8, 0),
    column("KSUPRPNAM", Unsigned, 3696, 8, 0),
    column("KSUPRPUM", Unsigned, 3728, 8, 0),
];

/// The layout of 19.3.
pub fn layout() -> Layout {
    Layout {
        release: "19.3.0.0.0",
        short: "19.3",
        kqftap_entry: 32,
        session: RowLayout {
            columns: SESSION.to_vec(),
            rows: RowArray {
                stride: 10216,
                chunk_rows: 126,
                chunk_gap: 1008,
                descending: false,
            },
        },
        process: RowLayout {
            columns: PROCESS.to_vec(),
            rows: RowArray {
                stride: 5488,
                chunk_rows: 0,
                chunk_gap: 0,
                descending: false,
            },
        },
        ksusga: KsusgaLayout {
            processes: 0x08,
            process_count: 0x10,
            sessions: 0x48,
            session_count: 0x50,
            statistic_count: 0x54,
            system_statistics: 0x58,
        },
        handle: HANDLE,
        module: MODULE,
        event: EVENT,
        status_mask: 9,
        // ksledt_, ksqgdn_ and kspssidst_: Christoph Lutz (19.14 to 19.27); the others aren't public.
        fixed: fixed::variables(&[
            ("ksledt_", 0x6000_69f0),
            ("ksqgdn_", 0x6000_6d30),
            ("kspssidst_", 0x6000_9628),
            ("ksusga_", 0x6000_a410),
        ]),
        events: 1920,
        statistics: 2036,
    }
}
