/**
 * The config.json of a language model as text, and the options that it specifies. Python writes
 * numbers that JSON lacks in one of two ways, as `Infinity` or as `{"__float__": "Infinity"}`; and
 * where transformers expects a float it accepts 0.0 but not 0.
 */
import { TensorError } from '@mambagrad/tensor';
import { warn } from '@mambagrad/tensor/host';
import { checkArgument, show } from '@mambagrad/tensor/options';
import type { MambaLMOptions } from '../models/languageModel.ts';
import type { LayerKind } from '../models/stackOptions.ts';
import { innerKeys, type Keys, keys } from './keys.ts';

/** A parsed config.json, with the keys of transformers or of mamba_ssm (d_model, ssm_cfg, …). */
export type CheckpointConfig = Readonly<Record<string, unknown>>;

/** The options of a config, and the key that each comes from. */
export interface ReadConfig {
  readonly options: MambaLMOptions;
  readonly keyOf: (option: keyof MambaLMOptions) => string;
}

/** By option: its value in the config, and the key of that value. */
type Settings = Map<string, { readonly key: string; readonly value: unknown }>;

/** The kinds of models by their names in transformers, and in mamba_ssm. */
const layers = new Map<unknown, LayerKind>([
  ['mamba', 'mamba'], ['mamba2', 'mamba2'], ['Mamba1', 'mamba'], ['Mamba2', 'mamba2'],
  ['Mamba3', 'mamba3'],
]);
const required = [
  ['vocabSize', 'vocab_size'], ['hiddenSize', 'hidden_size'], ['numLayers', 'num_hidden_layers'],
] as const;
/** The defaults of transformers for Mamba-2, where they differ from those of `MambaLM`. */
const impliedByTransformers = { numGroups: 8, tieEmbeddings: false, normGroups: 1 };

const fail = (problem: string): TensorError => new TensorError(`optionsOfConfig: ${problem}`);

/**
 * The options that a config.json, as text or parsed, specifies. Throws if it is of another kind of
 * model, lacks a size, or specifies something that is not supported. Unknown keys are ignored, with
 * one warning that names them.
 */
export function optionsOfConfig(config: CheckpointConfig | string): MambaLMOptions {
  return readConfig(config).options;
}

/** The options of a config together with the keys that they come from. */
export function readConfig(given: unknown): ReadConfig {
  const config = typeof given === 'string' ? parse(given) : given;
  if (!isObject(config)) throw fail(`the config is ${show(config)}, expected a JSON object`);
  const inner = config.ssm_cfg ?? {};
  if (!isObject(inner)) throw fail(`ssm_cfg is ${show(inner)}, expected a JSON object`);
  // A config that was converted from mamba_ssm to transformers may have the keys of both.
  const isOriginal = config.d_model !== undefined && config.hidden_size === undefined;
  const type = config.model_type ?? 'mamba';
  const name = isOriginal ? inner.layer ?? type : type;
  const layer = layers.get(name);
  if (!layer) {
    const found = typeof name === 'string' ? name.slice(0, 80) : show(name);
    const expected = isOriginal ? 'Mamba1, Mamba2 or Mamba3' : 'mamba or mamba2';
    throw fail(`the model is a ${found}, expected a ${expected}`);
  }
  const settings: Settings = new Map();
  const unknown = [
    ...readKeys(config, keys[layer], '', settings),
    ...readKeys(inner, innerKeys[layer], 'ssm_cfg.', settings),
  ];
  for (const [option, key] of required) {
    if (!settings.has(option)) throw fail(`there is no ${key}`);
  }
  if (isOriginal) padVocabulary(settings, config.pad_vocab_size_multiple ?? 8);
  addDerived(settings, { ...config, ...inner }, layer);
  if (unknown.length > 0) warnOf(unknown);
  const implied = layer === 'mamba2' && !isOriginal ? impliedByTransformers : {};
  const values = Object.fromEntries(Array.from(settings, ([option, { value }]) => [option, value]));
  return {
    options: { ...implied, ...values, layer } as unknown as MambaLMOptions,
    keyOf: (option) => settings.get(option)?.key ?? option,
  };
}

/** Adds the settings of a config to `settings`, and returns the keys that the table lacks. */
function readKeys(
  config: CheckpointConfig, table: Keys, prefix: string, settings: Settings,
): string[] {
  const given = Object.entries(config).filter(([, value]) => value !== undefined);
  for (const [name, value] of given.filter(([key]) => Object.hasOwn(table, key))) {
    const { kind, option } = table[name];
    const [key, decoded] = [prefix + name, decode(value)];
    checkArgument('optionsOfConfig', key, decoded, kind);
    // The rank may be 'auto', which is the default.
    if (option === undefined || decoded === 'auto') continue;
    const other = settings.get(option);
    if (other && String(other.value) !== String(decoded)) {
      throw fail(`${key} is ${show(decoded)}, but ${other.key} is ${show(other.value)}`);
    }
    settings.set(option, { key, value: decoded });
  }
  return given.filter(([key]) => !Object.hasOwn(table, key)).map(([key]) => prefix + key);
}

