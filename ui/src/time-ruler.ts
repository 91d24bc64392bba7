import { unitOfStep } from "./duration.ts";

export interface Tick {
  /** Microseconds from the start of the trace. */
  us: number;
  label: string;
}

/**
 * The ticks of a time ruler over [fromUs, toUs]: round numbers (1, 2 or 5 times a power of ten), no two closer than
 * `minGapPx` on a ruler of `widthPx`. All labels share one unit.
 */
export function rulerTicks(fromUs: number, toUs: number, widthPx: number, minGapPx = 90): Tick[] {
  const span = toUs - fromUs;
  if (!(span > 0) || !(widthPx > 0)) return [];
  const most = Math.max(1, Math.floor(widthPx / minGapPx));
  const step = roundStep(span / most);
  const unit = unitOfStep(step, toUs);
  const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step / unit.us) + 1e-9)));
  const ticks: Tick[] = [];
  for (let n = Math.ceil(fromUs / step - 1e-9); n * step <= toUs + step * 1e-9; n++) {
    const us = n * step;
    ticks.push({ us, label: us === 0 ? "0" : `${(us / unit.us).toFixed(digits)} ${unit.name}` });
  }
  return ticks;
}

/** The smallest of 1, 2, 5 x 10^k that is not below `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  for (const factor of [1, 2, 5, 10]) if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}
