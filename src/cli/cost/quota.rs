//! `cost quota`: how budgets stand.

use std::io::Write;

use serde_json::{Value as Json, json};

use super::super::args::{Format, QuotaCheckArgs, QuotaCommand};
use super::super::print::{self, plain};
use super::super::{Exit, Failure};
use super::Asked;
use crate::analyze::last_tick_us;
use crate::finops::FinopsError;
use crate::finops::account::Account;
use crate::finops::money::decimal;
use crate::finops::prices::{Period, Quota};
use crate::finops::quota::{HOUR_US, Level, Projection, State, bounds, post, project, steps};
use crate::finops::rows::rfc3339;
use crate::finops::rules_file::Idle;
use crate::finops::statement::{Line, budget, statement};

/// Columns in CSV.
const COLUMNS: [&str; 13] = [
    "tenant",
    "period",
    "from",
    "to",
    "level",
    "used",
    "budget",
    "currency",
    "percent",
    "reached_at",
    "earliest",
    "latest",
    "within_period",
];

/// Columns for people; sentences tell the rest.
const SHOWN: [&str; 7] = [
    "tenant", "period", "level", "used", "budget", "currency", "percent",
];

pub fn run(command: &QuotaCommand) -> Result<Exit, Failure> {
    let QuotaCommand::Check(args) = command;
    let mut asked = Asked::of(&args.account)?;
    let quotas = asked.rules.prices.quotas.clone();
    if quotas.is_empty() {
        let what = "the prices have no [[quotas]]: add one with tenant, period and budget";
        return Err(Failure::new(Exit::Usage, what));
    }
    let now_us = match asked.window.to_us {
        Some(to) => to,
        None => last_tick_us(&asked.reader)?
            .ok_or_else(|| Failure::new(Exit::Nothing, "the recording has no tick"))?,
    };
    let idle = asked.idle(args.idle);
    let mut state = match &args.state {
        Some(path) => State::load(path)?,
        None => State::default(),
    };
    let mut lines = Vec::new();
    let (mut keys, mut changed) = (Vec::new(), Vec::new());
    let mut breached = false;
    for quota in &quotas {
        let (from_us, to_us) = bounds(quota.period, now_us)?;
        asked.window.from_us = Some(from_us);
        let standing = standing(&asked, quota, idle, now_us)?;
        let key = format!("{} {:?} {}", quota.tenant, quota.period, rfc3339(from_us));
        let before = state.level(&key);
        let level = before.next(standing.used, standing.budget, quota);
        breached |= level == Level::Breach;
        let line = described(&asked, quota, &standing, level, (from_us, to_us))?;
        if level != before {
            changed.push((key.clone(), level, before, line.clone()));
        }
        keys.push(key);
        lines.push(line);
    }
    print(&lines, args.format)?;
    tell(args, &mut state, &changed)?;
    if let Some(path) = &args.state {
        state.keep(&keys);
        state.save(path)?;
    }
    Ok(if breached { Exit::Nothing } else { Exit::Ok })
}

/// Tells the relay what changed; a level that it wasn't told of stays as it was, to be told again.
fn tell(
    args: &QuotaCheckArgs,
    state: &mut State,
    changed: &[(String, Level, Level, Json)],
) -> Result<(), Failure> {
    for (key, level, before, line) in changed {
        if let Some(url) = &args.webhook {
            let mut document = line.clone();
            document["before"] = before.name().into();
            if let Err(error) = post(url, &document.to_string()) {
                if let Some(path) = &args.state {
                    state.save(path)?;
                }
                return Err(Failure::new(Exit::Damaged, error.to_string()));
            }
        }
        state.set(key, *level);
    }
    Ok(())
}

struct Standing {
    used: i128,
    budget: i128,
    projection: Option<Projection>,
}

