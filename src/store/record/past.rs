//! What the record says when it is asked: changes, facts at a moment, what waits for a name.
//!
//! Decides how the past is put together again: from the facts of today, one change after the other
//! back to the moment. What the record cannot tell of a moment is left out or said to be unknown.
//! Values that may be secret are shown as `reveal` says now, not as it was then. It writes nothing
//! but who did what and what is visible. [`crate::store::history`] calls it, for the daemon and for
//! readers beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::prune::horizon;
use super::rows::{attributed, fields, spell_attributed, time, what};
use crate::core::desired::Desired;
use crate::core::filter::Filter;
use crate::core::identity::ScopeKey;
use crate::core::ignore::Glob;
use crate::core::index::{Home, Index};
use crate::core::record::facts::{Facts, ID};
use crate::core::record::reveal::Visible;
use crate::core::record::{Attributed, Change, FactsAt, ThingName, What, declared, is_whole};
use crate::store::rows::{json, moment, nanoseconds, scope, text};
use crate::store::schema;

/// Which names' values may be shown, so that readers beside the daemon know without manifests.
const VISIBLE: &str = "visible";

/// What is asked of the changes.
#[derive(Debug, Clone, Default)]
pub struct ChangeQuery {
    /// Only what a reading showed at this time or later.
    pub since: Option<Timestamp>,
    /// Only what may have happened by then.
    pub until: Option<Timestamp>,
    /// Only of these kinds.
    pub kinds: Vec<String>,
    /// Only of things that are called so …
    pub names: Vec<Glob>,
    /// … or that manifests call so.
    pub also: BTreeSet<ThingName>,
    /// Only of these things, whatever they are called …
    pub only: Option<BTreeSet<ThingName>>,
    /// … or of anything in these scopes.
    pub within: BTreeSet<ScopeKey>,
    /// Only in these scopes.
    pub scopes: Option<BTreeSet<ScopeKey>>,
    /// The newest so many.
    pub limit: usize,
}

impl ChangeQuery {
    /// What a filter asks for, as far as that can be told without manifests.
    pub fn of(filter: &Filter, limit: usize) -> Self {
        Self { kinds: filter.kinds.clone(), names: filter.names.clone(), limit, ..Self::default() }
    }

    /// The same with what manifests say: where an environment lives, and what its things are called.
    pub fn declared(mut self, filter: &Filter, desired: &Desired, index: &Index) -> Self {
        if !filter.environments.is_empty() {
            let lives = |home: &Home| home.environments.iter().any(|name| filter.environment(name));
            let homes = index.scopes.iter().filter(|(scope, home)| lives(home) && self.covers(scope));
            let scopes: BTreeSet<ScopeKey> = homes.map(|(scope, _)| scope.clone()).collect();
            self.scopes = Some(scopes);
        }
        if !filter.names.is_empty() {
            self.also = declared(desired, filter);
        }
        if !filter.labels.is_empty() {
            self.only = Some(declared(desired, &Filter { names: Vec::new(), ..filter.clone() }));
            // Whose an inventory is, his is everything in its scope.
            let inventories = desired.inventories.iter().map(|inventory| &inventory.declared).filter(|declared| {
                filter.environment(&declared.environment)
                    && filter.application(&declared.application)
                    && filter.carried_by(&declared.labels)
            });
            self.within = inventories.map(|declared| declared.scope.clone()).collect();
        }
        self
    }

    /// The same about the very things that manifests call so, if there are any.
    pub fn resolved(self) -> Self {
        if self.also.is_empty() {
            return self;
        }
        let only = Some(self.also);
        Self { only, within: BTreeSet::new(), also: BTreeSet::new(), names: Vec::new(), ..self }
    }

    /// Whether this scope is asked about.
    pub fn covers(&self, scope: &ScopeKey) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope))
    }

    /// Whether anything in this scope is asked about.
    pub fn reaches(&self, scope: &ScopeKey) -> bool {
        let holds_one = |only: &BTreeSet<ThingName>| only.iter().any(|name| name.scope == *scope);
        self.covers(scope) && (self.only.as_ref().is_none_or(holds_one) || self.within.contains(scope))
    }

    /// Whether this thing is asked about.
    pub fn admits(&self, name: &ThingName, object: &str) -> bool {
        let named = || self.names.iter().any(|glob| name.is_called(glob, object)) || self.also.contains(name);
        self.covers(&name.scope)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.eq_ignore_ascii_case(&name.kind)))
            && self.only.as_ref().is_none_or(|only| only.contains(name) || self.within.contains(&name.scope))
            && (self.names.is_empty() || named())
    }
}

