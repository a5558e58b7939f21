//! What a sink holds in the end, read over a connection of its own and written into the history.
//!
//! It is read in the order in which the sink holds it: by the number that the database gave each effect. Files know an
//! order only within each; between files records of a log are taken in the order of their offsets, so that only what
//! is out of order within a file is told as such. How many effects there are is asked for separately, so that a reading
//! that stopped short is seen to have.

use std::collections::BTreeMap;
use std::path::Path;

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Header, JournalError, Writer};
use history::op::{Event, Identity, Op, Run};
use workloads::protocol::SinkConfig;
use workloads::sink::{LINE_FIELDS, StoredEffect, line_checksum};

use super::postgres;
use super::service::{self, COLUMNS, Page};

/// Most runs in one event.
const RUNS: usize = 500;

/// The content of a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Its effects, in its order.
    pub effects: Vec<StoredEffect>,
    /// How many it says that it holds.
    pub total: u64,
    /// What is wrong with it, where something is.
    pub trouble: Option<String>,
}

/// Reads all that a sink holds. What goes wrong is part of the answer.
pub async fn content(config: &SinkConfig) -> Content {
    let read = match config {
        SinkConfig::Sqlite { path } => sqlite(path).map_err(|error| error.to_string()),
        SinkConfig::Postgres { host, database, .. } => {
            postgres(host, database).await.map_err(|error| error.to_string())
        }
        SinkConfig::Http { url } => service(url).await.map_err(|error| error.to_string()),
        SinkConfig::File { folder, .. } => files(folder).map_err(|error| error.to_string()),
    };
    read.unwrap_or_else(|why| Content { trouble: Some(why), ..Content::default() })
}

fn sqlite(path: &Path) -> Result<Content, rusqlite::Error> {
    let connection =
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let Page { effects, total } = service::page(&connection, i64::MIN, -1)?;
    Ok(Content { effects, total, trouble: None })
}

async fn postgres(host: &str, database: &str) -> Result<Content, tokio_postgres::Error> {
    let client = postgres::connect(host, database).await?;
    let total: i64 = client.query_one("SELECT count(*) FROM effects", &[]).await?.get(0);
    let rows = client.query(&format!("SELECT {COLUMNS} FROM effects ORDER BY id"), &[]).await?;
    let number =
        |row: &tokio_postgres::Row, at: usize| u32::try_from(row.get::<_, i64>(at)).unwrap_or(u32::MAX);
    let effect = |row: &tokio_postgres::Row| StoredEffect {
        id: row.get(0),
        consumer_group: row.get(1),
        topic: row.get(2),
        partition: row.get(3),
        record_offset: row.get(4),
        producer: number(row, 5),
        seq: number(row, 6),
        member: number(row, 7),
    };
    let effects = rows.iter().map(effect).collect();
    Ok(Content { effects, total: u64::try_from(total).unwrap_or_default(), trouble: None })
}

async fn service(url: &str) -> Result<Content, reqwest::Error> {
    let patience = std::time::Duration::from_secs(10);
    let client = reqwest::Client::builder().no_proxy().timeout(patience).build()?;
    let mut content = Content::default();
    loop {
        let after = content.effects.last().and_then(|effect| effect.id).unwrap_or(0);
        let asked = client.get(format!("{url}/effects")).query(&[("after", after)]).send().await?;
        let page: Page = asked.error_for_status()?.json().await?;
        content.total = page.total;
        if page.effects.is_empty() {
            return Ok(content);
        }
        content.effects.extend(page.effects);
    }
}

fn files(folder: &Path) -> Result<Content, std::io::Error> {
    let mut content = Content::default();
    // Of each log of each group, what each file holds of it.
    let mut logs: BTreeMap<(String, TopicPartition), Vec<Vec<StoredEffect>>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "effects") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        content.total += text.matches('\n').count() as u64;
        let mut own: BTreeMap<(String, TopicPartition), Vec<StoredEffect>> = BTreeMap::new();
        match lines(&text) {
            Ok(effects) => {
                for effect in effects {
                    let log = TopicPartition::new(effect.topic.clone(), effect.partition);
                    own.entry((effect.consumer_group.clone(), log)).or_default().push(effect);
                }
            }
            Err(line) => content.trouble = Some(format!("{}: line {line} is damaged", path.display())),
        }
        own.into_iter().for_each(|(log, effects)| logs.entry(log).or_default().push(effects));
    }
    content.effects = logs.into_values().flat_map(by_offset).collect();
    Ok(content)
}

/// The effects of a file's whole lines, each of which knows the one before it; or the number of the first that does not.
fn lines(text: &str) -> Result<Vec<StoredEffect>, usize> {
    let whole = text.rfind('\n').map_or("", |last| &text[..last]);
    let mut effects = Vec::new();
    let mut before = "";
    for (number, line) in whole.lines().enumerate() {
        let effect = effect(line, before).ok_or(number + 1)?;
        effects.push(effect);
        before = line;
    }
    Ok(effects)
}

