//! Runs scripts in processes of their own, which are killed when they do not answer.

use std::{
    ffi::OsString, fmt, io, os::unix::process::ExitStatusExt as _, path::PathBuf, process::Stdio,
    sync::Arc, time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use ttn_core::{clock::Clock, map::Set};

use super::{
    NAME,
    frame::{RESPONSE_MAX, Request, Response},
    host::{Limits, ScriptCall, ScriptHost, Scripts},
};
use crate::format::{FormatError, pool::Pool};

/// How a worker is started: a program that calls [`super::worker`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Runs scripts in worker processes. They start when they are needed and stay; those that hang are killed and replaced.
pub struct ProcessHost {
    command: WorkerCommand,
    limits: Limits,
    clock: Arc<dyn Clock>,
    scripts: Mutex<Scripts>,
    pool: Arc<Pool>,
    idle: Mutex<Vec<Worker>>,
}

/// How long a worker may take to start.
const START_MAX: Duration = Duration::from_secs(10);
/// How many times its limit of processor time a call may take on the wall: the worker that waits for a processor is
/// innocent, the one that does not even notice its limit is killed.
const WALL_FACTOR: u32 = 10;
/// How long an answer is looked for before the caller sleeps: waking a sleeping core costs more than a call. Other
/// tasks run meanwhile.
const AWAKE: Duration = Duration::from_micros(100);
/// How long a worker may take to compile a script.
const COMPILE_MAX: Duration = Duration::from_secs(2);

impl ProcessHost {
    /// Makes a host with so many workers. Needs a tokio runtime with I/O, and real time.
    #[must_use]
    pub fn new(
        command: WorkerCommand,
        workers: usize,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (scripts, idle) = (Mutex::default(), Mutex::default());
        Self { command, limits, clock, scripts, pool: Pool::new(workers), idle }
    }

    /// How many workers wait for calls now.
    #[must_use]
    pub fn idle_workers(&self) -> usize {
        self.idle.lock().len()
    }

    /// An idle worker, one that knows the script if there is one.
    fn take_idle(&self, number: u64) -> Option<Worker> {
        let mut idle = self.idle.lock();
        let knowing = idle.iter().position(|worker| worker.known.contains(&number));
        match knowing {
            Some(at) => Some(idle.swap_remove(at)),
            None => idle.pop(),
        }
    }

    async fn start(&self) -> Result<Worker, FormatError> {
        let failed = |error: io::Error| FormatError::Runtime {
            message: format!("no script worker could be started: {error}"),
        };
        let WorkerCommand { program, arguments } = &self.command;
        // Scripts see nothing of the server's environment, keys in it least of all.
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let none = || failed(io::ErrorKind::BrokenPipe.into());
        let input = child.stdin.take().ok_or_else(none)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(none)?);
        let (known, frame) = (Set::default(), Vec::new());
        let mut worker = Worker { input, output, known, frame, child };
        worker.write(&Request::Setup(self.limits)).await.map_err(failed)?;
        let answer = self.within(START_MAX, worker.read()).await;
        match answer.map(|answer| answer.map(|answer| answer == Response::Ready)) {
            Some(Ok(true)) => Ok(worker),
            Some(Err(error)) => Err(failed(error)),
            Some(Ok(false)) => Err(failed(io::ErrorKind::InvalidData.into())),
            None => Err(failed(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Runs a call on a worker. `Err(None)` if the worker ended.
    async fn call(
        &self,
        worker: &mut Worker,
        number: u64,
        call: &ScriptCall<'_>,
        input: &str,
    ) -> Result<Vec<u8>, Option<FormatError>> {
        let timeout = || Some(self.timeout());
        let function = call.function;
        let mut text = (!worker.known.contains(&number)).then_some(call.script);
        let wall = self.limits.timeout * WALL_FACTOR;
        let mut wait = wall;
        loop {
            if text.is_some() {
                wait += COMPILE_MAX;
            }
            let request = Request::Call { number, text, function, input };
            let sent = worker.write(&request);
            self.within(wait, sent).await.ok_or_else(timeout)?.map_err(|_| None)?;
            loop {
                let answer = self.within(wait, self.awake(worker.read())).await;
                match answer.ok_or_else(timeout)?.map_err(|_| None)? {
                    Response::Done(answer) => return Ok(answer.to_vec()),
                    Response::Missing if text.is_none() => {
                        worker.known.clear();
                        text = Some(call.script);
                        break;
                    }
                    Response::Started if text.is_some() => {
                        worker.known.insert(number);
                        wait = wall;
                    }
                    _ => return Err(None),
                }
            }
        }
    }

    const fn timeout(&self) -> FormatError {
        FormatError::Timeout { formatter: NAME, limit: self.limits.timeout }
    }

    /// Keeps the thread from sleeping for the first while of the work.
    async fn awake<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let until = self.clock.monotonic().plus(AWAKE);
        while self.clock.monotonic() < until {
            tokio::select! {
                biased;
                done = &mut work => return done,
                // The worker may wait for this very core.
                () = tokio::task::yield_now() => rustix::thread::sched_yield(),
            }
        }
        work.await
    }

    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let deadline = self.clock.sleep_until(self.clock.monotonic().plus(limit));
        tokio::select! {
            biased;
            done = work => Some(done),
            () = deadline => None,
        }
    }
}

#[async_trait]
impl ScriptHost for ProcessHost {
    async fn run(&self, call: &ScriptCall<'_>) -> Result<Vec<u8>, FormatError> {
        let number = self.scripts.lock().number(call.script);
        let input = call.input.to_string();
        let turn = self.pool.turn(call.application).await;
        let _turn = turn.ok_or(FormatError::Busy { formatter: NAME })?;
        if let Some(mut worker) = self.take_idle(number) {
            // An idle worker may have been ended by something else: then the call is made again, once.
            match self.call(&mut worker, number, call, &input).await {
                Ok(answer) => {
                    self.idle.lock().push(worker);
                    return Ok(answer);
                }
                Err(Some(error)) => return Err(error),
                Err(None) if worker.used_up_its_time().await => return Err(self.timeout()),
                Err(None) => {}
            }
        }
        let mut worker = self.start().await?;
        match self.call(&mut worker, number, call, &input).await {
            Ok(answer) => {
                self.idle.lock().push(worker);
                Ok(answer)
            }
            Err(Some(error)) => Err(error),
            Err(None) if worker.used_up_its_time().await => Err(self.timeout()),
            Err(None) => {
                Err(FormatError::Runtime { message: "the process of the script ended".to_owned() })
            }
        }
    }
}

impl fmt::Debug for ProcessHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessHost").field("command", &self.command).finish_non_exhaustive()
    }
}

/// A worker process. Dropping it kills it.
struct Worker {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The scripts that it has compiled; it may have dropped some since.
    known: Set<u64>,
    frame: Vec<u8>,
    child: Child,
}

impl Worker {
    /// Whether the operating system ended it because of a script that nothing else could interrupt.
    async fn used_up_its_time(&mut self) -> bool {
        // Who has ended already does not notice.
        let _ = self.child.start_kill();
        let status = self.child.wait().await;
        status.is_ok_and(|status| status.signal() == Some(Signal::XCPU.as_raw()))
    }

    async fn write(&mut self, request: &Request<'_>) -> io::Result<()> {
        self.input.write_all(&request.encode()).await
    }

    async fn read(&mut self) -> io::Result<Response<'_>> {
        let length = usize::try_from(self.output.read_u32_le().await?).unwrap_or(usize::MAX);
        if length > RESPONSE_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.frame.resize(length, 0);
        self.output.read_exact(&mut self.frame).await?;
        Response::decode(&self.frame).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}
