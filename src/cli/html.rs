//! `report -f html`: the window as one page.

use super::args::ReportArgs;
use super::{Exit, Failure};
use crate::analyze::ReportOptions;
use crate::export::html::{MOST_INSTANCES, read};
use crate::record::Reader;

/// The page, and whether there is no activity in it.
pub fn page(
    reader: &Reader,
    options: &ReportOptions,
    args: &ReportArgs,
    words: &[String],
) -> Result<(String, bool), Failure> {
    let mut conditions = words.to_vec();
    match args.recursive {
        super::args::RecursiveArg::Include => {}
        super::args::RecursiveArg::Exclude => conditions.push("without recursive sessions".into()),
        super::args::RecursiveArg::Only => conditions.push("recursive sessions only".into()),
    }
    if let Some(instance) = &options.instance {
        conditions.push(format!("instance {instance}"));
    }
    conditions.extend(args.condition.clone());
    let page = read(reader, options, args.sql_text.form(), conditions)?;
    if page.instances() > MOST_INSTANCES {
        let message = format!(
            "{} instances in one page are too many, at most {MOST_INSTANCES}; name one with -I SID",
            page.instances()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok((page.render(), page.is_empty()))
}
