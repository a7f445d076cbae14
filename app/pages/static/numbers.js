// Put numbers into words: the one place where the page rounds. Four significant digits, as the command line prints.

const DIGITS = 4;
export const DASH = "–";

// Zeros at the end go, unless they are kept: numbers that stand side by side have as many digits.
export function number(value, digits = DIGITS, kept = false) {
  if (value === null || value === undefined) return DASH;
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits)))));
  if (exponent < -4 || exponent >= digits + 2) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    return `${minus(trimmed(mantissa))}e${minus(String(Number(power)))}`;
  }
  const text = value.toFixed(Math.max(0, digits - 1 - exponent));
  return minus(kept ? text : trimmed(text));
}

// How many there are: whole, with separators.
export function count(whole) {
  return whole.toLocaleString("en");
}

export function signed(value, digits = 3, kept = false) {
  const text = number(value, digits, kept);
  return typeof value === "number" && value > 0 ? `+${text}` : text;
}

function trimmed(text) {
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

function minus(text) {
  return text.replace("-", "−");
}

const inPercent = new Set();

// The metrics that the service says are read in percent: a name alone does not tell, and one of a workload's own may be in percent already.
export function readInPercent(paths) {
  inPercent.clear();
  for (const path of paths ?? []) inPercent.add(path);
}

export function unitOf(path) {
  return inPercent.has(path) ? { factor: 100, suffix: " %", point: " points" } : { factor: 1, suffix: "", point: "" };
}

export function metricValue(path, value) {
  const unit = unitOf(path);
  return typeof value === "number" ? number(value * unit.factor, DIGITS, true) + unit.suffix : number(value);
}

// A bound, as a user wrote it.
export function metricBound(path, value) {
  const unit = unitOf(path);
  return number(value * unit.factor) + unit.suffix;
}

export function percent(share) {
  return `${number(share * 100)}\u00a0%`;
}

export function metricChange(path, value) {
  const unit = unitOf(path);
  return signed(value * unit.factor, 3, true) + unit.point;
}

// How far apart two values are.
export function metricAmount(path, value) {
  const unit = unitOf(path);
  return number(value * unit.factor, 3) + unit.point;
}

export function metricRange(path, low, high) {
  const unit = unitOf(path);
  return `${signed(low * unit.factor, 3, true)} to ${signed(high * unit.factor, 3, true)}`;
}

export function duration(seconds) {
  if (seconds > 0 && seconds < 9.95) return `${number(seconds, 2)}\u00a0s`;
  const whole = Math.max(0, Math.round(seconds));
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0\u00a0s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count}\u00a0${unit}`).join(" ");
}

const MIB = 2 ** 20, GIB = 2 ** 30;

// As the command line prints it.
export function memory(bytes) {
  if (bytes === null || bytes === undefined) return DASH;
  return bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${(bytes / MIB).toFixed(0)} MiB`;
}

// To the largest unit: it is read at a glance.
export function ago(time) {
  return time ? `${duration(Math.round((Date.now() - Date.parse(time)) / 1000)).split(" ")[0]} ago` : DASH;
}

export function moment(time) {
  return time ? new Date(time).toISOString().slice(0, 19).replace("T", " ") + " UTC" : DASH;
}

// Names without what all of a task's have in common: the task alone where it has one.
export function shortNames(paths) {
  const count = {};
  for (const path of paths) count[path.split(".")[0]] = (count[path.split(".")[0]] ?? 0) + 1;
  return Object.fromEntries(paths.map((path) => [path, count[path.split(".")[0]] === 1 ? path.split(".")[0] : path]));
}

export function metricName(path) {
  const [task, ...rest] = path.split(".");
  return rest.length ? `${task} ${rest.join(".").replace(/^(sparse_|categorical_|binary_)+/, "")}` : task;
}
