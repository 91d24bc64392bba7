import { effect, type Signal, signal } from "@preact/signals";

export type Route = { page: "traces" } | { page: "trace"; traceId: string } | { page: "unknown" };

/** The page that the URL names. A trace id may be short of its leading zeros, as Jaeger writes it. */
export function routeOf(pathname: string): Route {
  if (pathname === "/" || pathname === "") return { page: "traces" };
  const match = /^\/trace\/([0-9a-fA-F]{1,32})\/?$/.exec(pathname);
  return match === null ? { page: "unknown" } : { page: "trace", traceId: match[1]!.toLowerCase().padStart(32, "0") };
}

export const route: Signal<Route> = signal<Route>({ page: "traces" });

/** The URL of the list as it was left, so that the way back keeps the filter. */
export const listUrl: Signal<string> = signal("/");

/** Reads the address bar now and on every move through the history, and takes over clicks on links within the UI. */
export function startRouter(): void {
  const read = (): void => {
    const next = routeOf(location.pathname);
    if (next.page === "traces") listUrl.value = location.pathname + location.search;
    const now = route.peek();
    if (now.page === next.page && (next.page !== "trace" || (now as { traceId: string }).traceId === next.traceId))
      return;
    route.value = next;
  };
  read();
  addEventListener("popstate", read);
  addEventListener("click", (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = (event.target as Element | null)?.closest?.("a");
    if (link?.target !== "" || link.origin !== location.origin || link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    navigate(link.pathname + link.search + link.hash);
  });
  effect(() => {
    if (route.value.page !== "trace") document.title = "Traces · Clew";
  });
}

/** Goes to a page of the UI. */
export function navigate(url: string): void {
  history.pushState(null, "", url);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Changes the URL without a step in the history. */
export function replaceUrl(url: string): void {
  history.replaceState(null, "", url);
  if (route.peek().page === "traces") listUrl.value = url;
}
