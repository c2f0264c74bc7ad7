//! The comparisons that rules are made of, which values each reads, and the literals that it compares with.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Expression, Policy as CedarPolicy, PrincipalConstraint};
use cedar_policy_core::ast::{Expr, ExprKind, Literal, PatternElem, UnaryOp, Var};

/// A comparison: what cannot be taken apart into and, or, not and if.
#[derive(Clone)]
pub(super) struct Atom {
    pub text: String,
    pub expression: Expression,
    /// What it reads: `who`, `time`, `boundary`, `budget`, `session`, `op.NAME`, `args.NAME`. Empty for what is fixed by the action.
    pub reads: BTreeSet<String>,
}

/// What values are compared with.
#[derive(Clone, Debug, Default)]
pub(super) struct Landmarks {
    pub texts: BTreeSet<String>,
    pub longs: BTreeSet<i64>,
    pub patterns: BTreeSet<Vec<Piece>>,
    pub principals: BTreeSet<String>,
}

/// A pattern's text and its stars.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Text(String),
    Star,
}

/// A rule's comparisons, and those that must all hold for it to fire.
#[derive(Default)]
pub(super) struct Comparisons {
    pub atoms: Vec<Atom>,
    /// Places in `atoms`.
    pub required: Vec<usize>,
    pub landmarks: BTreeMap<String, Landmarks>,
}

impl Comparisons {
    /// `None` for a rule with a comparison that cannot be read by itself: nothing could be said of it.
    pub fn of(rule: &CedarPolicy) -> Option<Self> {
        let mut all = Self::default();
        all.principal(rule)?;
        let mut left: Vec<(&Expr, Standing)> = rule
            .as_ref()
            .non_scope_constraints()
            .map(|expr| (expr, Standing::Required))
            .into_iter()
            .collect();
        while let Some((expr, standing)) = left.pop() {
            match expr.expr_kind() {
                ExprKind::And { left: first, right } => {
                    left.extend([(&**right, standing), (&**first, standing)])
                }
                ExprKind::Or { left: first, right } => {
                    left.extend([(&**right, Standing::Part), (&**first, Standing::Part)]);
                }
                ExprKind::UnaryApp { op: UnaryOp::Not, arg } => left.push((arg, Standing::Part)),
                ExprKind::If { test_expr, then_expr, else_expr } => {
                    left.extend([test_expr, then_expr, else_expr].map(|expr| (&**expr, Standing::Part)));
                }
                _ => all.atom(expr, standing)?,
            }
        }
        Some(all)
    }

    fn principal(&mut self, rule: &CedarPolicy) -> Option<()> {
        let (text, one) = match rule.principal_constraint() {
            PrincipalConstraint::Any => return Some(()),
            PrincipalConstraint::In(group) => (format!("principal in {group}"), None),
            PrincipalConstraint::Eq(one) => {
                (format!("principal == {one}"), Some(one.id().unescaped().to_owned()))
            }
            PrincipalConstraint::Is(ty) => (format!("principal is {ty}"), None),
            PrincipalConstraint::IsIn(ty, group) => (format!("principal is {ty} in {group}"), None),
        };
        self.landmarks.entry(WHO.into()).or_default().principals.extend(one);
        let reads = BTreeSet::from([WHO.to_owned()]);
        self.required.push(self.atoms.len());
        self.atoms.push(Atom { expression: text.parse().ok()?, text, reads });
        Some(())
    }

    fn atom(&mut self, expr: &Expr, standing: Standing) -> Option<()> {
        let text = expr.to_string();
        let expression = text.parse().ok()?;
        let (mut reads, mut marks) = (BTreeSet::new(), Landmarks::default());
        for part in expr.subexpressions() {
            reads.extend(read(part));
            marks.take(part);
        }
        for name in &reads {
            self.landmarks.entry(name.clone()).or_default().merge(&marks);
        }
        if matches!(standing, Standing::Required) {
            self.required.push(self.atoms.len());
        }
        self.atoms.push(Atom { text, expression, reads });
        Some(())
    }
}

#[derive(Clone, Copy)]
enum Standing {
    /// The rule fires only if it holds.
    Required,
    Part,
}

