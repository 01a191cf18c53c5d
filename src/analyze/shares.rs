//! Work in numbered pieces, shared by threads.
//!
//! For: giving each thread pieces that follow one another, so that it reads on where it was and finds
//! what grows with time in order; who is done helps the others. Callers:
//! [`super::survey`], [`super::execs`].

use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads at most: a report shouldn't take a busy host.
const MOST_THREADS: usize = 8;

/// How many threads share the work.
pub(super) fn threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors.min(MOST_THREADS)
}

/// Does `work` with each of `inputs` at once, the first on this thread; `work` is told which it is.
pub(super) fn in_parallel<I: Send, T: Send>(
    inputs: Vec<I>,
    work: impl Fn(usize, I) -> T + Sync,
) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let mut inputs = inputs.into_iter().enumerate();
        let first = inputs.next();
        let others: Vec<_> = inputs
            .map(|(number, input)| scope.spawn(move || work(number, input)))
            .collect();
        let mut done: Vec<T> = first
            .map(|(number, input)| work(number, input))
            .into_iter()
            .collect();
        for other in others {
            match other.join() {
                Ok(result) => done.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}

/// Pieces that are still to be done.
pub(super) struct Shares {
    /// Of each thread: the next piece of its share, and the first behind it.
    shares: Vec<(AtomicUsize, usize)>,
    /// The first piece that failed: what comes after it need not be done.
    failed: AtomicUsize,
}

impl Shares {
    /// `pieces` pieces for `threads` threads.
    pub(super) fn new(pieces: usize, threads: usize) -> Shares {
        let begin = |thread: usize| pieces * thread / threads.max(1);
        let shares = (0..threads).map(|t| (AtomicUsize::new(begin(t)), begin(t + 1)));
        Shares {
            shares: shares.collect(),
            failed: AtomicUsize::new(usize::MAX),
        }
    }

    /// The next piece for `thread`: of its own share, else of another one.
    pub(super) fn next(&self, thread: usize) -> Option<usize> {
        let (before, from) = self.shares.split_at_checked(thread)?;
        from.iter().chain(before).find_map(|(next, end)| {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            (piece < *end && piece <= self.failed.load(Ordering::Relaxed)).then_some(piece)
        })
    }

    /// Says that a piece failed. Those before it are still done, so that the first failure is found
    /// whatever the threads' pace.
    pub(super) fn fail(&self, piece: usize) {
        self.failed.fetch_min(piece, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_done_once_and_own_ones_first() {
        let shares = Shares::new(7, 3);
        let taken: Vec<_> = std::iter::from_fn(|| shares.next(1)).take(4).collect();
        assert_eq!(taken, [2, 3, 4, 5]);
        let taken: Vec<_> = std::iter::from_fn(|| shares.next(2)).collect();
        assert_eq!(taken, [6, 0, 1]);
        assert_eq!((shares.next(0), shares.next(1)), (None, None));
        assert_eq!(Shares::new(5, 0).next(0), None);
    }

    #[test]
    fn results_stand_as_inputs_stood() {
        let squares = in_parallel((0..9u64).collect(), |number, n| (number, n * n));
        assert_eq!(squares.len(), 9);
        assert!(
            squares
                .iter()
                .enumerate()
                .all(|(n, (at, square))| n == *at && *square == (n * n) as u64)
        );
        assert!(in_parallel(Vec::<u8>::new(), |_, n| n).is_empty());
    }

    #[test]
    fn what_comes_after_a_failure_is_left() {
        let shares = Shares::new(10, 2);
        assert_eq!((shares.next(0), shares.next(1)), (Some(0), Some(5)));
        shares.fail(3);
        assert_eq!(shares.next(1), Some(1));
        let rest: Vec<_> = std::iter::from_fn(|| shares.next(0)).collect();
        assert_eq!(rest, [2, 3]);
    }
}
