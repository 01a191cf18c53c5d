//! What the workload's own steps cost: CPU time of its thread, sleeps and commands not counted.
//!
//! For: showing that who reads the memory costs the instance nothing.

use serde_json::{Value, json};

use super::stage::thread_cpu_ns;

/// Costs since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Steps, each of all changes that were due.
    pub steps: u64,
    /// CPU time in them, in nanoseconds.
    pub busy_ns: u64,
}

impl Cost {
    /// Does a step and counts it.
    pub fn of<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let began = thread_cpu_ns();
        let outcome = step();
        self.steps += 1;
        self.busy_ns += thread_cpu_ns().saturating_sub(began);
        outcome
    }

    /// Both, with the state changes that the steps made.
    pub fn document(self, changes: u64) -> Value {
        json!({"changes": changes, "steps": self.steps, "busy_ns": self.busy_ns})
    }
}
