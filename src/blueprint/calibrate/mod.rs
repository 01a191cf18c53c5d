//! Calibration: layouts learned from live memory or an image, and proven by it.
//!
//! For: [`with_truth`], which learns every column by correlation with a spool of SQL truth over all rows and several
//! rounds ([`learner`], [`ask`]); [`without_truth`], which learns what the bytes prove by themselves ([`blind`], [`scan`]). The learner itself knows
//! rows, truths and types to try, and no database; [`sessions`] tells it which questions make a blueprint of Oracle's.
//!
//! Not for: choosing between places that all fit. They are reported as ambiguous and stay out of the blueprint.
//!
//! Callers: `cli` (`blueprint calibrate`), tests.

pub mod ask;
pub mod blind;
pub mod calibration;
pub mod character;
pub mod compose;
pub mod learner;
pub mod looks;
pub mod pointed;
pub mod prior;
pub mod processes;
pub mod report;
pub mod scan;
pub mod sessions;
pub mod shot;
pub mod sight;
pub mod text;
pub mod truth;

pub use blind::without_truth;
pub use calibration::{CalibrateError, Calibration, Settings};
pub use learner::{Learned, Learner};
pub use prior::{Prior, with_prior};
pub use report::{Line, Report};
pub use sessions::with_truth;
pub use truth::{Shape, Spec, Spool, TruthError};
