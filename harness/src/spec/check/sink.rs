//! Sinks that the consumers use, and consumers whose way of committing goes with what they keep in the sink.

use workloads::protocol::{Commit, EffectMode};

use super::super::client::{Client, Role};
use super::super::sink::SinkKind;
use super::Check;

impl Check<'_> {
    /// The sink as a whole.
    pub(super) fn sink(&mut self) {
        let Some(sink) = &self.spec.sink else { return };
        let used = self.spec.clients.values().any(|client| client.effect.is_some());
        if !used {
            self.value(
                &["sink"],
                "nobody uses this sink",
                "say with effect = \"plain\" (or another mode) which consumer does",
            );
        }
        if sink.sync.is_some() && sink.kind != SinkKind::File {
            let message = format!("a sink of kind \"{}\" has no \"sync\"", sink.kind.name());
            self.key(&["sink", "sync"], message, "it says whether a file is synced: leave it out");
        }
    }

    /// What one consumer does with it.
    pub(super) fn effect(&mut self, name: &str, client: &Client) {
        let Some(effect) = client.effect else {
            if client.commit == Some(Commit::InSink) {
                let help = "effect = \"offset-in-sink\"; or another way to commit";
                self.value(
                    &["clients", name, "commit"],
                    "positions are kept in a sink by an effect mode",
                    help,
                );
            }
            if client.deduplicate_for.is_some() {
                self.key(
                    &["clients", name, "deduplicate-for"],
                    "\"deduplicate-for\" means nothing here",
                    "it goes with effect = \"deduplicated-expiring\"",
                );
            }
            return;
        };
        if client.role == Role::Producer {
            return;
        }
        let path = ["clients", name, "effect"];
        let Some(sink) = &self.spec.sink else {
            let help = "for instance [sink] with kind = \"sqlite\"";
            self.value(&path, "there is no sink in which effects could be kept", help);
            return;
        };
        if sink.kind == SinkKind::File && effect == EffectMode::DeduplicatedExpiring {
            let help = "sqlite, postgres and http keep a time with each key";
            self.value(&path, "the lines of a file hold no time, so no key can expire", help);
        }
        self.commit_goes_with(name, client, effect);
        match (effect, client.deduplicate_for) {
            (EffectMode::DeduplicatedExpiring, None) => self.value(
                &path,
                "it is not said when a key expires",
                "for instance deduplicate-for = \"2s\"",
            ),
            (EffectMode::DeduplicatedExpiring, Some(_)) | (_, None) => {}
            (_, Some(_)) => {
                let message = format!("with effect = \"{}\" no key expires", effect.name());
                let help = "leave it out, or use \"deduplicated-expiring\"";
                self.key(&["clients", name, "deduplicate-for"], message, help);
            }
        }
    }

    fn commit_goes_with(&mut self, name: &str, client: &Client, effect: EffectMode) {
        let path = ["clients", name, "commit"];
        match (effect.keeps_positions(), client.commit) {
            (_, None) | (true, Some(Commit::InSink)) => {}
            (true, Some(commit)) => {
                let message = format!(
                    "commit = \"{}\" contradicts effect = \"{}\", which keeps positions in the sink",
                    commit.name(),
                    effect.name()
                );
                self.value(&path, message, "leave it out: nothing is committed to Kafka");
            }
            (false, Some(Commit::InSink)) => {
                let message = format!("effect = \"{}\" keeps no positions in the sink", effect.name());
                self.value(&path, message, "effect = \"offset-in-sink\"; or another way to commit");
            }
            (false, Some(_)) => {}
        }
    }
}
