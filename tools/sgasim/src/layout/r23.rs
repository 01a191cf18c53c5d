//! Layout of Oracle 23.5 on Linux x86-64.
//!
//! Christoph Lutz (POUG2024 and POUG2025 scripts) gives a few session and process columns, the session array in
//! `ksusga_` and three fixed variables; comments mark what isn't public.
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
    column("KSUUDSES", Unsigned, 60, 4, 0), // not public
    column("KSUUDUID", Unsigned, 64, 4, 0), // not public
    column("KSUUDLUI", Unsigned, 68, 4, 0), // not public
    column("KSUUDNAM", Text, 72, 128, 1), // not public
    column("KSUUDLNA", Text, 201, 128, 1),
    column("KSUSEXNM", Text, 330, 1024, 0), // not public
    column("KSUUDPRV", Unsigned, 1503, 1, 0), // not public
    column("KSUUDOCT", Unsigned, 1504, 1, 0),
    column("KSUUDFLG", Unsigned, 1512, 4, 0), // not public
    column("KSUUDPFN", Unsigned, 1660, 4, 0), // not public
    column("KSUUDSID", Unsigned, 1668, 4, 0), // not public
    column("KSUUDSNA", Text, 1672, 128, 8), // not public
    column("KSUUDSAE", Unsigned, 1808, 4, 0), // not public
    column("KSUUDCON", Text, 1820, 128, 0), // not public
    column("KSUUDTXLP", Unsigned, 2028, 4, 0), // not public
    column("KSUSETRN", Address, 2936, 8, 0), // not public
    column("KSUSEBRN", Address, 2944, 8, 0), // not public
    column("(statistics)", Address, 2952, 8, 0),
    column("KSUSESEQ", Unsigned, 2976, 2, 0), // not public
    column("KSUSEOPC", Unsigned, 2978, 2, 0), // not public
    column("KSUSEP1R", Address, 2984, 8, 0), // not public
    column("KSUSEP1", Unsigned, 2984, 8, 0), // not public
    column("KSUSEP2R", Address, 2992, 8, 0), // not public
    column("KSUSEP2", Unsigned, 2992, 8, 0), // not public
    column("KSUSEP3", Unsigned, 3000, 8, 0), // not public
    column("KSUSEP3R", Address, 3000, 8, 0), // not public
    column("KSUSETIM", Signed, 3008, 4, 0), // not public
    column("KSUSSTMBV", Unsigned, 3012, 4, 0), // not public
    column("KSUSSACT", Unsigned, 3072, 4, 0), // not public
    column("KSUSENUM", Unsigned, 3080, 4, 0),
    column("KSUSESER", Unsigned, 3084, 2, 0), // not public
    column("KSUSEFLG", Unsigned, 3096, 4, 0), // not public
    column("KSQPSWAT", Address, 3112, 8, 0), // not public
    column("KSQPSRES", Address, 3120, 8, 0), // not public
    column("KSQPSRESLAT", Address, 3128, 8, 0), // not public
    column("KSUSEIDL", Unsigned, 3136, 2, 0), // not public
    column("KSUSECRE", Address, 3168, 8, 0), // not public
    column("KSUSECSN", Unsigned, 3176, 2, 0), // not public
    column("KSUSESOW", Unsigned, 3320, 4, 0), // not public
    column("KSUSESQL", Address, 3336, 8, 0),
    column("(sql_id_high)", Unsigned, 3344, 4, 0),
    column("KSUSESQH", Unsigned, 3348, 4, 0),
    column("KSUSESCH", Unsigned, 3352, 2, 0), // not public
    column("KSUSESPH", Unsigned, 3356, 4, 0), // not public
    column("KSUSEFULLSPH", Unsigned, 3360, 4, 0), // not public
    column("KSUSESESTA", Epoch4, 3368, 7, 0), // not public
    column("KSUSESEID", Unsigned, 3372, 4, 0), // not public
    column("KSUSEPEO", Unsigned, 3392, 4, 0), // not public
    column("KSUSEPES", Unsigned, 3396, 4, 0), // not public
    column("KSUSEPCO", Unsigned, 3404, 4, 0),
    column("KSUSEPCS", Unsigned, 3408, 4, 0),
    column("KSUSEPSQ", Address, 3416, 8, 0), // not public
    column("(prev_sql_id_high)", Unsigned, 3424, 4, 0),
    column("KSUSEPHA", Unsigned, 3428, 4, 0), // not public
    column("KSUSEPCH", Unsigned, 3432, 2, 0), // not public
    column("KSUSEPPH", Unsigned, 3436, 4, 0), // not public
    column("KSUSEPESTA", Epoch4, 3440, 7, 0), // not public
    column("KSUSEPEID", Unsigned, 3444, 4, 0), // not public
    column("KSUSEUNM", Text, 3480, 128, 8), // not public
    column("KSUSEMNM", Text, 3616, 64, 8), // not public
    column("KSUSEMNP", Unsigned, 3688, 4, 0), // not public
    column("KSUSETID", Text, 3692, 30, 8), // not public
    column("KSUSEPID", Text, 3736, 24, 8), // not public
    column("KSUSEPNM", Text, 3832, 48, 8), // not public
    column("KSUSEFIL", Unsigned, 4172, 2, 0), // not public
    column("KSUSEBLK", Unsigned, 4176, 4, 0), // not public
    column("KSUSESLT", Unsigned, 4180, 2, 0), // not public
    column("KSUSEOBJ", Signed, 4184, 4, 0), // not public
    column("(module_action)", Address, 4192, 8, 0),
    column("KSUSEFIX", Unsigned, 4200, 8, 0), // not public
    column("KSUSECLI", Text, 4208, 64, 8), // not public
    column("(call_stamp)", Unsigned, 4520, 4, 0),
    column("(wait_stamp)", Unsigned, 4524, 4, 0),
    column("KSUSELTM", Date7, 4528, 7, 0), // not public
    column("KSUSEPFL", Unsigned, 4560, 4, 0), // not public
    column("KSUSEQCSID", Unsigned, 4584, 4, 0), // not public
    column("KSUSEFLG2", Unsigned, 4688, 4, 0), // not public
    column("KSUSEFT", Unsigned, 4692, 4, 0), // not public
    column("KSUSEFM", Unsigned, 4696, 4, 0), // not public
    column("KSUSEFS", Unsigned, 4700, 4, 0), // not public
    column("KSUSETMC", Unsigned, 5596, 4, 0), // not public
    column("KSUSECLID", TextPointer, 5608, 64, 0), // not public
    column("KSUSEPGAMAN", Unsigned, 5616, 8, 0), // not public
    column("KSUSEPGAAUTO", Unsigned, 5624, 8, 0), // not public
    column("KSUSEECID", Text, 5704, 64, 8), // not public
    column("KSUSEORAFN", Unsigned, 10544, 4, 0), // not public
    column("KSUSELTXIDFLG", Unsigned, 10556, 4, 0), // not public
    column("KSUSELTXID", Address, 10568, 8, 0), // not public
    column("KSUSEFLG3", Unsigned, 10920, 4, 0), // not public
];

