import { useEffect } from "preact/hooks";

/**
 * Runs `keys[event.key]` for a key pressed anywhere on the page, unless the user is typing, has a dialog open, or holds a
 * modifier that belongs to the browser.
 */
export function useKeys(keys: Record<string, (event: KeyboardEvent) => void>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target as HTMLElement;
      if (target.matches("input, textarea, select") || document.querySelector("dialog[open]") !== null) return;
      // Enter and space on a button or a link are the button's.
      if ((event.key === "Enter" || event.key === " ") && target.closest("a, button, summary") !== null) return;
      const act = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
      if (act === undefined) return;
      event.preventDefault();
      act(event);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}
