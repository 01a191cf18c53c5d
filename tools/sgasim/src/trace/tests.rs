//! Checks the written traces line by line.

use super::*;

fn area(name: &str, shmid: i32, address: u64, size: u64, segment_size: u64) -> AreaSpec {
    AreaSpec {
        name: name.to_owned(),
        shmid,
        key: 0,
        address,
        size,
        segment_size,
        mode: 0o640,
        nattch: 2,
    }
}

fn areas() -> Vec<AreaSpec> {
    let mut overhead = area("skgm overhead", 14, 0x7c80_0000, 0x7000, 0x7000);
    overhead.key = 0x1234_abcd;
    vec![
        area("Fixed Size", 11, 0x6000_0000, 0x8b_8b90, 0x8b_9000),
        area("Variable Size", 12, 0x6800_0000, 0x1000_0000, 0x1000_0000),
        area("Redo Buffers", 13, 0x7800_0000, 0x74_7000, 0x74_7000),
        overhead,
    ]
}

#[test]
fn area_block_has_the_19c_form() {
    let block = area_block(&areas());
    let wanted = concat!(
        " Area #0 `Fixed Size' containing Subareas 2-2\n",
        "  Total size 00000000008b8b90 Minimum Subarea size 00000000\n",
        "   Area  Subarea    Shmid    Segment Addr    Stable Addr    Actual Addr\n",
        "      0        2       11 0x00000060000000 0x00000060000000 0x00000060000000\n",
        "               Subarea size     Segment size   Req_Protect  Cur_protect\n",
        "                          00000000008b9000 00000000008b9000 default       readwrite\n",
        " Area #1 `Variable Size' containing Subareas 0-0\n",
        "  Total size 0000000010000000 Minimum Subarea size 08000000\n",
    );
    assert!(block.starts_with(wanted), "{block}");
}

#[test]
fn several_variable_segments_are_one_area() {
    let mut list = areas();
    list.insert(2, area("Variable Size", 15, 0x9000_0000, 0x1000, 0x1000));
    let block = area_block(&list);
    assert!(block.contains("Area #1 `Variable Size' containing Subareas 0-1"));
    assert!(block.contains("Area #3 `skgm overhead' containing Subareas 4-4"));
}

#[test]
fn old_form_has_two_addresses_without_prefix() {
    let block = old_area_block(&areas()[..1]);
    assert!(block.contains("   Area  Subarea    Shmid      Stable Addr      Actual Addr\n"));
    let row = "      0        0       11 0000000060000000 0000000060000000\n";
    assert!(block.contains(row), "{block}");
    assert!(!block.contains("0x"));
}

#[test]
fn adjacent_segments_share_a_mapping_line() {
    let list = map_list(&areas());
    assert_eq!(
        list,
        "Start 0x60000000, length 12582912 bytes\n\
         Start 0x68000000, length 276824064 bytes\n\
         Start 0x7c800000, length 4194304 bytes\n"
    );
}

#[test]
fn trace_file_is_complete() {
    let path = std::env::temp_dir().join(format!("sgasim-ipc-{}.trc", std::process::id()));
    let maps = "60000000-60001000 r--s 00000000 00:01 11    /SYSV00000000 (deleted)\n";
    write_ipc_trace(&path, "19.3.0.0.0", "SIM1", &areas(), maps, 320).expect("trace");
    let text = fs::read_to_string(&path).expect("trace");
    for line in [
        "Version 19.3.0.0.0",
        "Build label:    RDBMS_19.3.0.0.0DBRU_LINUX.X64_190417",
        "Instance name: SIM1",
        "  primary shmid: 14 primary sanum 3 version 3",
        "  key 305441741 actual_key 305441741 num_areas 4 num_subareas 4",
        maps.trim_end(),
        "Maximum processes:               = 320",
        "Number of semaphore sets:        = 2",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let row = "0x1234abcd 14         oracle     640        28672      2";
    assert!(text.lines().any(|l| l.trim_end() == row), "{text}");
    let old = write_old_ipc_trace(&path, "Oracle9i", "SIM1", &areas(), 150);
    old.expect("old trace");
    let text = fs::read_to_string(&path).expect("trace");
    assert!(text.contains("Stable Addr      Actual Addr") && text.contains("= 150"));
    assert!(write_ipc_trace(&path, "7.3", "S", &areas(), "", 1).is_err());
    fs::remove_file(&path).expect("clean up");
}
