//! One root among the others: whether what it refers to exists, and what each resource means in its environments.
//!
//! Decides which references dangle, against everything that any root declares. Never decides whether a root stands:
//! `resolve` does, which calls it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attached;
use super::envelope::Owner;
use super::load::{IgnoreDocument, Mention, Parsed, ResourceDocument};
use super::problem::{Place, Problem, suggest};
use super::tree::Node;
use crate::core::desired::Environment;
use crate::core::judge::Kind;
use crate::core::redact::Redactor;
use crate::kinds::setting::{Files, Setting};
use crate::kinds::{Declaration, Part, Parts, Rules, app};

/// Environment, kind and name: what no two declarations share.
pub(super) type Name<'a> = (&'a str, &'a str, &'a str);

/// Where everything is declared that may be referred to.
pub(super) struct Union<'a> {
    /// The root, and the environment unless its document has problems.
    environments: BTreeMap<&'a str, (usize, Option<&'a Arc<Environment>>)>,
    resources: BTreeMap<Name<'a>, usize>,
}

impl<'a> Union<'a> {
    /// Of what is declared twice, the first is meant; the roots are rejected anyway.
    pub fn of(roots: &'a [Arc<Parsed>]) -> Self {
        let mut union = Self { environments: BTreeMap::new(), resources: BTreeMap::new() };
        for (index, root) in roots.iter().enumerate() {
            for document in &root.environments {
                union.environments.entry(&document.name).or_insert((index, document.environment.as_ref()));
            }
            for document in &root.resources {
                for (environment, _) in &document.envelope.environments {
                    let name = (&**environment, document.entry.kind.name(), &*document.envelope.name);
                    union.resources.entry(name).or_insert(index);
                }
            }
            for mention in &root.broken {
                for (environment, _) in &mention.environments {
                    let name = (&**environment, mention.kind, &*mention.name);
                    union.resources.entry(name).or_insert(index);
                }
            }
        }
        union
    }
}

/// A resource in one environment.
pub(super) struct Candidate<'a> {
    pub document: &'a ResourceDocument,
    pub environment: &'a Arc<Environment>,
    pub kind: &'static dyn Kind,
    pub name: Arc<str>,
    /// The application where the document names none.
    pub application: Arc<str>,
    /// Whether it is one of several that the document declares.
    pub is_part: bool,
    /// What the files say that the document names.
    pub named: Vec<&'a Node>,
    pub declaration: Declaration,
}

impl<'a> Candidate<'a> {
    /// All that a document declares in one environment.
    fn all(
        document: &'a ResourceDocument,
        environment: &'a Arc<Environment>,
        named: &[&'a Node],
        mut declaration: Declaration,
    ) -> Vec<Self> {
        let parts = match declaration.rules.take() {
            Some(Rules::Parts(parts)) => parts,
            rules => {
                declaration.rules = rules;
                Parts { parts: Vec::new(), alone: false }
            }
        };
        let name = &document.envelope.name;
        let whole = (!parts.alone).then(|| Self {
            document,
            environment,
            kind: document.entry.kind,
            name: name.clone(),
            application: name.clone(),
            is_part: false,
            named: named.to_vec(),
            declaration,
        });
        let parts = parts.parts.into_iter().map(|Part { kind, name, application, declaration }| Self {
            document,
            environment,
            kind,
            application: application.unwrap_or_else(|| name.clone()),
            name,
            is_part: true,
            named: named.to_vec(),
            declaration,
        });
        whole.into_iter().chain(parts).collect()
    }

    pub fn name(&self) -> Name<'_> {
        (&*self.environment.name, self.kind.name(), &*self.name)
    }
}

/// What is owned, as a problem with its owner names it.
#[derive(Clone, Copy)]
struct Owned<'a> {
    kind: &'a str,
    name: &'a str,
    file: &'a str,
}

/// Something of another root that a root needs.
pub(super) struct Need<'a> {
    /// The other root.
    pub on: usize,
    pub file: &'a str,
    pub place: Place,
    /// `environment` or `owner`.
    pub what: &'static str,
    pub name: &'a str,
}

/// One root among the others.
pub(super) struct Judged<'a> {
    pub problems: Vec<Problem>,
    pub candidates: Vec<Candidate<'a>>,
    pub needs: Vec<Need<'a>>,
}

