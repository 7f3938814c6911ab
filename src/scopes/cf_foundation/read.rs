//! The lists of a whole foundation.
//!
//! Decides what tells which app lies where, and how many apps of a stack have their buildpack
//! detected. An app whose space or organisation the role does not see is left out: it has no name.
//! Called by [`super::CfFoundation`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cloudfoundry::allow_list::{APPS, BUILDPACKS, ORGANIZATIONS, SPACES};
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::{App, Buildpack, Organization, Space};
use crate::core::identity::ObjectKey;
use crate::core::observation::{Failure, Live};
use crate::core::value::{Fields, Value};
use crate::kinds::app::KIND;
use crate::kinds::buildpacks::CLASSIC;
use crate::kinds::buildpacks::live::{self, Observed};
use crate::scopes::cf_organization::ask::all;

/// What the lists of a foundation say.
pub(super) struct Lists {
    /// The guids of the visible organisations.
    pub(super) organizations: BTreeSet<Arc<str>>,
    /// How often moored had signed in before they were read.
    pub(super) grants: u64,
    /// The visible spaces as `organisation/space` in lower case, by guid.
    pub(super) spaces: BTreeMap<Arc<str>, String>,
    /// All apps that the role sees.
    pub(super) apps: Vec<App>,
    /// All buildpacks.
    pub(super) buildpacks: Vec<Buildpack>,
}

impl Lists {
    /// Reads them.
    pub(super) async fn read(cx: &ReadContext, remarks: &mut Vec<Failure>) -> Result<Self, Failure> {
        cx.sign_in().await?;
        let grants = cx.session.grants();
        let organizations = all::<Organization>(cx, &ORGANIZATIONS, &[], remarks).await?.items;
        let organizations: BTreeMap<Arc<str>, String> =
            organizations.into_iter().map(|one| (one.guid, one.name.to_lowercase())).collect();
        let spaces = all::<Space>(cx, &SPACES, &[], remarks).await?.items;
        let path = |space: &Space| {
            let organization = organizations.get(space.relationships.organization.as_ref()?)?;
            Some(format!("{organization}/{}", space.name.to_lowercase()))
        };
        let spaces = spaces.iter().filter_map(|space| Some((space.guid.clone(), path(space)?))).collect();
        let apps = all::<App>(cx, &APPS, &[], remarks).await?.items;
        let buildpacks = all::<Buildpack>(cx, &BUILDPACKS, &[], remarks).await?.items;
        let organizations = organizations.into_keys().collect();
        Ok(Self { organizations, grants, spaces, apps, buildpacks })
    }

    /// What is said of buildpacks.
    pub(super) fn observed(&mut self) -> Observed {
        let mut autodetect: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for app in self.apps.iter().filter(|app| *app.lifecycle.kind == *CLASSIC) {
            let data = &app.lifecycle.data;
            if let (true, Some(stack)) = (data.buildpacks.is_empty(), &data.stack) {
                *autodetect.entry(stack.clone()).or_default() += 1;
            }
        }
        let buildpacks = std::mem::take(&mut self.buildpacks).into_iter().map(|buildpack| live::Buildpack {
            guid: buildpack.guid,
            name: buildpack.name,
            stack: buildpack.stack,
            lifecycle: buildpack.lifecycle,
            position: buildpack.position.into(),
            enabled: buildpack.enabled,
            locked: buildpack.locked,
            state: buildpack.state,
            filename: buildpack.filename,
            created_at: buildpack.created_at,
            updated_at: buildpack.updated_at,
        });
        Observed { buildpacks: buildpacks.collect(), autodetect }
    }

    /// That an app is there is all that is told of it here; more is known of its organisation.
    pub(super) fn app(&self, app: &App) -> Option<Live> {
        let space = self.spaces.get(app.relationships.space.as_ref()?)?;
        let mut fields = Fields::default();
        fields.set("state", &*app.state);
        fields.set_some("createdAt", app.created_at.map(|at| Value::text(at.to_string())));
        fields.shrink();
        Some(Live {
            key: ObjectKey::new(KIND, &format!("{space}/{}", app.name.to_lowercase())),
            id: app.guid.clone(),
            incarnation: None,
            fields,
            addresses: Box::default(),
            references: Box::default(),
        })
    }
}
