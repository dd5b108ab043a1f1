//! A script worker: the other end of [`super::ProcessHost`], a process of its own.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Resource, Rlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

use super::{
    Limits,
    engine::{Engine, Watch},
    frame::{REQUEST_MAX, Request, Response},
};

/// The address space of a worker besides the memory of a script and what it has at its start: stacks and other scripts.
const ADDRESS_SPACE: u64 = 1 << 30;
/// The processor time that a call may take besides its time limit, in seconds. It ends workers whose server is gone.
const CPU_SECONDS: u64 = 5;
/// How long the next call is looked for before the worker sleeps: uplinks come in bursts, and waking a sleeping core
/// costs more than a call.
const AWAKE: Duration = Duration::from_micros(50);

/// Runs scripts that standard input asks for, until it ends. To be called by the program that a
/// [`super::WorkerCommand`] names, first of all: afterwards the process can open no file and start no other one.
///
/// # Errors
///
/// The server on the other end is gone or says something else.
pub fn worker() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut frame = Vec::new();
    if !read_frame(&mut input, &mut frame)? {
        return Ok(());
    }
    let Some(Request::Setup(limits)) = Request::decode(&frame) else { return Err(malformed()) };
    let watch = Watch::processor(processor_time, limits);
    limit_process(&limits)?;
    let mut engine = Engine::new(limits, watch);
    let mut processor_limit = 0;
    output.write_all(&Response::Ready.encode())?;
    output.flush()?;
    while read_frame(&mut input, &mut frame)? {
        let Some(Request::Call { number, text, function, input }) = Request::decode(&frame) else {
            return Err(malformed());
        };
        limit_processor_time(limits.timeout, &mut processor_limit)?;
        match text {
            Some(text) => {
                if !engine.has(number) {
                    engine.add(number, text);
                }
                if let Err(failure) = engine.prepare(number) {
                    output.write_all(&Response::Done(&failure).encode())?;
                    output.flush()?;
                    continue;
                }
                output.write_all(&Response::Started.encode())?;
                output.flush()?;
            }
            None if !engine.has(number) => {
                output.write_all(&Response::Missing.encode())?;
                output.flush()?;
                continue;
            }
            None => {}
        }
        let answer = engine.run(number, function, input);
        output.write_all(&Response::Done(&answer).encode())?;
        output.flush()?;
        stay_awake()?;
    }
    Ok(())
}

/// Returns when there is input, or after a while.
fn stay_awake() -> io::Result<()> {
    let (input, until) = (io::stdin(), time_since_boot() + AWAKE);
    let mut input = [PollFd::new(&input, PollFlags::IN)];
    while time_since_boot() < until {
        if poll(&mut input, Some(&Timespec::default()))? > 0 {
            break;
        }
        rustix::thread::sched_yield();
    }
    Ok(())
}

/// Gives false at the end of the input.
fn read_frame(input: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        other => other?,
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > REQUEST_MAX {
        return Err(malformed());
    }
    frame.resize(length, 0);
    input.read_exact(frame)?;
    Ok(true)
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "no frame of a server; this is no command for people",
    )
}

/// A second line behind the limits of the engine.
fn limit_process(limits: &Limits) -> io::Result<()> {
    let memory = u64::try_from(limits.memory_max).unwrap_or(u64::MAX / 2);
    let memory = address_space() + ADDRESS_SPACE + memory;
    for (resource, most) in [
        (Resource::As, memory),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, 3),
        (Resource::Nproc, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// The octets of addresses that this process has already: some allocators take a gigabyte of them when they begin.
fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = pages.split(' ').next().and_then(|pages| pages.parse().ok());
    pages.unwrap_or_default().saturating_mul(rustix::param::page_size() as u64)
}

/// What this process has used.
fn processor_time() -> Duration {
    read_clock(ClockId::ProcessCPUTime)
}

fn time_since_boot() -> Duration {
    read_clock(ClockId::Monotonic)
}

fn read_clock(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn limit_processor_time(timeout: Duration, limit: &mut u64) -> io::Result<()> {
    let most = (processor_time() + timeout).as_secs() + CPU_SECONDS;
    if *limit != most {
        setrlimit(Resource::Cpu, Rlimit { current: Some(most), maximum: None })?;
        *limit = most;
    }
    Ok(())
}