impl<'a> Judged<'a> {
    pub fn of(index: usize, root: &'a Parsed, union: &Union<'a>, redactor: &Redactor) -> Self {
        let mut judged = Self { problems: root.problems.clone(), candidates: Vec::new(), needs: Vec::new() };
        for document in &root.resources {
            for (environment, place) in &document.envelope.environments {
                let found = judged.environment(index, root, union, &document.source.file, environment, *place);
                if let Some(found) = found {
                    judged.declare(root, document, found, redactor);
                }
                if let Some(owner) = &document.envelope.owner {
                    let (kind, name) = (document.entry.kind.name(), &*document.envelope.name);
                    judged.owner(
                        index,
                        root,
                        union,
                        Owned { kind, name, file: &document.source.file },
                        owner,
                        environment,
                    );
                }
            }
        }
        for Mention { kind, name, environments, owner, file, .. } in &root.broken {
            for (environment, place) in environments {
                judged.environment(index, root, union, file, environment, *place);
                if let Some(owner) = owner {
                    judged.owner(index, root, union, Owned { kind, name, file }, owner, environment);
                }
            }
        }
        for IgnoreDocument { envelope, file, .. } in &root.ignores {
            for (environment, place) in &envelope.environments {
                judged.environment(index, root, union, file, environment, *place);
            }
        }
        judged
    }

    /// The environment of this name, unless it has problems of its own.
    fn environment(
        &mut self,
        index: usize,
        root: &Parsed,
        union: &Union<'a>,
        file: &'a str,
        name: &'a str,
        place: Place,
    ) -> Option<&'a Arc<Environment>> {
        match union.environments.get(name) {
            Some((on, environment)) => {
                if *on != index {
                    self.needs.push(Need { on: *on, file, place, what: "environment", name });
                }
                *environment
            }
            None => {
                // What an unreadable file declares is not known: nothing that refers to it is known to dangle.
                if !root.unreadable {
                    let hint = match suggest(name, union.environments.keys().copied()) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "declare it: `kind: Environment`, in this root or another".to_owned(),
                    };
                    let message = format!("no root declares the environment `{name}`");
                    self.problems.push(Problem::at(file, place, message).hint(hint));
                }
                None
            }
        }
    }

    fn owner(
        &mut self,
        index: usize,
        root: &Parsed,
        union: &Union<'a>,
        owned: Owned<'a>,
        owner: &'a Owner,
        environment: &str,
    ) {
        let (file, name) = (owned.file, &*owner.name);
        if owner.kind == owned.kind && name == owned.name {
            let problem = Problem::at(file, owner.place, format!("{} `{name}` is declared to own itself", owner.kind));
            self.problems.push(problem.hint("name the thing without which it is of no use"));
            return;
        }
        match union.resources.get(&(environment, owner.kind, name)) {
            Some(on) if *on != index => {
                self.needs.push(Need { on: *on, file, place: owner.place, what: "owner", name });
            }
            Some(_) => {}
            None if root.unreadable => {}
            None => {
                let siblings = union.resources.keys().filter(|(at, kind, _)| *at == environment && *kind == owner.kind);
                let hint = match suggest(name, siblings.map(|(_, _, name)| *name)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("declare it, or add `{environment}` to its environments"),
                };
                let message = format!("`ownedBy` names {} `{name}`, which `{environment}` does not have", owner.kind);
                self.problems.push(Problem::at(file, owner.place, message).hint(hint));
            }
        }
    }

    fn declare(
        &mut self,
        root: &'a Parsed,
        document: &'a ResourceDocument,
        environment: &'a Arc<Environment>,
        redactor: &Redactor,
    ) {
        let files = Files { file: &document.source.file, named: Some(&root.named) };
        let setting = Setting { environment, name: &document.envelope.name, redactor, files };
        let spec = document.spec(&environment.name);
        let named = match document.entry.kind.name() {
            app::KIND => attached::of(spec, &document.source.file),
            _ => Vec::new(),
        };
        // What is wrong with such a file is told already; what it would declare, nobody knows.
        if named.iter().any(|path| root.unparsed.contains(path.as_str())) {
            return;
        }
        match (document.entry.declare)(spec, &document.form.spec, &setting) {
            Ok(declaration) => {
                let named: Vec<&Node> = named.iter().filter_map(|path| root.named.get(path.as_str())).collect();
                self.candidates.extend(Candidate::all(document, environment, &named, declaration));
            }
            Err(problems) => self.problems.extend(problems.into_iter().map(|problem| Problem {
                file: problem.file.unwrap_or_else(|| document.source.file.to_string()),
                place: Some(match problem.place {
                    Some(place) => place,
                    None if problem.of_name => document.place,
                    None => document.spec_place(&environment.name, &problem.path),
                }),
                message: problem.message,
                hint: problem.hint,
            })),
        }
    }
}
