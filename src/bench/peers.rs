//! What other tools say of themselves: claims of their authors, nothing of it measured here.

use serde::Serialize;

/// A published figure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Claim {
    /// What it is about.
    pub what: &'static str,
    /// Who says it of what.
    pub peer: &'static str,
    /// The figure.
    pub value: &'static str,
    /// Where it is published.
    pub url: &'static str,
}

const SWEEPS: &str = "sweeps of all sessions a second";
const CPU: &str = "CPU used";
const INSIDE: &str = "time inside the database for each collection";

const fn claim(
    what: &'static str,
    peer: &'static str,
    value: &'static str,
    url: &'static str,
) -> Claim {
    Claim {
        what,
        peer,
        value,
        url,
    }
}

/// All of them.
pub const CLAIMS: [Claim; 16] = [
    claim(
        SWEEPS,
        "Oracle ASH",
        "1",
        "https://www2.slideshare.net/jberesni/ash-architecture-and-advanced-usage-rmoug2014-36611678",
    ),
    claim(
        SWEEPS,
        "Snapper",
        "at most 10",
        "https://github.com/tanelpoder/tpt-oracle",
    ),
    claim(
        SWEEPS,
        "Quest Performance Analysis",
        "20",
        "https://documentation.help/Oracle.PerformanceAnalysis/About_Scopus.htm",
    ),
    claim(
        SWEEPS,
        "a C reader of shared memory (Oracle Wait Interface, Shee, Deshpande, Gopalakrishnan)",
        "\"50 or more is no problem\"",
        "https://flylib.com/books/en/3.83.1.79/1/",
    ),
    claim(
        SWEEPS,
        "pg_wait_sampling (PostgreSQL)",
        "100",
        "https://github.com/postgrespro/pg_wait_sampling",
    ),
    claim(
        SWEEPS,
        "OpenTelemetry oracledb receiver",
        "0.1",
        "https://github.com/open-telemetry/opentelemetry-collector-contrib",
    ),
    claim(
        CPU,
        "Oracle ASH",
        "about 0.16 % of a CPU, worst case seen (5.6 s an hour)",
        "http://firefightingbook.com/V3/div12/word_clockwise_5.htm",
    ),
    claim(
        CPU,
        "emulated ASH, every 3 s",
        "73.56 s in 12 h",
        "http://www.perfvision.com/sql/ash/cpu_usage.html",
    ),
    claim(
        CPU,
        "xcapture, 1 Hz",
        "0.01 to 2 % of one CPU",
        "https://github.com/tanelpoder/0xtools",
    ),
    claim(
        CPU,
        "Foglight",
        "2 to 3 %",
        "https://www.quest.com/community/blogs/b/performance-monitoring/posts/discussing-the-overhead-of-foglight-for-sql-server-and-oracle",
    ),
    claim(
        CPU,
        "Datadog",
        "below 1 %",
        "https://docs.datadoghq.com/database_monitoring/setup_oracle/selfhosted",
    ),
    claim(
        CPU,
        "RDS Performance Insights",
        "at most 1 % of each CPU",
        "https://cloudacademy.com/course/understanding-amazon-rds-performance-insights-1071/measuring-load/",
    ),
    claim(
        CPU,
        "Enterprise Manager agent",
        "0.02 to 1 %",
        "https://docs.oracle.com/en/engineered-systems/advanced-support-gateway/security/grfds.html",
    ),
    claim(
        INSIDE,
        "Datadog, ASH query, every 10 s",
        "below 100 ms",
        "https://github.com/DataDog/datadog-agent/pull/28729",
    ),
    claim(
        INSIDE,
        "pg_ash (PostgreSQL)",
        "53 ms",
        "https://github.com/NikolayS/pg_ash",
    ),
    claim(
        "rows of X$KSMMEM a second, formatted to a trace",
        "oradebug direct_access",
        "about 28,000",
        "https://oraclue.wordpress.com/2009/07/22/accessing-fixed-tables-with-direct-access/",
    ),
];
