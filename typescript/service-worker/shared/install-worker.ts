/** The page that a browser gets first: it installs the service worker, and says what happens. */

const UNAVAILABLE = "Service workers are not available.";
const WAYS_OUT: Record<string, string> = {
  unavailable:
    "This browser lets no service worker run here. Private windows of some browsers, sites whose cookies are blocked, and pages without https have none: open the address in an ordinary window, with cookies and https, or with another browser.",
  failed: "Reload the page. If it stays so, tell whoever runs this gateway.",
};

function show(id: string, text: string): void {
  const element = document.getElementById(id);
  if (element) element.textContent = text;
}

/** What a browser says that has service workers, but lets none run here. */
const DENIED = ["NotSupportedError", "SecurityError"];

function fail(status: string, way: keyof typeof WAYS_OUT): void {
  show("status", status);
  show("advice", WAYS_OUT[way] ?? "");
  document.documentElement.dataset["state"] = "failed";
}

async function install(): Promise<void> {
  if (!("serviceWorker" in navigator)) {
    fail(UNAVAILABLE, "unavailable");
    return;
  }
  const workers = navigator.serviceWorker;
  let problem: string | undefined;
  workers.addEventListener("message", (event) => {
    const said: unknown = (event.data as { problem?: unknown } | null)?.problem;
    if (typeof said === "string") {
      problem = said;
      fail(`The service worker could not be installed. ${said}`, "failed");
    }
  });
  workers.startMessages();
  // Once it controls this page, the same address is fetched again: through it.
  workers.addEventListener("controllerchange", () => location.reload());
  show("status", "Installing the service worker, which verifies all that this site sends.");
  const registration = await workers.register("/sw.js", { scope: "/", updateViaCache: "none" });
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  worker?.addEventListener("statechange", () => {
    if (worker.state === "redundant" && problem === undefined) fail("The service worker could not be installed.", "failed");
  });
  // A page that was loaded around the worker (a forced reload) is not claimed again.
  if (registration.active && !workers.controller) location.reload();
}

install().catch((error: unknown) => {
  if (error instanceof DOMException && DENIED.includes(error.name)) fail(UNAVAILABLE, "unavailable");
  else fail("The service worker could not be installed.", "failed");
});