/// Columns of X$KSUPR.
#[rustfmt::skip]
const PROCESS: &[Column] = &[
    column("KSSPAFLG", Unsigned, 0, 1, 0),
    column("(owner)", Address, 8, 8, 0),
    column("(session)", Address, 120, 8, 0), // not public
    column("KSUPRFLG", Unsigned, 1284, 4, 0), // not public
    column("KSUPRSER", Unsigned, 1292, 2, 0), // not public
    column("KSLLAWAT", Address, 1576, 8, 0), // not public
    column("KSUPRUNM", Text, 2672, 15, 0), // not public
    column("KSUPRTID", Text, 2816, 30, 8), // not public
    column("KSUPRPNM", Text, 2904, 48, 8), // not public
    column("KSUPROSID", Text, 3048, 24, 8), // not public
    column("KSUPRPRAM", Unsigned, 3880, 8, 0),
    column("KSUPRPNAM", Unsigned, 3920, 8, 0),
    column("KSUPRPUM", Unsigned, 3952, 8, 0),
];

/// The layout of 23.5.
pub fn layout() -> Layout {
    Layout {
        release: "23.5.0.24.07",
        short: "23.5",
        kqftap_entry: 40,
        session: RowLayout {
            columns: SESSION.to_vec(),
            // Stride, chunk length and gap aren't public.
            rows: RowArray {
                stride: 11208,
                chunk_rows: 93,
                chunk_gap: 744,
                descending: false,
            },
        },
        process: RowLayout {
            columns: PROCESS.to_vec(),
            // The stride isn't public.
            rows: RowArray {
                stride: 5896,
                chunk_rows: 64,
                chunk_gap: 512,
                descending: false,
            },
        },
        // Only the session array is public.
        ksusga: KsusgaLayout {
            processes: 0x08,
            process_count: 0x10,
            sessions: 0x40,
            session_count: 0x48,
            statistic_count: 0x4c,
            system_statistics: 0x50,
        },
        handle: HANDLE,
        module: MODULE,
        event: EVENT,
        status_mask: 9,
        fixed: fixed::variables(&[
            ("ksledt_", 0x6000_7ea8),
            ("ksqgdn_", 0x6000_8158),
            ("kspssidst_", 0x6000_b760),
            ("ksusga_", 0x6000_c580), // not public
        ]),
        events: 2289,
        statistics: 2312,
    }
}
