//! The examples of Oracle's own documentation, imported as they stand.
//!
//! "Assigning Sessions to Resource Consumer Groups" (Administrator's Guide 11.1, B28310-01).

use super::tests::{group, imported, ready, session};
use crate::finops::directives::judge::{Bounds, Usage, passed};
use crate::finops::directives::{Action, Directive};
use crate::finops::mapping::{ManualSwitch, SessionAttributes, Tracker};

pub(super) const SCOTT: &str = "BEGIN
DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING  
     (DBMS_RESOURCE_MANAGER.ORACLE_USER, 'SCOTT', 'DEV_GROUP');
END;";

pub(super) const BACKUP: &str = "BEGIN
DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING
     (DBMS_RESOURCE_MANAGER.MODULE_NAME, 'BACKUP', 'LOW_PRIORITY');
END;";

pub(super) const PRIORITIES: &str = "BEGIN
DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING_PRI(
    EXPLICIT => 1,
    SERVICE_MODULE_ACTION => 2,
    SERVICE_MODULE => 3,
    MODULE_NAME_ACTION => 4,
    MODULE_NAME => 5,
    SERVICE_NAME => 6,
    ORACLE_USER => 7,
    CLIENT_PROGRAM => 8,
    CLIENT_OS_USER => 9,
    CLIENT_MACHINE => 10);
END; ";

#[test]
fn documentation_user_scott_maps_to_dev_group_every_time_he_logs_in() {
    let import = imported(&[SCOTT]);
    assert_eq!(group(&import, &session("SCOTT", None, None)), "DEV_GROUP");
    assert_eq!(
        group(&import, &session("HR", None, None)),
        "DEFAULT_CONSUMER_GROUP"
    );
}

#[test]
fn documentation_module_backup_stands_above_the_mapping_of_the_user() {
    let import = imported(&[PRIORITIES, SCOTT, BACKUP]);
    let rules = ready(&import);
    let mut scott = session("SCOTT", None, None);
    let mut tracker = Tracker::login(&rules, &scott, 0);
    assert_eq!(tracker.now().group.as_deref(), Some("DEV_GROUP"));
    scott.module_name = Some("BACKUP".into());
    let switches = tracker.observe(&rules, &scott, 1, &[]);
    assert_eq!(switches[0].to.as_deref(), Some("LOW_PRIORITY"));
}

#[test]
fn documentation_priorities_resolve_the_conflict_of_scott_and_service_sales() {
    let rules = "BEGIN
      DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING(DBMS_RESOURCE_MANAGER.ORACLE_USER, 'SCOTT', 'MED_PRIORITY');
      DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING(DBMS_RESOURCE_MANAGER.SERVICE_NAME, 'SALES', 'HIGH_PRIORITY');
    END;";
    let scott = session("SCOTT", Some("SALES"), None);
    assert_eq!(
        group(&imported(&[PRIORITIES, rules]), &scott),
        "HIGH_PRIORITY"
    );
    let swapped = PRIORITIES
        .replace("SERVICE_NAME => 6", "SERVICE_NAME => 7")
        .replace("ORACLE_USER => 7", "ORACLE_USER => 6");
    assert_eq!(group(&imported(&[&swapped, rules]), &scott), "MED_PRIORITY");
}

#[test]
fn documentation_the_ten_priorities() {
    // a session that a rule of every attribute fits: taken away one by one, in the documented order
    let order = [
        ("SERVICE_MODULE_ACTION", "SALES.BACKUP.RUN"),
        ("SERVICE_MODULE", "SALES.BACKUP"),
        ("MODULE_NAME_ACTION", "BACKUP.RUN"),
        ("MODULE_NAME", "BACKUP"),
        ("SERVICE_NAME", "SALES"),
        ("ORACLE_USER", "SCOTT"),
        ("CLIENT_PROGRAM", "sqlplus"),
        ("CLIENT_OS_USER", "oracle"),
        ("CLIENT_MACHINE", "app01"),
    ];
    let scott = SessionAttributes {
        client_os_user: Some("oracle".into()),
        client_program: Some("sqlplus@app01 (TNS V1-V3)".into()),
        client_machine: Some("app01".into()),
        action: Some("RUN".into()),
        ..session("SCOTT", Some("SALES"), Some("BACKUP"))
    };
    for first in 0..order.len() {
        let calls: String = order[first..]
            .iter()
            .rev()
            .map(|(attribute, value)| {
                format!("EXEC dbms_resource_manager.set_consumer_group_mapping(dbms_resource_manager.{attribute}, '{value}', 'G_{attribute}')\n")
            })
            .collect();
        let import = imported(&[PRIORITIES, &calls]);
        assert_eq!(group(&import, &scott), format!("G_{}", order[first].0));
    }
    // the tenth, before them all: an explicit switch
    let import = imported(&[
        PRIORITIES,
        "EXEC dbms_resource_manager.set_consumer_group_mapping('SERVICE_NAME', 'SALES', 'G')",
    ]);
    let found = ready(&import).evaluate(&scott, Some("MINE"));
    assert_eq!(found.group.as_deref(), Some("MINE"));
}

fn directive(text: &str) -> Directive {
    let import = imported(&[text]);
    let plans = import.file.plans();
    assert_eq!(plans.active.as_deref(), Some("DAYTIME"));
    plans.of("OLTP").unwrap().clone()
}

pub(super) const EXAMPLE_1: &str = "BEGIN
DBMS_RESOURCE_MANAGER.CREATE_PLAN_DIRECTIVE (
   PLAN             => 'DAYTIME',
   GROUP_OR_SUBPLAN => 'OLTP',
   COMMENT          => 'OLTP group',
   MGMT_P1          => 75,
   SWITCH_GROUP     => 'LOW_GROUP',
   SWITCH_TIME      => 5);
