//! Log lines: from the daemon to stderr, without waiting for whoever reads them.
//!
//! Decides what happens when nobody does and the pipe is full: lines are dropped and counted, the
//! daemon goes on, and the log says how many are missing as soon as lines get through again. Never
//! changes a line. `moored run` logs through [`stderr`]; metrics show [`dropped`].

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait for their reader: some seconds of a busy log, and a few hundred KiB.
const MOST_WAITING: usize = 1024;

/// The one queue to stderr.
static STDERR: OnceLock<LogLines> = OnceLock::new();

/// The queue to stderr; its thread is started with the first call.
pub fn stderr() -> io::Result<LogLines> {
    if let Some(lines) = STDERR.get() {
        return Ok(lines.clone());
    }
    let lines = LogLines::to(io::stderr())?;
    Ok(STDERR.get_or_init(|| lines).clone())
}

/// How many lines on their way to stderr were dropped since the start.
pub fn dropped() -> u64 {
    STDERR.get().map_or(0, LogLines::dropped)
}

/// Lets the last words reach stderr, if somebody reads them in time.
pub fn flush(patience: Duration) {
    if let Some(lines) = STDERR.get() {
        lines.finish(patience);
    }
}

/// The end of a queue of lines that is written to: every write is a line, and none waits.
#[derive(Debug, Clone)]
pub struct LogLines {
    queue: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    finished: AtomicU64,
    dropped: AtomicU64,
}

impl LogLines {
    /// A queue to this sink, which may block as long as it likes: a thread of its own waits for it.
    fn to(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(MOST_WAITING);
        let counts = Arc::<Counts>::default();
        let theirs = counts.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || write_out(&lines, &theirs, sink))?;
        Ok(Self { queue, counts })
    }

    fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    fn finish(&self, patience: Duration) {
        let began = Instant::now();
        let pending = || self.counts.finished.load(Ordering::Acquire) < self.counts.accepted.load(Ordering::Acquire);
        while pending() && began.elapsed() < patience {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Counted before it is sent, so that it is never finished before it was accepted.
        self.counts.accepted.fetch_add(1, Ordering::Release);
        if self.queue.try_send(line.to_vec()).is_err() {
            self.counts.accepted.fetch_sub(1, Ordering::Release);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread: writes line by line, and tells of those that are missing once one got through.
fn write_out(lines: &Receiver<Vec<u8>>, counts: &Counts, mut sink: impl Write) {
    let mut told = 0;
    for line in lines {
        let written = sink.write_all(&line).is_ok();
        counts.finished.fetch_add(1, Ordering::Release);
        if !written {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let missing = counts.dropped.load(Ordering::Relaxed);
        if missing > told {
            // It joins the queue like any other line; if it is dropped too, the next one tells.
            tracing::warn!(
                event = "log_lines_dropped",
                lines = missing - told,
                "nobody read the log, and lines are missing from it; detection went on"
            );
            if counts.dropped.load(Ordering::Relaxed) == missing {
                told = missing;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// A pipe whose reader takes a line only when told to.
    struct Stuck {
        turns: Receiver<()>,
        read: Arc<std::sync::Mutex<Vec<String>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.turns.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            self.read.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_counted_and_nobody_waits() {
        let (turn, turns) = channel();
        let read = Arc::<std::sync::Mutex<Vec<String>>>::default();
        let mut lines = LogLines::to(Stuck { turns, read: read.clone() }).unwrap();
        let all = MOST_WAITING + 50;
        for number in 0..all {
            lines.write_all(format!("{number}").as_bytes()).unwrap();
        }
        // One more than wait may be in the writer's hands.
        let dropped = lines.dropped();
        assert!((49..=50).contains(&dropped), "{dropped}");
        for _ in 0..all {
            turn.send(()).unwrap();
        }
        lines.finish(Duration::from_secs(10));
        let read = read.lock().unwrap();
        assert_eq!(read.len() as u64 + dropped, all as u64);
        assert_eq!(read.first().map(String::as_str), Some("0"), "the oldest are kept, in their order");
        assert_eq!(read.get(1).map(String::as_str), Some("1"));
    }

    #[test]
    fn a_log_that_is_closed_loses_its_lines_and_stops_nobody() {
        let (turn, turns) = channel();
        drop(turn);
        let mut lines = LogLines::to(Stuck { turns, read: Arc::default() }).unwrap();
        for _ in 0..3 {
            lines.write_all(b"lost").unwrap();
        }
        lines.finish(Duration::from_secs(10));
        assert_eq!(lines.dropped(), 3);
    }
}
