//! Scripts in QuickJS: each in a runtime of its own, which is kept between calls.
//!
//! The script is the body of a function that runs anew for every call, so that no variable outlives a call. Built-in
//! objects are frozen. A script that speaks of prototypes or of hidden properties may want to change them: it gets a new
//! runtime for each call.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rquickjs::{
    CaughtError, Context, Ctx, Error, Function as JsFunction, Object, Runtime, context::EvalOptions,
};

use super::{Limits, host::Function, result::Failure};

/// Scripts that are kept ready.
pub(super) struct Engine {
    limits: Limits,
    watch: Arc<Watch>,
    /// The one used last is the last.
    scripts: VecDeque<Script>,
}

struct Script {
    number: u64,
    text: Box<str>,
    isolated: bool,
    context: Option<(Context, u32)>,
}

/// How many scripts are kept.
const SCRIPTS_MAX: usize = 16;
/// How many calls a runtime serves.
const CALLS_MAX: u32 = 10_000;
/// How often an interruption may be asked for in a run that is bounded by steps: every 10,000 jumps or calls.
const STEPS_MAX: u64 = 500;
/// What the prelude leaves behind.
const PRELUDE_OBJECT: &str = "__formatter";
const PRELUDE: &str = include_str!("prelude.js");
/// A script with one of these words may change built-in objects, or leave properties behind that are not enumerable.
const NEEDS_NEW_RUNTIME: [&str; 5] =
    ["prototype", "__proto__", "definePropert", "setPrototypeOf", "Symbol"];
/// The functions that are looked for in scripts.
const NAMES: [&str; 8] = [
    "decodeDownlink",
    "decodeUplink",
    "encodeDownlink",
    "normalizeUplink",
    "Decode",
    "Decoder",
    "Encode",
    "Encoder",
];

impl Engine {
    pub(super) fn new(limits: Limits, watch: Watch) -> Self {
        Self { limits, watch: Arc::new(watch), scripts: VecDeque::new() }
    }

    /// Whether a script is kept.
    pub(super) fn has(&self, number: u64) -> bool {
        self.scripts.iter().any(|script| script.number == number)
    }

    /// Keeps a script; the one that was not used for longest may go.
    pub(super) fn add(&mut self, number: u64, text: &str) {
        if self.scripts.len() == SCRIPTS_MAX {
            self.scripts.pop_front();
        }
        let isolated = !NEEDS_NEW_RUNTIME.iter().any(|word| text.contains(word));
        let text = text.into();
        self.scripts.push_back(Script { number, text, isolated, context: None });
    }

    /// Compiles a script if it is not. `Err` is the answer if it does not compile.
    pub(super) fn prepare(&mut self, number: u64) -> Result<(), Vec<u8>> {
        let Some(at) = self.scripts.iter().position(|script| script.number == number) else {
            return Err(Failure::Runtime.outcome("the script was not loaded"));
        };
        if let Some(script) = self.scripts.remove(at) {
            self.scripts.push_back(script);
        }
        let Some(script) = self.scripts.back_mut() else { return Ok(()) };
        if script.context.is_none() {
            self.watch.begin();
            let context = load(&script.text, script.isolated, &self.limits, &self.watch)?;
            script.context = Some((context, 0));
        }
        Ok(())
    }

    /// Runs a function of a script that is kept.
    pub(super) fn run(&mut self, number: u64, function: Function, input: &str) -> Vec<u8> {
        if let Err(failure) = self.prepare(number) {
            return failure;
        }
        let Some(script) = self.scripts.back_mut() else { return Vec::new() };
        let Some((context, calls)) = &mut script.context else { return Vec::new() };
        self.watch.begin();
        let answer = context.with(|ctx| {
            call(&ctx, function, input).map_err(|error| self.watch.failure(&ctx, error))
        });
        *calls += 1;
        let (answer, reusable) = match answer {
            Ok(mut answer) => {
                let reusable = answer.starts_with('+');
                answer.remove(0);
                (answer.into_bytes(), reusable)
            }
            Err(failure) => (failure, false),
        };
        if !reusable || !script.isolated || *calls >= CALLS_MAX {
            script.context = None;
        }
        answer
    }
}

fn load(
    text: &str,
    isolated: bool,
    limits: &Limits,
    watch: &Arc<Watch>,
) -> Result<Context, Vec<u8>> {
    let no_memory = |error: Error| Failure::Runtime.outcome(&error.to_string());
    let runtime = Runtime::new().map_err(no_memory)?;
    runtime.set_memory_limit(limits.memory_max);
    runtime.set_max_stack_size(limits.stack_max);
    let interrupt = watch.clone();
    runtime.set_interrupt_handler(Some(Box::new(move || interrupt.is_over())));
    let context = Context::full(&runtime).map_err(no_memory)?;
    context
        .with(|ctx| install(&ctx, text, isolated).map_err(|error| watch.failure(&ctx, error)))?;
    Ok(context)
}

