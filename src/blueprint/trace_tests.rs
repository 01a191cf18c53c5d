//! Forms of oradebug traces, and traces that are damaged.

use super::*;

fn parsed(text: &[u8]) -> Result<Trace, TraceError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read(file.path())
}

const NEW: &str = "\
Trace file /opt/t.trc
Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production
Version 19.3.0.0.0
Build label:    RDBMS_19.3.0.0.0DBRU_LINUX.X64_190417
System name:\tLinux
Machine:\tx86_64
Instance name: ORCL
Processing Oradebug command 'ipc'
 Area #0 `Fixed Size' containing Subareas 2-2
  Total size 00000000008b8b90 Minimum Subarea size 00000000
   Area  Subarea    Shmid    Segment Addr    Stable Addr    Actual Addr
      0        2        7 0x00000060000000 0x00000060000000 0x00000060000000
               Subarea size     Segment size   Req_Protect  Cur_protect
                          00000000008b9000 00000000008b9000 default       readwrite
*********************** Dumping process map ********************
60000000-60001000 r--s 00000000 00:01 2 /SYSV00000000 (deleted)
x y_ [1, 2) = in a map
*********************** End of process map dump ****************
Process Map list mappings started:
Start 0x60000000, length 12582912 bytes
Process Map list mappings completed
Maximum processes:               = 320
------ Shared Memory Segments --------
key        shmid      owner      perms      bytes      nattch     status
0x43b375cc 7          oracle     640        9146368    118
------ Semaphore Arrays --------
key        semid      owner      perms      nsems
0x8d2a3534 5          oracle     600        250
Processing Oradebug command 'dumpvar sga kqftvrt_'
struct kqftv* kqftvrt_ [0600A7408, 0600A7410) = 8F8127C0 00000000
ksusg ksusga_ [06000A410, 06000ADC0) = 00000000 00000000
 00000001 00000002
";

#[test]
fn all_parts_of_the_new_form() {
    let t = parsed(NEW.as_bytes()).unwrap();
    assert_eq!(t.instance.as_deref(), Some("ORCL"));
    assert_eq!(t.port.as_deref(), Some("Linux x86-64"));
    assert_eq!(t.banner.as_ref().unwrap().release, "19.3.0.0.0");
    assert_eq!(
        t.areas,
        [Area {
            name: "Fixed Size".into(),
            shmid: 7,
            address: 0x6000_0000,
            bytes: 0x8b_9000
        }]
    );
    assert_eq!(t.spans[0].bytes, 12_582_912);
    assert_eq!(
        t.segments,
        [Segment {
            shmid: 7,
            key: 0x43b3_75cc,
            bytes: 9_146_368
        }]
    );
    assert_eq!(t.processes, Some(320));
    assert_eq!(t.variables.len(), 2);
    let v = &t.variables["kqftvrt_"];
    assert_eq!((v.address, v.size), (0x600a_7408, 8));
    assert_eq!(v.ctype.as_deref(), Some("struct kqftv*"));
    assert_eq!(t.variables["ksusga_"].size, 2480);
}

#[test]
fn the_old_form_with_two_addresses_and_one_segment() {
    let text = "\
 Area #0 `Fixed Size' containing Subareas 0-0
  Total size 000000000006b000 Minimum Subarea size 00000000
   Area  Subarea    Shmid      Stable Addr      Actual Addr
      0        0    16896 0000000020000000 0000000020000000
                             Subarea size     Segment size
                          000000000006b000 0000000019800000
 Area #1 `Variable Size' containing Subareas 1-1
   Area  Subarea    Shmid      Stable Addr      Actual Addr
      1        1    16896 0000000020400000 0000000020400000
                             Subarea size     Segment size
                          0000000018c00000 0000000019800000
";
    let t = parsed(text.as_bytes()).unwrap();
    assert_eq!(t.areas.len(), 2);
    assert_eq!((t.areas[0].shmid, t.areas[1].shmid), (16896, 16896));
    assert_eq!(t.areas[1].address, 0x2040_0000);
    assert_eq!(t.areas[0].bytes, 0x6_b000);
}

#[test]
fn columns_are_found_by_name() {
    let swapped = NEW
        .replace(
            "Area  Subarea    Shmid    Segment Addr    Stable Addr    Actual Addr",
            "Area  Subarea    Shmid    New    Segment Addr    Stable Addr    Actual Addr",
        )
        .replace(
            "      0        2        7 0x",
            "      0        2        7 9 0x",
        );
    assert_eq!(
        parsed(swapped.as_bytes()).unwrap().areas[0].address,
        0x6000_0000
    );
}

#[test]
fn contradictions_and_rubbish_are_errors() {
    let twice = format!("{NEW}\nub4 kqftvrt_ [0600A7400, 0600A7408) = 0\n");
    let error = parsed(twice.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("kqftvrt_ with 8 bytes at 0x600a7408"),
        "{error}"
    );
    let small = NEW.replace("9146368", "4096");
    assert!(matches!(
        parsed(small.as_bytes()),
        Err(TraceError::Form { .. })
    ));
    let bad = NEW.replace("0x00000060000000", "zz");
    let error = parsed(bad.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("line 12"), "{error}");
    assert!(matches!(parsed(b""), Err(TraceError::Empty { .. })));
    assert!(matches!(
        parsed(&[0xff; 5000]),
        Err(TraceError::Empty { .. })
    ));
}

#[test]
fn a_long_line_is_skipped_in_bounded_memory() {
    let mut text = vec![b'x'; 8 << 20];
    text.extend_from_slice(b"\nub4 v_ [1000, 1004) = 0\n");
    assert_eq!(parsed(&text).unwrap().variables["v_"].address, 0x1000);
}

#[test]
fn cut_anywhere_it_ends() {
    for end in (0..NEW.len()).step_by(17) {
        let _ = parsed(&NEW.as_bytes()[..end]);
    }
}