/// How far the record of one scope reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// The scope.
    pub scope: ScopeKey,
    /// Changes are known from then on.
    pub begins: Timestamp,
    /// The last recorded reading began then; it is written down once a minute.
    pub read_at: Timestamp,
    /// Things that later readings lacked, though nothing proves that they are gone.
    #[serde(default)]
    pub unseen: u64,
}

/// A thing in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedThing {
    /// Where it is, and what it is called.
    #[serde(flatten)]
    pub name: ThingName,
    /// Its physical identity.
    pub object: Arc<str>,
    /// When it was proven gone, if it is.
    pub gone_at: Option<Timestamp>,
}

/// What a thing was at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThingFacts {
    /// Which one.
    #[serde(flatten)]
    pub name: ThingName,
    /// What it was.
    #[serde(flatten)]
    pub then: FactsAt,
}

/// The one order in which changes are joined with what they are of: the planner must not turn it
/// round, since the index on time is what makes a recent question cheap.
const CHANGES: &str = "SELECT c.id, c.at, c.after, s.name, t.kind, t.key, coalesce(c.object, t.object), c.what, \
     c.fields, c.attributed \
     FROM recorded_change c CROSS JOIN recorded_thing t ON t.id = c.thing CROSS JOIN recorded_scope s ON s.id = t.scope";

/// What may be shown of values that may be secret: nothing where nobody has said.
fn visible(connection: &Connection) -> Result<Visible> {
    let known = schema::meta(connection, VISIBLE)?;
    Ok(known.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// From now on these values may be shown, and no others.
pub(in crate::store) fn set_visible(connection: &Connection, names: &Visible) -> Result<()> {
    let names = text(names)?;
    if schema::meta(connection, VISIBLE)?.as_ref() == Some(&names) {
        return Ok(());
    }
    schema::set_meta(connection, VISIBLE, &names)
}

/// Changes that the query asks for, newest last.
pub(in crate::store) fn changes(connection: &Connection, query: &ChangeQuery) -> Result<Vec<Change>> {
    let sql = format!("{CHANGES} WHERE c.at >= ?1 AND coalesce(c.after, c.at) <= ?2 ORDER BY c.at DESC, c.id DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    let (since, until) = (query.since.map_or(i64::MIN, nanoseconds), query.until.map_or(i64::MAX, nanoseconds));
    let visible = visible(connection)?;
    let mut rows = statement.query([since, until])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if found.len() >= query.limit {
            break;
        }
        let Some((name, object)) = named(row, 3)? else { continue };
        if query.admits(&name, &object) {
            found.push(change(row, name, object, &visible)?);
        }
    }
    found.reverse();
    Ok(found)
}

/// Changes that nobody has looked up yet, oldest first.
pub(in crate::store) fn pending(connection: &Connection, limit: usize) -> Result<Vec<Change>> {
    let sql = format!("{CHANGES} WHERE c.attributed IS NULL ORDER BY c.at, c.id LIMIT ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let visible = visible(connection)?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some((name, object)) = named(row, 3)? {
            found.push(change(row, name, object, &visible)?);
        }
    }
    Ok(found)
}

/// Writes down who made a change that waits for it. One that is no longer in the record is none of
/// anybody's business; one that stands for many by now was not made by one person.
pub(in crate::store) fn attribute(connection: &Connection, id: i64, attributed: &Attributed) -> Result<()> {
    let mut update =
        connection.prepare_cached("UPDATE recorded_change SET attributed = ?2 WHERE id = ?1 AND attributed IS NULL")?;
    update.execute(params![id, spell_attributed(attributed)?])?;
    Ok(())
}

/// Things in the record that are of this kind, if one is given, and are called like one of the globs.
pub(in crate::store) fn things(connection: &Connection, query: &ChangeQuery) -> Result<Vec<RecordedThing>> {
    let mut statement = connection.prepare_cached(
        "SELECT s.name, t.kind, t.key, t.object, t.gone_at FROM recorded_thing t \
         JOIN recorded_scope s ON s.id = t.scope ORDER BY t.kind, t.key, s.name",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if found.len() >= query.limit {
            break;
        }
        let Some((name, object)) = named(row, 0)? else { continue };
        if query.admits(&name, &object) {
            found.push(RecordedThing { name, object, gone_at: time(row, 4)? });
        }
    }
    Ok(found)
}

/// How far the record reaches, by scope.
pub(in crate::store) fn reach(connection: &Connection) -> Result<Vec<Reach>> {
    let horizon = horizon(connection)?;
    let unseen = unseen(connection)?;
    let mut statement =
        connection.prepare_cached("SELECT name, began, read_at, id FROM recorded_scope ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut reaches = Vec::new();
    while let Some(row) = rows.next()? {
        let began: i64 = row.get(1)?;
        let begins = moment(1, began.max(horizon.unwrap_or(began)))?;
        if let Some(scope) = scope(row, 0)? {
            let id: i64 = row.get(3)?;
            let unseen = unseen.get(&id).copied().unwrap_or_default();
            reaches.push(Reach { scope, begins, read_at: moment(2, row.get(2)?)?, unseen });
        }
    }
    Ok(reaches)
}

/// How many things of each scope its last reading lacked though they are not proven gone. The bound
/// on `seen` says nothing but lets an index find the few.
fn unseen(connection: &Connection) -> Result<BTreeMap<i64, u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT scope, count(*) FROM recorded_thing WHERE seen > ?1 AND gone_at IS NULL GROUP BY +scope",
    )?;
    let counted = statement.query_map([i64::MIN], |row| {
        let (scope, count): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((scope, count.unsigned_abs()))
    })?;
    counted.collect()
}

