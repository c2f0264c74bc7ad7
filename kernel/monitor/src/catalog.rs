//! What the gate can do at one moment: the actions and the policy, loaded and digested together.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchgate_wire::api::{ActionInfo, Annotations, Egress};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::ConfigChanged;
use latchgate_wire::receipt::ActionRef;

use crate::manifest::{Class, Manifest};
use crate::policy::{Policy, Source};
use crate::schema::RequestSchema;
use crate::template::CompiledTemplate;

/// One action, ready to be called.
pub struct Action {
    pub manifest: Manifest,
    /// The file.
    pub text: String,
    /// Over the file's bytes.
    pub manifest_digest: Digest,
    pub schema: RequestSchema,
    /// What every output is held to.
    pub response_schema: RequestSchema,
    pub template: CompiledTemplate,
}

impl Action {
    /// # Errors
    /// Every problem of the file at once, each with file and line.
    pub fn load(file: &str, text: &str) -> Result<Self, Vec<String>> {
        let texts = |errors: Vec<crate::manifest::ManifestError>| -> Vec<String> {
            errors.iter().map(ToString::to_string).collect()
        };
        let manifest = Manifest::parse(file, text).map_err(texts)?;
        let schema =
            RequestSchema::compile(&manifest.request_schema).map_err(|e| vec![format!("{file}: {e}")])?;
        let response_schema =
            RequestSchema::compile(&manifest.response_schema).map_err(|e| vec![format!("{file}: {e}")])?;
        let template = CompiledTemplate::compile(&manifest).map_err(|e| vec![format!("{file}: {e}")])?;
        let manifest_digest = Digest::of(text.as_bytes());
        Ok(Self { manifest_digest, text: text.to_owned(), manifest, schema, response_schema, template })
    }

    /// As entries name it.
    pub fn reference(&self) -> ActionRef {
        ActionRef {
            id: self.manifest.action_id.clone(),
            version: self.manifest.version.clone(),
            manifest_digest: self.manifest_digest,
            module_digest: self.manifest.module_digest,
        }
    }

    /// As the agent API lists it.
    pub fn info(&self) -> ActionInfo {
        let manifest = &self.manifest;
        let egress = match &manifest.egress {
            None => Egress::None,
            Some(rules) => Egress::ProxyAllowlist { allowed_domains: rules.domains.clone() },
        };
        ActionInfo {
            action_id: manifest.action_id.clone(),
            version: manifest.version.clone(),
            title: manifest.title.clone(),
            description: manifest.description.clone(),
            risk_level: manifest.risk_level.as_str().to_owned(),
            class: manifest.class.as_str().to_owned(),
            tags: manifest.tags.clone(),
            request_schema: manifest.request_schema.clone(),
            response_schema: manifest.response_schema.clone(),
            annotations: Annotations {
                read_only_hint: manifest.class == Class::Read,
                destructive_hint: !matches!(manifest.class, Class::Read | Class::Send),
                idempotent_hint: manifest.idempotent || manifest.class == Class::Read,
                open_world_hint: manifest.egress.is_some(),
            },
            egress,
        }
    }
}

/// Actions and policy in force together. Replaced whole.
pub struct Catalog {
    pub actions: BTreeMap<String, Arc<Action>>,
    pub policy: Policy,
}

impl Catalog {
    /// # Errors
    /// Every problem of manifests and policies at once, each with file and line.
    pub fn load(manifests: &[Source], policies: &[Source]) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut actions = BTreeMap::new();
        for source in manifests {
            match Action::load(&source.name, &source.text) {
                Ok(action) => {
                    let id = action.manifest.action_id.clone();
                    if actions.insert(id.clone(), Arc::new(action)).is_some() {
                        problems.push(format!("{}: a second manifest for the action `{id}`", source.name));
                    }
                }
                Err(errors) => problems.extend(errors),
            }
        }
        let loaded: Vec<&Manifest> = actions.values().map(|action| &action.manifest).collect();
        match Policy::load(policies, &loaded) {
            Ok(policy) if problems.is_empty() => Ok(Self { policy, actions }),
            Ok(_) => Err(problems),
            Err(errors) => {
                problems.extend(errors.iter().map(ToString::to_string));
                Err(problems)
            }
        }
    }

    /// The entry that puts this catalog in force.
    pub fn entry(&self) -> ConfigChanged {
        let digests = self.actions.iter().map(|(id, action)| (id.clone(), action.manifest_digest));
        ConfigChanged { policy_digest: self.policy.digest(), actions: digests.collect(), allowance: None }
    }
}
