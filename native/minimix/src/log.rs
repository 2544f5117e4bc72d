//! A queue whose clones share nearly everything, also after one of them has grown.

use std::collections::VecDeque;
use std::sync::Arc;

/// Entries that are copied at most when a clone grows.
const CHUNK: usize = 8;

/// Entries, oldest first. Adding one to a clone copies a few of them and a pointer for each eight.
#[derive(Clone, Debug)]
pub struct Log<T> {
    chunks: Arc<VecDeque<Arc<Vec<T>>>>,
    /// Entries of the first chunk that were dropped.
    skipped: usize,
    len: usize,
}

impl<T> Default for Log<T> {
    fn default() -> Log<T> {
        Log { chunks: Arc::default(), skipped: 0, len: 0 }
    }
}

impl<T: Clone> Log<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.chunks.iter().enumerate().flat_map(|(at, chunk)| {
            let from = if at == 0 { self.skipped } else { 0 };
            chunk.get(from..).unwrap_or_default().iter()
        })
    }

    /// Adds one.
    pub fn push(&mut self, entry: T) {
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.back_mut() {
            Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(entry),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                chunks.push_back(Arc::new(chunk));
            }
        }
        self.len += 1;
    }

    /// Drops the oldest, and gives a copy of it.
    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.chunks.front()?;
        let oldest = first.get(self.skipped)?.clone();
        self.skipped += 1;
        self.len -= 1;
        if self.skipped >= first.len() {
            Arc::make_mut(&mut self.chunks).pop_front();
            self.skipped = 0;
        }
        Some(oldest)
    }

    /// Puts others in the place of all that `change` is given.
    pub fn rebuild(&mut self, change: impl FnOnce(&mut Vec<T>)) {
        let mut all: Vec<T> = self.iter().cloned().collect();
        change(&mut all);
        *self = all.into_iter().collect();
    }
}

impl<T: Clone> FromIterator<T> for Log<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Log<T> {
        let mut log = Log::default();
        for entry in entries {
            log.push(entry);
        }
        log
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It does what a queue does, and its clones stay as they were.
        #[test]
        fn it_is_a_queue(steps in proptest::collection::vec(any::<Option<u8>>(), 0..200)) {
            let mut log = Log::default();
            let mut queue = VecDeque::new();
            let mut clones = Vec::new();
            for step in steps {
                clones.push((log.clone(), queue.clone()));
                match step {
                    Some(entry) => {
                        log.push(entry);
                        queue.push_back(entry);
                    }
                    None => prop_assert_eq!(log.pop_front(), queue.pop_front()),
                }
                prop_assert_eq!(log.len(), queue.len());
            }
            clones.push((log, queue));
            for (mut log, mut queue) in clones {
                prop_assert!(log.iter().eq(&queue));
                prop_assert!(log.iter().rev().eq(queue.iter().rev()));
                log.rebuild(|all| all.reverse());
                queue.make_contiguous().reverse();
                prop_assert!(log.iter().eq(&queue));
            }
        }
    }
}
