/** How deep messages may be nested in what is read, as protobuf's own libraries have it: deeper ones are refused. */
export const depthLimit = 100;

/** The same for encodings where one message in another is two levels: a map's entry and its value, a oneof and its member. */
export const levelLimit: number = 2 * depthLimit + 1;
