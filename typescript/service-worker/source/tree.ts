/** Hash trees of the Internet Computer (Interface Specification, Certification): looking up, and proofs that there is nothing. */

/** As CBOR has it: [0], [1, left, right], [2, label, tree], [3, value], [4, hash]. */
export type Tree =
  readonly [0] | readonly [1, Tree, Tree] | readonly [2, Uint8Array, Tree] | readonly [3, Uint8Array] | readonly [4, Uint8Array];
/** Unknown: it may be in a part that was left out. */
export type Found = { tree: Tree } | "absent" | "unknown";
export type Label = string | Uint8Array;

const EMPTY = 0;
const FORK = 1;
const LABELED = 2;
const LEAF = 3;
const PRUNED = 4;

export function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference) return difference;
  }
  return a.length - b.length;
}

function branches(tree: Tree): Tree[] {
  if (tree[0] === FORK) return [...branches(tree[1]), ...branches(tree[2])];
  return tree[0] === EMPTY ? [] : [tree];
}

/** What lies at a path. Labels are in order, so a gap between two that are next to each other is a proof of absence. */
export function lookup(tree: Tree, path: readonly Label[]): Found {
  const [first, ...rest] = path;
  if (first === undefined) return { tree };
  const label = typeof first === "string" ? new TextEncoder().encode(first) : first;
  let gap = false;
  for (const branch of branches(tree)) {
    if (branch[0] === LABELED) {
      const order = compare(branch[1], label);
      if (order === 0) return lookup(branch[2], rest);
      if (order > 0) break;
      gap = false;
    } else {
      gap = branch[0] === PRUNED;
    }
  }
  return gap ? "unknown" : "absent";
}

export function leaf(tree: Tree, path: readonly Label[]): Uint8Array | undefined {
  const found = lookup(tree, path);
  return typeof found !== "string" && found.tree[0] === LEAF ? found.tree[1] : undefined;
}
