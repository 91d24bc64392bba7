import { effect, type Signal, signal } from "@preact/signals";

export type Route =
  | { page: "traces" }
  | { page: "services" }
  | { page: "trace"; traceId: string }
  | { page: "unknown" };

/** The page that the URL names. A trace id may be short of its leading zeros, as Jaeger writes it. */
export function routeOf(pathname: string): Route {
  if (pathname === "/" || pathname === "") return { page: "traces" };
  if (/^\/services\/?$/.test(pathname)) return { page: "services" };
  const match = /^\/trace\/([0-9a-fA-F]{1,32})\/?$/.exec(pathname);
  return match === null ? { page: "unknown" } : { page: "trace", traceId: match[1]!.toLowerCase().padStart(32, "0") };
}

export const route: Signal<Route> = signal<Route>({ page: "traces" });

/** The URL of the list as it was left, so that the way back keeps the filter. */
export const listUrl: Signal<string> = signal("/");

/** The URL of the services as they were left. */
export const servicesUrl: Signal<string> = signal("/services");

const titles: Partial<Record<Route["page"], string>> = {
  traces: "Traces",
  services: "Services",
  unknown: "No such page",
};

/** Reads the address bar now and on every move through the history, and takes over clicks on links within the UI. */
export function startRouter(): void {
  const read = (): void => {
    const next = routeOf(location.pathname);
    remember(next, location.pathname + location.search);
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
    // By its attributes: a link in a drawing has other properties than one in text.
    const href = link?.getAttribute("href") ?? null;
    if (href === null || (link!.getAttribute("target") ?? "") !== "") return;
    const url = new URL(href, location.href);
    if (url.origin !== location.origin || url.pathname.startsWith("/api/")) return;
    event.preventDefault();
    // Clicked, and not reached by keys: the next Enter is meant for the page, not for a link that stays on screen.
    if (event.detail > 0) (document.activeElement as HTMLElement | null)?.blur();
    navigate(url.pathname + url.search + url.hash);
  });
  effect(() => {
    const title = titles[route.value.page];
    if (title !== undefined) document.title = `${title} · Clew`;
  });
}

function remember({ page }: Route, url: string): void {
  if (page === "traces") listUrl.value = url;
  if (page === "services") servicesUrl.value = url;
}

/** Goes to a page of the UI. */
export function navigate(url: string): void {
  history.pushState(null, "", url);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Changes the URL without a step in the history. */
export function replaceUrl(url: string): void {
  history.replaceState(null, "", url);
  remember(route.peek(), url);
}
