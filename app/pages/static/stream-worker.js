// One stream for all tabs of a browser: it allows six connections to a host, and a stream in each tab would use them up.
const ports = new Set();
let source = null;
let state = "waiting";
const address = new URL("../../v1/events", self.location.href).href;

function toAll(message) {
  for (const port of ports) port.postMessage(message);
}

function listen() {
  source = new EventSource(address);
  source.onopen = () => toAll({ state: (state = "live") });
  source.onerror = () => {
    toAll({ state: (state = "lost") });
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
  source.addEventListener("study", (event) => toAll({ study: JSON.parse(event.data).study }));
}

self.onconnect = (event) => {
  const port = event.ports[0];
  ports.add(port);
  port.onmessage = (message) => {
    if (message.data === "leave") ports.delete(port);
  };
  port.postMessage({ state });
  if (!source) listen();
};
