/** The page that a browser gets first: it installs the service worker, and says what happens. */

const WAYS_OUT: Record<string, string> = {
  unavailable:
    "This browser lets no service worker run here. Private windows of some browsers, and pages without https, have none: open the address in an ordinary window, with https, or with another browser.",
  failed: "Reload the page. If it stays so, tell whoever runs this gateway.",
};

function show(id: string, text: string): void {
  const element = document.getElementById(id);
  if (element) element.textContent = text;
}

function fail(status: string, way: keyof typeof WAYS_OUT): void {
  show("status", status);
  show("advice", WAYS_OUT[way] ?? "");
  document.documentElement.dataset["state"] = "failed";
}

async function install(): Promise<void> {
  if (!("serviceWorker" in navigator)) {
    fail("Service workers are not available.", "unavailable");
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

install().catch(() => fail("The service worker could not be installed.", "failed"));
