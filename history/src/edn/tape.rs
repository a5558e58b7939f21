//! A record as a flat list of nodes: a collection is followed by its elements and knows where it ends.

use std::borrow::Cow;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nil,
    True,
    False,
    Int,
    Big,
    Float,
    Plain,
    Escaped,
    Keyword,
    Symbol,
    Char,
    List,
    Vector,
    Set,
    Map,
}

/// One value. 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Where its text is in the record; of a collection, the number of elements (keys and values of a map).
    pub(super) at: u32,
    pub(super) len: u32,
    /// Index of the node after this value.
    pub(super) next: u32,
    /// The number, if it is one.
    pub(super) int: i64,
}

/// A value of a record.
#[derive(Clone, Copy)]
pub struct View<'a> {
    nodes: &'a [Node],
    text: &'a str,
    at: usize,
}

/// What a value is.
#[derive(Clone)]
pub enum Form<'a> {
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A whole number that does not fit, as written.
    Big(&'a str),
    /// Any other number, as written.
    Float(&'a str),
    /// A string.
    Text(Cow<'a, str>),
    /// A keyword, without its colon.
    Keyword(&'a str),
    /// A symbol.
    Symbol(&'a str),
    /// A character, as written after the backslash.
    Char(&'a str),
    /// `( … )`.
    List(Items<'a>),
    /// `[ … ]`.
    Vector(Items<'a>),
    /// `#{ … }`.
    Set(Items<'a>),
    /// `{ … }`.
    Map(Entries<'a>),
}

impl<'a> View<'a> {
    pub(super) fn new(nodes: &'a [Node], text: &'a str) -> Self {
        Self { nodes, text, at: 0 }
    }

    fn node(&self) -> Node {
        self.nodes[self.at]
    }

    /// What it is.
    pub fn form(&self) -> Form<'a> {
        let node = self.node();
        let items = || Items { view: View { at: self.at + 1, ..*self }, left: node.len };
        match node.kind {
            Kind::Nil => Form::Nil,
            Kind::True => Form::Bool(true),
            Kind::False => Form::Bool(false),
            Kind::Int => Form::Int(node.int),
            Kind::Big => Form::Big(self.written(node)),
            Kind::Float => Form::Float(self.written(node)),
            Kind::Plain => Form::Text(Cow::Borrowed(self.written(node))),
            Kind::Escaped => Form::Text(Cow::Owned(unescape(self.written(node)))),
            Kind::Keyword => Form::Keyword(self.written(node)),
            Kind::Symbol => Form::Symbol(self.written(node)),
            Kind::Char => Form::Char(self.written(node)),
            Kind::List => Form::List(items()),
            Kind::Vector => Form::Vector(items()),
            Kind::Set => Form::Set(items()),
            Kind::Map => Form::Map(Entries { items: items() }),
        }
    }

    fn written(&self, node: Node) -> &'a str {
        &self.text[node.at as usize..][..node.len as usize]
    }

    /// The number, if it is a whole one that fits.
    pub fn int(&self) -> Option<i64> {
        let node = self.node();
        (node.kind == Kind::Int).then_some(node.int)
    }

    /// The keyword, symbol or string, if it is one.
    pub fn word(&self) -> Option<&'a str> {
        let node = self.node();
        matches!(node.kind, Kind::Keyword | Kind::Symbol | Kind::Plain).then(|| self.written(node))
    }

    /// Whether it is `nil`.
    pub fn is_nil(&self) -> bool {
        self.node().kind == Kind::Nil
    }

    /// Whether it is `false`.
    pub fn is_false(&self) -> bool {
        self.node().kind == Kind::False
    }

    /// Whether it is a vector or list.
    pub fn is_sequence(&self) -> bool {
        matches!(self.node().kind, Kind::List | Kind::Vector)
    }

    /// The elements of a vector, list or set; none where it is something else.
    pub fn items(&self) -> Items<'a> {
        let node = self.node();
        let left = if matches!(node.kind, Kind::List | Kind::Vector | Kind::Set) { node.len } else { 0 };
        Items { view: View { at: self.at + 1, ..*self }, left }
    }

    /// The entries of a map; none where it is something else.
    pub fn entries(&self) -> Entries<'a> {
        let node = self.node();
        let left = if node.kind == Kind::Map { node.len } else { 0 };
        Entries { items: Items { view: View { at: self.at + 1, ..*self }, left } }
    }

    /// Whether it is a set.
    pub fn is_set(&self) -> bool {
        self.node().kind == Kind::Set
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        self.node().kind == Kind::Map
    }

    /// The value as it can be written again, blanks made equal: distinct values differ.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        let mut all = |open: &str, items: Items<'_>, close: &str| {
            out.push_str(open);
            for (n, item) in items.enumerate() {
                if n > 0 {
                    out.push(' ');
                }
                item.write(out);
            }
            out.push_str(close);
        };
        match self.form() {
            Form::Nil => out.push_str("nil"),
            Form::Bool(bool) => out.push_str(if bool { "true" } else { "false" }),
            Form::Int(int) => out.push_str(&int.to_string()),
            Form::Big(text) | Form::Float(text) | Form::Symbol(text) => out.push_str(text),
            Form::Text(text) => out.push_str(&format!("{text:?}")),
            Form::Keyword(text) => {
                out.push(':');
                out.push_str(text);
            }
            Form::Char(text) => {
                out.push('\\');
                out.push_str(text);
            }
            Form::List(items) | Form::Vector(items) => all("[", items, "]"),
            Form::Set(items) => all("#{", items, "}"),
            Form::Map(entries) => all("{", entries.items, "}"),
        }
    }
}

/// Elements in order.
#[derive(Clone)]
pub struct Items<'a> {
    view: View<'a>,
    left: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = View<'a>;

    fn next(&mut self) -> Option<View<'a>> {
        self.left = self.left.checked_sub(1)?;
        let item = self.view;
        self.view.at = item.node().next as usize;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// Keys and values of a map, in the order written.
#[derive(Clone)]
pub struct Entries<'a> {
    items: Items<'a>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (View<'a>, View<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.items.next()?, self.items.next()?))
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('b') => plain.push('\u{8}'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                // Half of a surrogate pair stands for nothing by itself.
                plain.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}
