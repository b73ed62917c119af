//! What this machine has.

/// Processors, at least 1.
pub(crate) fn processors() -> u16 {
    std::thread::available_parallelism()
        .map_or(2, |count| u16::try_from(count.get()).unwrap_or(u16::MAX))
}

/// Bytes that programs could still have without swapping.
pub(crate) fn free_memory() -> Option<u64> {
    available(&fs_err::read_to_string("/proc/meminfo").ok()?)
}

/// `MemAvailable:   23339000 kB` of `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_says() {
        let text = "MemTotal:       24683520 kB\nMemAvailable:   23339000 kB\n";
        assert_eq!(available(text), Some(23_339_000 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert!(free_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
