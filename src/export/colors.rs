//! Colours of wait classes, near those of Oracle's own activity charts, which DBAs know.
//!
//! Callers: the rest of `export`.

/// A colour: red, green, blue.
pub type Rgb = [u8; 3];

const CLASSES: [(&str, Rgb); 14] = [
    ("ON CPU", [62, 175, 78]),
    ("Scheduler", [150, 220, 150]),
    ("User I/O", [42, 98, 205]),
    ("System I/O", [92, 160, 226]),
    ("Concurrency", [150, 38, 30]),
    ("Application", [204, 62, 36]),
    ("Commit", [232, 126, 34]),
    ("Configuration", [120, 92, 40]),
    ("Administrative", [112, 116, 84]),
    ("Network", [160, 146, 112]),
    ("Queueing", [190, 174, 148]),
    ("Cluster", [206, 190, 150]),
    ("Idle", [170, 174, 180]),
    ("Other", [226, 112, 168]),
];

/// What is of no known class.
const UNKNOWN: Rgb = [140, 146, 156];

/// The colour of a wait class; `ON CPU` has one too.
pub fn of_class(class: &str) -> Rgb {
    let known = CLASSES.iter().find(|(name, _)| *name == class);
    known.map_or(UNKNOWN, |(_, color)| *color)
}

/// `#rrggbb`.
pub fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Colours mixed by their weights, then moved towards white by `pale` (0 to 1).
pub fn mixed(parts: impl Iterator<Item = (Rgb, u64)>, pale: f64) -> Rgb {
    let mut sums = [0.0; 3];
    let mut total = 0.0;
    for (color, weight) in parts {
        let weight = weight as f64;
        total += weight;
        for (sum, channel) in sums.iter_mut().zip(color) {
            *sum += f64::from(channel) * weight;
        }
    }
    if total <= 0.0 {
        return UNKNOWN;
    }
    sums.map(|sum| {
        let channel = sum / total;
        (channel + (255.0 - channel) * pale).round() as u8
    })
}

/// Whether dark text reads better than white on this colour (relative luminance of WCAG 2.1).
pub fn is_light(color: Rgb) -> bool {
    let linear = color.map(|channel| {
        let c = f64::from(channel) / 255.0;
        match c <= 0.04045 {
            true => c / 12.92,
            false => ((c + 0.055) / 1.055).powf(2.4),
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.3
}
