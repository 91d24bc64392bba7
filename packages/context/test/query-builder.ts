/** What does its work when it is asked for its result, as the query builders of knex and Prisma do. */
export function createQuery<T>(work: (resolve: (value: T) => void) => void): PromiseLike<T> {
  // biome-ignore lint/suspicious/noThenProperty: that is what a query builder has.
  const query = { then: work };
  return query as PromiseLike<T>;
}