END;";

fn cpu(seconds: f64) -> Usage {
    Usage {
        cpu_s: Some(Bounds::exactly(seconds)),
        ..Usage::default()
    }
}

#[test]
fn documentation_oltp_goes_to_low_group_after_5_seconds_of_cpu() {
    let oltp = directive(EXAMPLE_1);
    assert_eq!(oltp.action(), Some(Action::Switch("LOW_GROUP".into())));
    assert!(!oltp.switch_for_call);
    assert_eq!(passed(&oltp, &cpu(5.0)), []);
    let found = passed(&oltp, &cpu(5.01));
    assert_eq!((found[0].limit, found[0].certain), ("SWITCH_TIME", true));
}

#[test]
fn documentation_oltp_goes_to_low_group_for_the_call_after_10_000_requests_or_2_500_megabytes() {
    let oltp = directive(
        "BEGIN
DBMS_RESOURCE_MANAGER.CREATE_PLAN_DIRECTIVE (
   PLAN                => 'DAYTIME',
   GROUP_OR_SUBPLAN    => 'OLTP',
   COMMENT             => 'OLTP group',
   MGMT_P1             => 75,
   SWITCH_GROUP        => 'LOW_GROUP',
   SWITCH_IO_REQS      => 10000,
   SWITCH_IO_MEGABYTES => 2500,
   SWITCH_FOR_CALL     => TRUE);
END;",
    );
    assert!(oltp.switch_for_call);
    let io = |requests: f64, megabytes: f64| {
        let usage = Usage {
            io_reqs: Some(Bounds::exactly(requests)),
            io_megabytes: Some(Bounds::exactly(megabytes)),
            ..Usage::default()
        };
        let found = passed(&oltp, &usage);
        found.into_iter().map(|p| p.limit).collect::<Vec<_>>()
    };
    assert!(io(10_000.0, 2_500.0).is_empty());
    assert_eq!(io(10_001.0, 0.0), ["SWITCH_IO_REQS"]);
    assert_eq!(io(9.0, 2_500.5), ["SWITCH_IO_MEGABYTES"]);
    assert_eq!(io(10_001.0, 2_501.0).len(), 2);
}

#[test]
fn documentation_oltp_is_killed_after_60_seconds_of_cpu() {
    let text = EXAMPLE_1
        .replace("'LOW_GROUP'", "'KILL_SESSION'")
        .replace("=> 5)", "=> 60)");
    let oltp = directive(&text);
    assert_eq!(oltp.action(), Some(Action::KillSession));
    assert!(passed(&oltp, &cpu(60.0)).is_empty());
    assert!(passed(&oltp, &cpu(60.1))[0].certain);
}

#[test]
fn documentation_session_17_goes_to_high_priority_and_scotts_sessions_to_low_group() {
    let import = imported(&["BEGIN
DBMS_RESOURCE_MANAGER.SWITCH_CONSUMER_GROUP_FOR_SESS ('17', '12345',
   'HIGH_PRIORITY');
END;
BEGIN
DBMS_RESOURCE_MANAGER.SWITCH_CONSUMER_GROUP_FOR_USER ('SCOTT',
    'LOW_GROUP'); 
END;"]);
    let [one, all] = import.file.switches.as_slice() else {
        panic!("{:?}", import.file.switches)
    };
    let set = ready(&import);
    let tracker = Tracker::login(&set, &session("SCOTT", None, None), 0);
    assert!(one.is_for(tracker.target(17, 12345)) && !one.is_for(tracker.target(17, 12346)));
    assert!(all.is_for(tracker.target(1, 1)));
    assert_eq!(
        (one.group.as_str(), all.group.as_str()),
        ("HIGH_PRIORITY", "LOW_GROUP")
    );
    assert_eq!(import.notes.len(), 2, "{:?}", import.notes);
}

#[test]
fn documentation_switch_current_consumer_group_of_a_session_in_sqlplus() {
    let import = imported(&["SET serveroutput on
DECLARE
    old_group varchar2(30);
BEGIN
DBMS_SESSION.SWITCH_CURRENT_CONSUMER_GROUP('OLTP', old_group, FALSE);
DBMS_OUTPUT.PUT_LINE('OLD GROUP = ' || old_group);
END;
/
"]);
    let switch: &ManualSwitch = &import.file.switches[0];
    assert!(switch.current && !switch.initial_group_on_error);
    assert_eq!(switch.group, "OLTP");
    assert!(
        import.notes[0].contains("which session"),
        "{:?}",
        import.notes
    );
}

pub(super) const GRANT: &str = "BEGIN
DBMS_RESOURCE_MANAGER_PRIVS.GRANT_SWITCH_CONSUMER_GROUP (
   GRANTEE_NAME   => 'SCOTT',
   CONSUMER_GROUP => 'OLTP',
   GRANT_OPTION   =>  TRUE);
END;";

const REVOKE: &str = "BEGIN
DBMS_RESOURCE_MANAGER_PRIVS.REVOKE_SWITCH_CONSUMER_GROUP (
   REVOKEE_NAME   => 'SCOTT', 
   CONSUMER_GROUP => 'OLTP');
END;";

#[test]
fn documentation_a_revoked_privilege_makes_later_attempts_fail() {
    let oltp = SCOTT.replace("DEV_GROUP", "OLTP");
    let scott = session("SCOTT", None, None);
    assert_eq!(group(&imported(&[&oltp, GRANT]), &scott), "OLTP");
    let import = imported(&[&oltp, GRANT, REVOKE]);
    assert_eq!(group(&import, &scott), "DEFAULT_CONSUMER_GROUP");
}
