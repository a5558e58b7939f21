//! The store: `store/<spec>/<utc>-<id>/`, one directory for each run, and `latest` links to the newest.
//!
//! ```text
//! store/latest -> acks-1-leader-crash/20261121T124501Z-5f3a9c
//! store/acks-1-leader-crash/latest -> 20261121T124501Z-5f3a9c
//! store/acks-1-leader-crash/20261121T124501Z-5f3a9c/
//!     run.json plan.json journals/ history verdict.json report.txt logs/<node>/
//! ```
//!
//! Documents are replaced atomically (written beside, flushed, renamed), so that a reader sees the old or the new one
//! and never half of one, also after a power cut. Whoever records a run holds a lock on its directory for as long as
//! it lives; the kernel gives it back with the process, however that ends. Nothing here deletes a run.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why the store could not do its job.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("failed to {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A document that is not what it should be.
    #[error("{} is not a {kind}", path.display())]
    Document {
        /// Which file.
        path: PathBuf,
        /// What it should have been.
        kind: &'static str,
        /// Where it fails.
        source: serde_json::Error,
    },
    /// Another process is recording into this run.
    #[error("{} is being recorded by another process", path.display())]
    Locked {
        /// The run directory.
        path: PathBuf,
    },
    /// No run of that name.
    #[error("no run \"{name}\" in {}: expected a run directory, a spec's name (its latest run), an id or \"latest\"", root.display())]
    NoSuchRun {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        root: PathBuf,
    },
    /// Several runs match.
    #[error("\"{name}\" could be any of {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The runs it could be, at most a few.
        candidates: Vec<String>,
    },
}

/// All runs kept below one directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// The directory of one run.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Held while the run is recorded or judged by this process.
    lock: Option<File>,
}

/// What names a run directory: all of it chosen by the caller, so that this module needs no clock and no dice.
#[derive(Clone, Copy, Debug)]
pub struct RunName<'a> {
    /// The spec's name; characters that do not belong into a file name become `-`.
    pub spec: &'a str,
    /// When the run began.
    pub began: jiff::Timestamp,
    /// The run's id, of which the name shows the lower 24 bits.
    pub run: u64,
}

impl RunName<'_> {
    /// The directory below the store: `<spec>/<utc>-<id>`.
    fn below_root(&self) -> PathBuf {
        let utc = self.began.strftime("%Y%m%dT%H%M%SZ");
        Path::new(&file_name(self.spec)).join(format!("{utc}-{:06x}", self.run & 0xff_ffff))
    }
}

/// The text as a single, visible path component.
fn file_name(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().take(80).map(keep).collect();
    let name = name.trim_matches('.');
    if name.is_empty() || name == "latest" { format!("spec-{name}") } else { name.to_owned() }
}

impl Store {
    /// The store below `root`, which is created with the first run.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Store { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates and locks the directory of a new run and points the `latest` links at it.
    pub fn create(&self, name: RunName<'_>) -> Result<RunDir, StoreError> {
        let below = name.below_root();
        let path = self.root.join(&below);
        let spec = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(spec).map_err(io("create", spec))?;
        fs::create_dir(&path).map_err(io("create", &path))?;
        for part in ["journals", "logs"] {
            let part = path.join(part);
            fs::create_dir(&part).map_err(io("create", &part))?;
        }
        let path = fs::canonicalize(&path).map_err(io("resolve", &path))?;
        let mut run = RunDir { path, lock: None };
        run.lock()?;
        link(&spec.join("latest"), Path::new(below.file_name().unwrap_or_default()))?;
        link(&self.root.join("latest"), &below)?;
        Ok(run)
    }

