//! A plan for people: what is set up, what is claimed, and the schedule with a line of time.

use std::fmt::Write;
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use nemesis::duration::words;
use nemesis::schedule::{Heal, Moment, Planned};
use workloads::protocol::Role;

use super::{ClientPlan, Plan};
use crate::kafka::Source;

/// How a plan is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns to use.
    pub width: u16,
}

/// The plan as text.
pub fn print(plan: &Plan, look: Look) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_plan(&mut text, plan, look);
    text
}

fn write_plan(text: &mut String, plan: &Plan, look: Look) -> std::fmt::Result {
    writeln!(text, "{}  seed {}", plan.spec, plan.seed)?;
    writeln!(text, "{}\n", plan.about)?;
    let source = match &plan.kafka.source {
        Source::Version(version) => version.clone(),
        Source::Home(home) => home.display().to_string(),
    };
    writeln!(text, "kafka    {source}, {} brokers and a controller", plan.kafka.brokers)?;
    for topic in &plan.topics {
        let config: String = topic.config.iter().map(|(key, value)| format!("  {key}={value}")).collect();
        let (name, partitions, replication) = (&topic.name, topic.partitions, topic.replication);
        writeln!(text, "topic    {name}: {partitions} partitions, {replication} replicas{config}")?;
    }
    for client in &plan.clients {
        writeln!(text, "client   {}", client_words(client))?;
    }
    if let Some(sink) = &plan.sink {
        writeln!(text, "sink     {}", sink.words())?;
    }
    writeln!(text, "claim    {}", plan.question.claim)?;
    if let Some(expect) = &plan.question.expect {
        let names: Vec<&str> = expect.violated.iter().map(|anomaly| anomaly.name()).collect();
        writeln!(text, "expect   violated by {}", names.join(", "))?;
    }
    for (file, names) in &plan.left_out {
        writeln!(text, "left out {file}: {} (decided by the lab)", names.join(", "))?;
    }
    writeln!(text)?;
    if plan.faults.is_empty() {
        return writeln!(text, "no faults");
    }
    writeln!(text, "{}\n", table(plan, look))?;
    write!(text, "{}", timeline(plan, look))
}

fn client_words(client: &ClientPlan) -> String {
    let config: String = client.properties.iter().map(|(key, value)| format!("  {key}={value}")).collect();
    let (count, name, topic) = (client.instances.len(), &client.name, &client.topic);
    let family = client.family.name();
    match &client.role {
        Role::Producer(producer) => {
            let rate =
                producer.rate.map_or("as fast as possible".to_owned(), |rate| format!("{rate}/s each"));
            let size = producer.record_size;
            format!("{name}: {count} × {family} producer to {topic}, {rate}, {size} bytes{config}")
        }
        Role::Consumer(consumer) => {
            let group = client.group.as_deref().unwrap_or("");
            let commit = consumer.commit.name();
            let member = if client.static_member { " as static members" } else { "" };
            let effect = consumer.effect.map(|mode| format!(", effect {}", mode.name())).unwrap_or_default();
            format!(
                "{name}: {count} × {family} consumer of {topic} in group {group}{member}, commit {commit}{effect}{config}"
            )
        }
    }
}

fn table(plan: &Plan, look: Look) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(look.width.max(60));
    table.set_header(["#", "at", "fault", "heal"]);
    for planned in &plan.faults {
        let name = planned.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        table.add_row([
            format!("{}{name}", planned.id),
            planned.at.to_string(),
            planned.words(),
            planned.heal.to_string(),
        ]);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// One line of time: a digit where a fault is on, `+` where several are. Faults whose moment is a condition or a
/// client's step have no place on it and are named below.
fn timeline(plan: &Plan, look: Look) -> String {
    let end = plan.faults.iter().filter_map(span).map(|(_, end)| end).max().unwrap_or(Duration::ZERO);
    let end = end.max(plan.phases.storm);
    let columns = usize::from(look.width.clamp(60, 120)) - 12;
    let place = |time: Duration| {
        let part = time.as_millis() * u128::try_from(columns).unwrap_or(1) / end.as_millis().max(1);
        usize::try_from(part).unwrap_or(0).min(columns - 1)
    };
    let mut line = vec!['·'; columns];
    for planned in &plan.faults {
        let Some((from, to)) = span(planned) else { continue };
        let mark = char::from_digit(planned.id.0 % 10, 10).unwrap_or('#');
        for cell in &mut line[place(from)..=place(to)] {
            *cell = if *cell == '·' || *cell == mark { mark } else { '+' };
        }
    }
    let line: String = line.into_iter().collect();
    let open: Vec<String> = plan
        .faults
        .iter()
        .filter(|planned| span(planned).is_none())
        .map(|planned| planned.id.to_string())
        .collect();
    let note = if open.is_empty() {
        String::new()
    } else {
        format!("fault {} when the moment comes\n", open.join(", "))
    };
    format!("storm 0s {line} {}\n{note}", words(end))
}

/// When a fault is on, as far as the plan knows; a fault that heals by itself is a point.
fn span(planned: &Planned) -> Option<(Duration, Duration)> {
    let from = match &planned.at {
        Moment::Time(time) => *time,
        Moment::When { .. } | Moment::Step(_) => return None,
    };
    match &planned.heal {
        Heal::After(lasting) => Some((from, from + *lasting)),
        Heal::Itself | Heal::AtEnd | Heal::When { .. } => Some((from, from)),
    }
}
