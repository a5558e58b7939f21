//! What is wrong with a spec, where, and what would be right.
//!
//! A problem is made where it is noticed and rendered once, by `miette`, with the line it speaks of. Several
//! problems are reported together, because fixing a file one error per attempt is tedious.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::tree::{Origin, Source};

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What the place in the text is called: a few words under the line.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where, unless it is about the spec as a whole.
    pub origin: Option<Origin>,
}

impl Problem {
    /// A problem at a place.
    pub(super) fn at(message: String, origin: Origin) -> Self {
        Self { message, label: "here".to_owned(), help: None, origin: Some(origin) }
    }

    /// A problem of the spec as a whole.
    pub(super) fn of_all(message: String) -> Self {
        Self { message, label: "here".to_owned(), help: None, origin: None }
    }

    /// With other words under the line.
    pub(super) fn label(self, label: &str) -> Self {
        Self { label: label.to_owned(), ..self }
    }

    /// With advice.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let origin = self.origin.as_ref()?;
        let label = LabeledSpan::new_with_span(Some(self.label.clone()), origin.span.clone());
        Some(Box::new(std::iter::once(label)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.origin.as_ref().map(|origin| &origin.source as &dyn SourceCode)
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.as_str().read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}

/// Everything that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The spec, as it was named.
    pub spec: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl SpecError {
    /// The error in full, as a person reads it: each problem with the line it is about, and the fix.
    pub fn render(&self, fancy: Fancy, width: usize) -> String {
        let theme = match fancy {
            Fancy::Colour => miette::GraphicalTheme::unicode(),
            Fancy::Plain => miette::GraphicalTheme::unicode_nocolor(),
        };
        let handler =
            miette::GraphicalReportHandler::new_themed(theme).with_links(false).with_width(width.max(40));
        let mut text = String::new();
        for problem in &self.problems {
            // Writing to a string cannot fail.
            let _ = handler.render_report(&mut text, problem);
        }
        text
    }
}

/// Whether an error is rendered with colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fancy {
    /// With.
    Colour,
    /// Without.
    Plain,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.problems.iter().map(|problem| problem.to_string()).collect();
        write!(f, "spec {}: {}", self.spec, all.join("; "))
    }
}

impl std::error::Error for SpecError {}

/// A source that a diagnostic may hold on to.
pub(super) fn source(name: impl Into<String>, text: String, kind: super::tree::SourceKind) -> Arc<Source> {
    Arc::new(Source { name: name.into(), text, kind })
}
