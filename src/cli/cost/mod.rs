//! `cost`: what sessions consumed, whose that is, and what it costs.
//!
//! Callers: `cli`.

mod audit;
mod dead_letters;
mod deltas;
mod export;
mod quota;
mod report;

use std::path::Path;

use super::args::{AccountArgs, CostArgs, CostCommand, CostRules};
use super::groups::file_exit;
use super::report::window;
use super::{Exit, Failure};
use crate::analyze::AnalyzeError;
use crate::finops::FinopsError;
use crate::finops::account::{Account, AccountOptions, Charged, Refused, account, fill};
use crate::finops::checks::Checks;
use crate::finops::deltas::read::Window;
use crate::finops::prices::Prices;
use crate::finops::rules_file::Idle;
use crate::finops::sampled::{Sampled, sampled};
use crate::finops::tenants::Tenants;
use crate::record::Reader;

pub fn run(args: &CostArgs) -> Result<Exit, Failure> {
    match &args.command {
        CostCommand::Deltas(a) => deltas::run(a),
        CostCommand::Report(a) => report::run(a),
        CostCommand::Audit(a) => audit::run(a),
        CostCommand::Quota(a) => quota::run(&a.command),
        CostCommand::Export(a) => export::run(a),
        CostCommand::DeadLetters(a) => dead_letters::run(&a.command),
    }
}

impl From<FinopsError> for Failure {
    fn from(error: FinopsError) -> Failure {
        let exit = match error {
            FinopsError::Record(error) => return error.into(),
            FinopsError::Columns(AnalyzeError::Record(error)) => return error.into(),
            FinopsError::Io { ref source, .. } => file_exit(source),
            FinopsError::TooLarge(_) => Exit::Usage,
            FinopsError::Columns(_)
            | FinopsError::Config { .. }
            | FinopsError::Damaged { .. }
            | FinopsError::Rows(_)
            | FinopsError::Json(_) => Exit::Damaged,
        };
        Failure::new(exit, error.to_string())
    }
}

/// Rules and prices that were asked for.
struct Rules {
    tenants: Option<Tenants>,
    prices: Prices,
    checks: Checks,
}

impl Rules {
    fn of(args: &CostRules) -> Result<Rules, Failure> {
        let tenants = args.tenants.as_deref().map(Tenants::load).transpose()?;
        let prices = Prices::load(args.prices.as_deref())?;
        let checks = Checks {
            limits: prices.limits.clone(),
            require_tenant: args.require_tenant,
        };
        Ok(Rules {
            tenants,
            prices,
            checks,
        })
    }
}

/// A recording and how to account for it.
struct Asked {
    reader: Reader,
    rules: Rules,
    window: Window,
}

impl Asked {
    fn of(args: &AccountArgs) -> Result<Asked, Failure> {
        let reader = Reader::open(Path::new(&args.recording))?;
        let mut rules = Rules::of(&args.rules)?;
        let (from_us, to_us) = window(&reader, args.from.as_deref(), args.to.as_deref())?;
        if rules.checks.limits.cpus == 0 {
            let runs = reader.recording().runs.iter();
            let cpus = runs.filter_map(|run| run.meta.cpu_count).max();
            // without a word of it, one session may use what a large host has
            rules.checks.limits.cpus = cpus.map_or(1024, u64::from);
        }
        Ok(Asked {
            reader,
            rules,
            window: Window {
                from_us,
                to_us,
                instance: args.instance.clone(),
            },
        })
    }

    /// What becomes of what is nobody's.
    fn idle(&self, asked: Option<Idle>) -> Idle {
        let by_file = self.rules.tenants.as_ref().map(|t| t.idle());
        asked.or(by_file).unwrap_or_default()
    }

    /// The account, gaps filled, by periods of such a length.
    fn accounted(
        &self,
        step_us: Option<i64>,
        refused: &mut Refused<'_>,
        charged: &mut Charged<'_>,
    ) -> Result<Account, FinopsError> {
        self.with_samples(step_us, refused, charged)
            .map(|(made, _)| made)
    }

    /// The same with what samples say.
    fn with_samples(
        &self,
        step_us: Option<i64>,
        refused: &mut Refused<'_>,
        charged: &mut Charged<'_>,
    ) -> Result<(Account, Sampled), FinopsError> {
        let options = self.options(step_us);
        let mut made = account(&self.reader, &options, refused, charged)?;
        let (checks, tenants) = (&options.checks, options.tenants);
        let sampled = sampled(&self.reader, &self.window, checks, tenants)?;
        fill(&mut made, &sampled, &options, refused, charged)?;
        Ok((made, sampled))
    }

    /// The account only.
    fn sums(&self, step_us: Option<i64>) -> Result<Account, FinopsError> {
        self.accounted(step_us, &mut |_| Ok(()), &mut |_, _, _| Ok(()))
    }

    fn options(&self, step_us: Option<i64>) -> AccountOptions<'_> {
        AccountOptions {
            window: self.window.clone(),
            tenants: self.rules.tenants.as_ref(),
            checks: self.rules.checks.clone(),
            step_us,
        }
    }
}
