/** How long a name may be for SkyWalking's collector; longer ones are cut by who sends them. */
export const maxServiceLength = 50;
export const maxInstanceLength = 50;
export const maxEndpointLength = 150;
export const maxPeerLength = 200;

/** The first `length` characters, and no half of a surrogate pair. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const isPair = text.charCodeAt(length - 1) >= 0xd800 && text.charCodeAt(length - 1) <= 0xdbff;
  return text.slice(0, isPair ? length - 1 : length);
}
