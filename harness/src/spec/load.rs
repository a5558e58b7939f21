//! Finding and reading a spec: by name or path, with what it starts from and what the command line changes.
//!
//! The one place of the spec that touches the file system; what it read is kept, so that planning is pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{Problem, SpecError, source};
use super::read::{nearest, read};
use super::tree::{Entry, Origin, Source, SourceKind, Tree, Value};
use super::{BUILT_IN, BuiltIn, Spec, check, parse_file};

/// A spec that was read and whose parts fit together.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// How it was named: what `run` was given.
    pub given: String,
    /// The text that it was read from.
    pub source: Arc<Source>,
    /// The changes from the command line.
    pub sets: Vec<String>,
    /// Its name: a built-in spec's, or the file's without its extension.
    pub name: String,
    /// The spec, with everything merged and `from` resolved.
    pub spec: Spec,
    /// `kafka.home`, from where the spec is.
    pub home: Option<PathBuf>,
    /// What its properties files hold, by the key that names them: `kafka.server-file`, `clients.shop.config-file`.
    pub files: BTreeMap<String, BTreeMap<String, String>>,
}

/// Most specs that may start from one another.
const DEEPEST: usize = 8;

/// Reads the spec that a user names: an existing path, else a built-in name. `sets` are `key=value` changes.
///
/// # Errors
/// When it does not exist, cannot be read, or has anything wrong with it.
pub fn load(name: &str, sets: &[String]) -> Result<Loaded, SpecError> {
    let fail = |problems| SpecError { spec: name.to_owned(), problems };
    let one = |problem| fail(vec![problem]);
    let found = find(name, None).map_err(one)?;
    let title = title(&found);
    let mut tree = resolved(&found, 0).map_err(one)?;
    for text in sets {
        let over = parse_set(text, &tree).map_err(one)?;
        tree = over.over(tree);
    }
    let spec: Spec = read(&tree).map_err(one)?;
    let mut problems = check::all(&spec, &tree);
    let files = match properties_files(&spec, &tree) {
        Ok(files) => files,
        Err(problem) => {
            problems.push(problem);
            BTreeMap::new()
        }
    };
    problems.extend(check::files(&spec, &files, &tree));
    if !problems.is_empty() {
        return Err(fail(problems));
    }
    let home = spec.kafka.home.as_ref().map(|home| beside(home, &tree.nearest(&["kafka", "home"]).origin));
    Ok(Loaded { given: name.to_owned(), source: found, sets: sets.to_vec(), name: title, spec, home, files })
}

fn title(source: &Source) -> String {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    match &source.kind {
        SourceKind::File(path) => stem(path).unwrap_or_else(|| "spec".to_owned()),
        SourceKind::BuiltIn | SourceKind::CommandLine => {
            source.name.trim_start_matches(BUILT_IN_PREFIX).to_owned()
        }
    }
}

const BUILT_IN_PREFIX: &str = "built-in spec ";

/// The spec of a name. `beside` is the file that names it, where one does.
fn find(name: &str, beside: Option<&Origin>) -> Result<Arc<Source>, Problem> {
    let path = match beside.map(|origin| &origin.source.kind) {
        Some(SourceKind::File(file)) => file.parent().unwrap_or(Path::new("")).join(name),
        Some(SourceKind::BuiltIn | SourceKind::CommandLine) | None => PathBuf::from(name),
    };
    let looks_like_path =
        name.contains('/') || Path::new(name).extension().is_some_and(|kind| kind == "toml");
    // A built-in name means the built-in spec, whatever lies in the folder (the repository has a script of that name).
    if looks_like_path || (BuiltIn::named(name).is_none() && path.is_file()) {
        return match std::fs::read_to_string(&path) {
            Ok(text) => Ok(source(path.display().to_string(), text, SourceKind::File(path))),
            Err(error) => Err(nowhere(beside, format!("cannot read {}: {error}", path.display()))),
        };
    }
    match BuiltIn::named(name) {
        Some(spec) => {
            Ok(source(format!("{BUILT_IN_PREFIX}{name}"), spec.text.to_owned(), SourceKind::BuiltIn))
        }
        None => {
            let names = BUILT_IN.iter().map(|spec| spec.name);
            let near = nearest(name, names.clone())
                .map(|near| format!("did you mean \"{near}\"? "))
                .unwrap_or_default();
            let all = names.collect::<Vec<_>>().join(", ");
            let message = format!("there is no spec \"{name}\": neither a file nor a built-in spec");
            Err(nowhere(beside, message).help(format!("{near}built-in specs: {all}")))
        }
    }
}

fn nowhere(beside: Option<&Origin>, message: String) -> Problem {
    match beside {
        Some(origin) => Problem::at(message, origin.clone()),
        None => Problem::of_all(message),
    }
}

