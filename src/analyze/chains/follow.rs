//! Chains from edges: every session's way to its end, each link computed once.
//!
//! A chain is a label and the chain that follows, numbered; equal ways get equal numbers in all looks
//! ([`Links`]), so that a look of n sessions costs n steps, however long its chains are. A ring of
//! sessions that wait for each other becomes one last link with its members listed once, rotated so
//! that equal rings read alike.
//!
//! Pure. Callers: [`super::tally`], [`super::blockers`].

use std::collections::HashMap;

use super::graph::{Next, Route};

/// Labels that a chain's text shows; what is beyond is counted in the text.
pub const SHOWN_DEPTH: usize = 128;

/// One link of a chain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Link {
    label: u32,
    /// The next link, and by what its place is known (nothing, where it only says that it isn't);
    /// none: this is the last.
    next: Option<(Option<Route>, u32)>,
}

/// What is known of a chain as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// Links.
    pub depth: usize,
    /// Bit n: an edge of `Route::ALL[n]` is part of it.
    pub routes: u8,
    /// It ends in a ring.
    pub cycle: bool,
}

/// All chains seen so far, and the texts of their labels.
#[derive(Debug, Default)]
pub struct Links {
    texts: Vec<String>,
    by_text: HashMap<String, u32>,
    links: Vec<(Link, Shape)>,
    by_link: HashMap<Link, u32>,
}

impl Links {
    /// The number of a label.
    pub fn label(&mut self, text: &str) -> u32 {
        if let Some(known) = self.by_text.get(text) {
            return *known;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.by_text.insert(text.to_owned(), number);
        number
    }

    /// A label's text.
    pub fn label_text(&self, label: u32) -> &str {
        self.texts.get(label as usize).map_or("", String::as_str)
    }

    /// A chain's shape.
    pub fn shape(&self, chain: u32) -> Shape {
        self.links
            .get(chain as usize)
            .map_or_else(Shape::default, |(_, shape)| *shape)
    }

    /// A chain as ash_wait_chains prints it; inferred edges are marked.
    pub fn text(&self, chain: u32) -> String {
        let mut text = String::new();
        let mut at = Some((None, chain));
        let mut shown = 0;
        while let Some((route, chain)) = at {
            let Some((link, shape)) = self.links.get(chain as usize) else {
                break;
            };
            if shown == SHOWN_DEPTH && shape.depth > 1 {
                text.push_str(&format!(" -> …{} more", shape.depth - 1));
                at = self.last(chain).map(|last| (None, last));
                shown += 1;
                continue;
            }
            text.push_str(match route {
                Some(Route::Inferred) => " ->(inferred) ",
                _ => " -> ",
            });
            text.push_str(self.label_text(link.label));
            shown += 1;
            at = link.next;
        }
        text
    }

    fn last(&self, chain: u32) -> Option<u32> {
        let mut at = chain;
        while let Some((_, next)) = self.links.get(at as usize)?.0.next {
            at = next;
        }
        Some(at)
    }

    fn link(&mut self, label: u32, next: Option<(Option<Route>, u32)>, cycle: bool) -> u32 {
        let link = Link { label, next };
        if let Some(known) = self.by_link.get(&link) {
            return *known;
        }
        let behind = next.map(|(route, chain)| (route, self.shape(chain)));
        let shape = match behind {
            None => Shape {
                depth: 1,
                routes: 0,
                cycle,
            },
            Some((route, shape)) => Shape {
                depth: shape.depth + 1,
                routes: shape.routes | route.map_or(0, Route::bit),
                cycle: shape.cycle,
            },
        };
        let number = self.links.len() as u32;
        self.links.push((link.clone(), shape));
        self.by_link.insert(link, number);
        number
    }

    /// The last link of sessions that wait for each other in a ring.
    fn ring(&mut self, labels: &[u32], routes: u8) -> u32 {
        let from = least_rotation(labels.len(), |k| self.label_text(labels[k]));
        let texts: Vec<&str> = (0..labels.len())
            .map(|k| self.label_text(labels[(from + k) % labels.len()]))
            .collect();
        let text = texts.join(" -> ") + " (cycle)";
        let label = self.label(&text);
        let chain = self.link(label, None, true);
        if let Some((_, shape)) = self.links.get_mut(chain as usize) {
            shape.routes |= routes;
            shape.depth = labels.len();
        }
        chain
    }
}

/// Where the least rotation of `n` keys begins (two candidates race; each step rules one out).
fn least_rotation<'a>(n: usize, key: impl Fn(usize) -> &'a str) -> usize {
    let (mut a, mut b, mut same) = (0, 1, 0);
    while a < n && b < n && same < n {
        let (left, right) = (key((a + same) % n), key((b + same) % n));
        match left.cmp(right) {
            std::cmp::Ordering::Equal => same += 1,
            order => {
                if order.is_gt() {
                    a += same + 1;
                } else {
                    b += same + 1;
                }
                b += usize::from(a == b);
                same = 0;
            }
        }
    }
    a.min(b)
}

