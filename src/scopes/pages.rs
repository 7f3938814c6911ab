//! Pages: the positions of one paged list.
//!
//! Decides when a list that was asked for page by page goes in circles or has no end, so that it is
//! an error and never a complete reading. Scopes ask it before each further page.

use std::collections::BTreeSet;

use crate::core::observation::{Failure, Reason};

/// No list that moored reads has more pages; one that has is not believed.
const MOST: usize = 2_000;

/// The positions at which pages of one list began.
#[derive(Debug)]
pub struct Pages<P> {
    list: &'static str,
    seen: BTreeSet<P>,
}

impl<P: Ord + Clone> Pages<P> {
    /// A list that is about to be read from its beginning, by the name of its operation.
    pub fn of(list: &'static str) -> Self {
        Self { list, seen: BTreeSet::new() }
    }

    /// The position of the next page, when it is a new one.
    pub fn next(&mut self, position: P) -> Result<P, Failure> {
        if self.seen.len() >= MOST {
            return Err(Failure::new(Reason::Incomplete, format!("{} has no end after {MOST} pages", self.list)));
        }
        if !self.seen.insert(position.clone()) {
            return Err(Failure::new(
                Reason::Incomplete,
                format!("{} gave the same position twice: its pages go in circles", self.list),
            ));
        }
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_goes_in_circles_or_has_no_end_is_an_error() {
        let mut pages = Pages::of("ListHealthChecks");
        assert_eq!(pages.next("a"), Ok("a"));
        assert!(pages.next("b").is_ok());
        assert!(matches!(pages.next("a"), Err(failure) if failure.detail.contains("circles")));
        let mut endless = Pages::of("ListHealthChecks");
        assert!((0..MOST).all(|position| endless.next(position).is_ok()));
        assert!(endless.next(MOST).is_err());
    }
}
