import { SaxesParser } from "saxes";
import { levelLimit } from "./depth-limit.ts";

/** An element of a document. Text is all there is between its tags, without that of its children. */
export interface XmlElement {
  /** Without its prefix. */
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

/**
 * The root element of a document. Attributes, comments and processing instructions are passed over. A document type declaration
 * is refused, so there are no entities but XML's own five, nothing grows, and nothing is fetched.
 *
 * @throws Error when this is no document that is well-formed, in UTF-8 and nested to the limit
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  const document: XmlElement = { name: "", text: "", children: [] };
  const open = [document];
  const parser = new SaxesParser();
  parser.on("xmldecl", ({ encoding }) => {
    if (encoding !== undefined && !/^(utf-8|us-ascii)$/i.test(encoding))
      throw problem(`encoding ${encoding}, not UTF-8`);
  });
  parser.on("doctype", () => {
    throw problem("a document type declaration is not allowed");
  });
  parser.on("error", (error) => {
    throw problem(error.message);
  });
  parser.on("opentag", ({ name }) => {
    if (open.length > levelLimit) throw problem(`elements are nested more than ${levelLimit} deep`);
    const element: XmlElement = { name: name.slice(name.indexOf(":") + 1), text: "", children: [] };
    open.at(-1)!.children.push(element);
    open.push(element);
  });
  parser.on("closetag", () => {
    open.pop();
  });
  const addText = (text: string): void => {
    open.at(-1)!.text += text;
  };
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.write(decodeText(bytes)).close();
  return document.children[0]!;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw problem("the text is not UTF-8");
  }
}

function problem(text: string): Error {
  return new Error(`cannot decode XML: ${text}`);
}
