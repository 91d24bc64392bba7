/** How deep messages may be nested in what is read, as protobuf's own libraries have it: deeper ones are refused. */
export const depthLimit = 100;
