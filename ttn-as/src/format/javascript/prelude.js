// Runs before a script, in the context of that script alone. It takes what it needs from the built-in objects before
// the script can touch them, caps what cannot be interrupted, and leaves one frozen object behind: `__formatter`.
(function () {
  'use strict';
  // Arrays longer than this are refused by the functions below, which run to their end without interruption.
  const LENGTH_MAX = 262144;
  const RESULT_MAX = 131072;
  const MESSAGE_MAX = 1000;

  const { apply, defineProperty, deleteProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
  const { freeze, keys } = Object;
  const { isFinite } = Number;
  const { parse, stringify } = JSON;
  const { isView } = ArrayBuffer;
  const { from, isArray } = Array;
  const NativeDate = Date;
  const NativePromise = Promise;
  const NativeInternalError = InternalError;
  const NativeRangeError = RangeError;
  const toText = String;
  const call = Function.prototype.call.bind(Function.prototype.call);
  const { includes, slice } = String.prototype;

  const CAPPED = [
    'copyWithin', 'fill', 'flat', 'includes', 'indexOf', 'join', 'lastIndexOf', 'reverse', 'shift', 'slice', 'sort',
    'splice', 'toLocaleString', 'toReversed', 'toSorted', 'toSpliced', 'toString', 'unshift', 'with',
  ];
  for (const name of CAPPED) {
    const original = Array.prototype[name];
    if (typeof original !== 'function') { continue; }
    const capped = {
      [name](...args) {
        if (this !== null && this !== undefined && this.length > LENGTH_MAX) {
          throw new NativeRangeError(`${name}: the array is longer than ${LENGTH_MAX}`);
        }
        return apply(original, this, args);
      },
    }[name];
    defineProperty(Array.prototype, name, { value: capped, writable: true, enumerable: false, configurable: true });
  }

  // Scripts of browsers and of ChirpStack write to it; nobody reads it.
  const nothing = () => {};
  globalThis.console = { debug: nothing, error: nothing, info: nothing, log: nothing, warn: nothing };

  // What may be assigned on objects although their frozen prototypes have it.
  function override(prototype) {
    for (const key of ownKeys(prototype)) {
      const { value, writable } = getOwnPropertyDescriptor(prototype, key);
      if (!writable || typeof key === 'symbol') { continue; }
      defineProperty(prototype, key, {
        get() { return value; },
        set(own) {
          if (this === prototype) { return; }
          defineProperty(this, key, { value: own, writable: true, enumerable: true, configurable: true });
        },
        enumerable: false,
        configurable: false,
      });
    }
  }

  // Makes runs independent of each other: nothing that a run changes outlives it.
  function isolate() {
    [Object, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]
      .forEach((constructor) => override(constructor.prototype));
    const seen = new Set([globalThis]);
    const open = [
      function* () {}, async function () {}, async function* () {}, [][Symbol.iterator](), new Map().entries(),
      new Set().values(), ''[Symbol.iterator](), 'a'.matchAll(/a/g),
    ].map(getPrototypeOf);
    for (const key of ownKeys(globalThis)) {
      const property = getOwnPropertyDescriptor(globalThis, key);
      if (property.configurable) {
        const writable = 'value' in property ? { writable: false } : {};
        defineProperty(globalThis, key, { ...writable, configurable: false });
      }
      open.push(property.value, property.get, property.set);
    }
    while (open.length > 0) {
      const object = open.pop();
      if (object === null || (typeof object !== 'object' && typeof object !== 'function')) { continue; }
      if (seen.has(object)) { continue; }
      seen.add(object);
      freeze(object);
      open.push(getPrototypeOf(object));
      for (const key of ownKeys(object)) {
        const property = getOwnPropertyDescriptor(object, key);
        open.push(property.value, property.get, property.set);
      }
    }
  }

  let factory;
  let known;
  function install(made, isolated) {
    if (factory !== undefined) { throw new NativeRangeError('the script leaves its function'); }
    factory = made;
    if (isolated) { isolate(); }
    known = new Set(keys(globalThis));
  }

  function describe(error) {
    try {
      let text = toText(error);
      const stack = error && error.stack;
      const place = typeof stack === 'string' && /script\.js:\d+/.exec(stack);
      if (place) { text += ` (${place[0]})`; }
      return call(slice, text, 0, MESSAGE_MAX);
    } catch {
      return 'an error that cannot be shown';
    }
  }

  function failure(error, message) {
    return stringify({ error, message: message === undefined ? '' : toText(message) });
  }

  function thrown(error) {
    // The engine throws null when there is no memory left for an error.
    if (error === null) { return failure('runtime', 'out of memory, or the script threw null'); }
    return failure(error instanceof NativeInternalError ? 'runtime' : 'script', describe(error));
  }

  // The path of a number that is not finite. `text` has a null wherever there is one.
  function notFinite(value, text) {
    if (!call(includes, text, 'null')) { return undefined; }
    let path;
    stringify(value, (key, inner) => {
      if (typeof inner === 'number' && !isFinite(inner)) { path = path === undefined ? key : path; }
      return inner;
    });
    return path;
  }

  // The text of a result, or why there is none.
  function written(value, checked) {
    let text;
    if (value instanceof NativePromise) { return { failed: failure('output', 'a promise; return the result itself') }; }
    try {
      text = stringify(value);
    } catch (error) {
      return { failed: failure(error instanceof NativeInternalError ? 'runtime' : 'output', describe(error)) };
    }
    if (text === undefined) { return { failed: failure('output', `${typeof value} instead of an object`) }; }
    if (text.length > RESULT_MAX) {
      return { failed: failure('output', `${text.length} characters as JSON; at most ${RESULT_MAX}`) };
    }
    const path = checked ? notFinite(value, text) : undefined;
    return path === undefined ? { text } : { failed: failure('encoding', path) };
  }

  // Other names of the same function, with the arguments that they take.
  const OLDER = {
    decodeUplink: [
      ['Decoder', (f, input) => ({ data: f(input.bytes, input.fPort) })],
      ['Decode', (f, input) => ({ data: f(input.fPort, input.bytes, input.variables) })],
    ],
    decodeDownlink: [],
    encodeDownlink: [
      ['Encoder', (f, input) => ({ bytes: f(input.data, input.fPort), fPort: input.fPort || undefined })],
      ['Encode', (f, input) => ({
        bytes: f(input.fPort, input.data, input.variables), fPort: input.fPort || undefined,
      })],
    ],
  };

  function evaluate(name, input) {
    if (typeof input.recvTime === 'number') { input.recvTime = new NativeDate(input.recvTime); }
    const functions = apply(factory, undefined, []);
    const isEncoding = name === 'encodeDownlink';
    let result;
    try {
      if (typeof functions[name] === 'function') {
        result = apply(functions[name], undefined, [input]);
      } else {
        const older = OLDER[name].find(([other]) => typeof functions[other] === 'function');
        if (older === undefined) { return failure('entrypoint', name); }
        result = older[1](functions[older[0]], input);
      }
      if (isEncoding && result && isView(result.bytes)) { result = { ...result, bytes: from(result.bytes) }; }
    } catch (error) {
      return thrown(error);
    }
    const { text, failed } = written(result, !isEncoding);
    if (failed !== undefined) { return failed; }
    if (name !== 'decodeUplink' || typeof functions.normalizeUplink !== 'function') { return `{"result":${text}}`; }
    const copy = parse(text);
    const hasErrors = copy !== null && isArray(copy.errors) && copy.errors.length > 0;
    if (hasErrors || copy === null || typeof copy.data !== 'object' || copy.data === null) {
      return `{"result":${text}}`;
    }
    let normalized;
    try {
      normalized = apply(functions.normalizeUplink, undefined, [{ data: copy.data }]);
    } catch (error) {
      return thrown(error);
    }
    const other = written(normalized, true);
    return other.failed === undefined ? `{"result":${text},"normalized":${other.text}}` : other.failed;
  }

  // Removes what a run left behind. Gives whether that worked. Scripts that could leave what is not enumerable get a new
  // context for each call.
  function clean() {
    const left = keys(globalThis);
    if (left.length === known.size) { return true; }
    for (const key of left) {
      if (!known.has(key)) { deleteProperty(globalThis, key); }
    }
    return keys(globalThis).length === known.size;
  }

  // Runs a function of the script. The first character of the answer says whether the context may be used again.
  function run(name, text) {
    let answer;
    try {
      answer = evaluate(name, parse(text));
    } catch (error) {
      answer = thrown(error);
    }
    return (clean() ? '+' : '-') + answer;
  }

  defineProperty(globalThis, '__formatter', {
    value: freeze({ install, run }), writable: false, enumerable: false, configurable: false,
  });
})();