    /// The run that a user means: a path, `latest`, a spec's name (its latest), or (part of) a run's directory name.
    pub fn find(&self, name: &str) -> Result<RunDir, StoreError> {
        let none = || StoreError::NoSuchRun { name: name.to_owned(), root: self.root.clone() };
        if name.is_empty() {
            return Err(none());
        }
        let direct = [PathBuf::from(name), self.root.join(name)];
        for path in direct.iter().flat_map(|path| [path.clone(), path.join("latest")]) {
            if let Ok(run) = RunDir::open(&path) {
                return Ok(run);
            }
        }
        let mut found: Vec<PathBuf> = self.runs()?;
        found.retain(|path| {
            path.file_name().is_some_and(|directory| {
                let directory = directory.to_string_lossy();
                directory.starts_with(name) || directory.ends_with(&format!("-{name}"))
            })
        });
        match found.as_slice() {
            [] => Err(none()),
            [only] => RunDir::open(only),
            several => Err(StoreError::Ambiguous {
                name: name.to_owned(),
                candidates: several.iter().take(5).map(|path| path.display().to_string()).collect(),
            }),
        }
    }

    /// Every run directory, by spec and time.
    pub fn runs(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut runs = Vec::new();
        for spec in directories(&self.root)? {
            runs.extend(directories(&spec)?.into_iter().filter(|path| is_run(path)));
        }
        Ok(runs)
    }
}

/// The directories below one, in order of their names, links left out; none where it does not exist.
fn directories(below: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(below) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("read", below)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io("read", below))?;
        if entry.file_type().map_err(io("read", below))?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a directory is that of a run: it holds journals, or a history.
fn is_run(path: &Path) -> bool {
    path.join("journals").is_dir() || path.join("history").is_file()
}

impl RunDir {
    /// Opens the directory of a run without locking it.
    pub fn open(path: &Path) -> Result<RunDir, StoreError> {
        let path = fs::canonicalize(path).map_err(io("open", path))?;
        if !is_run(&path) {
            let root = path.parent().unwrap_or(Path::new("")).to_owned();
            return Err(StoreError::NoSuchRun { name: path.display().to_string(), root });
        }
        Ok(RunDir { path, lock: None })
    }

    /// Takes the lock, so that no other process records into this directory; given back when `self` is dropped.
    pub fn lock(&mut self) -> Result<(), StoreError> {
        let path = self.path.join("lock");
        let file = File::options().create(true).append(true).open(&path).map_err(io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {
                self.lock = Some(file);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: self.path.clone() }),
            Err(TryLockError::Error(error)) => Err(io("lock", &path)(error)),
        }
    }

    /// Where it is, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `journals/`: one file for each process.
    pub fn journals(&self) -> PathBuf {
        self.path.join("journals")
    }

    /// `journals/<process>-<name>.journal`.
    pub fn journal(&self, process: history::ids::Process, name: &str) -> PathBuf {
        self.journals().join(format!("{process}-{}.journal", file_name(name)))
    }

    /// Every journal, in order of the process number.
    pub fn list_journals(&self) -> Result<Vec<PathBuf>, StoreError> {
        let below = self.journals();
        let mut found = Vec::new();
        for entry in fs::read_dir(&below).map_err(io("read", &below))? {
            let path = entry.map_err(io("read", &below))?.path();
            if path.extension().is_some_and(|extension| extension == "journal") {
                found.push(path);
            }
        }
        found.sort_by_key(|path| (process_number(path), path.clone()));
        Ok(found)
    }

    /// `history`: the merged form.
    pub fn history(&self) -> PathBuf {
        self.path.join("history")
    }

    /// `logs/<node>/`, created.
    pub fn logs(&self, node: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join("logs").join(file_name(node));
        fs::create_dir_all(&path).map_err(io("create", &path))?;
        Ok(path)
    }

    /// Writes a document (`run.json`, `plan.json`, `verdict.json`), replacing it atomically.
    pub fn write_json<T: Serialize>(&self, name: &'static str, document: &T) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        let mut text = serde_json::to_string_pretty(document).map_err(|source| StoreError::Document {
            path: path.clone(),
            kind: name,
            source,
        })?;
        text.push('\n');
        self.write_text(name, &text)
    }

    /// Writes a text (`report.txt`), replacing it atomically.
    pub fn write_text(&self, name: &str, text: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        replace(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Reads a document back.
    pub fn read_json<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, StoreError> {
        let path = self.path.join(name);
        let text = fs::read_to_string(&path).map_err(io("read", &path))?;
        serde_json::from_str(&text).map_err(|source| StoreError::Document { path, kind: name, source })
    }
}

/// The number that a journal's file name begins with.
fn process_number(path: &Path) -> u64 {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
}

/// Replaces a file as a whole: written beside it, flushed to the disk, renamed, and the rename flushed too.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let beside = beside(path);
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    })();
    written.map_err(|error| {
        // The name is ours (it holds our process id); what is left of a failed write is of no use to anybody.
        let _ = fs::remove_file(&beside);
        io("write", path)(error)
    })
}

