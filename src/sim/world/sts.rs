//! The simulated Security Token Service: who a key belongs to, and who may become which role.
//!
//! Decides which caller an access key stands for, issues sessions for roles that trust the asking
//! account, and remembers which calls a scenario denies to whom. Never checks a signature (keys
//! of the simulator are public: an account's root key is its own number) and never keeps a secret
//! key. The wire layer asks [`Sts::caller`] and [`Sts::denies`] before every request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::members::{Dice, Members, iso};
use super::{Answer, ApiError, Caller, Request, Service, World};

/// The alphabet of access keys and role ids.
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The alphabet of secrets and session tokens.
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// How long a session lasts when the caller does not say, and at most: every simulated role has the
/// MaxSessionDuration of a role that was made without one.
const HOUR: i64 = 3_600;

/// The accounts, roles and issued sessions of the simulated world.
#[derive(Debug, Clone, Default)]
pub struct Sts {
    accounts: BTreeSet<String>,
    roles: BTreeMap<String, Role>,
    sessions: BTreeMap<String, Session>,
    denials: Vec<Denial>,
}

#[derive(Debug, Clone)]
struct Role {
    account: String,
    name: String,
    id: String,
    trusted: BTreeSet<String>,
}

#[derive(Clone)]
struct Session {
    account: String,
    arn: String,
    token: String,
    expires: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("arn", &self.arn)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct Denial {
    arn_prefix: String,
    service: Service,
    operations: BTreeSet<String>,
}

impl Sts {
    /// Makes an account known; its twelve digits are its root access key.
    pub fn add_account(&mut self, account: &str) {
        self.accounts.insert(account.to_owned());
    }

    /// Adds (or replaces) a role of an account, which callers in the trusted accounts may assume.
    pub fn add_role(&mut self, account: &str, name: &str, trusted_accounts: &[&str]) {
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        let number = arn.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let role = Role {
            account: account.to_owned(),
            name: name.to_owned(),
            id: format!("AROA{}", Dice::new(number, 0).letters(BASE32, 17)),
            trusted: trusted_accounts.iter().map(|trusted| (*trusted).to_owned()).collect(),
        };
        self.roles.insert(arn, role);
    }