/** Rounds the vocabulary size up to a multiple, as mamba_ssm does and transformers does not. */
function padVocabulary(settings: Settings, multiple: unknown): void {
  const { key, value } = settings.get('vocabSize') ?? { key: '', value: 0 };
  const padded = Math.ceil(Number(value) / Number(multiple)) * Number(multiple);
  settings.set('vocabSize', { key, value: padded });
}

/** Adds settings that are derived from several keys, and checks that the keys agree. */
function addDerived(settings: Settings, config: CheckpointConfig, layer: LayerKind): void {
  const get = (option: string, fallback: number) => Number(settings.get(option)?.value ?? fallback);
  const hidden = get('hiddenSize', 0);
  const { num_heads: heads, d_ssm: scanned, intermediate_size: width } = config;
  if (layer === 'mamba' && typeof width === 'number') {
    // `expand` of transformers may be rounded; the width is exact.
    const factor = width / hidden;
    if (factor * hidden !== width) {
      throw fail(`intermediate_size is ${width}: no number times hidden_size, ${hidden}, is that`);
    }
    settings.set('expandFactor', { key: 'intermediate_size', value: factor });
  }
  if (layer === 'mamba3') setRank(settings, config.is_mimo === true);
  const inner = hidden * get('expandFactor', 2);
  const headDim = get('headDim', 64);
  if (typeof heads === 'number' && heads * headDim !== inner) {
    throw fail(`num_heads · head_dim is ${heads} · ${headDim}, but expand · hidden_size ${inner}`);
  }
  if (typeof scanned === 'number' && scanned !== inner) {
    throw fail(`ssm_cfg.d_ssm is ${scanned}, expected expand · d_model, ${inner}`);
  }
  const { key, value: limits } = settings.get('dtLimit') ?? { key: '', value: undefined };
  if (Array.isArray(limits)) {
    settings.set('dtLimit', { key, value: limits.map((limit: unknown) => limit ?? Infinity) });
  }
}

/** The rank of mamba_ssm counts only with `is_mimo`; it is 4 if it is left out. */
function setRank(settings: Settings, isMimo: boolean): void {
  const key = 'ssm_cfg.mimo_rank';
  const rank = isMimo ? settings.get('mimoRank')?.value ?? 4 : 1;
  if (isMimo && rank === 1) throw fail(`${key} is 1, expected at least 2 where is_mimo is true`);
  settings.set('mimoRank', { key, value: rank });
}

function warnOf(unknown: readonly string[]): void {
  const named = unknown.slice(0, 8).map((key) => key.slice(0, 40));
  const more = unknown.length > 8 ? ` and ${unknown.length - 8} more` : '';
  warn(`optionsOfConfig: unknown keys are ignored: ${named.join(', ')}${more}`);
}

// Text

/** The key by which newer Python code marks a float that JSON lacks. */
const TAG = '__float__';
const tagged = new Map<unknown, number>([
  ['Infinity', Infinity], ['-Infinity', -Infinity], ['NaN', NaN],
]);

function parse(text: string): unknown {
  try {
    // Strings are skipped, also one that is not terminated.
    const json = text.replace(/"(?:[^"\\]|\\[^])*"?|-?(?:Infinity|NaN)/g, (part) =>
      part.startsWith('"') ? part : `{"${TAG}":"${part}"}`,
    );
    return JSON.parse(json) as unknown;
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 60));
    const found = text === '' ? 'it is empty' : `it begins with ${start}`;
    const reason = cause instanceof Error ? cause.message.slice(0, 120) : '';
    const problem = `the config is not JSON; ${found} (${reason})`;
    throw new TensorError(`optionsOfConfig: ${problem}`, { cause });
  }
}

/** Converts a tagged float, or those in an array, to numbers. */
function decode(value: unknown): unknown {
  const number = (x: unknown) => (isObject(x) && TAG in x ? tagged.get(x[TAG]) ?? x : x);
  return Array.isArray(value) ? value.map(number) : number(value);
}

/** The keys whose values transformers requires to be floats. */
const floats = new Set(['layer_norm_epsilon', 'time_step_limit', 'dt_limit']);

/** Formats a config as text that Python code reads. */
export function formatConfig(config: CheckpointConfig, indent = ''): string {
  const lines = Object.entries(config).map(([key, value]) => {
    const text = isObject(value) ? formatConfig(value, `${indent}  `)
      : floats.has(key) ? formatFloat(value) : JSON.stringify(value);
    return `\n${indent}  ${JSON.stringify(key)}: ${text}`;
  });
  return `{${lines.join()}\n${indent}}`;
}

function formatFloat(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatFloat).join(', ')}]`;
  return Number.isInteger(value) ? Number(value).toFixed(1) : String(value);
}

function isObject(value: unknown): value is CheckpointConfig {
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isPlain && !(Symbol.iterator in value);
}