fn standing(asked: &Asked, quota: &Quota, idle: Idle, now_us: i64) -> Result<Standing, Failure> {
    let made = asked.sums(Some(HOUR_US))?;
    let prices = &asked.rules.prices;
    let all = statement(&made, None, prices, idle, made.coverage.instance_us)?;
    let of = |lines: &[Line]| {
        let line = lines.iter().find(|line| line.tenant == quota.tenant);
        line.map_or(0, Line::cost)
    };
    let used = of(&all.lines);
    let budget = budget(quota, prices)?;
    // hours that are over; instance hours go on evenly and hardly change the picture
    let (first, last) = made.coverage.span_us.unwrap_or((now_us, now_us));
    let mut hours = Vec::new();
    let mut at = (first + HOUR_US - 1).div_euclid(HOUR_US) * HOUR_US;
    while at + HOUR_US <= last {
        hours.push((at, hour_cost(&made, at, asked, idle, &of)?));
        at += HOUR_US;
    }
    let (costs, step) = steps(&hours);
    let scale = 10f64.powi(prices.decimals as i32);
    let projection = project(
        &costs,
        step,
        used as f64 / scale,
        budget as f64 / scale,
        now_us,
    );
    Ok(Standing {
        used,
        budget,
        projection,
    })
}

fn hour_cost(
    made: &Account,
    at_us: i64,
    asked: &Asked,
    idle: Idle,
    of: &dyn Fn(&[Line]) -> i128,
) -> Result<f64, FinopsError> {
    let prices = &asked.rules.prices;
    let one = statement(made, Some(at_us), prices, idle, 0)?;
    Ok(of(&one.lines) as f64 / 10f64.powi(prices.decimals as i32))
}

fn described(
    asked: &Asked,
    quota: &Quota,
    standing: &Standing,
    level: Level,
    (from_us, to_us): (i64, i64),
) -> Result<Json, Failure> {
    let decimals = asked.rules.prices.decimals;
    let reached = standing.used >= standing.budget;
    let projection = standing.projection.filter(|_| !reached);
    let time = |us: i64| rfc3339(us.div_euclid(1_000_000) * 1_000_000);
    Ok(json!({
        "tenant": quota.tenant,
        "period": match quota.period {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        },
        "from": rfc3339(from_us),
        "to": rfc3339(to_us),
        "level": level.name(),
        "used": decimal(standing.used, decimals)?.to_string(),
        "budget": decimal(standing.budget, decimals)?.to_string(),
        "currency": asked.rules.prices.currency,
        "percent": standing.used.saturating_mul(100) / standing.budget.max(1),
        "reached_at": projection.map(|p| time(p.at_us)),
        "earliest": projection.map(|p| time(p.earliest_us)),
        "latest": projection.and_then(|p| p.latest_us).map(time),
        "within_period": projection.map(|p| p.at_us < to_us),
    }))
}

fn print(lines: &[Json], format: Format) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if !print::machine(&mut out, format, &lines, lines, &COLUMNS)? {
        write!(
            out,
            "{}",
            print::table(&lines.iter().collect::<Vec<_>>(), &SHOWN)
        )?;
        for line in lines {
            writeln!(out, "{}", sentence(line))?;
        }
    }
    Ok(())
}

/// How a budget stands, for people.
fn sentence(line: &Json) -> String {
    let minute = |name: &str| Some(line[name].as_str()?.get(..16)?.replace('T', " "));
    let tenant = plain(&line["tenant"]);
    let period = plain(&line["period"]);
    let since = plain(&line["from"]).chars().take(10).collect::<String>();
    let budget = format!("its budget of the {period} since {since}");
    match (minute("reached_at"), minute("earliest")) {
        (Some(at), Some(earliest)) => {
            let latest = minute("latest").unwrap_or_else(|| "never".to_owned());
            format!("{tenant} reaches {budget} on {at} UTC; 95 %: {earliest} to {latest}")
        }
        _ if line["level"] == Level::Breach.name() => format!("{tenant} has used up {budget}"),
        _ => format!(
            "{tenant}: no whole hours with charges yet from which to tell when it reaches {budget}"
        ),
    }
}
