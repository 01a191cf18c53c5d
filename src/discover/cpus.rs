//! Processors of this host.

/// Where Linux lists the processors that are online (Documentation/ABI/stable/sysfs-devices-system-cpu).
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// Processors online, whatever of them this process may use; `None` if that can't be read.
pub fn cpus_online() -> Option<u32> {
    counted(&std::fs::read_to_string(ONLINE).ok()?)
}

/// How many numbers a list as `0-3,8` has.
fn counted(list: &str) -> Option<u32> {
    let mut count = 0u32;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_counted() {
        assert_eq!(counted("0-3,8,10-11\n"), Some(7));
        assert_eq!(counted("0"), Some(1));
        for bad in ["", "3-1", "0-4294967295", "a"] {
            assert_eq!(counted(bad), None, "{bad}");
        }
        assert!(cpus_online() > Some(0));
    }
}
