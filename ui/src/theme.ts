import { type Signal, signal } from "@preact/signals";

export type Theme = "light" | "dark";

const stored = "clew.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** The theme on screen. */
export const theme: Signal<Theme> = signal<Theme>(system.matches ? "dark" : "light");

function apply(): void {
  const chosen = localStorage.getItem(stored);
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  theme.value = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

export function startTheme(): void {
  system.addEventListener("change", apply);
  apply();
}

/** The other theme. Choosing what the system has anyway means following the system again. */
export function toggleTheme(): void {
  const next: Theme = theme.peek() === "dark" ? "light" : "dark";
  if ((next === "dark") === system.matches) localStorage.removeItem(stored);
  else localStorage.setItem(stored, next);
  apply();
}
