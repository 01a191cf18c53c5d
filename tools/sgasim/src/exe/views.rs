//! Texts of the fixed views that the synthetic executable holds.
//!
//! GV$SESSION is typed from the public texts of 11.1 (Arup Nanda, 2010), 11.2 and 12.1, with what public
//! queries for 18c and later show of it (mask 9 of STATUS, blockers packed with 18 bits). Only
//! `layout::tables` calls it.

/// Where releases differ.
#[derive(Debug, Clone, Copy)]
pub struct ViewRules {
    /// Mask of KSUSEIDL that STATUS decodes: 11, from 18c 9.
    pub status_mask: u64,
    /// Bits of a blocker's SID: 16, from 18c 18.
    pub blocker_bits: u32,
}

impl ViewRules {
    /// The rules of a release with this mask of STATUS.
    pub fn new(status_mask: u64) -> ViewRules {
        ViewRules {
            status_mask,
            blocker_bits: if status_mask & 2 != 0 { 16 } else { 18 },
        }
    }
}

/// Name and complete text of every view.
pub fn texts(rules: ViewRules) -> Vec<(String, String)> {
    let mut out = vec![("GV$SESSION".to_owned(), session(rules))];
    out.extend(OWN.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let global: Vec<String> = out.iter().map(|(name, _)| name.clone()).collect();
    for name in global.iter().filter_map(|name| name.strip_prefix('G')) {
        let text = format!("select * from G{name} where inst_id = USERENV('Instance')");
        out.push((name.to_owned(), text));
    }
    out.push((
        "V$STATNAME".to_owned(),
        "select indx,ksusdnam,ksusdcls from x$ksusd".to_owned(),
    ));
    out.sort();
    out
}

/// Where a row is shown: GV$SESSION_WAIT and GV$SESSION have it alike.
const WAIT: &str = "decode(w.kslwtinwait,0,decode(bitand(w.kslwtflags,256),0,-2,\
decode(round(w.kslwtstime/10000),0,-1,round(w.kslwtstime/10000))),0),decode(w.kslwtinwait,0,\
round((w.kslwtstime+w.kslwtltime)/1000000),round(w.kslwtstime/1000000)),decode(w.kslwtinwait,1,'WAITING',\
decode(bitand(w.kslwtflags,256),0,'WAITED UNKNOWN TIME',decode(round(w.kslwtstime/10000),0,\
'WAITED SHORT TIME','WAITED KNOWN TIME'))),w.kslwtstime,decode(w.kslwtinwait,0,to_number(null),\
decode(bitand(w.kslwtflags,64),64,0,w.kslwttrem)),w.kslwtltime";

/// The codes that a blocker can hold in place of instance and SID.
fn blocker(column: &str, bits: u32) -> String {
    let nulls = "4294967295, to_number(null), 4294967294, to_number(null), 4294967293, to_number(null), \
                 4294967292, to_number(null), 4294967291, to_number(null)";
    let one = 1u64 << bits;
    let instance = 0x8000_0000 - one;
    format!(
        "decode({column}, 4294967295, 'UNKNOWN', 4294967294, 'UNKNOWN', 4294967293, 'UNKNOWN', 4294967292, \
         'NO HOLDER', 4294967291, 'NOT IN WAIT', 'VALID'),decode({column},{nulls},bitand({column},\
         {instance})/{one}),decode({column},{nulls},bitand({column},{}))",
        one - 1
    )
}

fn session(rules: ViewRules) -> String {
    let mask = rules.status_mask;
    let sniped = if mask & 2 != 0 {
        ",2,'SNIPED',3,'SNIPED'"
    } else {
        ""
    };
    let parts = [
        "select s.inst_id,s.addr,s.indx,s.ksuseser,s.ksuudses,s.ksusepro,s.ksuudlui,s.ksuudlna,s.ksuudoct,\
         s.ksusesow, decode(s.ksusetrn,hextoraw('00'),null,s.ksusetrn),\
         decode(s.ksqpswat,hextoraw('00'),null,s.ksqpswat),",
        &format!(
            "decode(bitand(s.ksuseidl,{mask}),1,'ACTIVE',0,decode(bitand(s.ksuseflg,4096),0,'INACTIVE',\
             'CACHED'){sniped},'KILLED'),"
        ),
        "decode(s.ksspatyp,1,'DEDICATED',2,'SHARED',3,'PSEUDO',4,'POOLED','NONE'), s.ksuudsid,s.ksuudsna,\
         s.ksuseunm,s.ksusepid,s.ksusemnm,s.ksusemnp,s.ksusetid,s.ksusepnm,\
         decode(bitand(s.ksuseflg,19),17,'BACKGROUND',1,'USER',2,'RECURSIVE','?'), s.ksusesql, s.ksusesqh,\
         s.ksusesqi, decode(s.ksusesch, 65535, to_number(null), s.ksusesch), s.ksusesesta,\
         decode(s.ksuseseid, 0, to_number(null), s.ksuseseid), s.ksusepsq, s.ksusepha, s.ksusepsi,\
         decode(s.ksusepch, 65535, to_number(null), s.ksusepch), s.ksusepesta,\
         decode(s.ksusepeid, 0, to_number(null), s.ksusepeid),\
         decode(s.ksusepeo,0,to_number(null),s.ksusepeo),decode(s.ksusepeo,0,to_number(null),s.ksusepes),\
         decode(s.ksusepco,0,to_number(null),decode(bitand(s.ksusstmbv, power(2,11)), power(2,11),\
         s.ksusepco, to_number(null))),decode(s.ksusepcs,0,to_number(null),decode(bitand(s.ksusstmbv,\
         power(2,11)), power(2,11), s.ksusepcs, to_number(null))), s.ksuseapp, s.ksuseaph, s.ksuseact,\
         s.ksuseach, s.ksusecli, s.ksusefix, s.ksuseobj, s.ksusefil, s.ksuseblk, s.ksuseslt, s.ksuseorafn,\
         s.ksuseltm, s.ksusectm,decode(bitand(s.ksusepxopt, 12),0,'NO','YES'),\
         decode(s.ksuseft, 2,'SESSION', 4,'SELECT',8,'TRANSACTIONAL','NONE'),\
         decode(s.ksusefm,1,'BASIC',2,'PRECONNECT',4,'PREPARSE','NONE'),\
         decode(s.ksusefs, 1, 'YES', 'NO'),s.ksusegrp,\
         decode(bitand(s.ksusepxopt,4),4,'ENABLED',decode(bitand(s.ksusepxopt,8),8,'FORCED','DISABLED')),\
         decode(bitand(s.ksusepxopt,2),2,'FORCED',decode(bitand(s.ksusepxopt,1),1,'DISABLED','ENABLED')),\
         decode(bitand(s.ksusepxopt,32),32,'FORCED',decode(bitand(s.ksusepxopt,16),16,'DISABLED','ENABLED')),\
         s.ksusecqd, s.ksuseclid, ",
        &blocker("s.ksuseblocker", rules.blocker_bits),
        ",",
        &blocker("s.ksusefblocker", rules.blocker_bits),
        ",w.kslwtseq,w.kslwtevt,e.kslednam,e.ksledp1,w.kslwtp1,w.kslwtp1r,e.ksledp2,w.kslwtp2,w.kslwtp2r,\
         e.ksledp3,w.kslwtp3,w.kslwtp3r,e.ksledclassid,e.ksledclass#,e.ksledclass,",
        WAIT,
        ",s.ksusesvc,decode(bitand(s.ksuseflg2,32),32,'ENABLED','DISABLED'),\
         decode(bitand(s.ksuseflg2,64),64,'TRUE','FALSE'),decode(bitand(s.ksuseflg2,128),128,'TRUE','FALSE'),\
         decode(bitand(s.ksuseflg2,65536) + bitand(s.ksuseflg2,131072),65536,'ALL EXEC',131072,'NEVER',0,\
         'FIRST EXEC'),s.ksuudsae,s.ksusecre,s.ksusecsn,s.ksuseecid,s.ksuudtxlp,s.ksusepgaauto,s.con_id,\
         s.ksusexnm from x$ksuse s, x$ksled e, x$kslwt w where bitand(s.ksspaflg,1)!=0 and \
         bitand(s.ksuseflg,1)!=0 and s.indx=w.kslwtsid and w.kslwtevt=e.indx",
    ];
    parts.concat()
}

/// The other views. Columns of X$KSUSIO, X$KSURLMT and X$KTCXB beyond those of public notes are this
/// simulator's choice: not public.
const OWN: [(&str, &str); 8] = [
    (
        "GV$PROCESS",
        "select inst_id,addr,indx,ksuprosid,ksuprunm,ksuprser,ksuprtid,ksuprpnm,decode(bitand(ksuprflg,2),0,\
         null,1),decode(ksllawat,hextoraw('00'),null,ksllawat),ksuprpum,ksuprpnam+ksuprpram,ksuprpfm,ksuprpmm,\
         con_id from x$ksupr where bitand(ksspaflg,1)!=0",
    ),
    (
        "GV$SESSTAT",
        "select inst_id,ksusenum,ksusestn,ksusestv,con_id from x$ksusesta where bitand(ksspaflg,1)!=0 and \
         bitand(ksuseflg,1)!=0 and ksusestn<(select ksusgstc from x$ksusgif)",
    ),
    (
        "GV$SESS_IO",
        "select inst_id,indx,ksusiobg,ksusiocg,ksusiopr,ksusiobc,ksusiocc,con_id from x$ksusio where \
         bitand(ksspaflg,1)!=0 and bitand(ksuseflg,1)!=0",
    ),
    (
        "GV$RESOURCE_LIMIT",
        "select inst_id,ksurlmnm,ksurlmcv,ksurlmmv,ksurlmia,ksurlmlv,con_id from x$ksurlmt",
    ),
    (
        "GV$SESSION_WAIT",
        "select s.inst_id,s.indx,w.kslwtseq,e.kslednam,e.ksledp1,w.kslwtp1,w.kslwtp1r,e.ksledp2,w.kslwtp2,\
         w.kslwtp2r,e.ksledp3,w.kslwtp3,w.kslwtp3r,e.ksledclassid,e.ksledclass#,e.ksledclass,\
         decode(w.kslwtinwait,1,'WAITING','WAITED KNOWN TIME') from x$ksuse s, x$ksled e, x$kslwt w where \
         bitand(s.ksspaflg,1)!=0 and bitand(s.ksuseflg,1)!=0 and s.indx=w.kslwtsid and w.kslwtevt=e.indx",
    ),
    (
        "GV$LOCK",
        "select s.inst_id,l.laddr,l.kaddr,s.ksusenum,r.ksqrsidt,r.ksqrsid1,r.ksqrsid2,l.lmode,l.request,\
         l.ctime,decode(l.lmode,0,0,l.block) from v$_lock l,x$ksuse s,x$ksqrs r where l.saddr=s.addr and \
         l.raddr=r.addr",
    ),
    (
        "GV$TRANSACTION",
        "select inst_id,ktcxbxba,kxidusn,kxidslt,kxidsqn,ktcxbses,con_id from x$ktcxb where \
         bitand(ksspaflg,1)!=0 and bitand(ktcxbflg,2)!=0",
    ),
    (
        "GV$EVENT_NAME",
        "select inst_id,indx,ksledhash,kslednam,ksledp1,ksledp2,ksledp3,ksledclassid,ksledclass#,ksledclass,\
         con_id from x$ksled",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gv_session_is_longer_than_sql_shows_and_follows_the_release() {
        let text = |mask| session(ViewRules::new(mask));
        for mask in [9, 11] {
            assert!(text(mask).len() > 4100, "{}", text(mask).len());
            let cut = &text(mask)[..4000];
            assert!(
                !cut.contains(" from x$"),
                "SQL shows it without its FROM clause"
            );
        }
        assert!(text(11).contains("bitand(s.ksuseidl,11)") && text(11).contains("'SNIPED'"));
        assert!(text(11).contains("bitand(s.ksuseblocker,2147418112)/65536"));
        assert!(text(9).contains("bitand(s.ksuseidl,9)") && !text(9).contains("'SNIPED'"));
        assert!(text(9).contains("bitand(s.ksuseblocker,2147221504)/262144"));
        assert!(text(9).contains("bitand(s.ksusefblocker,262143)"));
    }
}
