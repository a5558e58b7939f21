//! Generating a history with known defects.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use checker::simulate::{self, GenerateError, Manifest, Options};
use results::exit::ExitCode;
use serde::Serialize;

use super::super::terminal::print;
use super::super::{Format, Generate};
use super::Session;

impl Session {
    pub(super) fn generate(&self, args: &Generate) -> ExitCode {
        let shape = &args.shape;
        let mut with = Options::default().with;
        with.extend(&shape.with);
        with.retain(|feature| !shape.without.contains(feature));
        let options = Options {
            records: args.records,
            seed: args.seed.0,
            partitions: shape.partitions,
            producers: shape.producers,
            groups: shape.groups,
            members: shape.members,
            batch: shape.batch,
            with,
            plants: args.plants.clone(),
        };
        match write(&options, &args.out) {
            Ok(manifest) => self.generated(&manifest, &args.out),
            Err(GenerateError::Io(error)) => {
                self.error(&format!("{}: {error}", args.out.display()), ExitCode::Internal)
            }
            Err(error @ (GenerateError::Range { .. } | GenerateError::Plant(_))) => {
                self.error(&error.to_string(), ExitCode::Usage)
            }
        }
    }

    fn generated(&self, manifest: &Manifest, out: &Path) -> ExitCode {
        match self.format {
            Format::Human => {
                let defects: u64 = manifest.expected.values().sum();
                let mut text =
                    format!("{}: {} records, {defects} planted defects\n", out.display(), manifest.records);
                for (anomaly, count) in &manifest.expected {
                    text.push_str(&format!("  {count} {anomaly}\n"));
                }
                print(&text)
            }
            Format::Json => {
                let line = serde_json::json!({
                    "history": out, "records": manifest.records, "expected": manifest.expected,
                    "manifest": beside(out, ".manifest.json"), "question": beside(out, ".question.json"),
                });
                print(&format!("{line}\n"))
            }
        }
    }
}

/// Writes the history and what belongs to it. The history gets its name when it is whole.
fn write(options: &Options, out: &Path) -> Result<Manifest, GenerateError> {
    let partial = beside(out, ".partial");
    let generated = File::create(&partial)
        .map_err(GenerateError::Io)
        .and_then(|file| simulate::generate(options, BufWriter::with_capacity(1 << 20, file)));
    if generated.is_err() {
        // What is left of it is of no use; that it cannot be removed either is not the error to show.
        let _ = std::fs::remove_file(&partial);
    }
    let mut manifest = generated?;
    manifest.question.reproduce = format!("onceproof check {}", out.display());
    write_json(&beside(out, ".manifest.json"), &manifest)?;
    write_json(&beside(out, ".question.json"), &manifest.question)?;
    std::fs::rename(&partial, out)?;
    Ok(manifest)
}

fn write_json(path: &Path, what: &impl Serialize) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    serde_json::to_writer_pretty(&mut file, what)?;
    file.write_all(b"\n")?;
    file.flush()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
