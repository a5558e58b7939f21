//! What must be true of every finding of a correct finder: an independent look confirms it, or has a reason not to.

use checker::anomaly::Anomaly;
use checker::confirm::{Answer, Confirmation, confirm};
use checker::findings::Findings;
use history::merged::History;

/// Confirms all that is kept; the first that is refuted, or left to argument without a documented reason.
pub(crate) fn contradiction(history: &History, findings: &Findings) -> Option<(Anomaly, usize, Answer)> {
    let confirmations = confirm(history, findings).unwrap();
    for (anomaly, tally) in &findings.anomalies {
        for nth in 0..tally.witnesses().count() {
            let answer = confirmations.of(*anomaly, nth);
            let fine = match answer.confirmation {
                Confirmation::BruteForce => true,
                Confirmation::Argument => answer.why.as_deref().is_some_and(is_documented),
                Confirmation::Refuted => false,
            };
            if !fine {
                return Some((*anomaly, nth, answer));
            }
        }
    }
    None
}

/// The reasons that `docs/check.md` gives.
fn is_documented(why: &str) -> bool {
    let documented = include_str!("../../../docs/check.md");
    documented.replace("\n", " ").contains(why)
}

/// Panics with what contradicts.
pub(crate) fn assert_confirmed(history: &History, findings: &Findings, what: &dyn Fn() -> String) {
    if let Some((anomaly, nth, answer)) = contradiction(history, findings) {
        let finding = findings.anomalies[&anomaly].witnesses().nth(nth);
        panic!("{anomaly} #{}: {answer:?}\n{finding:#?}\n{}", nth + 1, what());
    }
}
