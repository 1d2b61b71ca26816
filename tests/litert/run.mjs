// Runs a .tflite file in LiteRT (the npm package @litertjs/core, WebAssembly with XNNPACK) in plain Node, on raw tensors.
//
//   node tests/litert/run.mjs MODEL [INPUT...] [--out PREFIX] [--litert FOLDER]
//
// INPUT: one file an input of the model, in its order: tensors as they lie in memory (little-endian, row-major), as
// many samples one after the other as the file holds. Every sample is one run. PREFIX.0, PREFIX.1, ... get the outputs
// in the same way. On standard output: one line of JSON with names, types, shapes, whether XNNPACK took every operator,
// and the milliseconds of each run. Exit codes: 0 done; 1 anything went wrong (LiteRT itself reports success after an
// allocation that failed, so a log line with "ERROR:" is a failure here); 77 LiteRT is not installed.
import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import {createRequire} from 'node:module';
import {fileURLToPath} from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const TYPES = {1: 'float32', 2: 'int32', 3: 'uint8', 4: 'int64', 6: 'bool', 7: 'int16', 8: 'complex64', 9: 'int8',
               10: 'float16', 11: 'float64'};  // LiteRT's numbers, not the file format's

class Failure extends Error {}

function parseArguments(words) {
  const options = {out: null, litert: path.join(ROOT, '.deps/litert'), files: []};
  for (let i = 0; i < words.length; ++i) {
    const name = words[i].startsWith('--') ? words[i].slice(2) : null;
    if (name === null) options.files.push(words[i]);
    else if (!['out', 'litert'].includes(name)) throw new Failure(`unknown option ${words[i]}`);
    else if (++i === words.length) throw new Failure(`--${name} needs a value`);
    else options[name] = words[i];
  }
  if (options.files.length === 0) throw new Failure('no model given');
  return options;
}

// The library's own loader expects a page or a worker; here its script runs as it is and finds Node's own modules. It
// is the build without relaxed SIMD: the same numbers on every CPU, and Node 18 knows all its instructions.
async function loadRuntime(folder, log) {
  const stem = path.join(folder, 'litert_wasm_compat_internal');
  const script = `${stem}.js`;
  if (!fs.existsSync(script)) {
    console.error(`LiteRT is not there: ${script} (scripts/setup.sh tests installs it)`);
    process.exit(77);
  }
  globalThis.require = createRequire(script);
  globalThis.__dirname = folder;
  globalThis.__filename = script;
  globalThis.self = globalThis;
  const factory = vm.runInThisContext(`${fs.readFileSync(script, 'utf8')}\nModuleFactory`, {filename: script});
  const runtime = await factory({
    wasmBinary: fs.readFileSync(`${stem}.wasm`),
    locateFile: file => path.join(folder, file),
    print: line => log.push(line),
    printErr: line => log.push(line),
  });
  runtime.setupLogging();
  return runtime;
}

const listOf = vector => Array.from({length: vector.size()}, (_, i) => vector.get(i));

function portsOf(model, runtime, names, typeOf) {
  return listOf(names).map((name, i) => {
    const type = typeOf.call(model, 0, i);
    return {name, type: TYPES[type.elementType().value] ?? `type ${type.elementType().value}`,
            shape: listOf(type.layout().dimensions()), bytes: type.bytes(), ranked: type};
  });
}

async function load(runtime, bytes) {
  const environment = runtime.LiteRtEnvironment.create(null);
  const address = runtime._malloc(bytes.length);
  runtime.HEAPU8.set(bytes, address);
  const model = runtime.loadModel(environment, address, bytes.length);
  const compiled = await runtime.compileModel(environment, model, {
    environment: {liteRtEnvironment: environment}, accelerator: 'wasm', cpuOptions: {numThreads: 1},
    gpuOptions: {}, webNNOptions: {},
  });
  const signature = model.getSignature(0);
  return {environment, compiled, inputs: portsOf(model, runtime, signature.inputNames(), model.getInputTensorType),
          outputs: portsOf(model, runtime, signature.outputNames(), model.getOutputTensorType)};
}

function readSamples(files, inputs) {
  if (files.length !== inputs.length)
    throw new Failure(`the model has ${inputs.length} inputs, ${files.length} files are given`);
  const all = files.map((file, i) => {
    const bytes = fs.readFileSync(file);
    if (bytes.length === 0 || bytes.length % inputs[i].bytes !== 0)
      throw new Failure(`${file}: ${bytes.length} bytes are no multiple of the ${inputs[i].bytes} of '${inputs[i].name}'`);
    return bytes;
  });
  const counts = new Set(all.map((bytes, i) => bytes.length / inputs[i].bytes));
  if (counts.size !== 1) throw new Failure(`the files hold different numbers of samples: ${[...counts].join(', ')}`);
  return {all, count: [...counts][0]};
}

async function runOnce(runtime, loaded, samples, index) {
  const buffers = loaded.inputs.map((input, i) => {
    const buffer = runtime.LiteRtTensorBuffer.createManaged(
        loaded.environment, runtime.LiteRtTensorBufferType.HOST_MEMORY, input.ranked, input.bytes);
    const address = buffer.lock(runtime.LiteRtTensorBufferLockMode.WRITE);
    runtime.HEAPU8.set(samples.all[i].subarray(index * input.bytes, (index + 1) * input.bytes), address);
    buffer.unlock();
    return buffer;
  });
  const start = performance.now();
  const results = await loaded.compiled.run(0, buffers);
  const milliseconds = performance.now() - start;
  const outputs = results.map(result => {
    const address = result.lock(runtime.LiteRtTensorBufferLockMode.READ);
    const bytes = Buffer.from(runtime.HEAPU8.slice(address, address + result.packedSize()));
    result.unlock();
    result.delete();
    return bytes;
  });
  buffers.forEach(buffer => buffer.delete());
  return {outputs, milliseconds};
}

function stopOnErrors(log) {
  const errors = log.filter(line => line.includes('ERROR:'));
  if (errors.length > 0) throw new Failure(`LiteRT reports:\n  ${errors.join('\n  ')}`);
}

const log = [];
try {
  const options = parseArguments(process.argv.slice(2));
  const [file, ...inputFiles] = options.files;
  const runtime = await loadRuntime(options.litert, log);
  const loaded = await load(runtime, fs.readFileSync(file));
  stopOnErrors(log);
  const times = [];
  const written = loaded.outputs.map(() => []);
  if (inputFiles.length > 0) {
    const samples = readSamples(inputFiles, loaded.inputs);
    for (let index = 0; index < samples.count; ++index) {
      const {outputs, milliseconds} = await runOnce(runtime, loaded, samples, index);
      stopOnErrors(log);
      outputs.forEach((bytes, i) => written[i].push(bytes));
      times.push(Number(milliseconds.toFixed(3)));
    }
    if (options.out !== null) written.forEach((parts, i) => fs.writeFileSync(`${options.out}.${i}`, Buffer.concat(parts)));
  }
  const port = ({name, type, shape, bytes}) => ({name, type, shape, bytes});
  console.log(JSON.stringify({inputs: loaded.inputs.map(port), outputs: loaded.outputs.map(port),
                              fully_accelerated: Boolean(loaded.compiled.isFullyAccelerated()), milliseconds: times}));
} catch (error) {
  const words = error instanceof Failure ? error.message : error.stack ?? String(error);
  console.error([words, ...log.filter(line => !line.startsWith('INFO:'))].join('\n'));
  process.exit(1);
}
