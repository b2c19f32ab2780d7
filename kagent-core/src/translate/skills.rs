//! Skills: files that skills-init fetches from git and OCI registries before the agent starts. Names and paths are
//! checked here, because they become directories.

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};
use serde::Serialize;

use super::resolved::ResolvedSkills;

const GIT_AUTH_PATH: &str = "/git-auth";

/// `config.json` of skills-init.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SkillsInitConfig {
    /// Where git credentials are mounted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_mount_path: String,
    /// Skills from git.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub git_refs: Vec<GitSkill>,
    /// Skills from registries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oci_refs: Vec<OciSkill>,
    /// Whether registries are spoken to without verification.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure_oci: bool,
    /// Hosts whose SSH keys are fetched first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_hosts: Vec<SshHost>,
    /// Pull secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
}

/// One skill from git.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GitSkill {
    /// Repository.
    pub url: String,
    /// Branch, tag or commit.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Directory.
    pub dest: String,
    /// Whether the whole history is needed, as for a commit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// Directory inside the repository.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub_path: String,
}

/// One skill from a registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OciSkill {
    /// Image reference.
    pub image: String,
    /// Directory.
    pub dest: String,
}

/// A host that is spoken to by SSH.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct SshHost {
    /// Host name.
    pub host: String,
    /// Port, where it is not 22.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
}

/// What the spec says of skills, in plain values.
#[derive(Clone, Debug, Default)]
pub(super) struct SkillsInput {
    pub(super) oci_refs: Vec<String>,
    pub(super) git_refs: Vec<GitInput>,
    pub(super) git_auth_secret: Option<String>,
    pub(super) pull_secrets: Vec<String>,
    pub(super) insecure: bool,
    pub(super) resources: Option<ResourceRequirements>,
    pub(super) env: Vec<EnvVar>,
}

/// One git reference of the spec.
#[derive(Clone, Debug, Default)]
pub(super) struct GitInput {
    pub(super) url: String,
    pub(super) reference: String,
    pub(super) path: String,
    pub(super) name: String,
}

/// Name of the ConfigMap of an agent with skills.
pub fn config_map_name(agent: &str) -> String {
    format!("{agent}-skills-init")
}

/// Name of the volume of a pull secret. Dots are legal in a Secret's name and not in a volume's.
pub fn pull_secret_volume(secret: &str) -> String {
    const PREFIX: &str = "pull-secret-";
    format!("{PREFIX}{}", super::pod::volume_id(PREFIX, secret))
}

/// Checks skills and says what to fetch; `None` when there are none.
///
/// # Errors
/// The first thing that is wrong with them.
pub(super) fn resolve_skills(input: SkillsInput) -> Result<Option<ResolvedSkills>, String> {
    if input.oci_refs.is_empty() && input.git_refs.is_empty() {
        return Ok(None);
    }
    let mut names: Vec<String> = Vec::new();
    let mut take = |name: &str| -> Result<String, String> {
        check_name(name)?;
        if names.iter().any(|known| known == name) {
            return Err(format!("duplicate skill directory name {name:?}"));
        }
        names.push(name.to_owned());
        Ok(format!("/skills/{name}"))
    };
    let mut config = SkillsInitConfig {
        insecure_oci: input.insecure,
        image_pull_secrets: input.pull_secrets.clone(),
        ..SkillsInitConfig::default()
    };
    for git in &input.git_refs {
        let sub_path = check_sub_path(&git.path)?;
        let reference = if git.reference.is_empty() {
            "main"
        } else {
            &git.reference
        };
        config.git_refs.push(GitSkill {
            url: git.url.clone(),
            reference: reference.to_owned(),
            dest: take(&git_name(git))?,
            full: reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit()),
            sub_path,
        });
    }
    for image in &input.oci_refs {
        config.oci_refs.push(OciSkill {
            image: image.clone(),
            dest: take(&oci_name(image))?,
        });
    }
    if input.git_auth_secret.is_some() {
        config.auth_mount_path = GIT_AUTH_PATH.to_owned();
        config.ssh_hosts = config.git_refs.iter().filter_map(|git| ssh_host(&git.url)).collect();
        config.ssh_hosts.sort();
        config.ssh_hosts.dedup();
    }
    Ok(Some(ResolvedSkills {
        config,
        git_auth_secret: input.git_auth_secret,
        pull_secrets: input.pull_secrets,
        resources: input.resources,
        env: input.env,
    }))
}

