//! Who may switch to which consumer group: DBA_RSRC_CONSUMER_GROUP_PRIVS and the GRANT and REVOKE
//! calls of DBMS_RESOURCE_MANAGER_PRIVS.
//!
//! "Even though the attribute of a particular session matches a mapping pair, the mapping rule is
//! ignored if the session does not have the switch privilege for the designated consumer group"
//! (Administrator's Guide 11.1). Callers: `evaluate`, `track`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DEFAULT_CONSUMER_GROUP;

/// A switch privilege.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// User, role or PUBLIC.
    pub grantee: String,
    /// Consumer group.
    pub group: String,
    /// Whether the grantee may grant it to others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grant_option: bool,
}

/// What is known of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// INITIAL_RSRC_CONSUMER_GROUP: the group where no rule gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_group: Option<String>,
    /// Enabled roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// All privileges and users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// `None`: not known, so everybody is taken to have every privilege, which is said.
    pub grants: Option<Vec<Grant>>,
    /// By name.
    pub users: BTreeMap<String, User>,
}

impl Privileges {
    /// Whether privileges are known at all.
    pub fn are_known(&self) -> bool {
        self.grants.is_some()
    }

    /// Whether the user may switch to the group: directly, by an enabled role, or as everybody.
    /// DEFAULT_CONSUMER_GROUP is granted to PUBLIC. That SYS needs no grant is inferred: no public
    /// list of grants names it for the groups that it is mapped to by default.
    pub fn may_switch(&self, user: Option<&str>, group: &str) -> bool {
        let Some(grants) = &self.grants else {
            return true;
        };
        if group == DEFAULT_CONSUMER_GROUP || user == Some("SYS") {
            return true;
        }
        let roles = user
            .and_then(|u| self.users.get(u))
            .map_or(&[][..], |u| u.roles.as_slice());
        grants.iter().any(|grant| {
            let to = grant.grantee.as_str();
            grant.group == group
                && (to == "PUBLIC" || Some(to) == user || roles.iter().any(|r| r == to))
        })
    }

    /// The user's INITIAL_RSRC_CONSUMER_GROUP, if it is known; whether it may be used.
    pub fn initial_group(&self, user: Option<&str>) -> Option<(&str, bool)> {
        let group = self.users.get(user?)?.initial_group.as_deref()?;
        Some((group, self.may_switch(user, group)))
    }
}