fn effect(line: &str, before: &str) -> Option<StoredEffect> {
    let fields: Vec<&str> = line.split('\t').collect();
    let fields: [&str; LINE_FIELDS] = fields.try_into().ok()?;
    let [group, topic, partition, offset, producer, seq, member, checksum] = fields;
    (checksum.parse() == Ok(line_checksum(before))).then_some(())?;
    Some(StoredEffect {
        id: None,
        consumer_group: group.to_owned(),
        topic: topic.to_owned(),
        partition: partition.parse().ok()?,
        record_offset: offset.parse().ok()?,
        producer: producer.parse().ok()?,
        seq: seq.parse().ok()?,
        member: member.parse().ok()?,
    })
}

/// Several files' effects of one log, merged by the offset of the next of each.
fn by_offset(files: Vec<Vec<StoredEffect>>) -> Vec<StoredEffect> {
    let mut heads: Vec<_> = files.into_iter().map(|file| file.into_iter().peekable()).collect();
    let mut merged = Vec::new();
    loop {
        let next = heads
            .iter_mut()
            .enumerate()
            .filter_map(|(at, head)| Some((head.peek()?.record_offset, at)))
            .min();
        match next.and_then(|(_, at)| heads[at].next()) {
            Some(effect) => merged.push(effect),
            None => return merged,
        }
    }
}

/// Who read it, for the journal of one group.
fn reader(group: &str) -> Identity {
    Identity {
        name: format!("sink of {group}"),
        role: "sink-reader".to_owned(),
        family: "onceproof".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        group: Some(group.to_owned()),
        isolation: None,
    }
}

/// Writes what the sink holds of one group into a journal of its own.
///
/// # Errors
/// When the journal cannot be written.
pub fn record(
    content: &Content,
    (group, run, process): (&str, u64, Process),
    (path, now): (&Path, Nanos),
) -> Result<(), JournalError> {
    let mut journal = Writer::create(path, &Header { run, process, identity: reader(group) })?;
    let event = |journal: &mut Writer, op| journal.event(&Event::moment(now, process, op));
    let own: Vec<&StoredEffect> =
        content.effects.iter().filter(|effect| effect.consumer_group == group).collect();
    let mut logs: BTreeMap<TopicPartition, LogId> = BTreeMap::new();
    let mut runs: Vec<Run> = Vec::new();
    for effect in &own {
        let name = TopicPartition::new(effect.topic.clone(), effect.partition);
        let log = match logs.get(&name) {
            Some(log) => *log,
            None => *logs.entry(name.clone()).or_insert(journal.log(&name)?),
        };
        let first = Value { process: Process(effect.producer), seq: Seq(effect.seq) };
        let next = Run { log, offset: Offset(effect.record_offset), first, count: 1 };
        match runs.last_mut() {
            Some(run) if follows(run, &next) => run.count += 1,
            _ => runs.push(next),
        }
    }
    for runs in runs.chunks(RUNS) {
        event(&mut journal, Op::SinkRead { runs: runs.to_vec() })?;
    }
    // What the sink holds of other groups is theirs; what it says that it holds and nobody could read is held against
    // every group, because it may be anybody's.
    let others = (content.effects.len() - own.len()) as u64;
    if content.trouble.is_none() || content.total > 0 {
        event(&mut journal, Op::SinkReadEnd { effects: content.total.saturating_sub(others) })?;
    }
    event(&mut journal, Op::Close)?;
    journal.close()
}

fn follows(run: &Run, next: &Run) -> bool {
    run.log == next.log
        && run.first.process == next.first.process
        && run.offset.0 + i64::from(run.count) == next.offset.0
        && run.first.seq.0.checked_add(run.count) == Some(next.first.seq.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(offset: i64, before: &str) -> String {
        format!("billing\torders\t0\t{offset}\t1\t{offset}\t9\t{}", line_checksum(before))
    }

    #[test]
    fn a_torn_last_line_is_no_effect_and_a_missing_one_is_noticed() {
        let first = line(0, "");
        let second = line(1, &first);
        let third = line(2, &second);
        let offsets = |text: &str| {
            lines(text).map(|effects| effects.iter().map(|effect| effect.record_offset).collect::<Vec<_>>())
        };
        assert_eq!(offsets(&format!("{first}\n{second}\n{third}\n")), Ok(vec![0, 1, 2]));
        assert_eq!(offsets(&format!("{first}\n{second}\n{}", &third[..9])), Ok(vec![0, 1]));
        assert_eq!(offsets(&format!("{first}\n{third}\n")), Err(2));
        assert_eq!(offsets(""), Ok(vec![]));
    }

    #[test]
    fn files_are_merged_by_offset_and_each_keeps_its_own_order() {
        let of = |offsets: &[i64]| {
            offsets.iter().map(|offset| effect(&line(*offset, ""), "").unwrap()).collect::<Vec<_>>()
        };
        let merged = by_offset(vec![of(&[0, 1, 6, 5]), of(&[2, 3, 4, 1])]);
        let offsets: Vec<i64> = merged.iter().map(|effect| effect.record_offset).collect();
        assert_eq!(offsets, [0, 1, 2, 3, 4, 1, 6, 5]);
    }
}
