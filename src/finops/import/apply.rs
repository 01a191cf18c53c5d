//! What a call does to a file of rules.
//!
//! Mappings, priorities and directives go to the pending area first: CLEAR_PENDING_AREA undoes what
//! wasn't submitted. What a script never submits is taken as well, as excerpts have no frame.
//! Callers: [`super::calls`], [`super::csv`].

use std::collections::BTreeMap;

use super::calls::{Argument, Call, Value};
use super::{Import, Problem};
use crate::finops::directives::Directive;
use crate::finops::mapping::{Attribute, Grant, ManualSwitch, Rule, identifier, quoted};
use crate::finops::rules_file::RulesFile;

/// Takes calls in their order.
pub(super) struct Applied {
    /// What has been submitted.
    submitted: RulesFile,
}

impl Applied {
    pub(super) fn new(file: &RulesFile) -> Applied {
        Applied {
            submitted: file.clone(),
        }
    }

    /// Does what a call does; returns what deserves a look.
    pub(super) fn apply(
        &mut self,
        import: &mut Import,
        call: &Call,
    ) -> Result<Option<String>, Problem> {
        let file = &mut import.file;
        match call.procedure {
            "SET_CONSUMER_GROUP_MAPPING" => return mapping(file, call),
            "SET_CONSUMER_GROUP_MAPPING_PRI" => priorities(file, call)?,
            "CREATE_PLAN_DIRECTIVE" => create_directive(file, call)?,
            "UPDATE_PLAN_DIRECTIVE" => update_directive(file, call)?,
            "DELETE_PLAN_DIRECTIVE" => {
                let (plan, group) = (name(call, "PLAN")?, name(call, "GROUP_OR_SUBPLAN")?);
                file.directives.retain(|d| !is_of(d, &plan, &group));
            }
            "GRANT_SWITCH_CONSUMER_GROUP" => {
                let option = call.argument("GRANT_OPTION").map(boolean).transpose()?;
                let grantee = name(call, "GRANTEE_NAME")?;
                grant(
                    file,
                    &grantee,
                    &name(call, "CONSUMER_GROUP")?,
                    option.unwrap_or(false),
                );
            }
            "REVOKE_SWITCH_CONSUMER_GROUP" => {
                let (grantee, group) = (name(call, "REVOKEE_NAME")?, name(call, "CONSUMER_GROUP")?);
                let grants = file.privileges.get_or_insert_default();
                grants.retain(|g| g.grantee != grantee || g.group != group);
            }
            "SET_INITIAL_CONSUMER_GROUP" => {
                let user = name(call, "USER")?;
                let group = name(call, "CONSUMER_GROUP")?;
                file.users.entry(user).or_default().initial_group = Some(group);
            }
            "SWITCH_PLAN" => file.plan = Some(name(call, "PLAN_NAME")?),
            "CLEAR_PENDING_AREA" => return Ok(self.clear(file)),
            "SUBMIT_PENDING_AREA" => self.submitted = file.clone(),
            _ => return switch(file, call),
        }
        Ok(None)
    }

    fn clear(&self, file: &mut RulesFile) -> Option<String> {
        let pending = (&file.rules, &file.priorities, &file.directives);
        let kept = &self.submitted;
        if pending == (&kept.rules, &kept.priorities, &kept.directives) {
            return None;
        }
        file.rules.clone_from(&kept.rules);
        file.priorities.clone_from(&kept.priorities);
        file.directives.clone_from(&kept.directives);
        Some("CLEAR_PENDING_AREA undoes what was set before it and not submitted".into())
    }
}

fn required<'a>(call: &'a Call, name: &str) -> Result<&'a Argument, Problem> {
    call.argument(name)
        .ok_or_else(|| call.problem(format!("argument {name} of {}", call.procedure), "none"))
}

fn text(argument: &Argument) -> Result<&str, Problem> {
    match &argument.value {
        Value::Text(text) => Ok(text),
        _ => Err(argument.problem("a text")),
    }
}

/// A name as files of rules have it.
fn name(call: &Call, parameter: &str) -> Result<String, Problem> {
    let argument = required(call, parameter)?;
    let found = text(argument)?;
    if found.trim().is_empty() {
        return Err(argument.problem("a name"));
    }
    Ok(quoted(&identifier(found)))
}

fn boolean(argument: &Argument) -> Result<bool, Problem> {
    match &argument.value {
        Value::Bool(value) => Ok(*value),
        Value::Null => Ok(false),
        _ => Err(argument.problem("TRUE or FALSE")),
    }
}