/// Points a symbolic link at a target, replacing it atomically.
fn link(path: &Path, target: &Path) -> Result<(), StoreError> {
    let beside = beside(path);
    let _ = fs::remove_file(&beside);
    std::os::unix::fs::symlink(target, &beside).map_err(io("link", path))?;
    fs::rename(&beside, path).map_err(io("link", path))
}

/// A name beside a path that no other process uses.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// An error with what was tried and where.
fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(spec: &str, second: i64) -> RunName<'_> {
        RunName { spec, began: jiff::Timestamp::from_second(second).unwrap(), run: 0x12_34ab_cdef }
    }

    #[test]
    fn a_run_is_found_by_path_spec_id_and_latest() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path().join("store"));
        let first = store.create(name("acks-1", 0)).unwrap();
        assert!(first.path().ends_with("acks-1/19700101T000000Z-abcdef"), "{}", first.path().display());
        let second = store.create(name("acks-1", 1)).unwrap();
        let third = store.create(name("quick/../start", 2)).unwrap();
        assert!(third.path().ends_with("quick-..-start/19700101T000002Z-abcdef"));
        assert_eq!(store.find("latest").unwrap().path(), third.path());
        assert_eq!(store.find("acks-1").unwrap().path(), second.path());
        assert_eq!(store.find("19700101T000000Z").unwrap().path(), first.path());
        assert_eq!(store.find(first.path().to_str().unwrap()).unwrap().path(), first.path());
        assert!(
            matches!(store.find("abcdef"), Err(StoreError::Ambiguous { candidates, .. }) if candidates.len() == 3)
        );
        assert!(matches!(store.find("nothing"), Err(StoreError::NoSuchRun { .. })));
        assert!(matches!(store.find(""), Err(StoreError::NoSuchRun { .. })));
        assert_eq!(store.runs().unwrap().len(), 3);
    }

    #[test]
    fn one_process_at_a_time_records_into_a_run() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let held = store.create(name("spec", 0)).unwrap();
        let mut other = RunDir::open(held.path()).unwrap();
        assert!(matches!(other.lock(), Err(StoreError::Locked { .. })));
        drop(held);
        other.lock().unwrap();
        assert!(matches!(store.create(name("spec", 0)), Err(StoreError::Io { doing: "create", .. })));
    }

    #[test]
    fn a_document_is_replaced_whole_and_nothing_is_left_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let run = Store::new(root.path()).create(name("spec", 0)).unwrap();
        run.write_json("run.json", &vec![1; 10_000]).unwrap();
        run.write_json("run.json", &vec![2, 3]).unwrap();
        assert_eq!(run.read_json::<Vec<u32>>("run.json").unwrap(), [2, 3]);
        assert!(matches!(run.read_json::<String>("run.json"), Err(StoreError::Document { .. })));
        let mut left: Vec<_> =
            fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["journals", "lock", "logs", "run.json"]);
    }

    #[test]
    fn journals_are_listed_by_process_number() {
        let root = tempfile::tempdir().unwrap();
        let run = Store::new(root.path()).create(name("spec", 0)).unwrap();
        for process in [10, 2, 0] {
            fs::write(run.journal(history::ids::Process(process), "shop[0]"), b"").unwrap();
        }
        let names: Vec<String> = run
            .list_journals()
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["0-shop-0-.journal", "2-shop-0-.journal", "10-shop-0-.journal"]);
    }
}
