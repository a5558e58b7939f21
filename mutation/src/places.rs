//! Finds the expression that belongs to each mutant.
//!
//! What is evaluated while compiling (constants, lengths of arrays, patterns) has no switch at run time; mutants there
//! stay without a place. In a chain with `let` the language allows nothing but `&&`: no other operator compiles.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::edit::{Choices, Edit, Kind, Returns};
use crate::mutants::{Genre, Number, Wanted};

/// What was found in a file.
#[derive(Debug)]
pub(crate) struct Places {
    /// In preorder: by start, the outer before the inner.
    pub(crate) edits: Vec<Edit>,
    /// Mutants that are no Rust.
    pub(crate) ungrammatical: Vec<Number>,
}

/// Takes from `wanted` what has a place; what is left has none.
pub(crate) fn places(text: &str, wanted: &mut Wanted) -> syn::Result<Places> {
    let file = syn::parse_file(text)?;
    let found = Places { edits: Vec::new(), ungrammatical: Vec::new() };
    let mut finder = Finder { text, wanted, found, constant: 0 };
    finder.visit_file(&file);
    let mut found = finder.found;
    found.edits.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
    Ok(found)
}

struct Finder<'a> {
    text: &'a str,
    wanted: &'a mut Wanted,
    found: Places,
    /// How many constants are around this place.
    constant: usize,
}

fn bytes(span: Span) -> Range<usize> {
    span.byte_range()
}

impl Finder<'_> {
    fn take(&mut self, genre: Genre, at: usize) -> Option<Choices> {
        if self.constant > 0 {
            return None;
        }
        let mut choices = self.wanted.remove(&(genre, at))?;
        choices.sort();
        Some(choices)
    }

    fn push(&mut self, range: Range<usize>, kind: Kind, choices: Choices) {
        self.found.edits.push(Edit { range, kind, choices });
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return };
        let range = bytes(first.span()).start..bytes(last.span()).end;
        let opaque = match &signature.output {
            syn::ReturnType::Type(_, of) => matches!(**of, syn::Type::ImplTrait(_)),
            syn::ReturnType::Default => false,
        };
        let returns = if opaque { Returns::Opaque } else { Returns::Named };
        if signature.constness.is_some() || (opaque && leaves(block)) {
            return;
        }
        if let Some(choices) = self.take(Genre::FnValue, range.start) {
            self.push(range, Kind::Body(returns), choices);
        }
    }

    fn constant(&mut self, visit: impl FnOnce(&mut Self)) {
        self.constant += 1;
        visit(self);
        self.constant -= 1;
    }

    fn field(&mut self, of: &syn::ExprStruct, field: &syn::FieldValue, base: &syn::Expr) {
        let at = bytes(field.span()).start;
        let Some(choices) = self.take(Genre::StructField, at) else { return };
        let (path, base) = (&self.text[bytes(of.path.span())], &self.text[bytes(base.span())]);
        let base = if base == "Default::default()" {
            format!("<{path} as ::core::default::Default>::default()")
        } else {
            base.to_owned()
        };
        let name = self.text[bytes(field.member.span())].to_owned();
        let shorthand = field.colon_token.is_none();
        self.push(bytes(field.expr.span()), Kind::Field { name, shorthand, base }, choices);
    }
}

/// The function returns before its end.
fn leaves(block: &syn::Block) -> bool {
    struct Leaves(bool);
    impl<'a> Visit<'a> for Leaves {
        fn visit_expr_return(&mut self, _: &'a syn::ExprReturn) {
            self.0 = true;
        }
        fn visit_expr_try(&mut self, _: &'a syn::ExprTry) {
            self.0 = true;
        }
        fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
        fn visit_item(&mut self, _: &'a syn::Item) {}
    }
    let mut leaves = Leaves(false);
    leaves.visit_block(block);
    leaves.0
}

fn has_let(expression: &syn::Expr) -> bool {
    if let syn::Expr::Binary(binary) = expression {
        has_let(&binary.left) || has_let(&binary.right)
    } else {
        matches!(expression, syn::Expr::Let(_))
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, binary: &'a syn::ExprBinary) {
        let (left, right) = (bytes(binary.left.span()), bytes(binary.right.span()));
        if let Some(choices) = self.take(Genre::BinaryOperator, bytes(binary.op.span()).start) {
            if has_let(&binary.left) || has_let(&binary.right) {
                self.found.ungrammatical.extend(choices.iter().map(|(number, _)| *number));
            } else {
                self.push(left.start..right.end, Kind::Infix { left, right }, choices);
            }
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'a syn::ExprUnary) {
        let range = bytes(unary.span());
        if let Some(choices) = self.take(Genre::UnaryOperator, range.start) {
            self.push(range, Kind::Prefix { operand: bytes(unary.expr.span()) }, choices);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        let deleted = self.take(Genre::MatchArm, bytes(arm.span()).start);
        if let Some((_, guard)) = &arm.guard {
            let range = bytes(guard.span());
            let choices = self.take(Genre::MatchArmGuard, range.start).unwrap_or_default();
            let deleted = deleted.and_then(|deleted| deleted.first().map(|(number, _)| *number));
            if deleted.is_some() || !choices.is_empty() {
                self.push(range, Kind::Guard(deleted), choices);
            }
        } else if let Some(choices) = deleted {
            let end = bytes(arm.pat.span()).end;
            self.push(end..end, Kind::Unguarded, choices);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, of: &'a syn::ExprStruct) {
        if let Some(base) = &of.rest {
            for field in &of.fields {
                self.field(of, field, base);
            }
        }
        visit::visit_expr_struct(self, of);
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.constant(|finder| visit::visit_item_const(finder, item));
    }

    fn visit_impl_item_const(&mut self, item: &'a syn::ImplItemConst) {
        self.constant(|finder| visit::visit_impl_item_const(finder, item));
    }

    fn visit_trait_item_const(&mut self, item: &'a syn::TraitItemConst) {
        self.constant(|finder| visit::visit_trait_item_const(finder, item));
    }

    fn visit_item_static(&mut self, item: &'a syn::ItemStatic) {
        self.constant(|finder| visit::visit_item_static(finder, item));
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.constant(|finder| visit::visit_item_enum(finder, item));
    }

    fn visit_type(&mut self, of: &'a syn::Type) {
        self.constant(|finder| visit::visit_type(finder, of));
    }

    fn visit_pat(&mut self, pattern: &'a syn::Pat) {
        self.constant(|finder| visit::visit_pat(finder, pattern));
    }

    fn visit_expr_const(&mut self, expression: &'a syn::ExprConst) {
        self.constant(|finder| visit::visit_expr_const(finder, expression));
    }

    fn visit_generic_argument(&mut self, argument: &'a syn::GenericArgument) {
        self.constant(|finder| visit::visit_generic_argument(finder, argument));
    }

    fn visit_expr_repeat(&mut self, repeat: &'a syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
        self.constant(|finder| finder.visit_expr(&repeat.len));
    }
}
