//! The classes of cycles, what each allows on its way round, and which models it excludes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::graph::Dependency;

/// Consistency models, weakest first, as far as these anomalies tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// PL-1: no cycle of writes.
    ReadUncommitted,
    /// PL-2: nothing aborted, intermediate or circular is read.
    ReadCommitted,
    /// No cycle with a single anti-dependency, or with anti-dependencies that do not touch; no lost update.
    SnapshotIsolation,
    /// PL-3: no cycle at all.
    Serializable,
    /// Serializable, in an order that keeps each process's own.
    StrongSessionSerializable,
    /// Serializable, in an order that keeps real time.
    StrictSerializable,
}

impl Consistency {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read-uncommitted",
            Self::ReadCommitted => "read-committed",
            Self::SnapshotIsolation => "snapshot-isolation",
            Self::Serializable => "serializable",
            Self::StrongSessionSerializable => "strong-session-serializable",
            Self::StrictSerializable => "strict-serializable",
        }
    }
}

/// What lies on a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Shape {
    /// Writes only.
    G0,
    /// Writes and reads of what was written.
    G1c,
    /// One anti-dependency.
    GSingle,
    /// Several anti-dependencies, no two in a row.
    GNonadjacent,
    /// Several anti-dependencies.
    G2,
}

/// What else may be used to close a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Extra {
    /// Dependencies alone.
    Nothing,
    /// The order of each process.
    Process,
    /// Real time.
    Realtime,
}

/// A class of cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Class {
    /// Dependencies.
    pub shape: Shape,
    /// Orders.
    pub extra: Extra,
}

/// Every shape, what excludes most first.
pub const SHAPES: [Shape; 5] = [Shape::G0, Shape::G1c, Shape::GSingle, Shape::GNonadjacent, Shape::G2];

/// Every extra, the one that needs least first.
pub const EXTRAS: [Extra; 3] = [Extra::Nothing, Extra::Process, Extra::Realtime];

impl Class {
    /// The name: `G1c`, `G-single-realtime`.
    pub fn name(self) -> &'static str {
        match (self.shape, self.extra) {
            (Shape::G0, Extra::Nothing) => "G0",
            (Shape::G0, Extra::Process) => "G0-process",
            (Shape::G0, Extra::Realtime) => "G0-realtime",
            (Shape::G1c, Extra::Nothing) => "G1c",
            (Shape::G1c, Extra::Process) => "G1c-process",
            (Shape::G1c, Extra::Realtime) => "G1c-realtime",
            (Shape::GSingle, Extra::Nothing) => "G-single",
            (Shape::GSingle, Extra::Process) => "G-single-process",
            (Shape::GSingle, Extra::Realtime) => "G-single-realtime",
            (Shape::GNonadjacent, Extra::Nothing) => "G-nonadjacent",
            (Shape::GNonadjacent, Extra::Process) => "G-nonadjacent-process",
            (Shape::GNonadjacent, Extra::Realtime) => "G-nonadjacent-realtime",
            (Shape::G2, Extra::Nothing) => "G2",
            (Shape::G2, Extra::Process) => "G2-process",
            (Shape::G2, Extra::Realtime) => "G2-realtime",
        }
    }

    /// The weakest of our models that it excludes.
    pub fn excludes(self) -> Consistency {
        match (self.extra, self.shape) {
            (Extra::Process, _) => Consistency::StrongSessionSerializable,
            (Extra::Realtime, _) => Consistency::StrictSerializable,
            (Extra::Nothing, Shape::G0) => Consistency::ReadUncommitted,
            (Extra::Nothing, Shape::G1c) => Consistency::ReadCommitted,
            (Extra::Nothing, Shape::GSingle | Shape::GNonadjacent) => Consistency::SnapshotIsolation,
            (Extra::Nothing, Shape::G2) => Consistency::Serializable,
        }
    }

    /// The class of a cycle, from the kinds of its edges.
    pub(super) fn of(kinds: impl Iterator<Item = Dependency>) -> Self {
        let (mut anti, mut reads, mut extra) = (0, false, Extra::Nothing);
        for kind in kinds {
            match kind {
                Dependency::Ww => {}
                Dependency::Wr | Dependency::Implied => reads = true,
                Dependency::Rw => anti += 1,
                Dependency::Process => extra = extra.max(Extra::Process),
                Dependency::Realtime => extra = Extra::Realtime,
            }
        }
        let shape = match anti {
            0 if reads => Shape::G1c,
            0 => Shape::G0,
            1 => Shape::GSingle,
            _ => Shape::G2,
        };
        Self { shape, extra }
    }

    /// Whether an edge of this kind may be on the cycle.
    pub(super) fn allows(self, kind: Dependency) -> bool {
        match kind {
            Dependency::Ww => true,
            Dependency::Wr => self.shape != Shape::G0,
            Dependency::Implied => self.shape > Shape::G1c,
            Dependency::Rw => self.shape > Shape::G1c,
            Dependency::Process => self.extra >= Extra::Process,
            Dependency::Realtime => self.extra == Extra::Realtime,
        }
    }

    /// Whether an edge of this kind begins the search for a cycle: each has one of these.
    pub(super) fn begins_with(self, kind: Dependency) -> bool {
        match self.shape {
            Shape::G0 => kind == Dependency::Ww,
            Shape::G1c => kind == Dependency::Wr,
            Shape::GSingle | Shape::GNonadjacent | Shape::G2 => kind == Dependency::Rw,
        }
    }

    /// How far a walk round the cycle has come after another edge; none if it may not go there.
    pub(super) fn step(self, state: State, kind: Dependency) -> Option<State> {
        if !self.allows(kind) {
            return None;
        }
        let anti = kind == Dependency::Rw;
        match self.shape {
            Shape::G0 | Shape::G1c => Some(State::Plain),
            Shape::GSingle => (!anti).then_some(State::Plain),
            Shape::GNonadjacent if anti => (state.last() != Dependency::Rw).then_some(State::SecondJustNow),
            Shape::GNonadjacent => Some(if state.has_second() { State::Second } else { State::Plain }),
            Shape::G2 => Some(if anti || state.has_second() { State::Second } else { State::Plain }),
        }
    }

    /// Where a walk stands after the first edge.
    pub(super) fn begin(self) -> State {
        if self.shape > Shape::G1c { State::FirstJustNow } else { State::Plain }
    }

    /// Whether a walk that has come back may close the cycle.
    pub(super) fn closes(self, state: State) -> bool {
        match self.shape {
            Shape::G0 | Shape::G1c | Shape::GSingle => true,
            // The last edge touches the first, which is an anti-dependency.
            Shape::GNonadjacent => state == State::Second,
            Shape::G2 => state.has_second(),
        }
    }
}