/// A whole number; null and a negative one (which UPDATE resets by) are no limit.
fn number(argument: &Argument) -> Result<Option<u64>, Problem> {
    let number = match &argument.value {
        Value::Null => return Ok(None),
        Value::Number(number) => *number,
        // SWITCH_CONSUMER_GROUP_FOR_SESS ('17', '12345', …)
        Value::Text(text) => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => return Err(argument.problem("a number")),
        },
        _ => return Err(argument.problem("a number")),
    };
    if number < 0.0 {
        return Ok(None);
    }
    if number.fract() != 0.0 || number > 1e15 {
        return Err(argument.problem("a whole number up to 10^15"));
    }
    Ok(Some(number as u64))
}

fn mapping(file: &mut RulesFile, call: &Call) -> Result<Option<String>, Problem> {
    let argument = required(call, "ATTRIBUTE")?;
    let attribute = match &argument.value {
        Value::Name(name) | Value::Text(name) => Attribute::named(name),
        _ => None,
    };
    let known = Attribute::ALL.map(Attribute::name).join(", ");
    let attribute = attribute.ok_or_else(|| argument.problem(&format!("one of {known}")))?;
    let value = text(required(call, "VALUE")?)?.to_owned();
    let group = match call.argument("CONSUMER_GROUP").map(|a| &a.value) {
        None | Some(Value::Null) => None,
        Some(_) => Some(name(call, "CONSUMER_GROUP")?),
    };
    let substitution = value.contains('&').then(|| {
        format!(
            "{attribute} {value:?} has a `&`: if that is a variable of SQL*Plus, write its value"
        )
    });
    map(file, attribute, value, group);
    Ok(substitution)
}

/// Sets a mapping: it replaces one of the same attribute and value; without a group it deletes it.
pub(super) fn map(
    file: &mut RulesFile,
    attribute: Attribute,
    value: String,
    group: Option<String>,
) {
    let same = |r: &Rule| match attribute {
        Attribute::OracleUser => identifier(&r.value) == identifier(&value),
        _ => r.value == value,
    };
    let place = file
        .rules
        .iter()
        .position(|r| r.attribute == attribute && same(r));
    match (place, group) {
        (Some(place), Some(group)) => file.rules[place].group = Some(group),
        (Some(place), None) => {
            file.rules.remove(place);
        }
        (None, Some(group)) => file.rules.push(Rule {
            attribute,
            value,
            group: Some(group),
            tenant: None,
        }),
        (None, None) => {}
    }
}

/// Grants a privilege, once.
pub(super) fn grant(file: &mut RulesFile, grantee: &str, group: &str, grant_option: bool) {
    let grants = file.privileges.get_or_insert_default();
    match grants
        .iter_mut()
        .find(|g| g.grantee == grantee && g.group == group)
    {
        Some(known) => known.grant_option |= grant_option,
        None => grants.push(Grant {
            grantee: grantee.to_owned(),
            group: group.to_owned(),
            grant_option,
        }),
    }
}

fn priorities(file: &mut RulesFile, call: &Call) -> Result<(), Problem> {
    let mut given: BTreeMap<String, i64> = BTreeMap::new();
    for argument in &call.arguments {
        let Some(number) = number(argument)? else {
            return Err(argument.problem("a number from 1 to 11"));
        };
        given.insert(argument.name.to_ascii_lowercase(), number as i64);
    }
    let checked = crate::finops::mapping::Priorities::new(&given);
    checked.map_err(|error| call.problem("priorities that can be".into(), &error.to_string()))?;
    file.priorities = Some(given);
    Ok(())
}

fn is_of(directive: &Directive, plan: &str, group: &str) -> bool {
    directive.plan == plan && directive.group == group
}

fn create_directive(file: &mut RulesFile, call: &Call) -> Result<(), Problem> {
    let mut directive = Directive {
        plan: name(call, "PLAN")?,
        group: name(call, "GROUP_OR_SUBPLAN")?,
        ..Directive::default()
    };
    for argument in &call.arguments {
        limit(&mut directive, &argument.name, argument)?;
    }
    put(file, directive);
    Ok(())
}

/// Adds a directive; it replaces one of the same plan and group.
pub(super) fn put(file: &mut RulesFile, directive: Directive) {
    file.directives
        .retain(|d| !is_of(d, &directive.plan, &directive.group));
    file.directives.push(directive);
}

