//! The examples of Oracle's own documentation, imported as they stand, and hostile scripts.
//!
//! Examples are those of "Assigning Sessions to Resource Consumer Groups" (Administrator's Guide 11.1,
//! B28310-01).

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::finops::directives::judge::{Bounds, Usage, passed};
use crate::finops::directives::{Action, Directive};
use crate::finops::mapping::{ManualSwitch, RuleSet, SessionAttributes, Tracker};

fn imported(texts: &[&str]) -> Import {
    let mut import = Import::default();
    for text in texts {
        import.add_text(text, Path::new("rules.sql")).unwrap();
    }
    import
}

fn refused(text: &str) -> String {
    let mut import = Import::default();
    import
        .add_text(text, Path::new("rules.sql"))
        .unwrap_err()
        .to_string()
}

fn ready(import: &Import) -> RuleSet {
    import.file.rule_set(Path::new("tenants.toml")).unwrap()
}

fn session(user: &str, service: Option<&str>, module: Option<&str>) -> SessionAttributes {
    SessionAttributes {
        oracle_user: Some(user.into()),
        service_name: service.map(str::to_owned),
        module_name: module.map(str::to_owned),
        ..SessionAttributes::default()
    }
}

fn group(import: &Import, session: &SessionAttributes) -> String {
    ready(import).evaluate(session, None).group.unwrap()
}

const SCOTT: &str = "BEGIN
DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING  
     (DBMS_RESOURCE_MANAGER.ORACLE_USER, 'SCOTT', 'DEV_GROUP');
END;";

const BACKUP: &str = "BEGIN
DBMS_RESOURCE_MANAGER.SET_CONSUMER_GROUP_MAPPING
     (DBMS_RESOURCE_MANAGER.MODULE_NAME, 'BACKUP', 'LOW_PRIORITY');
END;";

const PRIORITIES: &str = "BEGIN
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

const EXAMPLE_1: &str = "BEGIN
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

const GRANT: &str = "BEGIN
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

