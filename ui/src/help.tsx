import { type Signal, signal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";

export const isHelpOpen: Signal<boolean> = signal(false);

const everywhere: [string[], string][] = [
  [["j", "k"], "next, previous row (also ↓ ↑)"],
  [["Enter"], "open the trace, the service's traces, or the details of the span"],
  [["t"], "traces"],
  [["s"], "services"],
  [["/"], "filter"],
  [["?"], "this help"],
];
const list: [string[], string][] = [[["."], "pause or resume the live list"]];
const trace: [string[], string][] = [
  [["←", "→"], "fold, unfold; parent, first child"],
  [["e", "E"], "next, previous error"],
  [["n", "N"], "next, previous match of the filter"],
  [["z"], "zoom to the span"],
  [["Home", "End"], "first, last row"],
  [["Esc"], "zoom out, close the details, clear the filter"],
  [["u"], "up to the list"],
];
const terms: [string, string][] = [
  ["error", "spans that failed"],
  [">10ms  <1s", "by duration"],
  ["kind:client", "by kind"],
  ["service:user", "by service"],
  ["-term", "all but these"],
];

function Keys({ title, rows }: { title: string; rows: [string[], string][] }): JSX.Element {
  return (
    <>
      <h3>{title}</h3>
      <dl>
        {rows.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

export function Help(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useSignalEffect(() => {
    if (isHelpOpen.value) dialog.current?.showModal();
    else dialog.current?.close();
  });
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-label="Keyboard"
      onClose={() => {
        isHelpOpen.value = false;
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) isHelpOpen.value = false;
      }}
      onKeyDown={(event) => {
        if (event.key === "?") isHelpOpen.value = false;
      }}
    >
      <header>
        <h2>Keyboard</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      <div class="help-columns" tabIndex={-1} autofocus>
        <div>
          <Keys title="Everywhere" rows={everywhere} />
          <Keys title="List" rows={list} />
        </div>
        <div>
          <Keys title="Trace" rows={trace} />
        </div>
        <div>
          <h3>Filter inside a trace</h3>
          <dl>
            {terms.map(([term, text]) => (
              <div key={term}>
                <dt>
                  <code>{term}</code>
                </dt>
                <dd>{text}</dd>
              </div>
            ))}
          </dl>
        </div>
      </div>
    </dialog>
  );
}
