//! Forms of scripts, CSV files, round trips, and hostile input.

use std::path::Path;

use proptest::prelude::*;

use super::documentation_tests::{BACKUP, EXAMPLE_1, GRANT, PRIORITIES, SCOTT};
use super::*;
use crate::finops::directives::Action;
use crate::finops::mapping::{ManualSwitch, RuleSet, SessionAttributes};

pub(super) fn imported(texts: &[&str]) -> Import {
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

pub(super) fn ready(import: &Import) -> RuleSet {
    import.file.rule_set(Path::new("tenants.toml")).unwrap()
}

pub(super) fn session(
    user: &str,
    service: Option<&str>,
    module: Option<&str>,
) -> SessionAttributes {
    SessionAttributes {
        oracle_user: Some(user.into()),
        service_name: service.map(str::to_owned),
        module_name: module.map(str::to_owned),
        ..SessionAttributes::default()
    }
}

pub(super) fn group(import: &Import, session: &SessionAttributes) -> String {
    ready(import).evaluate(session, None).group.unwrap()
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
