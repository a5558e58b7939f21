//! Which transaction of a process a sequence number belongs to, in constant time.
//!
//! The records of one process are spread over many logs, so the next record of a log may belong to a transaction far
//! from that of the one before. The numbers are cut into blocks, about as many as there are transactions, and each
//! block knows the first transaction that ends behind its start: what is left is a search among very few. Where
//! transactions are of very different sizes it is a binary search, never worse.

/// The transactions of one process by sequence number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// By transaction: its first sequence number, and the one after its last. The latter never fall.
    spans: Vec<(u32, u32)>,
    /// By block of 2^`shift` numbers: how many transactions end at its start or before.
    blocks: Vec<u32>,
    shift: u32,
}

impl Index {
    /// Of transactions in order.
    pub(crate) fn new(spans: Vec<(u32, u32)>) -> Self {
        let last = spans.last().map_or(0, |span| span.1);
        let mut shift = 0;
        while (last >> shift) as usize > spans.len() {
            shift += 1;
        }
        let mut blocks = Vec::with_capacity((last >> shift) as usize + 1);
        let mut ended = 0;
        for block in 0..=last >> shift {
            while spans.get(ended as usize).is_some_and(|span| span.1 <= block << shift) {
                ended += 1;
            }
            blocks.push(ended);
        }
        Self { spans, blocks, shift }
    }

    /// The place of the first transaction that ends behind a number, and its span; none where all end before it.
    pub(crate) fn ending_after(&self, seq: u32) -> Option<(usize, (u32, u32))> {
        let block = (seq >> self.shift) as usize;
        let from = *self.blocks.get(block)? as usize;
        let to = self.blocks.get(block + 1).map_or(self.spans.len(), |to| *to as usize);
        let at = from + self.spans[from..to].partition_point(|span| span.1 <= seq);
        self.spans.get(at).map(|span| (at, *span))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_answers_what_a_search_through_all_answers(
            lengths in prop::collection::vec(prop_oneof![9 => 0u32..5, 1 => 0u32..2_000_000], 0..60),
            first in prop_oneof![Just(0u32), 0u32..3_000_000_000],
            asked in prop::collection::vec(any::<u32>(), 0..20),
        ) {
            let mut end = first;
            let spans: Vec<(u32, u32)> = lengths.iter().map(|length| {
                let start = end;
                end += length;
                (start, end)
            }).collect();
            let index = Index::new(spans.clone());
            let edges = spans.iter().flat_map(|span| [span.0.saturating_sub(1), span.0, span.1, span.1 + 1]);
            for seq in asked.into_iter().chain(edges) {
                let expected = spans.iter().position(|span| span.1 > seq).map(|at| (at, spans[at]));
                prop_assert_eq!(index.ending_after(seq), expected);
            }
        }
    }
}
