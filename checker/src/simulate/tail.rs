//! The end of a log that some group has not committed yet: all that a simulated broker must remember.
//!
//! A *rank* is the how-manieth record of the log it is. Consumers go by ranks, so gaps between offsets cost nothing.

/// Records at consecutive offsets, of one process and one fate.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    rank: u64,
    offset: i64,
    process: u32,
    /// Whether a committed reader sees it.
    visible: bool,
}

/// The last records of one log.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    /// Rank of the first of `seqs`.
    base: u64,
    seqs: Vec<u32>,
    stretches: Vec<Stretch>,
}

/// Records at consecutive offsets of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'t> {
    pub(super) offset: i64,
    pub(super) process: u32,
    pub(super) seqs: &'t [u32],
    pub(super) visible: bool,
}

/// Forget no sooner than this many records can go.
const FORGET: u64 = 1 << 14;

impl Tail {
    pub(super) fn push(&mut self, piece: Piece<'_>) {
        let Piece { offset, process, seqs, visible } = piece;
        self.stretches.push(Stretch { rank: self.end(), offset, process, visible });
        self.seqs.extend_from_slice(seqs);
    }

    /// Rank after the last record.
    pub(super) fn end(&self) -> u64 {
        self.base + self.seqs.len() as u64
    }

    /// The records of these ranks.
    pub(super) fn pieces(&self, from: u64, until: u64) -> impl Iterator<Item = Piece<'_>> {
        let first = self.stretches.partition_point(|stretch| stretch.rank <= from).saturating_sub(1);
        let until = until.min(self.end());
        (first..self.stretches.len()).map_while(move |at| {
            let stretch = self.stretches[at];
            let end = self.stretches.get(at + 1).map_or(self.end(), |next| next.rank).min(until);
            let start = stretch.rank.max(from);
            (start < end).then(|| Piece {
                offset: stretch.offset.saturating_add_unsigned(start - stretch.rank),
                process: stretch.process,
                seqs: &self.seqs[self.place(start)..self.place(end)],
                visible: stretch.visible,
            })
        })
    }

    fn place(&self, rank: u64) -> usize {
        usize::try_from(rank - self.base).unwrap_or(usize::MAX)
    }

    /// Forgets the records below a rank, where that is worth it.
    pub(super) fn forget(&mut self, below: u64) {
        if below.saturating_sub(self.base) < FORGET {
            return;
        }
        let stretches = self.stretches.partition_point(|stretch| stretch.rank <= below).saturating_sub(1);
        self.stretches.drain(..stretches);
        let keep = self.stretches.first().map_or(below, |stretch| stretch.rank);
        self.seqs.drain(..self.place(keep));
        self.base = keep;
    }
}
