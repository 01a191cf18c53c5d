//! The members of a session row that the engine keeps, and where a layout puts them.
//!
//! Only the engine uses it. It doesn't write memory.

use crate::layout::{Column, Kind, Layout};

macro_rules! fields {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $column:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(missing_docs)]
        pub enum $name { $($variant),* }

        impl $name {
            /// Column names in the order of the variants.
            pub const COLUMNS: &'static [&'static str] = &[$($column),*];
        }
    };
}

fields!(
    /// Members that hold a number; the literal is the X$KSUSE column or the unnamed member.
    Num {
        StateFlag = "KSSPAFLG",
        Owner = "(owner)",
        Audsid = "KSUUDSES",
        UserNo = "KSUUDLUI",
        UserId = "KSUUDUID",
        Command = "KSUUDOCT",
        SchemaNo = "KSUUDSID",
        Edition = "KSUUDSAE",
        TranslationProfile = "KSUUDTXLP",
        Transaction = "KSUSETRN",
        Statistics = "(statistics)",
        Seq = "KSUSESEQ",
        Event = "KSUSEOPC",
        P1 = "KSUSEP1",
        P2 = "KSUSEP2",
        P3 = "KSUSEP3",
        WaitTime = "KSUSETIM",
        TimeModel = "KSUSSTMBV",
        Sid = "KSUSENUM",
        Serial = "KSUSESER",
        Flags = "KSUSEFLG",
        LockWait = "KSQPSWAT",
        Idle = "KSUSEIDL",
        Creator = "KSUSECRE",
        CreatorSerial = "KSUSECSN",
        OwnerId = "KSUSESOW",
        SqlAddress = "KSUSESQL",
        SqlHigh = "(sql_id_high)",
        SqlHash = "KSUSESQH",
        SqlChild = "KSUSESCH",
        SqlPlan = "KSUSESPH",
        SqlFullPlan = "KSUSEFULLSPH",
        SqlStart = "KSUSESESTA",
        SqlExec = "KSUSESEID",
        EntryObject = "KSUSEPEO",
        EntrySubprogram = "KSUSEPES",
        Object = "KSUSEPCO",
        Subprogram = "KSUSEPCS",
        PrevAddress = "KSUSEPSQ",
        PrevHigh = "(prev_sql_id_high)",
        PrevHash = "KSUSEPHA",
        PrevChild = "KSUSEPCH",
        PrevPlan = "KSUSEPPH",
        PrevStart = "KSUSEPESTA",
        PrevExec = "KSUSEPEID",
        Port = "KSUSEMNP",
        RowFile = "KSUSEFIL",
        RowBlock = "KSUSEBLK",
        RowSlot = "KSUSESLT",
        RowObject = "KSUSEOBJ",
        ModuleAction = "(module_action)",
        FixedSequence = "KSUSEFIX",
        Logon = "KSUSELTM",
        WaitStamp = "(wait_stamp)",
        CallStamp = "(call_stamp)",
        CallTime = "KSUSETMC",
        Flags2 = "KSUSEFLG2",
        FailoverType = "KSUSEFT",
        FailoverMethod = "KSUSEFM",
        FailedOver = "KSUSEFS",
        TopCall = "KSUSEORAFN",
        PgaManual = "KSUSEPGAMAN",
        PgaAuto = "KSUSEPGAAUTO",
        Process = "KSUSEPRO",
        WaitMicros = "KSLWTSTIME",
        SinceMicros = "KSLWTLTIME",
        Remaining = "KSLWTTREM",
        InWait = "KSLWTINWAIT",
        WaitFlags = "KSLWTFLAGS",
        ServerType = "KSSPATYP",
        ParallelOptions = "KSUSEPXOPT",
        QueueSeconds = "KSUSECQD",
        CallSeconds = "KSUSECTM",
        WaitSeconds = "KSUSEWTM",
        Blocker = "KSUSEBLOCKER",
        FinalBlocker = "KSUSEFBLOCKER",
        ModuleHash = "KSUSEAPH",
        ActionHash = "KSUSEACH",
        ContainerId = "CON_ID",
    }
);

fields!(
    /// Members that hold a text.
    Text {
        UserName = "KSUUDNAM",
        LoginName = "KSUUDLNA",
        ExternalName = "KSUSEXNM",
        Schema = "KSUUDSNA",
        Container = "KSUUDCON",
        OsUser = "KSUSEUNM",
        Machine = "KSUSEMNM",
        Terminal = "KSUSETID",
        Process = "KSUSEPID",
        Program = "KSUSEPNM",
        ClientInfo = "KSUSECLI",
        ClientId = "KSUSECLID",
        Ecid = "KSUSEECID",
        Group = "KSUSEGRP",
        Service = "KSUSESVC",
        Module = "KSUSEAPP",
        Action = "KSUSEACT",
    }
);

fields!(
    /// Members of a process row that hold a number.
    ProcNum {
        StateFlag = "KSSPAFLG",
        Owner = "(owner)",
        Session = "(session)",
        Flags = "KSUPRFLG",
        Serial = "KSUPRSER",
        PgaAllocRam = "KSUPRPRAM",
        PgaAllocName = "KSUPRPNAM",
        PgaUsed = "KSUPRPUM",
    }
);

fields!(
    /// Members of a process row that hold a text.
    ProcText {
        OsUser = "KSUPRUNM",
        Terminal = "KSUPRTID",
        Program = "KSUPRPNM",
        Spid = "KSUPROSID",
    }
);

/// Where the engine's members lie in one release.
#[derive(Debug)]
pub struct RowMap {
    num: Vec<Option<Column>>,
    text: Vec<Option<Column>>,
    proc_num: Vec<Option<Column>>,
    proc_text: Vec<Option<Column>>,
}

impl RowMap {
    /// Looks every member up in the layout once.
    pub fn new(layout: &Layout) -> RowMap {
        let session = |names: &[&str]| {
            names
                .iter()
                .map(|n| layout.session.column(n).cloned())
                .collect()
        };
        let process = |names: &[&str]| {
            names
                .iter()
                .map(|n| layout.process.column(n).cloned())
                .collect()
        };
        RowMap {
            num: session(Num::COLUMNS),
            text: session(Text::COLUMNS),
            proc_num: process(ProcNum::COLUMNS),
            proc_text: process(ProcText::COLUMNS),
        }
    }

    /// Place of a number of a session row; None when the release has none.
    pub fn num(&self, field: Num) -> Option<&Column> {
        self.num[field as usize].as_ref()
    }

    /// Place of a text of a session row.
    pub fn text(&self, field: Text) -> Option<&Column> {
        self.text[field as usize].as_ref()
    }

    /// Place of a number of a process row.
    pub fn proc_num(&self, field: ProcNum) -> Option<&Column> {
        self.proc_num[field as usize].as_ref()
    }

    /// Place of a text of a process row.
    pub fn proc_text(&self, field: ProcText) -> Option<&Column> {
        self.proc_text[field as usize].as_ref()
    }

    /// True when a text is stored behind a pointer.
    pub fn is_pointer(&self, field: Text) -> bool {
        self.text(field)
            .is_some_and(|c| c.kind == Kind::TextPointer)
    }
}
