//! Fixed SGA variables: the named ones that a reader needs and a crowd of others around them.
//!
//! Addresses of the named ones come from the release tables; the others are made up, so that a search by name or by
//! content has something to pass over. It doesn't write memory; only the release tables and `tables` call it.

/// What a fixed variable holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// The instance's session and process anchors.
    Ksusga,
    /// Pointer to the event table.
    EventTable,
    /// ORACLE_SID as NUL-terminated text.
    Sid,
    /// Database name as NUL-terminated text.
    DatabaseName,
    /// A counter or flag word.
    Word,
    /// Pointer to some place in the variable area.
    Pointer,
    /// A structure of mixed words.
    Block,
}

/// One fixed SGA variable (a row of X$KSMFSV).
#[derive(Clone, Debug)]
pub struct FixedVariable {
    /// KSMFSNAM.
    pub name: &'static str,
    /// KSMFSTYP.
    pub ctype: &'static str,
    /// Run-time address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// What it holds.
    pub content: Content,
}

/// Type, bytes and content of the variables whose addresses the release tables give.
const NAMED: &[(&str, &str, u64, Content)] = &[
    ("ksledt_", "ksledt *", 8, Content::EventTable),
    ("ksqgdn_", "text", 9, Content::DatabaseName),
    ("kspssidst_", "text", 17, Content::Sid),
    ("ksusga_", "ksusg", 2480, Content::Ksusga),
];

/// Other variables: name, type, bytes, content. Their addresses are handed out in this order, behind the named ones.
const OTHERS: &[(&str, &str, u64, Content)] = &[
    ("kcsgscn_", "kcslf", 48, Content::Block),
    ("kcrfsg_", "kcrfsg", 1040, Content::Block),
    ("kcbbhs_", "kcbbh *", 8, Content::Pointer),
    ("kcbnbh_", "ub4", 4, Content::Word),
    ("kcbnbf_", "ub4", 4, Content::Word),
    ("kccgft_", "kccgf", 512, Content::Block),
    ("kcvfdbs_", "ub4", 4, Content::Word),
    ("kdisga_", "kdisg", 96, Content::Block),
    ("kewssga_", "kewssg *", 8, Content::Pointer),
    ("kgskga_", "kgskg *", 8, Content::Pointer),
    ("kgllsg_", "kgllsg", 256, Content::Block),
    ("kglsga_", "kglsg *", 8, Content::Pointer),
    ("kqftvrt_", "struct kqftv*", 8, Content::Pointer),
    ("kqrpsga_", "kqrpsg", 320, Content::Block),
    ("ksbsga_", "ksbsg", 768, Content::Block),
    ("ksbpdt_", "ksbpd *", 8, Content::Pointer),
    ("ksdhngsyst_", "ksdhngs *", 8, Content::Pointer),
    ("ksfqga_", "ksfqg", 128, Content::Block),
    ("ksigsn_", "sword", 4, Content::Word),
    ("ksllsp_", "ksllt *", 8, Content::Pointer),
    ("kslmpl_", "ksllt", 160, Content::Block),
    ("kslnev_", "ub4", 4, Content::Word),
    ("ksmsga_", "ksmsg", 640, Content::Block),
    ("ksmgra_", "ub8", 8, Content::Word),
    ("ksmvsg_", "ub1 *", 8, Content::Pointer),
    ("kspngx_", "ub4", 4, Content::Word),
    ("ksqsga_", "ksqsg", 192, Content::Block),
    ("ksqrtb_", "ksqrt *", 8, Content::Pointer),
    ("ksrpsg_", "ksrpsg", 88, Content::Block),
    ("kssosg_", "kssosg", 1104, Content::Block),
    ("kstmsg_", "kstmsg", 64, Content::Block),
    ("ksuctm_", "ub8", 8, Content::Word),
    ("ksuitm_", "ub4", 4, Content::Word),
    ("ksulrp_", "ub4 *", 8, Content::Pointer),
    ("ksumxs_", "ub4", 4, Content::Word),
    ("ksustm_", "ub4", 4, Content::Word),
    ("ksutmo_", "sword", 4, Content::Word),
    ("ksuxsg_", "ksuxsg", 416, Content::Block),
    ("ktcnum_", "ub4", 4, Content::Word),
    ("ktcxsg_", "ktcxsg *", 8, Content::Pointer),
    ("ktusga_", "ktusg", 304, Content::Block),
    ("ktursg_", "ktursg *", 8, Content::Pointer),
    ("kxfpsg_", "kxfpsg", 544, Content::Block),
    ("kzasga_", "kzasg", 72, Content::Block),
    ("opisga_", "opisg", 200, Content::Block),
];

/// All fixed variables of a release, in the order of their addresses.
///
/// `named` gives the address of each variable of which [`Content`] is special.
pub fn variables(named: &[(&'static str, u64)]) -> Vec<FixedVariable> {
    let mut all: Vec<FixedVariable> = NAMED
        .iter()
        .filter_map(|&(name, ctype, size, content)| {
            let address = named.iter().find(|n| n.0 == name)?.1;
            Some(FixedVariable {
                name,
                ctype,
                address,
                size,
                content,
            })
        })
        .collect();
    let mut address = all
        .iter()
        .map(|v| v.address + v.size)
        .max()
        .unwrap_or(0)
        .next_multiple_of(64);
    for &(name, ctype, size, content) in OTHERS {
        address = address.next_multiple_of(8);
        all.push(FixedVariable {
            name,
            ctype,
            address,
            size,
            content,
        });
        address += size + 24;
    }
    all.sort_by_key(|v| v.address);
    all
}
