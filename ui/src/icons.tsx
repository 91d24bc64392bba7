import type { JSX } from "preact";

/** Paths on a 16 x 16 grid, drawn with the text's colour. */
export const iconPaths = {
  error: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M8 4.6v4.2M8 11.3v.1",
  chevron: "M6 3.5 10.5 8 6 12.5",
  // Arrows as seen from the service: a call goes out of a client and into a server.
  client: "M4.5 11.5l7-7M6.5 4.5h5v5",
  server: "M4.5 4.5l7 7M11.5 6.5v5h-5",
  producer: "M2.5 8h7M7 5.5 9.5 8 7 10.5M13 4v8",
  consumer: "M6.5 8h7M11 5.5 13.5 8 11 10.5M3 4v8",
  internal: "M8 8h.01",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  moon: "M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3",
  help: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M6.2 6.3a1.9 1.9 0 1 1 2.6 1.8c-.5.2-.8.6-.8 1.1M8 11.4v.1",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.5 8z",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  check: "M3 8.5l3.2 3.2L13 5",
  clock: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M8 4.5V8l2.5 1.5",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3l3.2 3.2",
  up: "M3.5 10 8 5.5 12.5 10",
  down: "M3.5 6 8 10.5 12.5 6",
  back: "M10 3.5 5.5 8l4.5 4.5",
  link: "M6.8 9.2a2.5 2.5 0 0 0 3.6 0l2.4-2.4a2.55 2.55 0 0 0-3.6-3.6l-.9.9M9.2 6.8a2.5 2.5 0 0 0-3.6 0L3.2 9.2a2.55 2.55 0 0 0 3.6 3.6l.9-.9",
  database: "M3 4c0-2 10-2 10 0s-10 2-10 0v8c0 2 10 2 10 0V4M3 8c0 2 10 2 10 0",
  queue: "M4 4.5h8.5c2 0 2 7 0 7H4c-2 0-2-7 0-7s2 7 0 7M8.5 8h.01M11 8h.01",
  ghost: "M3.5 13.5V7a4.5 4.5 0 0 1 9 0v6.5l-1.5-1.2-1.5 1.2L8 12.3l-1.5 1.2L5 12.3zM6.3 7v.1M9.7 7v.1",
} as const;

export type IconName = keyof typeof iconPaths;

export function Icon({ name, label }: { name: IconName; label?: string }): JSX.Element {
  return (
    <svg
      class={`icon icon-${name}`}
      viewBox="0 0 16 16"
      role={label === undefined ? undefined : "img"}
      aria-label={label}
      aria-hidden={label === undefined ? "true" : undefined}
    >
      <path d={iconPaths[name]} />
    </svg>
  );
}

/** The ball of thread. */
export function Logo(): JSX.Element {
  return (
    <svg class="logo" viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="9" cy="9" r="7" />
      <path d="M4.2 12.6C8 12.2 12 8.4 12.8 4.2M2.6 8.2C5.4 8 8.1 5.3 8.3 2.4M8 15.7C11.8 15.2 15.2 11.6 15.7 8M10.5 15.9C13 17.6 15.5 18.3 18.3 17.6" />
    </svg>
  );
}
