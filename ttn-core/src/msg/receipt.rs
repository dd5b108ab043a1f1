//! Acknowledgements that wait until what they promise is durable.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One share of an acknowledgement. When every share is settled, the acknowledgement is given; a share that is dropped
/// without that withholds it for ever. A clone is a further share.
pub struct Receipt(Arc<Inner>);

struct Inner {
    open: AtomicUsize,
    acknowledge: Box<dyn Fn() + Send + Sync>,
}

impl Receipt {
    /// Makes the first share. `acknowledge` is called once at most, by whoever settles the last share; it does not
    /// block.
    #[must_use]
    pub fn new(acknowledge: impl Fn() + Send + Sync + 'static) -> Self {
        let acknowledge = Box::new(acknowledge);
        Self(Arc::new(Inner { open: AtomicUsize::new(1), acknowledge }))
    }

    /// Says that what this share stands for is durable, or that nothing is promised of it.
    pub fn settle(self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            (self.0.acknowledge)();
        }
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        Self(self.0.clone())
    }
}

impl PartialEq for Receipt {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receipt").field(&self.0.open.load(Ordering::Relaxed)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> (Receipt, Arc<AtomicUsize>) {
        let given = Arc::new(AtomicUsize::new(0));
        let count = given.clone();
        let acknowledge = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        (Receipt::new(acknowledge), given)
    }

    #[test]
    fn the_last_share_gives_the_acknowledgement() {
        let (first, given) = receipt();
        let second = first.clone();
        first.settle();
        assert_eq!(given.load(Ordering::Relaxed), 0);
        second.settle();
        assert_eq!(given.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_share_that_is_dropped_withholds_it() {
        let (first, given) = receipt();
        drop(first.clone());
        first.settle();
        assert_eq!(given.load(Ordering::Relaxed), 0);
    }
}
