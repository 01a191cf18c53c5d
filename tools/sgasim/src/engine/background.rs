//! What background processes do: dormant on their idle event, briefly on CPU, sometimes in a working wait.
//!
//! Part of the engine. Their durations are never stretched.

use super::{Engine, Step};

impl Engine {
    pub(super) fn background_wakes(&mut self, i: usize) {
        self.stage.begin();
        self.end_wait(i);
        self.stage.finish(i, "wake");
        self.minds[i].step = Step::Awake;
        self.appoint(i, 400.0);
    }

    pub(super) fn background_works(&mut self, i: usize) {
        let (idle, work) = self.numbers.background[self.minds[i].background];
        let busy = self.random.once_in(2);
        let (event, p) = match work.filter(|_| busy) {
            Some(event) => (event, [1 + self.random.below(4), self.random.below(60), 1]),
            None => (idle, [300, 0, 0]),
        };
        self.stage.begin();
        self.start_wait(i, event, p);
        self.stage.finish(i, "wait");
        if event == idle {
            return self.sleep_background(i);
        }
        self.minds[i].step = Step::Working;
        let time = self.random.exponential(3_000.0);
        self.appoint(i, time);
    }

    pub(super) fn background_worked(&mut self, i: usize) {
        self.stage.begin();
        self.end_wait(i);
        self.stage.finish(i, "wake");
        self.minds[i].step = Step::Awake;
        self.appoint(i, 300.0);
    }

    pub(super) fn sleep_background(&mut self, i: usize) {
        self.minds[i].step = Step::Dormant;
        let mean = if self.numbers.background[self.minds[i].background]
            .1
            .is_some()
        {
            60_000.0
        } else {
            900_000.0
        };
        let time = self.random.exponential(mean) * self.seldom();
        self.appoint(i, time);
    }
}
