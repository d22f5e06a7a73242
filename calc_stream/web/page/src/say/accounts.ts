// Accounts and places in words: "pool:press-1" is the pool of press-1.

import { EARLIER, OTHERS } from "../live/flows";
import { name, t } from "./language.svelte";
import { label } from "./sources";

/** The kind of an account and what it is of. */
export function parted(account: string): { kind: string; of: string } {
  const at = account.indexOf(":");
  return at < 0 ? { kind: "", of: account } : { kind: account.slice(0, at), of: account.slice(at + 1) };
}

export function titled(account: string): string {
  if (account === EARLIER) return t("flow.earlier");
  if (account === OTHERS) return t("flow.others");
  const { kind, of } = parted(account);
  if (kind === "product") return t("flow.ended", { product: of });
  if (!kind) return label(of);
  if (kind === "batch") return of;
  return of ? `${name("account", kind)} ${of}` : name("accounts_of", kind);
}
