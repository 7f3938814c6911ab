//! Who may see and do what: users, clients, their roles, and the tokens that UAA has issued.
//!
//! Decides what each role reaches, after the permitted-roles tables of the v3 documentation. It
//! never looks at what is reached. Roles are looked up for every request, so a role that is revoked
//! is gone at once: lists shrink and still answer 200.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::events::Actor;
use super::organizations::Space;
use super::record::{Table, guid};

/// What a user or a client may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads everything but secrets, everywhere; also the authority `cloud_controller.global_auditor`.
    GlobalAuditor,
    /// Reads everything with its secrets; also the authority `cloud_controller.admin_read_only`.
    AdminReadOnly,
    /// Does everything; also the authority `cloud_controller.admin`.
    Admin,
    /// Sees the organisation of this guid and its audit events, but not what is in its spaces.
    OrgAuditor(String),
    /// Reads the space of this guid without its secrets.
    SpaceAuditor(String),
    /// Reads and changes the space of this guid.
    SpaceDeveloper(String),
    /// Restarts, scales, binds and sets environments in the space of this guid, without `/manifest`.
    SpaceSupporter(String),
}

impl Role {
    fn space(&self) -> Option<&str> {
        match self {
            Self::SpaceAuditor(space) | Self::SpaceDeveloper(space) | Self::SpaceSupporter(space) => Some(space),
            Self::GlobalAuditor | Self::AdminReadOnly | Self::Admin | Self::OrgAuditor(_) => None,
        }
    }

    /// The scope that stands for a role of the whole foundation.
    fn scope(&self) -> Option<&'static str> {
        match self {
            Self::GlobalAuditor => Some("cloud_controller.global_auditor"),
            Self::AdminReadOnly => Some("cloud_controller.admin_read_only"),
            Self::Admin => Some("cloud_controller.admin"),
            _ => None,
        }
    }
}

#[derive(Clone)]
struct Principal {
    guid: String,
    secret: String,
    is_user: bool,
    authorities: BTreeSet<String>,
    roles: BTreeSet<Role>,
}

impl Principal {
    fn scopes(&self) -> BTreeSet<String> {
        let mut scopes = self.authorities.clone();
        if self.is_user {
            let common = ["openid", "uaa.user", "cloud_controller.read", "cloud_controller.write", "password.write"];
            scopes.extend(common.map(str::to_owned));
        }
        scopes.extend(self.roles.iter().filter_map(Role::scope).map(str::to_owned));
        scopes
    }
}

#[derive(Clone)]
struct Token {
    principal: String,
    expires: Timestamp,
}

/// A token as UAA hands it out.
pub struct Issued {
    pub access: String,
    pub refresh: Option<String>,
    pub seconds: i64,
    pub scope: String,
}

/// Seconds that a client's token is valid: UAA's default, less the one that has passed.
const CLIENT_TOKEN: i64 = 43_199;
/// Seconds that a user's token is valid, as recorded.
const USER_TOKEN: i64 = 1_199;
/// Seconds that a refresh token is valid: thirty days.
const REFRESH_TOKEN: i64 = 30 * 86_400;

/// Everybody whom the foundation knows.
#[derive(Clone)]
pub struct Accounts {
    host: String,
    principals: BTreeMap<String, Principal>,
    tokens: BTreeMap<String, Token>,
    refresh: BTreeMap<String, Token>,
    serial: u64,
}