fn update_directive(file: &mut RulesFile, call: &Call) -> Result<(), Problem> {
    let (plan, group) = (name(call, "PLAN")?, name(call, "GROUP_OR_SUBPLAN")?);
    let Some(place) = file.directives.iter().position(|d| is_of(d, &plan, &group)) else {
        let expected = format!("a directive of plan {plan} for {group} to be updated");
        return Err(call.problem(expected, "none: import the CREATE_PLAN_DIRECTIVE first"));
    };
    for argument in &call.arguments {
        // null leaves a value as it is
        let new = argument.name.strip_prefix("NEW_");
        if let (Some(name), true) = (new, argument.value != Value::Null) {
            limit(&mut file.directives[place], name, argument)?;
        }
    }
    Ok(())
}

fn limit(directive: &mut Directive, parameter: &str, argument: &Argument) -> Result<(), Problem> {
    if let Some(place) = limit_of(directive, parameter) {
        *place = number(argument)?;
        return Ok(());
    }
    match parameter {
        "SWITCH_GROUP" if argument.value == Value::Null => directive.switch_group = None,
        "SWITCH_GROUP" => {
            let group = text(argument)?;
            let group = (!group.is_empty()).then(|| quoted(&identifier(group)));
            directive.switch_group = group;
        }
        "SWITCH_FOR_CALL" => directive.switch_for_call = boolean(argument)?,
        "SWITCH_ESTIMATE" => directive.switch_estimate = boolean(argument)?,
        // deprecated: the limit on CPU, for a call
        "SWITCH_TIME_IN_CALL" => {
            if let Some(seconds) = number(argument)? {
                directive.switch_time = Some(seconds);
                directive.switch_for_call = true;
            }
        }
        // shares of CPU and parallelism switch nobody
        _ => {}
    }
    Ok(())
}

/// The place of a numeric limit.
pub(super) fn limit_of<'a>(
    directive: &'a mut Directive,
    parameter: &str,
) -> Option<&'a mut Option<u64>> {
    Some(match parameter {
        "SWITCH_TIME" => &mut directive.switch_time,
        "SWITCH_ELAPSED_TIME" => &mut directive.switch_elapsed_time,
        "SWITCH_IO_MEGABYTES" => &mut directive.switch_io_megabytes,
        "SWITCH_IO_REQS" => &mut directive.switch_io_reqs,
        "SWITCH_IO_LOGICAL" => &mut directive.switch_io_logical,
        "MAX_EST_EXEC_TIME" => &mut directive.max_est_exec_time,
        "MAX_IDLE_TIME" => &mut directive.max_idle_time,
        "MAX_IDLE_BLOCKER_TIME" => &mut directive.max_idle_blocker_time,
        "SESSION_PGA_LIMIT" => &mut directive.session_pga_limit,
        "ACTIVE_SESS_POOL_P1" => &mut directive.active_sess_pool_p1,
        _ => return None,
    })
}

fn switch(file: &mut RulesFile, call: &Call) -> Result<Option<String>, Problem> {
    let small = |name: &str| -> Result<Option<u32>, Problem> {
        let argument = required(call, name)?;
        let number = number(argument)?.and_then(|n| u32::try_from(n).ok());
        number.map(Some).ok_or_else(|| argument.problem("a number"))
    };
    let mut event = ManualSwitch {
        at: None,
        user: None,
        sid: None,
        serial_no: None,
        group: String::new(),
        current: false,
        owner: None,
        initial_group_on_error: false,
    };
    let mut missing = "when (`at`)";
    match call.procedure {
        "SWITCH_CONSUMER_GROUP_FOR_SESS" => {
            event.sid = small("SESSION_ID")?;
            event.serial_no = small("SESSION_SERIAL")?;
            event.group = name(call, "CONSUMER_GROUP")?;
        }
        "SWITCH_CONSUMER_GROUP_FOR_USER" => {
            event.user = Some(name(call, "USER")?);
            event.group = name(call, "CONSUMER_GROUP")?;
        }
        _ => {
            event.group = name(call, "NEW_CONSUMER_GROUP")?;
            event.current = true;
            let on_error = call
                .argument("INITIAL_GROUP_ON_ERROR")
                .map(boolean)
                .transpose()?;
            event.initial_group_on_error = on_error.unwrap_or(false);
            missing = "when (`at`) and which session (`user`, or `sid` and `serial_no`)";
        }
    }
    file.switches.push(event);
    let note = format!(
        "{} doesn't say {missing}: add that to its [[switches]]",
        call.procedure
    );
    Ok(Some(note))
}
