// Who looks at the page, and what they may do.

import { ask } from "./ask";

interface Me {
  name: string;
  role: string;
  roles: string[];
  open: boolean;
}

class Who {
  me = $state.raw<Me | null>(null);
  /** The calculator wants a key first. */
  unknown = $state(false);

  /** Events by hand, acknowledgements and withdrawals are an operator's. */
  get mayTell(): boolean {
    return this.me?.roles.some((role) => role === "operator" || role === "admin") ?? false;
  }
}
export const who = new Who();

export async function askWho(): Promise<void> {
  const { value, status } = await ask<Me>("v1/me");
  who.me = value ?? who.me;
  who.unknown = status === 401;
}

/** With a key; what was wrong with it, or "". */
export async function signIn(key: string): Promise<string> {
  const { problem } = await ask("v1/session", { key });
  if (!problem) await askWho();
  return problem;
}
