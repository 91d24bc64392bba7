import type { JSX } from "preact";
import { Icon } from "./icons.tsx";

/** What a page could not load, and the way to try again; nothing while there is no problem. */
export function ProblemBanner({ problem, retry }: { problem: Error | null; retry: () => void }): JSX.Element | null {
  if (problem === null) return null;
  return (
    <div class="banner is-lost" role="alert">
      <Icon name="error" /> {problem.message}
      <button type="button" class="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}