/// What an expression reads by itself.
fn read(expr: &Expr) -> Option<String> {
    let name = |owner: &Expr, last: Option<&str>| -> Option<String> {
        let mut path = path_from_context(owner)?;
        path.extend(last);
        match path.as_slice() {
            ["time" | "agent", ..] if path.len() < 2 => None,
            ["time", ..] => Some("time".into()),
            ["agent", ..] => Some(WHO.into()),
            ["budget", _, ..] => Some("budget".into()),
            ["session", _, ..] => Some("session".into()),
            ["boundary"] => Some("boundary".into()),
            ["args_untyped"] => Some("args_untyped".into()),
            // Whether an operation has a part, and of which kind it is, follows from the action.
            ["op", "kind"] => None,
            ["op", part, ..] => Some(format!("op.{part}")),
            ["args", part, ..] => Some(format!("args.{part}")),
            _ => None,
        }
    };
    match expr.expr_kind() {
        ExprKind::Var(Var::Principal) => Some(WHO.into()),
        ExprKind::GetAttr { expr, attr } => name(expr, Some(attr)),
        ExprKind::HasAttr { expr, attr } => name(expr, Some(attr)).filter(|name| !name.starts_with("op.")),
        ExprKind::ExtHasAttr { expr, attrs } => {
            let first = attrs.iter().next().map(|attr| attr.as_str());
            name(expr, first).filter(|name| !name.starts_with("op."))
        }
        _ => None,
    }
}

fn path_from_context(mut expr: &Expr) -> Option<Vec<&str>> {
    let mut path = Vec::new();
    while let ExprKind::GetAttr { expr: owner, attr } = expr.expr_kind() {
        path.push(attr.as_str());
        expr = owner;
    }
    path.reverse();
    matches!(expr.expr_kind(), ExprKind::Var(Var::Context)).then_some(path)
}

impl Landmarks {
    fn take(&mut self, expr: &Expr) {
        match expr.expr_kind() {
            ExprKind::Lit(Literal::String(text)) => {
                self.texts.insert(text.to_string());
            }
            ExprKind::Lit(Literal::Long(number)) => {
                self.longs.insert(*number);
            }
            ExprKind::Lit(Literal::EntityUID(entity)) if entity.entity_type().to_string() == "Principal" => {
                let id: &str = entity.eid().as_ref();
                self.principals.insert(id.to_owned());
            }
            ExprKind::Like { pattern, .. } => {
                self.patterns.insert(pieces(pattern.get_elems()));
            }
            _ => {}
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.texts.extend(other.texts.iter().cloned());
        self.longs.extend(&other.longs);
        self.patterns.extend(other.patterns.iter().cloned());
        self.principals.extend(other.principals.iter().cloned());
    }

    /// Texts to try: each literal, what each pattern matches with its stars empty and not, what two match at a time, and
    /// `fresh` texts that stand for all others.
    pub fn candidates(&self, fresh: &[&str]) -> Vec<String> {
        let mut texts: Vec<String> = fresh.iter().map(|text| (*text).to_owned()).collect();
        texts.extend(self.texts.iter().cloned());
        let plain: Vec<String> = self.patterns.iter().map(|pattern| filled(pattern, "", "")).collect();
        for pattern in &self.patterns {
            texts.extend(["", "x"].map(|star| filled(pattern, star, star)));
            for other in plain.iter().chain(&self.texts) {
                texts.extend([filled(pattern, other, ""), filled(pattern, "", other)]);
            }
        }
        let mut seen = BTreeSet::new();
        texts.retain(|text| seen.insert(text.clone()));
        texts
    }
}

fn pieces(elems: &[PatternElem]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for elem in elems {
        match (elem, pieces.last_mut()) {
            (PatternElem::Wildcard, _) => pieces.push(Piece::Star),
            (PatternElem::Char(c), Some(Piece::Text(text))) => text.push(*c),
            (PatternElem::Char(c), _) => pieces.push(Piece::Text(c.to_string())),
        }
    }
    pieces
}

/// The pattern with its first star filled by one text, its last by another.
fn filled(pattern: &[Piece], first: &str, last: &str) -> String {
    let stars: Vec<usize> =
        pattern.iter().enumerate().filter(|(_, piece)| **piece == Piece::Star).map(|(i, _)| i).collect();
    let fill = |i: usize| match (stars.first() == Some(&i), stars.last() == Some(&i)) {
        (true, true) if !first.is_empty() => first,
        (_, true) => last,
        (true, false) => first,
        (false, false) => "",
    };
    let text = pattern.iter().enumerate().map(|(i, piece)| match piece {
        Piece::Text(text) => text.as_str(),
        Piece::Star => fill(i),
    });
    text.collect()
}

pub(super) const WHO: &str = "who";
