import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { copyText } from "./copy.ts";
import { Icon } from "./icons.tsx";

/** A button that puts text on the clipboard, and says that it did. With `children` it has a visible label. */
export function CopyButton(props: { text: string | (() => string); label: string; children?: string }): JSX.Element {
  const state = useSignal<"idle" | "done" | "refused">("idle");
  const copy = async (): Promise<void> => {
    const isDone = await copyText(typeof props.text === "string" ? props.text : props.text());
    state.value = isDone ? "done" : "refused";
    setTimeout(() => {
      state.value = "idle";
    }, 1200);
  };
  const title =
    state.value === "refused" ? "The browser refused the clipboard" : state.value === "done" ? "Copied" : props.label;
  return (
    <button
      type="button"
      class={props.children === undefined ? "icon-button copy" : "button copy"}
      title={title}
      aria-label={props.children === undefined ? title : undefined}
      onClick={(event) => {
        event.stopPropagation();
        void copy();
      }}
    >
      <Icon name={state.value === "done" ? "check" : state.value === "refused" ? "close" : "copy"} />
      {props.children !== undefined && <span>{state.value === "done" ? "Copied" : props.children}</span>}
    </button>
  );
}
