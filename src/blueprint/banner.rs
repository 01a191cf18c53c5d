//! The release of an `oracle` executable, from the texts among its constants.
//!
//! Forms (public 19.3 trace header of Kyle Hailey's kit; V$VERSION): the build label
//! `RDBMS_19.3.0.0.0DBRU_LINUX.X64_190417`, the version line `Version 19.3.0.0.0`, and the banner
//! `Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production`. From 18c on the banner
//! carries only the base release; before, it carries the full one and there is no version line.
//!
//! Callers: `assemble`, `spool`, `trace`, `discover`'s users through `cli`.

use std::collections::BTreeSet;

use super::elf::ExeReader;
use super::error::ExtractError;

/// Read at a time.
const PIECE: u64 = 1 << 20;
/// Longest text that is looked at; pieces overlap by this much.
const MAX_TEXT: u64 = 256;
/// Most bytes that are searched (a real `.rodata` has some 150 MB).
const MAX_SEARCHED: u64 = 1 << 30;
/// Most different texts of one kind that are kept.
const MAX_KEPT: usize = 64;

/// What an executable says of its release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// Full release, e.g. "19.3.0.0.0".
    pub release: String,
    /// The banner line, if there is just one.
    pub banner: Option<String>,
    /// The build label, if there is just one.
    pub label: Option<String>,
}

#[derive(Default)]
struct Texts {
    labels: BTreeSet<String>,
    versions: BTreeSet<String>,
    banners: BTreeSet<String>,
}

/// Reads the release from an executable's constants.
///
/// # Errors
/// Reading fails, or the texts name no release or several.
pub fn banner(exe: &ExeReader) -> Result<Banner, ExtractError> {
    let mut texts = Texts::default();
    let mut budget = MAX_SEARCHED;
    for (offset, bytes) in exe.constants() {
        let bytes = bytes.min(budget);
        budget -= bytes;
        search(exe, offset, bytes, &mut texts)?;
    }
    choose(&texts).map_err(|found| ExtractError::NoRelease {
        path: exe.path().to_owned(),
        found,
    })
}

fn search(exe: &ExeReader, offset: u64, bytes: u64, texts: &mut Texts) -> Result<(), ExtractError> {
    let mut buf = Vec::new();
    let mut at = 0;
    while at < bytes {
        let want = (bytes - at).min(PIECE + MAX_TEXT);
        buf.resize(want as usize, 0);
        exe.read(offset + at, &mut buf)?;
        collect(&buf, texts);
        at += PIECE;
    }
    Ok(())
}

fn collect(bytes: &[u8], texts: &mut Texts) {
    for (at, first) in bytes.iter().enumerate() {
        if !matches!(first, b'R' | b'V' | b'O') {
            continue;
        }
        let rest = &bytes[at..];
        let set = if rest.starts_with(b"RDBMS_") {
            &mut texts.labels
        } else if rest.starts_with(b"Version ") {
            &mut texts.versions
        } else if rest.starts_with(b"Oracle Database ") {
            &mut texts.banners
        } else {
            continue;
        };
        if let Some(text) = line(rest)
            && set.len() < MAX_KEPT
            && release_of(text).is_some()
        {
            set.insert(text.to_owned());
        }
    }
}

/// The release in lines of text that begin with the same forms (trace headers, V$VERSION); `None`
/// when they name none or several.
pub fn of_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Banner> {
    let mut texts = Texts::default();
    for line in lines.map(str::trim) {
        let set = if line.starts_with("RDBMS_") {
            &mut texts.labels
        } else if line.starts_with("Version ") {
            &mut texts.versions
        } else if line.starts_with("Oracle Database ") {
            &mut texts.banners
        } else {
            continue;
        };
        if set.len() < MAX_KEPT {
            set.insert(line.to_owned());
        }
    }
    choose(&texts).ok()
}

/// The printable text up to NUL or line end.
fn line(bytes: &[u8]) -> Option<&str> {
    let bytes = &bytes[..bytes.len().min(MAX_TEXT as usize)];
    let end = bytes.iter().position(|&b| b == 0 || b == b'\n')?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    text.chars().all(|c| !c.is_control()).then_some(text)
}