/// What the record says of one thing at one moment.
pub(in crate::store) fn facts_at(connection: &Connection, name: &ThingName, at: Timestamp) -> Result<FactsAt> {
    let Some(thing) = Thing::find(connection, name)? else { return Ok(FactsAt::NotRecorded { begins: None }) };
    let mut then = thing.today();
    let mut statement = connection.prepare_cached(
        "SELECT at, after, what, fields, facts FROM recorded_change WHERE thing = ?1 AND at > ?2 \
         ORDER BY at DESC, id DESC",
    )?;
    let mut rows = statement.query(params![thing.id, nanoseconds(at)])?;
    while let Some(row) = rows.next()? {
        then.undo(row, &thing, at)?;
    }
    if then.lost_at.is_some() {
        return Ok(FactsAt::NotRecorded { begins: then.lost_at });
    }
    // Before its first sight it was absent if it is known to have appeared, and the scope was read.
    let begins = if then.facts.is_some() { thing.since } else { thing.scope_began };
    let begins = begins.max(horizon(connection)?.map_or(Ok(begins), |at| moment(0, at))?);
    if at < begins {
        return Ok(FactsAt::NotRecorded { begins: Some(begins) });
    }
    let last = connection
        .prepare_cached("SELECT max(at) FROM recorded_change WHERE thing = ?1 AND at <= ?2")?
        .query_row(params![thing.id, nanoseconds(at)], |row| time(row, 0))?;
    let Some(Former { mut facts, told }) = then.facts else {
        return Ok(FactsAt::Absent { since: last.or(then.gone_at) });
    };
    facts.retain(|path, _| !told.is_untold(path, at));
    let visible = visible(connection)?;
    facts.iter_mut().for_each(|(path, fact)| visible.reveal(&name.scope, path, fact));
    let object = match facts.remove(ID) {
        Some(Json::String(id)) => id.into(),
        _ => thing.object,
    };
    let since = last.unwrap_or(thing.since);
    Ok(FactsAt::Present { object, facts, since, until: then.until.max(since) })
}

/// A recorded thing as its row has it.
struct Thing {
    id: i64,
    object: Arc<str>,
    since: Timestamp,
    seen: Timestamp,
    gone_at: Option<Timestamp>,
    facts: Facts,
    scope_began: Timestamp,
}

