/** Puts text on the clipboard. Resolves to false when the browser refuses: without https only loopback has a clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
