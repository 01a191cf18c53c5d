//! Tests of captured images.