/// The tree of a source, laid over what it starts from.
fn resolved(source: &Arc<Source>, depth: usize) -> Result<Tree, Problem> {
    let tree = Tree::parse(source)?;
    let Some((name, origin)) = tree.text("from").map(|(name, origin)| (name.to_owned(), origin.clone()))
    else {
        return Ok(tree);
    };
    if depth == DEEPEST {
        let message = format!("more than {DEEPEST} specs start from one another");
        return Err(Problem::at(message, origin).help("does a spec start from itself?"));
    }
    let base = resolved(&find(&name, Some(&origin))?, depth + 1)?;
    Ok(tree.over(base))
}

/// Reads `clients.shop.config.linger.ms=5` as the tree that it means.
fn parse_set(text: &str, onto: &Tree) -> Result<Tree, Problem> {
    let place = source("--set".to_owned(), text.to_owned(), SourceKind::CommandLine);
    let whole = Origin { source: Arc::clone(&place), span: 0..text.len() };
    let Some((path, value)) = text.split_once('=') else {
        return Err(Problem::at("--set wants key=value".to_owned(), whole)
            .help("for instance --set kafka.version=3.9.1"));
    };
    let keys = path_keys(path.trim());
    if keys.is_empty() || keys.iter().any(String::is_empty) {
        return Err(Problem::at(format!("\"{path}\" is not a key"), whole));
    }
    let at = Origin { source: Arc::clone(&place), span: text.len() - value.len()..text.len() };
    let key = Origin { source: place, span: 0..path.len() };
    nested(&keys, typed(value, at), &key, Some(onto))
}

/// Keys are separated by dots; below a table of properties the rest is one property's name.
fn path_keys(path: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if keys.last().is_some_and(|last| last == "config" || last == "server") && keys.len() > 1 {
            keys.push(rest.trim_matches('"').to_owned());
            return keys;
        }
        let (key, tail) = match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some((key, tail)) => (key, tail.strip_prefix('.').unwrap_or(tail)),
            None => rest.split_once('.').unwrap_or((rest, "")),
        };
        keys.push(key.to_owned());
        rest = tail;
    }
    keys
}

/// A value as TOML reads it, or else as text: `--set clients.shop.config.acks=all` needs no quotes.
fn typed(text: &str, origin: Origin) -> Tree {
    let read = source("--set".to_owned(), format!("v = {text}"), SourceKind::CommandLine);
    let value = match Tree::parse(&read).map(|tree| tree.value) {
        Ok(Value::Table(mut entries)) if entries.len() == 1 => {
            entries.remove("v").map(|entry| entry.tree.value)
        }
        Ok(_) | Err(_) => None,
    };
    Tree { value: value.unwrap_or_else(|| Value::Text(text.to_owned())), origin }
}

/// The tree in which the value stands at the end of the keys. A list is copied whole, because lists replace.
fn nested(keys: &[String], value: Tree, key: &Origin, onto: Option<&Tree>) -> Result<Tree, Problem> {
    let Some((first, rest)) = keys.split_first() else { return Ok(value) };
    let origin = value.origin.clone();
    if let Some(Tree { value: Value::List(items), .. }) = onto {
        let mut items = items.clone();
        let place = first.parse::<usize>().ok().filter(|index| *index < items.len());
        let Some(index) = place else {
            let message =
                format!("\"{first}\" is not one of the list's {} entries, counted from 0", items.len());
            return Err(Problem::at(message, key.clone()));
        };
        let base = items[index].clone();
        items[index] = nested(rest, value, key, Some(&base))?.over(base);
        return Ok(Tree { value: Value::List(items), origin });
    }
    let below = match onto.map(|tree| &tree.value) {
        Some(Value::Table(entries)) => entries.get(first).map(|entry| &entry.tree),
        Some(Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::List(_))
        | None => None,
    };
    let tree = nested(rest, value, key, below)?;
    let entry = Entry { key: key.clone(), tree };
    Ok(Tree { value: Value::Table([(first.clone(), entry)].into()), origin })
}

/// Reads the properties files that a spec names.
fn properties_files(spec: &Spec, tree: &Tree) -> Result<BTreeMap<String, BTreeMap<String, String>>, Problem> {
    let mut files = BTreeMap::new();
    let server = spec.kafka.server_file.iter().map(|file| (vec!["kafka", "server-file"], file));
    let clients = spec.clients.iter().filter_map(|(name, client)| {
        client.config_file.as_ref().map(|file| (vec!["clients", name.as_str(), "config-file"], file))
    });
    for (path, file) in server.chain(clients) {
        let origin = &tree.nearest(&path).origin;
        let found = beside(file, origin);
        let text = std::fs::read_to_string(&found).map_err(|error| {
            Problem::at(format!("cannot read {}: {error}", found.display()), origin.clone())
        })?;
        files.insert(path.join("."), parse_file(&text));
    }
    Ok(files)
}

/// A path in a spec starts from the spec's folder.
fn beside(file: &str, origin: &Origin) -> PathBuf {
    match &origin.source.kind {
        SourceKind::File(spec) => spec.parent().unwrap_or(Path::new("")).join(file),
        SourceKind::BuiltIn | SourceKind::CommandLine => PathBuf::from(file),
    }
}
