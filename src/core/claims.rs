//! Claims: what the items of a StateTable say that a deployer made, and for whom.
//!
//! Decides which live objects an item names. A template that cannot be expanded makes the item
//! unknown; a missing optional attribute makes no piece; an ARN of another account or region than
//! declared is an error, never a piece. Evaluation asks it who claims what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::arn::Arn;
use super::desired::{Naming, Parent, Piece, StateTable};
use super::identity::{Ask, ObjectKey, ScopeKey, Select};
use super::observation::{Live, Reading};
use super::template::TemplateError;
use super::value::Fields;
use crate::kinds;

/// A live object that an item names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claimed {
    /// Where to look.
    pub scope: ScopeKey,
    /// What for.
    pub ask: Ask,
}

/// One item, understood.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The item itself.
    pub item: Arc<Live>,
    /// Whose it is, when its name could be read.
    pub parent: Option<Parent>,
    /// What it names.
    pub pieces: Vec<Claimed>,
    /// When it was written, where the table says.
    pub written_at: Option<Timestamp>,
    /// Why it cannot be judged.
    pub problem: Option<String>,
    /// Kinds and scopes in which it names something, but nobody can tell what.
    pub unreadable: Vec<(ScopeKey, &'static str)>,
}

/// Why an item names no piece.
enum Trouble {
    /// It names something else than declared: certainly nothing in the piece's scope.
    Elsewhere(String),
    /// It names something that cannot be read: it might be anything in the piece's scope.
    Unreadable(String),
}

/// Reads the claims of every item in a reading of the table.
pub fn read(table: &StateTable, reading: &Reading) -> Vec<Claim> {
    reading.objects.values().filter(|live| live.key.kind == "TableItem").map(|item| claim(table, item)).collect()
}

fn claim(table: &StateTable, item: &Arc<Live>) -> Claim {
    let mut claim = Claim {
        item: item.clone(),
        parent: None,
        pieces: Vec::new(),
        written_at: None,
        problem: None,
        unreadable: Vec::new(),
    };
    match table.parent_name.expand(&item.fields, None) {
        Ok(name) => {
            let name: Arc<str> = name.into();
            let ask = Ask { kind: table.parent_kind, select: Select::Key(name.clone()) };
            claim.parent = Some(Parent { scope: table.parent_scope.clone(), ask, name });
        }
        Err(error) => claim.problem = Some(format!("its parent cannot be read: {error}")),
    }
    if let Some(template) = &table.written_at {
        match template.expand(&item.fields, None).ok().as_deref().and_then(moment) {
            Some(at) => claim.written_at = Some(at),
            None => claim.problem = Some(format!("`{}` gives no time of writing", template.source())),
        }
    }
    for piece in &table.pieces {
        match pieces_of(piece, &item.fields, &mut claim.pieces) {
            Ok(()) => {}
            Err(Trouble::Elsewhere(problem)) => claim.problem = Some(problem),
            Err(Trouble::Unreadable(problem)) => {
                claim.problem = Some(problem);
                claim.unreadable.push((piece.scope.clone(), piece.kind));
            }
        }
    }
    claim
}

fn pieces_of(piece: &Piece, item: &Fields, into: &mut Vec<Claimed>) -> Result<(), Trouble> {
    let tolerate = |error: TemplateError| match error {
        TemplateError::Missing(_) if piece.optional => Ok(()),
        // What is not there names nothing.
        TemplateError::Missing(_) => Err(Trouble::Elsewhere(format!("its {} cannot be read: {error}", piece.kind))),
        error => Err(Trouble::Unreadable(format!("its {} cannot be read: {error}", piece.kind))),
    };
    let entries = match piece.for_each.as_ref().map(|template| template.expand_entries(item)) {
        None => vec![None],
        Some(Ok(entries)) => entries.into_iter().map(Some).collect(),
        Some(Err(error)) => return tolerate(error),
    };
    for entry in entries {
        match select(piece, item, entry.as_deref()) {
            Ok(Ok(select)) => into.push(Claimed { scope: piece.scope.clone(), ask: Ask { kind: piece.kind, select } }),
            Ok(Err(problem)) => return Err(problem),
            Err(error) => tolerate(error)?,
        }
    }
    Ok(())
}

fn select(piece: &Piece, item: &Fields, each: Option<&str>) -> Result<Result<Select, Trouble>, TemplateError> {
    Ok(match &piece.naming {
        Naming::Key(template) => Ok(Select::Key(template.expand(item, each)?.into())),
        Naming::Arn(template) => sound_arn(piece, &template.expand(item, each)?),
        Naming::Record { name, record_type, set } => {
            let name = name.expand(item, each)?;
            if !kinds::dns_record::name::is_within(&kinds::dns_record::name::canonical(&name), &piece.scope.thing) {
                let problem =
                    format!("its DnsRecord `{}` lies outside the zone {}", shortened(&name), piece.scope.thing);
                return Ok(Err(Trouble::Elsewhere(problem)));
            }
            let set = set.as_ref().map(|set| set.expand(item, each)).transpose()?;
            Ok(Select::Key(kinds::dns_record::record_key(&name, record_type, set.as_deref()).into()))
        }
    })
}