impl Accounts {
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            principals: BTreeMap::new(),
            tokens: BTreeMap::new(),
            refresh: BTreeMap::new(),
            serial: 0,
        }
    }

    pub fn add_user(&mut self, name: &str, password: &str) {
        self.add(name, password, true, BTreeSet::new(), BTreeSet::new());
    }

    /// Authorities that stand for a role become that role.
    pub fn add_client(&mut self, id: &str, secret: &str, authorities: &[&str]) {
        let whole = [Role::GlobalAuditor, Role::AdminReadOnly, Role::Admin];
        let roles: BTreeSet<Role> =
            whole.into_iter().filter(|role| role.scope().is_some_and(|scope| authorities.contains(&scope))).collect();
        let others = authorities
            .iter()
            .filter(|authority| !roles.iter().any(|role| role.scope() == Some(**authority)))
            .map(|authority| (*authority).to_owned())
            .collect();
        self.add(id, secret, false, others, roles);
    }

    fn add(&mut self, name: &str, secret: &str, is_user: bool, authorities: BTreeSet<String>, roles: BTreeSet<Role>) {
        // A client's guid is its id: that is what audit events name.
        let guid = if is_user { guid(&self.host, 0, name) } else { name.to_owned() };
        let principal = Principal { guid, secret: secret.to_owned(), is_user, authorities, roles };
        self.principals.insert(name.to_owned(), principal);
    }

    pub fn set_role(&mut self, principal: &str, role: Role) -> bool {
        self.principals.get_mut(principal).is_some_and(|principal| principal.roles.insert(role))
    }

    pub fn revoke_role(&mut self, principal: &str, role: &Role) -> bool {
        self.principals.get_mut(principal).is_some_and(|principal| principal.roles.remove(role))
    }

    pub fn set_secret(&mut self, principal: &str, secret: &str) -> bool {
        let Some(principal) = self.principals.get_mut(principal) else { return false };
        secret.clone_into(&mut principal.secret);
        true
    }

    /// Ends every token and refresh token, as a UAA does whose signing key is changed.
    pub fn revoke_tokens(&mut self) {
        self.tokens.clear();
        self.refresh.clear();
    }

    pub fn client_grant(&mut self, id: &str, secret: &str, now: Timestamp) -> Option<Issued> {
        let known = self.principals.get(id)?;
        if known.is_user || known.secret != secret {
            return None;
        }
        self.issue(id, CLIENT_TOKEN, false, now)
    }

    pub fn password_grant(&mut self, name: &str, password: &str, now: Timestamp) -> Option<Issued> {
        let known = self.principals.get(name)?;
        if !known.is_user || known.secret != password {
            return None;
        }
        self.issue(name, USER_TOKEN, true, now)
    }

    /// A refresh token is good for one use: UAA may rotate it, so a client must take the new one.
    pub fn refresh_grant(&mut self, refresh: &str, now: Timestamp) -> Option<Issued> {
        let token = self.refresh.get(refresh)?.clone();
        if token.expires <= now {
            return None;
        }
        self.refresh.remove(refresh);
        self.issue(&token.principal, USER_TOKEN, true, now)
    }

    fn issue(&mut self, name: &str, seconds: i64, refreshable: bool, now: Timestamp) -> Option<Issued> {
        let scopes: Vec<String> = self.principals.get(name)?.scopes().into_iter().collect();
        self.tokens.retain(|_, token| token.expires > now);
        let access = self.next_token(name);
        let expires = later(now, seconds);
        self.tokens.insert(access.clone(), Token { principal: name.to_owned(), expires });
        let refresh = refreshable.then(|| {
            let text = format!("{}-r", self.next_token(name));
            let token = Token { principal: name.to_owned(), expires: later(now, REFRESH_TOKEN) };
            self.refresh.insert(text.clone(), token);
            text
        });
        Some(Issued { access, refresh, seconds, scope: scopes.join(" ") })
    }

    fn next_token(&mut self, name: &str) -> String {
        self.serial += 1;
        guid(&self.host, self.serial, &format!("token of {name}"))
    }

    /// The holder of a token that is still valid.
    pub fn holder(&self, token: &str, now: Timestamp) -> Option<Caller> {
        let token = self.tokens.get(token).filter(|token| token.expires > now)?;
        let principal = self.principals.get(&token.principal)?;
        Some(Caller {
            name: token.principal.clone(),
            actor: Actor {
                guid: principal.guid.clone(),
                kind: "user",
                // UAA knows no user name for a client, and CC writes what it is told.
                name: principal.is_user.then(|| token.principal.clone()),
            },
            scopes: principal.scopes(),
            roles: principal.roles.clone(),
        })
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

/// Who sends a request, and what that one may do.
#[derive(Clone)]
pub struct Caller {
    pub name: String,
    pub actor: Actor,
    scopes: BTreeSet<String>,
    roles: BTreeSet<Role>,
}

impl Caller {
    /// The same with no role at all, and still let in.
    pub fn without_roles(&self) -> Self {
        let mut scopes = self.scopes.clone();
        scopes.insert("cloud_controller.read".to_owned());
        Self { roles: BTreeSet::new(), scopes, ..self.clone() }
    }

    pub fn is_admin(&self) -> bool {
        self.roles.contains(&Role::Admin)
    }

    /// Admins of both kinds are exempt from the rate limit, and they alone.
    pub fn is_unlimited(&self) -> bool {
        self.is_admin() || self.roles.contains(&Role::AdminReadOnly)
    }

    pub fn sees_everything(&self) -> bool {
        self.is_unlimited() || self.roles.contains(&Role::GlobalAuditor)
    }

    pub fn may_read(&self) -> bool {
        self.sees_everything() || self.scopes.contains("cloud_controller.read")
    }

    fn may_write(&self) -> bool {
        self.is_admin() || self.scopes.contains("cloud_controller.write")
    }

    pub fn sees_space(&self, space: &str) -> bool {
        self.sees_everything() || self.roles.iter().any(|role| role.space() == Some(space))
    }

    pub fn audits_organization(&self, organization: &str) -> bool {
        self.roles.iter().any(|role| matches!(role, Role::OrgAuditor(audited) if audited == organization))
    }

    /// A role in a space shows the space's organisation too.
    pub fn sees_organization(&self, organization: &str, spaces: &Table<Space>) -> bool {
        let holds = |space: &str| spaces.get(space).is_some_and(|space| space.organization == organization);
        self.sees_everything()
            || self.audits_organization(organization)
            || self.roles.iter().filter_map(Role::space).any(holds)
    }

    /// Manifest, commands, credentials.
    pub fn reads_secrets(&self, space: &str) -> bool {
        self.is_unlimited() || self.roles.contains(&Role::SpaceDeveloper(space.to_owned()))
    }

    pub fn reads_environment(&self, space: &str) -> bool {
        self.reads_secrets(space) || self.roles.contains(&Role::SpaceSupporter(space.to_owned()))
    }

    /// Binds, restarts, scales and sets environments.
    pub fn repairs(&self, space: &str) -> bool {
        let supports = self.roles.contains(&Role::SpaceSupporter(space.to_owned()));
        self.may_write() && (self.develops(space) || supports)
    }

    /// Changes what an app is.
    pub fn develops(&self, space: &str) -> bool {
        self.may_write() && (self.is_admin() || self.roles.contains(&Role::SpaceDeveloper(space.to_owned())))
    }
}
