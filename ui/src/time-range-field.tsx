import type { JSX } from "preact";
import { Icon } from "./icons.tsx";
import { stats } from "./tail.ts";
import { isBackward, lookbacks, type TimeRange, toMoments } from "./time-range.ts";

interface Props {
  range: TimeRange;
  onChange: (range: TimeRange) => void;
}

/** The time in which traces started: one of the usual ones, or two moments by hand. */
export function TimeRangeField({ range, onChange }: Props): JSX.Element {
  return (
    <>
      <label class="field field-range">
        <Icon name="clock" />
        <select
          aria-label="Traces that started in"
          value={"lookback" in range ? range.lookback : ""}
          onChange={({ currentTarget: { value } }) =>
            onChange(value === "" ? toMoments(range, Date.now(), stats.peek()?.oldestMs ?? null) : { lookback: value })
          }
        >
          {lookbacks.map(({ name, title }) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
          <option value="">From … to …</option>
        </select>
      </label>
      {!("lookback" in range) && (
        <span class="moments">
          <Moment label="From" value={range.from} onInput={(from) => onChange({ ...range, from })} />
          <Moment
            label="To"
            value={range.to}
            isWrong={isBackward(range)}
            onInput={(to) => onChange({ ...range, to })}
          />
          {isBackward(range) && (
            <span class="filter-problem" role="alert">
              The time ends before it begins
            </span>
          )}
        </span>
      )}
    </>
  );
}

function Moment(props: {
  label: string;
  value: string;
  isWrong?: boolean;
  onInput: (value: string) => void;
}): JSX.Element {
  const { label, value, isWrong = false, onInput } = props;
  return (
    <label class="field field-moment">
      <span class="dim">{label}</span>
      <input
        type="datetime-local"
        value={value}
        aria-invalid={isWrong}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}
