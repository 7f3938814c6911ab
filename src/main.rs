//! The `moored` command. Everything is in the library; see `moored::cli`.

fn main() -> std::process::ExitCode {
    moored::cli::main()
}
