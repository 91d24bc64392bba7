import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { fetchOperations, fetchServices } from "./api.ts";
import { Icon } from "./icons.tsx";
import { emptyFilter, filterProblem, isEmptyFilter, type SummaryFilter } from "./summary-filter.ts";
import { ServiceName } from "./summary-row.tsx";
import { TimeRangeField } from "./time-range-field.tsx";
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
  const bind = (name: TextName): Pick<FieldProps, "name" | "value" | "problem" | "onText"> => ({
    name,
    value: now[name],
    problem: wrong?.field === name ? wrong.message : undefined,
    onText: (text) => change({ [name]: text }),
  });
  const { services, operations, suggest } = useSuggestions(now.service.trim());

  return (
    <form class="filter-bar" role="search" onSubmit={(event) => event.preventDefault()}>
      <Field {...bind("service")} label="Service" list="services" onFocus={suggest}>
        <Icon name="filter" />
      </Field>
      {now.caller !== "" && <CallerChip caller={now.caller} onRemove={() => change({ caller: "" })} />}
      <Field {...bind("operation")} label="Operation" list="operations" />
      <Field
        {...bind("tags")}
        label="Attributes, key:value"
        placeholder="Attribute  key:value"
        hint="Several are divided by spaces"
      />
      <Field
        {...bind("minDuration")}
        label="Minimum duration"
        placeholder="Duration"
        hint="The whole trace lasts at least: 200ms, 1.5s"
      >
        <span class="dim">≥</span>
      </Field>
      <button
        type="button"
        class={`button errors-only${now.errors ? " is-on" : ""}`}
        aria-pressed={now.errors}
        onClick={() => change({ errors: !now.errors })}
      >
        <Icon name="error" /> <span>Errors</span>
      </button>
      <TimeRangeField range={now.range} onChange={(range) => change({ range })} />
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

/** The fields of a filter that are text. */
type TextName = "service" | "operation" | "tags" | "minDuration";

interface FieldProps {
  name: TextName;
  label: string;
  /** Default: the label. */
  placeholder?: string;
  /** What the tooltip says while nothing is wrong. */
  hint?: string;
  /** The id of the suggestions. */
  list?: string;
  value: string;
  problem: string | undefined;
  onText: (text: string) => void;
  onFocus?: () => void;
  children?: ComponentChildren;
}

function Field({ name, label, placeholder = label, hint, list, value, problem, ...rest }: FieldProps): JSX.Element {
  return (
    <label class={`field field-${name}`}>
      {rest.children}
      <input
        id={`filter-${name}`}
        list={list}
        placeholder={placeholder}
        aria-label={label}
        aria-invalid={problem !== undefined}
        title={problem ?? hint}
        autocomplete="off"
        spellcheck={false}
        value={value}
        onFocus={rest.onFocus}
        onInput={(event) => rest.onText(event.currentTarget.value)}
      />
    </label>
  );
}

/** That only calls by one service are looked for, which a line of the map of services asks for. */
function CallerChip({ caller, onRemove }: { caller: string; onRemove: () => void }): JSX.Element {
  return (
    <button type="button" class="button chip" title={`Show more than the calls by ${caller}`} onClick={onRemove}>
      <span class="dim">called by</span>
      <ServiceName name={caller} />
      <Icon name="close" label="remove" />
    </button>
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