/// An ARN is a piece only where account, region and type are the declared ones.
fn sound_arn(piece: &Piece, text: &str) -> Result<Select, Trouble> {
    let Some(arn) = Arn::parse(text) else {
        return Err(Trouble::Unreadable(format!("its {} `{}` is no ARN", piece.kind, shortened(text))));
    };
    if arn.account != &*piece.scope.account || arn.region != &*piece.scope.region {
        return Err(Trouble::Elsewhere(format!(
            "its {} lies in account {} {}, but {} {} is declared",
            piece.kind, arn.account, arn.region, piece.scope.account, piece.scope.region
        )));
    }
    let prefix = match piece.kind {
        "LoadBalancer" => "loadbalancer/",
        "TargetGroup" => "targetgroup/",
        _ => "",
    };
    if !arn.resource.starts_with(prefix) || (!prefix.is_empty() && arn.elbv2_name().is_none()) {
        return Err(Trouble::Unreadable(format!("`{}` names no {}", shortened(text), piece.kind)));
    }
    Ok(Select::Arn(text.into()))
}

/// An item's text is foreign: enough of it to find the item, and no more.
fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

/// A time as deployers write it: RFC 3339, or seconds or milliseconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    match text.parse::<i64>().ok()? {
        number if number > 100_000_000_000 => Timestamp::from_millisecond(number).ok(),
        number if number > 0 => Timestamp::from_second(number).ok(),
        _ => None,
    }
}

/// Who claims what, over all tables: the one place that answers "does anybody else need it?".
#[derive(Debug, Clone, Default)]
pub struct ClaimIndex {
    by_object: BTreeMap<(ScopeKey, ObjectKey), Vec<Parent>>,
    by_arn: BTreeMap<Arc<str>, Vec<Parent>>,
    /// Whatever an item was written for.
    parents: BTreeSet<(ScopeKey, Ask)>,
    /// Objects claimed by items whose parent could not be read: nobody may call them orphans.
    clouded: BTreeSet<Claimed>,
    /// Kinds and scopes in which an item names something that cannot be read.
    unreadable: BTreeSet<(ScopeKey, &'static str)>,
    /// Reading the claims of a table failed: nobody knows what it names.
    broken: bool,
}

impl ClaimIndex {
    /// The claims of a table could not be read by a fault of moored's own.
    pub fn add_broken(&mut self) {
        self.broken = true;
    }

    /// Adds the claims of one table.
    pub fn add(&mut self, claims: &[Claim]) {
        for claim in claims {
            self.unreadable.extend(claim.unreadable.iter().cloned());
            self.parents.extend(claim.parent.iter().map(|parent| (parent.scope.clone(), parent.ask.clone())));
            for piece in &claim.pieces {
                match (&claim.parent, &piece.ask.select) {
                    (None, _) => {
                        self.clouded.insert(piece.clone());
                    }
                    (Some(parent), Select::Arn(arn)) => {
                        self.by_arn.entry(arn.clone()).or_default().push(parent.clone())
                    }
                    (Some(parent), Select::Key(key)) => {
                        let object = ObjectKey { kind: piece.ask.kind, key: key.clone() };
                        self.by_object.entry((piece.scope.clone(), object)).or_default().push(parent.clone());
                    }
                    (Some(_), Select::Alias(_) | Select::ReferencedBy(..)) => {}
                }
            }
        }
    }

    /// The parents on whose behalf this object is claimed.
    pub fn parents(&self, scope: &ScopeKey, live: &Live) -> impl Iterator<Item = &Parent> {
        let by_object = self.by_object.get(&(scope.clone(), live.key.clone()));
        by_object.into_iter().chain(self.by_arn.get(&live.id)).flatten()
    }

    /// Whether an item was written for this object.
    pub fn is_parent(&self, scope: &ScopeKey, key: &ObjectKey) -> bool {
        let ask = Ask::of(key);
        self.parents.contains(&(scope.clone(), ask))
    }

    /// Whether an item that cannot be understood claims this object, or might.
    pub fn is_clouded(&self, scope: &ScopeKey, live: &Live) -> bool {
        if self.broken || self.unreadable.contains(&(scope.clone(), live.key.kind)) {
            return true;
        }
        let by = |select: Select| Claimed { scope: scope.clone(), ask: Ask { kind: live.key.kind, select } };
        self.clouded.contains(&by(Select::Key(live.key.key.clone())))
            || self.clouded.contains(&by(Select::Arn(live.id.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_writing_is_read_in_the_spellings_deployers_use() {
        let expected: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap_or(Timestamp::UNIX_EPOCH);
        for text in ["2026-11-20T10:00:00Z", "1795168800", "1795168800000", "2026-11-20T11:00:00+01:00"] {
            assert_eq!(moment(text), Some(expected), "{text}");
        }
        assert_eq!(moment("yesterday"), None);
        assert_eq!(moment("0"), None);
    }
}
