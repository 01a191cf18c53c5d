//! What `cost` writes: ledgers with dead letters, states of quotas, FOCUS files.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Decimal128Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::relay::relay;
use super::{LIMITS, Metered, TENANTS, number};
use crate::support::{end, json, sgascope};

pub fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// Refused deltas are kept with the reason, and charged once after a fix.
pub fn check_letters(metered: &Metered, audit: &Value) {
    let strict = LIMITS.replace("logical_reads = 10000", "logical_reads = 300");
    let strict = metered.file("strict.toml", &strict);
    let prices = metered.file("prices.toml", LIMITS);
    let few = metered.file("tenants.toml", TENANTS);
    let others = ["SYSTEM", "SYS", "Müller", "C##MONITOR"].map(|user| {
        format!(
            "\n[[rules]]\nattribute = \"ORACLE_USER\"\nvalue = \"{user}\"\ntenant = \"OTHERS\"\n"
        )
    });
    let all = metered.file("all.toml", &(TENANTS.to_owned() + &others.concat()));
    let ledger = metered.temp.path().join("ledger").display().to_string();
    let add = || {
        json(&metered.cost(
            "deltas",
            &[
                "--ledger",
                &ledger,
                "--prices",
                &strict,
                "--tenants",
                &few,
                "--require-tenant",
                "-f",
                "json",
            ],
        ))
    };
    let first = add();
    let letters = lines(&Path::new(&ledger).join("dead-letters.jsonl"));
    let reasons: HashSet<&str> = letters
        .iter()
        .map(|l| l["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, HashSet::from(["unknown_tenant", "impossible"]));
    let impossible = letters
        .iter()
        .find(|l| l["reason"] == "impossible")
        .unwrap();
    assert!(
        impossible["detail"]
            .as_str()
            .unwrap()
            .starts_with("logical_reads is "),
        "{impossible}"
    );
    assert_eq!(number(&first["letters"]), letters.len() as i128);
    assert!(number(&first["charged"]) > 100);
    // again: nothing twice
    let again = add();
    assert_eq!([&again["charged"], &again["letters"]].map(number), [0, 0]);
    assert_eq!(again["known"], first["charged"]);
    let replay = || {
        let args = [
            "cost",
            "dead-letters",
            "replay",
            &ledger,
            "--prices",
            &prices,
            "--tenants",
            &all,
            "-f",
            "json",
        ];
        json(&sgascope(args))
    };
    let listed = |code: i32| {
        let output = sgascope(["cost", "dead-letters", "list", &ledger]);
        assert_eq!(end(&output).0, code);
    };
    listed(0);
    let kept = fs::read(Path::new(&ledger).join("dead-letters.jsonl")).unwrap();
    let replayed = replay();
    assert_eq!(number(&replayed["charged"]), letters.len() as i128);
    assert_eq!(
        [&replayed["known"], &replayed["refused"]].map(number),
        [0, 0]
    );
    listed(1);
    // a program that died after charging left its letters there
    fs::write(Path::new(&ledger).join("dead-letters.jsonl"), kept).unwrap();
    let replayed = replay();
    assert_eq!(number(&replayed["known"]), letters.len() as i128);
    assert_eq!(number(&replayed["charged"]), 0);
    // all that was read is charged now, each once
    let charged = lines(&Path::new(&ledger).join("charged.jsonl"));
    let ids: HashSet<&str> = charged.iter().map(|l| l["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), charged.len());
    for name in [
        "cpu_us",
        "logical_reads",
        "physical_reads",
        "temp_growth_bytes",
        "temp_byte_us",
    ] {
        let sum: i128 = charged.iter().map(|l| number(&l[name])).sum();
        assert_eq!(sum, number(&audit["total"][name]), "{name}");
    }
    let damaged = "{\"reason\":1}\n";
    fs::write(Path::new(&ledger).join("dead-letters.jsonl"), damaged).unwrap();
    let (code, said) = end(&sgascope(["cost", "dead-letters", "list", &ledger]));
    assert!(code == 6 && said.contains("line 1"), "{code} {said}");
}

/// A budget that is used up ends with code 1 and is told once; one that isn't is projected.
pub fn check_quota(metered: &Metered) {
    let quota = |tenant: &str, budget: &str| {
        format!("[[quotas]]\ntenant = \"{tenant}\"\nperiod = \"month\"\nbudget = \"{budget}\"\n")
    };
    let tight = LIMITS.to_owned() + &quota("SHOP", "0.000001") + &quota("PEOPLE", "100000");
    let tight = metered.file("tight.toml", &tight);
    let wide = metered.file(
        "wide.toml",
        &(LIMITS.to_owned() + &quota("PEOPLE", "100000")),
    );
    let tenants = metered.file("tenants.toml", TENANTS);
    let state = metered.temp.path().join("state.json").display().to_string();
    let (url, heard) = relay("HTTP/1.1 200 OK\r\n\r\n");
    let check = |prices: &str, more: &[&str]| {
        let dir = metered.dir.display().to_string();
        let args = [
            "cost",
            "quota",
            "check",
            &dir,
            "--prices",
            prices,
            "--tenants",
            &tenants,
            "-f",
            "json",
        ];
        let output = sgascope([&args[..], more].concat());
        let (code, said) = end(&output);
        let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (code, lines, said)
    };
    let (code, lines, said) = check(&tight, &["--state", &state, "--webhook", &url]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(lines[0]["level"], "breach");
    let (_, told) = heard.recv().unwrap();
    assert_eq!(
        (&told["tenant"], &told["before"], &told["level"]),
        (&"SHOP".into(), &"ok".into(), &"breach".into())
    );
    let (code, ..) = check(&tight, &["--state", &state, "--webhook", &url]);
    assert_eq!(code, 1);
    assert!(heard.try_recv().is_err(), "it is told once");
    let (code, lines, said) = check(&wide, &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(lines[0]["level"], "ok");
    let at = |name: &str| {
        lines[0][name]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert!(at("earliest") < at("reached_at") && at("reached_at") > at("to"));
    // a relay that isn't there
    let (code, _, said) = check(
        &tight,
        &[
            "--state",
            "/dev/null/no",
            "--webhook",
            "http://127.0.0.1:1/",
        ],
    );
    assert!(code != 0 && said.contains("/dev/null/no"), "{said}");
    let (code, _, said) = check(&metered.file("none.toml", LIMITS), &[]);
    assert!(code == 2 && said.contains("[[quotas]]"), "{said}");
}

/// The mandatory columns of the dataset Cost and Usage, and whether they may be null.
const MANDATORY: [(&str, bool); 21] = [
    ("BilledCost", false),
    ("BillingAccountId", false),
    ("BillingAccountName", true),
    ("BillingCurrency", false),
    ("BillingPeriodEnd", false),
    ("BillingPeriodStart", false),
    ("ChargeCategory", false),
    ("ChargeClass", true),
    ("ChargeDescription", true),
    ("ChargePeriodEnd", false),
    ("ChargePeriodStart", false),
    ("ContractedCost", false),
    ("EffectiveCost", false),
    ("InvoiceIssuerName", false),
    ("ListCost", false),
    ("PricingQuantity", false),
    ("PricingUnit", false),
    ("ServiceCategory", false),
    ("ServiceName", false),
    // conditional ones whose condition holds here
    ("ConsumedQuantity", false),
    ("ConsumedUnit", false),
];

pub fn csv(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows: Vec<Vec<String>> = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let row = rows.last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                row.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\r' if !quoted => {}
            '\n' if !quoted => rows.push(vec![String::new()]),
            c => row.last_mut().unwrap().push(c),
        }
    }
    assert_eq!(rows.pop().unwrap(), [""], "the last line has an end");
    let names = rows.remove(0);
    let cells = rows.into_iter();
    cells
        .map(|row| {
            assert_eq!(row.len(), names.len());
            names.iter().cloned().zip(row).collect()
        })
        .collect()
}

fn digits(text: &str, decimals: usize) -> i128 {
    assert_eq!(text.split_once('.').unwrap().1.len(), decimals, "{text}");
    text.replace('.', "").parse().unwrap()
}

/// Everything that the specification's pages of the written columns demand of rows like these.
fn check_rows(version: &str, rows: &[BTreeMap<String, String>], clear: bool) {
    let is = |from: &str| version >= from;
    let allocated = is("1.3");
    let mut sums: BTreeMap<(String, String), (i128, i128, f64)> = BTreeMap::new();
    for row in rows {
        let of = |name: &str| {
            row.get(name)
                .unwrap_or_else(|| panic!("{version} lacks {name}"))
        };
        for (name, nullable) in MANDATORY {
            assert!(nullable || !of(name).is_empty(), "{name} is null");
        }
        let names = match (is("1.3"), is("1.4")) {
            (_, true) => &["ServiceProviderName", "HostProviderName"][..],
            (true, _) => &[
                "ServiceProviderName",
                "HostProviderName",
                "ProviderName",
                "PublisherName",
            ],
            _ => &["ProviderName", "PublisherName"],
        };
        assert!(names.iter().all(|name| !of(name).is_empty()));
        assert_eq!(row.contains_key("ProviderName"), !is("1.4"));
        assert_eq!(row.contains_key("AllocatedMethodId"), allocated);
        for name in row.keys() {
            let pascal =
                name.starts_with("x_") || name.chars().next().unwrap().is_ascii_uppercase();
            assert!(pascal && name.len() <= 50, "{name}");
        }
        assert_eq!(of("ChargeCategory"), "Usage");
        assert_eq!(of("ChargeClass"), "");
        assert!(["Usage-Based", "Recurring", "One-Time"].contains(&of("ChargeFrequency").as_str()));
        assert_eq!(of("ServiceCategory"), "Databases");
        let currency = of("BillingCurrency");
        assert!(currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()));
        let time = |name: &str| {
            assert!(of(name).ends_with('Z') && of(name).len() == 20, "{name}");
            of(name).parse::<jiff::Timestamp>().unwrap()
        };
        assert!(time("BillingPeriodStart") <= time("ChargePeriodStart"));
        assert!(time("ChargePeriodStart") < time("ChargePeriodEnd"));
        assert!(time("ChargePeriodEnd") <= time("BillingPeriodEnd"));
        let cost = digits(of("BilledCost"), 6);
        for name in ["ContractedCost", "EffectiveCost", "ListCost"] {
            assert_eq!(digits(of(name), 6), cost, "{name}");
        }
        // a part is rounded to the last digit of the currency
        let product: f64 = of("ListUnitPrice").parse::<f64>().unwrap()
            * of("PricingQuantity").parse::<f64>().unwrap();
        assert!(
            (product - cost as f64 / 1e6).abs() < 2e-6,
            "{product} {cost} {row:?}"
        );
        let idle = of("SubAccountId").is_empty();
        let sum = sums
            .entry((of("ChargePeriodStart").clone(), of("SkuId").clone()))
            .or_default();
        sum.0 += cost;
        sum.1 = digits(of("x_OriginCost"), 6);
        if allocated {
            assert!(!of("AllocatedMethodId").is_empty());
            assert_eq!(
                of("AllocatedResourceId").is_empty(),
                idle,
                "null where nothing is allocated"
            );
            let details: Value = serde_json::from_str(of("AllocatedMethodDetails")).unwrap();
            let element = &details["Elements"][0];
            assert_eq!(
                element["UsageUnit"].as_str(),
                Some(of("ConsumedUnit").as_str())
            );
            sum.2 += element["AllocatedRatio"].as_f64().unwrap();
        }
        let _: BTreeMap<String, Value> = serde_json::from_str(of("Tags")).unwrap();
        let named = row
            .values()
            .any(|v| ["SHOP", "PEOPLE", "BATCH"].iter().any(|t| v.contains(t)));
        assert!(clear || !named, "a hashed tenant shows: {row:?}");
    }
    assert!(sums.len() >= 8, "{:?}", sums.keys());
    for (whose, (sum, origin, ratio)) in sums {
        assert_eq!(sum, origin, "{whose:?}: parts are the origin charge");
        assert!(
            !allocated || (ratio - 1.0).abs() < 1e-9,
            "{whose:?}: {ratio}"
        );
    }
}

/// FOCUS files of all versions and kinds.
pub fn check_focus(metered: &Metered, rules: &[&str]) {
    let mut costs = HashSet::new();
    for version in ["1.2", "1.3", "1.4"] {
        let dir = metered.temp.path().join(format!("focus-{version}"));
        let out = dir.display().to_string();
        let export = |more: &[&str]| {
            let output = metered.cost(
                "export",
                &[rules, &["--focus", version, "-o", &out], more].concat(),
            );
            let (code, said) = end(&output);
            assert_eq!(code, 0, "{said}");
        };
        export(&[]);
        let month = dir.join("billing_period=2031-03");
        let path = month.join(format!("focus-{version}.csv"));
        let rows = csv(&fs::read_to_string(&path).unwrap());
        check_rows(version, &rows, true);
        assert!(rows.iter().any(|r| r["SubAccountId"] == "SHOP"));
        let sum: i128 = rows.iter().map(|r| digits(&r["BilledCost"], 6)).sum();
        costs.insert(sum);
        let days: HashSet<&String> = rows.iter().map(|r| &r["ChargePeriodStart"]).collect();
        assert_eq!(days.len(), 2, "ten hours over midnight");
        export(&["-f", "parquet"]);
        let file = File::open(month.join(format!("focus-{version}.parquet"))).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let (mut count, mut stored) = (0, 0);
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            count += batch.num_rows();
            let cost = batch.column_by_name("BilledCost").unwrap();
            let cost = cost.as_primitive::<Decimal128Type>();
            assert_eq!((cost.scale(), cost.null_count()), (6, 0));
            stored += cost.values().iter().sum::<i128>();
        }
        assert_eq!((count, stored), (rows.len(), sum));
        export(&["--hash-tenant"]);
        check_rows(version, &csv(&fs::read_to_string(&path).unwrap()), false);
    }
    // what is nobody's, shared out
    let hours = LIMITS.replace("[prices]", "instance_hour = \"0.37\"\n[prices]");
    let prices = metered.file("hours.toml", &hours);
    let dir = metered.temp.path().join("shared");
    let out = dir.display().to_string();
    let more = [
        "--idle",
        "share",
        "--focus",
        "1.3",
        "-o",
        &out,
        "--tenants",
        rules[3],
        "--prices",
    ];
    let (code, said) = end(&metered.cost("export", &[&more[..], &[&prices]].concat()));
    assert_eq!(code, 0, "{said}");
    let path = dir.join("billing_period=2031-03/focus-1.3.csv");
    let rows = csv(&fs::read_to_string(path).unwrap());
    check_rows("1.3", &rows, true);
    assert!(rows.iter().any(|r| r["SkuId"] == "shared_cost"));
    assert!(rows.iter().all(|r| !r["SubAccountId"].is_empty()));
    assert_eq!(costs.len(), 1, "all versions cost the same: {costs:?}");
}