#[test]
fn calls_in_all_the_forms_that_scripts_have() {
    let import = imported(&[
        r#"-- a comment: dbms_resource_manager.set_consumer_group_mapping('X')
REM dbms_resource_manager.set_consumer_group_mapping('it''s one
/* another
   dbms_resource_manager.switch_plan('NO') */
exec SYS.dbms_resource_manager.set_consumer_group_mapping( -
  attribute => 'module_name', value => 'it''s' || q'[ o'clock]', consumer_group => 'clock');
CALL dbms_resource_manager . set_consumer_group_mapping(
  consumer_group => '"Mixed"', value => N'Ü%', attribute => dbms_resource_manager.service_module);
exec set_consumer_group_mapping('CLIENT_ID', 'x', 'G1')
exec set_consumer_group_mapping('CLIENT_ID', 'x', 'G2')
exec set_consumer_group_mapping('CLIENT_ID', 'gone', 'G2')
exec set_consumer_group_mapping('CLIENT_ID', 'gone', NULL)
ALTER SYSTEM SET resource_manager_plan = 'daytime' SCOPE=BOTH;
exec dbms_resource_manager.set_initial_consumer_group('hr', 'HR_GROUP')
"#,
    ]);
    let rules: Vec<(&str, &str, &str)> = import
        .file
        .rules
        .iter()
        .map(|r| {
            (
                r.attribute.name(),
                r.value.as_str(),
                r.group.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rules,
        [
            ("MODULE_NAME", "it's o'clock", "CLOCK"),
            ("SERVICE_MODULE", "Ü%", "\"Mixed\""),
            ("CLIENT_ID", "x", "G2"),
        ]
    );
    assert_eq!(import.file.plan.as_deref(), Some("DAYTIME"));
    assert_eq!(
        import.file.users["HR"].initial_group.as_deref(),
        Some("HR_GROUP")
    );
}

#[test]
fn a_cleared_pending_area_is_undone_and_a_submitted_one_stays() {
    let import = imported(&["begin
      dbms_resource_manager.clear_pending_area();
      dbms_resource_manager.create_pending_area;
      dbms_resource_manager.set_consumer_group_mapping('ORACLE_USER', 'A', 'KEPT');
      dbms_resource_manager.submit_pending_area();
      dbms_resource_manager.set_consumer_group_mapping('ORACLE_USER', 'B', 'LOST');
      dbms_resource_manager.clear_pending_area();
      dbms_resource_manager.set_consumer_group_mapping('ORACLE_USER', 'C', 'KEPT');
    end;"]);
    let users: Vec<&str> = import.file.rules.iter().map(|r| r.value.as_str()).collect();
    assert_eq!(users, ["A", "C"]);
    assert!(import.notes[0].contains("undoes"), "{:?}", import.notes);
}

#[test]
fn directives_are_created_updated_and_deleted() {
    let create = "exec dbms_resource_manager.create_plan_directive('P', 'G', 'c', switch_group => 'LOW', switch_time_in_call => 7, max_idle_time => 600)";
    let import = imported(&[create]);
    let found = &import.file.directives[0];
    assert_eq!(
        (
            found.switch_time,
            found.switch_for_call,
            found.max_idle_time
        ),
        (Some(7), true, Some(600))
    );
    let update = "exec dbms_resource_manager.update_plan_directive(plan => 'P', group_or_subplan => 'G', new_switch_time => -1, new_switch_io_reqs => 5, new_max_idle_time => NULL)";
    let import = imported(&[create, update]);
    let found = &import.file.directives[0];
    assert_eq!(
        (found.switch_time, found.switch_io_reqs, found.max_idle_time),
        (None, Some(5), Some(600))
    );
    let import = imported(&[
        create,
        "exec dbms_resource_manager.delete_plan_directive('P', 'G')",
    ]);
    assert!(import.file.directives.is_empty());
}

#[test]
fn views_as_csv() {
    let import = imported(&[
        "\"ATTRIBUTE\",\"VALUE\",\"CONSUMER_GROUP\",\"STATUS\"\n\"ORACLE_USER\",\"SCOTT\",\"DEV_GROUP\",\n\
         \"MODULE_NAME\",\"a,b%\",\"LOW\",\"\"\n\"ORACLE_USER\",\"Müller\",\"DEV_GROUP\",\"\"\n\"ORACLE_USER\",\"X\",\"Y\",\"PENDING\"\n",
        "ATTRIBUTE,PRIORITY,STATUS\nEXPLICIT,1,\nSERVICE_MODULE_ACTION,2,\nSERVICE_MODULE,3,\nMODULE_NAME_ACTION,4,\n\
         ORACLE_USER,5,\nMODULE_NAME,6,\nSERVICE_NAME,7,\nCLIENT_PROGRAM,8,\nCLIENT_OS_USER,9,\nCLIENT_MACHINE,10,\nCLIENT_ID,11,\n",
        "GRANTEE,GRANTED_GROUP,GRANT_OPTION,INITIAL_GROUP\nSCOTT,DEV_GROUP,NO,YES\nPUBLIC,LOW,YES,NO\n",
        "PLAN,GROUP_OR_SUBPLAN,TYPE,SWITCH_GROUP,SWITCH_FOR_CALL,SWITCH_TIME,SWITCH_IO_REQS\nDAYTIME,LOW,CONSUMER_GROUP,KILL_SESSION,TRUE,60,\n",
        "USERNAME,INITIAL_RSRC_CONSUMER_GROUP\nHR,LOW\n",
        "GRANTEE,GRANTED_ROLE,ADMIN_OPTION\nHR,CLERKS,NO\n",
    ]);
    assert_eq!(import.notes.len(), 1, "{:?}", import.notes);
    let mut scott = session("SCOTT", None, Some("a,beta"));
    assert_eq!(group(&import, &scott), "DEV_GROUP");
    scott.oracle_user = Some("Müller".into());
    assert_eq!(group(&import, &scott), "LOW", "no privilege on DEV_GROUP");
    let low = import.file.plans();
    let low = low.of("LOW").unwrap();
    assert_eq!(
        (low.action(), low.switch_time),
        (Some(Action::KillSession), Some(60))
    );
    assert_eq!(import.file.users["HR"].roles, ["CLERKS"]);
}

#[test]
fn what_cannot_be_evaluated_is_an_error_with_its_place() {
    let error = refused(
        "begin\n  dbms_resource_manager.set_consumer_group_mapping(\n    'ORACLE_USER', v_user, 'G');\nend;",
    );
    assert!(
        error.starts_with(
            "rules.sql: line 3, column 20: expected a text for VALUE, found the name V_USER"
        ),
        "{error}"
    );
    for (text, part) in [
        ("select 1 from dual;", "found neither"),
        ("", "found neither"),
        (
            "exec set_consumer_group_mapping('ORACLE_USER', 'A",
            "line 1, column 48: expected a closing quote",
        ),
        (
            "exec set_consumer_group_mapping('SHOE_SIZE', 'A', 'B')",
            "expected one of SERVICE_MODULE_ACTION",
        ),
        (
            "exec set_consumer_group_mapping('ORACLE_USER')",
            "expected argument VALUE of SET_CONSUMER_GROUP_MAPPING",
        ),
        (
            "exec set_consumer_group_mapping('ORACLE_USER', 'A' 'B')",
            "expected `,` or `)`",
        ),
        (
            "exec set_consumer_group_mapping('A', 'A', 'B', 'C')",
            "expected at most 3 arguments",
        ),
        (
            "exec set_consumer_group_mapping(value => 'A', value => 'B')",
            "expected only one value",
        ),
        (
            "exec set_consumer_group_mapping('MODULE_NAME', 'a' || chr(10), 'B')",
            "expected a text behind `||`",
        ),
        (
            "exec set_consumer_group_mapping_pri(1, 7, 6, 9, 8, 10, 5, 4, 3, 3)",
            "both have priority 3",
        ),
        (
            "exec set_consumer_group_mapping_pri(explicit => 2)",
            "EXPLICIT must be given as 1",
        ),
        (
            "exec create_plan_directive('P', 'G', switch_time => 1.5)",
            "expected a whole number",
        ),
        (
            "exec create_plan_directive('P', 'G', switch_for_call => 'YES')",
            "expected TRUE or FALSE for SWITCH_FOR_CALL",
        ),
        (
            "exec update_plan_directive('P', 'G')",
            "import the CREATE_PLAN_DIRECTIVE first",
        ),
        (
            "ATTRIBUTE,VALUE,CONSUMER_GROUP\nORACLE_USER,A\n",
            "line 2, column 1: expected 3 fields",
        ),
        (
            "ATTRIBUTE,VALUE,CONSUMER_GROUP\nSIZE,A,B\n",
            "line 2, column 1: expected one of",
        ),
        (
            "ATTRIBUTE,PRIORITY\nEXPLICIT,one\n",
            "line 2, column 2: expected a whole number for PRIORITY",
        ),
        ("/* ", "expected `*/`"),
    ] {
        let error = refused(text);
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn a_file_of_rules_reads_back_as_it_was_written() {
    let mut import = imported(&[
        PRIORITIES,
        SCOTT,
        BACKUP,
        EXAMPLE_1,
        GRANT,
        "exec dbms_resource_manager.set_consumer_group_mapping('CLIENT_MACHINE', 'DOM\\\\H\"ost%', '\"mixed\"')",
    ]);
    import
        .file
        .tenants
        .insert("LOW_PRIORITY".into(), "batch, nightly".into());
    import.file.switches.push(ManualSwitch {
        at: Some("2026-01-02T03:04:05.000006Z".parse().unwrap()),
        user: None,
        sid: Some(17),
        serial_no: Some(12345),
        group: "HIGH_PRIORITY".into(),
        current: true,
        owner: None,
        initial_group_on_error: true,
    });
    let text = import.file.to_toml().unwrap();
    let read = RulesFile::parse(&text, Path::new("tenants.toml")).unwrap();
    assert_eq!(read, import.file, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn hostile_scripts_never_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "dbms_resource_manager", ".", "set_consumer_group_mapping", "(", ")", ",", "'", "\"", "q'[", "]'", "=>", "||", "-", "--",
            "/*", "*/", "\n", " ", "1", "1e999", "9e", "-1", "NULL", "TRUE", "'ORACLE_USER'", "'A'", "create_plan_directive", "plan",
            "switch_time", "resource_manager_plan", "=", "\u{feff}", "é", "ATTRIBUTE,VALUE,CONSUMER_GROUP", "GRANTEE,GRANTED_GROUP", "switch_consumer_group_for_sess",
        ]), 0..40)
    ) {
        let mut import = Import::default();
        let _ = import.add_text(&words.concat(), Path::new("x"));
        if let Ok(text) = import.file.to_toml() {
            prop_assert_eq!(RulesFile::parse(&text, Path::new("x")).unwrap(), import.file);
        }
    }

    #[test]
    fn rules_come_back_from_their_calls(
        found in prop::collection::btree_map(("[A-Z][A-Z0-9_$#]{0,9}", "\\PC{1,12}"), "[A-Z][A-Z_]{0,9}", 1..8)
    ) {
        // as a script, and as a file of rules
        let script: String = found.iter().map(|((user, module), group)| {
            let module = module.replace('\'', "''");
            format!("exec set_consumer_group_mapping('SERVICE_MODULE', '{user}.{module}', '{group}')\n")
        }).collect();
        let import = imported(&[&script]);
        let rules: Vec<_> = import.file.rules.iter().map(|r| (r.value.clone(), r.group.clone().unwrap())).collect();
        let expected: Vec<_> = found.iter().map(|((u, m), g)| (format!("{u}.{m}"), g.clone())).collect();
        prop_assert_eq!(rules, expected);
        let read = RulesFile::parse(&import.file.to_toml().unwrap(), Path::new("x")).unwrap();
        prop_assert_eq!(read, import.file);
    }
}
