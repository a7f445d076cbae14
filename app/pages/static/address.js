// What is shown lies in the address, so that a link shows a colleague the same.

const parameters = () => new URLSearchParams(location.search);

export function read(key, otherwise = "") {
  return parameters().get(key) ?? otherwise;
}

export function write(changes) {
  const found = parameters();
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") found.delete(key);
    else found.set(key, value);
  }
  const query = found.toString().replaceAll("%2C", ",");
  try {
    history.replaceState(null, "", query ? `?${query}${location.hash}` : location.pathname + location.hash);
  } catch { /* a report opened from a file keeps its address */ }
}

export function readNumbers(key) {
  return read(key).split(",").filter((part) => /^\d+$/.test(part)).map(Number);
}
