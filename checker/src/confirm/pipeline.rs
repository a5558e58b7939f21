//! The definitions of consume-transform-produce.

use super::facts::Facts;
use super::{Check, Objection};
use crate::findings::Finding;

const REASON: &str = "what a transaction took in depends on all that its process polled before";

/// Inputs that the transactions of a group passed over.
pub(super) fn skipped(_: &Finding, _: &Facts<'_>) -> Check {
    Err(Objection::Argument(REASON))
}

/// Inputs that two transactions of a group took in.
pub(super) fn doubled(_: &Finding, _: &Facts<'_>) -> Check {
    Err(Objection::Argument(REASON))
}

/// Inputs with no committed output, or with several.
pub(super) fn mismatched(_: &Finding, _: &Facts<'_>) -> Check {
    Err(Objection::Argument(REASON))
}
