//! Tests of what a recorder that stays on needs.
