//! The `moored` command. Everything is in the library; see `moored::cli`.

/// Gives back to the system what loading the manifests took: a daemon lives long after it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    moored::cli::main()
}
