import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { fetchOperations, fetchServices } from "./api.ts";
import { Icon } from "./icons.tsx";
import { emptyFilter, filterProblem, isEmptyFilter, type SummaryFilter } from "./summary-filter.ts";
import type { TracesView } from "./traces-view.ts";

const typingMs = 250;

/** What the list is narrowed to. The URL and the list follow when typing rests. */
export function FilterBar({ view, children }: { view: TracesView; children: ComponentChildren }): JSX.Element {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const { value: now } = view.filter;
  const wrong = filterProblem(now);

  const change = (part: Partial<SummaryFilter>): void => {
    view.filter.value = { ...view.filter.peek(), ...part };
    clearTimeout(timer.current);
    timer.current = setTimeout(() => view.applyFilter(), typingMs);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  const { services, operations, suggest } = useSuggestions(now.service.trim());

  return (
    <form class="filter-bar" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="field field-service">
        <Icon name="filter" />
        <input
          id="filter-service"
          list="services"
          placeholder="Service"
          aria-label="Service"
          autocomplete="off"
          spellcheck={false}
          value={now.service}
          onFocus={suggest}
          onInput={(event) => change({ service: event.currentTarget.value })}
        />
      </label>
      <label class="field field-operation">
        <input
          list="operations"
          placeholder="Operation"
          aria-label="Operation"
          autocomplete="off"
          spellcheck={false}
          value={now.operation}
          onInput={(event) => change({ operation: event.currentTarget.value })}
        />
      </label>
      <label class="field field-tags">
        <input
          placeholder="Attribute  key:value"
          aria-label="Attributes, key:value"
          aria-invalid={wrong?.field === "tags"}
          title={wrong?.field === "tags" ? wrong.message : "Several are divided by spaces"}
          autocomplete="off"
          spellcheck={false}
          value={now.tags}
          onInput={(event) => change({ tags: event.currentTarget.value })}
        />
      </label>
      <label class="field field-duration">
        <span class="dim">≥</span>
        <input
          placeholder="Duration"
          aria-label="Minimum duration"
          aria-invalid={wrong?.field === "minDuration"}
          title={wrong?.field === "minDuration" ? wrong.message : "The whole trace lasts at least: 200ms, 1.5s"}
          autocomplete="off"
          spellcheck={false}
          value={now.minDuration}
          onInput={(event) => change({ minDuration: event.currentTarget.value })}
        />
      </label>
      <button
        type="button"
        class={`button errors-only${now.errors ? " is-on" : ""}`}
        aria-pressed={now.errors}
        onClick={() => change({ errors: !now.errors })}
      >
        <Icon name="error" /> <span>Errors</span>
      </button>
      {!isEmptyFilter(now) && (
        <button type="button" class="button is-quiet" onClick={() => change(emptyFilter)}>
          Clear
        </button>
      )}
      {wrong !== null && (
        <span class="filter-problem" role="alert">
          {wrong.message}
        </span>
      )}
      <div class="top-space" />
      {children}
      <datalist id="services">
        {services.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <datalist id="operations">
        {operations.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}

/** The services there are, and the operations of `service`, once it is one of them. `suggest` asks for the services again. */
function useSuggestions(service: string): { services: string[]; operations: string[]; suggest: () => void } {
  const services = useSignal<string[]>([]);
  const operations = useSignal<string[]>([]);
  const suggest = (): void => {
    fetchServices().then(
      (names) => {
        services.value = names;
      },
      // Suggestions only.
      () => {},
    );
  };
  useEffect(suggest, []);
  useEffect(() => {
    operations.value = [];
    if (service === "" || !services.peek().includes(service)) return;
    let isCurrent = true;
    fetchOperations(service).then(
      (names) => {
        if (isCurrent) operations.value = names;
      },
      () => {},
    );
    return () => {
      isCurrent = false;
    };
  }, [service, services.value]);
  return { services: services.value, operations: operations.value, suggest };
}
