//! Files: effects as lines that are only appended, with the offset beside each, as one does on stores without transactions.
//!
//! Each incarnation of a member appends to a file of its own, `<process>.effects`, so that a line torn by its death is
//! nobody else's problem: without a line end it is no effect. A line is
//!
//! ```text
//! group TAB topic TAB partition TAB offset TAB producer TAB seq TAB member TAB checksum-of-the-line-before
//! ```
//!
//! The group's position in a log is behind the highest offset over all files, and a record is known if any file holds it:
//! so offset or key are stored *with* the effect, without a transaction. What must be looked up before it is written (a
//! checked position, a key) is read and written under a lock on the folder, which the kernel takes back from the dead. The
//! lock is advisory and not a lease: a member that is stopped while it holds it stops the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use history::ids::{Offset, Process, TopicPartition};
use nix::fcntl::{Flock, FlockArg};

use super::{Answer, Keep, SinkError, Write};
use crate::protocol::EffectMode;

const KIND: &str = "file";
/// Fields of a line.
pub const LINE_FIELDS: usize = 8;

/// What a line says about the line before it: its checksum, without the line end; 0 for a file's first line.
pub fn line_checksum(before: &str) -> u32 {
    if before.is_empty() { 0 } else { crc32c::crc32c(before.as_bytes()) }
}

/// One member's file among those of all members.
#[derive(Debug)]
pub struct File {
    folder: PathBuf,
    name: String,
    own: fs::File,
    sync: bool,
    keeps_keys: bool,
    /// Length of what was written whole.
    length: u64,
    last: String,
    known: Known,
}

/// What the files hold, as far as they have been read.
#[derive(Debug, Default)]
struct Known {
    /// How far each other file has been read.
    read: BTreeMap<String, u64>,
    next: HashMap<(String, TopicPartition), i64>,
    keys: BTreeSet<(String, u32, u32)>,
}

impl File {
    pub(super) fn open(
        folder: &Path,
        member: Process,
        (sync, effect): (bool, EffectMode),
    ) -> Result<Self, SinkError> {
        let keeps_keys = match effect {
            EffectMode::Deduplicated => true,
            EffectMode::DeduplicatedExpiring => {
                return Err(SinkError::certain(KIND, "lines hold no time, so no key can be forgotten"));
            }
            EffectMode::Plain
            | EffectMode::OffsetInSink
            | EffectMode::OffsetInSinkUnchecked
            | EffectMode::DeduplicatedInMemory => false,
        };
        let name = format!("{member}.effects");
        let path = folder.join(&name);
        let own = OpenOptions::new().create_new(true).append(true).open(&path);
        let own = own.map_err(|error| failed(&path, &error))?;
        Ok(Self {
            folder: folder.to_owned(),
            name,
            own,
            sync,
            keeps_keys,
            length: 0,
            last: String::new(),
            known: Known::default(),
        })
    }

    pub(super) fn store(&mut self, write: &Write<'_>) -> Result<Answer, SinkError> {
        let _lock = match write.keep {
            Keep::Nothing | Keep::Position { from: None, .. } => None,
            Keep::Position { from: Some(_), .. } | Keep::Key { .. } => {
                let lock = self.lock()?;
                self.refresh()?;
                Some(lock)
            }
        };
        if let Keep::Position { from: Some(from), .. } = write.keep {
            let position = self.known.position(write.group, write.log);
            if position != from {
                return Ok(Answer::Refused { position });
            }
        }
        let fresh = |effect: &&super::Effect| match write.keep {
            Keep::Nothing | Keep::Position { .. } => true,
            Keep::Key { .. } => !self.known.keys.contains(&key(write.group, effect)),
        };
        let mut once = BTreeSet::new();
        let mut lines = String::new();
        let mut last = self.last.clone();
        for effect in write.effects.iter().filter(fresh) {
            if self.keeps_keys && !once.insert(key(write.group, effect)) {
                continue;
            }
            last = line(write, effect, &last);
            lines.push_str(&last);
            lines.push('\n');
        }
        let stored = lines.lines().count() as u64;
        self.append(&lines)?;
        self.last = last;
        for line in lines.lines() {
            self.known.take(line, self.keeps_keys);
        }
        Ok(Answer::Held { fresh: stored })
    }

