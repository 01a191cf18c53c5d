//! The `sgascope` program. Everything it does is in the library's `cli` module.

fn main() -> std::process::ExitCode {
    sgascope::cli::main()
}
