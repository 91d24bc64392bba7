/** "GET" and "/v1/users/1" of a path; an operation has no verb. */
export function splitPath(path: string): { verb: string; rest: string } {
  const match = /^([A-Z]{3,8}) (\S.*)$/.exec(path);
  return match === null ? { verb: "", rest: path } : { verb: match[1]!, rest: match[2]! };
}

/** "Users/ListMessages" of "/demo.v1.Users/ListMessages": where room is scarce the package is what can go. Others stay whole. */
export function shortOperation(operation: string): string {
  const match = /^\/(?:\w+\.)*(\w+\/\w+)$/.exec(operation);
  return match === null ? operation : match[1]!;
}