fn install(ctx: &Ctx<'_>, text: &str, isolated: bool) -> Result<(), Error> {
    let names = NAMES
        .map(|name| format!("{name}: typeof {name} === 'function' ? {name} : undefined"))
        .join(", ");
    let wrapped = format!("(function () {{{text}\nreturn {{ {names} }};\n}})");
    ctx.eval_with_options::<(), _>(PRELUDE, options("prelude.js"))?;
    let factory: JsFunction<'_> = ctx.eval_with_options(wrapped, options("script.js"))?;
    let prelude: Object<'_> = ctx.globals().get(PRELUDE_OBJECT)?;
    prelude.get::<_, JsFunction<'_>>("install")?.call((factory, isolated))
}

fn options(name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    options
}

fn call(ctx: &Ctx<'_>, function: Function, input: &str) -> Result<String, Error> {
    let prelude: Object<'_> = ctx.globals().get(PRELUDE_OBJECT)?;
    prelude.get::<_, JsFunction<'_>>("run")?.call((function.name(), input))
}

/// Says when a run is over. The engine asks every now and then.
pub(super) struct Watch {
    bound: Bound,
    fired: AtomicBool,
}

/// Gives the processor time that the process has used so far.
pub(super) type ProcessorTime = fn() -> Duration;

enum Bound {
    Steps { left: AtomicU64 },
    Processor { used: ProcessorTime, end: AtomicU64, limits: Limits },
}

impl Watch {
    /// Bounds by steps.
    pub(super) const fn steps() -> Self {
        let left = AtomicU64::new(STEPS_MAX);
        Self { bound: Bound::Steps { left }, fired: AtomicBool::new(false) }
    }

    /// Bounds by the processor time of the process: on a busy machine an innocent script has as much of it as ever.
    pub(super) const fn processor(used: ProcessorTime, limits: Limits) -> Self {
        let end = AtomicU64::new(0);
        Self { bound: Bound::Processor { used, end, limits }, fired: AtomicBool::new(false) }
    }

    fn begin(&self) {
        self.fired.store(false, Ordering::Relaxed);
        match &self.bound {
            Bound::Steps { left } => left.store(STEPS_MAX, Ordering::Relaxed),
            Bound::Processor { used, end, limits } => {
                end.store(nanos(used() + limits.timeout), Ordering::Relaxed);
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_over = match &self.bound {
            Bound::Steps { left } => left.fetch_sub(1, Ordering::Relaxed) <= 1,
            Bound::Processor { used, end, .. } => nanos(used()) >= end.load(Ordering::Relaxed),
        };
        if is_over {
            self.fired.store(true, Ordering::Relaxed);
            // It stays over, whatever catches the exception.
            if let Bound::Steps { left } = &self.bound {
                left.store(1, Ordering::Relaxed);
            }
        }
        is_over
    }

    /// The answer to an error of the engine.
    fn failure(&self, ctx: &Ctx<'_>, error: Error) -> Vec<u8> {
        let caught = CaughtError::from_error(ctx, error);
        if self.fired.load(Ordering::Relaxed) {
            let limit = match &self.bound {
                Bound::Steps { .. } => Limits::default().timeout,
                Bound::Processor { limits, .. } => limits.timeout,
            };
            return Failure::Timeout.outcome(&limit.as_millis().to_string());
        }
        match caught {
            CaughtError::Exception(exception) => {
                let name = exception.get::<_, String>("name").unwrap_or_default();
                let message = exception.message().unwrap_or_default();
                let failure =
                    if name == "InternalError" { Failure::Runtime } else { Failure::Script };
                failure.outcome(&format!("{name}: {message}"))
            }
            // The engine throws null when there is no memory left for an error.
            CaughtError::Value(value) if value.is_null() => {
                Failure::Runtime.outcome("out of memory")
            }
            CaughtError::Value(value) => {
                Failure::Script.outcome(&format!("it threw {}", value.type_name()))
            }
            CaughtError::Error(error) => Failure::Runtime.outcome(&error.to_string()),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    static USED_MILLIS: AtomicU64 = AtomicU64::new(0);

    fn used() -> Duration {
        Duration::from_millis(USED_MILLIS.load(Ordering::Relaxed))
    }

    // AS-13
    #[test]
    fn a_run_is_over_when_its_processor_time_is_used_up_however_long_it_waits() {
        let watch = Watch::processor(used, Limits::default());
        for run in 0..3 {
            USED_MILLIS.store(run * 1000, Ordering::Relaxed);
            watch.begin();
            USED_MILLIS.fetch_add(99, Ordering::Relaxed);
            assert!((0..1000).all(|_| !watch.is_over()), "others had the processor");
            USED_MILLIS.fetch_add(1, Ordering::Relaxed);
            assert!(watch.is_over());
        }
    }
}
