import { sha256 } from "@noble/hashes/sha2.js";

import { hex } from "./hex";

/** The hash of a text, in hexadecimal digits. */
export const digest = (text: string): string => hex(sha256(new TextEncoder().encode(text)));