/// The names of skills as prompts see them: from registries, then from git.
pub(super) fn skill_names(skills: &ResolvedSkills) -> Vec<String> {
    let name = |dest: &str| dest.trim_start_matches("/skills/").to_owned();
    let oci = skills.config.oci_refs.iter().map(|skill| name(&skill.dest));
    oci.chain(skills.config.git_refs.iter().map(|skill| name(&skill.dest)))
        .collect()
}

fn check_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name == "." || name == ".." || !name.bytes().all(legal) {
        return Err(format!("invalid skill directory name {name:?}"));
    }
    Ok(())
}

/// A path inside the repository, without one slash at its end.
fn check_sub_path(path: &str) -> Result<String, String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut depth = 0_i32;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return Err(format!("skill path {path:?} leaves the repository"));
        }
    }
    if path.starts_with('/') {
        return Err(format!("skill path {path:?} is not relative"));
    }
    Ok(path.to_owned())
}

fn git_name(git: &GitInput) -> String {
    let name = git.name.trim();
    if !name.is_empty() {
        return name.to_owned();
    }
    let path = git.path.trim();
    if !path.is_empty() {
        return last_segment(path).to_owned();
    }
    let url = git.url.split(['?', '#']).next().unwrap_or_default();
    let base = last_segment(url);
    base.strip_suffix(".git").unwrap_or(base).to_owned()
}

fn oci_name(image: &str) -> String {
    let image = image.split('@').next().unwrap_or_default();
    let base = last_segment(image);
    base.split(':').next().unwrap_or_default().to_owned()
}

fn last_segment(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let after_slash = path.rsplit('/').next().unwrap_or(path);
    // `git@host:repo.git` has no slash.
    if path.contains("://") || path.contains('/') {
        after_slash
    } else {
        path.rsplit_once('@')
            .and_then(|(_, rest)| rest.split_once(':'))
            .map_or(after_slash, |(_, repository)| repository)
    }
}

/// The host of `ssh://`, `git+ssh://` and `user@host:path` URLs; `None` for others and for odd characters.
fn ssh_host(url: &str) -> Option<SshHost> {
    let after_scheme = url.strip_prefix("ssh://").or_else(|| url.strip_prefix("git+ssh://"));
    let (authority, has_port) = match after_scheme {
        Some(rest) => (rest.split('/').next().unwrap_or_default(), true),
        None if url.contains("://") => return None,
        None => (url.split_once(':')?.0, false),
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if has_port => (host, port),
        _ => (host, ""),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if host.is_empty() || !host.bytes().all(legal) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(SshHost {
        host: host.to_owned(),
        port: if port == "22" { String::new() } else { port.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oci_names_have_no_tag_digest_or_registry_port() {
        for (image, name) in [
            ("registry.example/skills/pdf:1.2", "pdf"),
            ("registry.example:5000/skills/sheets", "sheets"),
            ("registry.example/skills/mail@sha256:aaaa", "mail"),
            ("bare-name:latest", "bare-name"),
        ] {
            assert_eq!(oci_name(image), name);
        }
    }

    #[test]
    fn paths_stay_inside_the_repository() {
        assert_eq!(check_sub_path("a/../b/"), Ok("a/../b".to_owned()));
        for bad in ["/x", "../x", "a/../../x"] {
            assert!(check_sub_path(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn names_that_are_no_directories_are_refused() {
        for bad in ["", ".", "..", "a b", "a/b", "ü"] {
            assert!(check_name(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(check_name("A.b_c-1"), Ok(()));
    }

    #[test]
    fn ssh_hosts_come_from_all_ssh_forms() {
        let host = |url: &str| ssh_host(url).map(|it| (it.host, it.port));
        assert_eq!(
            host("git@zeta.example:team/one.git"),
            Some(("zeta.example".to_owned(), String::new()))
        );
        assert_eq!(
            host("ssh://git@a.example:2222/two.git"),
            Some(("a.example".to_owned(), "2222".to_owned()))
        );
        assert_eq!(
            host("git+ssh://a.example:22/two.git"),
            Some(("a.example".to_owned(), String::new()))
        );
        assert_eq!(host("https://git.example/five.git"), None);
        assert_eq!(host("git@bad host:x"), None);
    }
}