/// What a walk has seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing that matters.
    Plain,
    /// The first anti-dependency was the last edge.
    FirstJustNow,
    /// A second anti-dependency, some time ago.
    Second,
    /// A second anti-dependency was the last edge.
    SecondJustNow,
}

impl State {
    fn last(self) -> Dependency {
        match self {
            State::FirstJustNow | State::SecondJustNow => Dependency::Rw,
            State::Plain | State::Second => Dependency::Ww,
        }
    }

    fn has_second(self) -> bool {
        matches!(self, State::Second | State::SecondJustNow)
    }

    pub(super) const COUNT: usize = 4;

    pub(super) fn index(self) -> usize {
        match self {
            State::Plain => 0,
            State::FirstJustNow => 1,
            State::Second => 2,
            State::SecondJustNow => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Dependency; 6] = [
        Dependency::Ww,
        Dependency::Wr,
        Dependency::Rw,
        Dependency::Implied,
        Dependency::Process,
        Dependency::Realtime,
    ];

    /// Every way round with this many edges.
    fn rounds(edges: usize) -> Vec<Vec<Dependency>> {
        (0..edges).fold(vec![Vec::new()], |rounds, _| {
            let longer = |round: &Vec<Dependency>| KINDS.map(|kind| [round.as_slice(), &[kind]].concat());
            rounds.iter().flat_map(longer).collect()
        })
    }

    /// What the classes are, said of a whole round.
    fn is_of(class: Class, round: &[Dependency]) -> bool {
        let count = |kind: Dependency| round.iter().filter(|edge| **edge == kind).count();
        let touch = (0..round.len()).any(|at| {
            let next = round[(at + 1) % round.len()];
            round.len() > 1 && round[at] == Dependency::Rw && next == Dependency::Rw
        });
        let extra = match class.extra {
            Extra::Nothing => count(Dependency::Process) + count(Dependency::Realtime) == 0,
            Extra::Process => count(Dependency::Realtime) == 0,
            Extra::Realtime => true,
        };
        let anti = count(Dependency::Rw);
        extra
            && match class.shape {
                Shape::G0 => anti + count(Dependency::Wr) + count(Dependency::Implied) == 0,
                Shape::G1c => anti + count(Dependency::Implied) == 0,
                Shape::GSingle => anti == 1,
                Shape::GNonadjacent => anti > 1 && !touch,
                Shape::G2 => anti > 1,
            }
    }

    #[test]
    fn a_walk_closes_exactly_the_rounds_of_its_class() {
        let classes = || SHAPES.into_iter().flat_map(|shape| EXTRAS.map(|extra| Class { shape, extra }));
        for round in (1..=5).flat_map(rounds) {
            for class in classes().filter(|class| class.begins_with(round[0])) {
                let walk = round[1..].iter().try_fold(class.begin(), |state, kind| class.step(state, *kind));
                let closes = walk.is_some_and(|state| class.closes(state));
                assert_eq!(closes, is_of(class, &round), "{class:?} {round:?}");
            }
        }
    }

    #[test]
    fn the_class_of_a_round_is_the_one_that_needs_least() {
        use Dependency::{Implied, Process, Realtime, Rw, Wr, Ww};
        for (round, name) in [
            (vec![Ww, Ww], "G0"),
            (vec![Ww, Process], "G0-process"),
            (vec![Ww, Process, Realtime, Process], "G0-realtime"),
            (vec![Ww, Wr], "G1c"),
            (vec![Ww, Implied], "G1c"),
            (vec![Rw, Wr], "G-single"),
            (vec![Rw, Realtime], "G-single-realtime"),
            (vec![Rw, Wr, Rw], "G2"),
            (vec![Rw, Rw, Rw, Process], "G2-process"),
        ] {
            assert_eq!(Class::of(round.iter().copied()).name(), name, "{round:?}");
        }
    }

    #[test]
    fn states_are_told_apart() {
        let states = [State::Plain, State::FirstJustNow, State::Second, State::SecondJustNow];
        assert_eq!(states.map(State::index), [0, 1, 2, 3]);
        assert_eq!(states.len(), State::COUNT);
    }
}
