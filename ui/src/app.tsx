import type { JSX } from "preact";
import { formatSince } from "./clock.ts";
import { Help, isHelpOpen } from "./help.tsx";
import { Icon, Logo } from "./icons.tsx";
import { useKeys } from "./keyboard.ts";
import { countOf, formatBytes, formatCount } from "./quantity.ts";
import { listUrl, navigate, route, servicesUrl } from "./router.ts";
import { ServicesPage } from "./services-page.tsx";
import { connection, stats } from "./tail.ts";
import { theme, toggleTheme } from "./theme.ts";
import { TracePage } from "./trace-page.tsx";
import { TracesPage } from "./traces-page.tsx";

/** What is kept, and what was lost on the way. */
function Kept(): JSX.Element | null {
  const now = stats.value;
  if (now === null) return null;
  const lost = now.droppedSpans + now.rejectedSpans;
  return (
    <div class="kept">
      {now.oldestMs === null ? (
        <span>nothing kept yet</span>
      ) : (
        <>
          <span title={new Date(now.oldestMs).toLocaleString()}>
            kept since {formatSince(now.oldestMs, Date.now())}
          </span>
          <span title={countOf(now.traces, "trace")}>{countOf(now.spans, "span")}</span>
          <span>{formatBytes(now.bytes)}</span>
        </>
      )}
      {lost > 0 && (
        <span
          class="kept-lost"
          title={`${countOf(now.droppedSpans, "span")} dropped for lack of room, ${countOf(now.rejectedSpans, "span")} rejected as malformed`}
        >
          {formatCount(lost)} lost
        </span>
      )}
    </div>
  );
}

function ConnectionBanner(): JSX.Element | null {
  if (connection.value === "lost") {
    return (
      <div class="banner is-lost" role="status">
        <span class="pulse" aria-hidden="true" /> Connection to the collector lost. Trying again; what is on screen
        stays.
      </div>
    );
  }
  if (connection.value !== "regained") return null;
  return (
    <div class="banner is-regained" role="status">
      <Icon name="check" /> Connected again.
    </div>
  );
}

export function App(): JSX.Element {
  useKeys({
    "?": () => {
      isHelpOpen.value = true;
    },
    t: () => navigate(listUrl.peek()),
    s: () => navigate(servicesUrl.peek()),
  });
  const { value: where } = route;
  // A click on the page where one is shows all of it.
  const toTraces = where.page === "traces" ? "/" : listUrl.value;
  const toServices = where.page === "services" ? "/services" : servicesUrl.value;
  return (
    <>
      <header class="top">
        <a class="brand" href={toTraces}>
          <Logo /> Clew
        </a>
        <nav class="pages">
          <a href={toTraces} title="Traces (t)" aria-current={where.page === "traces" ? "page" : undefined}>
            Traces
          </a>
          <a href={toServices} title="Services (s)" aria-current={where.page === "services" ? "page" : undefined}>
            Services
          </a>
        </nav>
        <div class="top-space" />
        <Kept />
        <button
          type="button"
          class="icon-button"
          aria-label={`Switch to ${theme.value === "dark" ? "light" : "dark"}`}
          title={`Switch to ${theme.value === "dark" ? "light" : "dark"}`}
          onClick={toggleTheme}
        >
          <Icon name={theme.value === "dark" ? "sun" : "moon"} />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Keyboard help"
          title="Keyboard (?)"
          onClick={() => {
            isHelpOpen.value = true;
          }}
        >
          <Icon name="help" />
        </button>
      </header>
      <ConnectionBanner />
      {where.page === "traces" && <TracesPage />}
      {where.page === "services" && <ServicesPage />}
      {where.page === "trace" && <TracePage key={where.traceId} traceId={where.traceId} />}
      {where.page === "unknown" && (
        <main class="empty">
          <h1>There is no such page</h1>
          <p>
            <a href="/">To the traces</a>
          </p>
        </main>
      )}
      <Help />
    </>
  );
}