    pub(super) fn position(&mut self, group: &str, log: &TopicPartition) -> Result<Offset, SinkError> {
        let _lock = self.lock()?;
        self.refresh()?;
        Ok(self.known.position(group, log))
    }

    fn lock(&self) -> Result<Flock<fs::File>, SinkError> {
        let path = self.folder.join("lock");
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| failed(&path, &error))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| failed(&path, &error.into()))
    }

    /// Appends whole lines, or nothing.
    fn append(&mut self, lines: &str) -> Result<(), SinkError> {
        let written = self.own.write_all(lines.as_bytes()).and_then(|()| match self.sync {
            true => self.own.sync_data(),
            false => Ok(()),
        });
        let Err(error) = written else {
            self.length += lines.len() as u64;
            return Ok(());
        };
        let why = format!("{}: {error}", self.name);
        // What stands there in part must not be taken for the beginning of the next line.
        match self.own.set_len(self.length).and_then(|()| self.own.sync_data()) {
            Ok(()) => Err(SinkError::certain(KIND, why)),
            Err(_) => Err(SinkError::unknown(KIND, why)),
        }
    }

    /// Reads what the others have appended.
    fn refresh(&mut self) -> Result<(), SinkError> {
        let listed = fs::read_dir(&self.folder).map_err(|error| failed(&self.folder, &error))?;
        for entry in listed {
            let entry = entry.map_err(|error| failed(&self.folder, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".effects") && name != self.name {
                self.read_on(&name)?;
            }
        }
        Ok(())
    }

    fn read_on(&mut self, name: &str) -> Result<(), SinkError> {
        let path = self.folder.join(name);
        let from = self.known.read.entry(name.to_owned()).or_default();
        let mut bytes = Vec::new();
        let read = fs::File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(*from))?;
            file.read_to_end(&mut bytes)
        });
        read.map_err(|error| failed(&path, &error))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        *from += whole as u64;
        let text = String::from_utf8_lossy(&bytes[..whole]).into_owned();
        for line in text.lines() {
            self.known.take(line, self.keeps_keys);
        }
        Ok(())
    }
}

impl Known {
    fn position(&self, group: &str, log: &TopicPartition) -> Offset {
        Offset(self.next.get(&(group.to_owned(), log.clone())).copied().unwrap_or(0))
    }

    /// Takes note of a line. One that is none was written by somebody else, who is not asked here.
    fn take(&mut self, line: &str, keeps_keys: bool) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [group, topic, partition, offset, producer, seq, _, _] = fields.as_slice() else { return };
        let (Ok(partition), Ok(offset)) = (partition.parse(), offset.parse::<i64>()) else { return };
        let next =
            self.next.entry(((*group).to_owned(), TopicPartition::new(*topic, partition))).or_default();
        *next = (*next).max(offset.saturating_add(1));
        if let (true, Ok(producer), Ok(seq)) = (keeps_keys, producer.parse(), seq.parse()) {
            self.keys.insert(((*group).to_owned(), producer, seq));
        }
    }
}

fn key(group: &str, effect: &super::Effect) -> (String, u32, u32) {
    (group.to_owned(), effect.value.process.0, effect.value.seq.0)
}

fn line(write: &Write<'_>, effect: &super::Effect, before: &str) -> String {
    let (group, member) = (write.group, write.member.0);
    let TopicPartition { topic, partition } = write.log;
    let (offset, producer, seq) = (effect.offset.0, effect.value.process.0, effect.value.seq.0);
    let checksum = line_checksum(before);
    format!("{group}\t{topic}\t{partition}\t{offset}\t{producer}\t{seq}\t{member}\t{checksum}")
}

fn failed(path: &Path, error: &std::io::Error) -> SinkError {
    SinkError::certain(KIND, format!("{}: {error}", path.display()))
}
