//! V$RESOURCE_LIMIT for `sessions` and `processes`, recomputed, with head-room and trend.
//!
//! The view is made by a callback (X$KSURLMT); its numbers are those of the slots in use (A. Nanda
//! 2010: 26 in V$RESOURCE_LIMIT against 20 in V$SESSION, which hides recursive sessions). The view's
//! MAX_UTILIZATION can't be had; what is shown instead is what was observed since the start.
//!
//! Pure: it reads nothing. Callers: `cli`, `reconcile`.

use serde_json::{Map, Value as Json, json};

/// Columns of the view that can't be had, with the reason.
pub const ABSENT: &[(&str, &str)] = &[
    (
        "max_utilization",
        "kept by the instance at a place that is not public; observed_maximum is what was seen since the start",
    ),
    ("con_id", "X$KSURLMT computes it when it is queried"),
];

/// Use of one limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// `sessions` or `processes`.
    pub name: &'static str,
    /// Slots in use.
    pub current: u64,
    /// Slots there are: the parameter of that name.
    pub limit: u64,
}

impl Usage {
    /// Share in use, 0 to 1.
    pub fn share(&self) -> f64 {
        self.current as f64 / self.limit.max(1) as f64
    }

    /// Slots left.
    pub fn head_room(&self) -> u64 {
        self.limit.saturating_sub(self.current)
    }

    /// What fails when none is left.
    pub fn error(&self) -> &'static str {
        match self.name {
            "processes" => "ORA-00020",
            _ => "ORA-00018",
        }
    }
}

/// Use of one limit over some time.
#[derive(Clone, Debug)]
pub struct LimitWatch {
    /// Seconds since the first look, and use.
    points: Vec<(f64, Usage)>,
}

impl LimitWatch {
    /// Begins with a first look.
    pub fn new(first: Usage) -> LimitWatch {
        LimitWatch {
            points: vec![(0.0, first)],
        }
    }

    /// Adds a look, so many seconds after the first.
    pub fn push(&mut self, seconds: f64, usage: Usage) {
        self.points.push((seconds, usage));
    }

    /// The last look.
    pub fn last(&self) -> Usage {
        self.points[self.points.len() - 1].1
    }

    /// Most slots in use in any look.
    pub fn observed_maximum(&self) -> u64 {
        let most = self.points.iter().map(|(_, u)| u.current).max();
        most.unwrap_or(0)
    }

    /// Seconds from the first look to the last.
    pub fn observed_s(&self) -> f64 {
        self.points.last().map_or(0.0, |(t, _)| *t)
    }

    /// Slots a second, by least squares; `None` with fewer than three looks.
    pub fn trend(&self) -> Option<f64> {
        let n = self.points.len() as f64;
        if self.points.len() < 3 {
            return None;
        }
        let mean_t = self.points.iter().map(|(t, _)| t).sum::<f64>() / n;
        let mean_u = self
            .points
            .iter()
            .map(|(_, u)| u.current as f64)
            .sum::<f64>()
            / n;
        let (mut over, mut under) = (0.0, 0.0);
        for (t, u) in &self.points {
            over += (t - mean_t) * (u.current as f64 - mean_u);
            under += (t - mean_t).powi(2);
        }
        (under > 0.0).then(|| over / under)
    }

    /// Seconds until the limit is reached if the trend goes on; `None`: it doesn't rise, or there is
    /// none.
    pub fn exhausted_in_s(&self) -> Option<f64> {
        let trend = self.trend().filter(|t| *t > 0.0)?;
        Some(self.last().head_room() as f64 / trend)
    }

    /// As a row of V$RESOURCE_LIMIT, with our own columns.
    pub fn to_row(&self) -> Map<String, Json> {
        let last = self.last();
        let row = json!({
            "resource_name": last.name,
            "current_utilization": last.current,
            "max_utilization": null,
            "initial_allocation": last.limit.to_string(),
            "limit_value": last.limit.to_string(),
            "con_id": null,
            "percent_used": (last.share() * 1000.0).round() / 10.0,
            "head_room": last.head_room(),
            "error_at_limit": last.error(),
            "observed_maximum": self.observed_maximum(),
            "observed_s": (self.observed_s() * 1000.0).round() / 1000.0,
            "looks": self.points.len(),
            "trend_per_hour": self.trend().map(|t| (t * 3600.0 * 10.0).round() / 10.0),
            "exhausted_in_s": self.exhausted_in_s().map(f64::round),
        });
        match row {
            Json::Object(row) => row,
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(current: u64) -> Usage {
        Usage {
            name: "processes",
            current,
            limit: 100,
        }
    }

    #[test]
    fn the_seeds_numbers() {
        // current 39 of 40 processes, 45 of 49 sessions, as ORA-00020 came
        let processes = Usage {
            name: "processes",
            current: 39,
            limit: 40,
        };
        assert_eq!((processes.head_room(), processes.error()), (1, "ORA-00020"));
        let sessions = Usage {
            name: "sessions",
            current: 45,
            limit: 49,
        };
        assert_eq!((sessions.head_room(), sessions.error()), (4, "ORA-00018"));
        assert!(processes.share() > 0.97 && sessions.share() < 0.92);
    }

    #[test]
    fn a_rising_line_meets_the_limit() {
        let mut watch = LimitWatch::new(usage(10));
        for i in 1..=10 {
            watch.push(f64::from(i), usage(10 + 2 * i as u64));
        }
        assert_eq!(watch.observed_maximum(), 30);
        assert!((watch.trend().unwrap() - 2.0).abs() < 1e-9);
        assert!((watch.exhausted_in_s().unwrap() - 35.0).abs() < 1e-9);
        assert_eq!(watch.to_row()["trend_per_hour"], 7200.0);
    }

    #[test]
    fn a_falling_line_does_not() {
        let mut watch = LimitWatch::new(usage(50));
        watch.push(1.0, usage(40));
        assert_eq!(watch.trend(), None, "two looks are no trend");
        watch.push(2.0, usage(30));
        assert_eq!(watch.observed_maximum(), 50, "since the start, not now");
        assert!(watch.trend().unwrap() < 0.0);
        assert_eq!(watch.exhausted_in_s(), None);
    }
}