/// How a session's chain ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With the session at this position, which waits for no session.
    Session(usize),
    /// With a session that isn't in the look.
    Elsewhere(Option<u32>, u32),
    /// With a holder that isn't known.
    Unknown,
    /// In a ring of sessions that wait for each other; the one of them with this position is first.
    Cycle(usize),
}

/// A session's chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    /// Number of the chain in [`Links`].
    pub chain: u32,
    /// How it ends.
    pub end: End,
}

/// Follows the edges of a look. `label` gives each session's label.
pub fn follow(next: &[Next], links: &mut Links, label: &dyn Fn(usize) -> u32) -> Vec<Option<Way>> {
    const UNSEEN: usize = usize::MAX;
    let mut ways: Vec<Option<Way>> = vec![None; next.len()];
    // position in the present path; those of earlier paths have a way already
    let mut place = vec![UNSEEN; next.len()];
    for start in 0..next.len() {
        let mut path: Vec<usize> = Vec::new();
        let mut at = start;
        let mut way = loop {
            if let Some(known) = ways[at] {
                break Some(known);
            }
            if place[at] != UNSEEN {
                let ring = path.split_off(place[at]);
                let way = close(&ring, next, links, label);
                for i in ring {
                    ways[i] = Some(way);
                }
                break Some(way);
            }
            place[at] = path.len();
            path.push(at);
            match next[at] {
                Next::Session(i, _) if i < next.len() => at = i,
                _ => break None,
            }
        };
        while let Some(i) = path.pop() {
            let mine = match (next[i], way) {
                (Next::Session(_, route), Some(behind)) => Way {
                    chain: links.link(label(i), Some((Some(route), behind.chain)), false),
                    end: behind.end,
                },
                (last, _) => end(i, last, links, label(i)),
            };
            ways[i] = Some(mine);
            way = Some(mine);
        }
    }
    ways
}

fn close(ring: &[usize], next: &[Next], links: &mut Links, label: &dyn Fn(usize) -> u32) -> Way {
    let labels: Vec<u32> = ring.iter().map(|i| label(*i)).collect();
    let routes = ring.iter().fold(0, |all, i| match next[*i] {
        Next::Session(_, route) => all | route.bit(),
        _ => all,
    });
    Way {
        chain: links.ring(&labels, routes),
        end: End::Cycle(ring.iter().copied().min().unwrap_or(0)),
    }
}

/// The chain of a session that the look leads no further from.
fn end(i: usize, last: Next, links: &mut Links, label: u32) -> Way {
    let (text, end) = match last {
        Next::Nobody | Next::Session(..) => {
            let chain = links.link(label, None, false);
            return Way {
                chain,
                end: End::Session(i),
            };
        }
        Next::Elsewhere(instance, sid) => {
            let text = match instance {
                Some(instance) => format!("[blocker {sid} of instance {instance}]"),
                None => format!("[blocker {sid}, not sampled]"),
            };
            (text, End::Elsewhere(instance, sid))
        }
        Next::Unknown(Some(xid)) => (format!("[unknown holder of TX {xid}]"), End::Unknown),
        Next::Unknown(None) => ("(unknown)".to_owned(), End::Unknown),
    };
    let tail = links.label(&text);
    let tail = links.link(tail, None, false);
    let route = match end {
        End::Elsewhere(..) => Some(Route::Blocker),
        _ => None,
    };
    Way {
        chain: links.link(label, Some((route, tail)), false),
        end,
    }
}
