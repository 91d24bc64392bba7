export {
  checkOptionNames,
  checkOptions,
  checkValue,
  type OptionCheck,
  type OptionChecks,
  type OptionError,
  optionsWith,
  pickOptions,
} from "./check-options.ts";
export {
  aBoolean,
  aFunction,
  aLogger,
  aNumber,
  anObject,
  anything,
  aText,
  having,
  isObject,
  kind,
  listOf,
  longestTimerMs,
  millisecondsFrom,
  numberAbove,
  numberFrom,
  oneOf,
  orBoolean,
  orListOf,
  recordOf,
  wholeNumberFrom,
} from "./kinds.ts";
export { nearestNames } from "./nearest.ts";
export { tell } from "./tell.ts";
