//! Banner texts of the releases that the simulator imitates.
//!
//! One table; no layouts here. Called by the executable, trace and spool writers.

/// What a release says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// First banner line, as in trace files and V$VERSION.BANNER.
    pub banner: &'static str,
    /// `Version ...` line; empty where the release has none (before 18c).
    pub version_line: String,
    /// Build label as after `Build label:` in traces; empty where the release shows none.
    pub label: String,
    /// Full version number, e.g. `19.3.0.0.0`.
    pub full: String,
    /// Version number that V$INSTANCE.VERSION shows, e.g. `19.0.0.0.0`.
    pub base: &'static str,
    /// EDITION of V$INSTANCE.
    pub edition: &'static str,
}

/// Leading number, banner, base version, edition. Sources: trace headers of 19.3 (Kyle Hailey's
/// public trace), Oracle documentation for 12.1.0.2 and 23ai Free.
const RELEASES: [(&str, &str, &str, &str); 3] = [
    (
        "12.",
        "Oracle Database 12c Enterprise Edition Release 12.1.0.2.0 - 64bit Production",
        "12.1.0.2.0",
        "EE",
    ),
    (
        "19.",
        "Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production",
        "19.0.0.0.0",
        "EE",
    ),
    (
        "23.",
        "Oracle Database 23ai Free Release 23.0.0.0.0 - Develop, Learn, and Run for Free",
        "23.0.0.0.0",
        "FREE",
    ),
];

/// Completions of the short forms that a user types.
const FULL: [(&str, &str); 3] = [
    ("12.1", "12.1.0.2.0"),
    ("19.3", "19.3.0.0.0"),
    ("23.5", "23.5.0.24.07"),
];

/// The texts of `release` (full, or short as `19.3`); `None` for a release that isn't imitated.
pub fn release(release: &str) -> Option<Release> {
    let (lead, banner, base, edition) = RELEASES
        .into_iter()
        .find(|(lead, ..)| release.starts_with(lead))?;
    let full = FULL
        .into_iter()
        .find(|(short, _)| *short == release || format!("{short}.0.0.0") == release)
        .map_or_else(|| release.to_owned(), |(_, full)| full.to_owned());
    let (version_line, label) = if lead == "12." {
        (String::new(), String::new())
    } else if full == "19.3.0.0.0" {
        // The one label that is public in full.
        (
            format!("Version {full}"),
            "RDBMS_19.3.0.0.0DBRU_LINUX.X64_190417".to_owned(),
        )
    } else {
        (
            format!("Version {full}"),
            format!("RDBMS_{full}DBRU_LINUX.X64_SYNTHETIC"),
        )
    };
    Some(Release {
        banner,
        version_line,
        label,
        full,
        base,
        edition,
    })
}
