//! The same work for thousands of rows, on several processors where there are.
//!
//! Not for: the sampling thread, which has no time to start others.

/// Rows from which a further thread pays.
const FEWEST_ROWS: usize = 500;

/// Threads at most: a look shouldn't take a busy host.
const MOST_THREADS: usize = 4;

/// What `work` makes of each item, in the items' order. Each thread has a `state` of its own.
pub fn in_parallel<T: Sync, S, R: Send>(
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(processors.min(MOST_THREADS));
    let share = share.max(FEWEST_ROWS);
    let all = |share: &[T]| -> Vec<R> {
        let mut state = state();
        share.iter().map(|item| work(&mut state, item)).collect()
    };
    std::thread::scope(|scope| {
        let all = &all;
        let mut shares = items.chunks(share);
        let first = shares.next().unwrap_or_default();
        let threads: Vec<_> = shares
            .map(|share| scope.spawn(move || all(share)))
            .collect();
        let mut results = all(first);
        for thread in threads {
            match thread.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_threads_their_state() {
        let items: Vec<usize> = (0..10 * FEWEST_ROWS + 1).collect();
        let work = |seen: &mut usize, item: &usize| {
            *seen += 1;
            (*item, *seen)
        };
        let results = in_parallel(&items, || 0, work);
        assert!(results.iter().map(|r| r.0).eq(items.iter().copied()));
        assert_eq!(results[0].1, 1);
        assert!(in_parallel(&[0usize; 0], || 0, work).is_empty());
    }
}
