//! The table of columns is well formed, complete, and what its page in `docs/` says.

use super::*;

#[test]
fn names_are_unique_in_each_scope() {
    for columns in [dump_columns(), sample_columns()] {
        let mut names: Vec<_> = columns
            .iter()
            .map(|c| {
                if c.scope == Scope::Dump {
                    c.name
                } else {
                    c.ash
                }
            })
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

#[test]
fn names_and_help_are_well_formed() {
    for c in COLUMNS {
        let plain = |n: &str| {
            n.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        assert!(plain(c.name) && plain(c.ash), "{}", c.name);
        assert!(!c.help.is_empty() && !c.help.ends_with('.'), "{}", c.name);
    }
}

/// V$SESSION's columns in 19c (Database Reference), and those of 21c and later.
const V_SESSION: &str = "saddr sid serial_no audsid paddr user_no username command ownerid taddr lockwait \
    status server schema_no schemaname osuser process machine port terminal program type sql_address \
    sql_hash_value sql_id sql_child_number sql_exec_start sql_exec_id prev_sql_addr prev_hash_value \
    prev_sql_id prev_child_number prev_exec_start prev_exec_id plsql_entry_object_id \
    plsql_entry_subprogram_id plsql_object_id plsql_subprogram_id module module_hash action action_hash \
    client_info fixed_table_sequence row_wait_obj_no row_wait_file_no row_wait_block_no row_wait_row_no \
    top_level_call_no logon_time last_call_et pdml_enabled failover_type failover_method failed_over \
    resource_consumer_group pdml_status pddl_status pq_status current_queue_duration client_identifier \
    blocking_session_status blocking_instance blocking_session final_blocking_session_status \
    final_blocking_instance final_blocking_session seq_no event_no event p1text p1 p1raw p2text p2 p2raw \
    p3text p3 p3raw wait_class_id wait_class_no wait_class wait_time seconds_in_wait state \
    wait_time_micro time_remaining_micro total_time_waited_micro heur_time_waited_micro \
    time_since_last_wait_micro service_name sql_trace sql_trace_waits sql_trace_binds \
    sql_trace_plan_stats session_edition_id creator_addr creator_serial_no ecid \
    sql_translation_profile_id pga_tunable_mem shard_ddl_status con_id external_name \
    plsql_debugger_connected drain_status drain_deadline drain_origin";

#[test]
fn all_columns_of_the_view_are_there_in_its_order() {
    let view: Vec<&str> = V_SESSION.split_whitespace().collect();
    let ours: Vec<&str> = dump_columns().iter().map(|c| c.name).collect();
    assert_eq!(ours[..view.len()], view);
}

/// `docs/columns.md`, made from the table.
fn page() -> String {
    let mut page = String::from(
        "# Columns\n\n\
         What `dump` shows of a session, and what recordings hold. The first columns are those of V$SESSION in its\n\
         order, in lower case with `#` written `_no`; then come our own. A value that can't be had is null, and\n\
         `meta.absent` says why; a column that is inferred rather than stored is listed in `meta.inferred`.\n\n\
         *Absent* tells why a column can be missing though Oracle has it. Where it names a place that isn't public,\n\
         a blueprint that knows the place (calibrated against SQL, or from an executable that has it) gives the\n\
         values. *Fields* are the blueprint's: X$KSUSE's columns, or members that hints name in lower case.\n\n\
         *Table* is where a recording holds the column: `samples` has a row for each sampled session and tick; the\n\
         others have a row for each content, once in every hour in which it is sampled, under a key that `samples`\n\
         has too (`session_key`, `cursor_key`, `event_no`). Beside these columns `samples` has `sample_id`,\n\
         `sample_time` (UTC), `weight_us`, `off_us` (when in the tick the row was read, in steps of 100 µs),\n\
         `instance_name` and `blueprint_id`. On CPU (`event` is null) `wait_class` and `wait_class_id` are null.\n\n\
         | column | in recordings | type | meaning | fields | absent | inferred | table |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for c in COLUMNS {
        let (dump, sample) = match c.scope {
            Scope::Dump => (c.name, ""),
            Scope::Sample => ("", c.ash),
            Scope::Both => (c.name, c.ash),
        };
        let table = match c.scope {
            Scope::Dump => "",
            _ => side_of(c.home).map_or("samples", |side| side.table),
        };
        let mut fields: Vec<String> = Vec::new();
        for need in c.needs() {
            let field = need.via.map_or_else(
                || need.field.to_owned(),
                |pointer| format!("{pointer}→{}", need.field),
            );
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        page += &format!(
            "| {dump} | {sample} | {} | {} | {} | {} | {} | {table} |\n",
            c.kind.name(),
            c.help,
            fields.join(" "),
            c.never_or_unless(),
            c.inferred
        );
    }
    page
}

/// `SGASCOPE_WRITE_DOCS=1 cargo test docs_page` writes the page anew.
#[test]
fn the_docs_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/columns.md");
    if std::env::var_os("SGASCOPE_WRITE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page(),
        "docs/columns.md isn't what the table of columns says; write it anew with SGASCOPE_WRITE_DOCS=1 cargo test docs_page"
    );
}