/// The release in a text of one of the three forms.
fn release_of(text: &str) -> Option<&str> {
    let rest = if let Some(rest) = text.strip_prefix("RDBMS_") {
        rest
    } else if let Some(rest) = text.strip_prefix("Version ") {
        rest
    } else {
        text.split_once(" Release ")?.1
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (release, tail) = rest.split_at(end);
    let parts = release.split('.').count();
    let digits = release.split('.').all(|p| !p.is_empty() && p.len() <= 4);
    // A version line holds nothing but the number; other programs' version lines often do.
    let whole = !text.starts_with("Version ") || tail.is_empty();
    ((3..=6).contains(&parts) && digits && whole).then_some(release)
}

fn releases(texts: &BTreeSet<String>) -> BTreeSet<&str> {
    texts.iter().filter_map(|text| release_of(text)).collect()
}

fn major(release: &str) -> &str {
    release.split('.').next().unwrap_or_default()
}

fn only<T: Copy>(set: &BTreeSet<T>) -> Option<T> {
    let mut items = set.iter();
    items.next().copied().filter(|_| items.next().is_none())
}

/// The build label decides, else a version line of the banner's major release, else the banner.
fn choose(texts: &Texts) -> Result<Banner, String> {
    let (labels, banners) = (releases(&texts.labels), releases(&texts.banners));
    let majors: BTreeSet<&str> = banners.iter().map(|r| major(r)).collect();
    let mut versions = releases(&texts.versions);
    versions.retain(|version| majors.contains(major(version)));
    let Some(release) = only(&labels)
        .or_else(|| only(&versions))
        .or_else(|| only(&banners))
    else {
        let all: Vec<&str> = [&labels, &versions, &banners]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        return Err(if all.is_empty() {
            "none".into()
        } else {
            all.join(", ")
        });
    };
    let single = |set: &BTreeSet<String>| (set.len() == 1).then(|| set.first().cloned()).flatten();
    Ok(Banner {
        release: release.to_owned(),
        banner: single(&texts.banners),
        label: single(&texts.labels),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(texts: &[&str]) -> Result<Banner, String> {
        let mut bytes = vec![1, 2, 3];
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        let mut found = Texts::default();
        collect(&bytes, &mut found);
        choose(&found)
    }

    const BANNER_19: &str =
        "Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production";

    #[test]
    fn the_label_decides() {
        let found = release(&[
            BANNER_19,
            "Version 19.3.0.0.0",
            "RDBMS_19.3.0.0.0DBRU_LINUX.X64_190417",
            "Version 1.2.11.4",
        ])
        .unwrap();
        assert_eq!(found.release, "19.3.0.0.0");
        assert_eq!(found.banner.as_deref(), Some(BANNER_19));
        assert_eq!(
            found.label.as_deref(),
            Some("RDBMS_19.3.0.0.0DBRU_LINUX.X64_190417")
        );
    }

    #[test]
    fn without_a_label_the_version_line_of_the_same_major_decides() {
        let texts = [BANNER_19, "Version 1.2.11.4", "Version 19.23.0.0.0"];
        assert_eq!(release(&texts).unwrap().release, "19.23.0.0.0");
    }

    #[test]
    fn old_banners_carry_the_full_release() {
        let old = "Oracle Database 12c Enterprise Edition Release 12.1.0.2.0 - 64bit Production";
        assert_eq!(
            release(&[old, "Version 1.2.3"]).unwrap().release,
            "12.1.0.2.0"
        );
    }

    #[test]
    fn several_releases_or_none_are_refused() {
        assert_eq!(release(&["Version 1.2.3.4"]).unwrap_err(), "none");
        let other = "Oracle Database 18c Express Edition Release 18.0.0.0.0 - Production";
        assert_eq!(
            release(&[BANNER_19, other]).unwrap_err(),
            "18.0.0.0.0, 19.0.0.0.0"
        );
    }
}