/// A thing on the way back from today to an earlier moment.
struct Then {
    /// `None` while it is not there.
    facts: Option<Former>,
    /// The last reading that showed it like this began then.
    until: Timestamp,
    /// When it was proven gone, if it still is today.
    gone_at: Option<Timestamp>,
    /// Of the change that does not say what was before it, if the way led over one: when it was
    /// seen.
    lost_at: Option<Timestamp>,
}

/// Facts on the way back, and those of the same thing as its row had them last, which know when
/// each was told first.
struct Former {
    facts: BTreeMap<Arc<str>, Json>,
    told: Facts,
}

impl Former {
    fn of(told: Facts) -> Self {
        Self { facts: told.marked(), told }
    }
}

impl Thing {
    fn find(connection: &Connection, name: &ThingName) -> Result<Option<Self>> {
        let mut statement = connection.prepare_cached(
            "SELECT t.id, t.object, t.since, coalesce(t.seen, s.read_at), t.gone_at, t.facts, s.began \
             FROM recorded_scope s JOIN recorded_thing t ON t.scope = s.id \
             WHERE s.name = ?1 AND t.kind = ?2 AND t.key = ?3",
        )?;
        let found = statement.query_row(params![name.scope.to_string(), name.kind, name.key], |row| {
            Ok(Self {
                id: row.get(0)?,
                object: row.get(1)?,
                since: moment(2, row.get(2)?)?,
                seen: moment(3, row.get(3)?)?,
                gone_at: time(row, 4)?,
                facts: json(row, 5)?,
                scope_began: moment(6, row.get(6)?)?,
            })
        });
        found.optional()
    }

    fn today(&self) -> Then {
        let facts = self.gone_at.is_none().then(|| Former::of(self.facts.clone()));
        Then { facts, until: self.seen, gone_at: self.gone_at, lost_at: None }
    }
}

impl Then {
    /// Goes back beyond one change; the moment that is asked for lies before it was seen.
    fn undo(&mut self, row: &Row<'_>, thing: &Thing, asked: Timestamp) -> Result<()> {
        let (at, after) = (moment(0, row.get(0)?)?, time(row, 1)?);
        self.gone_at = None;
        self.until = after.unwrap_or(at);
        let fields = fields(row, 3)?;
        match what(row, 2)? {
            What::Appeared => {
                self.facts = None;
                // Between the list that lacked it and the reading that had it, nobody looked.
                self.lost_at = after.is_none_or(|after| after < asked).then_some(at);
            }
            What::Gone => {
                let kept: Option<String> = row.get(4)?;
                let told = if kept.is_some() { json(row, 4)? } else { thing.facts.clone() };
                (self.facts, self.lost_at) = (Some(Former::of(told)), None);
            }
            What::Changed => {}
        }
        if let Some(former) = &mut self.facts {
            if !is_whole(&fields) {
                self.lost_at = Some(at);
            }
            crate::core::record::undo(&fields, &mut former.facts);
        }
        Ok(())
    }
}

/// The thing that a row is of, and its physical identity, in four columns; `None` where only another
/// version of moored knows its scope.
fn named(row: &Row<'_>, first: usize) -> Result<Option<(ThingName, Arc<str>)>> {
    let Some(scope) = scope(row, first)? else { return Ok(None) };
    let name = ThingName { scope, kind: row.get(first + 1)?, key: row.get(first + 2)? };
    Ok(Some((name, row.get(first + 3)?)))
}

fn change(row: &Row<'_>, name: ThingName, object: Arc<str>, visible: &Visible) -> Result<Change> {
    let mut fields = fields(row, 8)?;
    for field in &mut fields {
        visible.reveal(&name.scope, &field.path, &mut field.before);
        visible.reveal(&name.scope, &field.path, &mut field.after);
    }
    Ok(Change {
        id: row.get(0)?,
        at: moment(1, row.get(1)?)?,
        after: time(row, 2)?,
        scope: name.scope,
        kind: name.kind,
        key: name.key,
        object,
        what: what(row, 7)?,
        fields,
        attributed: attributed(row, 9)?,
    })
}