    /// Denies operations (`*` = all of the service) to every caller whose ARN, as
    /// GetCallerIdentity shows it, starts with the prefix: a role's is
    /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/`.
    pub fn deny(&mut self, arn_prefix: &str, service: Service, operations: &[&str]) {
        self.denials.push(Denial {
            arn_prefix: arn_prefix.to_owned(),
            service,
            operations: operations.iter().map(|operation| (*operation).to_owned()).collect(),
        });
    }

    /// Takes back every denial made for this very prefix.
    pub fn lift_denials(&mut self, arn_prefix: &str) {
        self.denials.retain(|denial| denial.arn_prefix != arn_prefix);
    }

    /// Whether a scenario denies this operation to this caller.
    pub fn denies(&self, caller: &Caller, service: Service, operation: &str) -> bool {
        self.denials.iter().any(|denial| {
            denial.service == service
                && caller.arn.starts_with(&denial.arn_prefix)
                && (denial.operations.contains("*") || denial.operations.contains(operation))
        })
    }

    /// Whom the credentials of a request stand for.
    pub fn caller(
        &self,
        access_key: &str,
        session_token: Option<&str>,
        region: &str,
        now: Timestamp,
    ) -> Result<Caller, ApiError> {
        let invalid =
            || ApiError::new(403, "InvalidClientTokenId", "The security token included in the request is invalid.");
        if self.accounts.contains(access_key) && session_token.is_none() {
            return Ok(Caller::root(access_key, region));
        }
        let session = self.sessions.get(access_key).ok_or_else(invalid)?;
        if session_token != Some(session.token.as_str()) {
            return Err(invalid());
        }
        if now >= session.expires {
            return Err(ApiError::new(403, "ExpiredToken", "The security token included in the request is expired"));
        }
        Ok(Caller { account: session.account.clone(), region: region.to_owned(), arn: session.arn.clone() })
    }

    /// The access key that CloudTrail names: the one issued last to a session, the account's own else.
    pub(super) fn access_key(&self, caller: &Caller) -> String {
        let issued = self.sessions.iter().filter(|(_, session)| session.arn == caller.arn);
        let last = issued.max_by_key(|(_, session)| session.expires);
        last.map_or_else(|| caller.account.clone(), |(key, _)| key.clone())
    }

    /// Makes an issued session another account's: a role whose credentials lead elsewhere.
    pub fn hand_over(&mut self, access_key: &str, account: &str) {
        if let Some(session) = self.sessions.get_mut(access_key) {
            session.arn = session.arn.replace(session.account.as_str(), account);
            account.clone_into(&mut session.account);
        }
    }

    /// Ends every session that was issued so far.
    pub fn revoke_sessions(&mut self) {
        self.sessions.clear();
    }

    fn identity(&self, caller: &Caller) -> Value {
        json!({ "Account": caller.account, "Arn": caller.arn, "UserId": self.user_id(caller) })
    }

    /// A session's user id is its role's id and its own name; a root user's is the account.
    pub(super) fn user_id(&self, caller: &Caller) -> String {
        let session = caller.arn.split_once(":assumed-role/").and_then(|(_, session)| session.split_once('/'));
        let role =
            session.and_then(|(role, _)| self.roles.get(&format!("arn:aws:iam::{}:role/{role}", caller.account)));
        match (session, role) {
            (Some((_, name)), Some(role)) => format!("{}:{name}", role.id),
            _ => caller.account.clone(),
        }
    }
}

/// Answers one STS request.
pub fn apply(world: &mut World, caller: &Caller, request: &Request, now: Timestamp, seed: u64) -> Answer {
    match request.operation.as_str() {
        "GetCallerIdentity" => Ok(world.sts.identity(caller)),
        "AssumeRole" => assume_role(world, caller, &request.input, now, seed),
        other => Err(ApiError::bad_request(
            "InvalidAction",
            format!("Could not find operation {other} for version 2011-06-15"),
        )),
    }
}

fn assume_role(world: &mut World, caller: &Caller, input: &Value, now: Timestamp, seed: u64) -> Answer {
    let members = Members::new(input, "ValidationError");
    let role_arn = members.required("RoleArn")?;
    let session_name = members.required("RoleSessionName")?;
    if !is_session_name(session_name) {
        return Err(members.invalid(format!(
            "1 validation error detected: Value '{session_name}' at 'roleSessionName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\w+=,.@-]{{2,64}}"
        )));
    }
    let seconds = members.integer("DurationSeconds", 900..=43_200)?.unwrap_or(HOUR);
    if seconds > HOUR && caller.arn.contains(":assumed-role/") {
        return Err(members.invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    // An unknown role and a role that does not trust the caller look the same from outside.
    let role = world.sts.roles.get(role_arn).filter(|role| role.trusted.contains(&caller.account)).cloned();
    let Some(role) = role else {
        return Err(ApiError::new(
            403,
            "AccessDenied",
            format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}", caller.arn),
        ));
    };

    if seconds > HOUR {
        return Err(members.invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."));
    }

    let mut dice = Dice::new(seed, world.next_serial());
    let access_key = format!("ASIA{}", dice.letters(BASE32, 16));
    let secret = dice.letters(BASE64, 40);
    let token = dice.letters(BASE64, 160);
    let arn = format!("arn:aws:sts::{}:assumed-role/{}/{session_name}", role.account, role.name);
    let expires = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    let session = Session { account: role.account, arn: arn.clone(), token: token.clone(), expires };
    world.sts.sessions.insert(access_key.clone(), session);
    Ok(json!({
        "Credentials": {
            "AccessKeyId": access_key,
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": iso(expires),
        },
        "AssumedRoleUser": { "Arn": arn, "AssumedRoleId": format!("{}:{session_name}", role.id) },
    }))
}

/// AWS's pattern `[\w+=,.@-]{2,64}`.
fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOME: &str = "111122223333";
    const OTHER: &str = "444455556666";

    fn world() -> World {
        let mut world = World::with_accounts([HOME, OTHER]);
        world.sts.add_role(OTHER, "observe", &[HOME]);
        world
    }

    fn assume(world: &mut World, from: &str, input: Value, now: Timestamp) -> Answer {
        let caller = Caller::root(from, "eu-west-1");
        apply(world, &caller, &Request::new(Service::Sts, "AssumeRole", input), now, 1)
    }

    fn observe() -> Value {
        json!({"RoleArn": "arn:aws:iam::444455556666:role/observe", "RoleSessionName": "moored"})
    }

    #[test]
    fn an_account_number_is_its_own_root_key_only_when_known() {
        let world = world();
        let caller = world.sts.caller(HOME, None, "eu-west-1", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(caller, Caller::root(HOME, "eu-west-1"));
        let stranger = world.sts.caller("999999999999", None, "eu-west-1", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!((stranger.status, stranger.code.as_str()), (403, "InvalidClientTokenId"));
    }

    #[test]
    fn a_session_needs_its_token_and_dies_on_time() {
        let mut world = world();
        let start = Timestamp::UNIX_EPOCH;
        let issued = assume(&mut world, HOME, observe(), start).unwrap();
        let text = |pointer: &str| issued.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let (key, token) = (text("/Credentials/AccessKeyId"), text("/Credentials/SessionToken"));
        assert!(key.starts_with("ASIA"));
        assert_eq!(text("/Credentials/Expiration"), "1970-01-01T01:00:00Z");

        let caller = world.sts.caller(&key, Some(&token), "eu-west-1", start).unwrap();
        assert_eq!(caller.account, OTHER);
        assert_eq!(caller.arn, "arn:aws:sts::444455556666:assumed-role/observe/moored");
        assert_eq!(world.sts.caller(&key, None, "eu-west-1", start).unwrap_err().code, "InvalidClientTokenId");
        let late = Timestamp::from_second(3_600).unwrap();
        assert_eq!(world.sts.caller(&key, Some(&token), "eu-west-1", late).unwrap_err().code, "ExpiredToken");
        assert!(!format!("{:?}", world.sts).contains(&token), "a session token must not reach Debug");
    }

    #[test]
    fn a_role_is_refused_to_accounts_it_does_not_trust() {
        let mut world = world();
        let refused = assume(&mut world, OTHER, observe(), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (403, "AccessDenied"));
    }

    #[test]
    fn a_session_lasts_no_longer_than_its_role_allows() {
        let mut world = world();
        for (seconds, refused) in [(899, true), (900, false), (3_600, false), (3_601, true), (43_201, true)] {
            let mut input = observe();
            input["DurationSeconds"] = json!(seconds);
            let answer = assume(&mut world, HOME, input, Timestamp::UNIX_EPOCH);
            assert_eq!(answer.is_err(), refused, "{seconds} seconds: {answer:?}");
        }
    }

    #[test]
    fn a_session_name_outside_awss_pattern_is_refused() {
        let mut world = world();
        for name in ["m", "moored daemon", "moored/1"] {
            let mut input = observe();
            input["RoleSessionName"] = json!(name);
            let refused = assume(&mut world, HOME, input, Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(refused.code, "ValidationError", "{name}");
        }
    }

    #[test]
    fn a_denial_holds_for_one_role_service_and_operation() {
        let mut world = world();
        let prefix = "arn:aws:sts::444455556666:assumed-role/observe/";
        world.sts.deny(prefix, Service::Ecs, &["DescribeServices"]);
        let mut caller = Caller::root(OTHER, "eu-west-1");
        assert!(!world.sts.denies(&caller, Service::Ecs, "DescribeServices"));
        caller.arn = format!("{prefix}moored");
        assert!(world.sts.denies(&caller, Service::Ecs, "DescribeServices"));
        assert!(!world.sts.denies(&caller, Service::Ecs, "ListServices"));
        assert!(!world.sts.denies(&caller, Service::Route53, "DescribeServices"));
        world.sts.lift_denials(prefix);
        assert!(!world.sts.denies(&caller, Service::Ecs, "DescribeServices"));
    }
}
